"""Read one picture or mask of a folder: PNG, BMP, TIFF, JPEG, NIfTI or MetaImage, nothing turned, scaled or guessed."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from labeldropout.case import DatasetError
from labeldropout.data.image_files import MAX_PIXELS, read_metaimage, read_nifti

RASTER = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")
MEDICAL = (".nii", ".nii.gz", ".mhd")


@dataclass(frozen=True)
class StoredPicture:
    """The content of a file, as stored."""

    values: np.ndarray
    """(H, W), or (H, W, 3) for red, green and blue."""
    spacing_mm: tuple[float, float] | None
    """(row, column) size of a pixel, where the file says it."""
    sha256: str
    """Hash of the file with the pixels."""


def read_picture(dataset: str, path: Path) -> StoredPicture:
    """Read a picture or a mask.

    Args:
        dataset: Name of the data set, for messages.
        path: The file; its ending says the format.

    Raises:
        DatasetError: The file is damaged, of another format, holds several pictures, is turned or partly transparent.
    """
    name = path.name.lower()
    if name.endswith(MEDICAL):
        stored = read_metaimage(path, dataset) if name.endswith(".mhd") else read_nifti(path, dataset)
        if stored.values.ndim != 2:
            found = f"shape {stored.values.shape}"
            raise DatasetError.about(dataset, path, "more than one picture", "two axes", found, "Store single slices.")
        return StoredPicture(stored.values, stored.pixel_spacing_mm, stored.sha256)
    if not name.endswith(RASTER):
        expected = ", ".join((*RASTER, *MEDICAL))
        raise DatasetError.about(dataset, path, "unknown format", expected, path.suffix or "no ending")
    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            values = _raster(dataset, path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        if isinstance(error, DatasetError):
            raise
        found = f"{type(error).__name__}: {error}"
        raise DatasetError.about(dataset, path, "cannot be read", "a whole picture", found) from error
    return StoredPicture(values, None, hashlib.sha256(content).hexdigest())


def _raster(dataset: str, path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise DatasetError.about(dataset, path, "too many pixels", f"at most {MAX_PIXELS}", picture.size)
        if (n_frames := getattr(picture, "n_frames", 1)) != 1:
            advice = "Store each in a file of its own."
            raise DatasetError.about(dataset, path, "more than one picture", "1", n_frames, advice)
        if (turned := picture.getexif().get(0x0112, 1)) != 1:
            advice = "Turn the pixels themselves, or its mask will not fit."
            raise DatasetError.about(dataset, path, "turned by its EXIF entry", "orientation 1", turned, advice)
        picture.load()
        if picture.has_transparency_data:
            alpha = np.asarray(picture.convert("RGBA"))[..., 3]
            if alpha.min() < 255:
                found = f"{int((alpha < 255).sum())} pixels"
                raise DatasetError.about(dataset, path, "transparent pixels", "none", found, "Flatten the picture.")
            return np.asarray(picture.convert("L" if picture.mode == "LA" else "RGB"))
        if picture.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
            raise DatasetError.about(dataset, path, "wrong colours", "grey or RGB", picture.mode, "Convert it to RGB.")
        return np.asarray(picture)


def as_image(dataset: str, path: Path, values: np.ndarray, *, colour: bool) -> UInt8[np.ndarray, "h w *channels"]:
    """The intensities of a picture: (H, W), or (H, W, 3) if it is to be in colour.

    A grey picture among coloured ones gets three equal channels.

    Raises:
        DatasetError: A coloured picture among grey ones, or intensities that are not 0 to 255.
    """
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    known = values.dtype.kind in "iuf" and bool(np.isfinite(values).all()) and 0 <= values.min() <= values.max() <= 255
    whole = values.astype(np.uint8) if known else np.zeros((1, 1), np.uint8)
    if not np.array_equal(whole, values):
        found = f"{values.dtype} from {values.min()} to {values.max()}"
        advice = "Convert all pictures in the same way, to 8 bits."
        raise DatasetError.about(dataset, path, "wrong intensities", "whole numbers from 0 to 255", found, advice)
    if whole.ndim == 3 and not colour:
        if (whole != whole[..., :1]).any():
            raise DatasetError.about(
                dataset, path, "a picture in colour", "grey", "three channels that differ", "Set colour: true."
            )
        whole = whole[..., 0]
    if whole.ndim == 2 and colour:
        whole = np.repeat(whole[..., None], 3, axis=2)
    if whole.min() == whole.max():
        raise DatasetError.about(dataset, path, "an empty picture", "more than one intensity", int(whole.min()))
    return np.ascontiguousarray(whole)


def as_values(dataset: str, path: Path, values: np.ndarray) -> np.ndarray:
    """The values of a mask, (H, W): of three equal channels one, of a palette the indices, of a bitmap 0 and 1.

    Raises:
        DatasetError: The channels differ, or the values are not whole numbers.
    """
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            advice = "Store one number for each structure."
            raise DatasetError.about(dataset, path, "a mask in colour", "one channel", "three that differ", advice)
        values = values[..., 0]
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.array_equal(values, np.round(values)):
            found = f"{values.dtype} from {values.min()} to {values.max()}"
            raise DatasetError.about(dataset, path, "values of the mask", "whole numbers", found)
        return values.astype(np.int64)
    return values
