"""A small picture of one case: the image with the reference's outlines, and beside it with those of a prediction."""

import math
from collections.abc import Iterable, Mapping
from enum import IntEnum

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from PIL import Image
from scipy.ndimage import binary_erosion

SIDE_PX = 256
"""Longer side of each of the two halves."""


_GAP_PX = 4


QUALITIES = ("best", "median", "worst")
"""The test images that are shown for a model and a data set, by mean Dice."""


def resized(
    image: UInt8[np.ndarray, "_ _ *channels"], size: tuple[int, int], resample: Image.Resampling
) -> UInt8[np.ndarray, "_ _ *channels"]:
    """The image at another size; each channel is resized on its own.

    Args:
        image: Intensities.
        size: (columns, rows).
        resample: How.
    """
    channels = [image] if image.ndim == 2 else [image[..., channel] for channel in range(image.shape[2])]
    small = [np.asarray(Image.fromarray(np.ascontiguousarray(one)).resize(size, resample)) for one in channels]
    return small[0] if image.ndim == 2 else np.stack(small, axis=2)


def in_colour(image: UInt8[np.ndarray, "h w *channels"]) -> UInt8[np.ndarray, "h w 3"]:
    """The image to look at: three channels are red, green and blue; of any other number, the mean is grey."""
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    grey = image if image.ndim == 2 else image.mean(2).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def choose(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The best, the median and the worst test image of each data set, by mean Dice over the structures it is scored on.

    Ties are broken by the identifier; with an even number of images the median is the lower of the two in the middle.

    Args:
        scores: `SCORES` of one model.
        seed: Seed of the training whose scores count.

    Returns:
        Columns dataset, quality, case, dice; a data set without any Dice score has no row.
    """
    of_seed = scores[(scores["seed"] == seed) & (scores["reference"] == "dataset") & scores["dice"].notna()]
    means = of_seed.groupby(["dataset", "case"], sort=True)["dice"].mean().reset_index()
    rows = []
    for dataset, of_dataset in means.groupby("dataset", sort=True):
        ranked = of_dataset.sort_values(["dice", "case"], kind="stable").reset_index(drop=True)
        places = {"best": len(ranked) - 1, "median": (len(ranked) - 1) // 2, "worst": 0}
        for quality in QUALITIES:
            row = ranked.iloc[places[quality]]
            rows.append({"dataset": dataset, "quality": quality, "case": row["case"], "dice": float(row["dice"])})
    return pd.DataFrame(rows, columns=["dataset", "quality", "case", "dice"])


def draw(
    image: UInt8[np.ndarray, "_ _ *channels"],
    reference: UInt8[np.ndarray, "_ _"],
    annotated: Iterable[IntEnum],
    prediction: UInt8[np.ndarray, "_ _"],
    pixel_aspect: float,
    colours: Mapping[IntEnum, tuple[int, int, int]],
) -> Image.Image:
    """The image twice, on square pixels: with the reference's outlines on the left, the prediction's on the right.

    Args:
        image: Intensities.
        reference: Label map of the reference.
        annotated: Structures annotated in the reference; only these are outlined on the left.
        prediction: Label map of the model.
        pixel_aspect: Height over width of a pixel.
        colours: Red, green and blue (0 to 255) of each structure.

    Raises:
        ValueError: The three have different shapes, so they do not belong to one case.
    """
    shapes = [array.shape[:2] for array in (image, reference, prediction)]
    if len(set(shapes)) > 1:
        raise ValueError(f"image, reference and prediction have the shapes {shapes} (expected one shape).")
    height, width = image.shape[0] * pixel_aspect, float(image.shape[1])
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    ground = in_colour(resized(image, size, Image.Resampling.BILINEAR))
    picture = Image.new("RGB", (2 * size[0] + _GAP_PX, size[1]), (255, 255, 255))
    halves = ((reference, set(annotated)), (prediction, set(colours)))
    for place, (labels, structures) in enumerate(halves):
        half = ground.copy()
        enlarged = np.asarray(Image.fromarray(np.ascontiguousarray(labels)).resize(size, Image.Resampling.NEAREST))
        thickness = math.ceil(SIDE_PX / 200)
        for structure, colour in colours.items():
            area = enlarged == structure
            if structure in structures and area.any():
                half[area & ~binary_erosion(area, iterations=thickness)] = colour
        picture.paste(Image.fromarray(half), (place * (size[0] + _GAP_PX), 0))
    return picture
