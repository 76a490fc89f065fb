"""What hidden labels cost, in two parts: the labels that are missing, and the background that stands in their place.

The oracle is trained as the adaptive model, but the pixels of the hidden structure are left out of its loss (decision
33b). From all labels to the oracle, only the labels have gone. From the oracle to the adaptive model, background has
come into their place: what an image with a structure and no label for it teaches, the shortcut proper.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.crossed import crossed_interval, scored_images
from labeldropout.analysis.outcomes import Resampling
from labeldropout.analysis.statistics import standard_deviation
from labeldropout.analysis.study import _DATA, Content, Study, cell_of
from labeldropout.analysis.typesetting import interval, number
from labeldropout.items import Item
from labeldropout.learning.experiments import ORACLE, Experiment

LOST, MISSING, IN_PLACE, GAP = "both", "missing labels", "background in their place", "domain alone"

DECOMPOSITION = {
    "part": f"what is lost: {LOST} = benchmark - adaptive; {MISSING} = benchmark - oracle; {IN_PLACE} = oracle -"
    f" adaptive; {GAP} = benchmark - trained on the other data sets alone",
    "model": "row of config/experiments.tsv that has lost it",
    "against": "row from which it is counted",
    "dataset": "data set in which the structure is hidden",
    "structure": "the hidden structure",
    "seed": "seed of both trainings; all = means over the seeds of each",
    "dice": "mean Dice of the model over images",
    "dice_against": "the same of the other model",
    "lost": "dice_against - dice",
    "lost_low": "lower end of the 95 % interval of lost, bootstrap over patients; seed all: over patients and seeds",
    "lost_high": "upper end of that interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "lost_sd_seeds": "seed all: standard deviation (n - 1) of lost over the seeds that both models have",
    "n": "images that both models have a Dice score of",
    "n_patients": "their patients",
    **_DATA,
}
"""`tables/decomposition.csv`: one row per part, hidden structure and seed, and one over the seeds."""

ALL = "all"


def _arms(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    """Benchmark, adaptive, oracle and, if it is there, the model of the other data sets alone.

    Raises:
        ValueError: One of the first three is missing.
    """
    oracle = next((one for one in experiments if one.loss == ORACLE), None)
    found = {"oracle": oracle}
    if oracle is not None:
        for one in experiments:
            same_data = set(one.train_on) == set(oracle.train_on)
            if not one.hidden and (same_data or set(one.train_on) < set(oracle.train_on)):
                found["benchmark" if same_data else "alone"] = one
            if one.hidden == oracle.hidden and one.loss == "adaptive" and not one.dropout_probability:
                found["adaptive"] = one
    missing = [name for name in ("oracle", "benchmark", "adaptive") if found.get(name) is None]
    if missing:
        raise ValueError(
            f"decomposition: no model is the {missing[0]} (expected benchmark, oracle and adaptive loss with the same"
            f" hidden labels, found {[one.model for one in experiments]})."
        )
    return {name: one for name, one in found.items() if one is not None}


def _pairs(arms: dict[str, Experiment]) -> list[tuple[str, Experiment, Experiment]]:
    """Part, the model that has lost it, and the one from which it is counted."""
    pairs = [
        (LOST, arms["adaptive"], arms["benchmark"]),
        (MISSING, arms["oracle"], arms["benchmark"]),
        (IN_PLACE, arms["adaptive"], arms["oracle"]),
    ]
    return [*pairs, (GAP, arms["alone"], arms["benchmark"])] if "alone" in arms else pairs


def _row(part: str, a: Experiment, b: Experiment, cell: pd.DataFrame, sample: Resampling) -> dict[str, Any]:
    """One row, but for its seed: over the seeds that the cell has scores of."""
    found = scored_images(cell, [a.model, b.model])
    n_seeds = max(len(dice) for dice in found.models.values())
    row = {
        "part": part,
        "model": a.model,
        "against": b.model,
        "lost_sd_seeds": math.nan,
        "n": len(found.patients),
        "n_patients": found.n_patients,
        "interval": "none",
    }
    if not found.patients.size:
        return row
    drawn = sample.draw_means(found, [[b.model], [a.model]])
    ends = crossed_interval(drawn, KINDS["superior"].estimate, 0.95)
    against, dice = map(float, drawn.means)
    row |= {"dice": dice, "dice_against": against, "lost": against - dice, "lost_low": ends.low, "lost_high": ends.high}
    return row | {"interval": sample.words(ends, "patients" if n_seeds == 1 else "patients and seeds")}


def _rows(study: Study) -> Iterator[dict[str, Any]]:
    sample = Resampling(study.settings["statistics"])
    arms = _arms(study.experiments)
    for item in arms["oracle"].hidden:
        cell = cell_of(study.scores, item.dataset, item.structure.name, "dataset")
        where = {"dataset": item.dataset, "structure": item.structure.name, "data": study.data_of(item.dataset)}
        for part, a, b in _pairs(arms):
            of_seeds = [
                {**_row(part, a, b, cell[cell["seed"] == seed], sample), "seed": seed, **where}
                for seed in sorted({*a.seeds} & {*b.seeds})
            ]
            yield from of_seeds
            spread = standard_deviation(np.array([row.get("lost", math.nan) for row in of_seeds], float))
            yield {**_row(part, a, b, cell, sample), "seed": ALL, "lost_sd_seeds": spread, **where}


def decomposition(study: Study, item: Item) -> Content:
    """The Dice that is lost where labels are hidden, part by part.

    Raises:
        ValueError: Benchmark, oracle or adaptive model is missing.
    """
    table = pd.DataFrame(list(_rows(study)), columns=list(DECOMPOSITION))
    shown = table[table["seed"] == ALL]
    reading = pd.DataFrame(
        {
            "Lost to": shown["part"],
            "Where": shown["dataset"] + " " + shown["structure"],
            "From": shown["against"] + " (" + shown["dice_against"].map(number) + ")",
            "To": shown["model"] + " (" + shown["dice"].map(number) + ")",
            "Dice lost": shown["lost"].map(number),
            "95 % (patients, seeds)": [interval(row.lost_low, row.lost_high) for row in shown.itertuples()],
            "SD over seeds": shown["lost_sd_seeds"].map(number),
            "n (patients)": [f"{row.n} ({row.n_patients})" for row in shown.itertuples()],
        }
    )
    how = "95 %: interval by bootstrap over patients and seeds; the CSV has every seed."
    return Content(table, DECOMPOSITION, f"{item.numbers} {how}", reading)
