"""The ledger for people: one line per claim, and every comparison in words."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from labeldropout.analysis.claims.declared import Declared
from labeldropout.analysis.claims.kinds import FEW, KINDS, joined
from labeldropout.analysis.claims.rules import Outcome
from labeldropout.analysis.claims.words import HOLDS, cell_words, effect_words, seeds_words
from labeldropout.analysis.typesetting import NOTHING, number, p_value


def judged_effect(row: Any) -> str:
    """Effect with the interval that decides, and its coverage where that is not 95 %."""
    return effect_words(row) + ("" if row.confidence == 0.95 else f" ({100 * row.confidence:.0f} %)")


def _line(row: Any) -> str:
    """A comparison in the ledger."""
    begin = f"*{HOLDS[Outcome(row.holds)]}*: {row.comparison}, {cell_words(row)}"
    if row.holds == Outcome.NOT_TESTABLE or math.isnan(row.effect):
        return f"{begin} ({row.why})" if row.why else begin
    p = f"; p {p_value(row.p_patient)}, Holm {p_value(row.p_holm)}" if KINDS[row.kind].is_decided_by_p else ""
    seeds = f"; {seeds_words(row)}" if seeds_words(row) else ""
    return f"{begin}: {judged_effect(row)}; n {row.n} ({row.n_patients}){p}{seeds}"


def comparison_lines(rows: Sequence[Any]) -> list[str]:
    """Comparisons in the ledger; many models against the same one, in the same cell, share a line."""

    def alike(row: Any) -> tuple[Any, ...]:
        models = row.models.split("; ")
        apart = row.holds == Outcome.NOT_TESTABLE or not KINDS[row.kind].several
        return (id(row) if apart else models[-1], row.kind, cell_words(row), row.n, row.n_patients)

    lines = []
    for key, group in itertools.groupby(rows, alike):
        mine = list(group)
        if len(mine) <= FEW:
            lines += [_line(row) for row in mine]
            continue
        names = joined([row.models.split("; ")[0] for row in mine])
        holding = sum(row.holds == Outcome.YES for row in mine)
        effects = [number(end([row.effect for row in mine]), signed=True) for end in (min, max)]
        lines.append(
            f"*{holding} of {len(mine)} hold*: {names} {KINDS[mine[0].kind].several} {key[0]}, {cell_words(mine[0])}:"
            f" effects from {effects[0]} to {effects[1]}; n {mine[0].n} ({mine[0].n_patients})"
        )
    return lines


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
    """Return the ledger for people: one row per claim, its comparisons within it.

    Args:
        table: `CLAIMS`.
    """
    lines = []
    for name, rows in table.groupby("claim", sort=False):
        first = rows.iloc[0]
        lines.append(
            {
                "Verdict": f"**{first['verdict']}**",
                "Claim": f"{name}. {first['statement']} ({first['where']})",
                "What came out: effect [95 % interval], n images (patients), p on patients": "<br>".join(
                    comparison_lines(list(rows.itertuples()))
                ),
                "The paper": "<br>".join(reported_words(list(rows.itertuples()))) or NOTHING,
                "Target": f"`{first['target']}`",
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
                "Holds": row.holds,
                "Effect [interval]": judged_effect(row) if not math.isnan(row.effect) else row.why or NOTHING,
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


def caption_of(declared: Declared, part: str, *, simulated: bool) -> str:
    """Return the caption of the ledger of a part.

    Args:
        declared: All claims.
        part: One of `PARTS`.
        simulated: Whether the data are simulated.
    """
    whose = "the paper's" if part == "study" else "our own experiments'"
    return (
        f"{'Simulated data. ' if simulated else ''}The ledger of {whose} claims, judged by the rules of"
        " config/claims.yaml, which says when each was fixed. Dice averaged over seeds per image; intervals by"
        " bootstrap over patients, of 95 % unless said otherwise; p by Wilcoxon's signed-rank test on patients' means,"
        f" Holm's correction within a claim, level {declared.level:g}; margin of no difference {declared.margin:g}; at"
        f" least {declared.fewest_patients} patients. Intervals and p speak of other patients under the same"
        " trainings, not of other trainings: for those the SD over seeds stands, better side first. A claim is"
        " reproduced if all of its comparisons hold; a comparison that could not be shown fails."
    )
