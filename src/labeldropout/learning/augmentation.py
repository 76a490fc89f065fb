"""Drawing augmentation parameters, and applying them to image and target.

The five augmentations of the paper, in this order: scaling and rotation (one resampling), Gaussian blur, brightness,
contrast. They are applied to a whole batch at once, on the device of the image; the parameters are drawn on the CPU, so
that they are the same for every device.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Integer, Shaped
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """What to do to each image of a batch; every field has one float32 value per image, on the CPU."""

    scale: Tensor
    """Magnification about the centre of the image."""
    rotation_deg: Tensor
    """About the centre of the image; counter-clockwise, as the image is displayed (row 0 at the top)."""
    blur_sigma_px: Tensor
    """Standard deviation of the Gaussian blur; 0 leaves the image as it is."""
    brightness: Tensor
    """Added to the intensities, which lie in [0, 1]."""
    contrast: Tensor
    """Factor applied to the difference between an intensity and the mean of the image."""


_NAMES = tuple(field.name for field in fields(Augmentation))


def draw_augmentation(n: int, settings: Mapping[str, Sequence[float]], rng: np.random.Generator) -> Augmentation:
    """Draw the augmentation of a batch: every parameter is uniform in its range and independent of the others.

    Args:
        n: Number of images.
        settings: Range (lowest, highest) of each field of `Augmentation`.
        rng: The only source of randomness.

    Raises:
        ValueError: A range is missing, unknown or invalid.
    """
    if set(settings) != set(_NAMES):
        raise ValueError(f"Augmentation: expected the ranges {', '.join(_NAMES)}, found {', '.join(sorted(settings))}.")
    for name in _NAMES:
        low, high = settings[name]
        if not low <= high or (name == "scale" and low <= 0) or (name == "blur_sigma_px" and low < 0):
            raise ValueError(f"Augmentation: {name}: invalid range (found {low} to {high}).")
    uniform = rng.random((len(_NAMES), n))
    return Augmentation(
        *(
            torch.from_numpy((settings[name][0] + row * (settings[name][1] - settings[name][0])).astype(np.float32))
            for name, row in zip(_NAMES, uniform, strict=True)
        )
    )


def _sampling_grid(parameters: Augmentation, image: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n h w 2"]:
    """Where each pixel of the result samples the image, in the coordinates of `grid_sample`."""
    height, width = image.shape[-2:]
    angle = parameters.rotation_deg * (math.pi / 180)
    cosine, sine = angle.cos() / parameters.scale, angle.sin() / parameters.scale
    zero = torch.zeros_like(cosine)
    # The inverse map, (column, row); grid_sample measures in half sides, hence the ratios of the sides.
    columns = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    rows = torch.stack([sine * (width / height), cosine, zero], dim=1)
    theta = torch.stack([columns, rows], dim=1).to(image)
    return functional.affine_grid(theta, list(image.shape), align_corners=False)


def _blur(image: Float[Tensor, "n 1 h w"], sigma_px: Float[Tensor, " n"]) -> Float[Tensor, "n 1 h w"]:
    """Each image blurred by its own Gaussian, cut at three standard deviations of the widest; zero beyond the edge."""
    radius = math.ceil(3 * float(sigma_px.max()))
    if radius == 0:
        return image
    distance = torch.arange(-radius, radius + 1, dtype=torch.float32)
    # The lower bound turns sigma 0 into the identity, exactly: every other tap underflows to 0.
    kernel = torch.exp(-0.5 * (distance / sigma_px.clamp(min=1e-3).unsqueeze(1)).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(image)
    n, size = kernel.shape
    stacked = image.transpose(0, 1)
    stacked = functional.conv2d(stacked, kernel.view(n, 1, size, 1), padding=(radius, 0), groups=n)
    return functional.conv2d(stacked, kernel.view(n, 1, 1, size), padding=(0, radius), groups=n).transpose(0, 1)


def augment(
    image: Shaped[Tensor, "n 1 h w"],
    target: Integer[Tensor, "n h w"],
    parameters: Augmentation,
) -> tuple[Float[Tensor, "n 1 h w"], Integer[Tensor, "n h w"]]:
    """Apply drawn parameters to images and their label maps.

    Whatever enters the image from beyond its edge has intensity 0 and is background; brightness and contrast then act
    on it as on the black around the cone. Contrast scales about the mean of each image, so it changes the spread but
    not the mean; the result is clamped to [0, 1] at the end.

    Args:
        image: Intensities: float in [0, 1], or uint8, which is divided by 255; not changed.
        target: Structure per pixel (nearest neighbour; no new values); not changed.
        parameters: One value per image.

    Returns:
        New image, in the float type of the image (float32 from uint8), and new target, in its own type.

    Raises:
        ValueError: The numbers of images, label maps and parameters differ, or the sizes of images and label maps.
    """
    if image.ndim != 4 or image.shape[1] != 1 or target.shape != (len(image), *image.shape[2:]):
        raise ValueError(
            f"image and target: expected (N, 1, H, W) and (N, H, W), "
            f"found {tuple(image.shape)} and {tuple(target.shape)}."
        )
    if len(parameters.scale) != len(image):
        raise ValueError(f"parameters: expected {len(image)}, one per image, found {len(parameters.scale)}.")
    if not image.is_floating_point():
        image = image.float() / 255
    grid = _sampling_grid(parameters, image)
    image = functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    labels = target.to(image.dtype).unsqueeze(1)
    labels = functional.grid_sample(labels, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    image = _blur(image, parameters.blur_sigma_px)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    brightness, contrast = (
        values.to(image).view(-1, 1, 1, 1) for values in (parameters.brightness, parameters.contrast)
    )
    # (image + brightness), then its distance to its own mean times the contrast.
    image = image * contrast + (mean * (1 - contrast) + brightness)
    return image.clamp_(0, 1), labels.squeeze(1).to(target.dtype)
