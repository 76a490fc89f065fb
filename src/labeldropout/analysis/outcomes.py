"""Carrying out a declared comparison: paired tests, intervals over patients, Holm's correction."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.contrasts import Contrast
from labeldropout.analysis.crossed import Drawn, Scored, draw_means
from labeldropout.analysis.statistics import (
    Counts,
    Interval,
    bootstrap_mean,
    detectable_difference,
    group_means,
    holm,
    is_equivalent,
    paired_wilcoxon,
    resample_patients,
    standard_deviation,
    summarise,
)
from labeldropout.analysis.study import Study, cell_of
from labeldropout.learning.experiments import Experiment

KEPT_COUNTS = 4
"""Number of resampling tables kept in memory; each holds draws times patients numbers."""


def paired(study: Study, contrast: Contrast, cases: Iterable[str] | None = None) -> pd.DataFrame:
    """The images of a cell under both models: columns patient, case, dice_a, dice_b; NaN where one has no score."""
    cell = cell_of(study.images, contrast.dataset, contrast.structure, contrast.reference)
    sides = [cell[cell["model"] == one.model] for one in (contrast.a, contrast.b)]
    keys = ["patient", "case"]
    pairs = sides[0][[*keys, "dice"]].merge(
        sides[1][[*keys, "dice"]], on=keys, how="outer", suffixes=("_a", "_b"), validate="one_to_one"
    )
    if cases is not None:
        pairs = pairs[pairs["case"].isin(set(cases))]
    return pairs.sort_values(keys, ignore_index=True)


def _seed_means(study: Study, model: Experiment, contrast: Contrast, cases: Iterable[str]) -> np.ndarray:
    """Mean Dice over these images, seed by seed."""
    own = study.scores[(study.scores["model"] == model.model) & study.scores["case"].isin(set(cases))]
    cell = cell_of(own, contrast.dataset, contrast.structure, contrast.reference)
    return np.array([summarise(cell.loc[cell["seed"] == seed, "dice"].to_numpy(float)).mean for seed in model.seeds])


class Resampling:
    """Counts of resampled patients: the same for every comparison with the same number of patients."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.draws, self.seed = int(settings["draws"]), int(settings["seed"])
        self._counts: dict[int, np.ndarray] = {}

    def counts(self, n_patients: int) -> Counts:
        """How often each of so many patients is in each sample; no patients, no samples."""
        if not n_patients:
            return np.zeros((1, 0), np.int32)
        if n_patients not in self._counts:
            while len(self._counts) >= KEPT_COUNTS:
                self._counts.pop(next(iter(self._counts)))
            self._counts[n_patients] = resample_patients(n_patients, self.draws, np.random.default_rng(self.seed))
        return self._counts[n_patients]

    def interval(self, values: np.ndarray, patients: np.ndarray, confidence: float) -> Interval:
        """Interval for the mean of the values, by resampling patients."""
        return bootstrap_mean(values, patients, self.counts(len(set(patients[~np.isnan(values)]))), confidence)

    def draw_means(self, found: Scored, sides: Sequence[Sequence[str]]) -> Drawn:
        """Means of the sides, resampled over patients and seeds.

        Args:
            found: Scores by model.
            sides: Models of every side; several are averaged.
        """
        counts, rng = self.counts(found.n_patients), np.random.default_rng(self.seed)
        return draw_means(found.models, sides, found.patients, counts, rng)

    def words(self, found: Interval, over: str = "patients") -> str:
        """What kind of interval it is, and what was resampled."""
        return "none" if found.kind == "none" else f"{found.kind}, {self.draws} draws over {over}, seed {self.seed}"


def _side(values: np.ndarray, patients: np.ndarray, resampling: Resampling, side: str) -> dict[str, Any]:
    """One model of a comparison over the pairs: mean with its interval, spreads, worst cases and failures."""
    summary, found = summarise(values), resampling.interval(values, patients, 0.95)
    numbers = {
        "mean": summary.mean,
        "low": found.low,
        "high": found.high,
        "sd": standard_deviation(values),
        "sd_patients": standard_deviation(group_means(values, patients)),
        "median": summary.median,
        "q1": summary.q1,
        "q3": summary.q3,
        "worst": summary.worst,
        "n_failures": summary.n_failures,
    }
    return {f"{name}_{side}": value for name, value in numbers.items()}


def outcomes(
    study: Study, contrast: Contrast, resampling: Resampling, cases: Iterable[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Both rows of a comparison, per image and per patient, before Holm's correction."""
    pairs = paired(study, contrast, cases)
    complete = pairs[pairs[["dice_a", "dice_b"]].notna().all(axis=1)]
    patients = complete["patient"].to_numpy()
    spreads = [
        standard_deviation(_seed_means(study, one, contrast, complete["case"])) for one in (contrast.a, contrast.b)
    ]
    where = {"model": contrast.b.model, "against": contrast.a.model}
    where |= {"dataset": contrast.dataset, "structure": contrast.structure}
    gains = (complete["dice_b"] - complete["dice_a"]).to_numpy(float)
    of_patients = group_means(gains, patients)
    spread = standard_deviation(of_patients)
    for unit in ("image", "patient"):
        a, b = (complete[side].to_numpy(float) for side in ("dice_a", "dice_b"))
        groups = patients
        if unit == "patient":
            a, b, groups = group_means(a, patients), group_means(b, patients), np.unique(patients.astype(str))
        test = paired_wilcoxon(a, b)
        found = resampling.interval(b - a, groups, 0.95)
        margin = contrast.margin
        gain = summarise(b - a)
        inside = "" if math.isnan(margin) else is_equivalent(resampling.interval(b - a, groups, 0.90), margin)
        lost = pairs["patient"].nunique() - len(set(patients)) if unit == "patient" else len(pairs) - len(complete)
        yield {
            "family": contrast.family,
            "comparison": contrast.words,
            "model_a": contrast.a.model,
            "model_b": contrast.b.model,
            "dataset": contrast.dataset,
            "structure": contrast.structure,
            "reference": contrast.reference,
            "unit": unit,
            "n": test.n,
            "n_patients": len(set(patients)),
            "n_left_out": lost,
            "n_zero": test.n_zero,
            **_side(a, groups, resampling, "a"),
            **_side(b, groups, resampling, "b"),
            "difference": gain.mean,
            "difference_sd": gain.sd,
            "difference_median": gain.median,
            "difference_q1": gain.q1,
            "difference_q3": gain.q3,
            "difference_low": found.low,
            "difference_high": found.high,
            "interval": resampling.words(found),
            "n_seeds_a": len(contrast.a.seeds),
            "n_seeds_b": len(contrast.b.seeds),
            "seed_sd_a": spreads[0],
            "seed_sd_b": spreads[1],
            "statistic": test.statistic,
            "method": test.method,
            "p": test.p,
            "rank_biserial": test.rank_biserial,
            "difference_sd_patients": spread,
            "detectable_difference": detectable_difference(spread, of_patients.size),
            "equivalence_margin": margin,
            "equivalent": inside if inside == "" else "yes" if inside else "no",
            "reported": study.reported_value("text", item="tests", measure="p", **where),
            "data": study.data_of(contrast.dataset),
        }


def correct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add Holm's correction within every family and unit."""
    for key in dict.fromkeys((row["family"], row["unit"]) for row in rows):
        family = [row for row in rows if (row["family"], row["unit"]) == key]
        size = sum(not math.isnan(row["p"]) for row in family)
        for row, adjusted in zip(family, holm([row["p"] for row in family]), strict=True):
            row.update(p_holm=adjusted, family_size=size)
    return rows
