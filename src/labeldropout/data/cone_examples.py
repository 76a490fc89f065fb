"""Simulated acquisitions of all kinds, for the network that finds the cone."""

from collections.abc import Iterator

import numpy as np

from labeldropout.cone import Cone, cone_mask
from labeldropout.data.cohort import take_still
from labeldropout.labels import View
from labeldropout.simulation.anatomy import draw_heart
from labeldropout.simulation.picture import draw_examination
from labeldropout.simulation.scanner import Acquisition, Frame

RANGES = {
    "half_angle_deg": (32.0, 45.0),
    "depth_per_lv_length": (1.6, 1.8),
    "near_mm": (1.0, 4.0),
    "axial_sigma_mm": (0.4, 0.65),
    "lateral_sigma_deg": (0.6, 0.8),
    "defocus": (0.4, 0.7),
    "dynamic_range_db": (48.0, 66.0),
    "gain_db": (1.0, 11.0),
    "gamma": (1.0, 1.35),
    "black_level": (0.0, 0.12),
    "attenuation_db_per_cm": (0.0, 0.6),
    "edge_drop_db": (8.0, 15.0),
    "drop_out_db": (2.5, 4.0),
    "shadows": (0.8, 1.5),
    "blood_db": (-49.0, -40.0),
    "septal_wall_db": (-34.0, -20.0),
    "lateral_wall_db": (-38.0, -26.0),
    "surroundings_db": (-38.0, -27.0),
    "texture_db": (4.5, 5.7),
    "specular_db": (9.0, 12.0),
    "haze_db": (-45.0, -36.0),
    "noise_db": (-67.0, -52.0),
    "smoothing_mm": (0.25, 0.5),
    "spacing_mm": (0.0, 0.625),
}
"""Lowest and highest mean of each setting among the expected scanners, in the order of the draws.

Levels of `AFTER_GAIN` are those after the gain, since a scanner with low levels has a high gain.

The values are written out so that a new data set does not retrain the cone network; a test fails when one lies outside.
"""

AFTER_GAIN = ("blood_db", "septal_wall_db", "lateral_wall_db", "surroundings_db", "haze_db", "noise_db")

BEYOND = 0.15
"""How far the examples extend beyond each end, as a share of the range."""


def _any_acquisition(rng: np.random.Generator) -> Acquisition:
    """Draw settings anywhere in the ranges and a little beyond, each number independently."""
    values = {}
    for name, (low, high) in RANGES.items():
        spread = high - low
        values[name] = float(rng.uniform(low - BEYOND * spread, high + BEYOND * spread))
    for name in AFTER_GAIN:
        values[name] -= values["gain_db"]
    kind = str(rng.choice(("screen", "noise", "none"), p=(0.6, 0.2, 0.2)))
    # Rows and columns are those of the frame, which is drawn separately.
    return Acquisition(**values, rows=300, columns=400, layout="screen", overlays=kind)


def _any_cone(shape: tuple[int, int], rng: np.random.Generator) -> Cone:
    """A cone of any opening and position that covers at least a seventh of the picture; its borders may cut it off."""
    height, width = shape
    for _ in range(100):
        half_angle = float(np.deg2rad(rng.uniform(24, 52)))
        far = float(min(height * rng.uniform(0.7, 1.12), width * rng.uniform(0.45, 1.15) / (2 * np.sin(half_angle))))
        near = far * float(rng.choice((rng.uniform(0, 0.04), rng.uniform(0.02, 0.22)), p=(0.75, 0.25)))
        top = near * np.cos(half_angle)
        apex_row = height * rng.uniform(-0.04, 0.16) - top
        apex_column = width * (0.5 + rng.normal(0, 0.06)) - 0.5
        cone = Cone(float(apex_row), float(apex_column), half_angle, near, far)
        if cone_mask(cone, shape).mean() > 1 / 7:
            return cone
    raise ValueError(f"No cone fits a picture of shape {shape}.")


def cone_examples(n: int, shape: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield simulated pictures with the exact mask of their cone, for a network that finds cones.

    Openings, depths, positions, appearances and overlays vary far more than in any one data set.

    Args:
        n: How many.
        shape: (rows, columns) of the pictures.
        rng: Source of randomness.

    Yields:
        uint8 (H, W) and bool (H, W).
    """
    # Small pictures are drawn larger and shrunk, as for a network's grid, so that letters and lines become faint.
    factor = max(1, round(300 / max(shape)))
    large = (shape[0] * factor, shape[1] * factor)
    for _ in range(n):
        heart, acquisition = draw_heart(rng), _any_acquisition(rng)
        cone = _any_cone(large, rng)
        depth_mm = acquisition.depth_per_lv_length * heart.ed.lv_length
        frame = Frame(cone, large, depth_mm / (cone.far_px - cone.near_px))
        view = View.A4C if rng.random() < 0.5 else View.A2C
        examination = draw_examination(heart, view, acquisition, rng, frame=frame)
        image = take_still(examination, float(rng.uniform()), float(rng.uniform()), rng)
        if factor > 1:
            image = np.rint(image.reshape(shape[0], factor, shape[1], factor).mean(axis=(1, 3))).astype(np.uint8)
        shift = (factor - 1) / 2
        small = Cone(
            (cone.apex_row - shift) / factor,
            (cone.apex_column - shift) / factor,
            cone.half_angle_rad,
            cone.near_px / factor,
            cone.far_px / factor,
        )
        yield image, cone_mask(small, shape)
