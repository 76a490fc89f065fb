"""The user's table of pictures: who belongs together, and what is annotated in each."""

import csv
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeldropout.case import DatasetError
from labeldropout.data.folder.matching import Pair, composed
from labeldropout.data.folder.options import Options
from labeldropout.messages import did_you_mean

ANNOTATED = "annotated"
"""Column with structures joined by '+'; an empty cell says that nothing is annotated."""

_MISSPELT = 0.85
"""Likeness (difflib) from which a column is taken for `annotated` misspelt; that of `annotator` is 0.78."""


@dataclass(frozen=True)
class Said:
    """What is known about a picture besides its pixels."""

    group_name: str
    structures: tuple[str, ...]
    """What is annotated in it."""


def _rows(dataset: str, path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line numbers; cells without blanks at the ends."""
    try:
        reader = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)
        lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise DatasetError.about(dataset, path, "cannot be read", "a CSV file in UTF-8", found) from error
    header = _header(dataset, path, lines[0][1] if lines else [], needed)
    rows = []
    for number, line in lines[1:]:
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise DatasetError.about(dataset, f"{path}:{number}", "wrong number of cells", len(header), len(line))
        rows.append((number, {name: cell.strip() for name, cell in zip(header, line, strict=True)}))
    return rows


def _header(dataset: str, path: Path, cells: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Names of the columns: those that are needed, each once, and none that is `annotated` misspelt."""
    header = [cell.strip() for cell in cells]
    for name in needed:
        if name not in header:
            has_others = len(header) == 1 and any(other in header[0] for other in ";\t")
            advice = "Separate cells by commas." if has_others else did_you_mean(name, header)
            raise DatasetError.about(dataset, path, f"no column {name!r}", ", ".join(needed), header, advice)
    for name in dict.fromkeys(header):
        if name and header.count(name) > 1:
            raise DatasetError.about(dataset, path, f"two columns {name!r}", "each name once", header)
        if name != ANNOTATED and difflib.get_close_matches(name.lower(), [ANNOTATED], cutoff=_MISSPELT):
            raise DatasetError.about(dataset, path, "unknown column", f"{ANNOTATED!r}, or another name", repr(name))
    return header


def _structures(dataset: str, where: str, cell: str, known: Mapping[str, int]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in cell.split("+") if name.strip())
    for name in names:
        if name not in known:
            expected = f"structures joined by '+': {', '.join(known)}"
            advice = did_you_mean(name, known)
            raise DatasetError.about(dataset, where, "unknown structure", expected, repr(name), advice)
    return names


def what_is_said(dataset: str, root: Path, pairs: Sequence[Pair], options: Options) -> dict[str, Said]:
    """Group and annotated structures of every picture, by its name.

    Args:
        dataset: Name of the data set, for messages.
        root: The folder.
        pairs: The pictures.
        options: The table, if there is one, and what holds without it.

    Raises:
        DatasetError: The table lacks a column or a picture, names one twice or one that is not there, or a cell is
            wrong.
    """
    if options.table is None:
        group = options.group
        return {pair.name: Said(pair.words[group] if group else pair.name, options.structures) for pair in pairs}
    path = root / options.table
    column = options.group if options.group not in options.names else ""
    rows = _rows(dataset, path, [*options.names, *([column] if column else [])])
    if rows and ANNOTATED not in rows[0][1] and not column:
        expected = f"a column {ANNOTATED!r}, or one that option group names"
        raise DatasetError.about(dataset, path, "nothing but names", expected, ", ".join(rows[0][1]))
    by_name: dict[str, tuple[str, dict[str, str]]] = {}
    known = {pair.name: pair for pair in pairs}
    for line, cells in rows:
        where, name = f"{path}:{line}", composed("/".join(cells[word] for word in options.names))
        if name not in known:
            raise DatasetError.about(
                dataset, where, "no such picture", options.images, repr(name), did_you_mean(name, known)
            )
        if name in by_name:
            raise DatasetError.about(dataset, where, "a picture in two rows", "one row", repr(name))
        by_name[name] = (where, cells)
    said = {}
    for pair in pairs:
        if pair.name not in by_name:
            raise DatasetError.about(dataset, path, "a picture without a row", "a row for each", repr(pair.name))
        where, cells = by_name[pair.name]
        group = cells[column] if column else pair.words[options.group] if options.group else pair.name
        if not group:
            raise DatasetError.about(dataset, where, f"an empty cell in {column!r}", "the picture's group", "nothing")
        structures = options.structures
        if ANNOTATED in cells:
            structures = _structures(dataset, where, cells[ANNOTATED], options.values)
        said[pair.name] = Said(group, structures)
    return said
