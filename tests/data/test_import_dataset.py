"""The verb import-dataset."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from labeldropout.case import Case, DatasetError
from labeldropout.cli.main import main
from labeldropout.data import import_dataset as importing
from labeldropout.data.case_store import CaseStore
from labeldropout.data.import_dataset import import_dataset
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity import writer
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import State, View

OPTIONS = {"keys": {"LV_epi": "curve-lv-epi"}}


def hearts(n_cases: int) -> list[Case]:
    """Cases of discs: cavity, wall and atrium."""
    row, column = np.indices((90, 120))
    target = np.zeros(row.shape, np.uint8)
    target[(np.hypot(row - 35, column - 50) < 30) & (row < 50)] = Structure.LVM
    target[(np.hypot(row - 35, column - 50) < 20) & (row < 50)] = Structure.LV
    target[(np.hypot(row - 55, column - 50) < 22) & (row >= 50)] = Structure.LA
    states = dict.fromkeys(FOREGROUND, State.LABELLED)
    return [
        Case(
            "unity",
            writer.video_code(0, index),
            0,
            np.roll(target * 60, index, axis=0),
            target,
            states,
            (0.3, 0.3),
            View.A2C,
            None,
            f"{index}",
            "",
        )
        for index in range(n_cases)
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A release of five images in Unity's format."""
    writer.write_cases(hearts(5), tmp_path / "unity", np.random.default_rng(0))
    return tmp_path / "unity"


def test_an_import_leaves_a_store_a_contact_sheet_and_a_proposal(root: Path, tmp_path: Path):
    """All beside one another; the user's own curation is left alone."""
    curation = tmp_path / "curation.csv"
    curation.write_text("file,keep,view,reason\n")
    assert import_dataset("unity", root, tmp_path / "store", OPTIONS, curation=curation) == 5
    assert len(CaseStore(tmp_path / "store")) == 5
    assert {path.name for path in (tmp_path / "store").iterdir()} == {
        "images.u8",
        "pixels.json",
        "targets.u8",
        "cases.csv",
        "report.json",
        "rejected.csv",
        "contact_sheet.png",
        "unity_curation.proposed.csv",
    }
    assert len(pd.read_csv(tmp_path / "store" / "unity_curation.proposed.csv")) == 5
    assert curation.read_text() == "file,keep,view,reason\n"


def test_a_curation_is_never_overwritten(root: Path, tmp_path: Path):
    """A proposal edited in place would be lost by the next import."""
    import_dataset("unity", root, tmp_path / "store", OPTIONS)
    proposal = tmp_path / "store" / "unity_curation.proposed.csv"
    edited = proposal.read_text().replace(",1,", ",0,", 1)
    proposal.write_text(edited)
    with pytest.raises(DatasetError, match=r"would overwrite your list .*Copy the proposal"):
        import_dataset("unity", root, tmp_path / "store", OPTIONS, curation=proposal)
    assert proposal.read_text() == edited


def test_an_import_gives_the_same_bytes_twice(root: Path, tmp_path: Path):
    """Everything downstream is compared byte for byte."""
    for name in ("a", "b"):
        import_dataset("unity", root, tmp_path / name, OPTIONS)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_the_command_line_imports_with_options_and_curation(root: Path, tmp_path: Path):
    """The list chooses; its path comes by its own flag."""
    curation = tmp_path / "curation.csv"
    curation.write_text(f"file,keep,view,reason\n{writer.video_code(0, 3)}-0000.png,1,,\n")
    arguments = ["--name", "unity", "--root", str(root), "--output", str(tmp_path / "store")]
    assert main(["import-dataset", *arguments, "--options", json.dumps(OPTIONS), "--curation", str(curation)]) == 0
    assert CaseStore(tmp_path / "store").table["group_name"].tolist() == [writer.video_code(0, 3)]


def test_a_bad_case_stops_the_import_and_leaves_no_store(root: Path, tmp_path: Path, capsys):
    """One line on the screen, exit status 1."""
    min(root.rglob("*.png")).write_bytes(b"")
    arguments = ["--name", "unity", "--root", str(root), "--output", str(tmp_path / "store")]
    assert main(["import-dataset", *arguments]) == 1
    message = capsys.readouterr().err
    assert "not a picture" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "store" / "cases.csv").exists()


def test_bad_cases_can_be_skipped_and_stand_in_rejected_csv(root: Path, tmp_path: Path, caplog):
    """The others are imported, and a warning says where to look."""
    bad = min(root.rglob("*.png"))
    bad.write_bytes(b"")
    assert import_dataset("unity", root, tmp_path / "store", OPTIONS, on_bad_case="skip") == 4
    rejected = pd.read_csv(tmp_path / "store" / "rejected.csv")
    assert rejected["item"].tolist() == [bad.stem]
    assert "not a picture" in rejected["error"][0]
    assert "1 bad cases left out" in caplog.text


def test_an_import_of_bad_cases_alone_gives_the_reason_and_writes_rejected_csv(root: Path, tmp_path: Path, capsys):
    """Somebody who skips bad cases and has nothing left needs the list most of all."""
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    arguments = ["--name", "unity", "--root", str(root), "--output", str(tmp_path / "store"), "--on-bad-case", "skip"]
    assert main(["import-dataset", *arguments]) == 1
    assert "no case left to store (expected at least one of 5 found, found none; 5 bad cases" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "store" / "rejected.csv")) == 5
    assert not (tmp_path / "store" / "cases.csv").exists()


def test_a_loud_note_is_a_warning(root: Path, tmp_path: Path, caplog):
    """Without a key of the epicardium the paper's myocardium is not reproduced, and the user must see it."""
    import_dataset("unity", root, tmp_path / "store", {})
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "LVM IS UNKNOWN IN EVERY IMAGE" in warnings[0]


@pytest.mark.parametrize("name", ["camus", "unity", "echonet"])
def test_a_missing_data_set_says_where_to_get_it(name: str, tmp_path: Path):
    """What, from whom, under which licence, and where to put it."""
    with pytest.raises(DatasetError, match=rf"nowhere: .* is not there .*https?://.*data/raw/{name}"):
        import_dataset(name, tmp_path / "nowhere", tmp_path / "store", {})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "untiy",
            {},
            r"unknown data set \(expected camus, echonet, folder, unity, found 'untiy'\). Did you mean 'unity'",
        ),
        ("unity", {"kys": {}}, r"unknown option .*found 'kys'\). Did you mean 'keys'"),
        ("unity", {"curation": "x.csv"}, r"unknown option .*'curation'; the list is given by --curation"),
        ("unity", {"complete": 1}, r"option complete: wrong value \(expected bool, found 1\)"),
        ("unity", {"keys": ["LV"]}, r"option keys: wrong value \(expected Mapping"),
        ("unity", {"views": "A2C"}, r"option views: wrong value \(expected tuple"),
        ("unity", {"extra_masks": 3}, r"option extra_masks: wrong value \(expected Path or nothing, found 3\)"),
        ("unity", {"max_pixels": 0}, r"option max_pixels: wrong value \(expected 1 or more, found 0\)"),
        ("unity", {"off_limit": 20}, r"option off_limit: wrong value \(expected a share from 0 to 1, found 20\)"),
        (
            "unity",
            {"keys": {"LA": 3}},
            r"option keys: wrong value \(expected str or nothing, found 3\)",
        ),
        ("unity", {"views": [["A2C"]]}, r"option views: wrong value \(expected str, found \['A2C'\]\)"),
        ("unity", {"max_pixels": True}, r"option max_pixels: wrong value \(expected int, found True\)"),
        ("unity", {"skip_limit": "5 %"}, r"option skip_limit: wrong value \(expected a share from 0 to 1"),
    ],
)
def test_a_wrong_option_is_refused_with_the_nearest_name(
    root: Path, tmp_path: Path, name: str, options: dict, message: str
):
    """Before anything is read."""
    with pytest.raises(DatasetError, match=message):
        import_dataset(name, root, tmp_path / "store", options)
    assert not (tmp_path / "store").exists()


def test_a_curation_for_a_data_set_without_one_is_refused(root: Path, tmp_path: Path):
    """It would be ignored silently."""
    with pytest.raises(DatasetError, match="not a curated data set"):
        import_dataset("camus", root, tmp_path / "store", {}, curation=tmp_path / "list.csv")


@dataclass(frozen=True)
class _Options:
    mode: Literal["first", "drop"] = "first"
    folder: Path | None = None
    limit: float = 0.5


def test_options_reach_the_importer_in_their_own_types(root: Path, tmp_path: Path, monkeypatch):
    """Paths become paths, whole numbers pass for decimals, words are checked, and skip_limit goes to the report."""
    seen = []

    def read_cases(where: Path, options: _Options, report: ImportReport):
        seen.append((where, options, report.skip_limit))
        yield from hearts(1)

    other = replace(importing.DATASETS["camus"], options=_Options, read_cases=read_cases)
    monkeypatch.setitem(importing.DATASETS, "unity", other)
    import_dataset("unity", root, tmp_path / "store", {"folder": "x", "limit": 1, "skip_limit": 0.2})
    assert seen == [(root, _Options(folder=Path("x"), limit=1), 0.2)]
    with pytest.raises(DatasetError, match=r"option mode: .*'first' or 'drop', found 'frist'\). Did you mean 'first'"):
        import_dataset("unity", root, tmp_path / "store", {"mode": "frist"})
