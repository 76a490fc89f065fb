"""Beams and depths to pixels, and back."""

import numpy as np
import pytest

from labeldropout.cone import Cone, cone_mask
from labeldropout.simulation.scan_conversion import polar_axes, to_image, to_polar

CONE = Cone(apex_row=-4.0, apex_column=70.5, half_angle_rad=0.6, near_px=10.0, far_px=110.0)
SHAPE = (115, 140)


def smooth_image(shape, aspect=1.0):
    """A picture that changes slowly and differs left to right and top to bottom."""
    row, column = np.indices(shape, dtype=float)
    return np.sin((row + 0.5) * aspect / 17) + 0.7 * np.cos(column / 23) + 0.01 * column


def test_a_smooth_picture_survives_the_way_to_beams_and_back():
    """Inside the cone the round trip changes a slowly varying picture by less than a hundredth of its range."""
    image = smooth_image(SHAPE)
    back = to_image(to_polar(image, CONE, 300, 200), CONE, SHAPE)
    inside = cone_mask(CONE, SHAPE)
    assert inside.mean() > 0.3
    assert np.abs(back - image)[inside].max() < 0.02
    assert not back[~inside].any()


def test_exactly_the_pixels_of_the_cone_are_filled():
    """A polar image of ones becomes the mask of the cone."""
    filled = to_image(np.ones((50, 40)), CONE, SHAPE)
    np.testing.assert_array_equal(filled > 0, cone_mask(CONE, SHAPE))


def test_a_bright_beam_lands_where_its_angle_says():
    """The last beam lies at the right side of the cone, and a range at its distance from the apex."""
    polar = np.zeros((101, 61))
    polar[80, 45] = 1
    radius, angle = polar_axes(CONE, 101, 61)
    row, column = np.unravel_index(np.argmax(to_image(polar, CONE, SHAPE)), SHAPE)
    assert abs(row - (CONE.apex_row + radius[80] * np.cos(angle[45]))) < 1
    assert abs(column - (CONE.apex_column + radius[80] * np.sin(angle[45]))) < 1
    assert column > CONE.apex_column


def test_pixels_that_are_not_square_show_the_same_heart():
    """Halving the height of the pixels doubles the rows and changes nothing else."""
    rng = np.random.default_rng(0)
    polar = np.cumsum(rng.normal(size=(200, 150)), axis=0)
    square = to_image(polar, CONE, SHAPE)
    fine = to_image(polar, CONE, (2 * SHAPE[0], SHAPE[1]), pixel_aspect=0.5)
    coarse = fine.reshape(SHAPE[0], 2, SHAPE[1]).mean(axis=1)
    inner = cone_mask(Cone(2.0, 70.5, 0.55, 15.0, 95.0), SHAPE)
    assert np.abs(coarse - square)[inner].mean() < 0.05 * square[inner].std()


def test_the_way_to_beams_knows_pixels_that_are_not_square():
    """The same scene on finer rows gives the same beams."""
    square = to_polar(smooth_image(SHAPE), CONE, 60, 50)
    fine = to_polar(smooth_image((230, 140), 0.5), CONE, 60, 50, pixel_aspect=0.5)
    inner = (slice(10, 50), slice(5, 45))
    np.testing.assert_allclose(fine[inner], square[inner], atol=0.05)


def test_a_polar_image_of_one_beam_is_refused():
    """Beams that span no angle cannot be interpolated; the message says how many are needed."""
    with pytest.raises(ValueError, match="at least 2"):
        polar_axes(CONE, 10, 1)
