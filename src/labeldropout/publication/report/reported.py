"""The paper's numbers beside ours, item by item."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labeldropout.analysis.typesetting import interval, mean_and_spread, number, p_value
from labeldropout.publication.figures.draw import TITLES


@dataclass(frozen=True)
class Beside:
    """A number from the paper and ours."""

    what: str
    paper: str
    ours: str
    difference: str = ""
    shares: tuple[float, float] | None = None
    """The paper's Dice and ours, to be drawn as bars."""


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table, cells as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_float(cell: str | None) -> float:
    """The number in a cell; NaN if it is empty."""
    return float(cell) if cell else float("nan")


def _reported_dice(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    """Rows of `FIGURE_TABLE` for which the paper has a number."""
    kept = list(rows)
    of_seeds: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in kept:
        if row["seed"] != "all":
            of_seeds.setdefault((row["model"], row["dataset"], row["structure"]), []).append(row)
    found = []
    for row in kept:
        if row["seed"] != "all" or not row["reported"]:
            continue
        ours, paper = as_float(row["dice_mean"]), as_float(row["reported"])
        seeds = of_seeds.get((row["model"], row["dataset"], row["structure"]), [])
        spread = as_float(seeds[0]["dice_sd"] if len(seeds) == 1 else row["dice_sd"])
        is_number = ours == ours  # noqa: PLR0124 - NaN differs from itself
        found.append(
            Beside(
                f"{row['model']}: {row['structure']}, {TITLES.get(row['dataset'], row['dataset'])}",
                mean_and_spread(paper, as_float(row["reported_sd"])),
                mean_and_spread(ours, spread),
                number(ours - paper, signed=True),
                (paper, ours) if is_number else None,
            )
        )
    return found


def _reported_table_2(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    found = []
    for row in rows:
        for measure, words in (("adaptive", "without label dropout"), ("label_dropout", "with label dropout")):
            if row[f"reported_{measure}"] and row[measure]:
                paper, ours = float(row[f"reported_{measure}"]), float(row[measure])
                what = f"{row['structure']} {words}"
                difference = number(ours - paper, signed=True)
                found.append(Beside(what, number(paper), number(ours), difference, (paper, ours)))
        if row["reported_difference"] and row["difference"]:
            ends = interval(as_float(row["difference_low"]), as_float(row["difference_high"]), signed=True)
            ours_text = f"{number(float(row['difference']), signed=True)} {ends}"
            paper_text = number(float(row["reported_difference"]), signed=True)
            found.append(Beside(f"{row['structure']}: gain", paper_text, ours_text))
        if row["reported_relative_gain"] and row["relative_gain"]:
            paper_text, ours_text = (
                f"{number(100 * float(row[name]), 0)} %" for name in ("reported_relative_gain", "relative_gain")
            )
            found.append(Beside(f"{row['structure']}: relative gain", paper_text, ours_text))
    return found


def _reported_tests(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    return [
        Beside(
            f"{row['comparison']}: {row['structure']}, {TITLES.get(row['dataset'], row['dataset'])}, per {row['unit']}",
            row["reported"],
            f"{number(as_float(row['difference']), signed=True)}"
            f" {interval(as_float(row['difference_low']), as_float(row['difference_high']), signed=True)},"
            f" p after Holm {p_value(as_float(row['p_holm']))}",
        )
        for row in rows
        if row["reported"]
    ]


def _reported_table_1(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    return [
        Beside(f"{TITLES.get(row['dataset'], row['dataset'])}: {what}", row[f"reported_{name}"], row[ours])
        for row in rows
        for what, name, ours in (("subjects", "subjects", "patients"), ("images", "images", "images"))
    ]


REPORTED = {
    "figure_1": _reported_dice,
    "figure_3": _reported_dice,
    "figure_4": _reported_dice,
    "table_1": _reported_table_1,
    "table_2": _reported_table_2,
    "tests": _reported_tests,
}
