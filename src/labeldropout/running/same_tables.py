"""Whether the tables of a study say the same as those of another run of it: `verify --against`.

The same study on another kind of processor, or with other versions of the libraries, differs in late digits. Read as
they are printed, to three digits, its tables should be the same. Standard library only.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from labeldropout.provenance import file_sha256
from labeldropout.running.verify import Finding

AGREEMENTS = (
    "differs",
    "not there",
    "not here",
    "same to 3 digits",
    "same bytes",
)
"""States of a table beside that of another run, worst first."""


ALARMING_AGREEMENTS = AGREEMENTS[:3]
"""States that end `verify --against` with exit status 1."""


TOLERANCE = 0.0005
"""Largest difference of two numbers that are the same to 3 digits; relative to the larger one if that is above 1."""


_WHOLE = re.compile(r"[+-]?[0-9]+")


_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class _Moved:
    """A cell whose number is another one."""

    share: float
    """Its difference as a share of what is tolerated."""
    words: str
    """Where, and both values."""


def share_of_tolerance(ours: str, theirs: str) -> float:
    """How far the texts of two cells are apart: 0 if they are equal, up to 1 if they are the same to 3 digits.

    Whole numbers count or name something, so another one is infinitely far away, and so is any other text.
    """
    if ours == theirs:
        return 0.0
    both_whole = _WHOLE.fullmatch(ours) and _WHOLE.fullmatch(theirs)
    if both_whole or not (_NUMBER.fullmatch(ours) and _NUMBER.fullmatch(theirs)):
        return float("inf")
    first, second = float(ours), float(theirs)
    difference = abs(first - second) / (TOLERANCE * max(1.0, abs(first), abs(second)))
    # Decimal fractions have no exact binary form: 0.9005 and 0.9 are 0.0005 apart for whoever reads them.
    return difference if difference > 1 + 1e-9 else min(difference, 1.0)


def _rows(path: Path) -> list[list[str]]:
    """The rows of a table, header first.

    Raises:
        ValueError: It is no text in UTF-8; the message names it.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a table in CSV and UTF-8, found something else ({error}).") from error


def _shape(rows: list[list[str]]) -> str:
    return f"{max(0, len(rows) - 1)} rows of {len(rows[0]) if rows else 0} columns"


def compare_tables(ours: Path, theirs: Path, name: str) -> Finding:
    """How far one table says the same as another.

    Args:
        ours: CSV file.
        theirs: CSV file of the other run.
        name: What the finding calls the table.

    Raises:
        ValueError: One of them is no table; the message names it.
    """
    if file_sha256(ours) == file_sha256(theirs):
        return Finding("same bytes", name)
    first, second = _rows(ours), _rows(theirs)
    if [len(row) for row in first] != [len(row) for row in second]:
        return Finding("differs", name, f"{_shape(first)} here, {_shape(second)} there")
    if first[:1] != second[:1]:
        others = [f"{a!r} here, {b!r} there" for a, b in zip(first[0], second[0], strict=True) if a != b]
        return Finding("differs", name, f"columns: {others[0]}")
    moved = [
        _Moved(share, f"row {number}, {column}: {a} here, {b} there")
        for number, (one, other) in enumerate(zip(first[1:], second[1:], strict=True), start=1)
        for column, a, b in zip(first[0], one, other, strict=True)
        if (share := share_of_tolerance(a, b))
    ]
    if not moved:
        return Finding("same to 3 digits", name, "the same cells, written with other bytes")
    worst = max(moved, key=lambda cell: cell.share)
    if worst.share <= 1:
        return Finding("same to 3 digits", name, f"{len(moved)} cells moved, most in {worst.words}")
    n_beyond = sum(cell.share > 1 for cell in moved)
    return Finding("differs", name, f"{n_beyond} cells beyond that, most in {worst.words}")


def verify_against(results: Path, other: Path) -> list[Finding]:
    """Compare every table of a study with that of another run of the same study; worst first.

    Args:
        results: Folder of the results.
        other: Folder of the other run's results, anywhere.

    Raises:
        ValueError: One of the folders has no tables.
    """
    names = []
    for folder in (results, other):
        names.append({path.relative_to(folder).as_posix() for path in (folder / "tables").rglob("*.csv")})
        if not names[-1]:
            raise ValueError(f"{folder}: no tables (expected the results of a study, with a folder tables).")
    ours, theirs = names
    findings = [compare_tables(results / name, other / name, name) for name in ours & theirs]
    findings += [Finding("not there", name, "the other run has no such table") for name in ours - theirs]
    findings += [Finding("not here", name, "only the other run has it") for name in theirs - ours]
    return sorted(findings, key=lambda finding: (AGREEMENTS.index(finding.state), finding.file))
