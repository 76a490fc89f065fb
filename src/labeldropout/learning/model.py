"""From weights and prepared images to probabilities, and from there to label maps on the stored grid."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from labeldropout.data.crop import Crop, to_native
from labeldropout.labels import BACKGROUND, structures_of
from labeldropout.learning.networks import build_network
from labeldropout.losses import probabilities

BATCH_SIZE = 32


def forward(network: nn.Module, image: Tensor) -> Tensor:
    """Logits, computed in bfloat16 on a GPU and in float32 on a CPU; channels last on both.

    Args:
        network: Already in channels-last memory format.
        image: float32 (N, K, H, W), K channels.
    """
    with torch.autocast("cuda", torch.bfloat16, enabled=image.device.type == "cuda"):
        return network(image.to(memory_format=torch.channels_last))


def channels_first(images: np.ndarray) -> np.ndarray:
    """Images as networks take them: (N, K, H, W), from (N, H, W) of one channel or (N, H, W, K) of K; a view."""
    return images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)


@dataclass(frozen=True)
class Model:
    """A trained network with the settings that made it."""

    network: nn.Module
    config: dict[str, Any]
    seed: int
    device: torch.device

    @property
    def grid_size(self) -> int:
        """Side of the network's grid in pixels."""
        return int(self.config["grid_size"])

    @property
    def structures(self) -> tuple[IntEnum, ...]:
        """What it segments, in the order of channels 1, 2, ..., with the values in a label map."""
        return tuple(structures_of(self.config["structures"]))

    @property
    def in_channels(self) -> int:
        """Numbers per pixel of its images: 1 for grey, 3 for colour."""
        return int(self.config["channels"])

    @torch.inference_mode()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probability of background and of each structure.

        Args:
            images: uint8 (N, S, S), S = `grid_size`; of K channels (N, S, S, K).

        Returns:
            float32 (N, C, S, S).

        Raises:
            ValueError: The shape or type is wrong.
        """
        shape = ((self.grid_size,) * 2 + (self.in_channels,))[: 2 if self.in_channels == 1 else 3]
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            expected = ", ".join(map(str, ("N", *shape)))
            raise ValueError(
                f"Images for {self.config['model']}: expected uint8 ({expected}), found {images.dtype} {images.shape}."
            )
        planes = channels_first(images)
        results = []
        for start in range(0, len(images), BATCH_SIZE):
            part = torch.from_numpy(np.array(planes[start : start + BATCH_SIZE])).to(self.device)
            logits = forward(self.network, part.float() / 255)
            results.append(probabilities(logits, self.config["loss"]).cpu().numpy())
        return np.concatenate(results)

    def label_map(self, probability: np.ndarray, crop: Crop, shape: tuple[int, int]) -> np.ndarray:
        """Label map on the stored grid: probabilities are resized, then the largest wins.

        Args:
            probability: float32 (C, S, S) of one image.
            crop: Where the network's grid lies on the stored grid.
            shape: (rows, columns) of the stored image.

        Returns:
            uint8 (H, W) with the values of `structures`.
        """
        values = np.array([BACKGROUND, *self.structures], np.uint8)
        return values[to_native(probability, crop, shape).argmax(0)]


def build_model(config: dict[str, Any], seed: int, device: torch.device) -> Model:
    """An untrained model with the initial weights determined by the seed."""
    torch.manual_seed(seed)
    network = build_network(config["network"], 1 + len(config["structures"]), config["channels"])
    return Model(network.to(device, memory_format=torch.channels_last), config, seed, device)


def load_model(weights: Path, device: torch.device) -> Model:
    """Read a trained model; only from safetensors, so that somebody else's file cannot run code.

    Raises:
        ValueError: The file is damaged or not a model of this program; the message names it.
    """
    try:
        with safe_open(weights, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    except SafetensorError as error:
        raise ValueError(f"{weights}: not a safetensors file, or cut short ({error}).") from error
    try:
        content = json.loads(metadata["labeldropout"])
        model = build_model(content["config"], content["seed"], device)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{weights}: not a model of this program (expected its configuration in the metadata)."
        ) from error
    try:
        model.network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{weights}: weights do not match the network in their metadata ({error}).") from error
    model.network.eval()
    return model


def crop_of(row: Any) -> Crop:
    """The crop of a row of the prepared table."""
    return Crop(int(row.crop_row), int(row.crop_column), int(row.crop_height), int(row.crop_width))


def predict_cases(model: Model, images: np.ndarray, rows: Sequence[Any]) -> list[np.ndarray]:
    """Label maps of prepared images on their stored grids.

    Args:
        model: The model.
        images: uint8 (N, S, S), or (N, S, S, K) of K channels.
        rows: One row of the prepared table per image, as a named tuple.
    """
    probability = model.probabilities(images)
    return [
        model.label_map(part, crop_of(row), (int(row.height_px), int(row.width_px)))
        for part, row in zip(probability, rows, strict=True)
    ]
