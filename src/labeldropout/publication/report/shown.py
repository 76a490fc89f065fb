"""Collect what the results contain for each figure and table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from labeldropout.analysis.typesetting import number
from labeldropout.items import ITEMS, Item, Kind, Section
from labeldropout.publication.report.folder import Folder, Picture
from labeldropout.publication.report.origin import SIMULATED, Origins, kinds_of, mark
from labeldropout.publication.report.reported import REPORTED, Beside, csv_rows

_MOST_ROWS = 200
"""Used for a table that has no version for readers."""


@dataclass(frozen=True)
class Table:
    """A table as text."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    link: str
    """The full numbers, relative to the page."""


@dataclass(frozen=True)
class Shown:
    """The available parts of an item; empty if it was not made."""

    item: Item
    kinds: frozenset[str] = frozenset()
    """The kind of its data, one of `KINDS`."""
    picture: Picture | None = None
    table: Table | None = None
    beside: Sequence[Beside] = ()

    @property
    def is_missing(self) -> bool:
        """Whether there is neither picture nor table."""
        return self.picture is None and self.table is None

    @property
    def mark(self) -> str:
        """The sentence that states the kind of its data."""
        return mark(self.kinds)

    @property
    def is_of_paper(self) -> bool:
        """Whether the paper has this figure."""
        return self.item.kind is Kind.FIGURE and self.item.section is Section.PAPER

    @property
    def is_simulated(self) -> bool:
        """Whether all its data are known to be simulated."""
        return self.kinds == {SIMULATED}


def read_markdown(path: Path) -> tuple[str, list[str], list[list[str]]]:
    """Caption, header and rows of a table that `typesetting.markdown` wrote.

    Raises:
        ValueError: The file is not such a table; the message names it.
    """
    caption, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    lines = [line for line in body.splitlines() if line]
    if len(lines) < 2 or not all(line.startswith("| ") and line.endswith(" |") for line in (lines[0], *lines[2:])):
        raise ValueError(f"{path}: no table in Markdown (expected a caption, an empty line, then lines from | to |).")
    cells = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in (lines[0], *lines[2:])
    ]
    return caption, cells[0], cells[1:]


def _from_csv(path: Path) -> tuple[str, list[str], list[list[str]]]:
    """Read a table that has no version for readers, with numbers rounded."""
    rows = csv_rows(path)
    header = list(rows[0]) if rows else []
    if len(rows) > _MOST_ROWS:
        return f"{len(rows)} rows.", [], []

    def cell(text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return text
        return text if len(text) <= 6 else number(value, 4)

    return "", header, [[cell(row[name]) for name in header] for row in rows]


def show(item: Item, results: Path, folder: Folder, origins: Origins) -> Shown:
    """Collect what the results contain for an item; copy the files that the page shows next to it."""
    png, svg = (results / "figures" / f"{item.name}.{ending}" for ending in ("png", "svg"))
    picture = None
    if png.is_file():
        with Image.open(png) as image:
            source = folder.picture(image.convert("RGB"), "figures", item.name, lossless=True)
            size = image.size
        link = folder.copy(svg, "figures") if svg.is_file() else source
        alternative = item.alternative or f"{item.title}."
        picture = Picture(source, link, alternative, *size)
    kinds = kinds_of(item.name, results)
    panels = results / "tables" / f"{item.picture_table}.csv"
    if picture and item.shows_pictures and panels.is_file():
        # If any data set of a study is simulated, its tables call all of them simulated.
        kinds = frozenset(origins.of(row.get("dataset", "")) for row in csv_rows(panels)) or kinds
    numbers, readers = (results / "tables" / f"{item.name}.{ending}" for ending in ("csv", "md"))
    if not numbers.is_file():
        return Shown(item, kinds, picture)
    link = folder.copy(numbers, "tables")
    if item.name == "training_curves":  # thousands of rows, and the figure shows everything
        return Shown(item, kinds, picture, Table("One row per training, validation and cell.", [], [], link))
    caption, header, rows = read_markdown(readers) if readers.is_file() else _from_csv(numbers)
    beside = REPORTED[item.name](csv_rows(numbers)) if item.name in REPORTED else []
    return Shown(item, kinds, picture, Table(caption, header, rows, link), beside)


def uncatalogued(results: Path) -> list[Item]:
    """Tables and figures that are not in the catalogue."""
    names = {path.stem for path in (results / "tables").glob("*.csv")}
    names |= {path.stem for path in (results / "figures").glob("*.png")}
    unnamed = sorted(names - set(ITEMS))
    return [
        Item(name=name, section=Section.OWN, title=name.replace("_", " ").capitalize(), question="") for name in unnamed
    ]
