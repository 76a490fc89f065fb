"""Networks by name."""

import subprocess
import sys

import pytest
import torch

from labeldropout.learning.networks import NETWORKS, build_network

FEATURES = [4, 4, 8, 8, 8, 4]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_turns_images_into_logits_of_the_same_size(name):
    """Every network of the dictionary gives one logit per structure and pixel, and a gradient to every weight."""
    network = build_network({"name": name, "features": FEATURES}, 4, 1)
    logits = network(torch.rand(2, 1, 64, 64))
    assert logits.shape == (2, 4, 64, 64)
    logits.square().sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_decides_the_weights(name):
    """The same global seed gives the same weights, another seed others."""
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        network = build_network({"name": name, "features": FEATURES}, 2, 1)
        weights.append(torch.cat([weight.flatten() for weight in network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_unet_is_the_one_of_the_paper():
    """Batch norm, ReLU and transposed convolutions, with the features that the configuration says."""
    network = build_network({"name": "basic_unet", "features": [8, 16, 32, 64, 128, 8]}, 4, 1)
    kinds = [type(module).__name__ for module in network.modules()]
    assert kinds.count("BatchNorm2d") == kinds.count("ReLU") == 18
    assert kinds.count("ConvTranspose2d") == 4
    assert network.final_conv.in_channels == 8
    assert 400_000 < sum(weight.numel() for weight in network.parameters()) < 600_000


def test_an_unknown_network_is_named_with_the_nearest():
    """A misspelt network is an error that helps."""
    with pytest.raises(ValueError, match=r"Unknown network 'basic_unit'.*Did you mean 'basic_unet'\?"):
        build_network({"name": "basic_unit", "features": FEATURES}, 4, 1)


@pytest.mark.parametrize("features", [None, [8, 16], [8, 16, 32, 64, 128, 0], [8, 16, 32, 64, 128, "8"], "816324"])
def test_features_other_than_six_sizes_are_refused(features):
    """The message gives what was found."""
    with pytest.raises(ValueError, match="six positive whole numbers, found"):
        build_network({"name": "basic_unet", "features": features}, 4, 1)


def test_an_unknown_setting_is_refused():
    """A misspelt key of the section network does not pass unseen."""
    with pytest.raises(ValueError, match="unknown settings feature "):
        build_network({"name": "basic_unet", "features": FEATURES, "feature": 3}, 4, 1)


def test_importing_the_module_does_not_load_monai():
    """MONAI takes seconds to import; only building a network needs it."""
    program = "import sys, labeldropout.learning.networks; sys.exit('monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_building_a_network_loads_nothing_that_monai_does_without():
    """Neither plotting nor SciPy is imported; MONAI is whole for whoever imports it later."""
    program = f"""
import sys, torch
from labeldropout.learning import networks
for name in networks.NETWORKS:
    networks.build_network({{"name": name, "features": {FEATURES}}}, 4, 1)(torch.rand(1, 1, 64, 64)).sum().backward()
seen = {{name.split(".")[0] for name in sys.modules}} & {{*networks._OPTIONAL, "monai", "sympy"}}
assert not seen, seen
import monai.metrics.utils, scipy.ndimage
assert monai.metrics.utils.scipy_ndimage is scipy.ndimage
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
