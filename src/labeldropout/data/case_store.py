"""The store of cases: one flat file of images, one of targets, and a table."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.case import Case
from labeldropout.data.import_report import ImportReport
from labeldropout.files import read_table, replacing, write_json, write_table
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant, State, View

_STATES = ", ".join(State)


_CASE_TEXT = ("view", "instant", "group_name", "quality", "flags", "split_hint", "source", "source_sha256")


def write_cases(cases: Iterable[Case], directory: Path, report: ImportReport) -> int:
    """Stream cases into a store; memory use does not grow with their number.

    Files: `images.u8` and `targets.u8` (all pixels in sequence, uint8, row by row), `cases.csv` (`CASES`; the
    last to appear, so a store with it is complete), `report.json`, `rejected.csv`.

    Args:
        cases: The importer's generator.
        directory: The store; made if missing.
        report: The importer's report; this function sets its `used` and enforces its limits.

    Returns:
        Number of cases.

    Raises:
        DatasetError: The importer raised it, too much was skipped, or nothing is left.
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
        (directory / "cases.csv").unlink(missing_ok=True)  # an old table must not describe new pixels
    write_table(report.table_of_rejected(), directory / "rejected.csv")
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


_STATE = "labelled, absent or unknown"


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
    "LV": _STATE,
    "LVM": _STATE,
    "LA": _STATE,
    "offset": "index of the first pixel in images.u8 and targets.u8",
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
