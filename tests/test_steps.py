"""The program that chooses the number of steps: it climbs until nothing moves, and repeats no training."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from labeldropout.configuration import read_configuration
from labeldropout.data.parts import PATIENTS
from labeldropout.files import read_table, write_table
from labeldropout.learning.tables import HISTORY
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import StudyPlan

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def steps():
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("steps", ROOT / "benchmarks" / "steps.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study():
    """The default study."""
    config = read_configuration(ROOT / "config" / "config.yaml", ROOT)
    return StudyPlan(config, read_list(ROOT / config["experiments"]), ROOT)


def histories(steps, n_steps, change):
    """Every model and seed at 0.9, one cell of one model having changed by this much in the last quarter of a seed."""
    found = {}
    for model in steps.MODELS:
        found[model] = []
        for seed in range(3):
            moved = change if (model, seed) == ("e3-benchmark", 1) else 0.0
            rows = [
                [n_steps * share, 0.1, 0.5, dataset, "all" if dataset == "all" else "LV", 0.9 - lost, 10, 1]
                for share, lost in ((0.75, moved), (1.0, 0.0))
                for dataset in ("camus", "all")
            ]
            found[model].append(pd.DataFrame(rows, columns=list(HISTORY)))
    return found


@pytest.mark.parametrize(("settles_at", "expected", "n_rungs"), [(2400, 2400, 3), (600, 600, 1), (9600, None, 4)])
def test_the_first_rung_at_which_nothing_moves_is_the_answer(
    steps, study, tmp_path, monkeypatch, settles_at, expected, n_rungs
):
    """Rungs are climbed in order; higher ones are not trained; table and figure show those that were."""

    def rung(_, n_steps, __):
        return histories(steps, n_steps, 0.02 if n_steps < settles_at else 0.009)

    monkeypatch.setattr(steps, "train_rung", rung)
    assert steps.climb(study, [4800, 1200, 600, 2400], 2, tmp_path / "steps") == expected
    table = read_table(tmp_path / "steps.csv", steps.STEPS)
    assert table["steps"].nunique() == n_rungs
    assert set(table[table["settled"] == 0]["model"]) <= {"e3-benchmark"}
    assert (tmp_path / "steps.png").stat().st_size > 1000


def test_a_rung_has_the_models_own_settings_but_for_its_steps(steps, study):
    """The grid's choice and the rung's steps; the rest is what the study would train."""
    selected = {"learning_rate": 0.03, "batch_size": 16, "dice": 0.9}
    settings = steps.settings_of(study, "e4-benchmark", selected, 2400)
    assert settings["optimisation"]["steps"] == 2400
    assert settings["optimisation"]["epochs"] is None
    assert (settings["optimisation"]["learning_rate"], settings["optimisation"]["batch_size"]) == (0.03, 16)
    assert settings["hidden"] == []
    assert settings["augmentation"]["name"] == "published"


def test_only_models_with_all_labels_are_looked_at(steps, study):
    """None of the five hides or lacks a label."""
    for model in steps.MODELS:
        row = study.experiments[model]
        assert not row.hidden
        assert "echonet" not in row.train_on or [structure.name for structure in row.structures] == ["LV"]


def test_a_finished_training_is_not_repeated(steps, small_study, monkeypatch):
    """The same inputs are trained once; other settings are trained again."""
    monkeypatch.chdir(small_study.root)
    config = small_study.config()
    patients = read_table(small_study.split, PATIENTS)
    for name in ("first", "second"):
        write_table(patients[patients["dataset"] == name], small_study.root / "splits" / f"{name}.csv", PATIENTS)
    rows = {"small": SimpleNamespace(train_on=("first", "second"))}
    one = SimpleNamespace(results=".", experiments=rows, tree_of=lambda _: "")
    path = steps.train_one(one, "small", 1, config.parent)
    assert path == config.parent / "seed-1" / "history.csv"
    read_table(path, HISTORY)

    def refuse(*_, **__):
        raise RuntimeError("trained again")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert steps.train_one(one, "small", 1, config.parent) == path
    config.write_text(json.dumps(json.loads(config.read_text()) | {"loss": "marginal"}))
    with pytest.raises(RuntimeError, match="trained again"):
        steps.train_one(one, "small", 1, config.parent)
