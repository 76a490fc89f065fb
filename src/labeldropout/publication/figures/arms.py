"""What distinguishes a model of our own experiments, read from its columns, and how it looks in every figure."""

from dataclasses import dataclass

import pandas as pd

from labeldropout.learning.experiments import ANY


@dataclass(frozen=True)
class Look:
    """Marker, colour and title of a kind of model."""

    title: str
    colour: str
    marker: str
    line: str = "-"


LOOKS = {
    "benchmark": Look("All labels (benchmark)", "#3DAA7D", "s"),
    "standard": Look("Standard loss", "#3F8FCB", "X"),
    "adaptive": Look("Adaptive loss", "#B8447E", "o", "--"),
    "single": Look("Adaptive loss, label dropout", "#E69F00", "^", ":"),
    "oracle": Look("Adaptive loss, hidden pixels left out", "#8A6D3B", "h"),
    "pattern": Look("Adaptive loss, label dropout\nof whole label sets", "#5E3C99", "v"),
    "marginal": Look("Marginal loss", "#1F3A68", "D", "-."),
    "independent": Look("Hidden whatever the data set", "#56B4E9", "*"),
    "without": Look("Other data set alone", "0.55", "P"),
}
"""Each kind has its own marker, so that a figure printed in grey is still readable."""


@dataclass(frozen=True)
class Hiding:
    """Which labels a model does not see, according to its cell in the list of experiments."""

    structures: tuple[str, ...]
    dataset: str
    """Where they are hidden: a data set, or `ANY`."""


def hiding(cell: str) -> Hiding | None:
    """Read the column `hidden`; None if nothing is hidden.

    Args:
        cell: Such as `LVM@unity:1.0+LA@unity:1.0` or `LA@any:unity`.

    Raises:
        ValueError: The cell cannot be read, or labels are hidden in several data sets.
    """
    if not cell:
        return None
    parts = [part.split(":")[0].split("@") for part in cell.split("+")]
    if any(len(part) != 2 for part in parts) or len({dataset for _, dataset in parts}) != 1:
        raise ValueError(f"hidden {cell!r} cannot be shown (expected STRUCTURE@DATASET:SHARE, in one data set).")
    return Hiding(tuple(structure for structure, _ in parts), parts[0][1])


def remedy(row: pd.Series) -> str:
    """What a model does about missing labels: the mode of label dropout or, without it, the loss."""
    return row["dropout_mode"] or row["loss"]


def kind(row: pd.Series) -> str:
    """The kind of a model: `benchmark` if no label is hidden from it, else where labels are hidden, and the remedy."""
    hidden = hiding(row["hidden"])
    if hidden is None:
        return "benchmark"
    return "independent" if hidden.dataset == ANY else remedy(row)


def where_hidden(table: pd.DataFrame) -> Hiding:
    """The one data set in which labels are hidden from models of a table, and the structures.

    Raises:
        ValueError: There is none, or more than one.
    """
    found = {hidden for cell in table["hidden"].unique() if (hidden := hiding(cell)) and hidden.dataset != ANY}
    if len(found) != 1:
        raise ValueError(f"expected labels hidden in one data set, found {sorted(map(str, found))}.")
    return found.pop()
