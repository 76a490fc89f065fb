"""What damaged weights make the workflow do, and what not."""

import os

import pytest

pytestmark = pytest.mark.slow


def test_weights_cut_short_are_trained_again_on_demand_only(finished):
    """A damaged file is used (and refused by the evaluation), never replaced in silence; deleted, it is trained."""
    weights = finished.root / "results" / "models" / "e3-adaptive" / "seed-0" / "weights.safetensors"
    os.truncate(weights, 3)
    planned = finished.planned()
    assert planned["evaluate"] == 1
    assert not {"train", "train_candidate"} & set(planned)
    weights.unlink()
    assert finished.planned()["train"] == 1
