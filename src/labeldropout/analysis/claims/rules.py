"""What follows from the numbers of a comparison, for itself by the rule of its kind and for its claim."""

import math
from collections.abc import Sequence
from enum import StrEnum

from labeldropout.analysis.claims.kinds import Kind, Numbers


class Outcome(StrEnum):
    """The outcome of a comparison."""

    YES = "yes"
    NO = "no"
    NOT_TESTABLE = "not testable"
    SHOWN = "shown"
    """Not judged."""


class Verdict(StrEnum):
    """The verdict on a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTABLE = "not testable on these data"


def smallest_p(n_patients: int) -> float:
    """Return the smallest two-sided p of a signed-rank test on this many patients: all differences share a sign."""
    return 2.0 ** (1 - n_patients)


def why_not_testable(kind: Kind, effect: float, low: float, high: float, n_patients: int, fewest_patients: int) -> str:
    """Return why these numbers cannot decide anything; empty if they can.

    Args:
        kind: Of the comparison.
        effect: Its estimate.
        low: Lower end of its interval.
        high: Upper end.
        n_patients: Patients behind it.
        fewest_patients: With fewer patients, nothing is judged.
    """
    if not n_patients:
        return "no image with a score under all models"
    if n_patients < fewest_patients:
        return f"{n_patients} patients (at least {fewest_patients})"
    if math.isnan(effect) or (not kind.is_decided_by_p and (math.isnan(low) or math.isnan(high))):
        return "no estimate"
    return ""


def is_met(kind: Kind, numbers: Numbers) -> bool:
    """Whether a comparison that can be tested holds.

    Args:
        kind: Of the comparison; not one that is only shown.
        numbers: What came out, and the bound and level by which it is judged.

    Raises:
        ValueError: It is only shown.
    """
    if kind.holds is None:
        raise ValueError(f"{kind.name} is shown, not judged.")
    return kind.holds(numbers)


def verdict(outcomes: Sequence[Outcome]) -> Verdict:
    """Return what follows for a claim from its comparisons: one that fails decides, then one that cannot be tested.

    Args:
        outcomes: Of all comparisons of the claim; what is only shown does not count.
    """
    judged = [outcome for outcome in outcomes if outcome is not Outcome.SHOWN]
    if Outcome.NO in judged:
        return Verdict.NOT_REPRODUCED
    if not judged or Outcome.NOT_TESTABLE in judged:
        return Verdict.NOT_TESTABLE
    return Verdict.REPRODUCED
