"""The label sets of a training set, and the structures that are annotated in only some of its images.

Both follow from one table: what is annotated in each training image. Label dropout needs both: it hides structures that
are partially labelled, one at a time or down to a label set that occurs.
"""

from jaxtyping import Bool, Float
from torch import Tensor, unique


def partially_labelled(annotated: Bool[Tensor, "cases c"]) -> Bool[Tensor, " c"]:
    """Whether a structure is annotated in some training cases and unknown in others.

    Args:
        annotated: What is annotated in each case of the training set.
    """
    return annotated.any(0) & ~annotated.all(0)


def label_sets(annotated: Bool[Tensor, "cases c"]) -> tuple[Bool[Tensor, "k c"], Float[Tensor, " k"]]:
    """The distinct label sets of a training set, and the share of cases with each.

    Args:
        annotated: What is annotated in each case of the training set.

    Returns:
        Label sets in a fixed order, and shares that sum to one (float64).
    """
    patterns, counts = unique(annotated, dim=0, return_counts=True)
    return patterns, counts.double() / len(annotated)
