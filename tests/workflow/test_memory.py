"""A job that needs more memory than it was given is tried again with more."""

import re
import shutil
import stat
import sys

import pytest

NEEDED_MB = 16000
"""What the trainer below pretends to need: more than a first attempt is given, not more than a second one."""
TRAINER = f"""#!{sys.executable}
import os, subprocess, sys
granted = int(os.environ["GRANTED_MB"])
with open("attempts.txt", "a") as file:
    file.write(f"{{sys.argv[1]}} {{granted}}\\n")
if sys.argv[1] in ("train", "evaluate") and granted < {NEEDED_MB}:
    os.kill(os.getpid(), 9)  # what the kernel does at a memory limit
sys.exit(subprocess.run([sys.executable, "-m", "labeldropout", *sys.argv[1:]]).returncode)
"""

pytestmark = pytest.mark.slow


def test_rules_with_a_network_ask_for_more_at_each_attempt(workflow):
    """Both trainings and the evaluation take their memory from the function that knows the attempt."""
    text = (workflow.root / "workflow" / "rules" / "learning.smk").read_text()
    for rule in ("train_candidate", "train", "evaluate"):
        body = re.search(rf"^rule {rule}:\n(.*?)(?=^rule |\Z)", text, re.MULTILINE | re.DOTALL)[1]
        assert "mem_mb=training_memory_mb" in body


def test_a_training_killed_at_its_memory_limit_ends_well_at_the_next_attempt(finished_study):
    """A trainer that dies below 16 GB dies once; its second attempt is given them, and the run exits 0."""
    programs = finished_study.root / "programs"
    programs.mkdir()
    trainer = programs / "labeldropout"
    trainer.write_text(TRAINER)
    trainer.chmod(trainer.stat().st_mode | stat.S_IXUSR)
    rules = finished_study.root / "workflow" / "rules" / "learning.smk"
    rules.write_text(
        rules.read_text()
        .replace('"labeldropout train ', f'"GRANTED_MB={{resources.mem_mb}} {trainer} train ')
        .replace('"labeldropout evaluate ', f'"GRANTED_MB={{resources.mem_mb}} {trainer} evaluate ')
    )
    weights = "results/models/e1-camus/seed-0/weights.safetensors"
    before = (finished_study.root / weights).read_bytes()
    shutil.rmtree((finished_study.root / weights).parent)
    target = "results/scores/e1-camus.csv"
    arguments = ("--cores", "1", "--rerun-triggers", "mtime", "--", weights, target)
    failed = finished_study.run("--retries", "0", *arguments)
    assert failed.returncode != 0
    done = finished_study.run("--retries", "1", *arguments)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    attempts = (finished_study.root / "attempts.txt").read_text().splitlines()
    assert attempts == ["train 8000", "train 8000", "train 16000", "evaluate 8000", "evaluate 16000"]
    assert (finished_study.root / weights).read_bytes() == before
