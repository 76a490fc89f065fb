"""Read the list of Unity images to use, and propose one to a reviewer."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from labeldropout.case import DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity import NAME
from labeldropout.data.unity.labels import (
    Wanted,
    flag_several,
    indexed_view,
    labels_of,
    read_label,
    remark_labels,
    state_of,
    view_words,
)
from labeldropout.data.unity.options import Options, extra_path
from labeldropout.data.unity.release import Release, frame_code, table_rows
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import State, View

if TYPE_CHECKING:
    from labeldropout.data.case_store import CaseStore


_STATE_WORDS = tuple(state.value for state in State)


_CURATION_COLUMNS = ("file", "keep", "view", "reason")


@dataclass(frozen=True)
class Row:
    """A row of the curation."""

    line: int
    code: str
    keep: bool
    view: View | None
    states: dict[Structure, State]


def read_curation(path: Path | None, options: Options, report: ImportReport) -> list[Row]:
    """The rows of the user's list; none if there is no list or only its header."""
    del options
    if path is None:
        return []
    path = Path(path)
    if not path.is_file():
        raise DatasetError.about(NAME, path, "the curation is not there", "a file", "none")
    rows: dict[str, Row] = {}
    names = tuple(structure.name for structure in FOREGROUND)
    for line, cells in table_rows(path, _CURATION_COLUMNS, (*names, "reviewer", "date")):
        where = f"{path}:{line}"
        code, view, keep = frame_code(cells["file"]), cells["view"].strip(), cells["keep"].strip()
        words = {structure: cells.get(structure.name, "").strip() for structure in FOREGROUND}
        _one_of(where, "keep", keep, ("0", "1"))
        _one_of(where, "view", view.upper(), ("", *View))
        for structure, word in words.items():
            _one_of(where, structure.name, word, ("", *_STATE_WORDS))
        if code in rows:
            raise DatasetError.about(NAME, where, "an image listed twice", "once", f"line {rows[code].line} too")
        states = {structure: State(word) for structure, word in words.items() if word}
        rows[code] = Row(line, code, keep == "1", View(view.upper()) if view else None, states)
    report.check("curation sha256", "", hashlib.sha256(path.read_bytes()).hexdigest())
    return list(rows.values())


def _one_of(where: str, column: str, word: str, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        expected = " or ".join(repr(str(word)) for word in allowed)
        raise DatasetError.about(NAME, where, f"bad word in column {column}", expected, repr(word))


def from_curation(
    rows: list[Row], release: Release, paths: Mapping[str, Path], options: Options, report: ImportReport
) -> list[Wanted]:
    """Exactly the images to keep, in the order of their names."""
    words = view_words(release, options)

    def look(row: Row) -> Wanted:
        where = f"{options.curation}:{row.line}"
        labels = labels_of(release, row.code)
        listed, view = indexed_view(release, words, row.code)
        if row.view is None and listed and view is None:
            raise DatasetError.about(NAME, where, "not an apical image", "A2C or A4C in column view", "nothing")
        found = {
            structure: read_label(labels, key, f"{release.labels_file}: {row.code}")
            for structure, key in options.key_of.items()
        }
        remark_labels(found, row.code, options, report)
        states = {s: row.states.get(s, state_of(label, s, options)) for s, label in found.items()}
        extra = extra_path(options, row.code)
        for structure, state in row.states.items():
            if state is State.LABELLED and found[structure].kind != "curve" and not extra:
                raise DatasetError.about(
                    NAME,
                    where,
                    f"{structure.name} is called labelled",
                    "a curve or an extra mask",
                    found[structure].kind,
                )
        if all(state is State.UNKNOWN for state in states.values()):
            report.adjust("an image kept by the curation on which nothing is annotated", row.code)
        return Wanted(row.code, row.view or view, states, curated=True, where=where, flags=flag_several(found))

    wanted = []
    for row in sorted(rows, key=lambda row: row.code):
        if row.code not in paths:
            what = "a labelled image" if row.code not in release.labels else "an image file"
            raise DatasetError.about(NAME, f"{options.curation}:{row.line}", "names no image", what, repr(row.code))
        image = report.attempt(row.code, look, row) if row.keep else None
        if image is not None:
            wanted.append(image)
    report.note(f"Curation: {sum(row.keep for row in rows)} of {len(rows)} listed images are kept.")
    if not any(row.keep for row in rows):
        raise DatasetError.about(NAME, options.curation, "keeps no image", "a row with keep = 1", "none")
    return wanted


def propose_curation(store: "CaseStore", options: Options) -> pd.DataFrame:
    """Propose images with a suspected over-labelled myocardium to a reviewer; this excludes nothing.

    There are two rules: the ratio of the myocardium's area to the cavity's exceeds the store's median by the factor
    `large_wall_ratio`; in A4C the wall on the right ventricle's side, over the middle of the cavity's length, is
    thicker than the opposite one by the factor `thick_wall_ratio`.

    Args:
        store: The imported cases.
        options: Thresholds.

    Returns:
        file, keep (always 1), view, reason (empty, or the rules that fired, with numbers); one row per case, by file.
    """
    area_ratios = np.full(len(store), np.nan)
    walls = np.full(len(store), np.nan)
    for index in range(len(store)):
        target = np.asarray(store.target(index))
        n_cavity, n_wall = int((target == Structure.LV).sum()), int((target == Structure.LVM).sum())
        if n_cavity and n_wall:
            area_ratios[index] = n_wall / n_cavity
            walls[index] = _wall_ratio(target, options.right_ventricle_side)
    known = area_ratios[np.isfinite(area_ratios)]
    median = float(np.median(known)) if len(known) else math.nan
    keys = curation_keys(store)
    rows = []
    for index in range(len(store)):
        row = store.table.iloc[index]
        reasons = []
        if area_ratios[index] > options.large_wall_ratio * median:
            reasons.append(f"LVM/LV area {area_ratios[index]:.2f}, median {median:.2f}")
        if row["view"] == View.A4C and walls[index] > options.thick_wall_ratio:
            reasons.append(f"RV-side wall {walls[index]:.2f} times the other one")
        rows.append({"file": keys[index], "keep": 1, "view": row["view"], "reason": "; ".join(reasons)})
    return pd.DataFrame(rows, columns=list(_CURATION_COLUMNS)).sort_values("file", ignore_index=True)


def curation_keys(store: "CaseStore") -> list[str]:
    """Key of each case's image in the curation and in the release's labels."""
    return [
        f"{video}-{int(frame):04d}.png"
        for video, frame in zip(store.table["group_name"], store.table["frame"], strict=True)
    ]


def _wall_ratio(target: np.ndarray, side: str) -> float:
    """Thickness of the wall on one side of the cavity over that on the other, in the middle of its long axis."""
    rows, columns = np.nonzero(target == Structure.LV)
    centre = np.array([rows.mean(), columns.mean()])
    _, _, axes = np.linalg.svd(np.stack([rows, columns], axis=1) - centre, full_matrices=False)
    along = axes[0] if axes[0][0] >= 0 else -axes[0]
    # A quarter turn from "down along the axis" points to the right of the picture.
    across = np.array([-along[1], along[0]])
    lengths = (rows - centre[0]) * along[0] + (columns - centre[1]) * along[1]
    low, high = np.quantile(lengths, [0.25, 0.75])
    wall = np.stack(np.nonzero(target == Structure.LVM), axis=1) - centre
    middle = (wall @ along >= low) & (wall @ along <= high)
    n_right = int((middle & (wall @ across > 0)).sum())
    n_left = int((middle & (wall @ across < 0)).sum())
    first, second = (n_left, n_right) if side == "left" else (n_right, n_left)
    return first / second if second else math.inf if first else math.nan
