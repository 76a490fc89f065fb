"""Intervals over patients and seeds: a bootstrap of two crossed samples.

Every training scores the same patients, so patients and seeds are crossed, and both are drawn, independently of each
other (pigeonhole bootstrap; Owen 2007, Annals of Applied Statistics 1:386-411). In expectation its variance is not too
small: it counts the interaction of patients and seeds more than once. Patients come with all their images and are
the same for all models. Seeds are drawn for every model apart. Some models of the same seed number do share weights at
the start and the order of images, but not all, and rounding alone leads such trainings apart; where they still resemble
each other, taking them as unrelated makes the interval of a difference wider, never narrower.

Seeds are few. Drawing n of n would make their variance too small by the factor (n - 1) / n, a third for three seeds;
n - 1 of n are drawn, which makes it unbiased (McCarthy and Snowden 1985, Vital and Health Statistics 2:95; Rao and Wu
1988, JASA 83:231-241). The percentiles are those of Student's t in place of the normal distribution (expanded
percentile interval; Hesterberg 2015, American Statistician 69:371-386) with degrees of freedom after Satterthwaite
(1946) from the variance that each of the samples contributes alone. Draws never leave the range of the seeds, and that
of three seeds holds their true mean three times in four; so an interval reaches at least as far as Student's t times
the standard error of the draws.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Float

from labeldropout.analysis.statistics import Counts, Groups, Interval, group_sums

BySeed = Float[np.ndarray, "seeds n"]
"""Dice of every image (column) under every seed of a model (row), without NaN."""
Means = Float[np.ndarray, "sides draws"]
"""Mean Dice of every side in every draw."""
Estimate = Callable[[Means], Float[np.ndarray, " draws"]]
"""The effect in every draw."""


@dataclass(frozen=True)
class Drawn:
    """Means of the sides of a comparison: observed, and under resampling."""

    means: Float[np.ndarray, " sides"]
    together: Means
    """With patients and seeds resampled."""
    apart: tuple[tuple[Means, int], ...]
    """With one sample alone resampled, each with its degrees of freedom: patients, then the seeds of every model."""


@dataclass(frozen=True)
class Scored:
    """Dice of the images that every one of some models has a score of."""

    models: dict[str, BySeed]
    """By model; where a seed alone has no score, with the mean of the image's other seeds."""
    patients: Groups
    """The patient of every image."""
    n_left_out: int
    """Images without a score under one of the models."""

    @property
    def n_patients(self) -> int:
        """Patients behind the images."""
        return len(set(self.patients))


def scored_images(cell: pd.DataFrame, models: Sequence[str]) -> Scored:
    """Arrange the scores of some models by seed and image.

    Args:
        cell: `SCORES` of one data set, structure and reference.
        models: Models that have rows there.
    """
    dice = cell[cell["model"].isin(models)].set_index(["patient", "case", "model", "seed"])["dice"]
    wide = dice.unstack(["model", "seed"]).sort_index()  # noqa: PD010 - a pivot of two keys would pair all with all
    means = pd.DataFrame({name: wide[name].mean(axis=1) for name in models})
    complete = means.notna().all(axis=1)
    by_seed = {
        name: wide.loc[complete, name].sort_index(axis=1).T.fillna(means.loc[complete, name]).to_numpy(float)
        for name in models
    }
    patients = means.index[complete].get_level_values("patient").to_numpy()
    return Scored(by_seed, patients, int((~complete).sum()))


def _seed_weights(n_seeds: int, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "seeds draws"]:
    """Weight of every seed in every draw of n - 1 of n; a single seed always counts."""
    if n_seeds == 1:
        return np.ones((1, draws))
    return rng.multinomial(n_seeds - 1, np.full(n_seeds, 1 / n_seeds), draws).T / (n_seeds - 1)


def draw_means(
    models: Mapping[str, BySeed],
    sides: Sequence[Sequence[str]],
    patients: Groups,
    counts: Counts,
    rng: np.random.Generator,
) -> Drawn:
    """Resample patients and seeds.

    Args:
        models: Scores by model; all of the same images.
        sides: Models of every side; several are averaged.
        patients: The patient of every image.
        counts: From `resample_patients`, for as many patients.
        rng: Source of randomness for the seeds.

    Raises:
        ValueError: The counts are for another number of patients.
    """
    n_patients, draws = len(set(patients)), len(counts)
    if counts.shape[1] != n_patients:
        raise ValueError(f"resampling counts for {counts.shape[1]} patients (expected {n_patients}).")
    patient_counts = counts.astype(np.float64)
    whole = {name: dice.mean(axis=1, keepdims=True) for name, dice in models.items()}
    drawn = {name: _over_patients(dice, patients, patient_counts) for name, dice in models.items()}
    weights = {name: _seed_weights(len(dice), draws, rng) for name, dice in models.items()}

    def of_sides(means: Mapping[str, Float[np.ndarray, " draws"]]) -> Means:
        # Rounded: the same samples drawn in another order must not give a different mean.
        return np.round([np.mean([means[name] for name in names], axis=0) for names in sides], 12)

    observed = {name: np.full(draws, means.mean()) for name, means in whole.items()}
    apart = [(of_sides({name: means.mean(axis=0) for name, means in drawn.items()}), n_patients - 1)]
    for name, means in whole.items():
        if len(means) > 1:
            alone = observed | {name: (means * weights[name]).sum(axis=0)}
            apart.append((of_sides(alone), len(means) - 1))
    return Drawn(
        means=of_sides(observed)[:, 0],
        together=of_sides({name: (means * weights[name]).sum(axis=0) for name, means in drawn.items()}),
        apart=tuple(apart),
    )


def _over_patients(
    dice: BySeed, patients: Groups, counts: Float[np.ndarray, "draws patients"]
) -> Float[np.ndarray, "seeds draws"]:
    """Mean of every seed over the images of every sample of patients."""
    sums = np.array([group_sums(row, patients)[0] for row in dice])
    numbers = group_sums(dice[0], patients)[1]
    return (sums @ counts.T) / (counts @ numbers)


def _degrees_of_freedom(variances: Sequence[float], freedoms: Sequence[int]) -> float:
    """Degrees of freedom of a sum of estimated variances (Satterthwaite 1946); infinite without any variance."""
    total = sum(variances)
    if not total > 1e-18:  # nine decimals of Dice, as the tests round
        return math.inf
    return total**2 / sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))


def crossed_interval(drawn: Drawn, estimate: Estimate, confidence: float, *, is_largest: bool = False) -> Interval:
    """Return the interval of an effect over patients and seeds.

    Args:
        drawn: From `draw_means`.
        estimate: The effect of means.
        confidence: Coverage, between 0 and 1.
        is_largest: Whether the effect is the largest difference between any two sides. Resampling makes such a number
            grow, so its percentiles lie too high; its interval is the effect plus and minus the quantile of the
            largest difference of the sides' errors, which covers all pairs at once (Tukey's simultaneous intervals).

    Returns:
        No interval with fewer than two patients, or where the effect is undefined in some draw.
    """
    observed = drawn.means[:, None]
    effect = float(estimate(observed)[0])

    def errors(means: Means) -> Float[np.ndarray, " draws"]:
        return estimate(means - observed) if is_largest else estimate(means) - effect

    found = errors(drawn.together)
    if drawn.apart[0][1] < 1 or not (math.isfinite(effect) and np.isfinite(found).all()):
        return Interval(math.nan, math.nan, "none")
    variances = [float((errors(means) ** 2).mean()) for means, _ in drawn.apart]
    freedom = _degrees_of_freedom(variances, [freedom for _, freedom in drawn.apart])
    of_t = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom))
    tail = float(scipy.stats.norm.cdf(-of_t))
    if is_largest:
        stretched = of_t / float(scipy.stats.norm.ppf((1 + confidence) / 2)) * float(np.quantile(found, confidence))
        reach = max(float(np.quantile(found, 1 - 2 * tail)), stretched)
        return Interval(max(0.0, effect - reach), effect + reach, "simultaneous")
    half = of_t * math.sqrt(float((found**2).mean()))
    low, high = (float(end) for end in np.quantile(found, [tail, 1 - tail]))
    return Interval(effect + min(low, -half), effect + max(high, half), "percentile")


def crossed_p(drawn: Drawn, estimate: Estimate) -> float:
    """Return the two-sided p of an effect of 0, over patients and seeds.

    It is that of Student's t: the effect over its standard error under resampling, with the degrees of freedom of
    `crossed_interval`. Unlike a share of draws it has no smallest value.

    Args:
        drawn: From `draw_means`.
        estimate: The effect of means, a difference.

    Returns:
        1 where neither effect nor spread is above 0; NaN with fewer than two patients.
    """
    if drawn.apart[0][1] < 1:
        return math.nan
    effect = round(float(estimate(drawn.means[:, None])[0]), 9)
    spread = math.sqrt(float(((estimate(drawn.together) - effect) ** 2).mean()))
    variances = [float(((estimate(means) - effect) ** 2).mean()) for means, _ in drawn.apart]
    freedom = _degrees_of_freedom(variances, [freedom for _, freedom in drawn.apart])
    if math.isinf(freedom):
        return float(effect == 0)
    return float(2 * scipy.stats.t.sf(abs(effect) / spread, freedom))
