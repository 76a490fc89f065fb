"""The same models after two lengths of training, side by side: does a shortcut grow or fade with training?"""

import math
from pathlib import Path

import pandas as pd
import scipy

from labeldropout.analysis.readings import write_with_readings
from labeldropout.analysis.spreads import LENGTH_TABLE
from labeldropout.analysis.typesetting import mean_and_spread, with_interval
from labeldropout.files import read_table

SHORT, LONG = "short", "long"

_OF_IMAGES = (
    *("dice_median", "dice_q1", "dice_q3", "dice_whisker_low", "dice_whisker_high", "dice_worst", "dice_low"),
    *("dice_high", "interval", "dice_sd_patients", "n_failures", "n_both_empty"),
)
"""Columns of `LENGTH_TABLE` that need the scores of images: seed all has them for all seeds of a study only."""

LONG_SHORT = {
    "study": "short or long: the study in which the model was trained",
    **{name: meaning for name, meaning in LENGTH_TABLE.items() if name not in _OF_IMAGES},
    "n_seeds": "seeds that both studies have: only these are here, and seed all is over them",
    "change": "dice_mean of the long study less that of the short one; in the row long, seed all",
    "change_low": "lower end of the 95 % interval of the change over trainings (Welch's t), not over patients; empty"
    " with one seed",
    "change_high": "upper end of that interval",
}
"""`tables/long_short.csv`: `tables/training_length.csv` of both studies, one below the other, of the same seeds."""

LENGTH_TEXT = ("train_on", "seed", "hidden", "dropout_mode", "augmentation", "network", "reference", "data")
_CELL = ["model", "dataset", "structure", "reference"]
_ALL = "all"


def _change(short: pd.Series, long: pd.Series) -> dict[str, float]:
    """The difference of two means over trainings, with its interval."""
    change, low, high = float(long.mean() - short.mean()), math.nan, math.nan
    if len(short) > 1 and short.std() + long.std() > 0:
        low, high = scipy.stats.ttest_ind(long, short, equal_var=False).confidence_interval()
    return {"change": change, "change_low": float(low), "change_high": float(high)}


def _of_shared_seeds(cell: pd.DataFrame) -> pd.DataFrame:
    """Rows of one cell in both studies: the seeds that both have, and the means over these, with the change."""
    studies = [cell[cell["study"] == word] for word in (SHORT, LONG)]
    shared = set(studies[0]["seed"]) & set(studies[1]["seed"]) - {_ALL}
    seeds = [rows[rows["seed"].isin(shared)] for rows in studies]
    dice = [rows["dice_mean"] for rows in seeds]
    whole = [
        rows[rows["seed"] == _ALL].assign(dice_mean=values.mean(), dice_sd=values.std())
        for rows, values in zip(studies, dice, strict=True)
    ]
    whole[1] = whole[1].assign(**_change(*dice))
    return pd.concat([seeds[0], whole[0], seeds[1], whole[1]]).assign(n_seeds=len(shared))


def join_lengths(short: Path, long: Path) -> pd.DataFrame:
    """The models and seeds that both studies have, from `training_length.csv` of each.

    Returns:
        Table `LONG_SHORT`.

    Raises:
        ValueError: The studies share no training, or the longer one is not longer; the message names the files.
    """
    tables = [read_table(path, LENGTH_TABLE, LENGTH_TEXT) for path in (short, long)]
    trainings = [set(zip(table["model"], table["seed"], strict=True)) for table in tables]
    shared = {model for model, seed in trainings[0] & trainings[1] if seed != _ALL}
    if not shared:
        raise ValueError(f"{long}: no model and seed in common with {short} (expected at least one).")
    steps = [float(table["steps"].max()) for table in tables]
    if not steps[0] < steps[1]:
        raise ValueError(f"{long}: {steps[1]:g} steps (expected more than the {steps[0]:g} of {short}).")
    named = [table.assign(study=word) for table, word in zip(tables, (SHORT, LONG), strict=True)]
    both = pd.concat([table[table["model"].isin(shared)] for table in named], ignore_index=True)
    cells = [cell for _, cell in both.groupby(_CELL, sort=False) if len(set(cell["study"])) > 1]
    joined = pd.concat([_of_shared_seeds(cell) for cell in cells])
    return joined.sort_values("study", key=lambda words: words == LONG, kind="stable")[list(LONG_SHORT)]


def _reading(table: pd.DataFrame) -> pd.DataFrame:
    """One line per model and cell: mean and SD over seeds in each study, and the change."""
    overall = table[table["seed"] == _ALL]
    lines = []
    for (model, dataset, structure, reference), rows in overall.groupby(_CELL, sort=False):
        of_study = {row.study: row for row in rows.itertuples()}
        short, long = of_study[SHORT], of_study[LONG]
        lines.append(
            {
                "Model": model,
                "Trainings": long.n_seeds,
                "Tested on": f"{dataset} (observer)" if reference == "observer" else dataset,
                "Structure": structure,
                f"{short.steps:g} steps": mean_and_spread(short.dice_mean, short.dice_sd),
                f"{long.steps:g} steps": mean_and_spread(long.dice_mean, long.dice_sd),
                "Change": with_interval(long.change, long.change_low, long.change_high, signed=True),
            }
        )
    return pd.DataFrame(lines)


def write_lengths(short: Path, long: Path, output: Path, *, simulated: bool) -> list[Path]:
    """Put two studies side by side; write `<output>.csv`, and rounded as `.md` and `.tex`.

    Args:
        short: `tables/training_length.csv` of one study.
        long: The same of the study with more steps.
        output: Path without extension.
        simulated: Whether the caption must say that the data are simulated.

    Returns:
        The paths of the files.
    """
    table = join_lengths(short, long)
    caption = (
        "The same models and seeds after two lengths of training, each trained anew with its own decay of the learning"
        " rate; the weights are those of the best validation, as always: mean Dice and standard deviation over"
        " trainings, and the change with its 95 % interval over trainings (Welch's t), which neither counts other"
        " patients nor is corrected."
    )
    reading = _reading(table)
    return write_with_readings(table, LONG_SHORT, output, caption, reading, simulated=simulated)
