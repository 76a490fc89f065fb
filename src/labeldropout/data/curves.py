"""Convert an annotator's few points to a mask, and a mask back to a few points."""

import itertools

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter1d,
    label,
)
from skimage.measure import find_contours

Points = Float[np.ndarray, "_n 2"]
"""(n, 2) points as (x, y) in pixels, x to the right and y down; (0, 0) is the centre of the first pixel."""


class CurveError(ValueError):
    """A curve bounds no area, or no single curve bounds a mask; the message says why."""


def _without_repeats(points: Points) -> Points:
    moved = np.any(np.diff(points, axis=0) != 0, axis=1)
    return points[np.concatenate([[True], moved])]


def spline(points: Points, per_pixel: float = 1.5, straight: Bool[np.ndarray, " m"] | None = None) -> Points:
    """Points along the natural cubic spline through an annotator's points.

    The parameter is the cumulative chord length, as in the first release of Unity Imaging's tools; where segments are
    marked as straight (second release) it is the index of the point, and straight segments divide the curve into
    separate splines.

    Args:
        points: The drawn points, (n, 2); consecutive duplicates count once.
        per_pixel: Number of points returned per pixel of length.
        straight: Whether the segment after each point is straight; (n,) or (n - 1,).

    Returns:
        (k, 2), from the first to the last point.

    Raises:
        CurveError: There are fewer than three different consecutive points, or `straight` has the wrong length.
    """
    points = np.asarray(points, np.float64)
    distinct = _without_repeats(points)
    if len(distinct) < 3:
        raise CurveError(f"{len(distinct)} different points; a curve has 3 or more")
    if straight is None:
        return _one_spline(distinct, per_pixel, by_length=True)
    if len(straight) not in {len(points), len(points) - 1}:
        raise CurveError(f"{len(straight)} straight-segment marks for {len(points)} points")
    last = len(points) - 1
    joints = {0, last}
    for index in np.flatnonzero(straight[:last]):
        joints |= {int(index), int(index) + 1}
    knots = sorted(joints)
    pieces = [
        _one_spline(_without_repeats(points[start : stop + 1]), per_pixel, by_length=False)
        for start, stop in itertools.pairwise(knots)
    ]
    return _without_repeats(np.concatenate(pieces))


def _one_spline(points: Points, per_pixel: float, by_length: bool) -> Points:
    steps = np.hypot(*np.diff(points, axis=0).T)
    n_points = max(2, int(np.ceil(per_pixel * steps.sum())) + 1)
    if len(points) == 1:
        return points
    parameter = np.concatenate([[0.0], np.cumsum(steps)]) if by_length else np.arange(len(points), dtype=np.float64)
    at = np.linspace(0.0, parameter[-1], n_points)
    if len(points) == 2:
        share = (at / parameter[-1])[:, None]
        return (1 - share) * points[0] + share * points[1]
    return CubicSpline(parameter / parameter[-1], points, axis=0, bc_type="natural")(at / parameter[-1])


def fill(outline: Points, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Whether the centre of each pixel lies within the closed outline (even-odd rule).

    Each row is one scan line; the last point is joined to the first by a straight line. Parts outside the grid are cut
    off after filling. The pixels are those of `skimage.draw.polygon`, except for centres exactly on the outline, and
    the time is linear in the outline's length.

    Args:
        outline: (n, 2) points.
        shape: (rows, columns) of the grid.
    """
    x, y = np.asarray(outline, np.float64).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    height, width = shape
    # An edge crosses the scan lines r with min(y) <= r < max(y): each vertex belongs to one of its two edges.
    first = np.clip(np.ceil(np.minimum(y, next_y)), 0, height).astype(np.intp)
    stop = np.clip(np.ceil(np.maximum(y, next_y)), 0, height).astype(np.intp)
    count = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(x)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row = first[edge] + within
    at_x = x[edge] + (row - y[edge]) * (next_x[edge] - x[edge]) / (next_y[edge] - y[edge])
    column = np.clip(np.ceil(at_x), 0, width).astype(np.intp)
    # Between two crossings the parity is odd: toggle at the first pixel at or right of each crossing.
    toggles = np.zeros((height, width + 1), np.int64)
    np.add.at(toggles, (row, column), 1)
    return (np.cumsum(toggles, axis=1)[:, :width] % 2).astype(bool)


def crosses_itself(outline: Points) -> bool:
    """Whether two sides of the closed outline cross properly; touching does not count.

    Args:
        outline: (n, 2) points; time grows with n squared, so pass at most a few hundred.
    """
    start = _without_repeats(np.asarray(outline, np.float64))
    if len(start) > 1 and np.array_equal(start[0], start[-1]):
        start = start[:-1]
    stop = np.roll(start, -1, axis=0)

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.sign(
            (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
        )

    first, second = np.triu_indices(len(start), k=2)
    a, b, c, d = start[first], stop[first], start[second], stop[second]
    return bool(np.any((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)))


def apex(curve: Points) -> Points:
    """The point of an open curve that lies farthest from the straight line between its ends; (1, 2)."""
    chord = curve[-1] - curve[0]
    offset = curve - curve[0]
    distance = np.abs(chord[0] * offset[:, 1] - chord[1] * offset[:, 0])
    return curve[[int(np.argmax(distance))]]


def open_outline(mask: Bool[np.ndarray, "h w"], base: Bool[np.ndarray, "h w"], tolerance_px: float = 0.5) -> Points:
    """Dense open curve around a mask, whose straight closing line runs along the mask's base.

    The gap grows from the middle of the base to both sides for as long as the outline there stays straight, so the
    ends lie at the hinges of a valve plane, and closing the curve restores the mask whatever its shape.

    Args:
        mask: One connected area without holes.
        base: Pixels on the other side of the base, such as the atrium for a ventricle; if none touches the mask, the
            base is taken to be the lowest part of the mask.
        tolerance_px: How far the outline may leave the closing line.

    Returns:
        (n, 2), at most half a pixel apart, on the sub-pixel outline, clockwise on the screen.

    Raises:
        CurveError: The mask is empty, or more than 1 % of it is separate from its largest area.
    """
    if not mask.any():
        raise CurveError("an empty mask has no outline")
    areas, n_areas = label(mask, np.ones((3, 3)))
    sizes = np.bincount(areas.ravel(), minlength=n_areas + 1)[1:]
    if sizes.max() < 0.99 * sizes.sum():
        raise CurveError(f"{n_areas} areas of {sizes.tolist()} pixels; one curve bounds one area")
    whole = binary_fill_holes(areas == 1 + int(np.argmax(sizes)))
    contours = find_contours(np.pad(whole, 1).astype(np.float64), 0.5, fully_connected="high")
    longest = max(contours, key=len)[:, ::-1] - 1.0
    steps = np.hypot(*np.diff(longest, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    n_points = max(12, int(2 * at[-1]))
    where = np.linspace(0.0, at[-1], n_points, endpoint=False)
    ring = np.stack([np.interp(where, at, longest[:, axis]) for axis in (0, 1)], axis=1)
    if np.sum(ring[:, 0] * np.roll(ring[:, 1], -1) - np.roll(ring[:, 0], -1) * ring[:, 1]) < 0:
        ring = ring[::-1]

    middle = ring[int(np.argmax(ring[:, 1]))]
    if base.any():
        rows, columns = (np.clip(np.rint(ring[:, axis]).astype(int), 0, mask.shape[1 - axis] - 1) for axis in (1, 0))
        touching = distance_transform_edt(~base)[rows, columns] <= 1.5
        if touching.any():
            middle = ring[touching].mean(axis=0)
    ring = np.roll(ring, -int(np.argmin(np.hypot(*(ring - middle).T))), axis=0)
    # Steps of the pixel grid are not bends, so straightness is judged on a smoothed ring (samples are half a pixel).
    smooth = gaussian_filter1d(ring, 3.0, axis=0, mode="wrap")
    # Indices below grow from the middle of the base: `left` backwards, `right` forwards.
    left, right, go_left, go_right = 0, 0, True, True
    while (go_left or go_right) and left + right < n_points // 2:
        if go_left:
            go_left = _is_straight(smooth, left + 1, right, tolerance_px)
            left += go_left
        if go_right:
            go_right = _is_straight(smooth, left, right + 1, tolerance_px)
            right += go_right
    return ring[right : n_points - left + (left == 0)]


def _is_straight(ring: Points, left: int, right: int, tolerance_px: float) -> bool:
    gap = np.concatenate([ring[len(ring) - left :], ring[: right + 1]]) if left else ring[: right + 1]
    chord = gap[-1] - gap[0]
    length = np.hypot(*chord)
    if length == 0:
        return False
    offset = gap - gap[0]
    return bool(np.abs(chord[0] * offset[:, 1] - chord[1] * offset[:, 0]).max() <= tolerance_px * length)


def resample(curve: Points, n_points: int, smoothing_px: float = 2.0) -> Points:
    """A curve like an annotator's: few points, equally spaced, without the steps of the pixel grid.

    Args:
        curve: Dense open curve.
        n_points: Number of points to return.
        smoothing_px: Standard deviation of the Gaussian smoothing along the curve; the ends are kept.
    """
    steps = np.hypot(*np.diff(curve, axis=0).T)
    sigma = smoothing_px / max(float(steps.mean()), 1e-9)
    # Mirroring through the end points keeps the ends in place.
    smooth = gaussian_filter1d(_mirrored(curve, n_extra := min(len(curve) - 1, int(4 * sigma) + 1)), sigma, axis=0)
    smooth = smooth[n_extra : n_extra + len(curve)]
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(smooth, axis=0).T))])
    where = np.linspace(0.0, at[-1], n_points)
    return np.stack([np.interp(where, at, smooth[:, axis]) for axis in (0, 1)], axis=1)


def _mirrored(curve: Points, n_extra: int) -> Points:
    before = 2 * curve[0] - curve[n_extra:0:-1]
    after = 2 * curve[-1] - curve[-2 : -2 - n_extra : -1]
    return np.concatenate([before, curve, after])


def traced(
    mask: Bool[np.ndarray, "h w"],
    base: Bool[np.ndarray, "h w"],
    n_points: tuple[int, ...] = (24, 36, 54, 80, 120, 180),
    decimals: int = 1,
) -> Points:
    """Few points of an open curve that, splined and filled, restores the mask to within one boundary pixel.

    Args:
        mask: As in `open_outline`.
        base: As in `open_outline`.
        n_points: Numbers of points to try, in this order.
        decimals: Decimals of the coordinates.

    Returns:
        (n, 2), n the first number that suffices; the whole outline if none does.

    Raises:
        CurveError: As for `open_outline`, or even the whole outline does not restore the mask.
    """
    dense = open_outline(mask, base)
    eight = np.ones((3, 3), bool)
    inner, outer = binary_erosion(mask, eight), binary_dilation(mask, eight)
    candidates = [resample(dense, n) for n in n_points if n < len(dense)] + [dense[::2], dense]
    for candidate in candidates:
        points = np.round(candidate, decimals)
        back = fill(spline(points), mask.shape)
        if not (inner & ~back).any() and not (back & ~outer).any():
            return points
    raise CurveError("the outline does not give the mask back within one pixel")
