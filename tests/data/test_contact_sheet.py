"""The contact sheet of a store."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labeldropout.case import Case
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.contact_sheet import contact_sheet, sample, tile
from labeldropout.data.import_report import ImportReport
from labeldropout.heart import COLOURS, FOREGROUND, Structure
from labeldropout.labels import State, View


def case(number: int, **changes: object) -> Case:
    """A case with a square cavity in a dark picture."""
    target = np.zeros((40, 60), np.uint8)
    target[10:30, 10:30] = Structure.LV
    states = {**dict.fromkeys(FOREGROUND, State.UNKNOWN), Structure.LV: State.LABELLED}
    whole = Case(
        "camus", f"p{number:03d}", 0, np.full((40, 60), 50, np.uint8), target, states, None, View.A4C, None, "f", "0"
    )
    return replace(whole, **changes)


def store_of(cases: list[Case], folder: Path) -> CaseStore:
    """A store of these cases."""
    write_cases(cases, folder, ImportReport("camus"))
    return CaseStore(folder)


def test_flagged_cases_come_first_and_the_others_are_spread_over_the_table():
    """A reviewer sees the doubtful ones and a fair share of the rest."""
    flagged = np.zeros(100, bool)
    flagged[[90, 5]] = True
    rows = sample(flagged, 12)
    assert rows[:2] == [5, 90]
    assert len(rows) == len(set(rows)) == 12
    assert rows[2] == 0
    assert rows[-1] == 99
    assert sample(np.ones(100, bool), 3) == [0, 50, 99]
    assert sample(np.zeros(2, bool), 60) == [0, 1]


def test_the_same_store_gives_the_same_bytes_and_names_its_cases(tmp_path: Path):
    """The sheet is part of the results that are compared."""
    store = store_of([case(n, flags=("odd",) if n == 7 else ()) for n in range(70)], tmp_path / "store")
    shown = contact_sheet(store, tmp_path / "a.png")
    contact_sheet(store, tmp_path / "b.png")
    assert len(shown) == 60
    assert shown[0] == store.table["case"][7]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")


def test_a_remark_puts_a_case_first_and_is_written_below_it(tmp_path: Path):
    """Reasons of a proposed curation are for the reviewer's eye."""
    store = store_of([case(n) for n in range(4)], tmp_path / "store")
    third = str(store.table["case"][2])
    shown = contact_sheet(store, tmp_path / "remark.png", remarks={third: "wall too thick"})
    assert shown[0] == third
    pixels = np.asarray(Image.open(tmp_path / "remark.png"))
    assert (pixels == (255, 214, 90)).all(axis=2).any()


def test_outlines_are_coloured_and_the_picture_inside_is_not(tmp_path: Path):
    """The structure's own colour on its boundary; the ultrasound stays visible."""
    picture = tile(store_of([case(0)], tmp_path), 0)
    outline = (picture == COLOURS[Structure.LV]).all(axis=2)
    rows, columns = np.nonzero(outline)
    scale = picture.shape[1] / 60
    assert rows.min() == pytest.approx(10 * scale, abs=1)
    assert columns.max() == pytest.approx(30 * scale, abs=1)
    assert (picture[picture.shape[0] // 2, int(20 * scale)] == 50).all()


def test_pixels_that_are_not_square_are_shown_in_their_true_shape(tmp_path: Path):
    """Or the same heart would look twice as tall."""
    picture = tile(store_of([case(0, pixel_spacing_mm=(0.15, 0.3))], tmp_path), 0)
    assert picture.shape[1] / picture.shape[0] == pytest.approx(60 * 0.3 / (40 * 0.15), rel=0.02)


def test_long_flags_and_single_cases_fit_on_the_sheet(tmp_path: Path):
    """Text is cut at the tile's edge; one case makes a sheet too."""
    store = store_of([case(0, flags=("a-very-long-flag" * 20,))], tmp_path / "store")
    assert contact_sheet(store, tmp_path / "one.png") == [store.table["case"][0]]
