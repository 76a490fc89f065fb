"""The rules for claims on numbers whose answers are known."""

import math

import pytest

from labeldropout.analysis.claims.kinds import KINDS, Numbers
from labeldropout.analysis.claims.rules import Outcome, Verdict, is_met, verdict, why_not_testable

NAN = math.nan
NUMBERS = {
    "effect": 0.1,
    "low": 0.05,
    "high": 0.15,
    "p_holm": 0.01,
    "rank_biserial": 0.8,
    "bound": NAN,
    "level": 0.05,
}


@pytest.mark.parametrize(
    ("kind", "changes", "holds"),
    [
        ("superior", {}, True),
        ("superior", {"p_holm": 0.05}, False),
        ("superior", {"p_holm": NAN}, False),
        ("superior", {"effect": -0.1, "rank_biserial": -0.8}, False),
        ("superior", {"rank_biserial": -0.8}, False),
        ("superior", {"effect": 0.0}, False),
        ("trend", {}, True),
        ("trend", {"p_holm": 0.2}, False),
        ("trend", {"effect": -0.1, "rank_biserial": -0.8}, False),
        ("equivalent", {"low": -0.01, "high": 0.01, "bound": 0.02}, True),
        ("equivalent", {"low": -0.02, "high": 0.01, "bound": 0.02}, False),
        ("equivalent", {"low": -0.01, "high": 0.03, "bound": 0.02}, False),
        ("equivalent", {"low": 0.0, "high": 0.0, "bound": 0.02, "p_holm": NAN}, True),
        ("not_worse", {"low": -0.01, "bound": 0.02}, True),
        ("not_worse", {"low": -0.02, "bound": 0.02}, False),
        ("below", {"high": 0.49, "bound": 0.5}, True),
        ("below", {"effect": 0.45, "high": 0.5, "bound": 0.5}, False),
        ("agree", {"high": 0.019, "bound": 0.02}, True),
        ("agree", {"effect": 0.01, "high": 0.03, "bound": 0.02}, False),
    ],
)
def test_comparison_holds_exactly_where_its_rule_says(kind, changes, holds):
    """Every kind holds on one side of its bound, and on the bound it does not."""
    assert is_met(KINDS[kind], Numbers(**{**NUMBERS, **changes})) is holds


@pytest.mark.parametrize("kind", ["mean", "gain"])
def test_what_is_only_shown_is_never_judged(kind):
    """To ask whether a number that is only shown holds is a mistake."""
    with pytest.raises(ValueError, match="shown"):
        is_met(KINDS[kind], Numbers(**NUMBERS))


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["yes", "yes"], "reproduced"),
        (["yes", "no"], "not reproduced"),
        (["not testable", "no"], "not reproduced"),
        (["yes", "not testable"], "not testable on these data"),
        (["yes", "shown"], "reproduced"),
        (["shown"], "not testable on these data"),
        ([], "not testable on these data"),
    ],
)
def test_verdict_follows_from_the_comparisons(outcomes, expected):
    """One failure decides, then one that cannot be tested; what is shown does not count; nothing judged is no proof."""
    assert verdict([Outcome(outcome) for outcome in outcomes]) is Verdict(expected)


@pytest.mark.parametrize(
    ("kind", "numbers", "words"),
    [
        ("superior", (0.1, 0.0, 0.2, 6), ""),
        ("superior", (0.1, NAN, NAN, 6), ""),
        ("superior", (0.1, 0.0, 0.2, 5), "5 patients (at least 6)"),
        ("agree", (0.1, NAN, NAN, 6), "no estimate"),
        ("below", (NAN, 0.0, 0.1, 6), "no estimate"),
        ("below", (NAN, NAN, NAN, 0), "no image with a score under all models"),
    ],
)
def test_too_little_to_judge_is_said_in_words(kind, numbers, words):
    """Too few patients, no score and no interval are told apart."""
    assert why_not_testable(KINDS[kind], *numbers, 6) == words
