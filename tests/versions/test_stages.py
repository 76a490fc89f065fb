"""Snakemake and DVC over one study: whoever ran first, the other has nothing to do, and an edit costs its own jobs."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from versioned import jobs
from workflow_copy import hashes

RESULTS = Path("results")
MODEL = "e4-p05"
FIGURE_3 = {"figures_item": 1, "run_record": 1, "all": 1}

pytestmark = pytest.mark.slow


def test_dvc_after_snakemake_runs_no_job(study):
    """A study made by Snakemake is taken over as it is, and is then left alone."""
    weights = study.root / RESULTS / "models" / MODEL / "seed-0" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    assert jobs(study.done("dvc", "repro")) == [{}, {}]
    assert (study.root / "dvc.lock").is_file()
    assert weights.stat().st_mtime_ns == before
    (study.root / "src" / "labeldropout" / "__pycache__").mkdir(exist_ok=True)
    (study.root / "src" / "labeldropout" / "__pycache__" / "made_by_python.pyc").write_bytes(b"0")
    for environment in ({}, {"REPRO_PROFILE": "gpu"}):
        said = study.done("dvc", "repro", environment=environment)
        assert jobs(said) == []
        assert said.count("didn't change, skipping") == 2
    assert "results" not in study.done("git", "status", "--short")


def test_snakemake_after_dvc_has_nothing_to_do(pushed):
    """What DVC's stages lack is made by their own jobs alone, and Snakemake then finds it finished."""
    (pushed.root / RESULTS / "scores" / f"{MODEL}.csv").unlink()
    models, paper = jobs(pushed.done("dvc", "repro"))
    assert models == {"evaluate": 1, "scores": 1}
    assert not {"train", "evaluate", "prepare"} & set(paper)
    assert pushed.planned() == {}


def test_edited_figure_is_drawn_and_nothing_else(pushed):
    """With the module of one figure edited, `dvc repro` draws that figure, writes the record, and trains nothing."""
    before = hashes(pushed.root / RESULTS)
    pushed.edit_module("publication/figures/figure_3")
    assert jobs(pushed.done("dvc", "repro")) == [{}, FIGURE_3]
    assert hashes(pushed.root / RESULTS) == before


def test_parameters_are_told_by_name(pushed):
    """DVC says which parameter of the configuration changed; a change that nobody saved is seen."""
    pushed.edit("config/config.yaml", "severity: 1.0", "severity: 0.25")
    difference = json.loads(pushed.done("dvc", "params", "diff", "--json"))["config/config.yaml"]
    assert set(difference) == {"severity"}
    assert (difference["severity"]["old"], difference["severity"]["new"]) == (1.0, 0.25)
    changed = json.loads(pushed.call("dvc", "status", "--json", "models").stdout)["models"]
    assert changed[0]["changed deps"]["config/config.yaml"] == {"severity": "modified"}


def test_metrics_and_plots_show_what_a_change_did(pushed):
    """Main numbers and curves are compared with those of the last commit, without a network."""
    summary = pushed.root / RESULTS / "tables" / "summary.json"
    numbers = json.loads(summary.read_text())
    name = next(iter(numbers["dice"]))
    numbers["dice"][name] += 0.25
    summary.write_text(json.dumps(numbers))
    difference = json.loads(pushed.done("dvc", "metrics", "diff", "--json"))
    assert difference["results/tables/summary.json"][f"dice.{name}"]["diff"] == pytest.approx(0.25)

    names = ["Training curves", "Figure 3, Dice by model", "Table 2, Dice with label dropout"]
    for name in names:
        shown = json.loads(pushed.call("dvc", "plots", "diff", "HEAD", "--targets", name, "--show-vega").stdout)
        assert {row["rev"] for row in shown["data"]["values"]} == {"HEAD", "workspace"}, name
    pushed.done("dvc", "plots", "diff", "HEAD", "--out", "dvc_plots")
    page = (pushed.root / "dvc_plots" / "index.html").read_text()
    assert all(name in page for name in names)
    assert "dvc_plots" not in pushed.done("git", "status", "--short")


def test_killed_run_goes_on_with_the_same_command(pushed):
    """After kill -9 of `dvc repro` and all that it started, the locks of DVC and Snakemake hold nobody up."""
    before = hashes(pushed.root / RESULTS)
    pushed.edit_module("publication/figures/figure_1")
    output = pushed.root.parent / "said.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=pushed.root,
            env=pushed.environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while "Draw figure" not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    assert any((pushed.root / ".snakemake" / "locks").iterdir())

    pushed.done("dvc", "repro")
    assert hashes(pushed.root / RESULTS) == before
    assert pushed.planned() == {}
    assert pushed.done("dvc", "status", "models", "paper").strip() == "Data and pipelines are up to date."
