"""A training that is killed, stopped or starved goes on where it was and ends with the same bytes."""

import json
from pathlib import Path

import pytest
import torch

from labeldropout import training
from labeldropout.checkpoints import Pace
from labeldropout.training import train_model

AUGMENTATION = {
    "scale": [0.8, 1.2],
    "rotation_deg": [-20, 20],
    "blur_sigma_px": [0.0, 1.5],
    "brightness": [-0.2, 0.2],
    "contrast": [0.7, 1.3],
}
SETTINGS = {
    "augmentation": AUGMENTATION,
    "label_dropout": {"structures": ["LA"], "probability": 0.5, "mode": "single"},
    "optimisation": {
        "epochs": 3,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "decay_power": 0.9,
        "learning_rate": 0.1,
        "batch_size": 7,
    },
}
N_BATCHES = 4
"""24 cases in batches of 7: the last one is smaller."""
FILES = ("weights.safetensors", "history.csv", "run.json")


class KilledError(BaseException):
    """Stands for a process that ends without a word."""


@pytest.fixture(autouse=True)
def _restore_determinism():
    yield
    torch.use_deterministic_algorithms(mode=False)


def run(study, name="out", pace=None, **changes):
    """Train; return the bytes that are left."""
    train_model(
        config=study.config(**{**SETTINGS, **changes}),
        prepared=[study.prepared("first"), study.prepared("second")],
        split=study.split,
        seed=3,
        device="cpu",
        threads=1,
        output=study.root / name,
        benchmark=study.root / f"{name}.json",
        pace=pace,
    )
    return {file: (study.root / name / file).read_bytes() for file in FILES}


def every_batch(study):
    """Restart state after every batch."""
    return Pace(study.root / "scratch", 1, 0.0)


def kill_after(monkeypatch, n_batches):
    """Let the training die after so many batches; return the function that lets it live again."""
    forward, done = training.forward, [0]

    def dying(network, image):
        if network.training:
            if done[0] == n_batches:
                raise KilledError
            done[0] += 1
        return forward(network, image)

    monkeypatch.setattr(training, "forward", dying)
    return lambda: monkeypatch.setattr(training, "forward", forward)


@pytest.mark.parametrize("n_batches", range(1, 3 * N_BATCHES))
def test_a_training_killed_after_any_batch_ends_with_the_same_bytes(small_study, monkeypatch, n_batches):
    """Within an epoch, at its end and in the last one: weights, history and record are those of an unbroken run."""
    unbroken = run(small_study, "unbroken")
    revive = kill_after(monkeypatch, n_batches)
    with pytest.raises(KilledError):
        run(small_study, pace=every_batch(small_study))
    revive()
    torch.manual_seed(99)
    assert run(small_study, pace=every_batch(small_study)) == unbroken
    epoch = json.loads((small_study.root / "out.json").read_text())["resumed_from_epoch"]
    assert epoch == [1 + n_batches // N_BATCHES]
    assert not list(Path(small_study.root / "scratch").iterdir())
