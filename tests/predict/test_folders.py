"""Folders of anybody: bad files, links, names, and tables that fit what lies beside them."""

import json
import os

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labeldropout.cli.main import main


@pytest.fixture
def folder(tmp_path, fan):
    """Two good pictures and two bad ones, one of them found first."""
    made = tmp_path / "in"
    (made / "deep").mkdir(parents=True)
    (made / "a_bad.png").write_text("no picture")
    Image.fromarray(fan()[0]).save(made / "good.png")
    (made / "deep" / "cut.nii.gz").write_bytes(b"\x1f\x8b")
    nib.save(nib.Nifti1Image(fan(2).transpose(2, 1, 0).copy(), np.diag([-0.3, -0.3, 1, 1])), made / "deep" / "fine.nii")
    return made


@pytest.fixture
def run(tmp_path, weights, capfd):
    """The command line: exit status, and what it said on both streams."""

    def call(*arguments):
        status = main(
            [
                "predict",
                "--output",
                str(tmp_path / "out"),
                "--weights",
                str(weights),
                "--device=cpu",
                *map(str, arguments),
            ]
        )
        return status, *capfd.readouterr()

    return call


def rows(tmp_path):
    """The written table."""
    return pd.read_csv(tmp_path / "out" / "areas.csv")


def test_a_folder_survives_its_bad_files(tmp_path, folder, run):
    """Each bad file is named, all others are finished, the end has a summary, and the exit status is 1."""
    status, _, said = run(folder)
    assert status == 1
    for name in ("a_bad.png", "cut.nii.gz"):
        assert len([line for line in said.splitlines() if name in line]) == 1
    assert "2 of 4 inputs outlined, 2 failed" in said.splitlines()[-1]
    assert (tmp_path / "out" / "good.png").is_file()
    assert nib.load(tmp_path / "out" / "deep" / "fine.nii.gz").shape == (120, 90, 2)
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine"}


def test_a_good_folder_ends_with_zero(folder, run):
    """Without a bad file the exit status is 0."""
    (folder / "a_bad.png").unlink()
    (folder / "deep" / "cut.nii.gz").unlink()
    assert run(folder)[0] == 0


def test_python_names_every_bad_file_after_finishing_the_others(tmp_path, folder, predict):
    """From Python one error names all bad files, and what was good is there."""
    with pytest.raises(ValueError, match=r"a_bad.png.*\n.*cut.nii.gz"):
        predict(folder)
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine"}


def test_what_a_machine_reads(tmp_path, folder, run):
    """With --json the standard output is JSON alone: what was written, measured, and why something was not."""
    _, printed, _ = run(folder, "--json", "--coco")
    content = json.loads(printed)
    assert [entry["input"] for entry in content["inputs"]] == [
        str(folder / "deep" / "fine.nii"),
        str(folder / "good.png"),
    ]
    assert all(os.path.exists(path) for entry in content["inputs"] for path in entry["outputs"])  # noqa: PTH110
    assert {entry["input"].rsplit("/", 1)[1] for entry in content["failed"]} == {"a_bad.png", "cut.nii.gz"}
    assert all(entry["reason"] for entry in content["failed"])
    assert len(content["areas"]) == len(rows(tmp_path))
    assert content["clips"][0]["remark"] == "one plane, not for clinical use"


def test_links_are_followed_or_named(tmp_path, folder, run):
    """A link to a folder is searched once, even if it leads in a circle; a link to nothing is a bad file."""
    (tmp_path / "elsewhere").mkdir()
    (folder / "good.png").rename(tmp_path / "elsewhere" / "linked.png")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "deep" / "circle").symlink_to(folder)
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    _, _, said = run(folder)
    assert set(rows(tmp_path)["file"]) == {"more/linked", "deep/fine"}
    assert "gone.png" in said


@pytest.mark.parametrize("name", [".png", "a\nb.png", "x" * 245 + ".png", b"bad\xff.png"])
def test_names_that_cannot_be_carried_over_are_named(tmp_path, folder, run, fan, name):
    """A file without a name, or with one that no output can have, does not stop the others."""
    path = os.path.join(os.fsencode(folder), os.fsencode(name))  # noqa: PTH118 - bytes
    with open(path, "wb") as file:  # noqa: PTH123 - bytes
        Image.fromarray(fan()[0]).save(file, format="PNG")
    status, _, said = run(folder)
    assert status == 1
    assert "2 of 5 inputs outlined, 3 failed" in said.splitlines()[-1]
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine"}


@pytest.mark.parametrize("name", ["-rf.png", "a,b.png", 'quo"te.png', "ümläut %s {0}.png", "$(id) ;.png"])
def test_odd_names_are_carried_over(tmp_path, folder, run, name, fan):
    """Whatever a name looks like to a shell or a table, it is a name."""
    Image.fromarray(fan()[0]).save(folder / name)
    run(folder)
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine", name[:-4]}
    assert (tmp_path / "out" / name).is_file()


def test_names_that_differ_in_their_ending_alone_are_kept_apart(tmp_path, folder, run, fan):
    """A still beside a clip of the same name gets its whole name, and neither replaces the other."""
    Image.fromarray(fan()[0]).save(folder / "deep" / "fine.png")
    run(folder)
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine", "deep/fine.png"}
    assert (tmp_path / "out" / "deep" / "fine.png.png").is_file()


def test_a_pipe_is_no_input(tmp_path, folder, run):
    """Nothing waits for what never comes: a pipe with a known extension is a bad file, another one is skipped."""
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe")
    status, _, said = run(folder)
    assert status == 1
    assert "pipe.png: a link to nothing, or no regular file" in said
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine"}


def test_an_output_that_is_a_file_is_refused(folder, run):
    """One message says that a folder is expected."""
    status, _, said = run(folder, "--output", folder / "a_bad.png")
    assert status == 1
    assert "a_bad.png: a file (expected a folder to write to)" in said
    assert len(said.splitlines()) == 1


def test_outputs_of_an_earlier_run_are_no_inputs(folder, run):
    """An output folder inside the folder of inputs is left out, so a second run sees the same inputs."""
    (folder / "a_bad.png").unlink()
    first = run(folder, "--output", folder / "out")[2].splitlines()[-1]
    second = run(folder, "--output", folder / "out")[2].splitlines()[-1]
    assert first == second
    assert "2 of 3 inputs outlined" in first


def test_an_input_given_twice_is_one(tmp_path, folder, run):
    """A file and the folder in which it lies are no conflict."""
    run(folder / "good.png", folder / "good.png", folder)
    assert rows(tmp_path)["file"].tolist().count("good") == 3


def test_a_note_about_many_inputs_is_said_once_and_counted(folder, run, fan):
    """A folder without units says so for its first file, and for how many at the end."""
    for number in range(3):
        nib.save(nib.Nifti1Image(fan()[0].T.copy(), np.diag([-0.3, -0.3, 1, 1])), folder / f"{number}.nii")
    lines = [line for line in run(folder)[2].splitlines() if "the unit of its pixel size" in line]
    assert len(lines) == 2
    assert "4 inputs: " in lines[1]


def test_rows_of_earlier_runs_stay_with_their_maps(tmp_path, folder, run, fan):
    """A second run adds and replaces rows; a row whose map is gone goes too."""
    run(folder)
    before = rows(tmp_path)
    Image.fromarray(fan()[0]).save(tmp_path / "new.png")
    run(tmp_path / "new.png")
    assert set(rows(tmp_path)["file"]) == {"good", "deep/fine", "new"}
    kept = rows(tmp_path)
    pd.testing.assert_frame_equal(kept[kept["file"] != "new"].reset_index(drop=True), before)
    (tmp_path / "out" / "good.png").unlink()
    run(tmp_path / "new.png")
    assert set(rows(tmp_path)["file"]) == {"deep/fine", "new"}
    assert len(rows(tmp_path)) == 3 * (2 + 1)


def test_an_input_that_became_bad_keeps_no_old_map(tmp_path, folder, run):
    """What is beside the table is of the last run: a file that can no longer be read has no outputs."""
    run(folder)
    (folder / "good.png").write_text("no picture")
    run(folder)
    assert set(rows(tmp_path)["file"]) == {"deep/fine"}
    assert not list((tmp_path / "out").glob("good*"))


def test_files_that_are_not_ours_stay(tmp_path, folder, run):
    """A file of the user's in the output folder, called like an input but with another ending, is not touched."""
    run(folder)
    for name in ("good.mha", "good.nii.gz", "good.tif"):
        (tmp_path / "out" / name).write_text("mine")
    run(folder)
    assert [(tmp_path / "out" / name).read_text() for name in ("good.mha", "good.nii.gz", "good.tif")] == ["mine"] * 3


def test_the_rest_of_a_killed_run_is_taken_up(tmp_path, folder, run):
    """A row that was cut off in the middle is dropped, and the table is whole again."""
    run(folder)
    table = tmp_path / "out" / "areas.csv"
    whole = rows(tmp_path)
    table.write_text(table.read_text() + "good,17,")
    (tmp_path / "new").mkdir()
    (folder / "good.png").rename(tmp_path / "new" / "new.png")
    run(tmp_path / "new")
    assert len(rows(tmp_path)) == len(whole) + 3


def test_another_table_is_not_overwritten(tmp_path, folder, run):
    """A table of that name with other columns stays, and nothing is written."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "areas.csv").write_text("mine\n1\n")
    status, _, said = run(folder)
    assert status == 1
    assert "areas.csv" in said
    assert (tmp_path / "out" / "areas.csv").read_text() == "mine\n1\n"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_full_disc_leaves_nothing_half_written(tmp_path, folder, run, monkeypatch):
    """What cannot be written ends the run with one message, and no part of it is left."""

    def full(*_):
        raise OSError(28, "No space left on device", "disc")

    monkeypatch.setattr("labeldropout.predict.overlay._chunk", full)
    status, _, said = run(folder)
    assert status == 1
    assert "No space left on device" in said
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_table_that_cannot_be_written_takes_its_maps_along(tmp_path, folder, run, monkeypatch):
    """No label map is left without its rows."""

    def denied(*_):
        raise PermissionError(13, "Permission denied", "areas.csv")

    monkeypatch.setattr("labeldropout.predict.results.append", denied)
    assert run(folder)[0] == 1
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["areas.csv"]
    assert rows(tmp_path).empty
