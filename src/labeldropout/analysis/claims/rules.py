"""What follows from the numbers of a comparison, for itself by the rule of its kind and for its claim."""

import math
from collections.abc import Sequence
from enum import StrEnum

from labeldropout.analysis.claims.kinds import Kind, Numbers


class Outcome(StrEnum):
    """The outcome of a comparison."""

    HOLDS = "holds"
    CONTRADICTED = "contradicted"
    """The opposite was found."""
    OPEN = "open"
    """Neither: the interval is too wide, or there are too few seeds."""
    NOT_TESTABLE = "not testable"
    """A model or a score is missing, or there are too few patients."""
    NOT_TRAINED = "not trained"
    """A model had not learned what it was shown."""
    SHOWN = "shown"
    """Not judged."""


class Verdict(StrEnum):
    """The verdict on a claim."""

    REPRODUCED = "reproduced"
    IN_PART = "in part"
    OPEN = "open"
    CONTRADICTED = "contradicted"
    NOT_TRAINED = "not trained"
    NOT_TESTABLE = "not testable"


def smallest_p(n_patients: int) -> float:
    """Return the smallest two-sided p of a signed-rank test on this many patients: all differences share a sign."""
    return 2.0 ** (1 - n_patients)


def why_not_testable(effect: float, low: float, high: float, n_patients: int, fewest_patients: int) -> str:
    """Return why these numbers cannot decide anything; empty if they can.

    Args:
        effect: The estimate of a comparison.
        low: Lower end of its interval.
        high: Upper end.
        n_patients: Patients behind it.
        fewest_patients: With fewer patients, nothing is judged.
    """
    if not n_patients:
        return "no image with a score under all models"
    if n_patients < fewest_patients:
        return f"{n_patients} patients (at least {fewest_patients})"
    if math.isnan(effect) or math.isnan(low) or math.isnan(high):
        return "no estimate"
    return ""


def outcome(kind: Kind, numbers: Numbers, *, why: str, not_trained: str, n_seeds: int, fewest_seeds: int) -> Outcome:
    """Return the outcome of a comparison.

    Args:
        kind: Its kind.
        numbers: What came out, and the bound and level by which it is judged.
        why: Why it cannot be tested; empty if it can.
        not_trained: Which of its models are not trained; empty if all are.
        n_seeds: Fewest seeds of any of its models.
        fewest_seeds: With fewer seeds it is open at best.
    """
    if kind.holds is None or kind.is_contradicted is None:
        return Outcome.SHOWN
    if why:
        return Outcome.NOT_TESTABLE
    if not_trained:
        return Outcome.NOT_TRAINED
    if n_seeds < fewest_seeds:
        return Outcome.OPEN
    if kind.holds(numbers):
        return Outcome.HOLDS
    return Outcome.CONTRADICTED if kind.is_contradicted(numbers) else Outcome.OPEN


def verdict(outcomes: Sequence[Outcome]) -> Verdict:
    """Return what follows for a claim from its comparisons.

    Args:
        outcomes: Of all comparisons of the claim; what is only shown does not count.
    """
    judged = [one for one in outcomes if one is not Outcome.SHOWN]
    if Outcome.CONTRADICTED in judged:
        return Verdict.CONTRADICTED
    if judged and set(judged) == {Outcome.HOLDS}:
        return Verdict.REPRODUCED
    if Outcome.HOLDS in judged:
        return Verdict.IN_PART
    if Outcome.NOT_TRAINED in judged:
        return Verdict.NOT_TRAINED
    if not judged or Outcome.NOT_TESTABLE in judged:
        return Verdict.NOT_TESTABLE
    return Verdict.OPEN
