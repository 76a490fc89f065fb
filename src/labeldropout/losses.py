"""Losses for partially labelled images: one function per published equation.

The contract is the same for all of them, in two dimensions or three:

logits (N, C, *space)
    Raw network scores, with background in channel 0, in any floating-point type. Everything is computed in float32,
    even under autocast; float64 stays float64.
target (N, *space)
    The structure that each pixel shows, 0 to C - 1, in any integer type. A pixel labelled with an unannotated structure
    counts as background, so it makes no difference whether that structure has been erased from the label map.
annotated (N, C)
    Whether each structure was annotated in each image (drawn, or known to be absent), as bool. Channel 0 is always
    true.
ignore_index
    Pixels whose target has this value are left out of every sum and count, and their logits get no gradient; None, the
    default, leaves out nothing. It must not be the number of a structure.
validate
    Whether the values of target and annotated are checked, which waits for an accelerator to finish; shapes and types
    are always checked. Without it, values that do not fit give an undefined result. Under `torch.compile` values are
    never checked, because no compiled program can look at them.

The result is a single number in nats: a mean over pixels. Invalid shapes, types, devices or values raise a `ValueError`
that says what was found and what was expected.

Below, y is the target with its unannotated structures erased, p the softmax of the logits, and A the set of channels
that are annotated in the image, background included.
"""

import difflib
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int, Integer, Shaped
from torch import Tensor


def plain(tensor: Tensor) -> Tensor:
    """The same as an ordinary tensor: a subclass, such as MONAI's, takes its bookkeeping through every operation."""
    return tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor)


def label_map(
    target: Shaped[Tensor, " n *one_and_space"], name: str, n_axes: int | None = None, *, validate: bool = True
) -> Shaped[Tensor, " n *space"]:
    """A label map as frameworks hand it over, as the losses take it.

    Args:
        target: (N, *space) or (N, 1, *space), of any integer type, or of a float type with whole numbers.
        name: What an error calls it.
        n_axes: Axes that the result should have: with one more, of length one, the second is taken off. None leaves the
            shape as it is.
        validate: Whether floats are looked at, which waits for an accelerator to finish.

    Returns:
        The same labels, floats as int64, as an ordinary tensor; other shapes and types unchanged, for the losses to
        refuse.

    Raises:
        ValueError: A float is no whole number.
    """
    labels = plain(target)
    if labels.is_floating_point():
        if validate and not torch.compiler.is_compiling():
            bad = (labels != labels.round()) | ~labels.isfinite()
            if bool(bad.any().item()):
                found = labels[bad][0].item()
                raise ValueError(f"{name}: expected whole numbers, found {found:g} (logits, or interpolated labels?).")
        labels = labels.long()
    return labels.squeeze(1) if n_axes is not None and labels.ndim == n_axes + 1 and labels.shape[1] == 1 else labels


def _check_types(logits: Tensor, target: Tensor, annotated: Tensor) -> None:
    if not logits.is_floating_point():
        raise ValueError(f"logits: expected a floating-point type, found {logits.dtype}.")
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise ValueError(f"target: expected an integer type, found {target.dtype}.")
    if annotated.dtype != torch.bool:
        raise ValueError(f"annotated: expected torch.bool, found {annotated.dtype}.")
    if not logits.device == target.device == annotated.device:
        raise ValueError(
            f"logits, target and annotated must be on one device "
            f"(found {logits.device}, {target.device}, {annotated.device})."
        )


def _check_values(target: Tensor, annotated: Tensor, ignore_index: int | None) -> None:
    n_channels = annotated.shape[1]
    # All checks share one transfer: on an accelerator, each would wait for the device.
    if not bool((annotated[:, 0].all() & (target >= 0).all() & (target < n_channels).all()).item()):
        if not bool(annotated[:, 0].all().item()):
            raise ValueError("annotated: channel 0, the background, must be true in every case.")
        others = "" if ignore_index is None else f" or {ignore_index}"
        raise ValueError(
            f"target: expected values 0 to {n_channels - 1}{others}, found {int(target.min())} to {int(target.max())}."
        )


def _checked(
    logits: Tensor, target: Tensor, annotated: Tensor, ignore_index: int | None, validate: bool
) -> tuple[Tensor, Tensor | None]:
    """The target, with background in ignored pixels, and which pixels count: bool, or None for all.

    Input that broadcasting would otherwise turn into a wrong result is refused.

    Raises:
        ValueError: Shapes, types, devices or values are invalid; the message says what was found and expected.
    """
    shapes = f"as logits are {tuple(logits.shape)}"
    if logits.ndim < 3 or logits.numel() == 0:
        raise ValueError(f"logits: expected (N, C, *space), not empty, found {tuple(logits.shape)}.")
    n, c, *space = logits.shape
    if tuple(target.shape) != (n, *space):
        raise ValueError(f"target: expected {(n, *space)}, {shapes}, found {tuple(target.shape)}.")
    if tuple(annotated.shape) != (n, c):
        raise ValueError(f"annotated: expected {(n, c)}, {shapes}, found {tuple(annotated.shape)}.")
    _check_types(logits, target, annotated)
    counted = None
    if ignore_index is not None:
        if 0 <= ignore_index < c:
            raise ValueError(f"ignore_index: expected no structure's number (0 to {c - 1}), found {ignore_index}.")
        counted = target.long() != ignore_index
        target = target.masked_fill(~counted, 0)
    if validate and not torch.compiler.is_compiling():
        _check_values(target, annotated, ignore_index)
    return target, counted


def _mean(each: Float[Tensor, " n *space"], counted: Bool[Tensor, " n *space"] | None) -> Float[Tensor, ""]:
    """Mean over the counted pixels; 0 if there are none."""
    return each.mean() if counted is None else torch.where(counted, each, 0).sum() / counted.sum().clamp(min=1)


def _exact(logits: Float[Tensor, "n c *space"]) -> Float[Tensor, "n c *space"]:
    """The logits in float32, or unchanged if float64: half precision underflows at differences of about 17 nats."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _erased(target: Integer[Tensor, " n *space"], annotated: Bool[Tensor, "n c"]) -> Int[Tensor, " n *space"]:
    """The label map with unannotated structures as background."""
    structure = target.long()
    is_annotated = annotated.gather(1, structure.flatten(1)).view_as(structure)
    return torch.where(is_annotated, structure, 0)


def _per_channel(annotated: Bool[Tensor, "n c"], logits: Float[Tensor, "n c *space"]) -> Bool[Tensor, "n c *one"]:
    """`annotated` with trailing axes of length one added, for broadcasting over the pixels."""
    return annotated.view(*annotated.shape, *[1] * (logits.ndim - 2))


def _of_structure(
    values: Float[Tensor, "n c *space"], structure: Int[Tensor, " n *space"]
) -> Float[Tensor, " n *space"]:
    """The value, at each pixel, of the channel that `structure` gives."""
    return values.gather(1, structure.unsqueeze(1)).squeeze(1)


def standard_cross_entropy(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """Cross-entropy that treats unannotated structures as background: -log p_y.

    The pixels of a structure that was not drawn are background in the target, and the network learns to call them
    background. All other losses here avoid this conflict in supervision.
    """
    target, counted = _checked(logits, target, annotated, ignore_index, validate)
    log_probabilities = _exact(logits).log_softmax(1)
    return _mean(-_of_structure(log_probabilities, _erased(target, annotated)), counted)


def adaptive_cross_entropy(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """Cross-entropy under a softmax over the annotated channels alone: -log (p_y / sum of p over A).

    "Removing the labels which are missing from the ground truth from the predicted segmentation" (Mariscal-Harana et
    al. 2023; section 2 of Label Dropout). Unannotated logits are set to minus infinity and get no gradient. Merely
    dropping their terms under the full softmax would give the standard loss, because the target of those terms is 0
    anyway. An image in which only the background is annotated has loss 0.
    """
    target, counted = _checked(logits, target, annotated, ignore_index, validate)
    among_annotated = _exact(logits).masked_fill(~_per_channel(annotated, logits), -torch.inf)
    return _mean(-_of_structure(among_annotated.log_softmax(1), _erased(target, annotated)), counted)


def marginal_cross_entropy(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """Cross-entropy that adds unannotated structures to background: -log p_y, or -log (1 - sum of drawn p) if y is 0.

    In a partly annotated image, background means "none of what was drawn". Its probability is therefore the sum over
    background and everything that was not drawn (Shi et al. 2021, marginal loss).
    """
    target, counted = _checked(logits, target, annotated, ignore_index, validate)
    log_probabilities = _exact(logits).log_softmax(1)
    drawn_foreground = annotated.clone()
    drawn_foreground[:, 0] = False
    log_none_drawn = log_probabilities.masked_fill(_per_channel(drawn_foreground, logits), -torch.inf).logsumexp(1)
    structure = _erased(target, annotated)
    each = torch.where(structure == 0, log_none_drawn, _of_structure(log_probabilities, structure))
    return _mean(-each, counted)


def exclusion_loss(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """Penalty on unannotated structures where an annotated one was drawn: -log (sum of p over A), where y > 0.

    Structures are mutually exclusive: a pixel drawn as one of them shows no other, drawn or not (Shi et al. 2021,
    exclusion loss, there with a Dice term). Summing the annotated probabilities, instead of subtracting the unannotated
    ones from 1, stays accurate when the sum is small.

    Returns:
        Mean over the pixels of annotated foreground in the batch, in nats; 0 if there are none.
    """
    target, _ = _checked(logits, target, annotated, ignore_index, validate)
    log_probabilities = _exact(logits).log_softmax(1)
    log_annotated = log_probabilities.masked_fill(~_per_channel(annotated, logits), -torch.inf).logsumexp(1)
    is_foreground = _erased(target, annotated) > 0
    return -torch.where(is_foreground, log_annotated, 0).sum() / is_foreground.sum().clamp(min=1)


def marginal_exclusion(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """The marginal cross-entropy plus the exclusion loss, each with weight 1 (the weight is ours)."""
    marginal = marginal_cross_entropy(logits, target, annotated, ignore_index=ignore_index, validate=validate)
    # The same arguments again: their values need no second look.
    return marginal + exclusion_loss(logits, target, annotated, ignore_index=ignore_index, validate=False)


def adaptive_binary_cross_entropy(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """Binary cross-entropy of one sigmoid per structure, over annotated structures alone.

    Each structure is a separate yes-or-no question, asked only in images where it was annotated (the family of losses
    of Petit et al. 2018). Background means "none of them": its logit is fixed at 0, and channel 0 of the network gets
    no gradient.

    Returns:
        Mean over pixels and over all annotated (case, structure) pairs, in nats; 0 if there are none.
    """
    target, counted = _checked(logits, target, annotated, ignore_index, validate)
    scores = _exact(logits)[:, 1:]
    numbers = torch.arange(1, logits.shape[1], device=logits.device).view(1, -1, *[1] * (logits.ndim - 2))
    shows = (target.long().unsqueeze(1) == numbers).to(scores.dtype)
    each = torch.nn.functional.binary_cross_entropy_with_logits(scores, shows, reduction="none")
    asked = _per_channel(annotated[:, 1:], scores)
    if counted is None:
        n_asked = annotated[:, 1:].sum() * target[0].numel()
    else:
        asked = asked & counted.unsqueeze(1)
        n_asked = asked.sum()
    return torch.where(asked, each, 0).sum() / n_asked.clamp(min=1)


Loss = Callable[..., Tensor]

LOSSES: dict[str, Loss] = {
    "standard": standard_cross_entropy,
    "adaptive": adaptive_cross_entropy,
    "marginal": marginal_cross_entropy,
    "marginal_exclusion": marginal_exclusion,
    "adaptive_bce": adaptive_binary_cross_entropy,
}
"""The losses, by their names in the list of experiments."""

_FIXES_BACKGROUND_AT_ZERO = {"adaptive_bce"}


def check_loss_name(loss: str) -> str:
    """The name of a loss, if there is such a loss.

    Raises:
        ValueError: There is none; the message suggests the nearest one.
    """
    if loss not in LOSSES:
        near = difflib.get_close_matches(loss, LOSSES, 1)
        raise ValueError(
            f"Unknown loss {loss!r} (expected one of {', '.join(LOSSES)}).{f' Did you mean {near[0]}?' if near else ''}"
        )
    return loss


def _competing(logits: Tensor, annotated: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """Foreground probabilities under a loss, and of which structures in which cases: (N, C - 1, *space), (N, C - 1)."""
    scores, asked = _exact(logits), annotated[:, 1:]
    if loss in _FIXES_BACKGROUND_AT_ZERO:
        return scores[:, 1:].sigmoid(), asked
    if loss == "standard":
        return scores.softmax(1)[:, 1:], torch.ones_like(asked)
    if loss == "adaptive":
        scores = scores.masked_fill(~_per_channel(annotated, logits), -torch.inf)
    return scores.softmax(1)[:, 1:], asked


def partial_dice_loss(
    logits: Float[Tensor, "n c *space"],
    target: Integer[Tensor, " n *space"],
    annotated: Bool[Tensor, "n c"],
    loss: str,
    *,
    ignore_index: int | None = None,
    validate: bool = True,
) -> Float[Tensor, ""]:
    """One minus the soft Dice of the annotated structures, with the probabilities that a cross-entropy of ours uses.

    This term is ours. Its nearest relative is the marginal Dice loss of Shi et al. (2021, Medical Image Analysis 70,
    101979), which also has a Dice of the merged background; here the background has none. For `marginal`, it does not
    matter how the network shares what was not drawn between background and unannotated structures, which is what Fidon
    et al. (2021, arXiv 2107.03846) ask of a loss for label sets.

    A structure's Dice pools the pixels of all cases of the batch that have it annotated, and 1 is added to numerator
    and denominator (as if one more pixel agreed), so that a structure that is nowhere in the batch is learned, too.

    Args:
        logits: See above, like all other arguments.
        target: The structure that each pixel shows.
        annotated: Whether each structure was annotated.
        loss: A key of `LOSSES`: `standard` asks for every structure everywhere; `adaptive` has the softmax over the
            annotated channels; `marginal` and `marginal_exclusion` over all; `adaptive_bce` has sigmoids.
        ignore_index: Pixels with this target are left out.
        validate: Whether values are checked.

    Returns:
        Mean over the structures that are annotated anywhere in the batch, between 0 and 1; 0 if there are none.

    Raises:
        ValueError: Shapes, types or values do not fit, or there is no such loss.
    """
    target, counted = _checked(logits, target, annotated, ignore_index, validate)
    foreground, asked = _competing(logits, annotated, check_loss_name(loss))
    numbers = torch.arange(1, logits.shape[1], device=logits.device).view(1, -1, *[1] * (logits.ndim - 2))
    shows = (_erased(target, annotated).unsqueeze(1) == numbers).to(foreground.dtype)
    weights = _per_channel(asked, foreground).to(foreground.dtype)
    if counted is not None:
        weights = weights * counted.unsqueeze(1)
    pixels = [0, *range(2, logits.ndim)]
    overlap = (weights * foreground * shows).sum(pixels)
    sizes = (weights * (foreground + shows)).sum(pixels)
    is_asked = asked.any(0)
    return torch.where(is_asked, 1 - (2 * overlap + 1) / (sizes + 1), 0).sum() / is_asked.sum().clamp(min=1)


def probabilities(logits: Float[Tensor, "n c *space"], loss: str) -> Float[Tensor, "n c *space"]:
    """Probabilities from a network trained with this loss: resize these, then take the `argmax`.

    For the softmax losses, this is the softmax. For adaptive binary cross-entropy, it is the softmax over the
    structures' logits and a 0 for background, which has the same `argmax` as (0, logits), sums to one, can be resized
    bilinearly like the others, and equals the sigmoid where a single structure competes with background.

    Args:
        logits: Raw scores of the network, in any float type; computed in float32.
        loss: A key of `LOSSES`.

    Raises:
        ValueError: There is no such loss; the message suggests the nearest one.
    """
    scores = _exact(logits)
    if check_loss_name(loss) in _FIXES_BACKGROUND_AT_ZERO:
        scores = torch.cat([torch.zeros_like(scores[:, :1]), scores[:, 1:]], dim=1)
    return scores.softmax(1)


def predict_labels(logits: Float[Tensor, "n c *space"], loss: str) -> Int[Tensor, " n *space"]:
    """The structure predicted at each pixel by a network trained with this loss, on the network's own grid.

    Args:
        logits: Raw scores of the network.
        loss: A key of `LOSSES`.

    Raises:
        ValueError: There is no such loss; the message suggests the nearest one.
    """
    return probabilities(logits, loss).argmax(1)
