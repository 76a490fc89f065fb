"""Label dropout and the losses as PyTorch modules, for a training loop of your own.

The functions in `label_dropout` and `losses` are strict. The modules take what frameworks hand over: targets with or
without an axis for the channel, of any integer type or of a float type with whole numbers (MONAI's `MetaTensor`), and
lists of them for deep supervision.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from labeldropout.label_dropout import draw_hidden_by_pattern, draw_hidden_structures, hide_annotations
from labeldropout.label_sets import label_sets, partially_labelled
from labeldropout.losses import LOSSES, check_loss_name, label_map, partial_dice_loss, plain

Mode = Literal["single", "pattern"]


def _rank() -> int:
    """Number of this process among those that train together; 0 alone."""
    distributed = torch.distributed
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


class LabelDropout(torch.nn.Module):
    """Hides annotations at random while training, so that the look of an image does not tell which structures it has.

    `single` is the label dropout of the paper: with probability p, a case loses one of its partially labelled
    structures. `pattern` is ours, for several structures that are missing together: with probability p, a case keeps
    only what is in a label set drawn from those of the training cases. In evaluation mode (`eval()`) nothing is hidden.

    What is drawn depends on the seed, the number of calls before, and the rank of the process under
    `torch.distributed`, so that processes draw independently. Seed and number of calls are in the `state_dict`: a
    resumed training continues where it stopped.

    Drawing takes place on the CPU. If `annotated` is there too (as `LabelSets` gives it), nothing waits for an
    accelerator. Call this module outside a function that is compiled.
    """

    def __init__(
        self,
        annotated_of_training_cases: Bool[Tensor, "cases c"],
        p: float = 0.5,
        mode: Mode = "single",
        seed: int = 0,
        *,
        ignore_index: int | None = None,
        validate: bool = True,
    ) -> None:
        """Take note of which structures are partially labelled, and of the label sets that occur.

        Args:
            annotated_of_training_cases: Which structures are annotated in each training case, background first.
            p: Probability that something is hidden from a case, in [0, 1].
            mode: `single` or `pattern`.
            seed: Of the draws.
            ignore_index: Value of target pixels that show no structure, such as 255, -1 or -100; they keep it.
            validate: Whether the values of targets are checked, which waits for an accelerator.

        Raises:
            ValueError: An argument does not fit; or no structure is annotated in some cases and unknown in others, so
                that there is nothing to drop with `p` above 0.
        """
        super().__init__()
        annotated = annotated_of_training_cases
        if annotated.ndim != 2 or annotated.dtype != torch.bool or not len(annotated):
            raise ValueError(
                "annotated_of_training_cases: expected bool (cases, C), at least one case, "
                f"found {annotated.dtype} {tuple(annotated.shape)}."
            )
        if not 0 <= p <= 1:
            raise ValueError(f"p: expected a probability, 0 to 1, found {p}.")
        if mode not in get_args(Mode):
            raise ValueError(f"mode: expected {' or '.join(get_args(Mode))}, found {mode!r}.")
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed: expected 0 to 2**63 - 1, found {seed}.")
        annotated = annotated.cpu()
        if not annotated[:, 0].all():
            raise ValueError("annotated_of_training_cases: channel 0, the background, must be true in every case.")
        self.droppable = partially_labelled(annotated)
        """Which structures may be hidden in mode `single`: bool (C,)."""
        if p > 0 and not self.droppable.any():
            raise ValueError(
                "annotated_of_training_cases: every structure is annotated in all cases or in none, "
                "so there is nothing to drop (expected one that is annotated in some; p=0 for a training without)."
            )
        self.label_sets = label_sets(annotated)
        self.p, self.mode, self.seed = p, mode, seed
        self.ignore_index, self.validate = ignore_index, validate
        self.n_calls = 0
        """Draws so far."""

    def draw(self, annotated: Bool[Tensor, "n c"], rng: np.random.Generator | None = None) -> Bool[Tensor, "n c"]:
        """Draw what to hide, without hiding it.

        Args:
            annotated: What is annotated in each case.
            rng: Source of randomness; None: the module's own, and this counts as a call.

        Returns:
            bool (N, C), on the device of `annotated`.

        Raises:
            ValueError: There are more or fewer structures than in the training cases.
        """
        if annotated.ndim != 2 or annotated.shape[1] != len(self.droppable) or annotated.dtype != torch.bool:
            raise ValueError(
                f"annotated: expected bool (N, {len(self.droppable)}), as in the training cases, "
                f"found {annotated.dtype} {tuple(annotated.shape)}."
            )
        if rng is None:
            rng = np.random.default_rng([self.seed, _rank(), self.n_calls])
            self.n_calls += 1
        if self.mode == "pattern":
            return draw_hidden_by_pattern(annotated, *self.label_sets, self.p, rng)
        return draw_hidden_structures(annotated, self.droppable, self.p, rng)

    def forward(
        self, target: Shaped[Tensor, " n *one_and_space"] | Sequence[Tensor], annotated: Bool[Tensor, "n c"]
    ) -> tuple[Tensor | list[Tensor], Bool[Tensor, "n c"]]:
        """Hide annotations: their pixels become background, and they are no longer annotated.

        Args:
            target: (N, *space) or (N, 1, *space), integers or whole numbers; or a list of them, for deep supervision,
                from all of which the same is hidden.
            annotated: What is annotated in each case.

        Returns:
            The target or targets, of the same shape and type, and what is still annotated, on the target's device.

        Raises:
            ValueError: Shapes, types or values do not fit.
        """
        targets = [target] if isinstance(target, Tensor) else list(target)
        device = targets[0].device
        if not self.training:
            return target, annotated.to(device, non_blocking=True)
        hidden = self.draw(annotated).to(device, non_blocking=True)
        annotated = annotated.to(device, non_blocking=True)
        kept, without = [], annotated
        for each in targets:
            whole = label_map(each, "target", validate=self.validate)
            less, without = hide_annotations(
                whole, annotated, hidden, ignore_index=self.ignore_index, validate=self.validate
            )
            kept.append(less.to(each.dtype))
        return (kept[0] if isinstance(target, Tensor) else kept), without

    def get_extra_state(self) -> Tensor:
        """Seed and number of calls, for the `state_dict`."""
        return torch.tensor([self.seed, self.n_calls])

    def set_extra_state(self, state: Tensor) -> None:
        """Continue where another module stopped."""
        self.seed, self.n_calls = (int(value) for value in state)

    def extra_repr(self) -> str:
        """Arguments, as `print` shows them."""
        return f"p={self.p}, mode={self.mode!r}, seed={self.seed}"


class PartialLabelLoss(torch.nn.Module):
    """A cross-entropy for partial labels, with a Dice term and deep supervision on request.

    With deep supervision, logits and targets are lists of the same length, one scale each, and the loss is the weighted
    sum over the scales.
    """

    def __init__(
        self,
        kind: str = "marginal",
        dice_weight: float = 0.0,
        ignore_index: int | None = None,
        scale_weights: Sequence[float] | None = None,
        *,
        validate: bool = True,
    ) -> None:
        """Choose the loss.

        Args:
            kind: A key of `losses.LOSSES`: `standard`, `adaptive`, `marginal`, `marginal_exclusion`, `adaptive_bce`.
            dice_weight: Weight of `losses.partial_dice_loss`, which is added to the cross-entropy; 0 or more.
            ignore_index: Pixels with this target are left out, such as 255, -1 or -100.
            scale_weights: Weight of each scale; None: each has half the weight of the one before, and they sum to 1, as
                in nnU-Net.
            validate: Whether the values of targets are checked, which waits for an accelerator.

        Raises:
            ValueError: An argument does not fit.
        """
        super().__init__()
        self.kind = check_loss_name(kind)
        self.scale_weights = None if scale_weights is None else tuple(float(weight) for weight in scale_weights)
        for name, weights in (("dice_weight", [dice_weight]), ("scale_weights", self.scale_weights or [])):
            bad = [weight for weight in weights if not 0 <= weight < float("inf")]
            if bad:
                raise ValueError(f"{name}: expected 0 or more, found {bad[0]}.")
        if self.scale_weights is not None and not any(self.scale_weights):
            raise ValueError(f"scale_weights: expected a weight above 0, found {list(self.scale_weights)}.")
        self.dice_weight = dice_weight
        self.ignore_index = ignore_index
        self.validate = validate

    def forward(
        self,
        logits: Float[Tensor, "n c *space"] | Sequence[Tensor],
        target: Shaped[Tensor, " n *one_and_space"] | Sequence[Tensor],
        annotated: Bool[Tensor, "n c"],
    ) -> Float[Tensor, ""]:
        """The loss of a batch.

        Args:
            logits: Raw scores of the network, (N, C, *space), or a list of them, one scale each.
            target: (N, *space) or (N, 1, *space), integers or whole numbers, or a list of them, one scale each.
            annotated: Whether each structure was annotated in each case, background first; on any device.

        Returns:
            The weighted sum, in nats, to which the Dice term adds `dice_weight` at most.

        Raises:
            ValueError: Shapes, types or values do not fit.
        """
        scales = [logits] if isinstance(logits, Tensor) else list(logits)
        targets = [target] if isinstance(target, Tensor) else list(target)
        if not scales or len(scales) != len(targets):
            raise ValueError(f"logits and target: expected as many scales, found {len(scales)} and {len(targets)}.")
        weights = self._weights(len(scales))
        annotated = annotated.to(scales[0].device, non_blocking=True)
        each = [
            weight * self._of_scale(scores, labels, annotated)
            for weight, scores, labels in zip(weights, scales, targets, strict=True)
            if weight
        ]
        return torch.stack(each).sum()

    def _weights(self, n_scales: int) -> Sequence[float]:
        if self.scale_weights is None:
            halves = [0.5**scale for scale in range(n_scales)]
            return [weight / sum(halves) for weight in halves]
        if len(self.scale_weights) != n_scales:
            raise ValueError(f"logits: expected {len(self.scale_weights)} scales (scale_weights), found {n_scales}.")
        return self.scale_weights

    def _of_scale(self, logits: Tensor, target: Tensor, annotated: Tensor) -> Tensor:
        logits = plain(logits)
        labels = label_map(target, "target", logits.ndim - 1, validate=self.validate)
        options: dict[str, Any] = {"ignore_index": self.ignore_index, "validate": self.validate}
        loss = LOSSES[self.kind](logits, labels, annotated, **options)
        if self.dice_weight:
            options["validate"] = False  # the same target has just been checked
            loss = loss + self.dice_weight * partial_dice_loss(logits, labels, annotated, self.kind, **options)
        return loss

    def extra_repr(self) -> str:
        """Arguments, as `print` shows them."""
        return f"kind={self.kind!r}, dice_weight={self.dice_weight}, ignore_index={self.ignore_index}"
