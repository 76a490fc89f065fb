"""The rules for comparisons and claims on numbers whose answers are known."""

import math

import pytest

from labeldropout.analysis.claims.kinds import KINDS, Numbers
from labeldropout.analysis.claims.rules import Outcome, Verdict, outcome, verdict, why_not_testable

NAN = math.nan
NUMBERS = {"effect": 0.1, "low": 0.05, "high": 0.15, "p_holm": 0.01, "rank_biserial": 0.8, "bound": 0.02, "level": 0.05}


def decided(kind, **changes):
    """The outcome for these numbers, with enough seeds, patients and trained models unless said otherwise."""
    usual = {"why": "", "not_trained": "", "n_seeds": 3, "fewest_seeds": 3}
    others = {key: changes.pop(key, value) for key, value in usual.items()}
    return outcome(KINDS[kind], Numbers(**{**NUMBERS, **changes}), **others)


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("superior", {}, "holds"),
        ("superior", {"p_holm": 0.05}, "open"),
        ("superior", {"p_holm": NAN}, "open"),
        ("superior", {"low": 0.0}, "open"),
        ("superior", {"rank_biserial": -0.8}, "open"),
        ("superior", {"low": -0.05, "high": -0.02}, "open"),
        ("superior", {"low": -0.05, "high": -0.021, "p_holm": NAN}, "contradicted"),
        ("trend", {"bound": NAN}, "holds"),
        ("trend", {"bound": NAN, "p_holm": 0.2}, "open"),
        ("trend", {"bound": NAN, "low": 0.0}, "open"),
        ("trend", {"bound": NAN, "low": -0.1, "high": 0.0}, "open"),
        ("trend", {"bound": NAN, "low": -0.1, "high": -0.001}, "contradicted"),
        ("equivalent", {"low": -0.01, "high": 0.01}, "holds"),
        ("equivalent", {"low": -0.02, "high": 0.01}, "open"),
        ("equivalent", {"low": -0.01, "high": 0.03}, "open"),
        ("equivalent", {"low": 0.02, "high": 0.03}, "open"),
        ("equivalent", {"low": 0.021, "high": 0.03}, "contradicted"),
        ("equivalent", {"low": -0.03, "high": -0.021}, "contradicted"),
        ("not_worse", {"low": -0.01}, "holds"),
        ("not_worse", {"low": -0.02}, "open"),
        ("not_worse", {"low": -0.05, "high": -0.02}, "open"),
        ("not_worse", {"low": -0.05, "high": -0.021}, "contradicted"),
        ("below", {"low": 0.4, "high": 0.49, "bound": 0.5}, "holds"),
        ("below", {"low": 0.4, "high": 0.5, "bound": 0.5}, "open"),
        ("below", {"low": 0.5, "high": 0.6, "bound": 0.5}, "open"),
        ("below", {"low": 0.51, "high": 0.6, "bound": 0.5}, "contradicted"),
        ("agree", {"low": 0.0, "high": 0.019}, "holds"),
        ("agree", {"low": 0.01, "high": 0.03}, "open"),
        ("agree", {"low": 0.021, "high": 0.03}, "contradicted"),
    ],
)
def test_outcome_is_the_one_of_the_rule(kind, changes, expected):
    """Every kind holds on one side of its bound and is contradicted on the other; on a bound it is open."""
    assert decided(kind, **changes) is Outcome(expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n_seeds": 2}, "open"),
        ({"not_trained": "b: seed 1"}, "not trained"),
        ({"why": "5 patients"}, "not testable"),
        ({"why": "5 patients", "not_trained": "b: seed 1"}, "not testable"),
        ({"n_seeds": 1, "not_trained": "b: seed 1"}, "not trained"),
    ],
)
@pytest.mark.parametrize("numbers", [{}, {"low": -0.5, "high": -0.4}], ids=["would hold", "would be contradicted"])
def test_nothing_is_decided_without_seeds_training_and_patients(numbers, changes, expected):
    """Whatever the numbers: too few seeds are open, a model that is not trained and too few patients decide nothing."""
    assert decided("superior", **numbers, **changes) is Outcome(expected)


@pytest.mark.parametrize("kind", ["mean", "gain"])
def test_what_is_only_shown_is_never_judged(kind):
    """Numbers beside a claim have no outcome of their own, not even where they are missing."""
    assert decided(kind) is decided(kind, why="no row b") is Outcome.SHOWN


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["holds", "holds"], "reproduced"),
        (["holds", "shown"], "reproduced"),
        (["holds", "contradicted"], "contradicted"),
        (["not testable", "not trained", "contradicted", "open"], "contradicted"),
        (["holds", "open"], "in part"),
        (["holds", "not trained", "not testable"], "in part"),
        (["open", "not trained", "not testable"], "not trained"),
        (["open", "not testable"], "not testable"),
        (["open", "shown"], "open"),
        (["shown"], "not testable"),
        ([], "not testable"),
    ],
)
def test_verdict_follows_from_the_comparisons(outcomes, expected):
    """One contradiction decides, then what holds, then what could not be decided; nothing judged is no proof."""
    assert verdict([Outcome(one) for one in outcomes]) is Verdict(expected)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.1, 0.0, 0.2, 6), ""),
        ((0.1, 0.0, 0.2, 5), "5 patients (at least 6)"),
        ((0.1, NAN, NAN, 6), "no estimate"),
        ((NAN, 0.0, 0.1, 6), "no estimate"),
        ((NAN, NAN, NAN, 0), "no image with a score under all models"),
    ],
)
def test_too_little_to_judge_is_said_in_words(numbers, words):
    """Too few patients, no score and no interval are told apart."""
    assert why_not_testable(*numbers, 6) == words
