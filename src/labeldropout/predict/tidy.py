"""Tidy an outlined picture: one region for each structure, without holes."""

from collections.abc import Sequence
from enum import IntEnum

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


def tidy(labels: UInt8[np.ndarray, "h w"], structures: Sequence[IntEnum]) -> UInt8[np.ndarray, "h w"]:
    """Keep the largest component of each structure and fill its holes.

    A heart has one of each. Smaller components become background; background that a structure encloses becomes that
    structure. A pixel of another structure is never overwritten, so every pixel still has one label.

    Args:
        labels: Values of structures; not changed.
        structures: What the network outlines, in the order in which holes are filled.
    """
    tidied = np.zeros_like(labels)
    for structure in structures:
        tidied[_largest(labels == structure)] = structure
    for structure in structures:
        enclosed = ndimage.binary_fill_holes(tidied == structure)
        tidied[enclosed & (tidied == BACKGROUND)] = structure
    return tidied
