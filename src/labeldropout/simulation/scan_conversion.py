"""Convert beams and depths to pixels, and back.

A polar image has shape (R, A): R ranges from `cone.near_px` to `cone.far_px`, A beams from `-cone.half_angle_rad` to
`+cone.half_angle_rad`, both ends included and evenly spaced.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

from labeldropout.cone import Cone, is_within


def polar_axes(cone: Cone, n_ranges: int, n_beams: int) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " a"]]:
    """Distances from the apex in pixels, and angles in rad (positive to the right), of the samples of a polar image.

    Args:
        cone: The sector.
        n_ranges: Samples along a beam, at least 2.
        n_beams: Beams, at least 2.
    """
    if n_ranges < 2 or n_beams < 2:
        raise ValueError(f"Polar image of {n_ranges} ranges and {n_beams} beams (expected at least 2 and 2).")
    return (
        np.linspace(cone.near_px, cone.far_px, n_ranges),
        np.linspace(-cone.half_angle_rad, cone.half_angle_rad, n_beams),
    )


def pixel_positions(
    shape: tuple[int, int], pixel_aspect: float = 1.0
) -> tuple[Float[np.ndarray, "h 1"], Float[np.ndarray, "1 w"]]:
    """Rows and columns of the pixel centres, in square pixels of the image's own width.

    Args:
        shape: (rows, columns) of the image.
        pixel_aspect: Height of a pixel over its width; 1 for square pixels.
    """
    row = np.arange(shape[0], dtype=np.float64)[:, None]
    # The first sample of a finer grid covers the upper part of the square pixel in row 0.
    return (row + 0.5) * pixel_aspect - 0.5, np.arange(shape[1], dtype=np.float64)[None, :]


def to_image(
    polar: Float[np.ndarray, "r a"], cone: Cone, shape: tuple[int, int], pixel_aspect: float = 1.0
) -> Float[np.ndarray, "h w"]:
    """Scan-convert: bilinear interpolation at every pixel in the cone, 0 outside.

    Args:
        polar: Ranges by beams.
        cone: The sector, in square pixels of the image's width.
        shape: (rows, columns) of the image.
        pixel_aspect: Height of a pixel over its width; 1 for square pixels.
    """
    row, column = pixel_positions(shape, pixel_aspect)
    inside = is_within(cone, row, column)
    rows, columns = np.nonzero(inside)
    depth, lateral = row[rows, 0] - cone.apex_row, column[0, columns] - cone.apex_column
    radius, angle = np.hypot(depth, lateral), np.arctan2(lateral, depth)
    n_ranges, n_beams = polar.shape
    range_index = (radius - cone.near_px) * ((n_ranges - 1) / (cone.far_px - cone.near_px))
    beam_index = (angle + cone.half_angle_rad) * ((n_beams - 1) / (2 * cone.half_angle_rad))
    image = np.zeros(shape, polar.dtype)
    image[inside] = map_coordinates(polar, [range_index, beam_index], order=1, mode="nearest")
    return image


def to_polar(
    image: Float[np.ndarray, "h w"], cone: Cone, n_ranges: int, n_beams: int, pixel_aspect: float = 1.0
) -> Float[np.ndarray, "r a"]:
    """Resample the cone of an image along beams: bilinear, and 0 outside the image.

    Args:
        image: Rows by columns.
        cone: The sector, in square pixels of the image's width.
        n_ranges: Samples along a beam, at least 2.
        n_beams: Beams, at least 2.
        pixel_aspect: Height of a pixel over its width; 1 for square pixels.
    """
    radius, angle = polar_axes(cone, n_ranges, n_beams)
    row = cone.apex_row + radius[:, None] * np.cos(angle)
    column = cone.apex_column + radius[:, None] * np.sin(angle)
    return map_coordinates(
        image, [(row + 0.5) / pixel_aspect - 0.5, column], order=1, mode="constant", cval=0.0, output=image.dtype
    )
