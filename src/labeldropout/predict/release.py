"""The verb `release`: publish the weights that `predict` takes by default."""

from pathlib import Path

import torch

from labeldropout.files import replacing
from labeldropout.learning.model import load_model


def release(weights: Path, output: Path) -> None:
    """Copy a model's weights to where they are published, after loading them once as a check.

    Raises:
        ValueError: The weights are not a model of this program.
    """
    load_model(weights, torch.device("cpu"))
    with replacing(output) as file:
        file.write(weights.read_bytes())
