"""A judged comparison in words: where it was tested, what came out, and how far its trainings differ.

A row is one of `CLAIMS`, as `itertuples` gives it.
"""

import math
from typing import Any

from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.claims.rules import Outcome
from labeldropout.analysis.typesetting import interval, number


def cell_words(row: Any) -> str:
    """Return the structure and the images that a comparison is about."""
    whose = ", observer's masks" if row.reference == "observer" else ""
    kit = ", images of the kit" if row.images == "kit" and not whose else ""
    return f"{row.structure} on {row.dataset}{whose}{kit}"


def effect_words(row: Any) -> str:
    """Return the effect in the unit of its kind, with the interval that decides and its coverage if that is not 95 %.

    An interval of what cannot be below 0 is printed from 0 on.
    """
    kind = KINDS[row.kind]
    low = row.low if kind.is_signed else max(row.low, 0.0)
    around = interval(kind.scale * low, kind.scale * row.high, kind.decimals, signed=kind.is_signed)
    confidence = "" if row.confidence == 0.95 else f" ({100 * row.confidence:.0f} %)"
    return f"{number(kind.scale * row.effect, kind.decimals, signed=kind.is_signed)}{kind.unit} {around}{confidence}"


def why_undecided(row: Any) -> str:
    """Return why a comparison could decide nothing: not testable, or not trained; empty for the others."""
    return str(row.why or row.not_trained)


def training_words(row: Any) -> str:
    """Return which models of a comparison, or single seeds of them, had not learned what they were shown."""
    few = f"single seeds not trained: {row.few_not_trained}" if row.few_not_trained else ""
    return "; ".join(filter(None, [row.not_trained, few]))


def could_show_words(row: Any) -> str:
    """Return what a comparison that is judged could have shown, in the unit of its effect."""
    if row.outcome in {Outcome.SHOWN, Outcome.NOT_TESTABLE}:
        return ""
    return "too few seeds to decide" if math.isnan(row.could_show) else f"could show {number(row.could_show)}"


def seeds_words(row: Any) -> str:
    """Return the standard deviations over seeds of two sides of one model each; empty for other comparisons."""
    spreads = (row.seed_sd_better, row.seed_sd_worse)
    if not row.n_seeds_better:
        return ""
    if all(map(math.isnan, spreads)):
        return "one seed each"
    return "SD over seeds " + " and ".join("(one seed)" if math.isnan(spread) else number(spread) for spread in spreads)
