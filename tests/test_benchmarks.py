"""The programs under benchmarks/ run as they stand: their help, their loops, and the tables that they print."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
README = (BENCHMARKS / "README.md").read_text()
PROGRAMS = sorted(path.name for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text())
FEW = ("--images", "8", "--batch-size", "2", "--rounds", "2", "--steps", "1", "--size", "32", "--cores", "1")


def run(program, *flags, **options):
    """Run a program of the folder."""
    call = [sys.executable, BENCHMARKS / program, *flags]
    return subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT, timeout=500, **options)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_what_it_does(program):
    """Each stands in the README and answers --help, so its imports still exist."""
    assert program in README
    result = run(program, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage:")


def test_an_unknown_loop_is_named():
    """A misspelt loop ends with the list of those there are."""
    result = run("peers.py", "--loops", "monay-0")
    assert result.returncode == 2
    assert "monay-0 (expected some of bare, ours, monai-0," in result.stderr


@pytest.mark.slow
def test_peers_take_turns_and_are_measured():
    """Ours, MONAI's and nnU-Net's loops with a worker each stand in the table with all their columns."""
    result = run("peers.py", *FEW, "--loops", "ours", "monai-1", "nnunet-1")
    assert result.returncode == 0, result.stderr
    assert "commit" in result.stdout
    row = r"^\| (\S+) \| [\d.]+ \| [\d.]+ \([\d.]+ to [\d.]+\) \| \d+ \| [\d.]+ \|$"
    rows = re.findall(row, result.stdout, re.MULTILINE)
    assert rows == ["bare", "ours", "monai-1", "nnunet-1"]


def test_the_gpu_script_knows_its_one_argument():
    """A misspelt --dry must not start minutes of work on a card."""
    result = subprocess.run(["bash", BENCHMARKS / "gpu.sh", "--dri"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "unknown argument --dri (expected nothing or --dry)" in result.stderr


@pytest.mark.slow
def test_the_gpu_script_runs_dry_from_end_to_end():
    """On the processor: every check holds, every table has its rows, and the plan of the paper's study comes last."""
    call = ["bash", BENCHMARKS / "gpu.sh", "--dry"]
    result = subprocess.run(call, capture_output=True, text=True, check=False, timeout=500)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAIL" not in result.stdout
    assert result.stdout.count("\nok   ") == 9
    for row in ("| 2 | eager |", "| 2 | compiled (aot_eager) |", "| ours |", "| monai-0 |", "| nnunet-0 |"):
        assert f"\n{row} " in result.stdout
    assert "(given: --images-per-second)" in result.stdout


@pytest.mark.slow
def test_peers_leave_no_process_behind():
    """Interrupted in the middle of a turn, it ends its loops and their workers."""
    call = [sys.executable, BENCHMARKS / "peers.py", *FEW, "--steps", "10000", "--loops", "monai-1"]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    for line in process.stderr:
        if "starting monai-1" in line:
            break
    family = []
    while len(family) < 2:
        family = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
