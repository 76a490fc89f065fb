"""From the outline of a chamber to what clinicians read: areas, lengths, volumes and the ejection fraction.

Lang et al., "Recommendations for Cardiac Chamber Quantification", J Am Soc Echocardiogr 28 (2015) 1-39: volumes by the
method of discs (modified Simpson's rule) in one plane or in two, and by the area-length formula. The long axis of the
ventricle is here the principal axis of its mask, as close as a mask comes to the guideline's line from the apex to the
middle of the valve. An atrium may be wider than it is long, so that its principal axis lies across it; its long axis is
therefore the line from the middle of the ventricle to its own.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float

Mask = Bool[np.ndarray, "h w"]


Direction = Float[np.ndarray, "2"]

N_DISCS = 20
"""Discs that a chamber is cut into, as in the guideline."""


SUBPIXELS = 4
"""A pixel counts as this many points along each side, so that a disc's border may cut it."""


APEX_WIDTH = 0.6
"""No apex is seen if the disc at the end nearer the probe is wider than this share of the widest one; an ellipse's
first disc of twenty has 0.3."""


SMALL_COMPONENT = 0.01
"""Further components below this share of the largest one are specks that do not matter for a volume; they are not
counted."""


SMALLEST_SHARE = 0.004
"""Less than this share of an image is too small for a chamber: about 1 cm2 of a picture 16 cm deep and wide. It is more
than the share from which the probe counts a structure as drawn, because here a volume has to be read."""

EMPTY, TOO_SMALL = "empty", "too small"


REASONS = (EMPTY, TOO_SMALL, "several components", "cut by the border", "no apex")
"""What `implausibilities` can say."""


@dataclass(frozen=True)
class Discs:
    """A chamber cut across its long axis; lengths in the unit of the pixel spacing."""

    length: float
    """Extent of the mask along its long axis."""
    diameters: Float[np.ndarray, " n"]
    """Width of every disc: its area over its height; from the end nearer the probe (smaller rows)."""

    @property
    def area(self) -> float:
        """Area of the mask."""
        return float(self.diameters.sum() * self.length / self.diameters.size)


_STEPS = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5


def _centred(mask: Mask, spacing: tuple[float, float]) -> tuple[Float[np.ndarray, "n 2"], Direction]:
    """Centres of the pixels of a mask relative to their middle, and that middle, in the unit of the spacing."""
    if mask.dtype != np.bool_:
        raise ValueError(f"mask: expected bool, a single structure, found {mask.dtype} (label_map == 1).")
    if not all(0 < size < math.inf for size in spacing):
        raise ValueError(f"pixel spacing {spacing} (expected two positive numbers).")
    pixels = np.argwhere(mask)
    if not pixels.size:
        raise ValueError("an empty mask has no discs.")
    middle = pixels.mean(0)
    return (pixels - middle) * spacing, middle * spacing


def _principal_axes(centres: Float[np.ndarray, "n 2"], spacing: tuple[float, float]) -> Float[np.ndarray, "2 2"]:
    """Both principal axes as columns, the shorter one first."""
    # Covariance of all points: of the pixels' centres, and of the points around each.
    covariance = centres.T @ centres / len(centres) + np.diag(np.square(spacing) * _STEPS.var())
    return np.linalg.eigh(covariance)[1]


def axis_of_atrium(atrium: Mask, ventricle: Mask | None, spacing: tuple[float, float]) -> Direction:
    """Return the direction of an atrium's long axis, which need not be its longer one.

    The line from the middle of the ventricle to the middle of the atrium; without a ventricle, the principal axis
    closer to the vertical of the image, along which an apical view shows both.

    Args:
        atrium: bool (H, W), not empty.
        ventricle: The left ventricle of the same image; None if it is unknown or unreliable.
        spacing: (rows, columns): height and width of a pixel.

    Raises:
        ValueError: A mask is empty, or a spacing is not positive.
    """
    centres, middle = _centred(atrium, spacing)
    if ventricle is not None:
        line = middle - _centred(ventricle, spacing)[1]
        if line.any():
            return line
    axes = _principal_axes(centres, spacing)
    return axes[:, np.abs(axes[0]).argmax()]


def cut_into_discs(
    mask: Mask, spacing: tuple[float, float], n: int = N_DISCS, *, axis: Direction | None = None
) -> Discs:
    """Return the discs of a mask across its long axis.

    Args:
        mask: bool (H, W), not empty.
        spacing: (rows, columns): height and width of a pixel, in mm or in any other unit.
        n: Number of discs.
        axis: Direction (rows, columns) of the long axis in the unit of the spacing, of any length but 0; by default the
            principal axis, which is the long axis only of an elongated chamber.

    Raises:
        ValueError: The mask is empty, or a spacing is not positive, or an axis has no direction.
    """
    centres, _ = _centred(mask, spacing)
    if axis is None:
        axis = _principal_axes(centres, spacing)[:, 1]
    if not axis.any():
        raise ValueError("a long axis of length 0 has no direction.")
    axis = axis / np.linalg.norm(axis) * (1 if axis[0] >= 0 else -1)
    steps = _STEPS
    within = np.add.outer(steps * spacing[0] * axis[0], steps * spacing[1] * axis[1])
    along = np.add.outer(centres @ axis, within.ravel())
    half = 0.5 * float(np.abs(axis) @ spacing) / SUBPIXELS
    low, high = float(along.min()) - half, float(along.max()) + half
    numbers, _ = np.histogram(along, n, (low, high))
    length = high - low
    point_area = spacing[0] * spacing[1] / SUBPIXELS**2
    return Discs(length, numbers * (point_area / (length / n)))


def volume_by_discs(one: Discs, other: Discs | None = None) -> float:
    """Return the volume by the method of discs, in the cube of the discs' unit.

    In one plane the discs are circles; in two they are ellipses, and the longer of the two axes counts.

    Args:
        one: A plane, usually the apical four-chamber view.
        other: A second plane at a right angle to it, usually the apical two-chamber view.

    Raises:
        ValueError: The planes are cut into different numbers of discs.
    """
    second = one if other is None else other
    if one.diameters.size != second.diameters.size:
        raise ValueError(f"planes of {one.diameters.size} and {second.diameters.size} discs.")
    height = max(one.length, second.length) / one.diameters.size
    return float(math.pi / 4 * height * (one.diameters @ second.diameters))


def volume_by_area_length(area: float, length: float) -> float:
    """Return the single-plane area-length volume 8 A^2 / (3 pi L); exact for an ellipsoid of revolution.

    Args:
        area: Area of the chamber in its plane.
        length: Its long axis, positive, in the unit whose square the area has.

    Raises:
        ValueError: The area is negative, or the length is not above 0.
    """
    if area < 0 or length <= 0:
        raise ValueError(f"area {area} and length {length} (expected an area of 0 or more, and a length above 0).")
    return 8 * area**2 / (3 * math.pi * length)


def ejection_fraction(end_diastolic: float, end_systolic: float) -> float:
    """Return the ejection fraction in percent; NaN if the end-diastolic volume is 0 or one of them is NaN.

    It is negative where the second volume is the larger one: that is reported, not hidden.

    Args:
        end_diastolic: Volume at end diastole, in any unit.
        end_systolic: Volume at end systole, in the same unit.

    Raises:
        ValueError: A volume is negative or infinite.
    """
    for volume in (end_diastolic, end_systolic):
        if volume < 0 or math.isinf(volume):
            raise ValueError(f"volume {volume} (expected a finite number, 0 or more).")
    return 100 * (end_diastolic - end_systolic) / end_diastolic if end_diastolic else math.nan


def implausibilities(mask: Mask, spacing: tuple[float, float], *, has_apex: bool = True) -> tuple[str, ...]:
    """Return the reasons not to trust a volume from this mask unseen; none if it looks like a chamber.

    They are from `REASONS`: `empty`, or `too small` for any chamber, and then nothing else is checked; `several
    components`, not counting specks; `cut by the border`, if it touches the edge of the image; `no apex`, if its end
    nearer the probe is as wide as a chamber.

    Args:
        mask: bool (H, W).
        spacing: (rows, columns), in any unit: only their ratio matters.
        has_apex: Whether the structure ends in an apex: the left ventricle does.
    """
    if not mask.any():
        return (EMPTY,)
    if mask.mean() < SMALLEST_SHARE:
        return (TOO_SMALL,)
    found = []
    labels, n_components = scipy.ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n_components + 1)[1:]
    if np.count_nonzero(sizes > SMALL_COMPONENT * sizes.max()) > 1:
        found.append("several components")
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        found.append("cut by the border")
    if has_apex:
        diameters = cut_into_discs(mask, spacing).diameters
        if diameters[0] > APEX_WIDTH * diameters.max():
            found.append("no apex")
    return tuple(found)
