"""How long a training lasts, in optimisation steps, and after which of them it is validated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Duration:
    """The steps of one training."""

    validated_after: tuple[int, ...]
    """Numbers of steps after which the model is validated, ascending; the last one ends the training."""
    whole_batches: bool
    """Whether every batch has the full size, across the end of a pass; otherwise a pass ends with a smaller one."""

    @property
    def n_steps(self) -> int:
        """Optimisation steps of the whole training."""
        return self.validated_after[-1]


def check_duration(optimisation: Mapping[str, Any]) -> None:
    """Refuse a training whose length is given twice or not at all.

    Raises:
        ValueError: Not exactly one of `steps` and `epochs` is given; the message has both values.
    """
    steps, epochs = optimisation["steps"], optimisation["epochs"]
    if (steps is None) == (epochs is None):
        raise ValueError(
            f"training.optimisation: expected exactly one of steps and epochs (the other null),"
            f" found steps {steps} and epochs {epochs}."
        )


def duration_of(optimisation: Mapping[str, Any], n_cases: int, batch_size: int) -> Duration:
    """The steps of a training (decision 3a).

    With `steps`, a training has as many as any other, whatever its data sets' sizes, and is validated `validations`
    times at equal distances; with `epochs`, a step is a batch of one pass over the cases, validated after every pass.

    Args:
        optimisation: `steps` or `epochs`, the other None, and `validations`, which counts with `steps` only.
        n_cases: Training cases.
        batch_size: Cases per batch.

    Raises:
        ValueError: Not exactly one of `steps` and `epochs` is given.
    """
    check_duration(optimisation)
    if optimisation["steps"] is None:
        per_epoch = math.ceil(n_cases / batch_size)
        after = tuple(per_epoch * epoch for epoch in range(1, optimisation["epochs"] + 1))
        return Duration(after, whole_batches=False)
    steps, validations = optimisation["steps"], min(optimisation["validations"], optimisation["steps"])
    after = tuple(steps * number // validations for number in range(1, validations + 1))
    return Duration(after, whole_batches=True)
