"""Overlap and surface distance of two masks of one structure, in 2D and 3D, and Dice under partial labels.

The definitions are those of MONAI 1.6 (`compute_hausdorff_distance` with percentile 95,
`compute_average_surface_distance` with `symmetric=True`, `compute_surface_dice` without subvoxels); the tests compare
the two. The surface of a mask is the set of its pixels that share a side with a pixel outside the mask or outside the
image.
"""

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from scipy.spatial import KDTree
from torch import Tensor

from labeldropout.losses import label_map

Mask = Bool[np.ndarray, "..."]


class StructureScores(TypedDict):
    """Scores of one structure in one image; NaN where undefined."""

    dice: float
    """Dice score; 0 if one mask is empty, NaN if both are."""
    hausdorff_distance_95: float
    """In the unit of the spacing; NaN if a mask is empty."""
    mean_surface_distance: float
    """In the unit of the spacing; NaN if a mask is empty."""
    surface_dice: float
    """0 if one mask is empty, NaN if both are."""
    reference_px: int
    """Pixels of the reference."""
    prediction_px: int
    """Pixels of the prediction."""


def _check_mask(mask: np.ndarray, name: str) -> None:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        found = getattr(mask, "dtype", type(mask).__name__)
        raise ValueError(
            f"{name}: expected a mask of one structure, a NumPy array of bool, found {found} (of a label map, take one "
            "structure: label_map == 1)."
        )


def _check(prediction: np.ndarray, reference: np.ndarray) -> None:
    _check_mask(prediction, "prediction")
    _check_mask(reference, "reference")
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction and reference differ in shape ({prediction.shape} and {reference.shape}).")


def _dice(n_prediction: int, n_reference: int, n_both: int) -> float:
    total = n_prediction + n_reference
    return 2 * n_both / total if total else math.nan


def dice_score(prediction: Mask, reference: Mask) -> float:
    """Return twice the overlap over the sum of the two areas.

    Args:
        prediction: Mask, bool of any shape.
        reference: Mask of the same shape.

    Returns:
        Dice score in [0, 1]; 0 if one mask is empty; NaN if both are, because there is nothing to agree on.

    Raises:
        ValueError: An array is not bool, or the shapes differ.
    """
    _check(prediction, reference)
    return _dice(
        int(np.count_nonzero(prediction)),
        int(np.count_nonzero(reference)),
        int(np.count_nonzero(prediction & reference)),
    )


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box that holds a mask with at least one pixel."""
    box = []
    for axis in range(mask.ndim):
        where = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(box)


def surface(mask: Mask) -> Bool[np.ndarray, "..."]:
    """Return the pixels of a mask that touch, by a side, a pixel outside it or the edge of the image.

    Raises:
        ValueError: The mask is not bool.
    """
    _check_mask(mask, "mask")
    padded = np.pad(mask, 1)
    core = (slice(1, -1),) * mask.ndim
    inner = mask.copy()
    for axis in range(mask.ndim):
        for shifted in (slice(None, -2), slice(2, None)):
            inner &= padded[(*core[:axis], shifted, *core[axis + 1 :])]
    return mask & ~inner


def surface_distances(
    prediction: Mask, reference: Mask, spacing: Sequence[float]
) -> tuple[Float[np.ndarray, " prediction_points"], Float[np.ndarray, " reference_points"]]:
    """Return the distance of every surface pixel of one mask to the nearest surface pixel of the other.

    Args:
        prediction: Mask, bool, 2D or 3D.
        reference: Mask of the same shape.
        spacing: Size of a pixel along each axis: (row, column) in 2D; mm, or ones for pixels.

    Returns:
        Distances from prediction to reference and from reference to prediction, in the unit of the spacing; two empty
        arrays if a mask is empty.

    Raises:
        ValueError: An array is not bool, the shapes differ, or the spacing does not fit them.
    """
    _check(prediction, reference)
    if len(spacing) != prediction.ndim or not all(math.isfinite(size) and size > 0 for size in spacing):
        raise ValueError(f"spacing {tuple(spacing)} (expected {prediction.ndim} sizes above 0).")
    if not prediction.any() or not reference.any():
        return np.empty(0), np.empty(0)
    scale = np.asarray(spacing, dtype=np.float64)
    # Each mask in its own box: the surface is the same as in the whole image, and an outlying speck costs nothing.
    points = []
    for mask in (prediction, reference):
        box = _bounding_box(mask)
        origin = np.array([part.start for part in box])
        points.append((np.argwhere(surface(mask[box])) + origin) * scale)
    # Surfaces have few points: a tree finds the nearest ones faster than two distance maps would.
    trees = [KDTree(coordinates, balanced_tree=False, compact_nodes=False) for coordinates in points]
    return trees[1].query(points[0])[0], trees[0].query(points[1])[0]


def _hausdorff_95(forward: np.ndarray, backward: np.ndarray) -> float:
    return max(float(np.percentile(forward, 95)), float(np.percentile(backward, 95))) if forward.size else math.nan


def _mean_distance(forward: np.ndarray, backward: np.ndarray) -> float:
    return float((forward.sum() + backward.sum()) / (forward.size + backward.size)) if forward.size else math.nan


def _share_within(forward: np.ndarray, backward: np.ndarray, tolerance: float) -> float:
    within = int(np.count_nonzero(forward <= tolerance)) + int(np.count_nonzero(backward <= tolerance))
    return within / (forward.size + backward.size)


def hausdorff_distance_95(prediction: Mask, reference: Mask, spacing: Sequence[float]) -> float:
    """Return the larger of the two directed 95th percentiles of the surface distances.

    Args:
        prediction: Mask, bool, 2D or 3D.
        reference: Mask of the same shape.
        spacing: Size of a pixel along each axis: (row, column) in 2D.

    Returns:
        Distance in the unit of the spacing; NaN if a mask is empty.

    Raises:
        ValueError: An array is not bool, the shapes differ, or the spacing does not fit them.
    """
    return _hausdorff_95(*surface_distances(prediction, reference, spacing))


def mean_surface_distance(prediction: Mask, reference: Mask, spacing: Sequence[float]) -> float:
    """Return the mean of the surface distances in both directions, pooled.

    Args:
        prediction: Mask, bool, 2D or 3D.
        reference: Mask of the same shape.
        spacing: Size of a pixel along each axis: (row, column) in 2D.

    Returns:
        Distance in the unit of the spacing; NaN if a mask is empty.

    Raises:
        ValueError: An array is not bool, the shapes differ, or the spacing does not fit them.
    """
    return _mean_distance(*surface_distances(prediction, reference, spacing))


def surface_dice(prediction: Mask, reference: Mask, spacing: Sequence[float], tolerance: float) -> float:
    """Return the share of both surfaces that lies within a tolerance of the other one (Nikolov et al. 2018).

    Args:
        prediction: Mask, bool, 2D or 3D.
        reference: Mask of the same shape.
        spacing: Size of a pixel along each axis: (row, column) in 2D.
        tolerance: In the unit of the spacing, 0 or more.

    Returns:
        Share in [0, 1]; 0 if one mask is empty, NaN if both are.

    Raises:
        ValueError: An array is not bool, the shapes differ, the spacing does not fit them, or the tolerance is
            negative.
    """
    return score_structure(prediction, reference, spacing, tolerance)["surface_dice"]


def score_structure(prediction: Mask, reference: Mask, spacing: Sequence[float], tolerance: float) -> StructureScores:
    """Return all scores of one structure; the surface distances are computed once.

    Args:
        prediction: Mask, bool, 2D or 3D.
        reference: Mask of the same shape.
        spacing: Size of a pixel along each axis: (row, column) in 2D; mm, or ones for pixels.
        tolerance: Of the surface Dice, in the unit of the spacing, 0 or more.

    Returns:
        Dice, distances, surface Dice and areas; see `StructureScores` for what empty masks give.

    Raises:
        ValueError: An array is not bool, the shapes differ, the spacing does not fit them, or the tolerance is
            negative.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance {tolerance} (expected 0 or more).")
    forward, backward = surface_distances(prediction, reference, spacing)
    n_prediction, n_reference = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    n_both = int(np.count_nonzero(prediction & reference))
    if forward.size:
        within = _share_within(forward, backward, tolerance)
    else:
        within = 0.0 if n_prediction or n_reference else math.nan
    return {
        "dice": _dice(n_prediction, n_reference, n_both),
        "hausdorff_distance_95": _hausdorff_95(forward, backward),
        "mean_surface_distance": _mean_distance(forward, backward),
        "surface_dice": within,
        "reference_px": n_reference,
        "prediction_px": n_prediction,
    }


def partial_dice(
    prediction: Shaped[Tensor, "n ..."],
    target: Shaped[Tensor, "n ..."],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
) -> Float[Tensor, "n c"]:
    """Return the Dice score of every structure in every case; what was not annotated is unknown, which is NaN.

    Average with `nanmean`: a structure that nobody drew says nothing about a prediction. NaN is also the score of an
    annotated structure that is absent and was not predicted, where one false pixel would give 0: where many are absent,
    count false positives apart.

    Args:
        prediction: Label map, (N, *space) or (N, 1, *space): the `argmax` of the logits.
        target: Label map of the same shape; the pixels of an unannotated structure count as background.
        annotated: Whether each structure was annotated in each case; channel 0 is the background.
        ignore_index: Pixels with this target are left out; None: there are none.

    Returns:
        Scores in [0, 1], float32, on the device of the prediction; 0 if one side is empty, NaN if both are or the
        structure was not annotated. The background is known only where everything was annotated.

    Raises:
        ValueError: Shapes, types or values do not fit; logits, masks and one-hot maps are no label maps.
    """
    n_axes = min(prediction.ndim, target.ndim)
    labels = [
        label_map(each, name, n_axes).to(prediction.device)
        for each, name in ((prediction, "prediction"), (target, "target"))
    ]
    if labels[0].shape != labels[1].shape or labels[0].ndim < 2:
        raise ValueError(
            f"prediction and target: expected (N, *space) of one shape, found {tuple(prediction.shape)}, "
            f"{tuple(target.shape)}."
        )
    if annotated.ndim != 2 or len(annotated) != len(labels[0]) or annotated.dtype != torch.bool:
        raise ValueError(
            f"annotated: expected bool ({len(labels[0])}, C), found {annotated.dtype} {tuple(annotated.shape)}."
        )
    annotated = annotated.to(prediction.device)
    counted = torch.ones_like(labels[1], dtype=torch.bool) if ignore_index is None else labels[1] != ignore_index
    for each, name in zip(labels, ("prediction", "target"), strict=True):
        _check_label_map(each[counted], name, annotated.shape[1])
        _refuse_one_hot(each, name, annotated.shape[1])
    is_drawn = annotated.gather(1, torch.where(counted, labels[1], 0).long().flatten(1)).view_as(counted)
    drawn = torch.where(is_drawn, labels[1], 0)
    scores = []
    for structure in range(annotated.shape[1]):
        predicted, shown = (((each == structure) & counted).flatten(1) for each in (labels[0], drawn))
        scores.append(2 * (predicted & shown).sum(1) / (predicted.sum(1) + shown.sum(1)))
    is_known = annotated.clone()
    is_known[:, 0] = annotated.all(1)
    return torch.where(is_known, torch.stack(scores, 1), torch.nan)


def _check_label_map(labels: Tensor, name: str, n_structures: int) -> None:
    if labels.dtype == torch.bool or labels.is_complex():
        raise ValueError(f"{name}: expected a label map, numbers 0 to {n_structures - 1}, found {labels.dtype}.")
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < n_structures:
        raise ValueError(
            f"{name}: expected a label map, values 0 to {n_structures - 1} (as annotated has {n_structures} columns), "
            f"found {int(labels.min())} to {int(labels.max())}."
        )


def _refuse_one_hot(labels: Tensor, name: str, n_structures: int) -> None:
    """A channel per structure has values of a label map, too, and would be scored as a picture with one more axis."""
    if labels.ndim >= 4 and labels.shape[1] == n_structures and labels.numel() and bool((labels.sum(1) == 1).all()):
        raise ValueError(
            f"{name}: expected a label map, found a channel for each of {n_structures} structures (pass its argmax(1))."
        )
