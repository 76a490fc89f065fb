"""From a remote into a clone: what was pushed comes back, Snakemake believes it, and what was altered is refused."""

from pathlib import Path

import pytest
from versioned import flip_byte
from workflow_copy import hashes

RESULTS = Path("results")
MODEL = "e4-p05"

pytestmark = pytest.mark.slow


def test_reviewer_redraws_a_figure_without_training(pushed, tmp_path):
    """Clone, `make pull`: nothing is to be done; a deleted figure is drawn again, to the same bytes, untrained."""
    clone = pushed.clone(tmp_path / "clone")
    assert not (clone.root / RESULTS / "models").exists()
    clone.done(*clone.make("pull"))
    assert clone.planned() == {}
    assert clone.done("git", "status", "--short") == ""
    assert "didn't change, skipping" in clone.done("dvc", "repro")

    figure = clone.root / RESULTS / "figures" / "figure_3.svg"
    figure.unlink()
    assert clone.planned() == {"figures_item": 1, "run_record": 1, "all": 1}
    clone.finish()
    assert hashes(clone.root / RESULTS) == hashes(pushed.root / RESULTS)


def test_edit_after_the_pull_is_noticed(pushed, tmp_path):
    """An edited row trains its model, and what shows it follows: the pull blesses results, not edits to come."""
    clone = pushed.clone(tmp_path / "clone")
    clone.done(*clone.make("pull"))
    rows = (clone.root / "config" / "experiments_smoke.tsv").read_text().splitlines()
    column = rows[0].split("\t").index("dropout_probability")
    cells = next(row for row in rows if row.startswith(f"{MODEL}\t")).split("\t")
    edited = [*cells[:column], "0.7", *cells[column + 1 :]]
    clone.edit("config/experiments_smoke.tsv", "\t".join(cells), "\t".join(edited))
    planned = clone.planned()
    assert {rule: planned[rule] for rule in ("resolve", "train", "evaluate")} == {
        "resolve": 1,
        "train": 1,
        "evaluate": 1,
    }
    others = {"simulate", "import_dataset", "prepare", "split", "train_candidate", "train_cone", "segment_cone"}
    assert not others & set(planned)


def test_edit_before_the_pull_is_not_blessed(pushed, tmp_path):
    """Where sources differ from those of the lock, the pull says which, and tells Snakemake nothing."""
    clone = pushed.clone(tmp_path / "clone")
    clone.edit_module("publication/figures/figure_3")
    said = clone.refused(*clone.make("pull"))
    assert "src" in said
    assert "run dvc repro" in said
    assert clone.planned() != {}


def test_tampered_remote_is_refused(pushed, tmp_path):
    """One bit flipped in a model: the pull fails and the file does not arrive; without `verify` it would have."""
    flip_byte(pushed.file_in(pushed.remote, "results/models", f"{MODEL}/seed-0/weights.safetensors"))
    clone = pushed.clone(tmp_path / "clone")
    clone.refused("dvc", "pull", "models")
    weights = clone.root / RESULTS / "models" / MODEL / "seed-0" / "weights.safetensors"
    assert not weights.exists()
    clone.refused(*clone.make("pull"))
    assert not weights.exists()

    trusting = pushed.clone(tmp_path / "trusting")
    trusting.done("dvc", "remote", "modify", "--local", "storage", "verify", "false")
    trusting.done("dvc", "pull", "models")


def test_own_remote_stays_on_the_machine(pushed, tmp_path):
    """`make remote REMOTE=...` sets where to push, leaves `verify` as it was, and changes no file that Git tracks."""
    other = tmp_path / "elsewhere" / "storage"
    said = pushed.done(*pushed.make("remote", f"REMOTE={other}"))
    assert str(other) in said
    pushed.done("dvc", "push")
    assert other.is_dir()
    assert pushed.done("dvc", "config", "remote.storage.verify").strip() == "true"
    assert pushed.done("git", "status", "--short") == ""
