"""Choosing which annotations to hide, and hiding them.

Label dropout (section 2 of the paper) breaks the link between the appearance of an image and the structures annotated
in it. It is used only in training. Drawing is random and changes no image; hiding is deterministic and changes the
target and `annotated` together, because changing only one would be a mistake: a structure that is erased but still
"annotated" teaches that it is background; one that stays in the target but is no longer annotated is not hidden from a
careless loss.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor


def _check_probability(probability: float) -> None:
    if not 0 <= probability <= 1:
        raise ValueError(f"Probability of label dropout: expected 0 to 1, found {probability}.")


def draw_hidden_structures(
    annotated: Bool[Tensor, "n c"],
    droppable: Bool[Tensor, " c"],
    probability: float,
    rng: np.random.Generator,
) -> Bool[Tensor, "n c"]:
    """Draw at most one structure per case to hide: the label dropout of the paper (mode `single`).

    With the given probability, one of the structures that are both droppable and annotated in the case is drawn, each
    with equal chance; a case without such a structure keeps all its annotations.

    Args:
        annotated: What is annotated in each case.
        droppable: What may be hidden: the partially labelled structures; never the background.
        probability: Probability that something is hidden from a case, in [0, 1]. 0 is the adaptive model; with 1, a
            structure is never seen if no other is droppable.
        rng: Source of randomness; the number of draws does not depend on what is annotated.

    Returns:
        What to hide, on the device of `annotated`; at most one per case.

    Raises:
        ValueError: The probability is not in [0, 1], or the background is droppable.
    """
    _check_probability(probability)
    allowed = droppable.cpu().numpy()
    if allowed[0]:
        raise ValueError("droppable: channel 0 is the background, which cannot be hidden.")
    candidates = annotated.cpu().numpy() & allowed
    happens = rng.random(len(candidates)) < probability
    # Each of several independent uniform numbers is equally likely to be the largest.
    chosen = np.where(candidates, rng.random(candidates.shape), -1.0).argmax(1)
    hidden = np.zeros_like(candidates)
    hidden[np.arange(len(candidates)), chosen] = happens
    return torch.from_numpy(hidden & candidates).to(annotated.device)


def draw_hidden_by_pattern(
    annotated: Bool[Tensor, "n c"],
    patterns: Bool[Tensor, "k c"],
    frequencies: Float[Tensor, " k"],
    probability: float,
    rng: np.random.Generator,
) -> Bool[Tensor, "n c"]:
    """Draw a label set per case, and hide what is annotated outside it (mode `pattern`, ours).

    Where several structures are missing together, hiding one at a time never gives a richly labelled domain the label
    set of a poorly labelled one. This mode does. It cannot add labels, so it loosens the link between domain and label
    set but does not cut it.

    Args:
        annotated: What is annotated in each case.
        patterns: Label sets to draw from, as returned by `label_sets`; each includes the background.
        frequencies: Probability of each label set; sums to one.
        probability: Probability that a label set is drawn for a case at all, in [0, 1].
        rng: Source of randomness; the number of draws does not depend on what is annotated.

    Returns:
        What to hide, on the device of `annotated`.

    Raises:
        ValueError: The probability is not in [0, 1], the frequencies do not sum to one, or a label set lacks the
            background.
    """
    _check_probability(probability)
    shares = frequencies.cpu().double().numpy()
    if (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(f"frequencies: expected shares that sum to 1, found {shares.tolist()}.")
    sets = patterns.cpu().numpy()
    if not sets[:, 0].all():
        raise ValueError("patterns: channel 0 is the background, which is in every label set.")
    drawn = annotated.cpu().numpy()
    happens = rng.random(len(drawn)) < probability
    kept = sets[rng.choice(len(sets), size=len(drawn), p=shares / shares.sum())]
    return torch.from_numpy(drawn & ~kept & happens[:, None]).to(annotated.device)


def _check_hiding(structure: Tensor, hidden: Tensor) -> None:
    n_channels = hidden.shape[1]
    # All checks share one transfer: on an accelerator, each would wait for the device.
    if bool((hidden[:, 0].any() | (structure < 0).any() | (structure >= n_channels).any()).item()):
        if bool(hidden[:, 0].any().item()):
            raise ValueError("hidden: channel 0 is the background, which cannot be hidden.")
        raise ValueError(
            f"target: expected values 0 to {n_channels - 1} (or ignore_index), "
            f"found {int(structure.min())} to {int(structure.max())}."
        )


def hide_annotations(
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    hidden: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> tuple[Integer[Tensor, " n *space"], Bool[Tensor, "n c"]]:
    """Hide structures: their pixels become background **and** they are no longer annotated.

    Args:
        target: Structure per pixel, in any integer type and any number of dimensions; not changed.
        annotated: What is annotated in each case; not changed.
        hidden: What to hide; never the background.
        ignore_index: Value of pixels that show no structure, such as 255, -1 or -100; they keep it. None: there are
            none.
        validate: Whether values are checked, which waits for an accelerator to finish; without it, values that do not
            fit give an undefined result. Under `torch.compile` they are never checked.

    Returns:
        New `target`, of the same type, and new `annotated`.

    Raises:
        ValueError: Shapes do not match, `hidden` includes the background, or a pixel has no structure's number.
    """
    if annotated.shape != hidden.shape or len(target) != len(annotated):
        raise ValueError(
            f"target, annotated and hidden do not fit: expected (N, *space), (N, C), (N, C), "
            f"found {tuple(target.shape)}, {tuple(annotated.shape)}, {tuple(hidden.shape)}."
        )
    structure = target.flatten(1).long()
    if ignore_index is not None:
        structure = structure.masked_fill(structure == ignore_index, 0)
    if validate and not torch.compiler.is_compiling():
        _check_hiding(structure, hidden)
    is_hidden = hidden.gather(1, structure).view(target.shape)
    return target.masked_fill(is_hidden, 0), annotated & ~hidden
