"""The whole study of config/smoke.yaml, run in two places: as the default study, and beside it."""

import csv
import json
import re
from pathlib import Path

import pytest
from workflow_copy import copy_workflow, hashes

RESULTS = Path("results")
ITEMS = ("figure_1", "figure_2", "figure_3", "figure_4", "figure_5", "supplementary_figure_1", "training_curves")
TABLES = ("table_1", "table_2", "tests", "grid", "soundness", "figure_4_cases", *ITEMS)
FOR_READERS = tuple(item for item in TABLES if item not in {"grid", "training_curves"})

pytestmark = pytest.mark.slow


@pytest.fixture
def first(finished_study):
    """Folder of the finished study."""
    return finished_study.root


def test_every_figure_and_table_is_there(first):
    """The small study shows all that the real one shows."""
    for item in ITEMS:
        for ending in ("svg", "png"):
            assert (first / RESULTS / "figures" / f"{item}.{ending}").stat().st_size > 1000
    for item in TABLES:
        with (first / RESULTS / "tables" / f"{item}.csv").open(newline="") as file:
            assert list(csv.DictReader(file)), item
    for item in FOR_READERS:
        assert (first / RESULTS / "tables" / f"{item}.md").stat().st_size
        assert (first / RESULTS / "tables" / f"{item}.tex").stat().st_size


def test_figures_say_that_the_data_are_simulated(first):
    """Nobody can take a picture of the simulated study for a finding in patients."""
    record = json.loads((first / RESULTS / "run_record.json").read_text())
    assert record["study"] == "smoke"
    with (first / RESULTS / "tables" / "figure_4.csv").open(newline="") as file:
        assert {row["data"] for row in csv.DictReader(file)} == {"simulated"}
    with (first / RESULTS / "tables" / "training_curves.csv").open(newline="") as file:
        assert {row["data"] for row in csv.DictReader(file)} == {"simulated"}
    summary = json.loads((first / RESULTS / "tables" / "summary.json").read_text())
    assert summary["data"] == "simulated"


def test_main_numbers_are_those_of_the_tables(first):
    """The small file that DVC compares has the mean Dice of the tables, digit for digit, and nothing else."""
    summary = json.loads((first / RESULTS / "tables" / "summary.json").read_text())
    for item in ("figure_1", "figure_3", "figure_4"):
        with (first / RESULTS / "tables" / f"{item}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if row["seed"] == "all" and row["dice_mean"]:
                    name = f"{row['model']}/{row['dataset']}/{row['structure']}"
                    assert summary["dice"].pop(name, None) in {float(row["dice_mean"]), None}
    assert summary["dice"] == {}
    with (first / RESULTS / "tables" / "table_2.csv").open(newline="") as file:
        assert {row["structure"]: float(row["adaptive"]) for row in csv.DictReader(file) if row["adaptive"]} == {
            name.split("/")[0]: value for name, value in summary["table_2"].items() if name.endswith("/adaptive")
        }


def test_training_curves_have_every_row_of_every_history(first):
    """The table behind the training curves is all histories, digit for digit."""
    with (first / RESULTS / "tables" / "training_curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    n_rows = 0
    for path in (first / RESULTS / "models").glob("*/seed-*/history.csv"):
        seed = path.parent.name.removeprefix("seed-")
        mine = [row for row in rows if (row["model"], row["seed"]) == (path.parent.parent.name, seed)]
        with path.open(newline="") as file:
            of_training = list(csv.DictReader(file))
        n_rows += len(of_training)
        assert [{key: row[key] for key in row if key in of_training[0]} for row in mine] == [
            {key: row[key] for key in row if key != "n"} for row in of_training
        ]
    assert n_rows == len(rows)


def test_published_tables_hold_no_name_of_a_data_set(first):
    """Tables use our own case identifiers, never a data set's file names."""
    names = re.compile(r"patient\d{4}|0X[0-9A-F]{12,16}|[0-9a-f]{64}")
    for path in (first / RESULTS / "tables").glob("*"):
        text = path.read_text()
        if path.name.endswith(".provenance.json"):
            text = re.sub(r'"[0-9a-f]{64}"', "", text)  # the hashes of our own files
        assert not names.search(text), path.name
    for path in (first / RESULTS / "scores").glob("*.csv"):
        assert not names.search(path.read_text()), path.name


def test_run_record_names_devices_and_seconds(first):
    """The record has the seconds of every rule with a benchmark, and what the trainings ran on."""
    record = json.loads((first / RESULTS / "run_record.json").read_text())
    assert {"train", "evaluate", "simulate", "compare"} <= set(record["seconds_by_rule"])
    assert record["training_devices"]


def test_second_run_has_nothing_to_do(finished_study):
    """A finished study is finished."""
    assert finished_study.planned() == {}


def test_same_bytes_in_another_place(first, tmp_path):
    """Tables, figures, weights, histories and scores do not depend on where, when and under what name a study runs."""
    elsewhere = copy_workflow(tmp_path / "elsewhere" / "study")
    elsewhere.finish("--configfile", "config/smoke.yaml")
    one, other = hashes(first / RESULTS), hashes(elsewhere.root / RESULTS / "smoke")
    assert len(one) > 60
    assert [name for name in one if one[name] != other.get(name)] == []
    assert set(one) == set(other)


def test_edited_figure_trains_nothing(finished_study):
    """With the module of one figure edited, the run draws that figure, writes its record, and trains nothing."""
    finished_study.edit_module("publication/figures/figure_3")
    assert finished_study.planned() == {"figures_item": 1, "run_record": 1, "all": 1}
    before = hashes(finished_study.root / RESULTS)
    finished_study.finish()
    assert hashes(finished_study.root / RESULTS) == before
    assert finished_study.planned() == {}
