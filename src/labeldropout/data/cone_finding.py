"""Find the cone of an image: fit a sector to what is bright, to what moves or to a network's mask."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy import ndimage
from skimage.morphology import convex_hull_image

from labeldropout.cone import Cone, bounding_box, cone_mask, intersection_over_union
from labeldropout.data.crop import _resized, _resized_mask, square_shape

BRIGHT = 15
"""Intensity (of 255) above which a pixel counts as lit: the threshold of published tools (zea)."""


DARKER = (4, 8)
"""Further thresholds to try, for fans with a dark side."""


WORKING_SIDE = 256
"""Longer side of the grid used to search for cones: accurate to 0.4 % of the frame, and quick."""


LINE_SHARE = 0.012
"""Radius of the opening that removes ECG lines, ticks and text, as a share of the longer side."""


PIECE_SHARE = 0.1
"""Smallest size of a bright region that counts as a piece of the fan, as a share of the largest region."""


NETWORK_IOU = 0.95
"""Lowest intersection over union of network and fit at which the fit is accepted."""


FAN_IOU = 0.9
"""The same for a fan found by threshold, whose far corners are often too dark to see."""


GOOD_FAN_IOU = 0.93
"""The same, at and above which no lower threshold is tried."""


DOUBTFUL_IOU = 0.8
"""The same for network and fit where the fan fails too: the bright region of a dark sector shows less of it."""


AREA_SHARE = (0.15, 0.98)
"""Share of the frame that a cone may cover."""


STILL_SHARE = 0.05
"""Share of the lit pixels that may change in a clip that counts as still; in a beating heart far more do."""


SPECKS = 0.001
"""Share of the bright pixels that may lie outside a clean fan."""


MINIMUM_POINTS = 5
"""An edge with fewer points than this is not fitted."""


def largest_component(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The largest 4-connected component of a mask; an empty mask stays empty."""
    components, n_components = ndimage.label(mask)
    if n_components == 0:
        return mask
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return components == sizes.argmax()


def _hull(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The convex hull of a mask; the mask itself if it has fewer than three pixels or is a line."""
    rows, columns = np.nonzero(mask)
    if len(rows) < 3 or np.ptp(rows) == 0 or np.ptp(columns) == 0:
        return mask
    return convex_hull_image(mask, offset_coordinates=False) | mask


def _dilated(mask: Bool[np.ndarray, "h w"], radius: float) -> Bool[np.ndarray, "h w"]:
    return ndimage.distance_transform_edt(~mask) <= radius if mask.any() else mask


def _eroded(mask: Bool[np.ndarray, "h w"], radius: float) -> Bool[np.ndarray, "h w"]:
    """Erosion that does not start from the border of the frame, where a fan may be cut off."""
    return ndimage.distance_transform_edt(mask) > radius if not mask.all() else mask


def clean_fan(image: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The convex hull of the largest component that is not black: the fan, if there is nothing else on black."""
    return _hull(largest_component(image > 0))


def fan_mask(image: UInt8[np.ndarray, "h w"], threshold: int = BRIGHT) -> Bool[np.ndarray, "h w"]:
    """The convex hull of what is bright and wider than lines and text.

    The steps are a threshold, an opening (which removes ECG lines, ticks and letters), the choice of the largest
    component and others of comparable size (`PIECE_SHARE`: cavities and shadows divide a fan; bars and marks are
    smaller), and the hull. The opening also removes the tip of the fan; `fit_cone` restores it.

    Args:
        image: A still, or `moving_part` of a clip; on square pixels.
        threshold: Intensity above which a pixel counts as lit.
    """
    lit = ndimage.binary_closing(np.pad(image > threshold, 1, mode="edge"))[1:-1, 1:-1]
    line = max(1.0, LINE_SHARE * max(image.shape))
    components, _ = ndimage.label(_dilated(_eroded(lit, line), line))
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return _hull((sizes >= max(1, PIECE_SHARE * sizes.max()))[components])


def moving_part(frames: UInt8[np.ndarray, "t h w"]) -> UInt8[np.ndarray, "h w"]:
    """The brightest value of each pixel over a clip, black where nothing changes.

    A still is returned unchanged, and so is a clip in which no more than `STILL_SHARE` of the lit pixels change: a
    frozen picture, over which an ECG may still run.
    """
    brightest = frames.max(0)
    if len(frames) == 1:
        return brightest
    changes = brightest - frames.min(0) > BRIGHT // 2
    if changes.sum() <= STILL_SHARE * (brightest > BRIGHT).sum():
        return brightest
    return np.where(changes, brightest, 0).astype(np.uint8)


def _side(
    rows: Float[np.ndarray, " n"], columns: Float[np.ndarray, " n"], sign: int, tolerance: float
) -> Bool[np.ndarray, " n"]:
    """Which edge points lie on the straight side: the largest consensus over lines through two of them.

    All pairs of up to 64 points are tried, so nothing is random.

    Args:
        rows: Rows of the outermost pixels.
        columns: Their columns.
        sign: -1 for the left side, 1 for the right: the horizontal direction of the side, going down.
        tolerance: Largest distance in pixels from the line.
    """
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(64, len(rows))).astype(int))
    first, second = np.triu_indices(len(chosen), 1)
    first, second = chosen[first], chosen[second]
    slope = (columns[second] - columns[first]) / (rows[second] - rows[first])
    angle = np.arctan(sign * slope)
    usable = (angle > math.radians(3)) & (angle < math.radians(80))
    if not usable.any():
        return np.zeros(len(rows), bool)
    slope, first = slope[usable], first[usable]
    offset = columns[first] - slope * rows[first]
    distance = np.abs(columns - slope[:, None] * rows - offset[:, None]) / np.hypot(1, slope)[:, None]
    near_line = distance <= tolerance
    return near_line[near_line.sum(1).argmax()]


def _consensus(radii: Float[np.ndarray, " n"], tolerance: float) -> tuple[float, int]:
    """Mean and number of the radii in the fullest window of twice the tolerance; the larger radius wins a tie."""
    ordered = np.sort(radii)
    ends = np.searchsorted(ordered, ordered + 2 * tolerance, side="right")
    counts = ends - np.arange(len(ordered))
    start = len(counts) - 1 - int(counts[::-1].argmax())
    return float(ordered[start : ends[start]].mean()), int(counts[start])


def fit_cone(mask: Bool[np.ndarray, "h w"]) -> Cone | None:
    """The sector whose straight sides and arcs follow the edge of a mask; None if two sides are not visible.

    Two lines are found by consensus and refined together by least squares with one half angle (a sector is symmetric).
    Then the arcs are fitted as circles about their intersection, by consensus of the radii. Edge points on the border
    of the frame are left out: there the picture ends, not the cone. After the sector fit of Echo-Toolkit (Judge et
    al., MICCAI 2024), with an exhaustive search instead of random draws.

    Args:
        mask: On square pixels.
    """
    height, width = mask.shape
    tolerance = max(1.0, 0.006 * max(mask.shape))
    rows = np.flatnonzero(mask.any(1))
    if len(rows) < MINIMUM_POINTS:
        return None
    equations, values = [], []
    for sign in (-1, 1):
        outermost = mask[rows].argmax(1) if sign < 0 else width - 1 - mask[rows, ::-1].argmax(1)
        inside = (outermost > 0) if sign < 0 else (outermost < width - 1)
        # The edge runs between the last pixel inside and the first outside.
        row, column = rows[inside].astype(float), outermost[inside] + 0.5 * sign
        if len(row) < MINIMUM_POINTS:
            return None
        on_line = _side(row, column, sign, tolerance)
        if on_line.sum() < MINIMUM_POINTS:
            return None
        row, column = row[on_line], column[on_line]
        one, zero = np.ones_like(row), np.zeros_like(row)
        equations.append(np.stack([one, zero, -row] if sign < 0 else [zero, one, row], 1))
        values.append(column)
    (left, right, tangent), *_ = np.linalg.lstsq(np.concatenate(equations), np.concatenate(values), rcond=None)
    if tangent <= 0:
        return None
    apex_row = float((left - right) / (2 * tangent))
    apex_column = float(left - tangent * apex_row)
    half_angle = float(np.arctan(tangent))

    columns = np.flatnonzero(mask.any(0))
    lateral = columns - apex_column
    bottom = height - 1 - mask[::-1, columns].argmax(0)
    depth = bottom + 0.5 - apex_row
    on_arc = (bottom < height - 1) & (np.abs(np.arctan2(lateral, depth)) < 0.85 * half_angle)
    far = float(np.hypot(depth, lateral).max())
    if on_arc.sum() >= MINIMUM_POINTS:
        far, _ = _consensus(np.hypot(depth, lateral)[on_arc], tolerance)
    top = mask[:, columns].argmax(0)
    depth = top - 0.5 - apex_row
    on_arc = (top > 0) & (np.abs(np.arctan2(lateral, depth)) < 0.7 * half_angle)
    near = 0.0
    if on_arc.sum() >= MINIMUM_POINTS:
        candidate, n_points = _consensus(np.hypot(depth, lateral)[on_arc], tolerance)
        near = candidate if n_points >= MINIMUM_POINTS and 0.02 * far < candidate < 0.5 * far else 0.0
    if far <= near or not cone_mask(cone := Cone(apex_row, apex_column, half_angle, near, far), mask.shape).any():
        return None
    return cone


@dataclass(frozen=True)
class FoundCone:
    """The cone of one clip or still, on the stored grid."""

    mask: Bool[np.ndarray, "h w"]
    """The part of the image that is kept; all of it for a clean fan, which has nothing to blank."""
    fan: Bool[np.ndarray, "h w"]
    """The cone itself; differs from `mask` only for a clean fan."""
    box: tuple[int, int, int, int]
    """Box of `fan`: row, column, height, width."""
    cone: Cone | None
    """The sector on square pixels (`square_shape`); None without a fit."""
    method: str
    """network+fit, fit, hull, whole-frame; geometry for a clean fan; none where no cone was sought."""
    area_share: float
    """Share of the frame that `fan` covers."""
    area_ratio: float | None
    """Area of the fitted cone over that of the network's mask; None if either is missing."""
    iou: float | None
    """Intersection over union of the fitted cone and the region it was fitted to; None without a fit."""
    verdict: str
    """accepted, or replaced, and why."""


def whole_frame(shape: tuple[int, int]) -> FoundCone:
    """The whole of a picture that has no cone.

    Args:
        shape: (rows, columns) of the stored image.
    """
    frame = np.ones(shape, bool)
    return FoundCone(frame, frame, (0, 0, *shape), None, "none", 1.0, None, None, "accepted")


def _acceptable_area(mask: Bool[np.ndarray, "h w"]) -> bool:
    return AREA_SHARE[0] <= float(mask.mean()) <= AREA_SHARE[1]


def _checked_fit(region: Bool[np.ndarray, "h w"], least_iou: float) -> tuple[Cone | None, float | None, str]:
    """Fit a sector to a region: the sector, its intersection over union with the region, and what is wrong with it."""
    cone = fit_cone(region)
    if cone is None:
        return None, None, "no two sides"
    drawn = cone_mask(cone, region.shape)
    iou = intersection_over_union(drawn, region)
    if iou < least_iou:
        return cone, iou, f"IoU {iou:.3f} below {least_iou}"
    return cone, iou, "" if _acceptable_area(drawn) else f"covers {drawn.mean():.3f} of the frame"


def _fan_fit(regions: list[Bool[np.ndarray, "h w"]]) -> tuple[tuple[Cone | None, float | None] | None, str]:
    """The sector fitted to one of the bright regions, from high to low thresholds, or what is wrong with the first."""
    fits = [_checked_fit(region, FAN_IOU) for region in regions]
    accepted = [(cone, iou) for cone, iou, wrong in fits if not wrong]
    # A higher threshold picks up less compression noise around the fan; a lower one must give a better fit.
    accepted.sort(key=lambda fit: (fit[1] or 0.0) < GOOD_FAN_IOU)
    return (accepted[0] if accepted else None), fits[0][2]


def _is_clean(brightest: UInt8[np.ndarray, "h w"], fan: Bool[np.ndarray, "h w"]) -> bool:
    """Whether nothing bright lies beyond the fan."""
    bright = brightest > BRIGHT
    return _acceptable_area(fan) and int((bright & ~_dilated(fan, 1.0)).sum()) <= SPECKS * int(bright.sum())


def find_cone(
    frames: UInt8[np.ndarray, "t h w"],
    pixel_aspect: float,
    network_mask: Bool[np.ndarray, "h w"] | None = None,
) -> FoundCone:
    """Find the cone of a clip, one for all frames, without using labels.

    With a network's mask, this is the sector fitted to the mask, if the two agree (`NETWORK_IOU`). Without a network, a
    fan alone on black is taken as it is, and nothing is blanked. Otherwise it is the first of these that covers a
    plausible share of the frame: the sector fitted to the bright region (`FAN_IOU`; at the first of several thresholds
    where the two agree well), the sector fitted to a network's mask that agrees less well (`DOUBTFUL_IOU`), the hull of
    the bright region, or the whole frame.

    Args:
        frames: All frames of one clip, or one still.
        pixel_aspect: Row spacing over column spacing; 1 where spacing is unknown.
        network_mask: What the network takes for the cone, on the stored grid.

    Raises:
        ValueError: Every pixel of every frame is black.
    """
    if not frames.any():
        raise ValueError("no pixel differs from 0 (expected an ultrasound image).")
    shape = frames.shape[1:]
    square = square_shape(shape, pixel_aspect)
    shrink = max(1.0, max(square) / WORKING_SIDE)
    working = tuple(max(1, round(length / shrink)) for length in square)
    enlarge = max(square) / max(working)

    def found(fan: Bool[np.ndarray, "h w"], method: str, cone: Cone | None, iou: float | None, why: str) -> FoundCone:
        """Carry a region or, if there is one, its sector from the working grid to the stored one."""
        sector = None if cone is None else cone.scaled(enlarge).rounded()
        drawn = cone_mask(sector, square) if sector is not None and method != "geometry" else fan
        stored = _resized_mask(drawn, shape)
        return FoundCone(
            mask=np.ones(shape, bool) if method == "geometry" else stored,
            fan=stored,
            box=bounding_box(stored),
            cone=sector,
            method=method,
            area_share=float(stored.mean()),
            area_ratio=float(stored.sum() / network_mask.sum())
            if sector is not None and network_mask is not None and network_mask.any()
            else None,
            iou=iou,
            verdict=f"replaced ({why})" if why else "accepted",
        )

    brightest = _resized(frames.max(0), working, Image.Resampling.BOX)
    alone = clean_fan(brightest)
    is_clean = _is_clean(brightest, alone)
    reasons = []
    doubtful = None
    if network_mask is not None:
        region = ndimage.binary_fill_holes(largest_component(_resized_mask(network_mask, working)))
        cone, iou, wrong = _checked_fit(region, NETWORK_IOU)
        if not wrong:
            return found(region, "network+fit", cone, iou, "")
        reasons.append(f"network: {wrong}")
        if not _checked_fit(region, DOUBTFUL_IOU)[2]:
            doubtful = cone, iou
    elif is_clean:
        cone, iou, wrong = _checked_fit(alone, FAN_IOU)
        if not wrong:
            return found(alone, "geometry", cone, iou, "")
    moving = _resized(moving_part(frames), working, Image.Resampling.BOX)
    regions = [fan_mask(moving, threshold) for threshold in (BRIGHT, *DARKER)] + [alone] * is_clean
    fan, wrong = _fan_fit(regions)
    if fan:
        return found(regions[0], "fit", *fan, "; ".join(reasons))
    reasons.append(f"fan: {wrong}")
    if doubtful:
        return found(regions[0], "network+fit", *doubtful, "; ".join(reasons))
    hull = next(filter(_acceptable_area, regions), None)
    region, method = (np.ones(working, bool), "whole-frame") if hull is None else (hull, "hull")
    return found(region, method, None, None, "; ".join(reasons))
