"""No optimisation step waits for the device.

The steps run on PyTorch's `meta` device, whose tensors have shapes and no values: whatever would have to fetch one from
a card (a check of values, `.item()`, `nonzero`, a branch on a tensor) fails there, and a copy to it that the host would
wait for is found by its name.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from workflow_copy import CONFIGURATION

from labeldropout.heart import FOREGROUND
from labeldropout.labels import values_of
from labeldropout.learning.augmentation import to_device
from labeldropout.learning.batches import Batches
from labeldropout.learning.model import build_model
from labeldropout.learning.networks import NETWORKS
from labeldropout.learning.train import take_steps
from labeldropout.losses import LOSSES
from labeldropout.running.speed import made_up_cases

META = torch.device("meta")
SINGLE = {"structures": ["LA"], "probability": 0.5, "mode": "single"}
PATTERN = {**SINGLE, "mode": "pattern"}


class Waiting(TorchDispatchMode):
    """Collects every operation for which the host would wait."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run the operation; note it if it moves values between the devices and waits for them."""
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        if name == "_to_copy" and tensors[0].device != result.device and not (kwargs or {}).get("non_blocking"):
            self.found.append(name)
        if name == "copy_" and tensors[0].device != tensors[1].device and not (len(args) > 2 and args[2]):
            self.found.append(name)
        if name == "_local_scalar_dense" and tensors[0].device == META:
            self.found.append(name)
        return result


def steps_on_meta(loss, augmentation="strong", label_dropout=None, **changes):
    """Take three steps on a device without values; what the host waited for, and the losses."""
    config = {
        "model": "waiting",
        "structures": values_of(FOREGROUND),
        "channels": 1,
        "loss": loss,
        "network": {"name": "basic_unet", "features": [4, 4, 8, 8, 16, 4]},
        "grid_size": 32,
        **changes,
    }
    cases = made_up_cases(10, 32, META)
    transforms = CONFIGURATION["training"]["augmentation"][augmentation]
    batches = Batches(cases, 4, {"transforms": transforms}, label_dropout, FOREGROUND, 0, whole_batches=False)
    model = build_model(config, 0, META)
    optimiser = torch.optim.SGD(model.network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, 10, 0.9)
    with Waiting() as waiting:
        losses, rows = take_steps(model, batches, optimiser, schedule, 3)
    assert [len(part) for part in rows] == [4, 4, 2]
    return waiting.found, losses


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("label_dropout", [None, SINGLE, PATTERN], ids=["none", "single", "pattern"])
def test_no_step_waits_for_the_device(loss, label_dropout):
    """Draws, augmentation, label dropout, loss and update of every loss leave the device's values alone."""
    found, losses = steps_on_meta(loss, label_dropout=label_dropout)
    assert found == []
    assert losses.device == META
    assert losses.shape == (3,)


@pytest.mark.parametrize("augmentation", ["published", "strong"])
def test_no_augmentation_waits_for_the_device(augmentation):
    """Which images get which transform is decided before anything is sent."""
    assert steps_on_meta("marginal", augmentation)[0] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_no_network_waits_for_the_device(network):
    """No layer of any network of the list branches on a value."""
    features = [12, 4, 8, 8, 16, 4]
    assert steps_on_meta("marginal", network={"name": network, "features": features})[0] == []


def test_the_oracle_does_not_wait_for_the_device():
    """Neither do pixels that the loss leaves out."""
    assert steps_on_meta("adaptive", ignore_hidden=True)[0] == []


def test_the_guard_sees_a_copy_that_waits():
    """An ordinary copy to the device is found, and reading a value fails."""
    with Waiting() as waiting:
        torch.ones(3).to(META)
        to_device(torch.ones(3), META)
        torch.empty(3, device=META).copy_(torch.ones(3))
    assert waiting.found == ["_to_copy", "copy_"]
    with pytest.raises(RuntimeError, match="item"), Waiting():
        torch.ones(3, device=META).sum().item()


def test_draws_stay_what_they_are_on_the_cpu():
    """On the CPU nothing is copied."""
    values = torch.from_numpy(np.arange(3.0))
    assert to_device(values, torch.device("cpu")) is values
