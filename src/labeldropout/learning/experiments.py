"""`Experiment`: a row of the list of experiments, parsed from its cells or read back from its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

from labeldropout.fingerprint import keys_of
from labeldropout.labels import structures_of, values_of
from labeldropout.messages import did_you_mean

ORACLE = "oracle"
"""A row's loss: the adaptive one without the pixels of a structure where it was hidden (decision 33b).

It has to know the hidden labels, so it is a control for labels that we hide ourselves."""

LOSS_NAMES = (*keys_of("losses", "LOSSES"), ORACLE)
"""What a row may say; all but `ORACLE` are keys of `LOSSES`."""


AUGMENTATIONS = ("none", "published", "strong")
"""From none to most; what the last two draw stands in the configuration."""

DROPOUT_MODES = ("single", "pattern")


ANY = "any"
"""Used in place of a data set: labels are hidden regardless of the domain."""


@dataclass(frozen=True)
class Hidden:
    """A label that is hidden from the training part of a data set."""

    structure: IntEnum
    dataset: str
    """The data set, or `ANY`: cases are drawn from all that the model is trained on, whatever their domain."""
    share: float | None
    """Share of the training cases that lose the label, in (0, 1]; None where `as_many_as` says how many."""
    as_many_as: str | None = None
    """A data set: as many cases lose the label as have it in its training part. Only with `ANY`."""


@dataclass(frozen=True)
class Experiment:
    """One row of `config/experiments.tsv`: one model, trained once per seed."""

    model: str
    """Name of the row and of the model's folder."""
    experiment: str
    """Number in the paper: 1 to 4, 4b; 5 to 10 are ours."""
    shown_in: tuple[str, ...]
    """Figures and tables that need this model."""
    train_on: tuple[str, ...]
    """Data sets whose training parts are used."""
    structures: tuple[IntEnum, ...]
    """What the network segments; other structures are background."""
    hidden: tuple[Hidden, ...]
    """Labels hidden from the training parts."""
    loss: str
    """One of `LOSS_NAMES`; `ORACLE` is the only one that `LOSSES` does not have."""
    augmentation: str
    """One of `AUGMENTATIONS`."""
    dropout_structures: tuple[IntEnum, ...]
    """Structures that label dropout may hide; empty without label dropout."""
    dropout_probability: float
    """Probability that label dropout hides something, in [0, 1]."""
    dropout_mode: str
    """One of `DROPOUT_MODES`; empty without label dropout."""
    network: str
    """Key of `NETWORKS`."""
    seeds: tuple[int, ...]
    evaluated_on: tuple[str, ...]
    """Data sets whose test parts are predicted and scored."""
    severity: float | None = None
    """Domain shift of the simulated data sets of this model, in [0, 1]; None for the study's own."""

    @property
    def datasets(self) -> set[str]:
        """Data sets that it is trained or evaluated on."""
        return {*self.train_on, *self.evaluated_on}

    @property
    def loss_function(self) -> str:
        """Key of `LOSSES`."""
        return "adaptive" if self.loss == ORACLE else self.loss


def code_choices(loss: str, network: str) -> dict[str, list[str]]:
    """The entries that a model runs in the tables of losses and networks: `choices` for its code's fingerprint."""
    return {"LOSSES": [loss], "_FIXES_BACKGROUND_AT_ZERO": [loss], "NETWORKS": [network]}


COLUMNS = tuple(field.name for field in fields(Experiment))


def order_of_the_paper(row: Experiment) -> tuple[Any, ...]:
    """Sort key: by experiment, then from all labels to fewer and from no remedy to more, as in the panels' columns."""
    number = int(row.experiment.rstrip("ab") or 0) if row.experiment.rstrip("ab").isdigit() else 0
    loss, augmentation = LOSS_NAMES.index(row.loss), AUGMENTATIONS.index(row.augmentation)
    place = (number, row.experiment, bool(row.hidden), loss, augmentation)
    return *place, row.dropout_probability, row.model


def _names(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("+") if part.strip())


def _one_of(cell: str, valid: tuple[str, ...], where: str) -> str:
    if cell not in valid:
        advice = did_you_mean(cell, valid)
        raise ValueError(f"{where}: unknown value {cell!r} (expected one of {', '.join(valid)}). {advice}".rstrip())
    return cell


def _structures(cell: str, known: type[IntEnum], where: str) -> tuple[IntEnum, ...]:
    valid = tuple(values_of(known))
    return tuple(sorted(known[_one_of(name, valid, where)] for name in _names(cell)))


def _hidden(cell: str, train_on: tuple[str, ...], known: type[IntEnum], where: str) -> tuple[Hidden, ...]:
    """Read `LA@unity:1.0+LVM@camus:0.5`, or `LA@any:unity`: as many as Unity has, from all data sets alike."""
    items = []
    for part in _names(cell):
        try:
            name, rest = part.split("@")
            dataset, share = rest.split(":")
            value = None if dataset == ANY and share in train_on else float(share)
        except ValueError as error:
            raise ValueError(
                f"{where}: cannot read {part!r} (expected STRUCTURE@DATASET:SHARE, as in LA@unity:1.0,"
                f" or STRUCTURE@{ANY}:DATASET)."
            ) from error
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{where}: share {value} (expected more than 0 and at most 1).")
        structure = _structures(name, known, where)[0]
        dataset = _one_of(dataset, (*train_on, ANY), where)
        items.append(Hidden(structure, dataset, value, share if value is None else None))
    return tuple(items)


def _severity(cell: str, where: str) -> float | None:
    if not cell:
        return None
    try:
        severity = float(cell)
    except ValueError as error:
        raise ValueError(f"{where}: {cell!r} is not a number.") from error
    if not 0 <= severity <= 1:
        raise ValueError(f"{where}: {severity} (expected 0 to 1).")
    return severity


def _label_dropout(cells: dict[str, str], at: dict[str, str], where: str) -> tuple[float, str]:
    """Probability and mode; together with the structures, either all three are given or none."""
    try:
        probability = float(cells["dropout_probability"] or 0)
    except ValueError as error:
        raise ValueError(f"{at['dropout_probability']}: {cells['dropout_probability']!r} is not a number.") from error
    if not 0 <= probability <= 1:
        raise ValueError(f"{at['dropout_probability']}: {probability} (expected 0 to 1).")
    mode = _one_of(cells["dropout_mode"], ("", *DROPOUT_MODES), at["dropout_mode"])
    if len({probability > 0, bool(cells["dropout_structures"]), bool(mode)}) > 1:
        raise ValueError(
            f"{where}: row {cells['model']!r}: label dropout needs dropout_structures, dropout_probability > 0 and"
            f" dropout_mode together (found {cells['dropout_structures']!r}, {probability}, {mode!r})."
        )
    return probability, mode


def _loss(cells: dict[str, str], at: dict[str, str]) -> str:
    loss = _one_of(cells["loss"], LOSS_NAMES, at["loss"])
    if loss == ORACLE and (not cells["hidden"] or cells["dropout_structures"]):
        raise ValueError(
            f"{at['loss']}: the oracle leaves out the pixels of hidden labels (expected labels in 'hidden' and no label"
            f" dropout, found {cells['hidden']!r} and {cells['dropout_structures']!r})."
        )
    return loss


def _seeds(cell: str, where: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(seed) for seed in cell.split(","))
    except ValueError as error:
        raise ValueError(f"{where}: {cell!r} (expected numbers joined by ',').") from error
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"{where}: {cell!r} repeats a seed.")
    return seeds


def parse_row(
    row: dict[str, str], datasets: tuple[str, ...], known: type[IntEnum], where: str = "config/experiments.tsv"
) -> Experiment:
    """Turn a row of the list into an `Experiment`.

    Args:
        row: Cells by column; a missing column is an empty cell.
        datasets: Names of the data sets of the study.
        known: Structures of the study.
        where: The file, for messages.

    Raises:
        ValueError: A column or a cell is not valid; the message names row, column, value and valid values.
    """
    for column in row:
        _one_of(column, COLUMNS, f"{where}: column")
    cells = {column: (row.get(column) or "").strip() for column in COLUMNS}
    model = cells["model"]
    at = {column: f"{where}: row {model!r}, column {column!r}" for column in COLUMNS}
    if not model or not all(character.isalnum() or character in "-_" for character in model):
        raise ValueError(f"{at['model']}: {model!r} is not a valid name (expected letters, digits, '-' and '_').")
    for column in ("train_on", "evaluated_on"):
        if not cells[column]:
            raise ValueError(f"{at[column]}: empty (expected data sets joined by '+').")
        for name in _names(cells[column]):
            _one_of(name, datasets, at[column])
    structures = _structures(cells["structures"], known, at["structures"])
    hidden = _hidden(cells["hidden"], _names(cells["train_on"]), known, at["hidden"])
    dropout_structures = _structures(cells["dropout_structures"], known, at["dropout_structures"])
    for structure in (*dropout_structures, *(item.structure for item in hidden)):
        _one_of(structure.name, tuple(values_of(structures)), at["structures"])
    probability, mode = _label_dropout(cells, at, where)
    return Experiment(
        model=model,
        experiment=cells["experiment"],
        shown_in=_names(cells["shown_in"]),
        train_on=_names(cells["train_on"]),
        structures=structures,
        hidden=hidden,
        loss=_loss(cells, at),
        augmentation=_one_of(cells["augmentation"], AUGMENTATIONS, at["augmentation"]),
        dropout_structures=dropout_structures,
        dropout_probability=probability,
        dropout_mode=mode,
        network=cells["network"],
        seeds=_seeds(cells["seeds"], at["seeds"]),
        evaluated_on=_names(cells["evaluated_on"]),
        severity=_severity(cells["severity"], at["severity"]),
    )


def experiment_of(config: Mapping[str, Any], seeds: str, shown_in: str) -> Experiment:
    """The row of the list that `resolve` turned into a `config.json`, read back from it.

    Args:
        config: Content of `config.json`.
        seeds: Cell of the list, because how often a model is trained is not one of its settings.
        shown_in: Cell of the list, because where a model is shown is not one either.

    Raises:
        ValueError: A setting is missing or malformed; the message names it.
    """
    try:
        model, known = config["model"], structures_of(config["structures"])
        dropout = config["label_dropout"] or {"structures": [], "probability": 0.0, "mode": ""}
        return Experiment(
            model=model,
            experiment=config["experiment"],
            shown_in=_names(shown_in),
            train_on=tuple(config["train_on"]),
            structures=tuple(known),
            hidden=tuple(
                Hidden(known[item["structure"]], item["dataset"], item.get("share"), item.get("as_many_as"))
                for item in config["hidden"]
            ),
            loss=ORACLE if config.get("ignore_hidden") else config["loss"],
            augmentation=(config["augmentation"] or {"name": AUGMENTATIONS[0]})["name"],
            dropout_structures=tuple(known[name] for name in dropout["structures"]),
            dropout_probability=dropout["probability"],
            dropout_mode=dropout["mode"],
            network=config["network"]["name"],
            seeds=_seeds(seeds, f"seeds of {model}"),
            evaluated_on=tuple(config["evaluated_on"]),
            severity=config.get("severity"),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"cannot read {error} (expected settings that `labeldropout resolve` wrote).") from error
