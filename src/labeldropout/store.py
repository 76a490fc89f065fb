"""Our own formats: cases, prepared arrays, weights, predictions; written beside, then renamed."""

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from labeldropout.case import Case
from labeldropout.datasets.report import ImportReport
from labeldropout.labels import FOREGROUND, Instant, State, Structure, View
from labeldropout.records import CASES, PREPARED, check_columns


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file beside `path` and rename it to `path` once the block ended well; else leave `path` as it was."""
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
        # A full disc says so without naming a file.
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
    """Write a CSV with Unix line ends and shortest exact numbers, atomically; NaN is an empty cell.

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
        ValueError: Not a table, truncated, or other columns; the message names the file.
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


_STATES = ", ".join(State)
_CASE_TEXT = ("view", "instant", "group_name", "quality", "flags", "split_hint", "source", "source_sha256")


def write_cases(cases: Iterable[Case], directory: Path, report: ImportReport) -> int:
    """Stream cases into a store; memory does not grow with their number.

    Files: `images.u8` and `targets.u8` (all pixels one after the other, uint8, row by row), `cases.csv` (`CASES`; the
    last to appear, so a store with it is complete), `report.json`, `rejected.csv`.

    Args:
        cases: The importer's generator.
        directory: The store; made if missing.
        report: The importer's report; its `used` is set here and its limits are enforced.

    Returns:
        Number of cases.

    Raises:
        DatasetError: From the importer, or too much was skipped.
        ValueError: Two cases have the same identifier.
    """
    rows: dict[str, dict[str, Any]] = {}
    offset = 0
    directory.mkdir(parents=True, exist_ok=True)
    with replacing(directory / "images.u8") as images, replacing(directory / "targets.u8") as targets:
        for case in cases:
            if case.id in rows:
                raise ValueError(
                    f"{case.dataset}: {case.source}: duplicate case {case.id} (also in {rows[case.id]['source']})."
                )
            images.write(np.ascontiguousarray(case.image).tobytes())
            targets.write(np.ascontiguousarray(case.target).tobytes())
            spacing = case.pixel_spacing_mm or (None, None)
            rows[case.id] = {
                "case": case.id,
                "dataset": case.dataset,
                "patient": case.patient,
                "view": case.view or "",
                "instant": case.instant or "",
                "group_name": case.group_name,
                "frame": case.frame,
                **{structure.name: case.states[structure].value for structure in FOREGROUND},
                "offset": offset,
                "height_px": case.image.shape[0],
                "width_px": case.image.shape[1],
                "row_spacing_mm": spacing[0],
                "column_spacing_mm": spacing[1],
                "quality": case.quality,
                "flags": " ".join(case.flags),
                "split_hint": case.split_hint,
                "source": case.source,
                "source_sha256": case.source_sha256,
            }
            offset += case.image.size
        report.used = len(rows)
        report.close()
        if not rows:
            raise ValueError(
                f"{report.dataset}: no case left to store (found {report.found}, rejected {len(report.rejected)})."
            )
        (directory / "cases.csv").unlink(missing_ok=True)  # an older table must not describe the new pixels
    write_table(pd.DataFrame(report.rejected, columns=["item", "error"]), directory / "rejected.csv")
    write_json(asdict(report), directory / "report.json")
    write_table(pd.DataFrame(list(rows.values())), directory / "cases.csv", CASES)
    return len(rows)


class CaseStore:
    """Read access to a store of cases; pixels are memory-mapped."""

    def __init__(self, directory: Path) -> None:
        """Open a store.

        Raises:
            ValueError: Table and pixel files do not fit together.
        """
        self.directory = Path(directory)
        path = self.directory / "cases.csv"
        self.table = read_table(path, CASES, _CASE_TEXT)
        for structure in FOREGROUND:
            wrong = set(self.table[structure.name]) - set(State)
            if wrong:
                raise ValueError(f"{path}: unknown state of {structure.name} (expected {_STATES}, found {wrong}).")
        geometry = self.table[["offset", "height_px", "width_px"]]
        if not all(dtype.kind == "i" for dtype in geometry.dtypes) or (geometry < [0, 1, 1]).any(axis=None):
            raise ValueError(f"{path}: offset, height_px or width_px is not a whole number in some row.")
        ends = (self.table["height_px"] * self.table["width_px"]).cumsum()
        if (self.table["offset"] != ends.shift(fill_value=0)).any():
            raise ValueError(f"{path}: the offsets do not follow from the shapes (a row is missing or changed).")
        n_pixels = int(ends.iloc[-1]) if len(ends) else 0
        for name in ("images.u8", "targets.u8"):
            found = (self.directory / name).stat().st_size
            if found != n_pixels:
                raise ValueError(f"{self.directory / name}: wrong size (expected {n_pixels} bytes, found {found}).")
        self._images = np.memmap(self.directory / "images.u8", np.uint8, "r")
        self._targets = np.memmap(self.directory / "targets.u8", np.uint8, "r")

    def __len__(self) -> int:
        return len(self.table)

    def _pixels(self, array: np.ndarray, index: int) -> np.ndarray:
        row = self.table.iloc[index]
        height, width = int(row["height_px"]), int(row["width_px"])
        return array[int(row["offset"]) :][: height * width].reshape(height, width)

    def image(self, index: int) -> np.ndarray:
        """Image of the case in this row: uint8 (H, W), a read-only view of the file."""
        return self._pixels(self._images, index)

    def target(self, index: int) -> np.ndarray:
        """Label map of the case in this row: uint8 (H, W), a read-only view of the file."""
        return self._pixels(self._targets, index)

    def spacing_mm(self, index: int) -> tuple[float, float] | None:
        """(row, column) size of a pixel in mm; None if unknown."""
        row = self.table.iloc[index]
        spacing = (float(row["row_spacing_mm"]), float(row["column_spacing_mm"]))
        return None if np.isnan(spacing).any() else spacing

    def states(self, index: int) -> dict[Structure, State]:
        """State of each structure in the case of this row."""
        row = self.table.iloc[index]
        return {structure: State(row[structure.name]) for structure in FOREGROUND}

    def case(self, index: int) -> Case:
        """The case of this row, as the importer made it."""
        row = self.table.iloc[index]
        return Case(
            dataset=row["dataset"],
            group_name=row["group_name"],
            frame=int(row["frame"]),
            image=np.asarray(self.image(index)),
            target=np.asarray(self.target(index)),
            states=self.states(index),
            pixel_spacing_mm=self.spacing_mm(index),
            view=View(row["view"]) if row["view"] else None,
            instant=Instant(row["instant"]) if row["instant"] else None,
            source=row["source"],
            source_sha256=row["source_sha256"],
            quality=row["quality"],
            flags=tuple(row["flags"].split()),
            split_hint=row["split_hint"],
        )


@dataclass(frozen=True)
class Prepared:
    """The prepared arrays of one data set and their table (`PREPARED`), row by row."""

    images: np.ndarray
    """uint8 (N, S, S), S the side of the network's grid."""
    targets: np.ndarray
    """uint8 (N, S, S)."""
    table: pd.DataFrame


def write_prepared(
    images: Iterable[np.ndarray], targets: Iterable[np.ndarray], table: pd.DataFrame, directory: Path
) -> None:
    """Stream images and targets, pair by pair in the order of the table, into `images.npy` and `targets.npy`.

    The table (`cases.csv`) is the last file to appear.
    """
    side: int | None = None
    n_written = 0
    with replacing(directory / "images.npy") as image_file, replacing(directory / "targets.npy") as target_file:
        for image, target in zip(images, targets, strict=True):
            side = image.shape[0] if side is None else side
            if not n_written:
                description = {"descr": "|u1", "fortran_order": False, "shape": (len(table), side, side)}
                for file in (image_file, target_file):
                    np.lib.format.write_array_header_1_0(file, description)
            if image.shape != (side, side) or target.shape != (side, side):
                raise ValueError(
                    f"{directory}: prepared shapes {image.shape}, {target.shape} (expected {(side, side)})."
                )
            image_file.write(np.ascontiguousarray(image, np.uint8).tobytes())
            target_file.write(np.ascontiguousarray(target, np.uint8).tobytes())
            n_written += 1
        if n_written != len(table) or not n_written:
            raise ValueError(f"{directory}: {n_written} prepared images for a table of {len(table)} rows.")
        (directory / "cases.csv").unlink(missing_ok=True)  # an older table must not describe the new arrays
    write_table(table, directory / "cases.csv", PREPARED)


def read_prepared(directory: Path) -> Prepared:
    """Open prepared arrays, memory-mapped.

    Raises:
        ValueError: Arrays and table do not fit together.
    """
    table = read_table(directory / "cases.csv", PREPARED, ("view", "instant"))
    arrays = {}
    for name in ("images", "targets"):
        path = directory / f"{name}.npy"
        try:
            arrays[name] = np.lib.format.open_memmap(path, mode="r")
        except ValueError as error:
            raise ValueError(f"{path}: not a prepared array ({error}).") from error
        if arrays[name].dtype != np.uint8 or arrays[name].ndim != 3 or len(arrays[name]) != len(table):
            raise ValueError(
                f"{path}: wrong array (expected uint8 ({len(table)}, S, S),"
                f" found {arrays[name].dtype} {arrays[name].shape})."
            )
    return Prepared(arrays["images"], arrays["targets"], table)


_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_predictions(label_maps: Iterable[tuple[str, np.ndarray]], path: Path) -> None:
    """Stream named label maps into a compressed .npz; the same maps give the same bytes.

    Args:
        label_maps: Name (`seed-<n>/<case>`) and uint8 (H, W).
        path: The archive.
    """
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, label_map in label_maps:
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(label_map, np.uint8), allow_pickle=False)


def read_predictions(path: Path) -> Mapping[str, np.ndarray]:
    """Open an archive of label maps; each is read when asked for.

    Raises:
        ValueError: Not such an archive.
    """
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not an archive of predictions ({error}).") from error
