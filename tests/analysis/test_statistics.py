"""The statistics against SciPy, statsmodels and cases worked by hand."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from scipy import stats

from labeldropout.analysis.statistics import (
    Interval,
    bootstrap_mean,
    detectable_difference,
    group_means,
    group_sums,
    holm,
    is_equivalent,
    paired_wilcoxon,
    resample_patients,
    standard_deviation,
    summarise,
)

NAN = math.nan


def counts(n: int, draws: int = 10_000, seed: int = 0) -> np.ndarray:
    """Resampling counts with a seed."""
    return resample_patients(n, draws, np.random.default_rng(seed))


def names(*numbers: int) -> np.ndarray:
    """Patients p0, p1, ... in this order."""
    return np.array([f"p{number}" for number in numbers])


def test_a_summary_counts_what_it_leaves_out():
    """Mean, SD, quartiles and counts of five scores with one undefined, worked by hand."""
    found = summarise(np.array([0.9, NAN, 0.4, 0.8, 0.0]))
    assert (found.n, found.n_missing, found.n_failures) == (4, 1, 2)
    assert found.mean == pytest.approx(0.525)
    assert found.median == pytest.approx(0.6)
    assert found.q1 == pytest.approx(0.3)
    assert found.q3 == pytest.approx(0.825)
    assert found.sd == pytest.approx(np.std([0.9, 0.4, 0.8, 0.0], ddof=1))


@pytest.mark.parametrize(("n", "share"), [(1, 1), (19, 1), (20, 1), (21, 2), (60, 3), (61, 4), (1000, 50)])
def test_the_worst_five_percent_are_rounded_up(n, share):
    """The mean of the lowest ceil(n / 20) of 0.01, 0.02 ..., in any order and with a NaN, is (share + 1) / 2 steps."""
    values = np.random.default_rng(n).permutation(np.arange(1, n + 1)) / 100
    assert summarise(np.append(values, NAN)).worst == pytest.approx((share + 1) / 200)


@pytest.mark.parametrize("seed", range(8))
def test_whiskers_are_those_of_a_box_plot(seed):
    """Quartiles and whiskers are what Matplotlib draws."""
    from matplotlib.cbook import boxplot_stats

    values = np.random.default_rng(seed).beta(6, 1, 3 + 4 * seed)
    expected = boxplot_stats(values)[0]
    found = summarise(values)
    assert found.whisker_low == pytest.approx(expected["whislo"])
    assert found.whisker_high == pytest.approx(expected["whishi"])
    assert found.q1 == pytest.approx(expected["q1"])
    assert found.median == pytest.approx(expected["med"])


def test_nothing_and_one_value_have_no_spread():
    """Without values all is NaN; with one the mean is known and the SD is not."""
    nothing = summarise(np.array([NAN, NAN]))
    assert (nothing.n, nothing.n_missing) == (0, 2)
    assert math.isnan(nothing.mean)
    one = summarise(np.array([0.7]))
    assert one.mean == 0.7
    assert one.whisker_low == one.whisker_high == 0.7
    assert math.isnan(one.sd)
    assert math.isnan(standard_deviation(np.array([0.5, NAN])))


def test_group_means_leave_out_nan_and_do_not_depend_on_order():
    """Means per patient; a patient without any score has none; any order of rows gives the same."""
    values = np.array([0.2, 0.4, NAN, 0.9, NAN])
    groups = names(1, 1, 1, 0, 2)
    assert group_means(values, groups) == pytest.approx([0.9, 0.3])
    assert group_sums(values, groups)[1].tolist() == [1, 2]
    order = np.array([3, 4, 1, 0, 2])
    assert group_means(values[order], groups[order]) == pytest.approx([0.9, 0.3])


def test_every_resample_has_as_many_patients():
    """Each draw counts n patients, the same seed draws the same, and each patient comes as often on average."""
    drawn = counts(7)
    assert drawn.shape == (10_000, 7)
    assert (drawn.sum(1) == 7).all()
    assert (drawn == counts(7)).all()
    assert (drawn != counts(7, seed=1)).any()
    assert drawn.mean(0) == pytest.approx(np.ones(7), abs=0.05)


@pytest.mark.parametrize("kind", ["BCa", "percentile"])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_intervals_of_single_images_are_those_of_scipy(kind, confidence):
    """With one image per patient the interval is SciPy's, up to the randomness of both."""
    values = np.random.default_rng(5).exponential(0.1, 25)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method=kind, confidence_level=confidence, rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap_mean(values, names(*range(25)), counts(25, 40_000), confidence, kind)
    assert found.kind == kind
    assert found.low == pytest.approx(expected.low, abs=8e-4)
    assert found.high == pytest.approx(expected.high, abs=1.5e-3)


@pytest.mark.parametrize("kind", ["BCa", "percentile"])
@pytest.mark.parametrize("n", [5, 9, 30])
def test_intervals_of_the_same_resamples_are_exactly_those_of_scipy(n, kind):
    """Given the same resampled means, also of few and skewed values, the interval is SciPy's to the last digits."""
    values = np.random.default_rng(n).exponential(0.1, n) ** 3
    drawn = counts(n)

    def rounded_mean(sample, axis=-1):
        return np.round(sample.mean(axis), 12)  # so that the original sample, drawn again, is a tie

    start = stats.bootstrap((values,), rounded_mean, n_resamples=2, method="percentile")
    same = dataclasses.replace(start, bootstrap_distribution=np.round(drawn @ values / n, 12))
    expected = stats.bootstrap((values,), rounded_mean, n_resamples=0, method=kind, bootstrap_result=same)
    found = bootstrap_mean(values, names(*range(n)) if n < 10 else np.arange(100, 100 + n), drawn, kind=kind)
    assert found.low == pytest.approx(expected.confidence_interval.low, rel=1e-6)
    assert found.high == pytest.approx(expected.confidence_interval.high, rel=1e-6)


def test_bca_leans_towards_the_long_tail():
    """With skewed values BCa lies higher than the percentile interval, as its correction says."""
    values = np.random.default_rng(5).exponential(0.1, 25)
    patients = names(*range(25))
    bca = bootstrap_mean(values, patients, counts(25))
    percentile = bootstrap_mean(values, patients, counts(25), kind="percentile")
    assert bca.low > percentile.low
    assert bca.high > percentile.high


def test_percentile_interval_of_two_patients_worked_by_hand():
    """Two patients, 3 images at 0 and 1 image at 1: the resampled means are 0, 1/4 and 1 in the shares 1, 2, 1."""
    values, patients = np.array([0.0, 0.0, 0.0, 1.0]), names(0, 0, 0, 1)
    found = bootstrap_mean(values, patients, counts(2), 0.95, "percentile")
    assert (found.low, found.high) == (0.0, 1.0)
    found = bootstrap_mean(values, patients, counts(2), 0.4, "percentile")
    assert (found.low, found.high) == (0.25, 0.25)


def test_copies_of_an_image_do_not_narrow_the_interval():
    """Eight images of each patient that say the same are no more evidence than one."""
    values = np.random.default_rng(2).normal(0.8, 0.1, 12)
    once = bootstrap_mean(values, names(*range(12)), counts(12))
    often = bootstrap_mean(np.repeat(values, 8), np.repeat(names(*range(12)), 8), counts(12))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    alone = bootstrap_mean(np.repeat(values, 8), names(*range(96)), counts(96))
    assert alone.high - alone.low < 0.6 * (once.high - once.low)


def test_degenerate_intervals_say_what_they_are():
    """All values equal: the point itself, as a percentile interval; one patient or none: no interval."""
    equal = bootstrap_mean(np.full(6, 0.5), names(0, 0, 1, 1, 2, 2), counts(3))
    assert equal == Interval(0.5, 0.5, "percentile")
    for values, groups in ((np.array([0.5, 0.6]), names(0, 0)), (np.array([NAN, NAN]), names(0, 1))):
        found = bootstrap_mean(values, groups, counts(2))
        assert found.kind == "none"
        assert math.isnan(found.low)


def test_counts_for_other_patients_are_refused():
    """Counts drawn for another number of patients end with both numbers."""
    with pytest.raises(ValueError, match=r"5 patients \(expected 2\)"):
        bootstrap_mean(np.array([0.1, 0.2]), names(0, 1), counts(5))


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Over 300 samples of 20 patients with 4 correlated images, 95 % intervals hold the mean in 88 to 98 % of them."""
    rng = np.random.default_rng(11)
    drawn = counts(20, 2_000)
    patients = np.repeat(names(*range(20)), 4)
    hits = 0
    for _ in range(300):
        values = np.repeat(rng.normal(0, 1, 20), 4) + rng.normal(0, 0.5, 80)
        found = bootstrap_mean(values, patients, drawn)
        hits += found.low <= 0 <= found.high
    assert 0.88 <= hits / 300 <= 0.98


def test_wilcoxon_of_six_untied_pairs_worked_by_hand():
    """All six differences positive: p = 2 / 2^6; one small negative: p = 4 / 2^6, and the correlation 19 / 21."""
    a = np.zeros(6)
    found = paired_wilcoxon(a, np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert found.p == pytest.approx(2 / 64)
    assert found.rank_biserial == 1
    assert found.method == "exact; zeros dropped"
    found = paired_wilcoxon(a, np.array([-0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert found.p == pytest.approx(4 / 64)
    assert found.statistic == 1
    assert found.rank_biserial == pytest.approx(19 / 21)


def test_wilcoxon_with_ties_counts_all_signs():
    """With ties and few pairs p is the share of the 2^n signs that are at least as extreme."""
    differences = np.array([0.1, 0.1, -0.1, 0.2, 0.2, 0.3, 0.4])
    ranks = stats.rankdata(np.abs(differences))
    middle = ranks.sum() / 2
    extreme = abs(ranks[differences > 0].sum() - middle)
    signs = np.array(list(itertools.product([0, 1], repeat=7)))
    share = (np.abs(signs @ ranks - middle) >= extreme - 1e-9).mean()
    found = paired_wilcoxon(np.zeros(7), differences)
    assert found.p == pytest.approx(share)
    assert found.method == "exact, signs enumerated; zeros dropped"


def test_wilcoxon_leaves_out_nan_and_zeros_and_counts_them():
    """Pairs with a NaN are left out, equal ones are counted and dropped; the rest is SciPy's own answer."""
    a = np.array([0.5, NAN, 0.5, 0.5, 0.5, 0.5, 0.5])
    b = np.array([0.6, 0.7, NAN, 0.5, 0.5 + 1e-12, 0.72, 0.83])
    found = paired_wilcoxon(a, b)
    assert (found.n, found.n_left_out, found.n_zero) == (5, 2, 2)
    assert found.p == pytest.approx(stats.wilcoxon([0.1, 0.22, 0.33]).pvalue)


@pytest.mark.parametrize("n", [30, 45, 60, 200])
@pytest.mark.parametrize("decimals", [2, 9])
def test_wilcoxon_is_scipys(n, decimals):
    """For many pairs, tied or not, statistic and p are SciPy's with the method that the result states."""
    rng = np.random.default_rng(n)
    a = np.round(rng.random(n), decimals)
    b = np.round(np.clip(a + rng.normal(0.02, 0.1, n), 0, 1), decimals)
    found = paired_wilcoxon(a, b)
    differences = np.round(b - a, 9)
    method = "exact" if found.method.startswith("exact") else "asymptotic"
    expected = stats.wilcoxon(differences[differences != 0], method=method)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.statistic == pytest.approx(expected.statistic)
    assert (method == "exact") == (n <= 50 and decimals == 9)


def test_wilcoxon_without_differences_shows_nothing():
    """Equal scores give p = 1 and correlation 0; no pairs give NaN; neither raises or warns."""
    same = paired_wilcoxon(np.full(5, 0.8), np.full(5, 0.8))
    assert (same.p, same.rank_biserial, same.n_zero) == (1.0, 0.0, 5)
    none = paired_wilcoxon(np.array([NAN, 0.4]), np.array([0.3, NAN]))
    assert (none.n, none.n_left_out) == (0, 2)
    assert math.isnan(none.p)
    assert paired_wilcoxon(np.array([0.1]), np.array([0.3])).p == 1.0
    with pytest.raises((ValueError, TypeCheckError)):
        paired_wilcoxon(np.array([0.1, 0.2]), np.array([0.3]))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 30))
def test_wilcoxon_obeys_exchange_and_order(seed, n):
    """Exchanging the models turns the sign of the effect alone; the order of the pairs does not matter."""
    rng = np.random.default_rng(seed)
    a, b = rng.random(n).round(1), rng.random(n).round(1)
    found, turned, order = paired_wilcoxon(a, b), paired_wilcoxon(b, a), rng.permutation(n)
    assert turned.p == pytest.approx(found.p)
    assert turned.rank_biserial == pytest.approx(-found.rank_biserial)
    assert paired_wilcoxon(a[order], b[order]) == found


@pytest.mark.parametrize("n", [3, 5, 15, 30, 200, 1000])
def test_the_detectable_difference_is_that_of_statsmodels(n):
    """The paired t test of statsmodels has 80 % power at 5 %, two-sided, for that difference."""
    from statsmodels.stats.power import TTestPower

    found = detectable_difference(0.05, n)
    assert TTestPower().power(found / 0.05, n, 0.05, alternative="two-sided") == pytest.approx(0.8, abs=1e-9)
    expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8, alternative="two-sided")
    assert found == pytest.approx(0.05 * expected, rel=1e-4)  # its search ends early for many pairs


def test_the_detectable_difference_worked_by_hand():
    """For many pairs 2.8 SD / sqrt(n): (1.960 + 0.842) 0.1 / sqrt(400); for 20 it is 5 % more; it grows with the SD."""
    assert detectable_difference(0.1, 400) == pytest.approx(0.01401, rel=3e-3)
    assert detectable_difference(0.1, 20) == pytest.approx(0.0660, abs=1e-4)
    assert detectable_difference(0.2, 20) == pytest.approx(2 * detectable_difference(0.1, 20))


@pytest.mark.parametrize("n", [2, 15])
def test_a_drawn_study_shows_the_detectable_difference_in_four_of_five_draws(n):
    """Of 4000 sets of normal differences with that mean, 80 % have p < 0.05 in SciPy's paired t test."""
    draws = np.random.default_rng(0).normal(detectable_difference(1.0, n), 1.0, (4000, n))
    assert np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("sd", "n"), [(0.1, 1), (0.1, 0), (0.0, 30), (1e-17, 30), (NAN, 30)])
def test_without_spread_or_pairs_no_difference_is_called_detectable(sd, n):
    """One pair, or differences that are all equal, say nothing of other samples."""
    assert math.isnan(detectable_difference(sd, n))


def test_holm_worked_by_hand():
    """0.01, 0.04, 0.03 of a family of three become 0.03, 0.06, 0.06."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_steps_down_and_ignores_nan(p_values):
    """The k-th smallest of n counts n - k + 1 times, none less than those before it, none more than 1; a NaN stays."""
    places = sorted(range(len(p_values)), key=lambda place: p_values[place])
    expected, largest = [NAN] * len(p_values), 0.0
    for step, place in enumerate(places):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - step)))
        expected[place] = largest
    assert holm(p_values) == expected
    with_gap = holm([*p_values[:1], NAN, *p_values[1:]])
    assert math.isnan(with_gap[1])
    assert [with_gap[0], *with_gap[2:]] == pytest.approx(expected)


def test_equivalence_needs_the_whole_interval_within_the_margin():
    """Inside on both sides is equivalent; touching, crossing or undefined is not."""
    assert is_equivalent(Interval(-0.01, 0.019, "BCa"), 0.02)
    assert not is_equivalent(Interval(-0.01, 0.02, "BCa"), 0.02)
    assert not is_equivalent(Interval(-0.03, 0.01, "BCa"), 0.02)
    assert not is_equivalent(Interval(NAN, NAN, "none"), 0.02)
    with pytest.raises(ValueError, match="margin"):
        is_equivalent(Interval(0.0, 0.0, "BCa"), 0.0)


def test_interval_inclusion_agrees_with_two_one_sided_tests():
    """On normal differences of single patients the verdict is that of a paired TOST at 5 %."""
    from statsmodels.stats.weightstats import DescrStatsW

    rng = np.random.default_rng(3)
    for centre in (0.0, 0.012, 0.04):
        values = rng.normal(centre, 0.03, 60)
        interval = bootstrap_mean(values, names(*range(60)), counts(60), 0.90)
        p = DescrStatsW(values).ttost_mean(-0.02, 0.02)[0]
        assert is_equivalent(interval, 0.02) == (p < 0.05)


THREE = np.array([0.5, 0.6, 0.7])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summarise(np.array([0.5, math.inf])), "values: expected finite numbers, or NaN .*found 1 infinite"),
        (lambda: standard_deviation(np.array([0.5, -math.inf])), "found 1 infinite"),
        (lambda: summarise(np.zeros((2, 2))), r"values: expected one number per image, found float64 \(2, 2\)"),
        (lambda: summarise(np.array([True, False])), "expected one number per image, found bool"),
        (lambda: group_means(THREE, names(0, 1)), r"groups: expected a patient for each of 3 values, found \(2,\)"),
        (lambda: group_means(THREE, np.array(["a", NAN, "b"], object)), "groups: expected the name .*found nan"),
        (lambda: group_means(THREE, np.array(["a", None, "b"], object)), "found None"),
        (lambda: group_means(THREE, np.array(["a", "", "b"])), "groups: expected the name or number of a patient"),
        (lambda: group_sums(THREE, np.array([1.0, NAN, 2.0])), "groups: .*nan"),
        (lambda: group_sums(np.array([0.5, math.inf]), names(0, 1)), "1 infinite"),
        (lambda: bootstrap_mean(THREE, np.array([1.0, NAN, 2.0]), counts(3, 10)), "groups: .*nan"),
        (lambda: bootstrap_mean(THREE, names(0, 1, 2), counts(3, 10), 95.0), "confidence 95.0"),
        (lambda: bootstrap_mean(THREE, names(0, 1, 2), counts(3, 10), kind="bca"), "kind: .*found 'bca'"),
        (lambda: bootstrap_mean(THREE, names(0, 1, 2), np.ones((10, 3))), "counts: .*found float64"),
        (lambda: bootstrap_mean(THREE, names(0, 1, 2), -counts(3, 10)), "counts: expected those of resample_patients"),
        (lambda: bootstrap_mean(THREE, names(0, 1, 2), 0 * counts(3, 10)), "counts: expected those"),
        (lambda: paired_wilcoxon(THREE, np.array([0.5, 0.6, math.inf])), "b: expected finite numbers"),
        (lambda: paired_wilcoxon(THREE[:, None], THREE[:, None]), "a: expected one number per image"),
        (lambda: resample_patients(0, 10, np.random.default_rng(0)), "resampling 0 patients"),
        (lambda: detectable_difference(-0.1, 10), "sd -0.1"),
        (lambda: detectable_difference(math.inf, 10), "sd inf"),
        (lambda: holm([0.5, 5.0]), "p values: expected 0 to 1, .*found 5"),
        (lambda: is_equivalent(Interval(0, 0, "BCa"), math.inf), "margin inf"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_statistics_refuse_what_they_cannot_mean(call, message):
    """Infinities, matrices, values without a patient and impossible p values end with what was found and expected."""
    with pytest.raises(ValueError, match=message):
        call()


def test_patients_may_have_numbers_or_names():
    """Patients as integers, whole floats, text or text in an array of objects give the same groups."""
    for groups in (np.array([1, 1, 2]), np.array([1.0, 1.0, 2.0]), names(1, 1, 2), names(1, 1, 2).astype(object)):
        assert group_means(THREE, groups).tolist() == pytest.approx([0.55, 0.7])
