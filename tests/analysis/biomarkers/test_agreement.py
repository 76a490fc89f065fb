"""Agreement of measurements against the published example, SciPy, statsmodels and numbers worked by hand."""

import math

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from labeldropout.analysis.biomarkers.agreement import agree, over_seeds


def scaled(n, mean, sd, seed=0):
    """Numbers with exactly this mean and standard deviation."""
    values = np.random.default_rng(seed).standard_normal(n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def test_bland_and_altman_s_own_example():
    """Their 85 blood pressures (1999, section 2): bias -16.29, limits -54.7 and 22.1, each with its interval."""
    differences = scaled(85, -16.29, 19.61)
    found = agree(130 + differences, np.full(85, 130.0))
    assert found.limits == pytest.approx((-54.7, 22.1), abs=0.05)
    assert found.bias_interval == pytest.approx((-20.5, -12.1), abs=0.05)
    assert found.limit_intervals[0] == pytest.approx((-61.9, -47.5), abs=0.1)
    assert found.limit_intervals[1] == pytest.approx((14.9, 29.3), abs=0.15)


def test_four_patients_by_hand():
    """Differences 1, -1, 3, 1: bias 1, variance 8/3, mean absolute difference 1.5."""
    true = np.array([10.0, 20.0, 30.0, 40.0])
    found = agree(true + np.array([1.0, -1, 3, 1]), true)
    assert (found.n, found.mean, found.bias, found.mae) == (4, 25, 1, 1.5)
    assert found.sd == pytest.approx(math.sqrt(8 / 3))
    assert found.bias_interval == pytest.approx((1 - 3.18245 * 0.81650, 1 + 3.18245 * 0.81650), abs=1e-4)


def test_intervals_are_those_of_scipy_and_statsmodels():
    """Bias and mean absolute difference by Student's t, the correlation by Fisher's z."""
    rng = np.random.default_rng(3)
    true = rng.normal(60, 10, 23)
    measured = true + rng.normal(2, 6, 23)
    found = agree(measured, true)
    differences = measured - true
    assert found.bias_interval == pytest.approx(tuple(stats.ttest_1samp(differences, 0).confidence_interval()))
    assert found.mae_interval == pytest.approx(DescrStatsW(np.abs(differences)).tconfint_mean())
    reference = stats.pearsonr(measured, true)
    assert found.correlation == pytest.approx(reference.statistic)
    assert found.correlation_interval == pytest.approx(tuple(reference.confidence_interval()))


def test_patients_without_a_number_are_left_out_and_few_give_no_spread():
    """NaN on either side does not count; one patient has a bias and nothing else; none has nothing."""
    found = agree(np.array([1.0, math.nan, 3.0]), np.array([0.0, 1.0, math.nan]))
    assert (found.n, found.bias) == (1, 1)
    assert math.isnan(found.sd)
    assert all(math.isnan(end) for end in (*found.limits, *found.bias_interval, *found.correlation_interval))
    nobody = agree(np.array([math.nan]), np.array([1.0]))
    assert nobody.n == 0
    assert math.isnan(nobody.bias)
    with pytest.raises((ValueError, TypeCheckError)):
        agree(np.zeros(2), np.zeros(3))


def test_constant_numbers_have_no_correlation():
    """A model that gives everybody the same number is not correlated with anything."""
    assert math.isnan(agree(np.full(5, 50.0), np.arange(5.0)).correlation)


def test_seeds_are_averaged_after_they_were_compared():
    """Two trainings that err in opposite directions do not become one that is right; patients are not doubled."""
    true = np.arange(40.0, 60.0)
    found = over_seeds([agree(true + 5, true), agree(true - 5, true)])
    assert (found.n, found.bias, found.mae) == (20, 0, 5)
    # Every difference is 5 or -5, so the limits of any one training are not those of their mean.
    assert (found.sd, found.bias_sd) == (0, pytest.approx(50**0.5))
    assert found.limits == pytest.approx((-1.96 * 50**0.5, 1.96 * 50**0.5), abs=1e-3)
    assert found.bias_interval == (0, 0), "over patients alone"


def test_a_training_of_which_nothing_could_be_measured_is_not_averaged_away():
    """Seeds with 0, 20 and 20 patients have no common bias, limits, difference or correlation: not that of two."""
    true = np.arange(40.0, 60.0)
    found = over_seeds([agree(np.full(20, math.nan), true), agree(true + 5, true), agree(true - 5, true)])
    assert found.n == 0
    numbers = [found.mean, found.bias, found.sd, found.mae, found.mae_sd, found.correlation, *found.limits]
    assert np.isnan(numbers).all()


@pytest.mark.usefixtures("ordinary_runtime")
def test_infinite_measurements_and_matrices_are_refused():
    """An infinity would make every limit of agreement infinite or NaN."""
    three = np.array([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"measured: expected finite numbers, .*found 1 infinite"):
        agree(np.array([1.0, math.inf, 3.0]), three)
    with pytest.raises(ValueError, match="true: expected one number per image"):
        agree(three, three[:, None])
