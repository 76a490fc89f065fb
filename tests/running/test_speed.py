"""How fast a training runs: a short measurement on made-up images."""

import torch

from labeldropout.running.speed import made_up_cases, measure


def test_speed_is_that_of_real_steps():
    """The measurement trains the configured network for a few steps and says how it measured."""
    settings = {
        "model": "small",
        "structures": {"LV": 1, "LVM": 2, "LA": 3},
        "channels": 1,
        "loss": "adaptive",
        "network": {"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]},
        "grid_size": 32,
        "augmentation": None,
        "optimisation": {
            "learning_rate": 0.01,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "decay_power": 0.9,
            "batch_size": 4,
        },
    }
    speed = measure(settings, torch.device("cpu"), 2.0)
    assert speed.training > 0
    assert speed.validation > 0
    assert "with batches of 4" in speed.how
    assert speed.peak_bytes is None
    hurried = measure(settings, torch.device("cpu"), 0.0)
    assert "1 steps with batches of 2" in hurried.how


def test_made_up_cases_are_partially_labelled():
    """The last of several structures is unannotated in half of them; one structure alone is annotated everywhere."""
    assert made_up_cases(4, 16, torch.device("cpu")).annotated[:, 3].tolist() == [True, True, False, False]
    assert made_up_cases(4, 16, torch.device("cpu"), 1).annotated.all()
