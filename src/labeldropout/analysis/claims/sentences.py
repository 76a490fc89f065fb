"""The verdict on a claim as one sentence for readers who know hearts and not networks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from labeldropout.analysis.claims.declared import Claim
from labeldropout.analysis.claims.kinds import KINDS, Form
from labeldropout.analysis.claims.rules import Outcome, Verdict

TEMPLATES = {
    Verdict.REPRODUCED: "In this study it is so that {plain}.",
    Verdict.IN_PART: "This study found only in part that {plain} ({tally}).",
    Verdict.OPEN: "This study cannot tell whether {plain}{could_show}.",
    Verdict.CONTRADICTED: "This study contradicts that {plain} ({against} of {judged} comparisons against it).",
    Verdict.NOT_TRAINED: "This study cannot tell whether {plain}: {untrained} of {judged} comparisons need a network"
    " that had not learned its task{others}.",
    Verdict.NOT_TESTABLE: "This study cannot test whether {plain}: {why}.",
}
"""By verdict."""


def _could_show(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a claim's open comparisons could have shown; if there were too few seeds, that."""
    opened = [row for row in rows if row["outcome"] == Outcome.OPEN]
    if any(math.isnan(row["could_show"]) for row in opened):
        return ": too few trainings"
    # The slope of a trend is no difference in Dice.
    reach = [row["could_show"] for row in opened if KINDS[row["kind"]].form is not Form.PAIRS]
    if not reach:
        return ": the chance variation is too large"
    return f": differences in Dice below about {max(reach):.2f} are lost in its chance variation"


def sentence(claim: Claim, rows: Sequence[Mapping[str, Any]], found: Verdict) -> str:
    """Return the verdict on a claim in one sentence.

    Args:
        claim: As declared.
        rows: Its rows of `CLAIMS` with their outcomes.
        found: Its verdict.
    """
    judged = [row["outcome"] for row in rows if row["outcome"] != Outcome.SHOWN]
    untrained = judged.count(Outcome.NOT_TRAINED)
    return TEMPLATES[found].format(
        plain=claim.plain,
        tally=f"{judged.count(Outcome.HOLDS)} of {len(judged)} comparisons hold",
        against=judged.count(Outcome.CONTRADICTED),
        judged=len(judged),
        untrained=untrained,
        others="; the others decide nothing" if untrained < len(judged) else "",
        could_show=_could_show(rows) if found is Verdict.OPEN else "",
        why=next((row["why"] for row in rows if row["outcome"] == Outcome.NOT_TESTABLE), ""),
    )
