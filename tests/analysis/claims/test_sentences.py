"""The sentence for clinicians says what the study could have shown, and only in its own unit."""

from pathlib import Path

import pytest

from labeldropout.analysis.claims.declared import Known, read_claims
from labeldropout.analysis.claims.rules import Outcome, Verdict
from labeldropout.analysis.claims.sentences import sentence

KNOWN = Known(("camus", "unity", "echonet"), ("LV", "LVM", "LA"))
CLAIM = read_claims(Path(__file__).parents[3] / "config" / "claims.yaml", KNOWN).claims[0]


def row(kind: str, could_show: float) -> dict:
    """An open comparison."""
    return {"kind": kind, "outcome": Outcome.OPEN, "could_show": could_show, "why": ""}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row("superior", 0.03), row("not_worse", 0.05)], "differences in Dice below about 0.05 are lost"),
        ([row("trend", 0.4), row("not_worse", 0.05)], "differences in Dice below about 0.05 are lost"),
        ([row("trend", 0.4)], ": the chance variation is too large."),
        ([row("trend", float("nan")), row("not_worse", 0.05)], ": too few trainings."),
    ],
)
def test_slope_of_a_trend_is_no_difference_in_dice(rows, words):
    """What the open comparisons could have shown is a difference in Dice; a trend's slope is none."""
    assert words in sentence(CLAIM, rows, Verdict.OPEN)


def test_untrained_networks_are_counted_and_what_is_left_is_said():
    """One untrained network of many comparisons is not told as if all of them needed it."""
    untrained = row("superior", 0.5) | {"outcome": Outcome.NOT_TRAINED}
    words = sentence(CLAIM, [untrained, row("superior", 0.3), row("superior", 0.3)], Verdict.NOT_TRAINED)
    assert words.endswith(
        ": 1 of 3 comparisons need a network that had not learned its task; the others decide nothing."
    )
    assert sentence(CLAIM, [untrained], Verdict.NOT_TRAINED).endswith(" had not learned its task.")
