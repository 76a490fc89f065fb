"""Simulated acquisitions of all kinds, for the network that finds the cone."""

from collections.abc import Iterator

import numpy as np

from labeldropout.cone import Cone, cone_mask
from labeldropout.data.any_scanner import draw_settings
from labeldropout.data.cohort import take_still
from labeldropout.labels import View
from labeldropout.simulation.anatomy import draw_heart
from labeldropout.simulation.picture import draw_examination
from labeldropout.simulation.scanner import Acquisition, Frame


def _any_acquisition(rng: np.random.Generator) -> Acquisition:
    """Draw the settings of any scanner."""
    values = draw_settings(rng)
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
