"""The kinds of comparison: each entry is whole, and what it estimates is right on numbers whose answers are known."""

import math

import numpy as np
import pytest

from labeldropout.analysis.claims.judge import CLAIMS
from labeldropout.analysis.claims.kinds import KINDS, Bound, Form, joined

SIDES = {Form.PAIR: ["a", "b"], Form.ONE: ["a"], Form.EACH: ["a", "b", "c"], Form.PAIRS: ["a", "b", "c", "d"]}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_whole(name):
    """A kind stands under its name and has rules for both outcomes, or for none if it is only shown."""
    kind = KINDS[name]
    assert kind.name == name
    assert not kind.is_decided_by_p or kind.has_test
    assert (kind.holds is None) == (kind.is_contradicted is None) == kind.is_shown
    if kind.is_shown:
        assert kind.bound is Bound.NONE
    else:
        assert kind.is_decided_by_p or kind.bound is not Bound.NONE
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


def test_effects_worked_by_hand():
    """Differences, the scores themselves, and least-squares slopes of the pairs' differences."""
    sides = np.array([[0.9, 0.8], [0.7, 0.9]])
    np.testing.assert_allclose(KINDS["superior"].estimate(sides), [0.2, -0.1])
    np.testing.assert_allclose(KINDS["below"].estimate(sides[:1]), [0.9, 0.8])
    # Differences 0, 0.1, 0.2 of the first image, 0, 0.3, 0 of the second.
    pairs = np.array([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9], [0.8, 0.6], [0.9, 0.9], [0.7, 0.9]])
    slopes = KINDS["trend"].estimate(pairs)
    np.testing.assert_allclose(slopes, [0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(slopes, np.polyfit([0, 1, 2], pairs[0::2] - pairs[1::2], 1)[0], atol=1e-12)


def test_only_one_sided_bounds_have_90_percent_intervals():
    """Inclusion of a 90 % interval is the test at 5 % of equivalence and of not being worse; the others have 95 %."""
    assert {name for name, kind in KINDS.items() if kind.confidence == 0.90} == {"equivalent", "not_worse"}
    assert {kind.confidence for kind in KINDS.values()} == {0.90, 0.95}


def test_largest_difference_and_relative_gain_worked_by_hand():
    """Sides of 0.8, 0.7 and 0.9 differ by 0.2; from 0.4 to 0.6 are 50 %; from nothing there is no gain to speak of."""
    sides = np.array([[0.8, 0.5], [0.7, 0.5], [0.9, 0.5]])
    np.testing.assert_allclose(KINDS["agree"].estimate(sides), [0.2, 0.0], atol=1e-12)
    gains = KINDS["gain"].estimate(np.array([[0.6, 0.6], [0.4, 0.0]]))
    assert gains[0] == pytest.approx(0.5)
    assert math.isnan(gains[1])
