"""The user's table of pictures: who belongs together, and what is annotated in each."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeldropout.case import DatasetError
from labeldropout.data.folder.matching import Pair
from labeldropout.data.folder.options import Options
from labeldropout.messages import did_you_mean

ANNOTATED = "annotated"
"""Column with structures joined by '+'; an empty cell says that nothing is annotated."""


@dataclass(frozen=True)
class Said:
    """What is known about a picture besides its pixels."""

    group_name: str
    structures: tuple[str, ...]
    """What is annotated in it."""


def _rows(dataset: str, path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line numbers; cells without blanks at the ends."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError.about(dataset, path, "cannot be read", "a CSV file in UTF-8", error) from error
    lines = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(lines, [])]
    for name in needed:
        if name not in header:
            advice = did_you_mean(name, header)
            raise DatasetError.about(dataset, path, f"no column {name!r}", ", ".join(needed), header, advice)
    rows = []
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            where = f"{path}:{lines.line_num}"
            raise DatasetError.about(dataset, where, "wrong number of cells", len(header), len(line))
        rows.append((lines.line_num, {name: cell.strip() for name, cell in zip(header, line, strict=True)}))
    return rows


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
    by_name: dict[str, tuple[str, dict[str, str]]] = {}
    known = {pair.name: pair for pair in pairs}
    for line, cells in rows:
        where, name = f"{path}:{line}", "/".join(cells[word] for word in options.names)
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
