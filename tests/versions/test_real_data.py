"""Real data sets under DVC: watched, and never pushed, neither as they are nor as anything that shows a patient."""

import shutil
from pathlib import Path

import pytest
import yaml
from versioned import in_remote
from workflow_copy import ROOT

DATASETS = ("camus", "unity", "echonet")
PIPELINE = "workflow/paper/dvc.yaml"
RESULTS = Path("results", "paper")
PAPER = ("--configfile", "config/paper.yaml")
SHARED = {"cone_network", "splits", "grid", "models", "scores", "tables", "run_record.json"}


def add_raw_data(study):
    """Let the simulated data sets stand in for the real ones, as a user would put them there."""
    for name in DATASETS:
        shutil.copytree(study.root / "results" / "raw" / name, study.root / "data" / "raw" / name)


def kept_back(root, file):
    """Paths of the outputs of a DVC file that are not pushed, and of those that are."""
    content = yaml.safe_load((root / file).read_text())
    outs = [out for stage in content.get("stages", {"": content}).values() for out in stage["outs"]]
    named = [(out["path"], out) if "path" in out else next(iter(out.items())) for out in outs]
    kept = {path for path, settings in named if settings.get("push") is False}
    return kept, {path for path, _ in named} - kept


def test_no_raw_data_of_this_repository_can_be_pushed():
    """Every data set that is tracked here says `push: false`."""
    for file in (ROOT / "data").rglob("*.dvc"):
        assert kept_back(ROOT, file)[1] == set(), f"{file}: add it with make track, which says push: false."


def test_only_what_shows_no_patient_is_shared():
    """Of the real study's outputs, those that may be pushed are a list, and all others are `push: false`."""
    kept, pushed = kept_back(ROOT, PIPELINE)
    assert pushed == {(RESULTS / name).as_posix() for name in SHARED}
    assert kept == {
        (RESULTS / name).as_posix() for name in ("cases", "cones", "prepared", "annotation", "predictions", "figures")
    }
    makefile = (ROOT / "Makefile").read_text()
    pulled = makefile.split("PULLED_paper := $(addprefix results/paper/,")[1].split(")")[0]
    assert set(pulled.split()) == SHARED


@pytest.mark.slow
def test_push_moves_nothing_of_a_tracked_data_set(pushed):
    """`make track` adds a data set that no push takes along, asked for or not; adding it again keeps that."""
    add_raw_data(pushed)
    before = sorted(pushed.remote.rglob("*"))
    for _ in range(2):
        pushed.done(*pushed.make("track", "DATASET=camus"))
        (out,) = yaml.safe_load((pushed.root / "data" / "raw" / "camus.dvc").read_text())["outs"]
        assert out["push"] is False
        (pushed.root / "data" / "raw" / "camus" / "another.txt").write_text("more data\n")
    pushed.done("dvc", "push")
    pushed.done("dvc", "push", "data/raw/camus.dvc")
    assert not in_remote(pushed.remote, out["md5"]).exists()
    assert sorted(pushed.remote.rglob("*")) == before
    assert pushed.done("git", "status", "--short", "--untracked-files=all").split() == ["??", "data/raw/camus.dvc"]


@pytest.mark.slow
def test_only_a_folder_of_data_is_tracked(study):
    """A missing data set and a link are refused by name."""
    assert "DATASET=camus" in study.refused(*study.make("track"))
    assert "data/raw/unity: expected the folder" in study.refused(*study.make("track", "DATASET=unity"))
    (study.root / "data" / "raw").mkdir()
    (study.root / "data" / "raw" / "unity").symlink_to(study.root / "src")
    assert "found a link" in study.refused(*study.make("track", "DATASET=unity"))
    assert list((study.root / "data").rglob("*.dvc")) == []


@pytest.mark.slow
def test_clone_without_raw_data_redraws_what_needs_none(study, tmp_path):
    """Of the real study a clone pulls what may be shared: tables stand, plain figures are drawn, nothing is trained."""
    add_raw_data(study)
    paper = yaml.safe_load((study.root / "config" / "paper.yaml").read_text())
    del paper["selection"]  # the candidates of the small study stand for the paper's
    (study.root / "config" / "paper.yaml").write_text(yaml.safe_dump(paper))
    study.commit("The real study, as small as it goes")
    (study.root / RESULTS).mkdir(exist_ok=True)
    for path in (study.root / "results").iterdir():
        if path.name not in {"paper", "raw", "truth"}:
            shutil.move(path, study.root / RESULTS)
    study.finish("--touch", "--forceall", *PAPER)
    assert study.planned(*PAPER) == {}
    study.done("dvc", "repro", PIPELINE)
    study.commit("The real study")
    study.done("dvc", "push")
    for name in ("cases", "predictions", "figures"):
        assert not in_remote(study.remote, study.locked(f"results/paper/{name}", "workflow/paper/dvc.lock")).exists()

    clone = study.clone(tmp_path / "clone")
    assert "is not there" in clone.refusal(*PAPER)
    clone.done(*clone.make("pull", "STUDY=paper"))
    assert {path.name for path in (clone.root / RESULTS).iterdir()} - {"logs", "benchmarks"} == SHARED
    assert clone.planned("tables", *PAPER) == {}
    assert clone.planned("models", *PAPER) == {}
    for item in ("figure_1", "figure_3", "training_curves"):
        assert clone.planned(item, *PAPER) == {"figures_item": 1, item: 1}
    clone.finish("figure_1", *PAPER)
    assert (clone.root / RESULTS / "figures" / "figure_1.svg").stat().st_size > 1000
    assert "import_dataset" in clone.planned("figure_2", *PAPER)  # which says what to download, and stops

    shutil.copytree(study.root / RESULTS / "cases", clone.root / RESULTS / "cases")
    assert clone.done(*clone.make("pull", "STUDY=paper"))
    with (clone.root / RESULTS / "cases" / "camus" / "cases.csv").open("a") as file:
        file.write("another case\n")
    assert "results/paper/cases" in clone.refused(*clone.make("pull", "STUDY=paper"))


@pytest.mark.slow
def test_root_pipeline_knows_nothing_of_the_real_study(study):
    """`dvc repro` at the root never starts the real study, which has no data here."""
    assert study.done("dvc", "stage", "list", "--name-only").split() == ["models", "paper"]
