"""From weights to label maps."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from labeldropout.data.crop import Crop
from labeldropout.heart import Structure
from labeldropout.learning.model import build_model, load_model

CPU = torch.device("cpu")
CONFIG = {
    "model": "tiny",
    "structures": {"LV": 1, "LA": 3},
    "channels": 1,
    "loss": "adaptive",
    "grid_size": 32,
    "network": {"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]},
}


def test_the_same_seed_gives_the_same_initial_weights():
    """Initial weights depend on the seed alone."""
    first, second, other = (build_model(CONFIG, seed, CPU).network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_label_maps_carry_the_values_of_structures():
    """Channel 2 of a network for LV and LA is the left atrium, pixel value 3."""
    model = build_model(CONFIG, 0, CPU)
    probability = np.zeros((3, 32, 32), np.float32)
    probability[0] = 0.4
    probability[2, 8:24, 8:24] = 0.6
    label_map = model.label_map(probability, Crop(0, 0, 64, 64), (64, 60))
    assert label_map.shape == (64, 60)
    assert set(np.unique(label_map)) == {0, Structure.LA}
    assert label_map[32, 32] == Structure.LA


def test_images_of_another_size_are_refused():
    """The message names the size expected and the size found."""
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 32, 32\), found uint8 \(1, 16, 16\)"):
        build_model(CONFIG, 0, CPU).probabilities(np.zeros((1, 16, 16), np.uint8))


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\xff" * 64])
def test_weights_that_are_no_safetensors_are_refused(tmp_path, content):
    """Nothing is unpickled: any other file is named and refused."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights.safetensors: not a safetensors file"):
        load_model(path, CPU)


def test_weights_without_our_configuration_are_refused(tmp_path):
    """A safetensors file of another program has no configuration in its metadata."""
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="not a model of this program"):
        load_model(path, CPU)


def test_a_model_for_colour_takes_three_channels():
    """Pictures of cells have red, green and blue, and grey ones are refused."""
    model = build_model({**CONFIG, "structures": {"cytoplasm": 2, "nucleus": 1}, "channels": 3}, 0, CPU)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    probability = model.probabilities(images)
    assert probability.shape == (2, 3, 32, 32)
    assert [structure.name for structure in model.structures] == ["nucleus", "cytoplasm"]
    assert (probability != model.probabilities(images[..., ::-1].copy())).any()
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 32, 32, 3\), found uint8 \(2, 32, 32\)"):
        model.probabilities(images[..., 0])
