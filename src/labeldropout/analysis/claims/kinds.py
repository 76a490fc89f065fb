"""The kinds of comparison: what each estimates, when it holds, when it is contradicted, and how it is worded.

A comparison is a matrix of mean Dice scores, one row per side. Its kind says what is estimated from the rows and which
numbers decide; the rules are those at the head of `config/claims.yaml`. A new kind is an entry of `KINDS` and its test.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from labeldropout.analysis.crossed import Estimate

Sides = Float[np.ndarray, "sides n"]
"""Dice of every side, for every draw of a resampling or for every image."""


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
    """0 decides, or nothing does."""
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
    """From the same test: a p counts in the direction in which the ranks point, whatever an outlier does to means."""
    bound: float
    """Margin or limit; NaN for the kinds that have none."""
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
    estimate: Estimate
    """The effect, from the sides' means."""
    is_largest: bool = False
    """Whether the effect is the largest of several differences, whose interval must cover all of them at once."""
    has_test: bool = False
    """Whether the effect of every image, and the patients' means of it, are tested against zero."""
    bound: Bound = Bound.NONE
    confidence: float = 0.95
    """Coverage of the interval that it is judged by: 90 % amounts to a one-sided test at the level of 5 %."""
    holds: Rule | None = None
    """When it holds, if it is judged; None if it is only shown beside the claim."""
    is_contradicted: Rule | None = None
    """When the opposite was found; None if it is only shown."""
    is_decided_by_p: bool = False
    """Whether it takes a p below the level, too, to hold. Such comparisons of a claim are one family of Holm's."""
    region: Callable[[float], tuple[float, float]] = lambda _: (-math.inf, math.inf)
    """Where the interval has to lie, given the bound."""
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
    """The slope of the pairs' differences over the pair's place (0, 1, ...), by least squares.

    Args:
        sides: Higher and lower side of the first pair, of the second, ...
    """
    differences = sides[0::2] - sides[1::2]
    places = np.arange(len(differences)) - (len(differences) - 1) / 2
    return (places @ differences) / (places @ places)


def _largest_difference(sides: Sides) -> Float[np.ndarray, " n"]:
    """The largest difference of any two sides."""
    return sides.max(axis=0) - sides.min(axis=0)


def _relative_gain(sides: Sides) -> Float[np.ndarray, " n"]:
    """How far the first side lies above the second, relative to the second; NaN where that is 0."""
    gains = np.full(sides.shape[1], math.nan)
    return np.divide(sides[0] - sides[1], sides[1], out=gains, where=sides[1] > 0)


def _is_shown_above(numbers: Numbers) -> bool:
    """Whether the interval lies above 0, and the corrected p, in that direction, below the level."""
    return bool(numbers.low > 0 and numbers.rank_biserial > 0 and numbers.p_holm < numbers.level)


def _lies_below(numbers: Numbers) -> bool:
    """Whether the whole interval lies below the bound."""
    return bool(numbers.high < numbers.bound)


def _lies_above(numbers: Numbers) -> bool:
    """Whether the whole interval lies above the bound."""
    return bool(numbers.low > numbers.bound)


def _lies_below_minus(numbers: Numbers) -> bool:
    """Whether the whole interval lies below minus the bound."""
    return bool(numbers.high < -numbers.bound)


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
        estimate=_difference,
        has_test=True,
        bound=Bound.MARGIN,
        holds=_is_shown_above,
        is_contradicted=_lies_below_minus,
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
        estimate=_difference,
        has_test=True,
        bound=Bound.MARGIN,
        confidence=0.90,
        holds=lambda numbers: bool(-numbers.bound < numbers.low and numbers.high < numbers.bound),
        is_contradicted=lambda numbers: _lies_below_minus(numbers) or _lies_above(numbers),
        region=lambda bound: (-bound, bound),
        axis=_DIFFERENCE,
    ),
    "not_worse": Kind(  # the first side is not below the second by the margin or more
        name="not_worse",
        form=Form.PAIR,
        estimates=_DIFFERENCE,
        words=lambda sides, bound: f"{sides[0]} less than {bound:g} below {sides[1]}",
        estimate=_difference,
        has_test=True,
        bound=Bound.MARGIN,
        confidence=0.90,
        holds=lambda numbers: bool(numbers.low > -numbers.bound),
        is_contradicted=_lies_below_minus,
        region=lambda bound: (-bound, math.inf),
        axis=_DIFFERENCE,
    ),
    "below": Kind(  # the only side is below a limit
        name="below",
        form=Form.ONE,
        estimates=_MEAN,
        words=lambda sides, bound: f"{sides[0]} below {bound:g}",
        estimate=_first,
        bound=Bound.LIMIT,
        holds=_lies_below,
        is_contradicted=_lies_above,
        region=lambda bound: (-math.inf, bound),
        axis=_MEAN,
        is_signed=False,
    ),
    "agree": Kind(  # no two sides differ by the margin or more
        name="agree",
        form=Form.EACH,
        estimates="largest difference of means",
        words=lambda sides, bound: f"{joined(sides)} within {bound:g} of each other",
        estimate=_largest_difference,
        is_largest=True,
        bound=Bound.MARGIN,
        holds=_lies_below,
        is_contradicted=_lies_above,
        region=lambda bound: (-math.inf, bound),
        axis="largest difference of means",
        is_signed=False,
    ),
    "trend": Kind(  # the difference within successive pairs of sides grows
        name="trend",
        form=Form.PAIRS,
        estimates="growth of the difference per pair",
        words=_growing,
        estimate=_growth,
        has_test=True,
        holds=_is_shown_above,
        is_contradicted=lambda numbers: bool(numbers.high < 0),
        is_decided_by_p=True,
        region=lambda _: (0.0, math.inf),
        axis="growth of the difference per pair",
    ),
    "mean": Kind(  # the mean of the only side, shown beside the claim and not judged
        name="mean",
        form=Form.ONE,
        estimates=_MEAN,
        words=lambda sides, _: f"mean of {sides[0]}",
        estimate=_first,
        is_signed=False,
    ),
    "gain": Kind(  # the first side's gain over the second, relative to it; shown and not judged
        name="gain",
        form=Form.PAIR,
        estimates="relative gain",
        words=lambda sides, _: f"relative gain of {sides[0]} over {sides[1]}",
        estimate=_relative_gain,
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
