"""What restart state and damaged weights make the workflow do, and what not."""

import os

import pytest

pytestmark = pytest.mark.slow


def test_how_often_checkpoints_are_written_is_no_part_of_a_model(finished):
    """Other numbers in the section `checkpoints` rerun nothing, and reach the trainer."""
    finished.edit(
        "config/config.yaml", "checkpoints: {epochs: 5, minutes: 10}", "checkpoints: {epochs: 7, minutes: 2.5}"
    )
    assert finished.planned() == {}
    result = finished.run("--dry-run", "--printshellcmds", "--forcerun", "train", "--", "models")
    assert "--checkpoints scratch/train --checkpoint-epochs 7 --checkpoint-minutes 2.5" in result.stdout + result.stderr


def test_weights_cut_short_are_trained_again_on_demand_only(finished):
    """A damaged file is used (and refused by the evaluation), never replaced in silence; deleted, it is trained."""
    weights = finished.root / "results" / "models" / "e3-adaptive" / "seed-0" / "weights.safetensors"
    os.truncate(weights, 3)
    planned = finished.planned()
    assert planned["evaluate"] == 1
    assert not {"train", "train_candidate"} & set(planned)
    weights.unlink()
    assert finished.planned()["train"] == 1
