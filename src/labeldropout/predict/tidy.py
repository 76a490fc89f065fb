"""Tidy an outlined picture: one region for each structure, without holes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from labeldropout.labels import BACKGROUND

_NEIGHBOURS = np.ones((3, 3), bool)
"""Pixels that touch at a corner belong together."""


def _largest(region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The largest connected component; the uppermost, leftmost one among equals."""
    components, _ = ndimage.label(region, _NEIGHBOURS)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return components == sizes.argmax() if sizes.any() else region


def _box(labels: UInt8[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The part of a label map with everything but background, and one pixel around it."""
    rows, columns = np.flatnonzero(labels.any(1)), np.flatnonzero(labels.any(0))
    return slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2)


def tidy(labels: UInt8[np.ndarray, "h w"], structures: Sequence[int]) -> UInt8[np.ndarray, "h w"]:
    """Keep the largest component of each structure and fill its holes.

    A heart has one of each. Smaller components become background; background that a structure encloses becomes that
    structure. A pixel of another structure is never overwritten, so every pixel still has one label.

    Args:
        labels: Values of structures, and 0; not changed.
        structures: Values of what the network outlines, in the order in which holes are filled.
    """
    tidied = np.zeros_like(labels)
    if not labels.any():
        return tidied
    box = _box(labels)
    part, inside = labels[box], tidied[box]
    for structure in structures:
        inside[_largest(part == structure)] = structure
    for structure in structures:
        enclosed = ndimage.binary_fill_holes(inside == structure)
        inside[enclosed & (inside == BACKGROUND)] = structure
    return tidied
