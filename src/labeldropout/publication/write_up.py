"""Write up a study: all numbers come from its tables, and its verdicts choose the sentences."""

import csv
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeldropout.analysis.claims.declared import Known, read_claims
from labeldropout.analysis.claims.verdicts import Claim, read_ledger, verdict_counts
from labeldropout.analysis.soundness import NOT_TRAINED
from labeldropout.analysis.typesetting import interval, mean_and_spread, number
from labeldropout.configuration import read_configuration
from labeldropout.files import replacing
from labeldropout.items import LEDGERS
from labeldropout.publication.figures.draw import TITLES
from labeldropout.publication.templates import environment

TEMPLATE = "reproduction.md.jinja"


_ALL = "all"


_LOSSES = ("adaptive", "marginal", "marginal_exclusion", "adaptive_bce")
"""Losses for partial labels that the authors' later comparison covers."""


_SETTINGS = {
    "across1": ("one structure missing across domains", ("LA",)),
    "across2": ("two structures missing across domains", ("LVM", "LA")),
    "within1": ("one structure missing within a domain", ("LA",)),
    "within2": ("two structures missing within a domain", ("LVM", "LA")),
}


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table; none if it does not exist."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _value(row: Mapping[str, str], column: str) -> float:
    """The number in a cell; NaN if it is empty or the table has no such column."""
    return float(row[column]) if row.get(column) else math.nan


@dataclass(frozen=True)
class Scored:
    """A mean Dice from a table, over seeds."""

    model: str
    dataset: str
    structure: str
    mean: float
    sd_seeds: float
    """NaN with one seed."""
    n_seeds: int
    low: float
    high: float
    reported: float

    @property
    def text(self) -> str:
        """Mean, with the standard deviation over seeds where there are several."""
        return mean_and_spread(self.mean, self.sd_seeds)

    @property
    def ends(self) -> str:
        """95 % interval over patients."""
        return interval(self.low, self.high)


class Scores:
    """The means of one table, by model, data set and structure."""

    def __init__(self, path: Path) -> None:
        rows = [row for row in _rows(path) if row.get("reference", "dataset") == "dataset"]
        seeds: dict[tuple[str, str, str], int] = {}
        for row in rows:
            key = (row["model"], row["dataset"], row["structure"])
            seeds[key] = seeds.get(key, 0) + (row["seed"] != _ALL)
        self.found = {
            key: Scored(
                *key,
                mean=_value(row, "dice_mean"),
                sd_seeds=_value(row, "dice_sd"),
                n_seeds=seeds[key],
                low=_value(row, "dice_low"),
                high=_value(row, "dice_high"),
                reported=_value(row, "reported"),
            )
            for row in rows
            if row["seed"] == _ALL and row["dice_mean"]
            for key in [(row["model"], row["dataset"], row["structure"])]
        }
        self.probability = {row["model"]: _value(row, "probability") for row in rows}

    def __bool__(self) -> bool:
        return bool(self.found)

    def get(self, model: str, dataset: str, structure: str) -> Scored | None:
        """One mean; None if it is missing."""
        return self.found.get((model, dataset, structure))


@dataclass(frozen=True)
class Gap:
    """A difference between two means, ours and the paper's."""

    upper: Scored
    lower: Scored

    @property
    def ours(self) -> float:
        """Upper minus lower."""
        return self.upper.mean - self.lower.mean

    @property
    def paper(self) -> float:
        """The same for the paper's numbers; NaN if it has none."""
        return self.upper.reported - self.lower.reported


def _gap(scores: Scores, upper: str, lower: str, dataset: str, structure: str) -> Gap | None:
    found = [scores.get(model, dataset, structure) for model in (upper, lower)]
    return Gap(*found) if all(found) else None  # type: ignore[arg-type]


def _domain_gaps(scores: Scores) -> list[tuple[str, float, float]]:
    """For every test set: its title, LV Dice of the model trained on it, and mean over the other models."""
    gaps = []
    for dataset, title in TITLES.items():
        own = scores.get(f"e1-{dataset}", dataset, "LV")
        others = [scores.get(f"e1-{name}", dataset, "LV") for name in TITLES if name != dataset]
        means = [other.mean for other in others if other]
        if own and means:
            gaps.append((title, own.mean, sum(means) / len(means)))
    return gaps


@dataclass(frozen=True)
class Dropout:
    """Experiment 4 over the probability of label dropout, strictly between never and always."""

    lowest: Scored
    highest: Scored
    unsteadiest: Scored
    """The one with the largest standard deviation over seeds."""


def _dropout(scores: Scores) -> Dropout | None:
    points = [
        found
        for (model, dataset, structure), found in scores.found.items()
        if (dataset, structure) == ("unity", "LA") and 0 < scores.probability[model] < 1
    ]
    if not points:
        return None
    return Dropout(
        min(points, key=lambda one: one.mean),
        max(points, key=lambda one: one.mean),
        max(points, key=lambda one: -1.0 if math.isnan(one.sd_seeds) else one.sd_seeds),
    )


@dataclass(frozen=True)
class LossRow:
    """The losses in one setting, for one hidden structure, without label dropout."""

    setting: str
    words: str
    structure: str
    by_loss: Mapping[str, Scored]

    def best(self, fewest_seeds: int, not_trained: Collection[str]) -> str:
        """The loss with the highest mean among those with enough seeds, all trained; empty unless there are two."""
        enough = [
            loss
            for loss, found in self.by_loss.items()
            if found.n_seeds >= fewest_seeds and found.model not in not_trained
        ]
        return max(enough, key=lambda loss: self.by_loss[loss].mean) if len(enough) > 1 else ""


def _losses(scores: Scores) -> list[LossRow]:
    """The comparison of losses, as far as it was run; across domains, the adaptive loss is experiment 4's model."""
    found = []
    for setting, (words, structures) in _SETTINGS.items():
        dataset = "unity" if setting.startswith("across") else "camus"
        models = {loss: f"e7-{setting}-{loss}-none" for loss in _LOSSES}
        if setting == "across1":
            models["adaptive"] = "e4-p00"
        for structure in structures:
            by_loss = {loss: one for loss, model in models.items() if (one := scores.get(model, dataset, structure))}
            if by_loss:
                found.append(LossRow(setting, words, structure, by_loss))
    return found


def _not_trained(tables: Path) -> set[str]:
    """Models that were not trained to their end: of the paper's part, and of our own experiments."""
    rows = [row for name in ("soundness", "soundness_instrument") for row in _rows(tables / f"{name}.csv")]
    return {row["model"] for row in rows if row["seed"] == _ALL and row["verdict"] == NOT_TRAINED}


def _is_simulated(tables: Path) -> bool:
    return any(row.get("data") == "simulated" for row in _rows(tables / "table_1.csv"))


def _experiments(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["model"]: row for row in csv.DictReader(file, delimiter="\t")}


def facts(results: Path, configuration: Path, root: Path) -> dict[str, Any]:
    """Collect all facts that the template can use.

    Args:
        results: Folder of the results; only `tables` is read.
        configuration: The study's configuration, merged over the default one.
        root: Folder of the workflow.

    Raises:
        ValueError: A table or the configuration cannot be read; the message names it.
    """
    tables = results / "tables"
    study = read_configuration(configuration, root)
    paper = read_configuration(root / "config" / "paper.yaml", root)
    names = tuple(one["name"] for one in study["structures"])
    rules = read_claims(root / study["claims"], Known(tuple(study["datasets"]), names))
    claims = read_ledger(tables)
    figure_3, figure_4 = (Scores(tables / f"{name}.csv") for name in ("figure_3", "figure_4"))
    grid = _rows(tables / "grid.csv")
    return {
        "is_simulated": _is_simulated(tables),
        "missing_ledgers": [name for name in LEDGERS if not (tables / f"{name}.csv").is_file()],
        "claims": claims,
        "by_name": {claim.name: claim for claim in claims},
        "verdicts": verdict_counts(claims),
        "study": study,
        "paper": paper,
        "rules": rules,
        "datasets": _rows(tables / "table_1.csv"),
        "titles": TITLES,
        "domain_gaps": _domain_gaps(Scores(tables / "figure_1.csv")),
        "standard_gap": _gap(figure_3, "e3-benchmark", "e3-standard", "camus", "mean"),
        "adaptive_gap": _gap(figure_3, "e3-benchmark", "e3-adaptive", "camus", "mean"),
        "shift_gap": _gap(figure_4, "e4-benchmark", "e4-p00", "unity", "LA"),
        "dropout_gain": _gap(figure_4, "e4-p05", "e4-p00", "unity", "LA"),
        "dropout": _dropout(figure_4),
        "not_trained": _not_trained(tables),
        "table_2": _rows(tables / "table_2.csv"),
        "losses": _losses(Scores(tables / "losses.csv")),
        "loss_names": _LOSSES,
        "selected": next((row for row in grid if row["selected"] == "1"), None),
        "grid": grid,
        "experiments": _experiments(root / study["experiments"]),
    }


def _of_verdict(claims: Iterable[Claim], kind: str) -> list[Claim]:
    return [claim for claim in claims if claim.kind == kind]


def _floating(cell: str | float) -> float:
    return float(cell) if cell != "" else math.nan


def write_up(results: Path, configuration: Path, output: Path, root: Path = Path()) -> None:
    """Write the write-up; the same tables give the same bytes.

    Args:
        results: Folder of the results; only `tables` is read.
        configuration: The study's configuration, merged over the default one.
        output: Markdown file.
        root: Folder of the workflow.

    Raises:
        ValueError: A table or the configuration cannot be read; the message names it.
    """
    if not (results / "tables").is_dir():
        raise ValueError(f"{results}: no folder 'tables' (expected the results of a study).")
    templates = environment()
    templates.filters |= {
        "dice": lambda cell: number(_floating(cell)),
        "change": lambda cell: number(_floating(cell), signed=True),
        "percent": lambda cell: f"{number(100 * _floating(cell), 0)} %",
        "of_verdict": _of_verdict,
        "words": lambda name: name.replace("_", " "),
    }
    templates.tests["number"] = lambda cell: isinstance(cell, int | float) and not math.isnan(cell)
    text = templates.get_template(TEMPLATE).render(facts(results, configuration, root))
    with replacing(output, "w") as file:
        file.write(text)
