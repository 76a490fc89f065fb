"""Summaries, intervals by resampling patients, paired tests and their correction.

Images of one patient are not independent. Intervals therefore resample patients, and every paired test is made twice:
per image, as in the paper, and on the patients' means. NaN means that there is no score (both masks empty); such values
are counted and left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from jaxtyping import Float, Integer, Shaped

Values = Float[np.ndarray, " n"]


Groups = Shaped[np.ndarray, " n"]


Counts = Integer[np.ndarray, "draws patients"]

FAILURE = 0.5
"""A Dice score below this is a failure; an empty prediction has 0."""


WORST_ONE_IN = 20
"""The mean of the worst 5 % is that of the lowest n / 20 values, rounded up, so at least one."""


LEVEL, POWER = 0.05, 0.8
"""Two-sided level and power that define a detectable difference."""


NO_DIFFERENCE = 0.02
"""Difference of mean Dice that counts as none in tests of equivalence; fixed before any result was seen."""


EXACT_UP_TO = 50
"""Largest number of untied pairs for which the exact distribution of Wilcoxon's statistic is used."""


ENUMERATE_UP_TO = 13
"""Largest number of pairs with ties for which all signs are enumerated."""


@dataclass(frozen=True)
class Summary:
    """What a box plot and a table cell need; NaN where there are too few values."""

    n: int
    """Values behind the numbers."""
    n_missing: int
    """NaN values, which are left out."""
    n_failures: int
    """Values below `FAILURE`."""
    mean: float
    sd: float
    """Standard deviation with n - 1."""
    median: float
    q1: float
    """First quartile."""
    q3: float
    """Third quartile."""
    whisker_low: float
    """Smallest value not below q1 - 1.5 (q3 - q1), as in Matplotlib and Tukey."""
    whisker_high: float
    """Largest value not above q3 + 1.5 (q3 - q1)."""
    worst: float
    """Mean of the lowest 5 %: of ceil(n / `WORST_ONE_IN`) values."""


@dataclass(frozen=True)
class Interval:
    """An interval for a mean."""

    low: float
    high: float
    kind: Literal["BCa", "percentile", "simultaneous", "none"]
    """What was computed: `simultaneous` covers the differences of all pairs of several means at once (`crossed`),
    `none` with fewer than two patients."""


@dataclass(frozen=True)
class PairedTest:
    """Outcome of Wilcoxon's signed-rank test."""

    n: int
    """Pairs tested, including those without a difference."""
    n_left_out: int
    """Pairs with a NaN."""
    n_zero: int
    """Pairs without a difference after rounding."""
    statistic: float
    """Smaller of the two rank sums; NaN without pairs."""
    p: float
    """Two-sided; 1 if no pair differs, NaN without pairs."""
    method: str
    """Distribution and treatment of zeros."""
    rank_biserial: float
    """Matched-pairs rank-biserial correlation (Kerby 2014): (R+ - R-) / (R+ + R-); 0 if no pair differs."""


def check_values(values: np.ndarray, name: str = "values") -> None:
    """Refuse what is no list of numbers; NaN is a number that is missing, infinity is a mistake.

    Raises:
        ValueError: The array is not one-dimensional, holds no real numbers, or an infinity.
    """
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected one number per image, found {values.dtype} {values.shape}.")
    infinite = int(np.count_nonzero(np.isinf(values)))
    if infinite:
        raise ValueError(f"{name}: expected finite numbers, or NaN where undefined, found {infinite} infinite.")


def _is_name(name: object) -> bool:
    return name != "" if isinstance(name, str) else isinstance(name, int | float | np.number) and math.isfinite(name)


def _check_groups(values: np.ndarray, groups: np.ndarray) -> None:
    """Refuse values without a patient: a NaN would count as one more patient, whom all of them share.

    Raises:
        ValueError: There are more or fewer patients than values, or one has no name.
    """
    check_values(values)
    if groups.shape != values.shape:
        raise ValueError(f"groups: expected a patient for each of {values.size} values, found {groups.shape}.")
    is_named = np.array([_is_name(name) for name in groups], bool)
    if not is_named.all():
        first = groups[~is_named][0]
        raise ValueError(f"groups: expected the name or number of a patient for every value, found {first!r}.")


def standard_deviation(values: Values) -> float:
    """Return the standard deviation with n - 1 of the values that are not NaN; NaN if there are fewer than two.

    Raises:
        ValueError: The array is not one-dimensional, or a value is infinite.
    """
    check_values(values)
    kept = values[~np.isnan(values)]
    return float(kept.std(ddof=1)) if kept.size > 1 else math.nan


def summarise(values: Values) -> Summary:
    """Return mean, spread, quartiles (linear interpolation), whiskers and counts.

    Args:
        values: Dice scores; NaN where undefined.

    Raises:
        ValueError: The array is not one-dimensional, or a value is infinite.
    """
    check_values(values)
    kept = np.sort(values[~np.isnan(values)])
    n_missing = int(values.size - kept.size)
    if not kept.size:
        return Summary(0, n_missing, 0, *(math.nan,) * 8)
    q1, median, q3 = (float(value) for value in np.percentile(kept, [25, 50, 75]))
    reach = 1.5 * (q3 - q1)
    # A box may be so short that no value lies between it and a fence; then the whisker ends at the box.
    low, high = kept[kept >= q1 - reach], kept[kept <= q3 + reach]
    return Summary(
        n=int(kept.size),
        n_missing=n_missing,
        n_failures=int(np.count_nonzero(kept < FAILURE)),
        mean=float(kept.mean()),
        sd=standard_deviation(kept),
        median=median,
        q1=q1,
        q3=q3,
        whisker_low=min(float(low[0]), q1),
        whisker_high=max(float(high[-1]), q3),
        worst=float(kept[: math.ceil(kept.size / WORST_ONE_IN)].mean()),
    )


def group_sums(values: Values, groups: Groups) -> tuple[Float[np.ndarray, " g"], Integer[np.ndarray, " g"]]:
    """Return sum and number of the values of every group that has one, groups in sorted order.

    Args:
        values: One number per image; NaN is left out.
        groups: The patient of every image.

    Raises:
        ValueError: A value is infinite, or has no patient.
    """
    _check_groups(values, groups)
    kept = ~np.isnan(values)
    _, index = np.unique(groups[kept].astype(str), return_inverse=True)
    n_groups = int(index.max()) + 1 if index.size else 0
    return np.bincount(index, values[kept], n_groups).astype(np.float64), np.bincount(index, minlength=n_groups)


def group_means(values: Values, groups: Groups) -> Float[np.ndarray, " g"]:
    """Return the mean of every group that has a value, groups in sorted order.

    Args:
        values: One number per image; NaN is left out.
        groups: The patient of every image.

    Raises:
        ValueError: A value is infinite, or has no patient.
    """
    sums, numbers = group_sums(values, groups)
    return sums / numbers


def resample_patients(n_patients: int, draws: int, rng: np.random.Generator) -> Counts:
    """Draw patients with replacement: how often each patient is in each sample.

    Args:
        n_patients: Patients to draw from, and size of each sample.
        draws: Number of samples; at least 10,000 for what is published.
        rng: Source of randomness.

    Returns:
        int32 (draws, patients); every row sums to `n_patients`.

    Raises:
        ValueError: There are no patients, or no draws.
    """
    if n_patients < 1 or draws < 1:
        raise ValueError(f"resampling {n_patients} patients {draws} times (expected 1 or more of both).")
    drawn = rng.integers(0, n_patients, (draws, n_patients))
    drawn += np.arange(draws)[:, None] * n_patients
    return np.bincount(drawn.ravel(), minlength=draws * n_patients).reshape(draws, n_patients).astype(np.int32)


def bootstrap_mean(
    values: Values,
    groups: Groups,
    counts: Counts,
    confidence: float = 0.95,
    kind: Literal["BCa", "percentile"] = "BCa",
) -> Interval:
    """Return an interval for the mean over images, by resampling patients (Efron and Tibshirani 1993, ch. 13, 14).

    Args:
        values: One number per image; NaN is left out.
        groups: The patient of every image. If every image is its own patient, this is the ordinary bootstrap.
        counts: From `resample_patients`, for as many patients as have a value.
        confidence: Coverage, between 0 and 1.
        kind: `BCa` corrects the percentiles for bias and skewness; where that is undefined (all means equal, or all on
            one side), the percentile interval is given, and the result says so.

    Raises:
        ValueError: The counts are no counts, or for another number of patients; a value is infinite or has no patient;
            the confidence does not lie between 0 and 1; or there is no such kind.
    """
    if kind not in {"BCa", "percentile"}:
        raise ValueError(f"kind: expected BCa or percentile, found {kind!r}.")
    if counts.ndim != 2 or counts.dtype.kind not in "iu" or (counts < 0).any() or not counts.any(1).all():
        raise ValueError(f"counts: expected those of resample_patients, found {counts.dtype} {counts.shape}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} (expected more than 0 and less than 1, such as 0.95).")
    sums, numbers = group_sums(values, groups)
    if sums.size < 2:
        return Interval(math.nan, math.nan, "none")
    if counts.shape[1] != sums.size:
        raise ValueError(f"resampling counts for {counts.shape[1]} patients (expected {sums.size}).")
    # Rounded: the same patients drawn in another order must not give a different mean.
    means = np.round((counts @ sums) / (counts @ numbers), 12)
    mean = round(float(sums.sum() / numbers.sum()), 12)
    tail = (1 - confidence) / 2
    levels = np.array([tail, 1 - tail])
    used: Literal["BCa", "percentile"] = "percentile"
    if kind == "BCa":
        share = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * means.size)
        left_out = (sums.sum() - sums) / (numbers.sum() - numbers)
        deviations = left_out.mean() - left_out
        spread = float((deviations**2).sum())
        if 0 < share < 1 and spread > 1e-24:
            bias = scipy.stats.norm.ppf(share)
            acceleration = float((deviations**3).sum()) / (6 * spread**1.5)
            shifted = bias + scipy.stats.norm.ppf(levels)
            levels = scipy.stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
            used = "BCa"
    low, high = np.quantile(means, levels)
    return Interval(float(low), float(high), used)


def paired_wilcoxon(a: Values, b: Values) -> PairedTest:
    """Return Wilcoxon's signed-rank test of b against a, two-sided.

    Differences are rounded to 1e-9, so that equal scores computed in a different order are ties. Zero differences are
    dropped (`zero_method="wilcox"`). The distribution is exact up to 50 untied pairs; with ties, all signs are
    enumerated up to 13 pairs; otherwise it is the normal approximation, corrected for ties but not for continuity.

    Args:
        a: Scores under one model.
        b: Scores of the same images or patients, in the same order, under the other.

    Raises:
        ValueError: The lengths differ, or a value is infinite.
    """
    check_values(a, "a")
    check_values(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"pairs of {a.size} and {b.size} values.")
    differences = np.round(b - a, 9)
    kept = differences[~np.isnan(differences)]
    nonzero = kept[kept != 0]
    n, n_left_out, n_zero = int(kept.size), int(a.size - kept.size), int(kept.size - nonzero.size)
    if not n:
        return PairedTest(0, n_left_out, 0, math.nan, math.nan, "no pairs", math.nan)
    if not nonzero.size:
        return PairedTest(n, n_left_out, n_zero, 0.0, 1.0, "all differences are zero", 0.0)
    ranks = scipy.stats.rankdata(np.abs(nonzero))
    tied = np.unique(ranks).size < ranks.size
    if not tied and nonzero.size <= EXACT_UP_TO:
        method, name = "exact", "exact"
    elif nonzero.size <= ENUMERATE_UP_TO:
        method, name = scipy.stats.PermutationMethod(n_resamples=2**ENUMERATE_UP_TO), "exact, signs enumerated"
    else:
        method, name = "asymptotic", "normal approximation"
    outcome = scipy.stats.wilcoxon(nonzero, zero_method="wilcox", correction=False, method=method)
    positive, negative = float(ranks[nonzero > 0].sum()), float(ranks[nonzero < 0].sum())
    return PairedTest(
        n=n,
        n_left_out=n_left_out,
        n_zero=n_zero,
        statistic=min(positive, negative),
        p=float(outcome.pvalue),
        method=f"{name}; zeros dropped",
        rank_biserial=(positive - negative) / (positive + negative),
    )


def _power(effect: float, n: int) -> float:
    """Power of the two-sided paired t test at `LEVEL` for n pairs and a true mean difference in units of their SD."""
    limit = scipy.stats.t.isf(LEVEL / 2, n - 1)
    shift = effect * math.sqrt(n)
    # Both tails as upper ones: the lower tail of a noncentral t is that of its mirror image, which is stable.
    return float(scipy.stats.nct.sf(limit, n - 1, shift) + scipy.stats.nct.sf(limit, n - 1, -shift))


def detectable_difference(sd: float, n: int) -> float:
    """Return the smallest true mean difference that n pairs show with 80 % power at 5 %, two-sided.

    This is the difference for the paired t test (Cohen 1988, ch. 2): `sd` times the effect d for which a noncentral t
    variable with n - 1 degrees of freedom and noncentrality d sqrt(n) falls outside [-t, t], t = t(0.975; n - 1), with
    probability 0.8. For n of 20 or more it is 2.8 sd / sqrt(n), to within 6 %. Wilcoxon's test needs about 5 % more
    pairs where differences are normal (its asymptotic relative efficiency is 3 / pi), and fewer where they have long
    tails.

    Args:
        sd: Standard deviation (n - 1) of the paired differences: of patients' means, as images of one patient are not
            independent.
        n: Pairs.

    Returns:
        In the unit of `sd`; NaN with fewer than two pairs or without any spread, which says nothing about other
        samples.

    Raises:
        ValueError: The standard deviation is negative or infinite.
    """
    if sd < 0 or math.isinf(sd):
        raise ValueError(f"sd {sd} (expected a finite number, 0 or more).")
    if n < 2 or not sd > 1e-9:  # as rounded in the tests: less is no difference
        return math.nan
    upper = 1.0
    while _power(upper, n) < POWER:
        upper *= 2
    return sd * float(scipy.optimize.brentq(lambda effect: _power(effect, n) - POWER, 0.0, upper, xtol=1e-10))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p values, in the order given; NaN stays NaN and does not count.

    Args:
        p_values: All p values of the declared family.

    Raises:
        ValueError: One of them does not lie between 0 and 1.
    """
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415 - figures import this module and correct nothing

    adjusted = np.array(p_values, float)
    bad = adjusted[(adjusted < 0) | (adjusted > 1)]
    if bad.size:
        raise ValueError(f"p values: expected 0 to 1, or NaN where there was no test, found {bad[0]:g}.")
    tested = ~np.isnan(adjusted)
    if tested.any():
        adjusted[tested] = multipletests(adjusted[tested], method="holm")[1]
    return [float(p) for p in adjusted]


def is_equivalent(interval: Interval, margin: float) -> bool:
    """Whether an interval lies strictly within plus and minus the margin.

    With a 90 % interval this is a test of equivalence at the level of 5 % (interval inclusion, equal to two one-sided
    tests). An undefined interval shows nothing: False.

    Args:
        interval: Of a mean difference.
        margin: Largest difference that does not matter, above 0.

    Raises:
        ValueError: The margin is not above 0, or is infinite.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin {margin} (expected a finite number above 0).")
    return bool(-margin < interval.low and interval.high < margin)
