"""The same models after two lengths of training, side by side: does a shortcut grow or fade with training?"""

from pathlib import Path

import pandas as pd

from labeldropout.analysis.readings import write_with_readings
from labeldropout.analysis.spreads import LENGTH_TABLE
from labeldropout.analysis.typesetting import mean_and_spread, number
from labeldropout.files import read_table

SHORT, LONG = "short", "long"

LONG_SHORT = {"study": "short or long: the study in which the model was trained", **LENGTH_TABLE}
"""`tables/long_short.csv`: `tables/training_length.csv` of both studies, one below the other."""

LENGTH_TEXT = ("train_on", "seed", "hidden", "dropout_mode", "augmentation", "network", "reference", "data")
_CELL = ["model", "dataset", "structure", "reference"]


def join_lengths(short: Path, long: Path) -> pd.DataFrame:
    """The models that both studies have, from `training_length.csv` of each.

    Returns:
        Table `LONG_SHORT`.

    Raises:
        ValueError: The studies share no model, or the longer one is not longer; the message names the files.
    """
    tables = [read_table(path, LENGTH_TABLE, LENGTH_TEXT) for path in (short, long)]
    shared = set(tables[0]["model"]) & set(tables[1]["model"])
    if not shared:
        raise ValueError(f"{long}: no model in common with {short} (expected at least one).")
    steps = [float(table["steps"].max()) for table in tables]
    if not steps[0] < steps[1]:
        raise ValueError(f"{long}: {steps[1]:g} steps (expected more than the {steps[0]:g} of {short}).")
    named = [table.assign(study=word) for table, word in zip(tables, (SHORT, LONG), strict=True)]
    joined = pd.concat(named, ignore_index=True)
    return joined.loc[joined["model"].isin(shared), list(LONG_SHORT)].reset_index(drop=True)


def _reading(table: pd.DataFrame) -> pd.DataFrame:
    """One line per model and cell: mean and SD over seeds in each study, and the change."""
    overall = table[table["seed"] == "all"]
    lines = []
    for (model, dataset, structure, reference), rows in overall.groupby(_CELL, sort=False):
        of_study = {row.study: row for row in rows.itertuples()}
        if set(of_study) != {SHORT, LONG}:
            continue
        short, long = of_study[SHORT], of_study[LONG]
        lines.append(
            {
                "Model": model,
                "Tested on": f"{dataset} (observer)" if reference == "observer" else dataset,
                "Structure": structure,
                f"{short.steps:g} steps": mean_and_spread(short.dice_mean, short.dice_sd),
                f"{long.steps:g} steps": mean_and_spread(long.dice_mean, long.dice_sd),
                "Change": number(long.dice_mean - short.dice_mean, signed=True),
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
    caption = "The same models after two lengths of training: mean Dice and standard deviation over seeds."
    reading = _reading(table)
    return write_with_readings(table, LONG_SHORT, output, caption, reading, simulated=simulated)
