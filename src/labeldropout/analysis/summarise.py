"""The study in two small files: all training curves in one table, and the main numbers by name."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.analysis.paper_tables import TABLE_2
from labeldropout.analysis.spreads import FIGURE_TABLE
from labeldropout.analysis.study import _DATA
from labeldropout.files import read_json, read_table
from labeldropout.learning.tables import HISTORY

TRAINING_CURVES = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "step": "optimisation steps done at this validation",
    "dataset": "data set of the validation cell; all = mean over cells",
    "structure": "structure of the cell; all = mean over cells",
    "loss": "mean training loss per case since the validation before",
    "learning_rate": "at the first step after the validation before",
    "dice": "mean validation Dice on the network's grid",
    "best": "1 if this validation is the best so far",
    **_DATA,
}
"""`tables/training_curves.csv`: the histories of all trainings, one row per training, validation and cell."""

_GAINS = ("adaptive", "label_dropout", "difference")


def _data(*, simulated: bool) -> str:
    return "simulated" if simulated else "real"


def join_histories(histories: Sequence[Path], *, simulated: bool, real: Collection[str] = ()) -> pd.DataFrame:
    """The histories of all trainings, one below the other in the given order, every number as it was written.

    Args:
        histories: `<model>/seed-<n>/history.csv` of every training.
        simulated: Whether any of the data are simulated.
        real: Data sets that are not.

    Returns:
        Table `TRAINING_CURVES`, all cells as text.

    Raises:
        ValueError: No history, a file of another name, or two histories of one training; the message names the file.
    """
    tables: dict[tuple[str, int], pd.DataFrame] = {}
    for path in histories:
        seed = path.parent.name.removeprefix("seed-")
        if not seed.isdigit():
            raise ValueError(f"{path}: expected <model>/seed-<n>/history.csv.")
        training = (path.parent.parent.name, int(seed))
        if training in tables:
            raise ValueError(f"{path}: a second history of {training[0]}, seed {seed}.")
        table = read_table(path, HISTORY, HISTORY)
        data = [_data(simulated=simulated and dataset not in real) for dataset in table["dataset"]]
        tables[training] = table.assign(model=training[0], seed=training[1], data=data)
    if not tables:
        raise ValueError("Training curves: no history given.")
    return pd.concat(tables.values(), ignore_index=True)[list(TRAINING_CURVES)]


def _mean_dice(tables: Iterable[Path]) -> dict[str, float]:
    """Mean Dice over seeds by `model/data set/structure`, from tables `FIGURE_TABLE`.

    Raises:
        ValueError: Two tables give different numbers for one name.
    """
    found: dict[str, float] = {}
    for path in tables:
        table = read_table(path, FIGURE_TABLE, FIGURE_TABLE)
        for row in table[(table["seed"] == "all") & (table["dice_mean"] != "")].itertuples():
            name = f"{row.model}/{row.dataset}/{row.structure}"
            dice = float(row.dice_mean)
            if found.setdefault(name, dice) != dice:
                raise ValueError(f"{path}: {name} is {dice} (expected {found[name]}, as in another table).")
    return found


def _gains(path: Path) -> dict[str, float]:
    """Table 2's mean Dice by `structure/measure`."""
    table = read_table(path, TABLE_2, TABLE_2)
    return {
        f"{row['structure']}/{measure}": float(row[measure])
        for _, row in table.iterrows()
        for measure in _GAINS
        if row[measure] != ""
    }


def main_numbers(tables: Sequence[Path], selected: Path, *, simulated: bool) -> dict[str, Any]:
    """The main numbers of a study, in two levels; a mean that is undefined is left out.

    Args:
        tables: Tables behind Figures 1, 3 and 4, and Table 2 under its name `table_2.csv`, as far as they exist.
        selected: Outcome of the grid search.
        simulated: Whether the data are simulated.

    Returns:
        `data`; `dice` by model/data set/structure, mean over seeds; `selected` learning_rate, batch_size and validation
        dice; `table_2` by structure/measure.

    Raises:
        ValueError: Two tables give different numbers for one name.
    """
    gains = [path for path in tables if path.stem == "table_2"]
    return {
        "data": _data(simulated=simulated),
        "dice": _mean_dice(path for path in tables if path not in gains),
        "selected": read_json(selected),
        **{path.stem: _gains(path) for path in gains},
    }
