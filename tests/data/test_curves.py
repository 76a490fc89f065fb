"""Outlines from points and back."""

import numpy as np
import pytest
from skimage.draw import polygon

from labeldropout.data.curves import CurveError, apex, crosses_itself, fill, open_outline, resample, spline, traced

ARCH = np.array([[10.0, 40.0], [14.0, 20.0], [30.0, 8.0], [46.0, 20.0], [50.0, 40.0]])


def test_a_spline_passes_through_the_points_and_is_dense():
    """The annotator's points stay where they are; neighbours are at most a pixel apart."""
    curve = spline(ARCH)
    for point in ARCH:
        assert np.hypot(*(curve - point).T).min() < 0.4
    np.testing.assert_allclose(curve[[0, -1]], ARCH[[0, -1]])
    assert np.hypot(*np.diff(curve, axis=0).T).max() < 1.0


def test_the_parameter_is_the_chord_length_and_the_ends_are_natural():
    """Checked against the solution of the natural spline through three points, by hand."""
    points = np.array([[0.0, 0.0], [1.0, 2.0], [4.0, -2.0]])
    lengths = np.hypot(*np.diff(points, axis=0).T)
    share = lengths[0] / lengths.sum()
    # One unknown second derivative m at the middle knot: (h0 + h1) m / 3 = difference of the slopes.
    slopes = np.diff(points, axis=0) / np.array([[share], [1 - share]])
    second = 3 * (slopes[1] - slopes[0])
    at = share / 2
    first_half = points[0] + at * (slopes[0] - share * second / 6) + second * at**3 / (6 * share)
    curve = spline(points, per_pixel=4000 / lengths.sum())
    assert np.hypot(*(curve - first_half).T).min() < 2e-3


def test_repeated_points_count_once():
    """A double click changes nothing."""
    np.testing.assert_array_equal(spline(np.repeat(ARCH, 2, axis=0)), spline(ARCH))


def test_straight_segments_are_straight_and_the_others_are_not():
    """A mark belongs to the segment after its point."""
    marks = np.array([True, False, False, False, False])
    curve = spline(ARCH, straight=marks)
    first = curve[curve[:, 1] >= 20][:20]
    expected = 10 + 4 * (40 - first[:, 1]) / 20
    np.testing.assert_allclose(first[:, 0], expected)
    assert not np.allclose(spline(ARCH, straight=~marks)[:20, 0], spline(ARCH)[:20, 0])


@pytest.mark.parametrize("points", [ARCH[:2], ARCH[[0, 0, 1, 1]], ARCH[:1]])
def test_fewer_than_three_points_are_no_curve(points: np.ndarray):
    """Two clicks bound nothing."""
    with pytest.raises(CurveError, match="different points"):
        spline(points)


def test_straight_marks_must_fit_the_points():
    """Neither fewer nor more than points or segments."""
    with pytest.raises(CurveError, match="2 straight-segment marks for 5 points"):
        spline(ARCH, straight=np.array([True, False]))


@pytest.mark.parametrize("seed", range(5))
def test_filling_agrees_with_scikit_image(seed: int):
    """Even for wild outlines that cross themselves and leave the grid."""
    rng = np.random.default_rng(seed)
    outline = np.cumsum(rng.normal(size=(30, 2)), axis=0) * 8 + [30, 20]
    reference = np.zeros((50, 70), bool)
    reference[polygon(outline[:, 1], outline[:, 0], reference.shape)] = True
    np.testing.assert_array_equal(fill(outline, (50, 70)), reference)


def test_filling_cuts_off_the_raster_and_not_the_points():
    """A circle half outside stays a circle."""
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([2 + 10.3 * np.cos(angle), 15 + 10.3 * np.sin(angle)], axis=1)
    row, column = np.indices((30, 20))
    np.testing.assert_array_equal(fill(circle, (30, 20)), np.hypot(row - 15, column - 2) < 10.3)


def test_a_figure_of_eight_crosses_itself_and_an_arch_does_not():
    """Touching ends do not count as a crossing."""
    assert crosses_itself(np.array([[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [0.0, 10.0]]))
    assert not crosses_itself(ARCH)
    assert not crosses_itself(np.concatenate([ARCH, ARCH[:1]]))


def test_the_apex_is_farthest_from_the_closing_line():
    """Of the five points of the arch it is the third."""
    np.testing.assert_array_equal(apex(ARCH), ARCH[[2]])


def _shapes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    row, column = np.indices((120, 160)).astype(np.float64)
    none = np.zeros(row.shape, bool)
    tilted = (row - 60) * 0.96 + (column - 70) * 0.28
    ellipse = ((row - 60) / 45) ** 2 + ((column - 70) / 22) ** 2 < 1
    below = (tilted > 20) & (np.hypot(row - 95, column - 65) < 28)
    disc = np.hypot(row - 40, column - 50) < 24
    border = np.hypot(row - 60, column - 2) < 30
    box = (row > 20) & (row < 70) & (column > 30) & (column < 90)
    horseshoe = (np.hypot(row - 60, column - 80) < 40) & ~((np.hypot(row - 60, column - 80) < 22) | (row > 75))
    return {
        "ventricle": (ellipse & (tilted <= 20), below),
        "no base": (disc, none),
        "at the border": (border, none),
        "corners": (box, none),
        "horseshoe": (horseshoe, none),
    }


@pytest.mark.parametrize("name", _shapes())
def test_a_traced_mask_comes_back_within_one_boundary_pixel(name: str):
    """Whatever its shape; a smooth one needs few points."""
    mask, base = _shapes()[name]
    points = traced(mask, base)
    back = fill(spline(points), mask.shape)
    dice = 2 * (mask & back).sum() / (mask.sum() + back.sum())
    assert dice > 0.98
    assert len(points) <= 54
    assert not crosses_itself(spline(points, 0.4))


def test_the_gap_of_an_outline_lies_on_the_base():
    """Both ends lie on the valve plane, at its two hinges."""
    mask, base = _shapes()["ventricle"]
    curve = open_outline(mask, base)
    plane = (curve[[0, -1], 1] - 60) * 0.96 + (curve[[0, -1], 0] - 70) * 0.28
    np.testing.assert_allclose(plane, 20, atol=2)
    assert np.hypot(*(curve[0] - curve[-1])) > 30
    assert curve[0, 0] < curve[-1, 0]


def test_a_mask_of_several_areas_has_no_single_outline():
    """Nor has an empty one."""
    mask = np.zeros((40, 40), bool)
    with pytest.raises(CurveError, match="empty mask"):
        open_outline(mask, mask)
    mask[5:15, 5:15] = mask[25:35, 25:35] = True
    with pytest.raises(CurveError, match=r"2 areas of \[100, 100\] pixels"):
        open_outline(mask, ~mask)


def test_resampling_keeps_the_ends_and_the_number():
    """An annotator's curve has as many points as asked for, equally far apart."""
    points = resample(spline(ARCH), 12)
    assert points.shape == (12, 2)
    np.testing.assert_allclose(points[[0, -1]], ARCH[[0, -1]], atol=0.05)
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert steps.max() < 1.1 * steps.min()
