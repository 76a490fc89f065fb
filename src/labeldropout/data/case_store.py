"""The store of cases: one flat file of images, one of targets, and a table."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.case import Case, DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.data.pixels import Pixels, read_pixels, write_pixels
from labeldropout.files import read_table, replacing, write_json, write_table
from labeldropout.labels import Instant, State, View, structures_of, values_of

_STATES = ", ".join(State)


_CASE_TEXT = ("view", "instant", "group_name", "quality", "flags", "split_hint", "source", "source_sha256")


def _in_study(case: Case, structures: type[IntEnum]) -> Case:
    """The case with the study's structures and their values; those that the data set does not know are unknown.

    Raises:
        DatasetError: The data set has a structure that the study does not have.
    """
    states = dict.fromkeys(structures, State.UNKNOWN)
    new_value = np.arange(256, dtype=np.uint8)
    for structure, state in case.states.items():
        if structure.name not in structures.__members__:
            expected = ", ".join(values_of(structures))
            raise DatasetError.about(case.dataset, case.source, "a structure of no study", expected, structure.name)
        states[structures[structure.name]] = state
        new_value[structure] = structures[structure.name]
    if all(new_value[structure] == structure for structure in case.states):
        return replace(case, states=states)
    return replace(case, target=new_value[case.target], states=states)


def _channels(case: Case) -> int:
    return 1 if case.image.ndim == 2 else case.image.shape[2]


def _row(case: Case, offset: int) -> dict[str, Any]:
    """The case's row of `cases.csv`."""
    spacing = case.pixel_spacing_mm or (None, None)
    return {
        "case": case.id,
        "dataset": case.dataset,
        "patient": case.patient,
        "view": case.view or "",
        "instant": case.instant or "",
        "group_name": case.group_name,
        "frame": case.frame,
        **{structure.name: state.value for structure, state in case.states.items()},
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


def write_cases(
    cases: Iterable[Case], directory: Path, report: ImportReport, structures: type[IntEnum] | None = None
) -> int:
    """Stream cases into a store; memory use does not grow with their number.

    Files: `images.u8` and `targets.u8` (all pixels in sequence, uint8, row by row, channels of a pixel together),
    `pixels.json` (their meaning), `cases.csv` (`CASES`; the last to appear, so a store with it is complete),
    `report.json`, `rejected.csv`.

    Args:
        cases: The importer's generator.
        directory: The store; made if missing.
        report: The importer's report; this function sets its `used` and enforces its limits.
        structures: The structures of the study, whose values the label maps get; None for those of the first case.

    Returns:
        Number of cases.

    Raises:
        DatasetError: The importer raised it, too much was skipped, nothing is left, the study lacks a structure of the
            data set, or images differ in their number of channels.
        ValueError: Two cases have the same identifier.
    """
    rows: dict[str, dict[str, Any]] = {}
    offset, channels = 0, 0
    directory.mkdir(parents=True, exist_ok=True)
    with replacing(directory / "images.u8") as images, replacing(directory / "targets.u8") as targets:
        for read in cases:
            structures = structures or structures_of(values_of(read.states))
            channels = channels or _channels(read)
            if _channels(read) != channels:
                found = _channels(read)
                raise DatasetError.about(read.dataset, read.source, "another number of channels", channels, found)
            case = _in_study(read, structures)
            if case.id in rows:
                raise ValueError(
                    f"{case.dataset}: {case.source}: duplicate case {case.id} (also in {rows[case.id]['source']})."
                )
            images.write(np.ascontiguousarray(case.image).tobytes())
            targets.write(np.ascontiguousarray(case.target).tobytes())
            rows[case.id] = _row(case, offset)
            offset += case.target.size
        report.used = len(rows)
        report.close()
        (directory / "cases.csv").unlink(missing_ok=True)  # an old table must not describe new pixels
    write_table(report.table_of_rejected(), directory / "rejected.csv")
    write_json(asdict(report), directory / "report.json")
    write_pixels(Pixels(channels, structures), directory)
    write_table(
        pd.DataFrame(list(rows.values())), directory / "cases.csv", with_structures(CASES, values_of(structures))
    )
    return len(rows)


def read_case_table(directory: Path) -> pd.DataFrame:
    """The table of a store, without its pixels.

    Raises:
        ValueError: It is damaged or has other columns than the structures of the store ask for.
    """
    columns = with_structures(CASES, values_of(read_pixels(directory).structures))
    return read_table(Path(directory) / "cases.csv", columns, _CASE_TEXT)


class CaseStore:
    """Read access to a store of cases; pixels are memory-mapped."""

    def __init__(self, directory: Path) -> None:
        """Open a store.

        Raises:
            ValueError: Table and pixel files do not fit together.
        """
        self.directory = Path(directory)
        self.pixels = read_pixels(self.directory)
        path = self.directory / "cases.csv"
        self.table = read_case_table(self.directory)
        for structure in self.pixels.structures:
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
        for name, per_pixel in (("images.u8", self.pixels.channels), ("targets.u8", 1)):
            found, expected = (self.directory / name).stat().st_size, n_pixels * per_pixel
            if found != expected:
                raise ValueError(f"{self.directory / name}: wrong size (expected {expected} bytes, found {found}).")
        self._images = np.memmap(self.directory / "images.u8", np.uint8, "r")
        self._targets = np.memmap(self.directory / "targets.u8", np.uint8, "r")

    def __len__(self) -> int:
        return len(self.table)

    def _of_case(self, array: np.ndarray, index: int, per_pixel: int) -> np.ndarray:
        row = self.table.iloc[index]
        height, width = int(row["height_px"]), int(row["width_px"])
        flat = array[int(row["offset"]) * per_pixel :][: height * width * per_pixel]
        return flat.reshape((height, width) if per_pixel == 1 else (height, width, per_pixel))

    def image(self, index: int) -> np.ndarray:
        """Image of the case in this row: uint8 (H, W), of K channels (H, W, K); a read-only view of the file."""
        return self._of_case(self._images, index, self.pixels.channels)

    def target(self, index: int) -> np.ndarray:
        """Label map of the case in this row: uint8 (H, W), a read-only view of the file."""
        return self._of_case(self._targets, index, 1)

    def spacing_mm(self, index: int) -> tuple[float, float] | None:
        """(row, column) size of a pixel in mm; None if unknown."""
        row = self.table.iloc[index]
        spacing = (float(row["row_spacing_mm"]), float(row["column_spacing_mm"]))
        return None if np.isnan(spacing).any() else spacing

    def states(self, index: int) -> dict[IntEnum, State]:
        """State of each structure in the case of this row."""
        row = self.table.iloc[index]
        return {structure: State(row[structure.name]) for structure in self.pixels.structures}

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


EACH_STRUCTURE = "<structure>"
"""In a description of columns, stands for one column per structure of the study, under its name."""

_STATE = "labelled, absent or unknown: one column per structure of the study, under its name"


_CASE = {
    "case": "our identifier of the case",
    "dataset": "data set it comes from",
    "patient": "our identifier of the group that no split divides",
    "view": "A2C, A4C or empty",
    "instant": "ED, ES or empty",
}

CASES = {
    **_CASE,
    "group_name": "the group as the data set names it; never published",
    "frame": "index of the frame in its file, from 0",
    EACH_STRUCTURE: _STATE,
    "offset": "index of the first pixel in targets.u8, and in images.u8 if that has one channel",
    "height_px": "rows of the stored image",
    "width_px": "columns of the stored image",
    "row_spacing_mm": "height of a pixel in mm; empty if unknown",
    "column_spacing_mm": "width of a pixel in mm; empty if unknown",
    "quality": "image quality in the data set's words",
    "flags": "remarks of the importer, separated by spaces",
    "split_hint": "the part that the data set itself assigns",
    "source": "file of the image below the data set's root; never published",
    "source_sha256": "hash of that file",
}
"""`cases.csv` of a store."""


def with_structures(columns: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """A description of columns for a study, in order.

    Args:
        columns: Meaning by name, with `EACH_STRUCTURE` in the place of the structures.
        names: Names of the study's structures.

    Raises:
        ValueError: A structure has the name of another column.
    """
    structures = list(names)
    if taken := [name for name in structures if name in columns]:
        raise ValueError(f"structures: {taken[0]} is the name of a column of the tables. Give it another one.")
    return {
        name: meaning
        for column, meaning in columns.items()
        for name in (structures if column == EACH_STRUCTURE else [column])
    }
