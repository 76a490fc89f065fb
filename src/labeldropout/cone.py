"""The insonified cone: five numbers, and the mask that they describe."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


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

    def scaled(self, factor: float) -> "Cone":
        """The same sector on an image that is `factor` times as large."""
        return Cone(
            apex_row=(self.apex_row + 0.5) * factor - 0.5,
            apex_column=(self.apex_column + 0.5) * factor - 0.5,
            half_angle_rad=self.half_angle_rad,
            near_px=self.near_px * factor,
            far_px=self.far_px * factor,
        )

    def rounded(self) -> "Cone":
        """The sector rounded to half pixels and hundredths of a radian, so that the last bits do not matter."""
        return Cone(
            apex_row=round(2 * self.apex_row) / 2,
            apex_column=round(2 * self.apex_column) / 2,
            half_angle_rad=round(self.half_angle_rad, 2),
            near_px=round(2 * self.near_px) / 2,
            far_px=round(2 * self.far_px) / 2,
        )


def is_within(cone: Cone, row: Float[np.ndarray, "h 1"], column: Float[np.ndarray, "1 w"]) -> Bool[np.ndarray, "h w"]:
    """Whether the points of a grid lie in the cone, whose half angle is below 90 degrees.

    Args:
        cone: The sector.
        row: Rows of the grid.
        column: Columns of the grid.
    """
    depth, lateral = row - cone.apex_row, column - cone.apex_column
    squared = depth**2 + lateral**2
    inside = (squared >= cone.near_px**2) & (squared <= cone.far_px**2)
    return inside & (np.abs(lateral) <= depth * np.tan(cone.half_angle_rad))


def cone_mask(cone: Cone, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Whether the centre of each pixel lies in the cone.

    Args:
        cone: The sector.
        shape: (rows, columns) of an image with square pixels.
    """
    return is_within(cone, *np.ogrid[: float(shape[0]), : float(shape[1])])


def intersection_over_union(first: Bool[np.ndarray, "h w"], second: Bool[np.ndarray, "h w"]) -> float:
    """Intersection over union of two masks; 0 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def bounding_box(mask: Bool[np.ndarray, "h w"]) -> tuple[int, int, int, int]:
    """Smallest box around a mask that is not empty: (row, column, height, width)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        int(rows[0]),
        int(columns[0]),
        int(rows[-1] - rows[0] + 1),
        int(columns[-1] - columns[0] + 1),
    )


def aspect_of(spacing_mm: tuple[float, float] | None) -> float:
    """Row spacing over column spacing; 1 where the spacing is unknown."""
    return 1.0 if spacing_mm is None else spacing_mm[0] / spacing_mm[1]
