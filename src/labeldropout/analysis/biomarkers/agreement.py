"""How well two measurements of the same patients agree.

Bland and Altman, "Measuring agreement in method comparison studies", Stat Methods Med Res 8 (1999) 135-160: bias and
limits of agreement with their intervals (section 2). There is one number per patient and method; patients are
independent, so nothing is resampled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from labeldropout.analysis.statistics import check_values

Values = Float[np.ndarray, " n"]

CONFIDENCE = 0.95


NORMAL = float(scipy.special.ndtri(0.5 + CONFIDENCE / 2))
"""1.96: limits of agreement lie this many standard deviations on either side of the bias."""


WORDS = "Bland and Altman 1999 (Student's t); Fisher's z for the correlation"
"""How the intervals of an `Agreement` are made."""

Pair = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """Differences, measured minus true, over patients; NaN where there are too few."""

    n: int
    """Patients with both numbers."""
    mean: float
    """Mean of the true numbers."""
    bias: float
    """Mean difference."""
    sd: float
    """Standard deviation of the differences, n - 1; of several trainings, within one of them."""
    mae: float
    """Mean absolute difference."""
    mae_sd: float
    """Standard deviation of the absolute differences."""
    correlation: float
    """Pearson's."""
    bias_sd: float = math.nan
    """Standard deviation of the bias over trainings, n - 1; NaN for one."""

    @property
    def total_sd(self) -> float:
        """Standard deviation of the differences of any training: within trainings and between them."""
        return self.sd if math.isnan(self.bias_sd) else math.hypot(self.sd, self.bias_sd)

    @property
    def limits(self) -> Pair:
        """Limits of agreement: bias minus and plus 1.96 standard deviations, within and between trainings."""
        return self.bias - NORMAL * self.total_sd, self.bias + NORMAL * self.total_sd

    def _around(self, centre: float, error: float) -> Pair:
        """Interval of Student's t with n - 1 degrees of freedom."""
        reach = float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, self.n - 1)) * error if self.n > 1 else math.nan
        return centre - reach, centre + reach

    @property
    def bias_interval(self) -> Pair:
        """Interval for the bias: over patients, not over trainings."""
        return self._around(self.bias, self.sd / math.sqrt(self.n) if self.n else math.nan)

    @property
    def limit_intervals(self) -> tuple[Pair, Pair]:
        """Intervals for both limits; their variance is s^2 (1/n + 1.96^2 / (2 (n - 1)))."""
        error = self.total_sd * math.sqrt(1 / self.n + NORMAL**2 / (2 * (self.n - 1))) if self.n > 1 else math.nan
        low, high = self.limits
        return self._around(low, error), self._around(high, error)

    @property
    def mae_interval(self) -> Pair:
        """Interval for the mean absolute difference; its lower end is not below 0."""
        low, high = self._around(self.mae, self.mae_sd / math.sqrt(self.n) if self.n else math.nan)
        return (low if math.isnan(low) else max(low, 0.0)), high

    @property
    def correlation_interval(self) -> Pair:
        """Interval by Fisher's z; needs four patients."""
        if self.n < 4 or math.isnan(self.correlation):
            return math.nan, math.nan
        if abs(self.correlation) == 1:
            return self.correlation, self.correlation
        z, reach = math.atanh(self.correlation), NORMAL / math.sqrt(self.n - 3)
        return math.tanh(z - reach), math.tanh(z + reach)


def agree(measured: Values, true: Values) -> Agreement:
    """Return the agreement of two measurements; patients without one of them (NaN) are left out.

    Args:
        measured: One number per patient.
        true: What it is compared with, in the same order and unit.

    Raises:
        ValueError: The lengths differ, or a number is infinite.
    """
    check_values(measured, "measured")
    check_values(true, "true")
    if measured.shape != true.shape:
        raise ValueError(f"{measured.size} measurements for {true.size} patients.")
    kept = ~np.isnan(measured) & ~np.isnan(true)
    one, other = measured[kept], true[kept]
    differences = one - other
    n = int(kept.sum())
    varies = n > 1 and np.ptp(one) > 0 and np.ptp(other) > 0
    correlation = float(np.clip(np.corrcoef(one, other)[0, 1], -1, 1)) if varies else math.nan

    def spread(values: np.ndarray) -> float:
        return float(values.std(ddof=1)) if n > 1 else math.nan

    def middle(values: np.ndarray) -> float:
        return float(values.mean()) if n else math.nan

    sizes = np.abs(differences)
    return Agreement(
        n, middle(other), middle(differences), spread(differences), middle(sizes), spread(sizes), correlation
    )


def over_seeds(seeds: Sequence[Agreement]) -> Agreement:
    """Return the agreement of several trainings: means over them, not the agreement of their mean.

    Averaging the measurements first would show an ensemble that nobody uses. Variances are averaged, and the variance
    of the bias over trainings is kept beside: limits of agreement count both, as a patient is measured by one training.
    The number of patients is the smallest, so that the intervals are those of one training: more seeds are not more
    patients. What is NaN for one training is NaN: a mean over the others would hide that nothing could be measured for
    that training.

    Args:
        seeds: One per training.
    """

    def mean(name: str) -> float:
        return float(np.mean([getattr(seed, name) for seed in seeds]))

    def root_mean_square(name: str) -> float:
        return math.sqrt(np.mean([getattr(seed, name) ** 2 for seed in seeds]))

    z = np.array([math.atanh(seed.correlation) for seed in seeds if abs(seed.correlation) < 1])
    return Agreement(
        n=min(seed.n for seed in seeds),
        mean=mean("mean"),
        bias=mean("bias"),
        sd=root_mean_square("sd"),
        mae=mean("mae"),
        mae_sd=root_mean_square("mae_sd"),
        correlation=math.tanh(z.mean()) if z.size == len(seeds) else mean("correlation"),
        bias_sd=float(np.std([seed.bias for seed in seeds], ddof=1)) if len(seeds) > 1 else math.nan,
    )
