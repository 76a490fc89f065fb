"""The columns of the tables that a study works with: name and meaning, with units.

Those of the tables that it publishes stand in `published`, so that a column more there trains nothing again.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

_STATE = "labelled, absent or unknown"
_CASE = {
    "case": "our identifier of the case",
    "dataset": "data set it comes from",
    "patient": "our identifier of the group that no split divides",
    "view": "A2C, A4C or empty",
    "instant": "ED, ES or empty",
}

CASES = {
    **_CASE,
    "group_name": "the group as the data set names it; never published",
    "frame": "index of the frame in its file, from 0",
    "LV": _STATE,
    "LVM": _STATE,
    "LA": _STATE,
    "offset": "index of the first pixel in images.u8 and targets.u8",
    "height_px": "rows of the stored image",
    "width_px": "columns of the stored image",
    "row_spacing_mm": "height of a pixel in mm; empty if unknown",
    "column_spacing_mm": "width of a pixel in mm; empty if unknown",
    "quality": "image quality in the data set's words",
    "flags": "remarks of the importer, separated by spaces",
    "split_hint": "the part that the data set itself assigns",
    "source": "file of the image below the data set's root; never published",
    "source_sha256": "hash of that file",
}
"""`cases.csv` of a store."""

CONES = {
    "case": "our identifier of the case",
    "method": "network+fit, fit, hull, whole-frame; or geometry for a clean fan on black",
    "apex_row": "row of the virtual apex, in pixels of the image on square pixels; empty without a fit",
    "apex_column": "column of the virtual apex, likewise",
    "half_angle_rad": "half of the opening angle",
    "near_px": "distance from the apex to the first sample, in square pixels",
    "far_px": "distance from the apex to the last sample, in square pixels",
    "box_row": "first row of the cone's box on the stored grid",
    "box_column": "first column of the box",
    "box_height": "rows of the box",
    "box_width": "columns of the box",
    "area_share": "share of the frame that the cone covers",
    "area_ratio": "area of the fitted cone over that of the network's mask; empty without a network",
    "iou": "intersection over union of the fit and the mask or region it was fitted to; empty without a fit",
    "bright_share_outside": "share of the pixels above 15 that lie outside the cone (for geometry they are kept)",
    "label_share_outside": "share of the annotated pixels that lie outside the cone",
    "verdict": "accepted or replaced, and why",
}
"""`cones.csv`: one row per case."""

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
"""`cases.csv` beside the prepared arrays: row i describes images.npy[i] and targets.npy[i]."""

PATIENTS = {
    "dataset": "data set",
    "patient": "our identifier of the group",
    "part": "training, validation or test",
}
"""`splits/patients.csv`: the part of every group."""

HISTORY = {
    "epoch": "from 1",
    "learning_rate": "at the start of this epoch",
    "loss": "mean training loss per case",
    "dataset": "data set of the validation cell; all = mean over cells",
    "structure": "structure of the cell; all = mean over cells",
    "dice": "mean validation Dice on the network's grid",
    "n": "validation cases behind the mean",
    "best": "1 if this epoch is the best so far",
}
"""`history.csv` of a training: one row per epoch and validation cell, and one `all`, `all` row per epoch."""

SCORES = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    **_CASE,
    "structure": "LV, LVM or LA",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "dice": "Dice score on the stored grid; empty if reference and prediction are both empty",
    "hausdorff_distance_95_mm": "larger of the two directed 95th percentiles of surface distances; empty if undefined",
    "hausdorff_distance_95_px": "the same in stored pixels",
    "mean_surface_distance_mm": "mean of the symmetric surface distances; empty if undefined",
    "mean_surface_distance_px": "the same in stored pixels",
    "surface_dice": "share of both surfaces within the tolerance of the other; 0 if one is empty, empty if both are",
    "surface_dice_tolerance": "the tolerance with its unit, such as 2 mm or 4 px",
    "reference_px": "pixels of the structure in the reference",
    "prediction_px": "pixels of the structure in the prediction",
}
"""`scores/<model>.csv`: one row per seed, case and structure that has a reference."""


def check_columns(table: pd.DataFrame, columns: Iterable[str], file: str | Path) -> pd.DataFrame:
    """Return the table if it has exactly these columns, in any order; the result has them in the given order.

    Args:
        table: What was read.
        columns: The names that it must have.
        file: Where it was read, for the message.

    Raises:
        ValueError: A column is missing, or one is unknown; the message names the nearest valid name.
    """
    expected = list(columns)
    missing = [name for name in expected if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in expected]
    if missing or unknown:
        hints = [
            f"{name} (did you mean {near[0]}?)"
            for name in unknown
            if (near := difflib.get_close_matches(name, expected, 1))
        ]
        raise ValueError(
            f"{file}: columns do not fit (missing: {missing or 'none'}, unknown: {unknown or 'none'}"
            f"{'; ' + ', '.join(hints) if hints else ''}; expected: {expected})."
        )
    return table[expected]
