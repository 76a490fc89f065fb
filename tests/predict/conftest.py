"""What the tests on anybody's pictures share: a fan of speckle, and a small model."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from labeldropout.cone import Cone, cone_mask
from labeldropout.learning.model import build_model
from labeldropout.predict.outline import predict_files

CONFIG = {
    "model": "tiny",
    "structures": {"LV": 1, "LVM": 2, "LA": 3},
    "channels": 1,
    "loss": "adaptive",
    "grid_size": 32,
    "crop_margin": 0.02,
    "network": {"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]},
}


@pytest.fixture
def config():
    """The configuration of that model."""
    return dict(CONFIG)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A model with random weights."""
    model = build_model(CONFIG, 3, torch.device("cpu"))
    path = tmp_path_factory.mktemp("model") / "weights.safetensors"
    metadata = {"labeldropout": json.dumps({"config": CONFIG, "seed": 3})}
    save_file({name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}, path, metadata)
    return path


@pytest.fixture(scope="session")
def fan():
    """A function that makes speckled fans on black, lying to the right and down so that a flip would show."""

    def make(n_frames=1, shape=(90, 120)):
        frames = np.random.default_rng(0).integers(20, 255, (n_frames, *shape), dtype=np.uint8)
        return frames * cone_mask(Cone(8.0, 0.58 * shape[1], 0.5, 0.0, 0.83 * shape[0]), shape)

    return make


@pytest.fixture
def predict(weights, tmp_path):
    """A function that predicts files on the processor into the folder `out` and returns the areas."""

    def run(*inputs, cone="geometry", output=tmp_path / "out"):
        return predict_files(list(inputs), weights=weights, cone=cone, cone_network=None, device="cpu", output=output)

    return run


@pytest.fixture(scope="session")
def pixels():
    """A function that reads all frames of a clip."""
    return lambda clip: np.stack([frame.pixels for frame in clip.frames()])
