"""The study on a real Slurm: slurm-local.sh starts one with two pretended cards; `make test-cluster` runs all this."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
from slurm import ask, slurm_jobs, start_head, wait_for
from workflow_copy import LOCAL, ROOT, RULES, Workflow, hashes

LOCAL_VERBS = {verb for name in LOCAL for verb in re.findall(r"labeldropout ([\w-]+)", RULES[name])}
pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_results_equal_the_local_run_byte_for_byte(cluster_run, finished_study):
    """Cancelled, drained, killed and run again on a cluster, the study has the bytes of a local run without a break."""
    here, there = hashes(finished_study.root / "results"), hashes(cluster_run.study.root / "results")
    assert len(here) > 60
    assert [name for name in here if here[name] != there.get(name)] == []
    assert set(here) == set(there)


def test_cancelled_training_was_submitted_again_with_more_memory(cluster_run):
    """The training that somebody cancelled came back, and asked for twice the memory."""
    numbers = {job.number: job for job in cluster_run.jobs}
    lost = numbers[cluster_run.cancelled]
    assert lost.state == "CANCELLED"
    assert lost.memory == "8000M"
    again = [job for job in cluster_run.jobs if job.comment == lost.comment and job.number != lost.number]
    assert again[0].memory == "16000M"
    assert again[-1].state == "COMPLETED"


def test_cancelled_training_resumed_from_its_checkpoint(cluster_run):
    """It did not start from the beginning, but after its last validation."""
    lost = next(job for job in cluster_run.jobs if job.number == cluster_run.cancelled)
    name, seed = lost.comment.split("_wildcards_")[1].rsplit("_", 1)
    log = cluster_run.study.root / "results" / "logs" / lost.rule / name / f"seed-{seed}.log"
    assert "resumed after step" in log.read_text()


def test_drained_node_makes_jobs_wait_and_not_fail(cluster_run):
    """While the node was drained jobs waited; but for the cancelled ones none ended otherwise than well."""
    assert cluster_run.waiting
    ends = {job.number: job.state for job in cluster_run.jobs}
    assert {ends[job.number] for job in cluster_run.waiting} <= {"COMPLETED", "CANCELLED"}
    assert set(ends.values()) <= {"COMPLETED", "CANCELLED"}


def test_jobs_that_outlived_the_head_were_cancelled(cluster_run):
    """The second run ended what the killed one had left at work, before it submitted the same again."""
    ends = {job.number: job.state for job in cluster_run.jobs}
    assert ends[cluster_run.held_at_kill] == "CANCELLED"
    assert f"Slurm job {cluster_run.held_at_kill} (running)" in cluster_run.last_words
    assert {ends[job.number] for job in cluster_run.left_at_kill} <= {"CANCELLED", "COMPLETED"}


def test_no_card_served_two_jobs_at_once_and_both_served(cluster_run):
    """Slurm gave every job that asked for a card one of its own."""
    served = set()
    for glance in cluster_run.watcher.glances:
        holders = {}
        for seen in glance:
            if seen.cards:
                holders.setdefault(seen.cards, set()).add(seen.slurm_job)
        assert all(len(jobs) == 1 for jobs in holders.values()), holders
        served |= set(holders)
    assert served == {"0", "1"}


def test_trainings_and_evaluations_asked_for_one_card(cluster_run):
    """What computes with a network asks for a card, and nothing else does."""
    with_card = {job.rule for job in cluster_run.jobs if "gpu" in job.cards}
    assert with_card == {"train", "train_candidate", "train_cone", "evaluate", "prepare_prepare_segment_cone"}
    assert {"import_import_dataset_simulate", "paper_compare_figures_item"} <= {job.rule for job in cluster_run.jobs}


def test_small_jobs_stayed_on_the_head_or_were_grouped(cluster_run):
    """Jobs of a second were not submitted, and those of a minute shared a submission with what follows them."""
    assert not {job.rule for job in cluster_run.jobs} & LOCAL
    in_jobs = {seen.verb for seen in cluster_run.watcher.seen if seen.slurm_job}
    on_head = {seen.verb for seen in cluster_run.watcher.seen if not seen.slurm_job} - {"reproduce"}
    assert {"train", "evaluate", "import-dataset", "compare"} <= in_jobs
    assert on_head
    assert on_head <= LOCAL_VERBS


def test_jobs_use_the_interpreter_of_the_head(cluster_run):
    """The environment on the shared filesystem is that of the jobs, without activating anything there."""
    interpreters = {seen.python for seen in cluster_run.watcher.seen if seen.slurm_job}
    assert {Path(python).parent for python in interpreters} == {Path(sys.executable).parent}


def test_finished_study_has_nothing_to_do_for_other_profiles(cluster_run):
    """What was built on the cluster is not built again elsewhere."""
    assert cluster_run.study.planned() == {}
    assert cluster_run.study.planned("--workflow-profile", "slurm") == {}


def test_job_that_always_fails_ends_the_run_and_is_shown(study_on_slurm: Workflow, output):
    """After its last attempt the run ends with exit 1 and what the job said; a rule with `gpu: 0` asked for no card."""
    weights = "results/models/e3-adaptive/seed-0/weights.safetensors"
    (study_on_slurm.root / weights).unlink()
    images = study_on_slurm.root / "results" / "prepared" / "camus" / "images.npy"
    images.write_bytes(images.read_bytes()[:100])
    before = len(slurm_jobs())
    head = start_head(study_on_slurm, output, "--set-resources", "train:gpu=0", "--retries", "1", weights)
    assert head.wait(timeout=300) == 1
    tried = slurm_jobs()[before:]
    assert [(job.rule, job.state) for job in tried] == [("train", "FAILED")] * 2
    assert not any("gpu" in job.cards for job in tried)
    assert "results/prepared/camus/images.npy: not a prepared array" in output.read_text()


def test_dvc_runs_a_stage_on_the_cluster(study_on_slurm: Workflow):
    """`REPRO_PROFILE=slurm dvc repro` submits what is missing, and leaves no stage stale for the local profile."""
    root = study_on_slurm.root
    for name in ("dvc.yaml", ".dvcignore"):
        (root / name).write_bytes((ROOT / name).read_bytes())

    def dvc(*words, **environment):
        result = subprocess.run(
            ["dvc", *words],
            cwd=root,
            env={**study_on_slurm.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
        return result.stdout

    dvc("init", "--no-scm", "--quiet")
    before = hashes(root / "results")
    dvc("repro")
    missing = root / "results" / "figures" / "figure_3.svg"
    missing.unlink()
    submitted = len(slurm_jobs())
    dvc("repro", REPRO_PROFILE="slurm")
    new = slurm_jobs()[submitted:]
    assert [job.state for job in new] == ["COMPLETED"]
    assert hashes(root / "results") == before
    assert "up to date" in dvc("status", "models", "paper")
    assert "didn't change, skipping" in dvc("repro")
    assert len(slurm_jobs()) == submitted + 1


def surroundings(temporary):
    """What a second Slurm could leave behind: processes, and files where Slurm and munge keep theirs."""
    folders = ("/etc/slurm", "/run", "/var/spool", "/var/log/slurm", "/var/log/munge", "/var/lib/munge", temporary)
    files = {path for folder in folders for path in Path(folder).glob("*")}
    return files, Counter(process.name() for process in psutil.process_iter() if "slurm" in process.name())


@pytest.mark.parametrize("is_stopped", [False, True], ids=["ended", "stopped"])
def test_slurm_of_our_own_leaves_nothing_and_touches_no_other(is_stopped, tmp_path):
    """A second one beside this, ended or stopped in the middle, has other ports, and all is as it was before."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before, settings = surroundings(temporary), ask("scontrol", "show", "config")
    show = "srun --gpus=1 printenv CUDA_VISIBLE_DEVICES; scontrol show config"
    with (tmp_path / "output").open("w+") as output:
        second = subprocess.Popen(
            [ROOT / "tests" / "cluster" / "slurm-local.sh", "sh", "-c", f"{show}; echo done; sleep {100 * is_stopped}"],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=output,
        )
        wait_for(lambda: (tmp_path / "output").read_text().endswith("done\n"), 60)
        if is_stopped:
            second.terminate()
        assert (second.wait(20) == 0) is not is_stopped
    card, *lines = (tmp_path / "output").read_text().splitlines()
    assert card == "0"
    ports = [line for line in lines if line.startswith("SlurmctldPort")]
    assert ports
    assert not set(ports) & set(settings.splitlines())
    assert surroundings(temporary) == before
    assert ask("scontrol", "ping").strip().endswith("is UP")
