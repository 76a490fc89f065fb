"""Prepared arrays: what a network sees of each case, and the table that maps rows back to cases."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from labeldropout.data.case_store import _CASE, _STATE, EACH_STRUCTURE, with_structures
from labeldropout.data.pixels import Pixels, read_pixels, write_pixels
from labeldropout.files import read_table, replacing, write_table
from labeldropout.labels import values_of


@dataclass(frozen=True)
class Prepared:
    """The prepared arrays of one data set and their table (`PREPARED`), row by row."""

    images: np.ndarray
    """uint8 (N, S, S), where S is the side of the network's grid, or (N, S, S, K) with K channels."""
    targets: np.ndarray
    """uint8 (N, S, S)."""
    table: pd.DataFrame
    pixels: Pixels


def write_prepared(
    images: Iterable[np.ndarray], targets: Iterable[np.ndarray], table: pd.DataFrame, pixels: Pixels, directory: Path
) -> None:
    """Stream images and targets, pair by pair in the order of the table, into `images.npy` and `targets.npy`.

    `pixels.json` says what they mean; the table (`cases.csv`) is the last file to appear.

    Args:
        images: uint8 (S, S) each, or (S, S, K) with K channels.
        targets: uint8 (S, S) each.
        table: One row per image, with the columns of `PREPARED`.
        pixels: Channels and structures.
        directory: Where.

    Raises:
        ValueError: Shapes or numbers do not fit together.
    """
    side: int | None = None
    n_written = 0
    with replacing(directory / "images.npy") as image_file, replacing(directory / "targets.npy") as target_file:
        for image, target in zip(images, targets, strict=True):
            side = image.shape[0] if side is None else side
            shape = (side, side) if pixels.channels == 1 else (side, side, pixels.channels)
            if not n_written:
                for file, of_one in ((image_file, shape), (target_file, (side, side))):
                    description = {"descr": "|u1", "fortran_order": False, "shape": (len(table), *of_one)}
                    np.lib.format.write_array_header_1_0(file, description)
            if image.shape != shape or target.shape != (side, side):
                raise ValueError(
                    f"{directory}: prepared shapes {image.shape}, {target.shape} (expected {shape}, {(side, side)})."
                )
            image_file.write(np.ascontiguousarray(image, np.uint8).tobytes())
            target_file.write(np.ascontiguousarray(target, np.uint8).tobytes())
            n_written += 1
        if n_written != len(table) or not n_written:
            raise ValueError(f"{directory}: {n_written} prepared images for a table of {len(table)} rows.")
        (directory / "cases.csv").unlink(missing_ok=True)  # an old table must not describe new arrays
    write_pixels(pixels, directory)
    write_table(table, directory / "cases.csv", with_structures(PREPARED, values_of(pixels.structures)))


def read_prepared(directory: Path) -> Prepared:
    """Open prepared arrays, memory-mapped.

    Raises:
        ValueError: Arrays and table do not fit together.
    """
    pixels = read_pixels(directory)
    table = read_table(
        directory / "cases.csv", with_structures(PREPARED, values_of(pixels.structures)), ("view", "instant")
    )
    arrays = {}
    for name in ("images", "targets"):
        path = directory / f"{name}.npy"
        try:
            arrays[name] = np.lib.format.open_memmap(path, mode="r")
        except ValueError as error:
            raise ValueError(f"{path}: not a prepared array ({error}).") from error
        last = (pixels.channels,) if name == "images" and pixels.channels > 1 else ()
        found = arrays[name].shape
        if arrays[name].dtype != np.uint8 or (found[0], *found[3:]) != (len(table), *last) or len(found) < 3:
            shape = ", ".join(map(str, (len(table), "S", "S", *last)))
            raise ValueError(f"{path}: wrong array (expected uint8 ({shape}), found {arrays[name].dtype} {found}).")
    return Prepared(arrays["images"], arrays["targets"], table, pixels)


PREPARED = {
    **_CASE,
    EACH_STRUCTURE: _STATE,
    "crop_row": "first row of the square crop on the stored grid; may be negative (padding)",
    "crop_column": "first column of the crop; may be negative",
    "crop_height": "rows of the crop on the stored grid",
    "crop_width": "columns of the crop",
    "height_px": "rows of the stored image",
    "width_px": "columns of the stored image",
    "row_spacing_mm": "height of a stored pixel in mm; empty if unknown",
    "column_spacing_mm": "width of a stored pixel in mm; empty if unknown",
}
"""`cases.csv` next to the prepared arrays: row i describes images.npy[i] and targets.npy[i]."""
