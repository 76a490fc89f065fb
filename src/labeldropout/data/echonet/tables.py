"""The two tables of EchoNet-Dynamic: the list of videos, and the tracings of the left ventricle."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.case import DatasetError
from labeldropout.data.echonet import FRAME_SIZE, HOW_TO_GET, NAME
from labeldropout.data.import_report import ImportReport
from labeldropout.labels import Instant

FOLDER = "EchoNet-Dynamic"
"""Folder of the published archive."""


ROWS_PER_TRACING = 21
"""The long axis and 20 chords."""


FILE_LIST_COLUMNS = ("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split")


TRACING_COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")


_SPLITS = ("TRAIN", "VAL", "TEST")


FRAMES_PER_VIDEO = 2


# A smaller area is not a ventricle: real ones have hundreds of pixels. Our choice; the data set does not say.
_SMALLEST_AREA_PX = 50


# Points up to 8 px outside the frame are known to occur; one a whole frame outside is a mistake. Our choice.
_COORDINATE_RANGE = (-FRAME_SIZE, 2 * FRAME_SIZE)


@dataclass(frozen=True)
class Options:
    """Options of the import."""

    multi_trace: str = "first"
    """Frames with several tracings in a row: `first` takes the first; `drop` skips the frame; `official`
    joins all rows of a frame, however many, as the data set's own loader does (so that the outline crosses itself)."""
    exclude_file: str | None = None
    """Text file with one video name per line: videos to leave out, such as those with known wrong tracings."""

    def __post_init__(self) -> None:
        if self.multi_trace not in {"first", "drop", "official"}:
            raise ValueError(
                f"{NAME}: multi_trace: unknown value (expected first, drop or official, found {self.multi_trace!r})."
            )


@dataclass(frozen=True)
class Listed:
    """The content of one row of FileList.csv."""

    name: str
    n_frames: int
    split: str


@dataclass(frozen=True)
class Tracing:
    """One traced frame."""

    frame: int
    mask: np.ndarray
    flags: tuple[str, ...]


def error_in(file: object, problem: str, expected: object, found: object, advice: str = "") -> DatasetError:
    """Build the error that says what is wrong with a file of this data set."""
    return DatasetError.about(NAME, file, problem, expected, found, advice)


def fill_tracing(rows: np.ndarray) -> np.ndarray:
    """Fill the outline of a tracing; the raster is cropped at the frame, the points are not.

    Points on the outline are inside. Row 0, the long axis, is not part of the outline.

    Args:
        rows: float (n, 4) with n > 1: X1, Y1, X2, Y2 of the long axis and of the chords from apex to base.

    Returns:
        bool (112, 112).
    """
    from skimage.draw import polygon

    chords = np.rint(rows[1:])
    outline = np.concatenate([chords[:, :2], chords[::-1, 2:]])
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), bool)
    mask[polygon(outline[:, 1], outline[:, 0], mask.shape)] = True
    return mask


def bare(name: str) -> str:
    """A video's name without surrounding spaces and without one `.avi`, which only one of the two tables has."""
    stripped = name.strip()
    return stripped[:-4] if stripped.lower().endswith(".avi") else stripped


def check_name(name: str, where: str) -> None:
    """Refuse a video's name that is not the name of a file.

    Raises:
        DatasetError: The name is empty, or points elsewhere.
    """
    # Checks the name, not what it resolves to: in a data set under version control, videos may be links to a cache.
    if not name or name in {".", ".."} or any(letter in name for letter in "/\\\0"):
        raise error_in(where, "not a file name", "a name inside Videos/", repr(name))


def find_folder(root: Path) -> Path:
    """Find the folder with the two tables: the root, or the archive's folder in it.

    Raises:
        DatasetError: The tables are in neither.
    """
    for folder in (root, root / FOLDER):
        if (folder / "FileList.csv").is_file():
            return folder
    raise error_in(
        root,
        "no EchoNet-Dynamic here",
        f"FileList.csv, or {FOLDER}/FileList.csv",
        "neither" if root.is_dir() else "no such folder",
        HOW_TO_GET,
    )


def _header(path: Path) -> list[str]:
    if not path.is_file():
        raise error_in(path, "missing file", "a file", "none", HOW_TO_GET)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [column.strip() for column in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise error_in(path, "not a CSV", "text in UTF-8", error) from error


def _read_listed(row: Mapping[str, Any], where: str, before: set[str]) -> Listed:
    name = bare(row["FileName"] or "")
    if None in row or None in row.values():
        raise error_in(f"{where}: {name}", "wrong number of columns", "as many as the header", "another number")
    check_name(name, where)
    where = f"{where}: {name}"
    if name in before:
        raise error_in(where, "duplicate video", "every name once", "a second row")
    text, split = row["NumberOfFrames"].strip(), row["Split"].strip()
    if split not in _SPLITS:
        raise error_in(where, "unknown Split", "TRAIN, VAL or TEST", repr(split))
    try:
        n_frames = float(text)
    except ValueError as error:
        raise error_in(where, "NumberOfFrames is no number", "a whole number", repr(text)) from error
    if not n_frames.is_integer():
        raise error_in(where, "NumberOfFrames is not whole", "a whole number", repr(text))
    before.add(name)
    return Listed(name, int(n_frames), split)


def read_file_list(path: Path, report: ImportReport) -> Iterator[Listed]:
    """Yield the rows of FileList.csv; a bad row is refused or rejected, as configured in the report.

    Raises:
        DatasetError: A column is missing, a row is bad, or the file is not CSV.
    """
    header = _header(path)
    missing = [column for column in FILE_LIST_COLUMNS if column not in header]
    if missing:
        raise error_in(path, f"missing columns {missing}", list(FILE_LIST_COLUMNS), header)
    before: set[str] = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, fieldnames=header)
        try:
            for row in islice(reader, 1, None):
                where = f"{path}: line {reader.line_num}"
                report.found += 1
                listed = report.attempt(str(row["FileName"]), _read_listed, row, where, before)
                if listed is not None:
                    yield listed
        except (UnicodeDecodeError, csv.Error) as error:
            raise error_in(f"{path}: line {reader.line_num}", "not a CSV", "text in UTF-8", error) from error


def read_tracings(path: Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Read a table of all rows, with non-numeric cells left as text, and the positions of each video's rows."""
    header = _header(path)
    if header != list(TRACING_COLUMNS):
        raise error_in(path, "wrong header", list(TRACING_COLUMNS), header)
    try:
        # Blank lines are kept, so that row i is in line i + 2.
        table = pd.read_csv(
            path,
            encoding="utf-8-sig",
            header=0,
            names=TRACING_COLUMNS,
            dtype={"FileName": "category"},
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
        )
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise error_in(path, "not a CSV", "six columns of text in UTF-8", str(error).strip()) from error
    if not isinstance(table.index, pd.RangeIndex):
        raise error_in(path, "wrong number of columns", len(TRACING_COLUMNS), "more in every line")
    if table.empty:
        raise error_in(path, "no rows", f"{ROWS_PER_TRACING} rows per traced frame", "the header alone")
    file_names = table.pop("FileName").cat
    names = np.array([bare(str(name)) for name in file_names.categories], object)[file_names.codes]
    return table, pd.Series(names).groupby(names, sort=False).indices


def to_numbers(table: pd.DataFrame) -> np.ndarray:
    """Coordinates and frame of every row, float (n, 5); NaN where a cell is not a number."""
    columns = [pd.to_numeric(table[column], errors="coerce").to_numpy(float) for column in table.columns]
    return np.stack(columns, axis=1)


def check_numbers(name: str, numbers: np.ndarray, rows: np.ndarray, table: pd.DataFrame, path: Path) -> None:
    """Refuse cells of a video that are not valid coordinates or frames.

    Raises:
        DatasetError: There is such a cell among these rows; the message names the line of the first.
    """
    low, high = _COORDINATE_RANGE
    frames = numbers[:, -1]
    bad = ~np.isfinite(numbers)
    bad[:, :-1] |= (numbers[:, :-1] < low) | (numbers[:, :-1] > high)
    bad[:, -1] |= (frames != np.floor(frames)) | (frames < 0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        title = table.columns[column]
        expected = "a whole number from 0" if title == "Frame" else f"a number from {low} to {high}"
        cell = table.iloc[rows[row], column]
        found = repr(cell) if isinstance(cell, str) else f"{cell:g}"
        raise error_in(f"{path}: line {rows[row] + 2}: {name}", f"bad {title}", expected, found)


def read_tracing(name: str, frame: int, rows: np.ndarray, options: Options, report: ImportReport) -> Tracing | None:
    """The tracing of one frame; None if it is known-bad, which is then recorded in the report."""
    item, flags = f"{name} frame {frame}", []
    if options.multi_trace != "official":
        n_tracings, rest = divmod(len(rows), ROWS_PER_TRACING)
        if rest:
            report.skip(f"number of rows is no multiple of {ROWS_PER_TRACING}", item)
            return None
        if n_tracings > 1 and options.multi_trace == "drop":
            report.skip("several tracings of one frame", item)
            return None
        if n_tracings > 1:
            flags.append("several-tracings")
        rows = rows[:ROWS_PER_TRACING]
    lengths = np.hypot(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1])
    if lengths.argmax() != 0:
        flags.append("axis-not-longest")
    if rows.min() < 0 or rows.max() > FRAME_SIZE:
        flags.append("outside-frame")
    mask = fill_tracing(rows)
    if mask.sum() < _SMALLEST_AREA_PX:
        report.skip(f"fewer than {_SMALLEST_AREA_PX} pixels traced", item)
        return None
    return Tracing(frame, mask, tuple(flags))


def tell_instants(tracings: list[Tracing]) -> list[tuple[Instant | None, tuple[str, ...]]]:
    """Instant and flags of each tracing of a video, judged by area, never by the order of rows or frames."""
    if len(tracings) != FRAMES_PER_VIDEO:
        return [(None, ("only-one-frame",)) for _ in tracings]
    first, second = (int(tracing.mask.sum()) for tracing in tracings)
    if first == second:
        return [(None, ("equal-areas",))] * 2
    instants = (Instant.ED, Instant.ES) if first > second else (Instant.ES, Instant.ED)
    return [(instant, ()) for instant in instants]
