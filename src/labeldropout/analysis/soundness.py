"""Whether every training came to its end: the rule of decision 3b, fixed before any training.

The *validation Dice* of a training in a cell (data set, structure) after some step is that of the weights that would be
kept at that point: those of the best validation up to there. At the end these are the published weights.

- A training is *trained* if in each cell that it was shown labels of its validation Dice is at least `SHARE` of the
  highest that any training of experiments 1 to 4b reaches there at the same severity (where these have none, the
  highest of all models given).
- A model with all labels is settled as well: in each cell and each of its first `SETTLED_SEEDS` seeds, those by which
  the number of steps was chosen, its validation Dice differs by less than `SETTLED` between three quarters of the steps
  and the end (decision 3a).
- A model is *not trained* if a third of its seeds or more are not; with all labels, if any is not or it is not settled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.analysis.readings import write_with_readings
from labeldropout.files import read_json, read_table
from labeldropout.learning.experiments import ANY, Experiment, experiment_of
from labeldropout.learning.tables import HISTORY

SHARE = 0.9
SETTLED = 0.01
SETTLED_SEEDS = 3
"""Seeds by which decision 3a chooses the number of steps."""
TOLERATED = Fraction(1, 3)
"""Share of a model's seeds that must not be reached by those that are not trained."""
LIMITING = ("1", "2", "3", "4", "4b")
"""Experiments whose models set the limits."""

TRAINED, NOT_TRAINED, NOT_SHOWN, EXEMPT = "trained", "not trained", "not shown", "exempt"
ALL = "all"

SOUNDNESS = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training; all = the model",
    "severity": "domain shift of the simulated data sets, 0 to 1; empty for real data",
    "dataset": "data set of the validation cell; all = the model",
    "structure": "structure of the cell; all = the model",
    "dice": "validation Dice of the weights that were kept; empty for the model",
    "highest": "highest of any training of experiments 1 to 4b in this cell at this severity",
    "highest_model": "the model that reached it",
    "limit": "0.9 of the highest",
    "verdict": "trained, not trained, not shown (no label after hiding and label dropout) or exempt (standard loss,"
    " where the label is missing elsewhere)",
    "why": "the reason; for a model the seeds, cells, values and limits that were missed",
}
"""`tables/soundness.csv`: whether every training came to its end. One row per training and cell, and one `all`, `all`,
`all` row per model."""

_CELL = ["dataset", "structure"]
_Cell = tuple[str, str]


@dataclass(frozen=True)
class Training:
    """One training as the rule sees it."""

    experiment: Experiment
    seed: int
    severity: float
    """NaN where data are real."""
    history: pd.DataFrame
    """Table `HISTORY`."""

    @property
    def model(self) -> str:
        """Row of the list of experiments."""
        return self.experiment.model

    @property
    def dice(self) -> dict[_Cell, float]:
        """Validation Dice of the published weights by cell."""
        return kept_dice(self.history, _last_step(self.history))


def _last_step(history: pd.DataFrame) -> float:
    return float(history["step"].max())


def kept_dice(history: pd.DataFrame, step: float) -> dict[_Cell, float]:
    """Validation Dice by cell, mean over cells left out, of the weights that are the best ones after so many steps.

    Args:
        history: Table `HISTORY` of one training.
        step: Optimisation steps.

    Returns:
        Empty if there was no validation until then.
    """
    until = history[(history["step"] <= step) & (history["dataset"] != ALL)]
    best = until.loc[until["best"] == 1, "step"]
    if best.empty:
        return {}
    rows = until[until["step"] == best.max()]
    return dict(zip(zip(rows["dataset"], rows["structure"], strict=True), rows["dice"].astype(float), strict=True))


def changes_over_last_quarter(histories: Sequence[pd.DataFrame]) -> dict[_Cell, float]:
    """How much the last quarter of the steps changed each cell of one model, in the seed where it changed most.

    Args:
        histories: Table `HISTORY` of every seed.

    Returns:
        Dice at the end minus that at three quarters; NaN where a training was not validated before these.
    """
    changes: dict[_Cell, list[float]] = {}
    for history in histories:
        last = _last_step(history)
        before = kept_dice(history, 0.75 * last)
        for cell, dice in kept_dice(history, last).items():
            changes.setdefault(cell, []).append(dice - before.get(cell, float("nan")))
    return {cell: max(values, key=lambda change: (isnan(change), abs(change))) for cell, values in changes.items()}


def is_settled(change: float) -> bool:
    """Whether a cell hardly changed over the last quarter; False where the change is unknown."""
    return abs(change) < SETTLED


def _hides_all(experiment: Experiment, cell: _Cell) -> bool:
    dataset, structure = cell
    return any(
        item.structure.name == structure and item.dataset in {dataset, ANY} and item.share == 1.0
        for item in experiment.hidden
    )


def shown_cells(experiment: Experiment, cells: Sequence[_Cell]) -> set[_Cell]:
    """The cells whose labels a training sees after hiding and label dropout.

    Label dropout of probability 1 in the mode `single` hides one structure of every case, so a structure is never seen
    where it is the only one that can be hidden.

    Args:
        experiment: The row.
        cells: Cells that the data sets annotate.
    """
    shown = {cell for cell in cells if not _hides_all(experiment, cell)}
    if experiment.dropout_probability < 1 or experiment.dropout_mode != "single":
        return shown
    droppable = {structure.name for structure in experiment.dropout_structures}
    hidden = set()
    for dataset in {dataset for dataset, _ in shown}:
        of_dataset = [cell for cell in shown if cell[0] == dataset and cell[1] in droppable]
        hidden |= set(of_dataset) if len(of_dataset) == 1 else set()
    return shown - hidden


def _is_complete(experiment: Experiment, cells: Sequence[_Cell]) -> bool:
    """Whether every label of every data set is there and stays: the model is fully labelled."""
    wanted = {(dataset, structure.name) for dataset in experiment.train_on for structure in experiment.structures}
    return not experiment.hidden and wanted == set(cells)


def _in_conflict(experiment: Experiment, cells: Sequence[_Cell]) -> set[str]:
    """Structures whose missing labels the standard loss takes for background."""
    if experiment.loss != "standard":
        return set()
    missing = {item.structure.name for item in experiment.hidden}
    for structure in experiment.structures:
        if any((dataset, structure.name) not in cells for dataset in experiment.train_on):
            missing.add(structure.name)
    return missing


def _limits(trainings: Sequence[Training]) -> dict[_Cell, tuple[float, str]]:
    """The highest validation Dice of each cell at one severity, and the model that reaches it."""
    found: dict[_Cell, list[tuple[bool, float, str]]] = {}
    for training in trainings:
        sets_limits = training.experiment.experiment in LIMITING
        for cell, dice in training.dice.items():
            found.setdefault(cell, []).append((sets_limits, dice, training.model))
    return {cell: max(values, key=lambda value: value[:2])[1:] for cell, values in found.items()}


def _below(value: float, limit: float) -> str:
    """A value and the limit that it misses, with as many digits as it takes to tell them apart."""
    digits = 2 if f"{value:.2f}" != f"{limit:.2f}" else 4
    return f"{value:.{digits}f} (limit {limit:.{digits}f})"


def _cell_rows(training: Training, limits: Mapping[_Cell, tuple[float, str]]) -> Iterator[dict[str, Any]]:
    dice = training.dice
    shown = shown_cells(training.experiment, list(dice))
    conflict = _in_conflict(training.experiment, list(dice))
    for cell, value in dice.items():
        highest, highest_model = limits[cell]
        limit = round(SHARE * highest, 9)
        if cell not in shown:
            verdict, why = NOT_SHOWN, "every label hidden, or dropped each time"
        elif cell[1] in conflict:
            verdict, why = EXEMPT, "standard loss, and the label is missing elsewhere"
        elif value >= limit:
            verdict, why = TRAINED, ""
        else:
            verdict, why = NOT_TRAINED, _below(value, limit)
        yield {
            "model": training.model,
            "seed": training.seed,
            "severity": training.severity,
            "dataset": cell[0],
            "structure": cell[1],
            "dice": value,
            "highest": highest,
            "highest_model": highest_model,
            "limit": limit,
            "verdict": verdict,
            "why": why,
        }


def _model_row(trainings: Sequence[Training], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The verdict on a model from those on its trainings."""
    failed: dict[int, list[str]] = {}
    for row in rows:
        if row["verdict"] == NOT_TRAINED:
            failed.setdefault(row["seed"], []).append(f"{row['dataset']} {row['structure']} {row['why']}")
    why = [f"seed {seed}: {', '.join(cells)}" for seed, cells in failed.items()]
    experiment = trainings[0].experiment
    is_sound = Fraction(len(failed), len(trainings)) < TOLERATED
    if _is_complete(experiment, [(row["dataset"], row["structure"]) for row in rows if row["seed"] == rows[0]["seed"]]):
        first = sorted(trainings, key=lambda training: training.seed)[:SETTLED_SEEDS]
        changes = changes_over_last_quarter([training.history for training in first])
        moving = {cell: change for cell, change in changes.items() if not is_settled(change)}
        why += [
            f"{dataset} {structure} changed by {change:+.3f} over the last quarter (limit {SETTLED})"
            for (dataset, structure), change in moving.items()
        ]
        is_sound = not failed and not moving
    return {
        "model": experiment.model,
        "seed": ALL,
        "severity": trainings[0].severity,
        "dataset": ALL,
        "structure": ALL,
        "verdict": TRAINED if is_sound else NOT_TRAINED,
        "why": "; ".join(why),
    }


def judge_soundness(trainings: Sequence[Training]) -> pd.DataFrame:
    """Judge whether trainings came to their end (decision 3b).

    Args:
        trainings: Every training of the study; those of a model stand together.

    Returns:
        Table `SOUNDNESS`: the rows of each model's trainings, then that of the model.
    """
    by_model: dict[str, list[Training]] = {}
    for training in trainings:
        by_model.setdefault(training.model, []).append(training)
    at = {str(training.severity): [] for training in trainings}
    for training in trainings:
        at[str(training.severity)].append(training)
    limits = {severity: _limits(those) for severity, those in at.items()}
    table = []
    for of_model in by_model.values():
        rows = [row for one in of_model for row in _cell_rows(one, limits[str(one.severity)])]
        table += [*rows, _model_row(of_model, rows)]
    return pd.DataFrame(table, columns=list(SOUNDNESS))


def read_trainings(histories: Sequence[Path], configs: Sequence[Path], *, severity: float) -> list[Training]:
    """Read trainings with their models' settings.

    Args:
        histories: `<model>/seed-<n>/history.csv` of every training.
        configs: `<model>/config.json` of every model.
        severity: Domain shift of the study, for models without one of their own.

    Raises:
        ValueError: A history has no settings, or a file is not as it was written; the message names it.
    """
    models = {}
    for path in configs:
        content = read_json(path)
        try:
            models[path.parent] = (experiment_of(content, "0", ""), bool(content["simulated"]))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    trainings = []
    for path in histories:
        seed = path.parent.name.removeprefix("seed-")
        if not seed.isdigit() or path.parent.parent not in models:
            raise ValueError(f"{path}: expected <model>/seed-<n>/history.csv of a model given by --configs.")
        experiment, is_simulated = models[path.parent.parent]
        own = severity if experiment.severity is None else experiment.severity
        shift = float(own) if is_simulated else float("nan")
        trainings.append(Training(experiment, int(seed), shift, read_table(path, HISTORY)))
    return trainings


def write_soundness(
    histories: Sequence[Path], configs: Sequence[Path], output: Path, *, severity: float, simulated: bool
) -> list[Path]:
    """Judge every training; write `<output>.csv`, and the verdicts on the models as `.md` and `.tex`.

    Args:
        histories: `<model>/seed-<n>/history.csv` of every training, in the order in which they are shown.
        configs: `<model>/config.json` of every model.
        output: Path without extension.
        severity: Domain shift of the study, for models without one of their own.
        simulated: Whether the caption must say that the data are simulated.

    Returns:
        The paths of the files.
    """
    table = judge_soundness(read_trainings(histories, configs, severity=severity))
    models = table[table["seed"] == ALL]
    reading = pd.DataFrame({"Model": models["model"], "Verdict": models["verdict"], "Missed": models["why"]})
    caption = (
        f"Whether every model was trained to its end: validation Dice of each cell that it was shown, at least {SHARE}"
        " of the highest of the paper's experiments at the same severity, in more than two thirds of its seeds; with"
        f" all labels in every seed, and changing by less than {SETTLED} over the last quarter in each of the first"
        f" {SETTLED_SEEDS}."
    )
    return write_with_readings(table, SOUNDNESS, output, caption, reading, simulated=simulated)
