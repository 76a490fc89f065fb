"""What one run writes: the outputs of an input appear together, and with them their rows."""

import csv
import errno
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.files import read_table, replacing
from labeldropout.predict.measures import AREAS, CLIPS

LABEL_ENDINGS = (".nii.gz", ".mha", ".png")
"""Endings of label maps."""

ENDINGS = (*LABEL_ENDINGS, "_overlay.png", "_areas.png", "_contours.json")
"""Endings of everything that an input can become."""

TABLES = {"areas.csv": AREAS, "clips.csv": CLIPS}

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors after which no further input can be written either."""


def is_no_room(error: Exception) -> bool:
    """Whether nothing can be written any more."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


@dataclass
class Table:
    """A table of the output folder, with the rows of every input that has a label map beside it."""

    path: Path
    columns: Mapping[str, str]
    lines: dict[str, str] = field(default_factory=dict)
    """The lines about each input."""

    def write(self) -> None:
        """Write the whole table, atomically."""
        with replacing(self.path, "w") as file:
            file.write(",".join(self.columns) + "\n")
            file.writelines(self.lines.values())

    def format(self, rows: Iterable[Mapping[str, Any]]) -> str:
        """Rows as text."""
        text = io.StringIO()
        csv.DictWriter(text, self.columns, lineterminator="\n").writerows(rows)
        return text.getvalue()


def open_table(path: Path, columns: Mapping[str, str]) -> Table:
    """Read a table of an earlier run, if there is one; rows whose label map is gone are dropped.

    Raises:
        ValueError: A file of that name is no such table.
    """
    table = Table(path, columns)
    if path.exists():
        try:
            old = read_table(path, columns, text=[name for name in columns if name not in {"frame", "n_frames"}])
        except ValueError as error:
            raise ValueError(f"{error} Give another --output.") from error
        for name, rows in old.groupby("file", sort=False):
            if any((path.parent / f"{name}{ending}").is_file() for ending in LABEL_ENDINGS):
                table.lines[str(name)] = table.format(rows.to_dict("records"))
    return table


@dataclass
class Report:
    """What came of a run."""

    output: Path
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})
    """Rows of each table about the inputs of this run."""
    done: dict[Path, list[Path]] = field(default_factory=dict)
    """Files written, by input."""
    failed: dict[Path, str] = field(default_factory=dict)
    """Why an input has no output."""
    skipped: list[Path] = field(default_factory=list)
    """Files in folders that are of no known format."""
    notes: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    """What the user should know about an input."""

    @property
    def areas(self) -> pd.DataFrame:
        """The rows of `areas.csv` about the inputs of this run."""
        return pd.DataFrame(self.rows["areas.csv"], columns=list(AREAS))

    def summary(self) -> str:
        """One line about all inputs."""
        words = [f"{len(self.done)} of {len(self.done) + len(self.failed)} inputs outlined"]
        words += [f"{len(self.failed)} failed"] if self.failed else []
        words += [f"{len(self.skipped)} other files skipped"] if self.skipped else []
        return f"{', '.join(words)}: {self.output / 'areas.csv'}"

    def to_json(self) -> str:
        """Everything for a machine."""
        content = {
            "output": str(self.output),
            "inputs": [
                {
                    "input": str(path),
                    "outputs": [str(one) for one in written],
                    "notes": list(self.notes.get(path, ())),
                }
                for path, written in self.done.items()
            ],
            "areas": self.rows["areas.csv"],
            "clips": self.rows["clips.csv"],
            "failed": [{"input": str(path), "reason": reason} for path, reason in self.failed.items()],
            "skipped": [str(path) for path in self.skipped],
        }
        return json.dumps(content, indent=2, allow_nan=False)


class Results:
    """The output folder during a run."""

    def __init__(self, output: Path) -> None:
        """Read the tables of earlier runs into the same folder.

        Raises:
            ValueError: A file of such a name is something else.
        """
        self.output = output
        self.report = Report(output)
        self._tables = {name: open_table(output / name, columns) for name, columns in TABLES.items()}

    @contextmanager
    def entry(self, name: Path, path: Path) -> Iterator[tuple[Path, dict[str, list[dict[str, Any]]]]]:
        """Open the place for the outputs of one input, and for its rows; they appear together if the block succeeds.

        Yields:
            Path without extension under which outputs are to be written, and an empty list of rows for each table, in
            which the column file need not be filled.
        """
        target = self.output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".predict-", dir=target.parent) as folder:
            rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
            yield Path(folder) / target.name, rows
            for one in (row for some in rows.values() for row in some):
                one["file"] = name.as_posix()
            self._publish(name, sorted(Path(folder).iterdir()), rows)
            self.report.done[path] = [target.parent / one.name for one in self._moved]
            for table, some in rows.items():
                self.report.rows[table] += [{column: row[column] for column in TABLES[table]} for row in some]

    def _publish(self, name: Path, made: Sequence[Path], rows: Mapping[str, list[dict[str, Any]]]) -> None:
        """Move outputs to their place, and write their rows; take all back if one of these fails."""
        folder = (self.output / name).parent
        self._moved = [folder / one.name for one in made]
        before = {table: dict(self._tables[table].lines) for table in TABLES}
        for stale in (folder / f"{name.name}{ending}" for ending in ENDINGS):
            if stale not in self._moved:
                stale.unlink(missing_ok=True)
        try:
            for one in made:
                shutil.move(one, folder / one.name)
            for table, some in rows.items():
                opened = self._tables[table]
                had = opened.lines.pop(name.as_posix(), None)
                if some:
                    opened.lines[name.as_posix()] = opened.format(some)
                if some or had is not None or table == "areas.csv":
                    opened.write()
        except OSError:
            for one in self._moved:
                one.unlink(missing_ok=True)
            for table, lines in before.items():
                lines.pop(name.as_posix(), None)
                self._tables[table].lines = lines
            raise
