"""The study as the tables see it: scores, cases and the paper's numbers, read and checked."""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from labeldropout.data.case_store import CASES, read_case_table
from labeldropout.data.parts import named, read_parts
from labeldropout.files import read_json, read_table
from labeldropout.learning.experiments import Experiment, experiment_of
from labeldropout.learning.tables import SCORES

_DATA = {"data": "simulated or real"}

MEAN = "mean"
"""Structure of the rows that hold the mean over the structures of an image."""

CELL = ["dataset", "structure", "reference"]

_REPORTED = ("item", "model", "against", "dataset", "structure", "measure", "value", "sd", "text", "where")

_SCORE_TEXT = (
    *("model", "case", "dataset", "patient", "view", "instant", "structure", "reference", "surface_dice_tolerance"),
)

_CASE_TEXT = ("view", "instant", "group_name", "quality", "flags", "split_hint", "source")


@dataclass(frozen=True)
class Study:
    """What a table is made from."""

    experiments: tuple[Experiment, ...]
    """Models of the item, in the order of the list."""
    scores: pd.DataFrame
    """`SCORES` of these models in a fixed order, with rows for the mean over structures."""
    images: pd.DataFrame
    """The same scores averaged over seeds, from `per_image`."""
    cases: pd.DataFrame
    """`cases.csv` of all stores with the column `part`, sorted by case within a data set."""
    reported: pd.DataFrame
    """The paper's numbers."""
    settings: dict[str, Any]

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of the study's structures in the order of their values, then `MEAN`."""
        return (*self.settings["structures"], MEAN)

    def data_of(self, dataset: str) -> str:
        """Entry of the column `data` in a row about a data set."""
        return "simulated" if self.settings["simulated"] and dataset not in self.settings["real"] else "real"

    @property
    def severity(self) -> float:
        """Domain shift of the study; NaN where data are real."""
        return float(self.settings["severity"]) if self.settings["simulated"] else math.nan

    def severity_of(self, experiment: Experiment) -> float:
        """Domain shift of the data of a model: its own, or the study's; NaN where data are real."""
        return self.severity if experiment.severity is None else experiment.severity

    def reported_value(self, column: str = "value", **where: str) -> Any:
        """The paper's number for these cells; NaN, or empty for the column `text`, if it gives none."""
        table = self.reported
        for key, wanted in where.items():
            table = table[table[key] == wanted]
        found = table[column].tolist()
        return found[0] if found else ("" if column == "text" else math.nan)


def enumerated(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@dataclass(frozen=True)
class Content:
    """A finished table."""

    table: pd.DataFrame
    """Full numbers."""
    columns: dict[str, str]
    """The columns that the table must have, with their meaning."""
    caption: str
    reading: pd.DataFrame
    """The same numbers as text, rounded."""


def read_reported(path: Path) -> pd.DataFrame:
    """Read the paper's numbers: one row per entry, empty text and NaN where an entry has no such key.

    Raises:
        ValueError: An entry has an unknown key, or two entries are for the same number; the message names it.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({error}).") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: expected a list of entries, found {type(entries).__name__}.")
    for place, entry in enumerate(entries, 1):
        for key in entry:
            if key not in _REPORTED:
                near = difflib.get_close_matches(str(key), _REPORTED, 1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ValueError(f"{path}: entry {place}: unknown key {key!r} (expected one of {_REPORTED}).{hint}")
    table = pd.DataFrame(entries, columns=list(_REPORTED))
    numbers = ["value", "sd"]
    table[numbers] = table[numbers].astype(float)
    words = [name for name in _REPORTED if name not in numbers]
    table[words] = table[words].astype(object).fillna("").astype(str)
    keys = ["item", "model", "against", "dataset", "structure", "measure"]
    if table.duplicated(keys).any():
        raise ValueError(f"{path}: two entries for {table.loc[table.duplicated(keys), keys].iloc[0].to_dict()}.")
    return table


def read_models(configs: Sequence[Path], seeds: Sequence[str], shown_in: Sequence[str]) -> tuple[Experiment, ...]:
    """The rows of the list behind these `config.json`, in the same order.

    Args:
        configs: `config.json` of every model.
        seeds: The cell `seeds` of each of them in the list of experiments.
        shown_in: The cell `shown_in` of each of them.

    Raises:
        ValueError: The numbers of cells and models differ, or a file is not as `resolve` wrote it; the message names
            it.
    """
    if not len(configs) == len(seeds) == len(shown_in):
        raise ValueError(
            f"{len(configs)} configurations, {len(seeds)} cells of seeds, {len(shown_in)} of shown_in"
            " (expected one of each for every model)."
        )
    models = []
    for path, *cells in zip(configs, seeds, shown_in, strict=True):
        content = read_json(path)
        try:
            models.append(experiment_of(content, *cells))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return tuple(models)


def read_scores(paths: Iterable[Path], experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Read the scores of these models in a fixed order, whatever the order of files and rows.

    Rows with structure `mean` are added for models of several structures: the mean over the structures of an image
    that have a score against the data set's own reference.

    Raises:
        ValueError: Columns are unknown, a model or a seed is missing, or a score is given twice or not for all seeds.
    """
    tables = [read_table(path, SCORES, _SCORE_TEXT) for path in paths]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SCORES))
    known = {experiment.model: experiment for experiment in experiments}
    if others := sorted(set(table["model"]) - set(known)):
        raise ValueError(f"scores of {others[0]!r}, which is not a model of this item (expected one of {list(known)}).")
    for experiment in experiments:
        found = sorted({int(seed) for seed in table.loc[table["model"] == experiment.model, "seed"]})
        if found != sorted(experiment.seeds):
            raise ValueError(f"scores of {experiment.model}: seeds {found} (expected {sorted(experiment.seeds)}).")
    keys = ["model", "dataset", "patient", "case", "structure", "reference"]
    table = table.sort_values([*keys, "seed"], ignore_index=True)
    if (twice := table.duplicated([*keys, "seed"])).any():
        raise ValueError(f"scores: given twice: {table.loc[twice, [*keys, 'seed']].iloc[0].to_dict()}.")
    seeds = table.groupby(keys, sort=False)["seed"].transform("size")
    wanted = table["model"].map({name: len(experiment.seeds) for name, experiment in known.items()})
    if (torn := seeds != wanted).any():
        raise ValueError(f"scores: not given for all seeds: {table.loc[torn, keys].iloc[0].to_dict()}.")
    several = [name for name, experiment in known.items() if len(experiment.structures) > 1]
    own = table[(table["reference"] == "dataset") & table["model"].isin(several)]
    means = own.groupby(["model", "seed", "dataset", "patient", "case"], as_index=False, sort=True)["dice"].mean()
    return pd.concat([table, means.assign(structure=MEAN, reference="dataset")], ignore_index=True)


def read_cases(stores: Iterable[Path], split: Sequence[Path]) -> pd.DataFrame:
    """Read the tables of all stores with the part of every case; sorted by case within a data set.

    Raises:
        ValueError: A patient has no part.
    """
    patients = read_parts(split)
    tables = []
    for store in stores:
        table = read_case_table(store).sort_values("case", ignore_index=True)
        table = table.merge(patients, on=["dataset", "patient"], how="left", validate="many_to_one")
        if (lost := table["part"].isna()).any():
            raise ValueError(f"{named(split)}: no part for patient {table.loc[lost, 'patient'].iloc[0]} of {store}.")
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*CASES, "part"])


def per_image(scores: pd.DataFrame) -> pd.DataFrame:
    """Dice of every image under every model, averaged over the model's seeds (those with a score).

    Returns:
        Columns model, dataset, structure, reference, patient, case, dice; sorted by them.
    """
    return scores.groupby(["model", *CELL, "patient", "case"], as_index=False, sort=True)["dice"].mean()


def cell_of(table: pd.DataFrame, dataset: str, structure: str, reference: str) -> pd.DataFrame:
    """The rows of one data set, structure and reference."""
    return table[(table["dataset"] == dataset) & (table["structure"] == structure) & (table["reference"] == reference)]
