"""The ledger for people: one line per claim, and every comparison in words."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.analysis.claims.declared import Declared
from labeldropout.analysis.claims.kinds import FEW, KINDS, Form, joined
from labeldropout.analysis.claims.rules import Outcome
from labeldropout.analysis.claims.words import (
    cell_words,
    could_show_words,
    effect_words,
    seeds_words,
    training_words,
    why_undecided,
)
from labeldropout.analysis.typesetting import NOTHING, number, p_value


def _line(row: Any) -> str:
    """A comparison in the ledger."""
    begin = f"*{row.outcome}*: {row.comparison}, {cell_words(row)}"
    if row.outcome == Outcome.NOT_TESTABLE or math.isnan(row.effect):
        return f"{begin} ({row.why})" if row.why else begin
    p = f"; p {p_value(row.p_patient)}, Holm {p_value(row.p_holm)}" if KINDS[row.kind].is_decided_by_p else ""
    after = [part for part in (seeds_words(row), could_show_words(row), training_words(row)) if part]
    return "; ".join([f"{begin}: {effect_words(row)}; n {row.n} ({row.n_patients}){p}", *after])


def comparison_lines(rows: Sequence[Any]) -> list[str]:
    """Comparisons in words; many models against the same one, in the same cell and with one outcome, share a line."""

    def alike(row: Any) -> tuple[Any, ...]:
        models = row.models.split("; ")
        apart = why_undecided(row) or training_words(row) or not KINDS[row.kind].several
        return (id(row) if apart else models[-1], row.kind, row.outcome, cell_words(row), row.n, row.n_patients)

    lines = []
    for key, group in itertools.groupby(rows, alike):
        mine = list(group)
        if len(mine) <= FEW:
            lines += [_line(row) for row in mine]
            continue
        names = joined([row.models.split("; ")[0] for row in mine])
        effects = [number(end([row.effect for row in mine]), signed=True) for end in (min, max)]
        worst = could_show_words(max(mine, key=lambda row: -1.0 if math.isnan(row.could_show) else row.could_show))
        lines.append(
            f"*{mine[0].outcome}, all {len(mine)}*: {names} {KINDS[mine[0].kind].several} {key[0]},"
            f" {cell_words(mine[0])}: effects from {effects[0]} to {effects[1]}; n {mine[0].n} ({mine[0].n_patients});"
            f" {worst}"
        )
    return lines


def tally_of(rows: Sequence[Any]) -> str:
    """How many of a claim's comparisons hold."""
    judged = [row for row in rows if row.outcome != Outcome.SHOWN]
    return f"{sum(row.outcome == Outcome.HOLDS for row in judged)} of {len(judged)} comparisons hold"


def _could_show(rows: Sequence[Any]) -> str:
    """What the comparisons of a claim could have shown, from the finest to the coarsest."""
    # The slope of a trend is no difference in Dice.
    judged = [row for row in rows if row.outcome != Outcome.SHOWN and KINDS[row.kind].form is not Form.PAIRS]
    reach = [row.could_show for row in judged if not math.isnan(row.could_show)]
    return " to ".join(dict.fromkeys(number(end(reach), 2) for end in (min, max))) if reach else NOTHING


def reported_words(rows: Sequence[Any]) -> list[str]:
    """What the paper says about a claim, each text once, with the structures where the texts differ."""
    reported: dict[str, list[str]] = {}
    for row in rows:
        if row.reported:
            reported.setdefault(row.reported, []).append(row.structure)
    return [
        text if len(reported) == 1 else f"{', '.join(dict.fromkeys(structures))}: {text}"
        for text, structures in reported.items()
    ]


def ledger(table: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger for people: one row per claim. Its numbers stand in `typeset` and in `docs/claims.md`.

    Args:
        table: `CLAIMS`.
    """
    lines = []
    for name, group in table.groupby("claim", sort=False):
        rows: list[Any] = list(group.itertuples())
        first = rows[0]
        lines.append(
            {
                "Verdict": f"**{first.verdict}**",
                "In one sentence": first.sentence,
                "Claim": f"{name}. {first.statement} ({first.where})",
                "Comparisons": tally_of(rows),
                "Could show (Dice)": _could_show(rows),
                "The paper": "<br>".join(reported_words(rows)) or NOTHING,
                "Target": f"`{first.target}`",
            }
        )
    return pd.DataFrame(lines)


def typeset(table: pd.DataFrame) -> pd.DataFrame:
    """Return every comparison as text, one per row.

    Args:
        table: `CLAIMS`.
    """
    return pd.DataFrame(
        [
            {
                "Claim": row.claim,
                "Verdict": row.verdict,
                "Comparison": f"{row.comparison}, {cell_words(row)}",
                "Outcome": row.outcome,
                "Effect [interval]": effect_words(row) if not math.isnan(row.effect) else row.why or NOTHING,
                "Could show": number(row.could_show),
                "n (patients)": f"{row.n} ({row.n_patients})",
                "p, image": p_value(row.p_image),
                "p, patient (Holm)": f"{p_value(row.p_patient)} ({p_value(row.p_holm)})",
                "Rank-biserial": number(row.rank_biserial, 2),
                "Seeds": seeds_words(row) or NOTHING,
                "Paper": row.reported or NOTHING,
            }
            for row in table.itertuples()
        ]
    )


def caption_of(declared: Declared, part: str, file: Path) -> str:
    """Return the caption of the ledger of a part.

    Args:
        declared: All claims.
        part: One of `PARTS`.
        file: Where they are declared.
    """
    whose = "the paper's" if part == "study" else "our own experiments'"
    return (
        f"The ledger of {whose} claims, judged by the rules of"
        f" {file.as_posix()}, which says when each was fixed. Dice averaged over seeds per image; intervals by"
        " bootstrap over patients and seeds, of 95 % unless said otherwise; p by Wilcoxon's signed-rank test on"
        f" patients' means, Holm's correction within a claim, level {declared.level:g}; margin of no difference"
        f" {declared.margin:g}; at least {declared.fewest_patients} patients, and open at best with fewer than"
        f" {declared.fewest_seeds} seeds of any model. What a comparison could show is half the width of its interval."
        " A claim is contradicted if one comparison is, reproduced if all hold, open if nothing was decided."
    )
