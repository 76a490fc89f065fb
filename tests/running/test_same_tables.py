"""Whether two runs of a study say the same: in bytes, to three digits, or not."""

import csv

import pytest

from labeldropout.cli.main import main
from labeldropout.running.same_tables import AGREEMENTS, share_of_tolerance, verify_against
from labeldropout.running.verify import summarise

TABLE = [["model", "seed", "dice", "volume_ml"], ["a", "0", "0.9", "120.0"], ["b", "1", "", "80.0"]]


def write(folder, name="table_1.csv", rows=TABLE, **cells):
    """A table below `tables`; cells of the first row replaced by column."""
    path = folder / "tables" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    first = [cells.get(column, value) for column, value in zip(rows[0], rows[1], strict=True)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([rows[0], first, *rows[2:]])


@pytest.fixture
def runs(tmp_path):
    """The results of two runs that differ in nothing."""
    folders = tmp_path / "ours", tmp_path / "theirs"
    for folder in folders:
        write(folder)
    return folders


def only(runs):
    """The one finding about two runs."""
    (finding,) = verify_against(*runs)
    return finding


def test_equal_files_have_the_same_bytes(runs):
    """Nothing is read as numbers where the bytes are equal."""
    assert only(runs).state == "same bytes"
    assert only(runs).file == "tables/table_1.csv"


@pytest.mark.parametrize(
    "cells",
    [{"dice": "0.9005"}, {"dice": "0.8995"}, {"dice": "0.89951234"}, {"volume_ml": "120.06"}, {"dice": "0.900"}],
    ids=str,
)
def test_late_digits_are_the_same_to_3_digits(runs, cells):
    """Differences up to 0.0005, or up to 0.05 % above 1, and other ways to write a number."""
    write(runs[1], **cells)
    assert only(runs).state == "same to 3 digits"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"dice": "0.9006"}, "row 1, dice: 0.9 here, 0.9006 there"),
        ({"volume_ml": "120.07"}, "row 1, volume_ml: 120.0 here, 120.07 there"),
        ({"dice": ""}, "row 1, dice: 0.9 here,  there"),
        ({"dice": "nan"}, "row 1, dice: 0.9 here, nan there"),
        ({"seed": "1"}, "row 1, seed: 0 here, 1 there"),
        ({"model": "c"}, "row 1, model: a here, c there"),
    ],
    ids=str,
)
def test_other_numbers_differ(runs, cells, words):
    """A larger difference, a number that is missing, another count and another word; the message has the cell."""
    write(runs[1], **cells)
    assert only(runs).state == "differs"
    assert only(runs).detail == f"1 cells beyond that, most in {words}"


def test_the_cell_that_moved_most_is_named(runs):
    """Of several cells the one that is farthest beyond what is tolerated stands in the message."""
    write(runs[1], dice="0.91", volume_ml="130.0")
    assert only(runs).detail == "2 cells beyond that, most in row 1, volume_ml: 120.0 here, 130.0 there"


def test_a_large_whole_number_is_a_count(runs):
    """4000 and 4001 images are not the same to 3 digits: counts and seeds have no late digits."""
    for folder, n in zip(runs, ("4000", "4001"), strict=True):
        write(folder, seed=n)
    assert only(runs).state == "differs"
    assert share_of_tolerance("4000.0", "4001.0") == pytest.approx(0.5, abs=1e-3)


def test_other_rows_and_columns_differ(runs):
    """A table with a row more, or a column of another name, is another table."""
    write(runs[1], rows=TABLE[:2])
    assert only(runs).detail == "2 rows of 4 columns here, 1 rows of 4 columns there"
    write(runs[1], rows=[["model", "seed", "dice", "volume_cl"], *TABLE[1:]])
    assert only(runs).detail == "columns: 'volume_ml' here, 'volume_cl' there"


def test_a_table_that_one_run_lacks_is_named(runs):
    """Worst first, and nothing of the other run is passed over."""
    write(runs[0], "figures/figure_1.csv")
    write(runs[1], "extra.csv")
    findings = verify_against(*runs)
    assert [(finding.state, finding.file) for finding in findings] == [
        ("not there", "tables/figures/figure_1.csv"),
        ("not here", "tables/extra.csv"),
        ("same bytes", "tables/table_1.csv"),
    ]
    assert summarise(findings, AGREEMENTS) == "3 files: 1 not there, 1 not here, 1 same bytes"


def test_a_folder_without_tables_is_refused(runs, tmp_path):
    """Two runs without tables would agree in everything."""
    for pair in [(tmp_path, runs[1]), (runs[0], tmp_path)]:
        with pytest.raises(ValueError, match=r"no tables \(expected the results of a study"):
            verify_against(*pair)


def test_a_file_that_is_no_table_is_named(runs):
    """Bytes that are no text end in one sentence."""
    (runs[1] / "tables" / "table_1.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"theirs/tables/table_1.csv: expected a table in CSV and UTF-8"):
        verify_against(*runs)


def test_verify_against_ends_with_1_where_tables_differ(runs, capsys, tmp_path):
    """The command prints a line per table and a summary, also as CSV, and a script can ask its exit status."""
    call = ["verify", "--results", str(runs[0]), "--against", str(runs[1]), "--output", str(tmp_path / "list.csv")]
    write(runs[1], dice="0.9001")
    assert main(call) == 0
    assert capsys.readouterr().out == (
        "same to 3 digits tables/table_1.csv: 1 cells moved, most in row 1, dice: 0.9 here, 0.9001 there\n"
        "1 files: 1 same to 3 digits\n"
    )
    write(runs[1], dice="0.95")
    assert main(call) == 1
    assert (tmp_path / "list.csv").read_text().startswith("state,file,detail\ndiffers,tables/table_1.csv,")
