"""Measure outlines: areas of every frame; of a clip also end diastole, end systole and the ejection fraction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labeldropout.analysis.biomarkers.chambers import (
    cut_into_discs,
    ejection_fraction,
    implausibilities,
    volume_by_discs,
)
from labeldropout.predict.legend import Entry

AREAS = {
    "file": "input, as given or below the folder given, without its extension",
    "frame": "from 0",
    "seconds": "time since the first frame; empty where the file does not say",
    "structure": "name of the structure, as the weights have it: LV, LVM or LA",
    "area_px": "pixels of the input's own grid",
    "area_cm2": "area in square centimetres; empty where the file gives no usable spacing",
    "cone": "how the cone was found: geometry (alone on black), fit, hull, network+fit, whole-frame or none",
}
"""`areas.csv`: one row per file, frame and structure."""

ONE_PLANE = "one plane, not for clinical use"
"""What stands beside every ejection fraction."""

VENTRICLE = "LV"
"""The structure of which volumes are measured, if a model outlines it."""

CLIPS = {
    "file": "input, as given or below the folder given, without its extension",
    "n_frames": "frames of the clip",
    "end_diastole_frame": "frame with the largest left ventricle among the plausible ones, from 0",
    "end_systole_frame": "frame with the smallest one",
    "end_diastole_seconds": "its time since the first frame; empty where the file does not say",
    "end_systole_seconds": "likewise",
    "end_diastole_volume_ml": "volume by discs in one plane; empty where the file gives no usable spacing",
    "end_systole_volume_ml": "likewise",
    "ejection_fraction_percent": "by discs in one plane; empty with fewer than two plausible frames",
    "n_implausible_frames": "frames whose left ventricle is empty, too small, cut by the border or no chamber",
    "remark": f"always: {ONE_PLANE}",
}
"""`clips.csv`: one row per clip, of models that outline the left ventricle (LV)."""

_LONGEST_SIDE = 512
"""Masks of larger pictures are thinned to at most twice this before discs are cut, for speed."""

_MM3_PER_ML = 1000


def area_rows(
    frame: int,
    seconds: float | None,
    labels: np.ndarray,
    legend: Sequence[Entry],
    spacing_mm: tuple[float, float] | None,
) -> list[dict[str, Any]]:
    """Rows of `AREAS` about one frame, without the columns file and cone.

    Args:
        frame: Number of the frame.
        seconds: Its time.
        labels: uint8 (H, W).
        legend: What is outlined.
        spacing_mm: (row, column).
    """
    counts = np.bincount(labels.ravel(), minlength=256)
    pixel_cm2 = None if spacing_mm is None else spacing_mm[0] * spacing_mm[1] / 100
    return [
        {
            "frame": frame,
            "seconds": seconds,
            "structure": one.name,
            "area_px": int(counts[one.value]),
            "area_cm2": None if pixel_cm2 is None else round(int(counts[one.value]) * pixel_cm2, 4),
        }
        for one in legend
    ]


@dataclass(frozen=True)
class Ventricle:
    """The left ventricle in one frame."""

    frame: int
    seconds: float | None
    area: float
    """In pixels."""
    volume: float
    """By discs in one plane, in the cube of the unit of spacing; NaN where the mask is implausible."""


def measure_ventricle(frame: int, seconds: float | None, mask: np.ndarray, spacing: tuple[float, float]) -> Ventricle:
    """Measure the left ventricle in one frame.

    Args:
        frame: Number of the frame.
        seconds: Its time.
        mask: bool (H, W).
        spacing: Height and width of a pixel, in mm or in any other unit.
    """
    step = max(1, max(mask.shape) // _LONGEST_SIDE)
    thinned, coarse = mask[::step, ::step], (spacing[0] * step, spacing[1] * step)
    is_plausible = not implausibilities(thinned, coarse)
    volume = volume_by_discs(cut_into_discs(thinned, coarse)) if is_plausible else math.nan
    return Ventricle(frame, seconds, float(mask.sum()), volume)


def clip_row(frames: Sequence[Ventricle], *, is_mm: bool) -> dict[str, Any]:
    """A row of `CLIPS` without the column file.

    End diastole and end systole are the frames with the largest and the smallest area (the first among equals) of those
    in which the ventricle is plausible: one bad frame must not become a systole.

    Args:
        frames: One per frame of the clip.
        is_mm: Whether volumes are in cubic millimetres.
    """
    plausible = [one for one in frames if math.isfinite(one.volume)]
    row = dict.fromkeys(CLIPS)
    row |= {"n_frames": len(frames), "n_implausible_frames": len(frames) - len(plausible), "remark": ONE_PLANE}
    if len(plausible) > 1:
        diastole, systole = max(plausible, key=lambda one: one.area), min(plausible, key=lambda one: one.area)
        for name, one in (("end_diastole", diastole), ("end_systole", systole)):
            volume = round(one.volume / _MM3_PER_ML, 2) if is_mm else None
            row |= {f"{name}_frame": one.frame, f"{name}_seconds": one.seconds, f"{name}_volume_ml": volume}
        row["ejection_fraction_percent"] = round(ejection_fraction(diastole.volume, systole.volume), 1)
    del row["file"]
    return row
