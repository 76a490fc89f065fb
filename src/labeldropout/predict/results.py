"""What one run writes: the outputs of an input appear together, and with them their rows."""

import csv
import errno
import io
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.files import check_columns, replacing
from labeldropout.predict.measures import AREAS, CLIPS

LABEL_ENDINGS = (".nii.gz", ".mha", ".png")
"""Endings of label maps."""

BESIDE = ("_overlay.png", "_areas.png", "_contours.json")
"""Endings of what is written beside a label map."""

TABLES = {"areas.csv": AREAS, "clips.csv": CLIPS}

Rows = dict[str, list[dict[str, Any]]]
"""Rows of each table."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors after which no further input can be written either."""


def is_no_room(error: Exception) -> bool:
    """Whether nothing can be written any more."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def _text(rows: Iterable[Mapping[str, Any]], columns: Collection[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _has_map(output: Path, name: str) -> bool:
    return any((output / f"{name}{ending}").is_file() for ending in LABEL_ENDINGS)


def _kept(path: Path, columns: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    """Lines of a table of earlier runs about other inputs whose label map is still there.

    Raises:
        ValueError: A file of that name is no such table.
    """
    has_map: dict[str, bool] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            check_columns(pd.DataFrame(columns=rows.fieldnames or []), columns, path)
            for row in rows:
                name = row["file"]
                # A row without all its cells is the end of a run that was killed.
                if name in names or None in row.values():
                    continue
                if has_map.setdefault(name, _has_map(path.parent, name)):
                    yield _text([row], columns)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ValueError(f"{path}: no table of this program ({error}). Give another --output.") from error


def _start(path: Path, columns: Mapping[str, str], names: Collection[str]) -> None:
    """Begin a table, with what earlier runs left of other inputs."""
    lines = _kept(path, columns, names) if path.exists() else iter(())
    with replacing(path, "w") as file:
        file.write(",".join(columns) + "\n")
        file.writelines(lines)


def append(path: Path, text: str) -> None:
    """Append lines in one go; if that fails, the file is as before."""
    before = path.stat().st_size
    try:
        with path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.truncate(path, before)
        raise


@dataclass
class Report:
    """What came of a run."""

    output: Path
    names: dict[Path, Path] = field(default_factory=dict)
    """Output path without extension, below `output`, by input that was outlined."""
    done: dict[Path, list[Path]] = field(default_factory=dict)
    """Files written, by input."""
    failed: dict[Path, str] = field(default_factory=dict)
    """Why an input has no output."""
    skipped: list[Path] = field(default_factory=list)
    """Files in folders that are of no known format."""
    notes: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    """What the user should know about an input."""

    def table(self, name: str) -> pd.DataFrame:
        """The rows of `areas.csv` or `clips.csv` about the inputs of this run."""
        path = self.output / name
        if not path.is_file():
            return pd.DataFrame(columns=list(TABLES[name]))
        found = pd.read_csv(path, dtype={"file": str, "structure": str}, keep_default_na=False, na_values=[""])
        mine = {one.as_posix() for one in self.names.values()}
        return found[found["file"].isin(mine)].reset_index(drop=True)

    def summary(self) -> str:
        """One line about all inputs."""
        words = [f"{len(self.done)} of {len(self.done) + len(self.failed)} inputs outlined"]
        words += [f"{len(self.failed)} failed"] if self.failed else []
        words += [f"{len(self.skipped)} other files skipped"] if self.skipped else []
        return ", ".join(words) + (f": {self.output / 'areas.csv'}" if self.done else "")

    def to_json(self) -> str:
        """Everything for a machine."""
        content = {
            "output": str(self.output),
            "inputs": [
                {
                    "input": str(path),
                    "file": self.names[path].as_posix(),
                    "outputs": [str(one) for one in written],
                    "notes": list(self.notes.get(path, ())),
                }
                for path, written in self.done.items()
            ],
            "areas": json.loads(self.table("areas.csv").to_json(orient="records")),
            "clips": json.loads(self.table("clips.csv").to_json(orient="records")),
            "failed": [{"input": str(path), "reason": reason} for path, reason in self.failed.items()],
            "skipped": [str(path) for path in self.skipped],
        }
        return json.dumps(content, indent=2, allow_nan=False)


class Results:
    """The output folder during a run."""

    def __init__(self, output: Path, endings: Mapping[Path, str]) -> None:
        """Begin the tables; what an earlier run made of the same inputs is removed.

        Args:
            output: The folder.
            endings: Ending of the label map of each input, by its output path without extension.

        Raises:
            ValueError: A file with the name of a table is something else; nothing has been removed.
        """
        self.output = output
        self.report = Report(output)
        mine = {name.as_posix(): ending for name, ending in endings.items()}
        for table, columns in TABLES.items():
            if (output / table).exists():
                _start(output / table, columns, mine)
        for name, label_ending in mine.items():
            for ending in (label_ending, *BESIDE):
                (output / f"{name}{ending}").unlink(missing_ok=True)

    @contextmanager
    def entry(self, name: Path, path: Path) -> Iterator[tuple[Path, Rows]]:
        """Open the place for the outputs of one input, and for its rows; they appear together if the block succeeds.

        Yields:
            Path without extension under which outputs are to be written, and an empty list of rows for each table, in
            which the column file need not be filled.
        """
        folder = (self.output / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".predict-", dir=folder) as hidden:
            rows: Rows = {table: [] for table in TABLES}
            yield Path(hidden) / name.name, rows
            made = sorted(Path(hidden).iterdir())
            self._publish(name, made, rows)
        self.report.names[path] = name
        self.report.done[path] = [folder / one.name for one in made]

    def _publish(self, name: Path, made: Sequence[Path], rows: Rows) -> None:
        """Move outputs to their place, and append their rows; take all back if one of these fails."""
        folder = (self.output / name).parent
        sizes: dict[Path, int] = {}
        try:
            for one in made:
                shutil.move(one, folder / one.name)
            for table, some in rows.items():
                if some:
                    path = self.output / table
                    if not path.exists():
                        _start(path, TABLES[table], ())
                    sizes[path] = path.stat().st_size
                    append(path, _text(({**row, "file": name.as_posix()} for row in some), TABLES[table]))
        except OSError:
            for one in made:
                (folder / one.name).unlink(missing_ok=True)
            for path, size in sizes.items():
                os.truncate(path, size)
            raise
