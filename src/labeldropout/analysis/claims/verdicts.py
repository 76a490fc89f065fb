"""The claims tables of a study, as pages show them: one claim with its verdict, and every comparison behind it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeldropout.analysis.claims.judge import CLAIMS, CLAIMS_TEXT
from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.claims.ledger import tally_of
from labeldropout.analysis.claims.rules import Outcome, Verdict
from labeldropout.analysis.claims.words import (
    cell_words,
    could_show_words,
    effect_words,
    seeds_words,
    training_words,
    why_undecided,
)
from labeldropout.analysis.readings import in_units
from labeldropout.analysis.typesetting import NOTHING, interval, number, p_value
from labeldropout.files import read_table
from labeldropout.items import LEDGERS

HEADER = (
    "Comparison",
    "Tested on",
    "Outcome",
    "Effect [interval]",
    "Could show",
    "95 % interval",
    "n (patients)",
    "p, image",
    "p, patient (Holm)",
    "Rank-biserial",
    "Seeds",
    "Paper",
)


_SHOWN = "shown, not judged"


_LOOKS = {
    Verdict.REPRODUCED: ("yes", "✓"),
    Verdict.IN_PART: ("part", "◐"),
    Verdict.OPEN: ("open", "?"),
    Verdict.CONTRADICTED: ("no", "✗"),
    Verdict.NOT_TRAINED: ("untested", "–"),
    Verdict.NOT_TESTABLE: ("untested", "–"),
}
"""Class on the page, and a symbol."""
DECIDING = (Outcome.CONTRADICTED, Outcome.NOT_TRAINED, Outcome.NOT_TESTABLE, Outcome.OPEN, Outcome.HOLDS)
"""A claim's deciding comparison is one with the first of these outcomes that is found among its comparisons."""


@dataclass(frozen=True)
class Told:
    """A comparison as a sentence."""

    outcome: str
    """One of `Outcome`."""
    label: str
    """The same as the first words of a sentence."""
    text: str
    """What was compared, what came out and what the paper says; or why it could not be tested."""


@dataclass(frozen=True)
class Claim:
    """A claim and its verdict."""

    name: str
    statement: str
    where: str
    verdict: str
    sentence: str
    """The verdict in one sentence for clinicians."""
    target: str
    """The Snakemake target that rebuilds it."""
    table: str
    """One of `LEDGERS`."""
    rows: Sequence[Any]
    """Its comparisons: rows of `CLAIMS`, as `itertuples` gives them."""

    @property
    def kind(self) -> str:
        """Class of its verdict on the page: yes, part, open, no or untested."""
        return _LOOKS[Verdict(self.verdict)][0]

    @property
    def sign(self) -> str:
        """A symbol for its verdict, for readers who cannot see colours."""
        return _LOOKS[Verdict(self.verdict)][1]

    @property
    def unit(self) -> str:
        """What its intervals and tests draw: patients, or images."""
        return str(self.rows[0].unit)

    @property
    def header(self) -> Sequence[str]:
        """Columns of `comparisons`."""
        return [in_units(name, self.unit) for name in HEADER]

    @property
    def comparisons(self) -> list[list[str]]:
        """Its comparisons as text, in the order of `header`."""
        return [_cells(row) for row in self.rows]

    @property
    def tally(self) -> str:
        """How many of its comparisons hold."""
        return tally_of(self.rows)

    @property
    def deciding_row(self) -> Any:
        """The comparison that decided: the first with the outcome that stands first in `DECIDING`."""
        judged = (row for row in self.rows if row.outcome != Outcome.SHOWN)
        return min(judged, key=lambda row: DECIDING.index(row.outcome))

    @property
    def deciding(self) -> str:
        """The same in words."""
        one = _told(self.deciding_row)
        return f"{one.label}: {one.text}"

    @property
    def reported(self) -> str:
        """What the paper says, if it says the same about all comparisons; otherwise empty."""
        texts = {row.reported for row in self.rows}
        return str(texts.pop()) if len(texts) == 1 else ""

    @property
    def told(self) -> list[Told]:
        """Its comparisons as sentences, without what `reported` says already."""
        return [_told(row, with_reported=not self.reported) for row in self.rows]

    def is_held(self, place: int) -> bool:
        """Whether the comparison at this place (0, 1, ... as declared) holds."""
        return bool(self.rows[place].outcome == Outcome.HOLDS)


@dataclass(frozen=True)
class Count:
    """How many claims have a verdict."""

    words: str
    count: int


def _effect(row: Any) -> str:
    """Effect with the interval that decides, and its coverage where that is not 95 %; the reason if there is none."""
    if math.isnan(row.effect):
        return row.why or NOTHING
    return effect_words(row)


def _images(row: Any) -> str:
    return f"{row.n} images" if row.unit == "images" else f"{row.n} images of {row.n_patients} patients"


def _told(row: Any, *, with_reported: bool = True) -> Told:
    text = f"{row.comparison}, {cell_words(row)}"
    if row.why:
        text += f" ({row.why})"
    else:
        text += f": {_effect(row)}; {_images(row)}"
        if not math.isnan(row.p_holm):
            text += f"; p on {row.unit} {p_value(row.p_patient)}, after Holm {p_value(row.p_holm)}"
            text += f"; rank-biserial {number(row.rank_biserial, 2)}"
        text += "".join(f"; {part}" for part in (seeds_words(row), could_show_words(row), training_words(row)) if part)
    if row.reported and with_reported:
        text += f"; the paper: {row.reported}"
    return Told(row.outcome, _SHOWN if row.outcome == Outcome.SHOWN else row.outcome, text)


def _cells(row: Any) -> list[str]:
    kind = KINDS[row.kind]
    return [
        row.comparison,
        cell_words(row),
        _SHOWN if row.outcome == Outcome.SHOWN else f"{row.outcome}{f': {why}' if (why := why_undecided(row)) else ''}",
        _effect(row),
        NOTHING if kind.is_shown else number(row.could_show),
        NOTHING if kind.unit else interval(row.low_95, row.high_95, signed=kind.is_signed),
        f"{row.n} ({row.n_patients})",
        p_value(row.p_image),
        f"{p_value(row.p_patient)} ({p_value(row.p_holm)})",
        number(row.rank_biserial, 2),
        seeds_words(row) or NOTHING,
        row.reported or NOTHING,
    ]


def read_ledger(tables: Path) -> list[Claim]:
    """The claims of both tables, as far as these exist, in their order.

    Args:
        tables: Folder of the tables.

    Raises:
        ValueError: A file is not such a table, or a verdict is unknown; the message names the file.
    """
    claims = []
    for name in LEDGERS:
        path = tables / f"{name}.csv"
        if not path.is_file():
            continue
        for claim, table in read_table(path, CLAIMS, CLAIMS_TEXT).groupby("claim", sort=False):
            rows = list(table.itertuples(index=False))
            first: Any = rows[0]
            if first.verdict not in set(Verdict):
                raise ValueError(f"{path}: {claim}: unknown verdict {first.verdict!r} (expected {list(Verdict)}).")
            target = first.target.removeprefix("snakemake ")
            claims.append(
                Claim(
                    name=str(claim),
                    statement=first.statement,
                    where=first.where,
                    verdict=first.verdict,
                    sentence=first.sentence,
                    target=target,
                    table=name,
                    rows=rows,
                )
            )
    return claims


def verdict_counts(claims: Iterable[Claim]) -> list[Count]:
    """How many claims have each verdict, in the order of `Verdict`."""
    found = [claim.verdict for claim in claims]
    return [Count(verdict.value, found.count(verdict.value)) for verdict in Verdict]
