"""The rules for claims on numbers whose answers are known."""

import math

import numpy as np
import pytest

from labeldropout.analysis.claims.rules import (
    SHOWN_KINDS,
    Kind,
    Outcome,
    Verdict,
    confidence_of,
    is_met,
    largest_difference,
    relative_gain,
    values_of,
    verdict,
    why_not_testable,
)
from labeldropout.analysis.statistics import resample_patients

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
    assert is_met(Kind(kind), **{**NUMBERS, **changes}) is holds


@pytest.mark.parametrize("kind", SHOWN_KINDS)
def test_what_is_only_shown_is_never_judged(kind):
    """To ask whether a number that is only shown holds is a mistake."""
    with pytest.raises(ValueError, match="shown"):
        is_met(kind, **NUMBERS)


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
    assert why_not_testable(Kind(kind), *numbers, 6) == words


def test_values_per_image_worked_by_hand():
    """Differences, the scores themselves, and least-squares slopes of the pairs' differences."""
    sides = np.array([[0.9, 0.8], [0.7, 0.9]])
    np.testing.assert_allclose(values_of(Kind.SUPERIOR, sides), [0.2, -0.1])
    np.testing.assert_allclose(values_of(Kind.BELOW, sides[:1]), [0.9, 0.8])
    # Differences 0, 0.1, 0.2 of the first image, 0, 0.3, 0 of the second.
    pairs = np.array([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9], [0.8, 0.6], [0.9, 0.9], [0.7, 0.9]])
    slopes = values_of(Kind.TREND, pairs)
    np.testing.assert_allclose(slopes, [0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(slopes, np.polyfit([0, 1, 2], pairs[0::2] - pairs[1::2], 1)[0], atol=1e-12)
    with pytest.raises(ValueError, match="agree"):
        values_of(Kind.AGREE, sides)


def test_only_one_sided_bounds_have_90_percent_intervals():
    """Inclusion of a 90 % interval is the test at 5 % of equivalence and of not being worse; the others have 95 %."""
    assert {kind for kind in Kind if confidence_of(kind) == 0.90} == {Kind.EQUIVALENT, Kind.NOT_WORSE}


def test_largest_difference_of_means_is_that_of_the_outermost_sides():
    """Means of 0.8, 0.7 and 0.9 differ by 0.2, which the interval covers, and equal sides differ by nothing."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(20), 2)
    noise = rng.normal(0, 0.02, (3, 40))
    sides = np.array([[0.8], [0.7], [0.9]]) + noise - noise.mean(axis=1, keepdims=True)
    counts = resample_patients(20, 4000, np.random.default_rng(1))
    effect, (narrow, wide) = largest_difference(sides, patients, counts, [0.90, 0.95])
    assert effect == pytest.approx(0.2)
    assert wide.low < narrow.low < 0.2 < narrow.high < wide.high
    assert wide.high < 0.22
    effect, (found,) = largest_difference(np.array([sides[0]] * 3), patients, counts, [0.95])
    assert (effect, found.low, found.high, found.kind) == (0.0, 0.0, 0.0, "percentile")


def test_interval_of_the_largest_difference_is_that_of_a_paired_difference_for_two_sides():
    """With two sides far apart the largest difference is their difference: same resampling, same percentiles."""
    from labeldropout.analysis.statistics import bootstrap_mean

    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(15), 4)
    low, high = rng.normal(0.5, 0.05, 60), rng.normal(0.9, 0.05, 60)
    counts = resample_patients(15, 2000, np.random.default_rng(1))
    _, (found,) = largest_difference(np.array([low, high]), patients, counts, [0.95])
    expected = bootstrap_mean(high - low, patients, counts, 0.95, "percentile")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_relative_gain_is_that_of_the_means():
    """From 0.4 to 0.6 are 50 %; from nothing there is no gain to speak of, and one patient gives no interval."""
    patients = np.arange(8)
    spread = np.linspace(-0.1, 0.1, 8)
    sides = np.array([0.6 + spread, 0.4 + spread])
    counts = resample_patients(8, 1000, np.random.default_rng(1))
    effect, (found,) = relative_gain(sides, patients, counts, [0.95])
    assert effect == pytest.approx(0.5)
    assert found.low < 0.5 < found.high
    effect, (found,) = relative_gain(np.array([sides[0], np.zeros(8)]), patients, counts, [0.95])
    assert math.isnan(effect)
    assert found.kind == "none"
    alone = resample_patients(1, 10, np.random.default_rng(1))
    effect, (found,) = relative_gain(sides[:, :1], patients[:1], alone, [0.95])
    assert effect == pytest.approx(2 / 3)
    assert found.kind == "none"


def test_no_image_gives_no_number():
    """Without an image there is neither effect nor interval, and no error."""
    none = np.zeros((2, 0))
    for measure in (largest_difference, relative_gain):
        effect, (found,) = measure(none, np.zeros(0, dtype=object), np.zeros((1, 0), np.int32), [0.95])
        assert math.isnan(effect)
        assert found.kind == "none"
