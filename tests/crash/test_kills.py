"""Nothing that is killed is lost: runs are ended by force, started again, and come to the same bytes.

`LABELDROPOUT_KILLS=20` asks for more than continuous integration has time for.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
from workflow_copy import Workflow, copy_workflow, hashes

from labeldropout.running.reproduce import LOCK, MARKER, has_locks, orphans

KILLS = int(os.environ.get("LABELDROPOUT_KILLS", "3"))
LAST = 0.85
"""Share of the steps after which the run is left in peace, so that every kill meets a living one."""
TRAINING = 0.4
"""Share of the steps after which most trainings still lie ahead; kills that are aimed at one come before it."""
LONGEST_S = 6.0
"""How long after such a share a run may live: longer than the longest job, so that each moment of a job is met."""
MODEL = Path("results", "models", "e1-camus", "seed-0", "weights.safetensors")
DEADLINE_S = 900.0

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@dataclass
class Run:
    """A program at work in a copy of the workflow, and what it has said so far."""

    process: subprocess.Popen
    output: Path

    @classmethod
    def start(cls, study: Workflow, module: str, *arguments: str) -> "Run":
        """Start a module's command line as a terminal would: the leader of a group of its own, which hears Ctrl-C."""
        output = study.root.parent / f"{time.monotonic_ns()}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                ["env", "--default-signal=INT", sys.executable, "-m", module, *arguments],
                cwd=study.root,
                env=study.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, output)

    def said(self) -> str:
        """Everything said so far."""
        return self.output.read_text()

    def finish(self, seconds: float = DEADLINE_S) -> int:
        """Wait for the end; returns the exit status."""
        return self.process.wait(seconds)

    def steps(self) -> tuple[int, int]:
        """Steps done, and steps planned by this run."""
        found = re.findall(r"^(\d+) of (\d+) steps", self.said(), re.MULTILINE)
        return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)

    def kill_tree(self) -> int:
        """Kill the program and all that it started, as a machine that goes down would; returns how many there were."""
        tree = [psutil.Process(self.process.pid)]
        with suppress(psutil.NoSuchProcess):
            tree += tree[0].children(recursive=True)
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(tree[1:], timeout=10)
        self.process.wait(10)
        return len(tree)


def wait_for(condition, run, seconds=DEADLINE_S):
    """Wait until something is true while a program runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert run.process.poll() is None, run.said()[-4000:]
        assert time.monotonic() < deadline, run.said()[-4000:]
        time.sleep(0.02)


def kill_in_the_middle(study, run):
    """Wait until a training has written a checkpoint, and kill it on the spot, before it comes to its end."""
    wait_for(lambda: any(study.root.glob("scratch/train/*/checkpoint.pt")), run)
    for lock in study.root.glob("scratch/train/*.lock"):
        with suppress(FileNotFoundError, ProcessLookupError):  # another one ended at this moment
            os.kill(int(lock.read_text().split()[1]), signal.SIGKILL)


def kill_what_is_left(root):
    """A job may have been started between the look at the tree and its end: nobody survives a machine."""
    while left := orphans(root):
        for process, _ in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.05)


def files(root):
    """Names of all results but logs and times; restart states, which a finished study has none of, belong to them."""
    found = {path.relative_to(root) for name in ("results", "scratch") for path in (root / name).rglob("*")}
    return {path for path in found if (root / path).is_file() and path.parts[1] not in {"logs", "benchmarks"}}


@dataclass
class Progress:
    """How much of a study is done, over several runs of it."""

    n_steps: int = 0
    n_left: int = 0

    def has_reached(self, share: float, run: Run) -> bool:
        """Whether so large a share of all steps is done."""
        done, planned = run.steps()
        if planned:
            self.n_steps = self.n_steps or planned
            self.n_left = planned - done
        return self.n_steps > 0 and self.n_left <= (1 - share) * self.n_steps


def test_killed_runs_end_with_the_same_bytes(finished_study, tmp_path, capsys):
    """A study whose whole process tree is killed again and again, at moments spread over it, ends as if nothing was.

    Every other kill, the first one included, is aimed: at a training between its first checkpoint and its end.
    """
    study = copy_workflow(tmp_path / "killed" / "study")
    study.make_small()
    draw = random.Random(KILLS)  # noqa: S311 (moments, not secrets)
    progress = Progress()
    begin = time.monotonic()
    with capsys.disabled():
        aims = [kill % 2 == 0 for kill in range(KILLS)]
        for share, is_aimed in sorted((draw.uniform(0, TRAINING if aimed else LAST), aimed) for aimed in aims):
            run = Run.start(study, "labeldropout", "reproduce", "--cores", "2")
            wait_for(partial(progress.has_reached, share, run), run)
            if is_aimed:
                kill_in_the_middle(study, run)
            else:
                time.sleep(draw.uniform(0, LONGEST_S))
            assert run.process.poll() is None, run.said()[-4000:]
            n_killed = run.kill_tree()
            kill_what_is_left(study.root)
            seconds = time.monotonic() - begin
            sys.stdout.write(f"\n{n_killed} processes killed after {seconds:.0f} s, {progress.n_left} steps left")
        last = Run.start(study, "labeldropout", "reproduce", "--cores", "2")
        assert last.finish(2 * DEADLINE_S) == 0, last.said()[-6000:]
        resumed = [
            path for path in study.root.glob("results/logs/train*/*/*.log") if "resumed after" in path.read_text()
        ]
        seconds = time.monotonic() - begin
        sys.stdout.write(f"\nfinished after {seconds:.0f} s, {len(resumed)} trainings had gone on from a checkpoint ")
    one, other = hashes(finished_study.root / "results"), hashes(study.root / "results")
    assert len(one) > 60
    assert resumed or KILLS < 2
    assert [name for name in one if one[name] != other.get(name)] == []
    assert set(one) == set(other)
    assert files(study.root) == files(finished_study.root)
    assert not has_locks(study.root)
    assert study.planned() == {}


@pytest.fixture
def one_training(finished_study):
    """A finished study in which one model must be trained again, and the hash that its weights had."""
    before = hashes(finished_study.root / "results")
    (finished_study.root / MODEL).unlink()
    return finished_study, before


def start_training(study, module, *arguments):
    """Start the one training, and wait until it works; returns the run and the trainer."""
    run = Run.start(study, module, *arguments, "--cores", "2", str(MODEL))

    def trainers():
        found = []
        for process in psutil.Process(run.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended at this moment
                if "labeldropout" in [Path(word).name for word in process.cmdline()]:
                    found.append(process)
        return found

    wait_for(trainers, run)
    return run, trainers()[0]


def test_jobs_that_outlive_their_snakemake_are_ended(one_training):
    """Only Snakemake is killed; the next run finds the trainer, says so, ends it, and comes to the same bytes."""
    study, before = one_training
    run, trainer = start_training(study, "labeldropout", "reproduce")
    descriptors = Path("/proc", str(trainer.pid), "fd").glob("*")
    assert not [link for link in descriptors if link.exists() and link.resolve().name == LOCK.name]
    run.process.kill()
    run.finish()
    assert trainer.is_running()
    again = study.run("reproduce", "--cores", "2", str(MODEL), module="labeldropout")
    assert again.returncode == 0, again.stderr
    ended = re.findall(r"Ending a job that outlived its run: process \d+, labeldropout train ", again.stderr)
    assert len(ended) == 1, again.stderr
    assert "its lock is removed" in again.stderr
    assert not trainer.is_running()
    assert hashes(study.root / "results") == before


def test_jobs_of_a_plain_snakemake_are_ended_too(one_training):
    """A run that was started without our command leaves no mark in its jobs, and is found all the same."""
    study, before = one_training
    run, trainer = start_training(study, "snakemake")
    assert MARKER not in trainer.environ()
    run.process.kill()
    run.finish()
    again = study.run("reproduce", "--cores", "2", str(MODEL), module="labeldropout")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("Ending a job that outlived its run") == 1, again.stderr
    assert not trainer.is_running()
    assert hashes(study.root / "results") == before


def test_second_run_is_refused(one_training):
    """While a run is alive, another one is refused with the facts, a plain one by Snakemake; a look is allowed."""
    study, before = one_training
    run, trainer = start_training(study, "labeldropout", "reproduce")
    trainer.suspend()
    second = study.run("reproduce", "--cores", "2", str(MODEL), module="labeldropout")
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert f"process {run.process.pid} on " in second.stderr
    assert "labeldropout reproduce --cores 2" in second.stderr
    assert second.stdout == ""
    plain = study.run("--cores", "2", str(MODEL))
    assert plain.returncode == 1
    assert "cannot be locked" in plain.stdout + plain.stderr
    look = study.run("reproduce", "--dry-run", str(MODEL), module="labeldropout")
    assert look.returncode == 0, look.stderr
    trainer.resume()
    assert run.finish() == 0, run.said()
    assert hashes(study.root / "results") == before


def test_run_beside_a_plain_snakemake_is_refused(one_training):
    """A Snakemake that somebody started by hand counts as a live run, and is not disturbed."""
    study, before = one_training
    run, trainer = start_training(study, "snakemake")
    trainer.suspend()
    second = study.run("reproduce", "--cores", "2", str(MODEL), module="labeldropout")
    assert second.returncode == 1
    assert f"process {run.process.pid} on " in second.stderr
    trainer.resume()
    assert run.finish() == 0, run.said()
    assert hashes(study.root / "results") == before


def test_interrupted_run_ends_like_snakemake(one_training):
    """Ctrl-C reaches Snakemake and its jobs: the run fails, frees the folder, and can be started again."""
    study, before = one_training
    run, trainer = start_training(study, "labeldropout", "reproduce")
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.finish() == 1, run.said()
    assert not trainer.is_running()
    assert not has_locks(study.root)
    again = study.run("reproduce", "--cores", "2", str(MODEL), module="labeldropout")
    assert again.returncode == 0, again.stderr
    assert hashes(study.root / "results") == before
