"""The kinds of comparison: what each estimates, when it holds, and how it is worded.

A comparison is a matrix of Dice scores, one row per side and one column per image (seeds averaged before). Its kind
says what is estimated from the rows and which number decides; the rules are those at the head of `config/claims.yaml`.
A new kind is an entry of `KINDS` and its test.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Integer

from labeldropout.analysis.statistics import Groups, Interval, group_sums

Sides = Float[np.ndarray, "sides n"]


PerImage = Callable[[Sides], Float[np.ndarray, " n"]]
"""The number per image whose mean is the effect."""


OfMeans = Callable[
    [Sides, Groups, Integer[np.ndarray, "draws patients"], Sequence[float]], tuple[float, list[Interval]]
]
"""The effect and its intervals, where it is not a mean over images."""


class Form(StrEnum):
    """How the sides of a comparison are declared."""

    PAIR = "pair"
    """`better` and `worse`: two sides, several models of a side averaged per image."""
    ONE = "one"
    """`models`: one side, several models averaged per image."""
    EACH = "each"
    """`models`: every model is a side."""
    PAIRS = "pairs"
    """`pairs`: two sides for each of several severities, which rise in equal steps."""


class Bound(StrEnum):
    """The declared number that a kind is judged by."""

    NONE = "none"
    """A p value decides, or nothing does."""
    MARGIN = "margin"
    """Largest difference that counts as none."""
    LIMIT = "limit"
    """Dice score."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers by which a comparison is judged."""

    effect: float
    low: float
    """Lower end of the interval that its kind is judged by."""
    high: float
    """Upper end."""
    p_holm: float
    """Two-sided p after Holm's correction, for the kinds that a p value decides; NaN proves nothing."""
    rank_biserial: float
    """From the same test; it must have the mean's sign, because a single outlier can flip the sign of a mean."""
    bound: float
    """Margin or limit, for the kinds that an interval decides."""
    level: float
    """Level of the tests."""


Rule = Callable[[Numbers], bool]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Everything about one kind of comparison."""

    name: str
    form: Form
    estimates: str
    """What its effect is, as the column `effect` explains it."""
    words: Callable[[Sequence[str], float], str]
    """The comparison in words, from its sides and its bound."""
    per_image: PerImage | None = None
    of_means: OfMeans | None = None
    """Exactly one of `per_image` and `of_means` is given."""
    has_test: bool = False
    """Whether the numbers per image, and the patients' means of them, are tested against zero."""
    bound: Bound = Bound.NONE
    confidence: float = 0.95
    """Coverage of the interval that it is judged by: 90 % amounts to a one-sided test at the level of 5 %."""
    holds: Rule | None = None
    """Whether it holds, if it can be judged; None if it is only shown beside the claim."""
    is_decided_by_p: bool = False
    """Such comparisons of a claim form one family for Holm's correction."""
    region: Callable[[float], tuple[float, float]] = lambda _: (-math.inf, math.inf)
    """Where the interval (for tests, the effect) has to lie, given the bound."""
    axis: str = ""
    """What the forest plot's axis shows."""
    is_signed: bool = True
    """Whether its effect is a difference with a direction."""
    scale: int = 1
    """Factor by which the effect is multiplied before it is printed."""
    decimals: int = 3
    unit: str = ""
    several: str = ""
    """Words that link many first sides with the one they are all compared with, if they may share a line."""
    reported_as: str = ""
    """The measure under which the paper reports this effect itself; otherwise the means of its sides are quoted."""

    @property
    def is_shown(self) -> bool:
        """Whether it is printed beside a claim and not judged."""
        return self.holds is None


def _first(sides: Sides) -> Float[np.ndarray, " n"]:
    """Scores of the only side."""
    return sides[0]


def _difference(sides: Sides) -> Float[np.ndarray, " n"]:
    """First side minus second."""
    return sides[0] - sides[1]


def _growth(sides: Sides) -> Float[np.ndarray, " n"]:
    """Per image the slope of the pairs' differences over the pair's place (0, 1, ...), by least squares.

    Args:
        sides: Higher and lower side of the first pair, of the second, ...
    """
    differences = sides[0::2] - sides[1::2]
    places = np.arange(len(differences)) - (len(differences) - 1) / 2
    return (places @ differences) / (places @ places)


def _over_draws(
    sides: Sides, patients: Groups, counts: Integer[np.ndarray, "draws patients"]
) -> Float[np.ndarray, "sides draws"]:
    """The mean of every side over the images of every sample of patients."""
    means = []
    for side in sides:
        sums, numbers = group_sums(side, patients)
        # Rounded: the same patients drawn in another order must not give a different mean.
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

    A largest difference is never below 0 and grows under resampling, so its interval errs upwards: against "they
    agree", not in its favour. (BCa has no meaning where the two sides that differ most change from sample to sample.)

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


def _is_shown_above(numbers: Numbers) -> bool:
    """Whether mean and ranks point up, and the corrected p lies below the level."""
    return bool(numbers.effect > 0 and numbers.rank_biserial > 0 and numbers.p_holm < numbers.level)


def _ends_below(numbers: Numbers) -> bool:
    """Whether the whole interval lies below the bound."""
    return bool(numbers.high < numbers.bound)


def _growing(sides: Sequence[str], _: float) -> str:
    pairs = [f"{one} above {other}" for one, other in zip(sides[::2], sides[1::2], strict=True)]
    return f"growing from {pairs[0]} to {pairs[-1]} ({len(pairs)} pairs)"


FEW = 4
"""Most models that are named one by one."""


def joined(names: Sequence[str]) -> str:
    """Names in a sentence, without the middle ones if there are many."""
    if len(names) > FEW:
        return f"{names[0]} … {names[-1]} ({len(names)} models)"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


_DIFFERENCE, _MEAN = "difference of mean Dice", "mean Dice"


KINDS: dict[str, Kind] = {
    "superior": Kind(  # the first side is above the second
        name="superior",
        form=Form.PAIR,
        estimates=_DIFFERENCE,
        words=lambda sides, _: f"{sides[0]} above {sides[1]}",
        per_image=_difference,
        has_test=True,
        holds=_is_shown_above,
        is_decided_by_p=True,
        region=lambda _: (0.0, math.inf),
        axis=_DIFFERENCE,
        several="each above",
    ),
    "equivalent": Kind(  # the two sides differ by less than the margin
        name="equivalent",
        form=Form.PAIR,
        estimates=_DIFFERENCE,
        words=lambda sides, bound: f"{sides[0]} within {bound:g} of {sides[1]}",
        per_image=_difference,
        has_test=True,
        bound=Bound.MARGIN,
        confidence=0.90,
        holds=lambda numbers: bool(-numbers.bound < numbers.low and numbers.high < numbers.bound),
        region=lambda bound: (-bound, bound),
        axis=_DIFFERENCE,
    ),
    "not_worse": Kind(  # the first side is not below the second by the margin or more
        name="not_worse",
        form=Form.PAIR,
        estimates=_DIFFERENCE,
        words=lambda sides, bound: f"{sides[0]} less than {bound:g} below {sides[1]}",
        per_image=_difference,
        has_test=True,
        bound=Bound.MARGIN,
        confidence=0.90,
        holds=lambda numbers: bool(numbers.low > -numbers.bound),
        region=lambda bound: (-bound, math.inf),
        axis=_DIFFERENCE,
    ),
    "below": Kind(  # the only side is below a limit
        name="below",
        form=Form.ONE,
        estimates=_MEAN,
        words=lambda sides, bound: f"{sides[0]} below {bound:g}",
        per_image=_first,
        bound=Bound.LIMIT,
        holds=_ends_below,
        region=lambda bound: (-math.inf, bound),
        axis=_MEAN,
        is_signed=False,
    ),
    "agree": Kind(  # no two sides differ by the margin or more
        name="agree",
        form=Form.EACH,
        estimates="largest difference of means",
        words=lambda sides, bound: f"{joined(sides)} within {bound:g} of each other",
        of_means=largest_difference,
        bound=Bound.MARGIN,
        holds=_ends_below,
        region=lambda bound: (-math.inf, bound),
        axis="largest difference of means",
        is_signed=False,
    ),
    "trend": Kind(  # the difference within successive pairs of sides grows
        name="trend",
        form=Form.PAIRS,
        estimates="growth of the difference per pair",
        words=_growing,
        per_image=_growth,
        has_test=True,
        holds=_is_shown_above,
        is_decided_by_p=True,
        region=lambda _: (0.0, math.inf),
        axis="growth of the difference per pair",
    ),
    "mean": Kind(  # the mean of the only side, shown beside the claim and not judged
        name="mean",
        form=Form.ONE,
        estimates=_MEAN,
        words=lambda sides, _: f"mean of {sides[0]}",
        per_image=_first,
        is_signed=False,
    ),
    "gain": Kind(  # the first side's gain over the second, relative to it; shown and not judged
        name="gain",
        form=Form.PAIR,
        estimates="relative gain",
        words=lambda sides, _: f"relative gain of {sides[0]} over {sides[1]}",
        of_means=relative_gain,
        scale=100,
        decimals=0,
        unit=" %",
        reported_as="relative_gain",
    ),
}
"""By name, as in `config/claims.yaml`."""


def effects_in_words() -> str:
    """Return what the effect of every kind is, with kinds of the same effect together."""
    by_effect: dict[str, list[str]] = {}
    for kind in KINDS.values():
        by_effect.setdefault(kind.estimates, []).append(kind.name)
    return ", ".join(f"{effect} ({', '.join(names)})" for effect, names in by_effect.items())


def kinds_in_words() -> str:
    """Return the names of the kinds that are judged and of those that are only shown."""
    judged, shown = ([kind.name for kind in KINDS.values() if kind.is_shown is which] for which in (False, True))
    return f"{', '.join(judged)}; {' and '.join(shown)} are shown, not judged"
