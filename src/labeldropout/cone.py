"""The insonified cone: five numbers from a mask, a mask from five numbers, the crop."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class Cone:
    """A symmetric ultrasound sector on an image with square pixels; unit: pixels of that image."""

    apex_row: float
    """Row of the virtual apex, where the two straight sides meet; may be negative."""
    apex_column: float
    half_angle_rad: float
    """Angle between the vertical axis and a side."""
    near_px: float
    """Distance from the apex to the first sample."""
    far_px: float
    """Distance from the apex to the last sample."""


def cone_mask(cone: Cone, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Whether the centre of each pixel lies in the cone.

    Args:
        cone: The sector.
        shape: (rows, columns) of an image with square pixels.
    """
    row, column = np.indices(shape, dtype=np.float64)
    depth, lateral = row - cone.apex_row, column - cone.apex_column
    radius = np.hypot(depth, lateral)
    angle = np.abs(np.arctan2(lateral, depth))
    return (radius >= cone.near_px) & (radius <= cone.far_px) & (angle <= cone.half_angle_rad)
