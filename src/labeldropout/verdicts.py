"""The claims tables of a study, as pages show them: one claim with its verdict, and every comparison behind it."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeldropout.claim_rules import Kind, Verdict
from labeldropout.typesetting import NOTHING, interval, number, p_value

LEDGERS = ("claims", "claims_instrument")
"""Tables of the paper's claims and of those that only our own experiments test."""
HEADER = (
    "Comparison",
    "Tested on",
    "Holds",
    "Effect [interval]",
    "95 % interval",
    "Images (patients)",
    "p, image",
    "p, patient (Holm)",
    "Rank-biserial",
    "Paper",
)
_HOLDS = {"yes": "yes", "no": "no", "shown": "shown, not judged"}
_LOOKS = {
    Verdict.REPRODUCED: ("yes", "✓"),
    Verdict.NOT_REPRODUCED: ("no", "✗"),
    Verdict.NOT_TESTABLE: ("open", "?"),
}


@dataclass(frozen=True)
class Told:
    """A comparison as text."""

    holds: str
    n: str
    n_patients: str
    cells: Sequence[str]
    """In the order of `HEADER`."""

    @property
    def has_effect(self) -> bool:
        """Whether anything was estimated."""
        return self.n != "0"

    @property
    def is_tested(self) -> bool:
        """Whether a p value decides it."""
        return not self.cells[7].endswith(f"({NOTHING})")

    @property
    def has_reported(self) -> bool:
        """Whether the paper says anything of it."""
        return self.cells[9] != NOTHING


@dataclass(frozen=True)
class Claim:
    """A claim and what became of it."""

    name: str
    statement: str
    where: str
    verdict: str
    target: str
    """What `snakemake` is asked for to rebuild it."""
    table: str
    """One of `LEDGERS`."""
    rows: Sequence[Mapping[str, str]]
    """Its comparisons, as the table has them."""

    @property
    def kind(self) -> str:
        """Class of its verdict on the page: yes, no or open."""
        return _LOOKS[Verdict(self.verdict)][0]

    @property
    def sign(self) -> str:
        """A sign for its verdict, for who does not see colours."""
        return _LOOKS[Verdict(self.verdict)][1]

    @property
    def header(self) -> Sequence[str]:
        """Columns of `comparisons`."""
        return HEADER

    @property
    def comparisons(self) -> list[list[str]]:
        """Its comparisons as text, in the order of `header`."""
        return [_cells(row) for row in self.rows]

    @property
    def tally(self) -> str:
        """How many of its comparisons hold."""
        judged = [row for row in self.rows if row["holds"] != "shown"]
        return f"{sum(row['holds'] == 'yes' for row in judged)} of {len(judged)} comparisons hold"

    @property
    def deciding(self) -> str:
        """The comparison that decided: the first that fails, else the first that cannot be tested, else the first."""
        by_holds = [
            next((row for row in self.rows if row["holds"] == word), None) for word in ("no", "not testable", "yes")
        ]
        row = next((row for row in by_holds if row is not None), None)
        if row is None:
            return ""
        words, where, holds, found, _, _, _, p, size, paper = _cells(row)
        text = f"{words}, {where}"
        if holds not in _HOLDS.values():
            return f"not testable: {text} ({row['why']})"
        tested = "" if p.endswith(f"({NOTHING})") else f"; p on patients (after Holm) {p}; rank-biserial {size}"
        said = "" if paper == NOTHING else f"; the paper: {paper}"
        label = "fails" if holds == "no" else "holds"
        return f"{label}: {text}: {found}; {row['n']} images of {row['n_patients']} patients{tested}{said}"

    @property
    def told(self) -> list[Told]:
        """Its comparisons, with whether they hold."""
        return [Told(row["holds"], row["n"], row["n_patients"], _cells(row)) for row in self.rows]


@dataclass(frozen=True)
class Count:
    """How many claims have a verdict."""

    words: str
    count: int


def value(row: Mapping[str, str], column: str) -> float:
    """The number in a cell; NaN if it is empty."""
    return float(row[column]) if row[column] else math.nan


def effect(row: Mapping[str, str], low: str = "low", high: str = "high") -> str:
    """Effect of a comparison with the interval of these two columns; the reason if there is none."""
    found = value(row, "effect")
    if math.isnan(found):
        return row["why"] or NOTHING
    if row["kind"] == Kind.GAIN:
        ends = [number(100 * value(row, end), 0, signed=True) for end in (low, high)]
        return f"{number(100 * found, 0, signed=True)} % [{ends[0]}, {ends[1]}]"
    signed = row["kind"] not in {Kind.BELOW, Kind.AGREE, Kind.MEAN}
    return f"{number(found, signed=signed)} {interval(value(row, low), value(row, high), signed=signed)}"


def _cells(row: Mapping[str, str]) -> list[str]:
    whose = ", observer’s masks" if row["reference"] == "observer" else ""
    kit = ", images of the kit" if row["images"] == "kit" and not whose else ""
    signed = row["kind"] not in {Kind.BELOW, Kind.AGREE, Kind.MEAN}
    coverage = "" if row["confidence"] == "0.95" else f" ({100 * value(row, 'confidence'):.0f} %)"
    is_there = not math.isnan(value(row, "effect"))
    wide = interval(value(row, "low_95"), value(row, "high_95"), signed=signed)
    return [
        row["comparison"],
        f"{row['structure']} on {row['dataset']}{whose}{kit}",
        _HOLDS.get(row["holds"], row["why"] or row["holds"]),
        effect(row) + (coverage if is_there else ""),
        NOTHING if row["kind"] == Kind.GAIN else wide,
        f"{row['n']} ({row['n_patients']})",
        p_value(value(row, "p_image")),
        f"{p_value(value(row, 'p_patient'))} ({p_value(value(row, 'p_holm'))})",
        number(value(row, "rank_biserial"), 2),
        row["reported"] or NOTHING,
    ]


def read_ledger(tables: Path) -> list[Claim]:
    """The claims of both tables, as far as they are there, in their order.

    Args:
        tables: Folder of the tables.

    Raises:
        ValueError: A verdict is unknown; the message names the file.
    """
    claims = []
    for name in LEDGERS:
        path = tables / f"{name}.csv"
        if not path.is_file():
            continue
        of_claim: dict[str, list[Mapping[str, str]]] = {}
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                of_claim.setdefault(row["claim"], []).append(row)
        for claim, rows in of_claim.items():
            first = rows[0]
            if first["verdict"] not in set(Verdict):
                raise ValueError(f"{path}: {claim}: unknown verdict {first['verdict']!r} (expected {list(Verdict)}).")
            target = first["target"].removeprefix("snakemake ")
            claims.append(Claim(claim, first["statement"], first["where"], first["verdict"], target, name, rows))
    return claims


def verdict_counts(claims: Iterable[Claim]) -> list[Count]:
    """How many claims have each verdict, in the order of `Verdict`."""
    found = [claim.verdict for claim in claims]
    return [Count(verdict.value, found.count(verdict.value)) for verdict in Verdict]
