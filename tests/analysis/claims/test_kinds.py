"""The kinds of comparison: each entry is whole, and what it estimates is right on numbers whose answers are known."""

import math

import numpy as np
import pytest

from labeldropout.analysis.claims.judge import CLAIMS
from labeldropout.analysis.claims.kinds import KINDS, Bound, Form, joined, largest_difference, relative_gain
from labeldropout.analysis.statistics import bootstrap_mean, resample_patients

SIDES = {Form.PAIR: ["a", "b"], Form.ONE: ["a"], Form.EACH: ["a", "b", "c"], Form.PAIRS: ["a", "b", "c", "d"]}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_whole(name):
    """A kind stands under its name, estimates one thing, and has what judges it: a p, a bound, or nothing."""
    kind = KINDS[name]
    assert kind.name == name
    assert (kind.per_image is None) != (kind.of_means is None)
    assert not kind.has_test or kind.per_image
    assert not kind.is_decided_by_p or (kind.has_test and kind.bound is Bound.NONE)
    if kind.is_shown:
        assert kind.bound is Bound.NONE
    else:
        assert kind.is_decided_by_p != (kind.bound is not Bound.NONE)
        low, high = kind.region(0.02)
        assert low < high
        assert kind.axis


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("superior", "a above b"),
        ("equivalent", "a within 0.02 of b"),
        ("not_worse", "a less than 0.02 below b"),
        ("below", "a below 0.02"),
        ("agree", "a, b and c within 0.02 of each other"),
        ("trend", "growing from a above b to c above d (2 pairs)"),
        ("mean", "mean of a"),
        ("gain", "relative gain of a over b"),
    ],
)
def test_every_kind_is_told_in_words(name, words):
    """What a comparison claims, without the cell that it is tested in."""
    assert KINDS[name].words(SIDES[KINDS[name].form], 0.02) == words


def test_many_models_are_not_all_named():
    """Of more than four models the first and the last are named."""
    assert joined(["a", "b"]) == "a and b"
    assert joined(list("abcde")) == "a … e (5 models)"


def test_columns_of_the_table_name_every_kind():
    """The explanations of the columns follow from the kinds."""
    assert all(name in CLAIMS["kind"] and name in CLAIMS["effect"] for name in KINDS)
    assert CLAIMS["kind"].endswith("mean and gain are shown, not judged")
    assert CLAIMS["effect"].startswith(
        "difference of mean Dice (superior, equivalent, not_worse), mean Dice (below, mean)"
    )


def test_values_per_image_worked_by_hand():
    """Differences, the scores themselves, and least-squares slopes of the pairs' differences."""
    sides = np.array([[0.9, 0.8], [0.7, 0.9]])
    np.testing.assert_allclose(KINDS["superior"].per_image(sides), [0.2, -0.1])
    np.testing.assert_allclose(KINDS["below"].per_image(sides[:1]), [0.9, 0.8])
    # Differences 0, 0.1, 0.2 of the first image, 0, 0.3, 0 of the second.
    pairs = np.array([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9], [0.8, 0.6], [0.9, 0.9], [0.7, 0.9]])
    slopes = KINDS["trend"].per_image(pairs)
    np.testing.assert_allclose(slopes, [0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(slopes, np.polyfit([0, 1, 2], pairs[0::2] - pairs[1::2], 1)[0], atol=1e-12)


def test_only_one_sided_bounds_have_90_percent_intervals():
    """Inclusion of a 90 % interval is the test at 5 % of equivalence and of not being worse; the others have 95 %."""
    assert {name for name, kind in KINDS.items() if kind.confidence == 0.90} == {"equivalent", "not_worse"}
    assert {kind.confidence for kind in KINDS.values()} == {0.90, 0.95}


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
