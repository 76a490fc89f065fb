"""The smoke study on a Slurm of its own, with everything that goes wrong on a cluster."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from slurm import (
    SlurmJob,
    Watcher,
    node_state,
    own_slurm_answers,
    prepare_profile,
    set_node,
    slurm_jobs,
    start_head,
    stop_training_in_the_middle,
    wait_for,
)
from workflow_copy import Workflow, copy_workflow

PATIENCE_S = 900


@pytest.fixture(autouse=True, scope="session")
def _slurm() -> None:
    if not own_slurm_answers():
        pytest.skip("no Slurm of our own answers: make test-cluster starts one")


@dataclass(frozen=True)
class ClusterRun:
    """What happened to the study."""

    study: Workflow
    cancelled: str
    """The Slurm job that was cancelled while it trained."""
    waiting: list[SlurmJob]
    """Jobs that waited while the node was drained."""
    held_at_kill: str
    """The Slurm job that trained when the head was killed."""
    left_at_kill: list[SlurmJob]
    """All jobs that ran or waited then."""
    jobs: list[SlurmJob]
    """All jobs, at the end."""
    watcher: Watcher
    last_words: str
    """Output of the head that finished."""


def running(*rules: str) -> list[SlurmJob]:
    """Jobs of these rules that are at work."""
    return [job for job in slurm_jobs() if job.state == "RUNNING" and job.rule in rules]


@pytest.fixture(scope="session")
def cluster_run(tmp_path_factory: pytest.TempPathFactory) -> ClusterRun:
    """The smoke study from nothing: a training cancelled, the node drained and resumed, the head killed, run again."""
    folder = tmp_path_factory.mktemp("cluster")
    study = copy_workflow(folder / "study")
    study.make_small()
    prepare_profile(study)
    first, last = folder / "first.log", folder / "last.log"
    with Watcher(study.root) as watcher:
        head = start_head(study, first)
        try:
            training, cancelled = stop_training_in_the_middle(study)
            subprocess.run(["scancel", cancelled], check=True)  # Slurm wakes what it ends
            psutil.wait_procs([training], timeout=60)
            wait_for(lambda: running("train_candidate", "train"))
            set_node(State="DRAIN", Reason="test")
            wait_for(lambda: node_state() == "drain")
            waiting = wait_for(lambda: [job for job in slurm_jobs() if job.state == "PENDING"])
            set_node(State="RESUME")
            wait_for(lambda: len(running("train")) == 2)
            _, held_at_kill = stop_training_in_the_middle(study)  # it will not end of itself
        finally:
            head.send_signal(signal.SIGKILL)
            head.wait()
        left_at_kill = [job for job in slurm_jobs() if job.state in {"RUNNING", "PENDING"}]
        head = start_head(study, last)
        try:
            status = head.wait(timeout=PATIENCE_S)
        finally:
            head.kill()
    assert status == 0, last.read_text()[-6000:]
    return ClusterRun(study, cancelled, waiting, held_at_kill, left_at_kill, slurm_jobs(), watcher, last.read_text())


@pytest.fixture
def study_on_slurm(finished_study: Workflow) -> Workflow:
    """A finished study whose profile fits this Slurm."""
    prepare_profile(finished_study)
    return finished_study


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where a head's words go."""
    return tmp_path / "head.log"
