"""Verb `compare-machines`: whether the same study means the same on another machine.

The same models, trained again under another instruction set, differ in every bit and may differ in every number. The
rule was fixed before any such training: fully labelled models agree within the margin; for every other mean the
interval over patients and seeds of the difference includes 0, after Holm's correction over these cells; and no
comparison of the ledger that holds on one machine is contradicted on the other.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.claims.judge import CLAIMS, CLAIMS_TEXT
from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.claims.rules import Outcome
from labeldropout.analysis.crossed import crossed_interval, crossed_p, scored_images
from labeldropout.analysis.outcomes import Resampling
from labeldropout.analysis.statistics import LEVEL, NO_DIFFERENCE, holm
from labeldropout.analysis.study import _DATA, _SCORE_TEXT, CELL
from labeldropout.analysis.typesetting import interval, markdown, number, p_value
from labeldropout.files import read_table, replacing, write_table
from labeldropout.learning.tables import SCORES

MACHINES = {
    "model": "row of config/experiments.tsv",
    "dataset": "data set whose test part is scored",
    "structure": "name of the structure",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "fully_labelled": "whether the model was trained with every label, as the one who compares says: yes or no",
    "n": "images with a Dice score on both machines, under at least one seed each",
    "n_patients": "patients behind them",
    "n_seeds_first": "trainings on the first machine",
    "n_seeds_second": "trainings on the second",
    "mean_first": "mean Dice on the first machine",
    "mean_second": "mean Dice on the second",
    "difference": "second minus first",
    "low": "lower end of its 95 % interval, bootstrap over patients and seeds",
    "high": "upper end of that interval",
    "p": "two-sided p of no difference, over patients and seeds",
    "p_holm": "the same after Holm's correction over the models that are not fully labelled; else empty",
    "family_size": "p values in that family",
    "agrees": "yes or no: fully labelled models by the margin of 0.02, the others by p_holm of at least 0.05",
    **_DATA,
}
"""`tables/machines.csv`: one row per model and cell."""

MACHINE_VERDICTS = {
    "claim": "C1 to C14, as in config/claims.yaml",
    "comparison": "what is compared, in words",
    "dataset": "data set whose test part is scored",
    "structure": "name of the structure; mean = mean over the structures of an image",
    "first": "outcome of the comparison on the first machine",
    "second": "outcome on the second",
    "turned": "yes or no: whether it holds on one machine and is contradicted on the other",
    **_DATA,
}
"""`tables/machines_verdicts.csv`: one row per comparison that could be tested on both machines."""

_SIDES = ("first", "second")


def _read_scores(folders: Sequence[Path]) -> pd.DataFrame:
    """The scores of the models that both folders have, with the column `machine`.

    Raises:
        ValueError: They have no model in common.
    """
    names = [{path.name for path in folder.glob("*.csv")} for folder in folders]
    if not (common := sorted(names[0] & names[1])):
        raise ValueError(f"{folders[1]}: no scores of a model that {folders[0]} has (expected at least one).")
    tables = [
        read_table(folder / name, SCORES, _SCORE_TEXT).assign(machine=machine)
        for machine, folder in zip(_SIDES, folders, strict=True)
        for name in common
    ]
    return pd.concat(tables, ignore_index=True)


def _row(rows: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """One model in one cell: means, their difference, and its interval and p.

    Raises:
        LookupError: It was scored on one machine only.
    """
    machines = set(rows["machine"])
    if machines != set(_SIDES):
        raise LookupError(machines.pop())
    found = scored_images(rows.assign(model=rows["machine"]), _SIDES)
    row = {"n": len(found.patients), "n_patients": found.n_patients}
    row |= {f"n_seeds_{machine}": len(dice) for machine, dice in found.models.items()}
    if not found.patients.size:
        return row
    drawn = resampling.draw_means(found, [["second"], ["first"]])
    difference = KINDS["superior"].estimate
    ends = crossed_interval(drawn, difference, 0.95)
    second, first = map(float, drawn.means)
    row |= {"mean_first": first, "mean_second": second, "difference": second - first}
    return row | {"low": ends.low, "high": ends.high, "p": crossed_p(drawn, difference)}


def machines(scores: pd.DataFrame, fully_labelled: Collection[str], settings: dict[str, Any]) -> pd.DataFrame:
    """Return the table `MACHINES`.

    Args:
        scores: `SCORES` of both machines, with the column `machine`: first or second.
        fully_labelled: Models that were trained with every label.
        settings: `statistics` (draws, seed), `simulated`.

    Raises:
        ValueError: A fully labelled model was not scored, or a cell was scored on one machine only.
    """
    if strangers := sorted(set(fully_labelled) - set(scores["model"])):
        raise ValueError(f"fully labelled {strangers[0]!r} (expected one of {sorted(set(scores['model']))}).")
    resampling = Resampling(settings["statistics"])
    found = []
    for key, rows in scores.groupby(["model", *CELL], sort=True):
        is_full = key[0] in fully_labelled
        row: dict[str, Any] = dict.fromkeys(MACHINES, np.nan) | dict(zip(["model", *CELL], key, strict=True))
        row |= {"fully_labelled": "yes" if is_full else "no", "data": "simulated" if settings["simulated"] else "real"}
        try:
            row |= _row(rows, resampling)
        except LookupError as error:
            raise ValueError(f"{' '.join(key)}: scored on the {error.args[0]} machine only (expected both).") from error
        found.append(row)
    _judge(found)
    return pd.DataFrame(found, columns=list(MACHINES))


def _judge(rows: list[dict[str, Any]]) -> None:
    """Say of every cell whether both machines agree; a cell without a number does not."""
    others = [row for row in rows if row["fully_labelled"] == "no"]
    for row, adjusted in zip(others, holm([row["p"] for row in others]), strict=True):
        row |= {"p_holm": adjusted, "family_size": sum(not np.isnan(one["p"]) for one in others)}
    for row in rows:
        is_full = row["fully_labelled"] == "yes"
        is_same = abs(row["difference"]) <= NO_DIFFERENCE if is_full else row["p_holm"] >= LEVEL
        row["agrees"] = "yes" if is_same else "no"


def machine_verdicts(ledgers: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the table `MACHINE_VERDICTS` of the comparisons that both ledgers could test.

    Args:
        ledgers: `CLAIMS` of the first and of the second machine.
    """
    keys = ["claim", "comparison", "dataset", "structure", "reference", "images", "kind", "data"]
    without = [Outcome.SHOWN.value, Outcome.NOT_TESTABLE.value]
    judged = [table[~table["outcome"].isin(without)].set_index(keys)["outcome"] for table in ledgers]
    both = pd.concat(judged, axis=1, keys=_SIDES, join="inner").reset_index()
    opposite = {Outcome.HOLDS.value, Outcome.CONTRADICTED.value}
    both["turned"] = ["yes" if set(pair) == opposite else "no" for pair in both[list(_SIDES)].to_numpy()]
    return both[list(MACHINE_VERDICTS)]


def _caption(table: pd.DataFrame, verdicts: pd.DataFrame | None, *, simulated: bool) -> str:
    """How cells are judged, and every one that does not agree."""
    apart = [f"{row.model} {row.structure} on {row.dataset}" for row in table.itertuples() if row.agrees == "no"]
    words = (
        f"{'Simulated data. ' if simulated else ''}The same study on two machines, second minus first. Fully labelled"
        f" models agree within {NO_DIFFERENCE:g} Dice, the others if p after Holm's correction over their cells is at"
        f" least {LEVEL:g}; intervals of 95 % and p over patients and seeds."
        f" {len(apart)} of {len(table)} cells do not agree{': ' if apart else ''}{'; '.join(apart)}."
    )
    if verdicts is not None:
        turned = [f"{row.claim} ({row.comparison})" for row in verdicts.itertuples() if row.turned == "yes"]
        words += (
            f" {len(turned)} of {len(verdicts)} comparisons of the ledger that both could test turn into their"
            f" opposite{': ' if turned else ''}{'; '.join(turned)}."
        )
    return words


def _typeset(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Model": row.model,
            "Cell": f"{row.structure} on {row.dataset}{', observer' if row.reference == 'observer' else ''}",
            "Fully labelled": row.fully_labelled,
            "First (seeds)": f"{number(row.mean_first)} ({row.n_seeds_first})",
            "Second (seeds)": f"{number(row.mean_second)} ({row.n_seeds_second})",
            "Difference [95 % interval]": f"{number(row.difference, signed=True)}"
            f" {interval(row.low, row.high, signed=True)}",
            "p (Holm)": f"{p_value(row.p)} ({p_value(row.p_holm)})",
            "Images (patients)": f"{row.n} ({row.n_patients})",
            "Agrees": f"**{row.agrees}**" if row.agrees == "no" else row.agrees,
        }
        for row in table.itertuples()
    )


def compare_machines(
    *,
    scores: Sequence[Path],
    fully_labelled: Collection[str],
    claims: Sequence[Path],
    settings: dict[str, Any],
    output: Path,
) -> list[Path]:
    """Compare the scores and ledgers of two machines; returns the files that were written.

    Args:
        scores: Folders of `scores/<model>.csv` of the first and of the second machine; models of both are compared.
        fully_labelled: Models that were trained with every label.
        claims: The same table `CLAIMS` of the first and of the second machine; none leaves the ledger out.
        settings: `statistics` (draws, seed), `simulated`.
        output: Path of the table, with or without its extension; Markdown and the table of verdicts go beside it.

    Raises:
        ValueError: Not two ledgers, no common model, a cell that one machine lacks, or a malformed table.
    """
    if len(claims) not in {0, 2}:
        raise ValueError(f"{len(claims)} tables of claims (expected none, or one per machine).")
    simulated = bool(settings["simulated"])
    table = machines(_read_scores(scores), fully_labelled, settings)
    files = [output.with_suffix(".csv"), output.with_suffix(".md")]
    write_table(table, files[0], MACHINES)
    verdicts = machine_verdicts([read_table(path, CLAIMS, CLAIMS_TEXT) for path in claims]) if claims else None
    if verdicts is not None:
        files.append(output.with_name(f"{output.stem}_verdicts.csv"))
        write_table(verdicts, files[-1], MACHINE_VERDICTS)
    with replacing(files[1], "w") as file:
        file.write(markdown(_caption(table, verdicts, simulated=simulated), _typeset(table)))
    return files
