"""Drawing augmentation parameters, and applying them to image and target.

The five augmentations of the paper, in this order: scaling and rotation (one resampling), Gaussian blur, brightness,
contrast. Each is applied only to the images for which it was drawn, independently of the others. The configuration's
`published` has the probabilities and ranges of nnU-Net v2's default trainer (Isensee et al., Nature Methods 2021). The
parameters are drawn on the CPU, so that they are the same for every device.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Shaped
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
    brightness_factor: Tensor
    """The intensities, which lie in [0, 1], are multiplied by it."""
    brightness_shift: Tensor
    """Added to the intensities."""
    contrast: Tensor
    """Factor applied to the difference between an intensity and the mean of the image."""


NEUTRAL = {
    "scale": 1.0,
    "rotation_deg": 0.0,
    "blur_sigma_px": 0.0,
    "brightness_factor": 1.0,
    "brightness_shift": 0.0,
    "contrast": 1.0,
}
"""The fields of `Augmentation` and the value of each that changes nothing."""

REFERENCE_SIDE_PX = 256
"""Ranges in pixels are those of a grid of this side; on another grid they shrink or grow with it (decision 4a)."""


def _check(transforms: Mapping[str, Mapping[str, Any]]) -> None:
    if unknown := sorted(set(transforms) - set(NEUTRAL)):
        raise ValueError(f"Augmentation: unknown {', '.join(unknown)} (expected some of {', '.join(NEUTRAL)}).")
    for name, settings in transforms.items():
        low, high = settings["range"]
        lowest = {"scale": math.ulp(0.0), "blur_sigma_px": 0.0, "brightness_factor": 0.0}.get(name, -math.inf)
        if not lowest <= low <= high:
            raise ValueError(f"Augmentation: {name}: invalid range (found {low} to {high}).")
        if not 0 <= settings["probability"] <= 1:
            raise ValueError(f"Augmentation: {name}: probability {settings['probability']} (expected 0 to 1).")


def draw_augmentation(
    n: int, transforms: Mapping[str, Mapping[str, Any]], side_px: int, rng: np.random.Generator
) -> Augmentation:
    """Draw for every image of a batch which transforms it gets, each for itself, and their values, uniform in range.

    Args:
        n: Number of images.
        transforms: `probability` and `range` (lowest, highest) by field of `Augmentation`; a field that is left out is
            never drawn. Ranges in pixels are those of a grid of `REFERENCE_SIDE_PX`.
        side_px: Side of the grid in use.
        rng: The only source of randomness.

    Raises:
        ValueError: A transform is unknown, or its range or probability is invalid.
    """
    _check(transforms)
    drawn = {name: np.full(n, neutral) for name, neutral in NEUTRAL.items()}
    for name, neutral in NEUTRAL.items():
        if name in transforms:
            low, high = transforms[name]["range"]
            unit = side_px / REFERENCE_SIDE_PX if name.endswith("_px") else 1.0
            chosen, place = rng.random((2, n))
            value = (low + place * (high - low)) * unit
            drawn[name] = np.where(chosen < transforms[name]["probability"], value, neutral)
    return Augmentation(**{name: torch.from_numpy(values.astype(np.float32)) for name, values in drawn.items()})


def to_device(values: Shaped[Tensor, "..."], device: torch.device) -> Shaped[Tensor, "..."]:
    """Values drawn on the CPU, on the device of the images; the host does not wait for a card to take them.

    A copy from ordinary memory would wait until the card had finished everything before it, and the card would then
    stand idle while the host prepares the next kernel. A copy from page-locked memory is put into the queue instead;
    PyTorch keeps that memory until the copy is done.
    """
    if device.type == "cpu":
        return values
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def _sampling_grid(parameters: Augmentation, image: Float[Tensor, "n k h w"]) -> Float[Tensor, "n h w 2"]:
    """Where each pixel of the result samples the image, in the coordinates of `grid_sample`."""
    height, width = image.shape[-2:]
    angle = parameters.rotation_deg * (math.pi / 180)
    cosine, sine = angle.cos() / parameters.scale, angle.sin() / parameters.scale
    zero = torch.zeros_like(cosine)
    # The inverse map, (column, row); grid_sample measures in half sides, hence the ratios of the sides.
    columns = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    rows = torch.stack([sine * (width / height), cosine, zero], dim=1)
    theta = to_device(torch.stack([columns, rows], dim=1).to(image.dtype), image.device)
    return functional.affine_grid(theta, list(image.shape), align_corners=False)


def _blur(image: Float[Tensor, "n k h w"], sigma_px: Float[Tensor, " n"]) -> Float[Tensor, "n k h w"]:
    """Each image blurred by its own Gaussian, cut at three standard deviations of the widest; zero beyond the edge."""
    radius = math.ceil(3 * float(sigma_px.max()))
    if radius == 0:
        return image
    distance = torch.arange(-radius, radius + 1, dtype=torch.float32)
    # The lower bound turns sigma 0 into the identity, exactly: every other tap underflows to 0.
    kernel = torch.exp(-0.5 * (distance / sigma_px.clamp(min=1e-3).unsqueeze(1)).square())
    kernel = to_device((kernel / kernel.sum(1, keepdim=True)).to(image.dtype), image.device)
    n, size = kernel.shape
    stacked = image.transpose(0, 1)
    stacked = functional.conv2d(stacked, kernel.view(n, 1, size, 1), padding=(radius, 0), groups=n)
    return functional.conv2d(stacked, kernel.view(n, 1, 1, size), padding=(0, radius), groups=n).transpose(0, 1)


def _chosen(parameters: Augmentation, *names: str) -> Int[Tensor, " k"]:
    """Rows of the images for which one of these was drawn, on the CPU."""
    is_drawn = [getattr(parameters, name) != NEUTRAL[name] for name in names]
    return torch.stack(is_drawn).any(0).nonzero().flatten()


def _rows(parameters: Augmentation, rows: Int[Tensor, " k"]) -> Augmentation:
    """The parameters of some images."""
    return Augmentation(**{name: values[rows] for name, values in vars(parameters).items()})


def _resample_chosen(
    image: Float[Tensor, "n k h w"], target: Integer[Tensor, "n h w"], parameters: Augmentation
) -> None:
    """Scale and rotate the images, and their targets, for which that was drawn; in place."""
    drawn = _chosen(parameters, "scale", "rotation_deg")
    if not len(drawn):
        return
    rows = to_device(drawn, image.device)
    old = image[rows]
    grid = _sampling_grid(_rows(parameters, drawn), old)
    image[rows] = functional.grid_sample(old, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    labels = target[rows].to(image.dtype).unsqueeze(1)
    labels = functional.grid_sample(labels, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    target[rows] = labels.squeeze(1).to(target.dtype)


def _blur_chosen(image: Float[Tensor, "n k h w"], parameters: Augmentation) -> None:
    """Blur the images for which that was drawn; in place."""
    drawn = _chosen(parameters, "blur_sigma_px")
    if len(drawn):
        rows = to_device(drawn, image.device)
        image[rows] = _blur(image[rows], _rows(parameters, drawn).blur_sigma_px)


def _shade(image: Float[Tensor, "n k h w"], parameters: Augmentation) -> Float[Tensor, "n k h w"]:
    """Brightness, then contrast about the mean that results, in one pass over the images."""
    factor, shift, contrast = (
        to_device(values.to(image.dtype), image.device).view(-1, 1, 1, 1)
        for values in (parameters.brightness_factor, parameters.brightness_shift, parameters.contrast)
    )
    mean = image.mean(dim=(1, 2, 3), keepdim=True) * factor
    return (image * (factor * contrast) + (mean * (1 - contrast) + shift)).clamp_(0, 1)


def augment(
    image: Shaped[Tensor, "n k h w"],
    target: Integer[Tensor, "n h w"],
    parameters: Augmentation,
) -> tuple[Float[Tensor, "n k h w"], Integer[Tensor, "n h w"]]:
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
    if image.ndim != 4 or target.shape != (len(image), *image.shape[2:]):
        raise ValueError(
            f"image and target: expected (N, K, H, W) and (N, H, W), "
            f"found {tuple(image.shape)} and {tuple(target.shape)}."
        )
    if len(parameters.scale) != len(image):
        raise ValueError(f"parameters: expected {len(image)}, one per image, found {len(parameters.scale)}.")
    image = image.clone() if image.is_floating_point() else image.float() / 255
    target = target.clone()
    _resample_chosen(image, target, parameters)
    _blur_chosen(image, parameters)
    return _shade(image, parameters), target
