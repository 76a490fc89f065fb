"""Read one picture or one mask of a folder: PNG, BMP, TIFF, JPEG, NIfTI or MetaImage."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image

from labeldropout.case import DatasetError
from labeldropout.data.image_files import StoredImage, read_metaimage, read_nifti
from labeldropout.data.picture_files import read_picture, refuse_blank

RASTER = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")
MEDICAL = (".nii", ".nii.gz", ".mhd")


@dataclass(frozen=True)
class ReadImage:
    """A picture as the network gets it."""

    values: UInt8[np.ndarray, "h w *channels"]
    """(H, W), or (H, W, 3) for red, green and blue."""
    spacing_mm: tuple[float, float] | None
    """(row, column) size of a pixel, where the file says it."""
    sha256: str
    """Hash of the file with the pixels."""
    was_grey: bool
    """Whether three equal channels stand for one."""
    n_transparent: int
    """Pixels that were not fully opaque; black stands behind them."""


def _check_format(dataset: str, path: Path) -> bool:
    """Whether the file is of a medical format."""
    if path.name.lower().endswith(MEDICAL):
        return True
    if path.name.lower().endswith(RASTER):
        return False
    raise DatasetError.about(
        dataset, path, "unknown format", ", ".join((*RASTER, *MEDICAL)), path.suffix or "no ending"
    )


def _medical(dataset: str, path: Path) -> StoredImage:
    stored = read_metaimage(path, dataset) if path.suffix.lower() == ".mhd" else read_nifti(path, dataset)
    if stored.values.ndim != 2:
        found = f"shape {stored.values.shape}"
        raise DatasetError.about(dataset, path, "more than one picture", "two axes", found, "Store single slices.")
    return stored


def read_image(dataset: str, path: Path, *, colour: bool) -> ReadImage:
    """Read a picture; a grey one among coloured ones gets three equal channels.

    Args:
        dataset: Name of the data set, for messages.
        path: The file; its ending says the format.
        colour: Whether three channels are wanted, or one.

    Raises:
        DatasetError: The file is damaged, blank, or in colour where grey is wanted, or its intensities are not 0 to
            255.
    """
    spacing, n_transparent = None, 0
    if _check_format(dataset, path):
        stored = _medical(dataset, path)
        spacing, sha256, values = stored.pixel_spacing_mm, stored.sha256, _whole(dataset, path, stored.values)
        values = np.repeat(values[..., None], 3, axis=2)
    else:
        picture = read_picture(path, dataset, "colour")
        values, sha256, n_transparent = picture.values, picture.sha256, picture.n_transparent
    refuse_blank(values, dataset, path)
    is_grey = bool((values == values[..., :1]).all())
    if not colour:
        if not is_grey:
            raise DatasetError.about(
                dataset, path, "a picture in colour", "grey", "channels that differ", "Set colour: true."
            )
        values = values[..., 0]
    return ReadImage(np.ascontiguousarray(values), spacing, sha256, colour and is_grey, n_transparent)


def _whole(dataset: str, path: Path, values: np.ndarray) -> UInt8[np.ndarray, "h w"]:
    """Intensities as whole numbers from 0 to 255."""
    known = bool(np.isfinite(values).all()) and 0 <= values.min() <= values.max() <= 255
    if not known or not np.array_equal(values.astype(np.uint8), values):
        found = f"{values.dtype} from {values.min()} to {values.max()}"
        advice = "Convert all pictures in the same way, to 8 bits."
        raise DatasetError.about(dataset, path, "wrong intensities", "whole numbers from 0 to 255", found, advice)
    return values.astype(np.uint8)


def read_values(dataset: str, path: Path) -> Integer[np.ndarray, "h w"]:
    """Read the values of a mask; of a palette, its indices.

    Args:
        dataset: Name of the data set, for messages.
        path: The file; its ending says the format.

    Raises:
        DatasetError: The file is damaged, or has colours or values that are not whole numbers.
    """
    if not _check_format(dataset, path):
        return read_picture(path, dataset, "labels").values
    values = _medical(dataset, path).values
    if not np.isfinite(values).all() or not np.array_equal(values, np.round(values)):
        found = f"{values.dtype} from {values.min()} to {values.max()}"
        raise DatasetError.about(dataset, path, "values of the mask", "whole numbers", found)
    return values.astype(np.int64)


def palette_of(path: Path) -> dict[int, tuple[int, ...]]:
    """Colour of each value of a mask that was read and has a palette; empty for one without."""
    if path.name.lower().endswith(MEDICAL):
        return {}
    with Image.open(path) as image:
        colours = (image.getpalette() or []) if image.mode == "P" else []
    return {value: tuple(colours[3 * value : 3 * value + 3]) for value in range(len(colours) // 3)}
