"""The rules by which claims are judged: what a comparison estimates, when it holds, and what follows for the claim.

A comparison is a matrix of Dice scores, one row per side and one column per image (seeds averaged before). Its kind
says what is estimated from the rows and which number decides; the rules are those of the head of `config/claims.yaml`.
"""

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Integer

from labeldropout.analysis.statistics import Groups, Interval, group_sums

Sides = Float[np.ndarray, "sides n"]


class Kind(StrEnum):
    """What a comparison claims, or, for the last two, only shows."""

    SUPERIOR = "superior"
    """The first side is above the second."""
    EQUIVALENT = "equivalent"
    """The two sides differ by less than the margin."""
    NOT_WORSE = "not_worse"
    """The first side is not below the second by the margin or more."""
    BELOW = "below"
    """The only side is below a limit."""
    AGREE = "agree"
    """No two sides differ by the margin or more."""
    TREND = "trend"
    """The difference within successive pairs of sides grows."""
    MEAN = "mean"
    """The mean of the only side, shown beside the claim and not judged."""
    GAIN = "gain"
    """The first side's gain over the second, relative to it; shown and not judged."""


class Outcome(StrEnum):
    """What came of a comparison."""

    YES = "yes"
    NO = "no"
    NOT_TESTABLE = "not testable"
    SHOWN = "shown"
    """Not judged."""


class Verdict(StrEnum):
    """What came of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTABLE = "not testable on these data"


SHOWN_KINDS = (Kind.MEAN, Kind.GAIN)
"""Kinds that are printed beside a claim and not judged."""


TESTED_KINDS = (Kind.SUPERIOR, Kind.TREND)
"""Kinds that a p value decides: those of a claim are one family for Holm's correction."""


MARGIN_KINDS = (Kind.EQUIVALENT, Kind.NOT_WORSE, Kind.AGREE)
"""Kinds that an interval decides, by the margin of no difference."""


def confidence_of(kind: Kind) -> float:
    """Return the coverage of the interval that a kind is judged by: 90 % is a one-sided test at the level of 5 %."""
    return 0.90 if kind in {Kind.EQUIVALENT, Kind.NOT_WORSE} else 0.95


def values_of(kind: Kind, sides: Sides) -> Float[np.ndarray, " n"]:
    """Return the number per image whose mean is the effect of a comparison.

    Args:
        kind: Not `agree` and not `gain`: their effects are no means over images.
        sides: Dice scores without NaN. Of a `trend`: higher and lower side of the first pair, of the second, ...

    Returns:
        Differences, scores of the only side, or per image the slope of the pairs' differences over the pair's place
        (0, 1, ...), by least squares.
    """
    match kind:
        case Kind.SUPERIOR | Kind.EQUIVALENT | Kind.NOT_WORSE:
            return sides[0] - sides[1]
        case Kind.BELOW | Kind.MEAN:
            return sides[0]
        case Kind.TREND:
            differences = sides[0::2] - sides[1::2]
            places = np.arange(len(differences)) - (len(differences) - 1) / 2
            return (places @ differences) / (places @ places)
        case _:
            raise ValueError(f"{kind}: its effect is no mean over images.")


def _over_draws(
    sides: Sides, patients: Groups, counts: Integer[np.ndarray, "draws patients"]
) -> Float[np.ndarray, "sides draws"]:
    """The mean of every side over the images of every sample of patients."""
    means = []
    for side in sides:
        sums, numbers = group_sums(side, patients)
        # Rounded: the same patients drawn in another order must not count as another mean.
        means.append(np.round((counts @ sums) / (counts @ numbers), 12))
    return np.array(means)


def _percentiles(
    values: Float[np.ndarray, " draws"], confidences: Sequence[float], *, is_defined: bool
) -> list[Interval]:
    if not is_defined or not np.isfinite(values).all():
        return [Interval(math.nan, math.nan, "none") for _ in confidences]
    tails = [(1 - confidence) / 2 for confidence in confidences]
    return [Interval(*map(float, np.quantile(values, [tail, 1 - tail])), "percentile") for tail in tails]


def largest_difference(
    sides: Sides,
    patients: Groups,
    counts: Integer[np.ndarray, "draws patients"],
    confidences: Sequence[float],
) -> tuple[float, list[Interval]]:
    """Return the largest difference between the means of any two sides, with percentile intervals over patients.

    A largest difference is never below 0 and grows under resampling, so that its interval errs upwards: against "they
    agree", not for it. (BCa has no meaning where the two sides that differ most change from sample to sample.)

    Args:
        sides: Dice scores without NaN.
        patients: The patient of every image.
        counts: From `resample_patients`, for as many patients.
        confidences: Coverage of each interval that is returned.
    """
    if not sides.shape[1]:
        return math.nan, _percentiles(np.zeros(0), confidences, is_defined=False)
    means = sides.mean(axis=1)
    drawn = _over_draws(sides, patients, counts)
    intervals = _percentiles(drawn.max(axis=0) - drawn.min(axis=0), confidences, is_defined=counts.shape[1] > 1)
    return float(means.max() - means.min()), intervals


def relative_gain(
    sides: Sides,
    patients: Groups,
    counts: Integer[np.ndarray, "draws patients"],
    confidences: Sequence[float],
) -> tuple[float, list[Interval]]:
    """Return how far the first side's mean lies above the second's, relative to the second; percentile intervals.

    Args:
        sides: Dice scores without NaN; two rows.
        patients: The patient of every image.
        counts: From `resample_patients`, for as many patients.
        confidences: Coverage of each interval that is returned.

    Returns:
        NaN where the second mean is 0; no interval where it is 0 in some sample.
    """
    means = sides.mean(axis=1) if sides.shape[1] else np.zeros(2)
    if not means[1]:
        return math.nan, _percentiles(np.zeros(0), confidences, is_defined=False)
    first, second = _over_draws(sides, patients, counts)
    is_defined = counts.shape[1] > 1 and bool((second > 0).all())
    gains = (first - second) / second if is_defined else np.zeros(0)
    return float(means[0] / means[1] - 1), _percentiles(gains, confidences, is_defined=is_defined)


def smallest_p(n_patients: int) -> float:
    """Return the smallest two-sided p of a signed-rank test on so many patients: all differences have one sign."""
    return 2.0 ** (1 - n_patients)


def why_not_testable(kind: Kind, effect: float, low: float, high: float, n_patients: int, fewest_patients: int) -> str:
    """Return why these numbers can decide nothing; empty if they can.

    Args:
        kind: Of the comparison.
        effect: Its estimate.
        low: Lower end of its interval.
        high: Upper end.
        n_patients: Patients behind it.
        fewest_patients: With fewer nothing is judged.
    """
    if not n_patients:
        return "no image with a score under all models"
    if n_patients < fewest_patients:
        return f"{n_patients} patients (at least {fewest_patients})"
    if math.isnan(effect) or (kind not in TESTED_KINDS and (math.isnan(low) or math.isnan(high))):
        return "no estimate"
    return ""


def is_met(
    kind: Kind,
    *,
    effect: float,
    low: float,
    high: float,
    p_holm: float,
    rank_biserial: float,
    bound: float,
    level: float,
) -> bool:
    """Whether a comparison that can be tested holds.

    Args:
        kind: Of the comparison; not one that is only shown.
        effect: Its estimate.
        low: Lower end of the interval that its kind is judged by.
        high: Upper end.
        p_holm: Two-sided p after Holm's correction, for the kinds that a p decides; NaN shows nothing.
        rank_biserial: Of the same test; it has to point where the mean does, for one outlier can turn a mean.
        bound: Margin or limit, for the kinds that an interval decides.
        level: Of the tests.
    """
    match kind:
        case Kind.SUPERIOR | Kind.TREND:
            return bool(effect > 0 and rank_biserial > 0 and p_holm < level)
        case Kind.EQUIVALENT:
            return bool(-bound < low and high < bound)
        case Kind.NOT_WORSE:
            return bool(low > -bound)
        case Kind.BELOW | Kind.AGREE:
            return bool(high < bound)
        case _:
            raise ValueError(f"{kind} is shown, not judged.")


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
