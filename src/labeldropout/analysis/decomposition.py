"""What hidden labels cost, in two parts: the labels that are missing, and the background that stands in their place.

The oracle is trained as the adaptive model, but the pixels of the hidden structure are left out of its loss (decision
33b). From all labels to the oracle, only the labels have gone. From the oracle to the adaptive model, background has
come into their place: what an image with a structure and no label for it teaches, the shortcut proper.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.outcomes import Resampling
from labeldropout.analysis.statistics import standard_deviation, summarise
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
    "lost_low": "lower end of the 95 % interval of lost, bootstrap over patients; seed all: of the images' means over"
    " seeds, so it speaks of other patients, not of other seeds",
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


def _images(table: pd.DataFrame, model: str, cell: tuple[str, str]) -> pd.DataFrame:
    """Dice of the images of a cell under one model, against the data set's own labels."""
    return cell_of(table[table["model"] == model], *cell, "dataset")[["patient", "case", "dice"]]


def _row(
    part: str, a: Experiment, b: Experiment, cell: tuple[str, str], sides: Sequence[pd.DataFrame], sample: Resampling
) -> dict[str, Any]:
    """One row, but for its seed."""
    pairs = sides[0].merge(sides[1], on=["patient", "case"], suffixes=("", "_against"), validate="one_to_one").dropna()
    lost, patients = (pairs["dice_against"] - pairs["dice"]).to_numpy(float), pairs["patient"].to_numpy()
    found = sample.interval(lost, patients, 0.95)
    return {
        "part": part,
        "model": a.model,
        "against": b.model,
        "dataset": cell[0],
        "structure": cell[1],
        "dice": summarise(pairs["dice"].to_numpy(float)).mean,
        "dice_against": summarise(pairs["dice_against"].to_numpy(float)).mean,
        "lost": summarise(lost).mean,
        "lost_low": found.low,
        "lost_high": found.high,
        "interval": sample.words(found),
        "lost_sd_seeds": np.nan,
        "n": len(pairs),
        "n_patients": len(set(patients)),
    }


def _rows(study: Study) -> Iterator[dict[str, Any]]:
    sample = Resampling(study.settings["statistics"])
    arms = _arms(study.experiments)
    for item in arms["oracle"].hidden:
        cell = (item.dataset, item.structure.name)
        for part, a, b in _pairs(arms):
            of_seeds = []
            for seed in sorted({*a.seeds} & {*b.seeds}):
                scores = study.scores[study.scores["seed"] == seed]
                sides = [_images(scores, one.model, cell) for one in (a, b)]
                of_seeds.append({**_row(part, a, b, cell, sides, sample), "seed": seed, "data": study.data})
            yield from of_seeds
            whole = _row(part, a, b, cell, [_images(study.images, one.model, cell) for one in (a, b)], sample)
            spread = standard_deviation(np.array([row["lost"] for row in of_seeds], float))
            yield {**whole, "seed": ALL, "lost_sd_seeds": spread, "data": study.data}


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
            "95 % (patients)": [interval(row.lost_low, row.lost_high) for row in shown.itertuples()],
            "SD over seeds": shown["lost_sd_seeds"].map(number),
            "n (patients)": [f"{row.n} ({row.n_patients})" for row in shown.itertuples()],
        }
    )
    how = "95 %: interval by bootstrap over patients; the CSV has every seed."
    return Content(table, DECOMPOSITION, f"{item.numbers} {how}", reading)
