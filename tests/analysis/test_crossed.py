"""Intervals over patients and seeds: right on numbers whose answers are known, and as often as they say."""

import math

import numpy as np
import pytest
import scipy

from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.crossed import crossed_interval, crossed_p, draw_means
from labeldropout.analysis.statistics import bootstrap_mean, resample_patients

DRAWS = 2000
PATIENTS = np.array([f"p{place:02d}" for place in range(40)])
MEAN, DIFFERENCE, LARGEST = (KINDS[name].estimate for name in ("below", "superior", "agree"))


def drawn(models, sides=None, patients=PATIENTS, draws=DRAWS):
    """Resampled means of these models, each a side of its own unless said otherwise."""
    counts = resample_patients(len(set(patients)), draws, np.random.default_rng(0))
    return draw_means(models, sides or [[name] for name in models], patients, counts, np.random.default_rng(1))


def noise(*shape, seed=0, sd=0.05):
    """Scores that differ by chance."""
    return np.random.default_rng(seed).normal(0, sd, shape)


def test_one_seed_leaves_the_bootstrap_over_patients():
    """Without other seeds the draws are those of the patients, as in the other tables."""
    values = 0.8 + noise(2, 40)
    found = drawn({"a": values[:1], "b": values[1:]})
    counts = resample_patients(40, DRAWS, np.random.default_rng(0))
    narrow = bootstrap_mean(values[0] - values[1], PATIENTS, counts, 0.95, "percentile")
    interval = crossed_interval(found, DIFFERENCE, 0.95)
    assert interval.kind == "percentile"
    # Percentiles of t with 39 degrees of freedom in place of the normal distribution: about 3 % wider.
    assert 1.0 < (interval.high - interval.low) / (narrow.high - narrow.low) < 1.08


def test_seeds_alone_have_the_variance_of_their_mean():
    """Equal patients, seeds that differ: the spread over draws is s / sqrt(n), not too small by (n - 1) / n."""
    levels = np.array([0.7, 0.8, 0.95])
    found = drawn({"a": np.repeat(levels[:, None], 40, axis=1)}, draws=20000)
    assert found.together[0].std() == pytest.approx(levels.std(ddof=1) / math.sqrt(3), rel=0.02)


def test_seeds_of_two_models_are_no_pairs():
    """The same seeds under two models differ alike, and their difference still varies as that of strangers."""
    levels = np.repeat(np.array([0.6, 0.7, 0.8, 0.9])[:, None], 40, axis=1)
    found = drawn({"a": levels, "b": levels - 0.1}, draws=20000)
    assert (found.together[0] - found.together[1]).std() == pytest.approx(
        math.sqrt(2 / 4) * levels[:, 0].std(ddof=1), rel=0.02
    )


def test_patients_are_pairs():
    """What is hard for all models is no uncertainty of their difference."""
    patients = 0.8 + noise(1, 40, sd=0.2)
    found = drawn({"a": np.repeat(patients, 3, axis=0), "b": np.repeat(patients, 3, axis=0) - 0.1})
    interval = crossed_interval(found, DIFFERENCE, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1))


def test_images_stay_with_their_patient():
    """Four equal images of each patient say no more than one."""
    values = noise(2, 40)
    once = crossed_interval(drawn({"a": values[:1], "b": values[1:]}), DIFFERENCE, 0.95)
    copied = np.repeat(values, 4, axis=1)
    often = crossed_interval(
        drawn({"a": copied[:1], "b": copied[1:]}, patients=np.repeat(PATIENTS, 4)), DIFFERENCE, 0.95
    )
    assert (once.low, once.high) == pytest.approx((often.low, often.high))


def test_models_of_a_side_are_averaged():
    """The mean of a side is that of its models, each with its own seeds."""
    found = drawn(
        {"a": np.full((1, 40), 0.9), "b": np.full((1, 40), 0.4), "c": np.full((3, 40), 0.6)}, [["a"], ["b", "c"]]
    )
    np.testing.assert_allclose(found.means, [0.9, 0.5])
    np.testing.assert_allclose(found.together, [[0.9] * DRAWS, [0.5] * DRAWS])


def test_largest_difference_of_equal_models_is_not_read_from_chance():
    """Nine models that differ by their seeds alone: the largest difference is large, and its interval begins at 0."""
    models = {str(place): 0.8 + noise(3, 1, seed=place, sd=0.05) + noise(1, 40, seed=99) for place in range(9)}
    found = drawn(models)
    interval = crossed_interval(found, LARGEST, 0.95, is_largest=True)
    assert LARGEST(found.means[:, None])[0] > 0.05
    assert interval.kind == "simultaneous"
    assert interval.low == 0.0
    assert interval.high > 0.1


def test_largest_difference_of_models_far_apart_is_covered():
    """Means of 0.8, 0.7 and 0.9 with little noise differ by 0.2, and by nothing like 0.1 or 0.3."""
    models = {
        name: mean + noise(3, 40, seed=place, sd=0.02)
        for place, (name, mean) in enumerate({"a": 0.8, "b": 0.7, "c": 0.9}.items())
    }
    interval = crossed_interval(drawn(models), LARGEST, 0.95, is_largest=True)
    assert 0.17 < interval.low < 0.2 < interval.high < 0.23


def test_undefined_effects_and_one_patient_have_no_interval():
    """From a mean of 0 there is no relative gain, and one patient says nothing of others."""
    gain = KINDS["gain"].estimate
    assert crossed_interval(drawn({"a": np.ones((3, 40)), "b": np.zeros((3, 40))}), gain, 0.95).kind == "none"
    alone = drawn({"a": np.ones((3, 4)), "b": np.ones((3, 4))}, patients=np.array(["p"] * 4))
    assert crossed_interval(alone, DIFFERENCE, 0.95).kind == "none"


def test_p_and_interval_say_the_same():
    """Where the 95 % interval just excludes 0, p is just below 0.05; equal scores have p 1, one patient none."""
    scores = {"a": 0.8 + noise(3, 40, seed=1), "b": 0.8 + noise(3, 40, seed=2)}
    interval = crossed_interval(drawn(scores), DIFFERENCE, 0.95)
    shifted = {"a": scores["a"] - interval.low, "b": scores["b"]}
    assert crossed_p(drawn(shifted), DIFFERENCE) == pytest.approx(0.05, abs=0.015)
    same = np.full((3, 40), 0.8)
    assert crossed_p(drawn({"a": same, "b": same}), DIFFERENCE) == 1
    alone = drawn({"a": np.ones((3, 4)), "b": np.ones((3, 4))}, patients=np.array(["p"] * 4))
    assert math.isnan(crossed_p(alone, DIFFERENCE))


def test_counts_for_other_patients_are_refused():
    """Draws of other patients are a mistake of the caller."""
    counts = resample_patients(3, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="counts for 3 patients"):
        draw_means({"a": np.ones((1, 40))}, [["a"]], PATIENTS, counts, np.random.default_rng(0))


@pytest.mark.parametrize("n_seeds", [3, 6])
@pytest.mark.parametrize(
    "spread_of_other", [None, 0.0, 0.1], ids=["mean of one model", "against a steady one", "alike"]
)
def test_interval_covers_as_often_as_it_says(n_seeds, spread_of_other):
    """New seeds and new patients 150 times, seeds differing more than patients: at least 95 % of intervals cover 0."""
    rng = np.random.default_rng(5)
    spreads = {"a": 0.1} if spread_of_other is None else {"a": 0.1, "b": spread_of_other}
    covered = 0
    for _ in range(150):
        patients = rng.normal(0, 0.05, 40)
        models = {
            name: patients + rng.normal(0, spread, (n_seeds, 1)) + rng.normal(0, 0.05, (n_seeds, 40))
            for name, spread in spreads.items()
        }
        found = crossed_interval(drawn(models, draws=1000), MEAN if len(models) == 1 else DIFFERENCE, 0.95)
        covered += found.low < 0 < found.high
    assert scipy.stats.binomtest(covered, 150, 0.95, alternative="less").pvalue > 0.01
