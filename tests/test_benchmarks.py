"""The programs under benchmarks/ run as they stand: their help, their loops, and the tables that they print."""

import importlib
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
README = (BENCHMARKS / "README.md").read_text()
PROGRAMS = sorted(path.name for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text())
FEW = ("--images", "8", "--batch-size", "2", "--rounds", "2", "--steps", "1", "--size", "32", "--cores", "1")


def run(program, *flags, **options):
    """Run a program of the folder."""
    call = [sys.executable, BENCHMARKS / program, *flags]
    return subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT, timeout=1500, **options)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_what_it_does(program):
    """Each stands in the README and answers --help, so its imports still exist."""
    assert program in README
    result = run(program, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage:")


@pytest.fixture
def program(monkeypatch):
    """A program of the folder as a module, by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_share_has_the_interval_of_its_median(program):
    """From six values on it is narrower than their range; fewer have none, and show the least and the most."""
    heading = program("heading")
    assert heading.spread([0.9, 1.1, 1.0]) == "1.00 (0.90 to 1.10)"
    assert heading.spread([value / 10 for value in range(1, 12)]) == "0.60 (0.20 to 1.00)"


def test_growth_in_proportion_to_the_work_is_no_fault(program):
    """Whatever the start-up costs, a + b f grows with the power 1; a square grows faster; two factors tell nothing."""
    growth = program("growth")
    assert growth.power({1: 5.1, 4: 5.4, 16: 6.6}) == pytest.approx(1)
    assert growth.power({1: 6, 4: 21, 16: 261}) > growth.FAULTY_POWER
    assert math.isnan(growth.power({1: 5.0, 4: 6.0}))
    assert math.isnan(growth.power({1: 5.0, 4: 5.0, 16: 5.0}))


def test_growth_leaves_to_chance_what_chance_explains(program):
    """A first growth that noise made too small marks nothing; a jump that noise cannot explain is marked."""
    growth = program("growth")
    assert not growth.is_faulty({1: 2.8, 16: 2.7, 32: 3.1})
    assert not growth.is_faulty({1: 3.9, 4: 3.8, 16: 6.3})
    assert growth.is_faulty({1: 5.0, 4: 5.0, 16: 16.0})
    assert not growth.is_faulty({1: 5.0, 4: 9.0})


def test_every_job_of_a_study_is_measured_to_its_end(program, monkeypatch, tmp_path):
    """What stands before the program on the path passes arguments and exit status on, and writes what the job used."""
    studies = program("studies")
    monkeypatch.setattr(studies, "ROOT", tmp_path)
    environment = {**os.environ, **studies.meter(Path())}
    assert subprocess.run(["labeldropout", "--version"], env=environment, check=False).returncode == 0
    assert subprocess.run(["labeldropout", "evaluate", "--no"], env=environment, check=False).returncode == 2
    measured = studies.measured(Path())
    assert list(measured["verb"]) == ["--version", "evaluate"]
    assert (measured["cpu_s"] > 0).all()
    assert measured["mib"].between(5, 1000).all()


def test_a_heading_marks_changes_that_were_not_committed(program, monkeypatch):
    """The twelve digits of the commit do not cut the mark off."""
    heading = program("heading")
    monkeypatch.setattr(heading, "commit", lambda _: f"{'0123456789' * 4}+changes")
    assert heading.state() == "012345678901+changes"
    monkeypatch.setattr(heading, "commit", lambda _: "unknown")
    assert heading.state() == "unknown"


def test_memory_of_a_loop_does_not_depend_on_others(program):
    """Another process with the same libraries changes nothing, and a page that a child shares counts once."""
    peers = program("peers")
    code = "import os, numpy; here = numpy.ones(2**25, numpy.uint8); os.fork(); print(flush=True); input()"
    start = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(start, **pipes) as one:
        one.stdout.readline(), one.stdout.readline()
        alone = peers.memory_mib(one.pid)
        with subprocess.Popen(start, **pipes) as other:
            other.stdout.readline(), other.stdout.readline()
            beside = peers.memory_mib(one.pid)
            other.communicate("\n\n")
        one.communicate("\n\n")
    assert 32 < alone < 96
    assert beside == pytest.approx(alone, rel=0.02)


def test_growth_names_what_grows_faster_than_its_work(program):
    """A step whose time is a square is marked in its row; one in proportion is not."""
    growth = program("growth")

    def tables(seconds):
        return {
            factor: pd.DataFrame({"jobs": [1], "cpu_s": [value], "mib": [100.0]}, index=["compare"])
            for factor, value in seconds.items()
        }

    assert "faster than its work" in growth.row_of("compare", tables({1: 6.0, 4: 21.0, 16: 261.0}))
    row = growth.row_of("compare", tables({1: 5.0, 4: 8.0, 16: 20.0}))
    assert row == "| compare | 1 / 1 / 1 | 5.0 / 8.0 / 20.0 | 1.00 | 100 / 100 / 100 |"


def test_instruction_sets_reach_the_libraries(program):
    """Held to AVX2, PyTorch says so, and NumPy starts without a warning of features that are not there."""
    sets = program("instruction_sets")
    if torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}:
        pytest.skip("this processor has no AVX2")
    environment = sets.environment_of("avx2")
    assert sets.capability(environment) == "AVX2"
    blas = "import numpy, threadpoolctl; print(threadpoolctl.threadpool_info()[0]['architecture'])"
    call = [sys.executable, "-c", blas]
    done = subprocess.run(call, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    assert done.stdout.strip() in {"Haswell", "Zen"}
    call = [sys.executable, "-W", "error", "-c", "import numpy"]
    subprocess.run(call, env={**os.environ, **environment}, check=True)
    assert sets.environment_of("native") == {}


def test_instruction_sets_know_the_models_of_the_list(program):
    """A model that the list lacks is refused by name, before anything is made."""
    sets = program("instruction_sets")
    with pytest.raises(ValueError, match=r"no model 'e99' \(expected some of e1-camus"):
        sets.write(Path("scratch", "nowhere"), Path("config", "config.yaml"), ["e99"])


@pytest.mark.slow
def test_the_profile_of_a_step_has_its_tables():
    """Every variant stands beside the step as it is, and folding batch norm leaves the logits where they were."""
    result = run("profile_step.py", "--size", "32", "--features", "dry", "--turns", "1", "--steps", "1")
    assert result.returncode == 0, result.stderr
    share = r"[\d.]+ \([\d.]+ to [\d.]+\)"
    steps = re.findall(rf"^\| ([^|]+) \| [\d.]+ \| {share} \| (the same|others) \|$", result.stdout, re.MULTILINE)
    assert len(steps) == 8
    assert steps[0][1] == "the same"
    assert ("loss that checks its values", "the same") in steps
    (apart,) = re.findall(rf"batch norm folded into convolutions \| [\d.]+ \| {share} \| (\S+) \|", result.stdout)
    assert float(apart) < 1e-5


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
    result = subprocess.run(call, capture_output=True, text=True, check=False, timeout=1500)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAIL" not in result.stdout
    assert result.stdout.count("\nok   ") == 9
    for row in ("| 2 | eager |", "| 2 | compiled (aot_eager) |", "| ours |", "| monai-1 |", "| nnunet-1 |"):
        assert f"\n{row} " in result.stdout
    assert "(given: --images-per-second)" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
@pytest.mark.parametrize("moment", ["starting monai-1", "starting ours"], ids=["in a turn", "at the start"])
def test_peers_leave_no_process_behind(number, moment):
    """Ended while a loop starts or in the middle of a turn, it ends its loops and their workers."""
    call = [sys.executable, BENCHMARKS / "peers.py", *FEW, "--steps", "10000", "--loops", "ours", "monai-1"]
    call = ["env", "--default-signal=INT", *call]  # Ctrl-C is ignored by what a shell starts in the background
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    for line in process.stderr:
        if moment in line:
            break
    family = []
    while len(family) < (2 if moment == "starting ours" else 4):  # the bare loop, ours, MONAI's and its worker
        family = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
