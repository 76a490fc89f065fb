"""Measure outlines."""

from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.data.cone_finding import FoundCone
from labeldropout.learning.model import Model
from labeldropout.predict.readers import Clip

AREAS = {
    "file": "input, as given or below the folder given",
    "frame": "from 0",
    "structure": "LV, LVM or LA",
    "area_px": "pixels of the input's own grid",
    "area_cm2": "area in square centimetres; empty where the file gives no usable spacing",
    "cone": "how the cone was found: geometry (alone on black), fit, hull, network+fit, whole-frame or none",
}
"""`areas.csv`: one row per file, frame and structure."""


def _areas(name: Path, clip: Clip, labels: np.ndarray, model: Model, found: FoundCone | None) -> list[dict[str, Any]]:
    pixel_cm2 = None if clip.spacing_mm is None else clip.spacing_mm[0] * clip.spacing_mm[1] / 100
    rows = []
    for frame, drawn in enumerate(labels):
        for structure in model.structures:
            n_pixels = int((drawn == structure).sum())
            rows.append(
                {
                    "file": name.as_posix(),
                    "frame": frame,
                    "structure": structure.name,
                    "area_px": n_pixels,
                    "area_cm2": None if pixel_cm2 is None else round(n_pixels * pixel_cm2, 4),
                    "cone": "none" if found is None else found.method,
                }
            )
    return rows
