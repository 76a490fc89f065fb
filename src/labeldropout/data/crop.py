"""Compute the square around the cone that a network sees, and map images to its grid and back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image


def square_shape(shape: tuple[int, int], pixel_aspect: float) -> tuple[int, int]:
    """Shape of an image after resampling to square pixels as large as the longer side of its own.

    Args:
        shape: (rows, columns) of the stored image.
        pixel_aspect: Row spacing over column spacing; 1 where spacing is unknown.
    """
    height, width = shape
    return max(1, round(height * min(1.0, pixel_aspect))), max(1, round(width * min(1.0, 1 / pixel_aspect)))


def _resized(image: UInt8[np.ndarray, "h w"], shape: tuple[int, int], resample: Image.Resampling) -> np.ndarray:
    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize((shape[1], shape[0]), resample))


def _resized_mask(mask: Bool[np.ndarray, "h w"], shape: tuple[int, int]) -> Bool[np.ndarray, "h2 w2"]:
    return _resized(mask.astype(np.uint8), shape, Image.Resampling.NEAREST) > 0


@dataclass(frozen=True)
class Crop:
    """The part of the stored grid that becomes the network's grid, in whole stored pixels."""

    row: int
    """First row; negative where the crop begins above the image (padding)."""
    column: int
    """First column; may be negative."""
    height: int
    """Rows."""
    width: int
    """Columns; differs from `height` where stored pixels are not square."""


def square_crop(box: tuple[int, int, int, int], pixel_aspect: float, margin: float) -> Crop:
    """The square around a box, with a margin on each side; square in physical length, not in stored pixels.

    Args:
        box: (row, column, height, width) on the stored grid.
        pixel_aspect: Row spacing over column spacing; 1 where spacing is unknown.
        margin: Share of the box's longer side.
    """
    row, column, height, width = box
    side = max(height * pixel_aspect, width) * (1 + 2 * margin)
    crop_height, crop_width = max(1, round(side / pixel_aspect)), max(1, round(side))
    return Crop(
        row=round(row + height / 2 - crop_height / 2),
        column=round(column + width / 2 - crop_width / 2),
        height=crop_height,
        width=crop_width,
    )


def _overlap(crop: Crop, shape: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where crop and image overlap: slices of the image, slices of the crop."""
    slices = []
    for start, length, size in ((crop.row, crop.height, shape[0]), (crop.column, crop.width, shape[1])):
        first, last = max(0, start), min(size, start + length)
        if first >= last:
            raise ValueError(f"{crop} lies outside an image of shape {shape}.")
        slices.append((slice(first, last), slice(first - start, last - start)))
    return (slices[0][0], slices[1][0]), (slices[0][1], slices[1][1])


def to_grid(
    image: UInt8[np.ndarray, "h w *channels"], crop: Crop, size: int, *, labels: bool = False
) -> UInt8[np.ndarray, "s s *channels"]:
    """Crop, pad with 0 and resize to the network's grid.

    Args:
        image: On the stored grid; each channel is resized on its own.
        crop: The part to take.
        size: Side of the grid.
        labels: Whether this is a label map, resized by nearest neighbour; an image is resized bilinearly with
            antialiasing.
    """
    if image.ndim == 3:
        channels = [to_grid(image[..., channel], crop, size, labels=labels) for channel in range(image.shape[2])]
        return np.stack(channels, axis=-1)
    of_image, of_crop = _overlap(crop, image.shape)
    padded = np.zeros((crop.height, crop.width), np.uint8)
    padded[of_crop] = image[of_image]
    return _resized(padded, (size, size), Image.Resampling.NEAREST if labels else Image.Resampling.BILINEAR)


def to_native(
    probabilities: Float32[np.ndarray, "c s s"], crop: Crop, shape: tuple[int, int]
) -> Float32[np.ndarray, "c h w"]:
    """Map probabilities back to the stored grid, bilinearly; everything outside the crop is background.

    Args:
        probabilities: Probabilities for one image on the network's grid, background first.
        crop: The part that `to_grid` took.
        shape: (rows, columns) of the stored image.
    """
    of_image, of_crop = _overlap(crop, shape)
    native = np.zeros((len(probabilities), *shape), np.float32)
    native[0] = 1
    for channel, probability in enumerate(probabilities):
        resized = Image.fromarray(probability).resize((crop.width, crop.height), Image.Resampling.BILINEAR)
        native[(channel, *of_image)] = np.asarray(resized)[of_crop]
    return native
