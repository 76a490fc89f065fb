"""Prepared arrays: what a network sees of each case, and the table that maps rows back to cases."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from labeldropout.data.case_store import _CASE, _STATE
from labeldropout.files import read_table, replacing, write_table


@dataclass(frozen=True)
class Prepared:
    """The prepared arrays of one data set and their table (`PREPARED`), row by row."""

    images: np.ndarray
    """uint8 (N, S, S), where S is the side of the network's grid."""
    targets: np.ndarray
    """uint8 (N, S, S)."""
    table: pd.DataFrame


def write_prepared(
    images: Iterable[np.ndarray], targets: Iterable[np.ndarray], table: pd.DataFrame, directory: Path
) -> None:
    """Stream images and targets, pair by pair in the order of the table, into `images.npy` and `targets.npy`.

    The table (`cases.csv`) is the last file to appear.
    """
    side: int | None = None
    n_written = 0
    with replacing(directory / "images.npy") as image_file, replacing(directory / "targets.npy") as target_file:
        for image, target in zip(images, targets, strict=True):
            side = image.shape[0] if side is None else side
            if not n_written:
                description = {"descr": "|u1", "fortran_order": False, "shape": (len(table), side, side)}
                for file in (image_file, target_file):
                    np.lib.format.write_array_header_1_0(file, description)
            if image.shape != (side, side) or target.shape != (side, side):
                raise ValueError(
                    f"{directory}: prepared shapes {image.shape}, {target.shape} (expected {(side, side)})."
                )
            image_file.write(np.ascontiguousarray(image, np.uint8).tobytes())
            target_file.write(np.ascontiguousarray(target, np.uint8).tobytes())
            n_written += 1
        if n_written != len(table) or not n_written:
            raise ValueError(f"{directory}: {n_written} prepared images for a table of {len(table)} rows.")
        (directory / "cases.csv").unlink(missing_ok=True)  # an old table must not describe new arrays
    write_table(table, directory / "cases.csv", PREPARED)


def read_prepared(directory: Path) -> Prepared:
    """Open prepared arrays, memory-mapped.

    Raises:
        ValueError: Arrays and table do not fit together.
    """
    table = read_table(directory / "cases.csv", PREPARED, ("view", "instant"))
    arrays = {}
    for name in ("images", "targets"):
        path = directory / f"{name}.npy"
        try:
            arrays[name] = np.lib.format.open_memmap(path, mode="r")
        except ValueError as error:
            raise ValueError(f"{path}: not a prepared array ({error}).") from error
        if arrays[name].dtype != np.uint8 or arrays[name].ndim != 3 or len(arrays[name]) != len(table):
            raise ValueError(
                f"{path}: wrong array (expected uint8 ({len(table)}, S, S),"
                f" found {arrays[name].dtype} {arrays[name].shape})."
            )
    return Prepared(arrays["images"], arrays["targets"], table)


PREPARED = {
    **_CASE,
    "LV": _STATE,
    "LVM": _STATE,
    "LA": _STATE,
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
