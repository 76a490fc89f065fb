"""Atomic writing of files; JSON and tables that are checked when read."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd

from labeldropout.messages import did_you_mean


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file beside `path` and rename it to `path` if the block succeeds; otherwise leave `path` unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else ""
    try:
        with beside.open(mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        # The error for a full disc does not name the file.
        error.filename = error.filename or str(path)
        raise
    finally:
        beside.unlink(missing_ok=True)


def write_json(content: Any, path: Path) -> None:
    """Write sorted, indented JSON, atomically."""
    with replacing(path, "w") as file:
        file.write(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ValueError: The file is not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}).") from error


def write_table(table: pd.DataFrame, path: Path, columns: Iterable[str] | None = None) -> None:
    """Write a CSV with Unix line endings and the shortest exact numbers, atomically; NaN is an empty cell.

    Args:
        table: What to write.
        path: Where.
        columns: If given, the columns it must have, in this order.
    """
    checked = table if columns is None else check_columns(table, columns, path)
    with replacing(path, "w") as file:
        checked.to_csv(file, index=False, lineterminator="\n")


def read_table(path: Path, columns: Iterable[str] | None = None, text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV written by `write_table`.

    Args:
        path: Where.
        columns: If given, the columns it must have.
        text: Columns that are text even if they look like numbers or are empty (an empty cell is then "").

    Raises:
        ValueError: The file is not a table, is truncated or has other columns; the message names it.
    """
    try:
        # Only an empty cell is missing: a group may be called NA.
        table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV table ({error}).") from error
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            raise ValueError(f"{path}: truncated (expected a line end after the last row, found none).")
    if columns is not None:
        table = check_columns(table, columns, path)
    present = [name for name in text if name in table.columns]
    table[present] = table[present].fillna("")
    return table


def check_columns(table: pd.DataFrame, columns: Iterable[str], file: str | Path) -> pd.DataFrame:
    """Return the table with its columns in the given order, if it has exactly these, in any order.

    Args:
        table: What was read.
        columns: The names that it must have.
        file: Where it was read, for the message.

    Raises:
        ValueError: A column is missing, or one is unknown; the message suggests the nearest valid name.
    """
    expected = list(columns)
    missing = [name for name in expected if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in expected]
    if missing or unknown:
        hints = [f"{name}: {advice}" for name in unknown if (advice := did_you_mean(name, expected))]
        raise ValueError(
            f"{file}: columns do not fit (missing: {missing or 'none'}, unknown: {unknown or 'none'},"
            f" expected: {expected}).{' ' + ' '.join(hints) if hints else ''}"
        )
    return table[expected]
