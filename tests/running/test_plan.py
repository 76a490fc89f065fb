"""What a study needs: counts by hand on a small study, and the known counts of the default one."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from snakemake.utils import update_config

from labeldropout.cli.main import main
from labeldropout.configuration import overlay, read_configuration
from labeldropout.learning.networks import build_network
from labeldropout.running.plan import (
    Speed,
    add_hours,
    bytes_needed,
    count_jobs,
    images_by_dataset,
    list_trainings,
    made_up_cases,
    measure,
    memory_of_network,
    middle_batch_size,
    plan_study,
    read_experiments,
)

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "study": "small",
    "severity": 0.5,
    "grid_size": 16,
    "datasets": {
        "camus": {"raw": "simulated", "simulate": {"patients": 10}, "cone": "geometry"},
        "echonet": {"raw": "simulated", "simulate": {"videos": 5}, "cone": "network"},
    },
    "split": {"fractions": {"training": 0.6, "validation": 0.2, "test": 0.2}},
    "training": {"optimisation": {"epochs": 3}},
    "selection": {"model": "one", "learning_rate": [0.1, 0.01], "batch_size": [4, 16, 8]},
    "kit": {"dataset": "echonet", "drawn": None},
}


@pytest.fixture
def rows(tmp_path):
    """Two models: one on CAMUS with a seed, one on both data sets with two."""
    path = tmp_path / "experiments.tsv"
    header = (ROOT / "config" / "experiments.tsv").read_text().splitlines()[0].split("\t")
    common = {"structures": "LV+LVM+LA", "loss": "adaptive", "augmentation": "yes", "network": "basic_unet"}
    models = [
        {"model": "one", "experiment": "3", "shown_in": "figure_3", "train_on": "camus", "seeds": "0"},
        {
            "model": "two",
            "experiment": "4",
            "shown_in": "figure_4+table_2",
            "train_on": "camus+echonet",
            "seeds": "0,1",
        },
    ]
    lines = [{**common, **model, "evaluated_on": model["train_on"]} for model in models]
    cells = [header, *([line.get(name, "") for name in header] for line in lines)]
    path.write_text("".join("\t".join(row) + "\n" for row in cells))
    return read_experiments(path, ["camus", "echonet"])


def test_trainings_are_counted(rows):
    """40 images of CAMUS and 10 of EchoNet: 24 and 30 in an epoch, the last batch a small one, three epochs."""
    assert images_by_dataset(SMALL) == {"camus": 40, "echonet": 10}
    assert middle_batch_size(SMALL) == 8
    table = list_trainings(SMALL, rows).set_index("model")
    assert table["trainings"].to_dict() == {
        "candidates, batch 4": 2,
        "candidates, batch 16": 2,
        "candidates, batch 8": 2,
        "one": 1,
        "two": 2,
    }
    assert table["images"].to_list() == [24, 24, 24, 24, 30]
    assert table["validation_images"].to_list() == [8, 8, 8, 8, 10]
    assert table["steps"].to_list() == [18, 6, 9, 9, 12]
    assert table["image_passes"].to_list() == [72, 72, 72, 72, 90]


def test_hours_are_steps_and_validation(rows):
    """72 images at 2 a second and 24 at 6 a second are 40 seconds."""
    table = add_hours(list_trainings(SMALL, rows), Speed(2.0, 6.0, "by hand")).set_index("model")
    assert table.loc["one", "hours"] == pytest.approx(40 / 3600)
    assert table.loc["two", "hours"] == pytest.approx(50 / 3600)


def test_bytes_are_counted(rows):
    """Prepared arrays are two bytes a pixel, weights four bytes a parameter; every training reads its data sets."""
    needed = bytes_needed(SMALL, rows, n_parameters=1000)
    assert needed["prepared"] == 50 * 2 * 16 * 16
    assert needed["weights"] == (6 + 1 + 2) * 4000
    assert needed["read_by_trainings"] == ((6 + 1) * 40 + 2 * 50) * 512
    assert needed["largest_training_set"] == (30 + 10) * 512
    assert needed["checkpoints_of_a_running_training"] == 24_000
    assert needed["stores"] == 2 * needed["cones"] == 2 * (40 * 150_000 + 10 * 112 * 112)


def test_jobs_are_counted(rows):
    """By rule; a model with a severity of its own has data of its own."""
    jobs = count_jobs(SMALL, rows, has_drawn_masks=False)
    assert jobs == {
        "simulate": 2,
        "import_dataset": 2,
        "train_cone": 1,
        "segment_cone": 2,
        "prepare": 2,
        "train_candidate": 6,
        "train": 3,
        "annotation_kit_export": 1,
        "observe": 1,
        "annotation_kit_import": 1,
        "evaluate": 2,
        "compare": 6,
        "claims_table": 1,
        "figures_item": 4,
    }
    shifted = count_jobs(SMALL, [*rows, replace(rows[0], model="three", severity=0.9)], has_drawn_masks=False)
    assert (shifted["simulate"], shifted["prepare"]) == (3, 3)


def test_default_study_has_its_known_counts():
    """54 trainings, 4 of them of the grid search; the counts of the list."""
    config = read_configuration(ROOT / "config" / "config.yaml", ROOT)
    rows = read_experiments(ROOT / config["experiments"], list(config["datasets"]))
    table = list_trainings(config, rows)
    assert table["trainings"].sum() == 54
    assert table.groupby("experiment")["trainings"].sum().to_dict() == {
        "grid": 4,
        "1": 3,
        "2": 5,
        "3": 3,
        "4": 36,
        "4b": 3,
    }
    assert images_by_dataset(config) == {"camus": 240, "unity": 120, "echonet": 240}
    assert set(table.loc[table["experiment"] == "2", "images"]) == {144 + 72 + 144}


def test_paper_study_is_what_the_data_sets_report():
    """Real data sets count with the numbers of their modules; without drawn masks the observed items are left out."""
    config = read_configuration(ROOT / "config" / "paper.yaml", ROOT)
    assert images_by_dataset(config) == {"camus": 2000, "unity": 400, "echonet": 20048}
    rows = read_experiments(ROOT / config["experiments"], list(config["datasets"]))
    without, drawn = (count_jobs(config, rows, has_drawn_masks=has) for has in (False, True))
    assert "simulate" not in without
    assert "annotation_kit_import" not in without
    assert drawn["compare"] - without["compare"] == 2
    assert drawn["figures_item"] - without["figures_item"] == 1
    assert "observe" not in drawn


@pytest.mark.parametrize("name", ["paper.yaml", "smoke.yaml"])
def test_configurations_are_laid_over_each_other_as_by_snakemake(name):
    """The plan is about the study that the workflow runs."""
    below, above = (yaml.safe_load((ROOT / "config" / file).read_text()) for file in ("config.yaml", name))
    mine = overlay(below, above)
    update_config(below, above)
    assert mine == below
    assert read_configuration(ROOT / "config" / name, ROOT) == below


def test_an_unknown_key_is_refused(tmp_path):
    """A misspelt key is named, with the nearest valid one."""
    path = tmp_path / "mine.yaml"
    path.write_text("training: {optimisation: {epocs: 3}}\n")
    with pytest.raises(ValueError, match=r"mine\.yaml: .*training\.optimisation\.epocs.*'epochs'"):
        read_configuration(path, ROOT)


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", ""])
def test_what_is_no_configuration_is_refused(content, tmp_path):
    """A file without settings is named."""
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"mine\.yaml"):
        read_configuration(path, ROOT)


def test_memory_is_what_the_real_network_keeps():
    """Counted without computing, the bytes kept for the way back are those that a real step keeps."""
    network = build_network({"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]}, 4)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    own = {parameter.data_ptr() for parameter in (*network.parameters(), *network.buffers())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network.train()(torch.zeros(2, 1, 32, 32))
    assert logits.shape == (2, 4, 32, 32)
    counted = memory_of_network(network, 32)
    assert counted["parameters"] == n_parameters
    assert counted["kept_bytes_per_image"] == sum(size for size, _ in kept.values()) // 2


def test_speed_is_that_of_real_steps():
    """The measurement trains the configured network for a few steps and says how it measured."""
    settings = {
        "model": "small",
        "structures": ["LV", "LVM", "LA"],
        "loss": "adaptive",
        "network": {"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]},
        "grid_size": 32,
        "augmentation": None,
        "optimisation": {
            "learning_rate": 0.01,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "decay_power": 0.9,
            "batch_size": 4,
        },
    }
    speed = measure(settings, torch.device("cpu"), 2.0)
    assert speed.training > 0
    assert speed.validation > 0
    assert "with batches of 4" in speed.how
    assert speed.peak_bytes is None
    hurried = measure(settings, torch.device("cpu"), 0.0)
    assert "1 steps with batches of 2" in hurried.how


def test_made_up_cases_are_partially_labelled():
    """The last of several structures is unannotated in half of them; one structure alone is annotated everywhere."""
    assert made_up_cases(4, 16, torch.device("cpu")).annotated[:, 3].tolist() == [True, True, False, False]
    assert made_up_cases(4, 16, torch.device("cpu"), 1).annotated.all()


def test_the_command_prints_and_writes_the_plan(tmp_path, monkeypatch, capsys):
    """`labeldropout plan` on a number measured elsewhere: text for people, CSV and JSON for programs."""
    monkeypatch.chdir(ROOT)
    call = ["plan", "--config", "config/smoke.yaml", "--images-per-second", "36"]
    assert main([*call, "--output", str(tmp_path / "plan.json")]) == 0
    said = capsys.readouterr().out
    assert "Study smoke" in said
    assert "given: --images-per-second" in said
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["speed"]["training"] == 36
    assert main([*call, "--output", str(tmp_path / "plan.csv")]) == 0
    table = pd.read_csv(tmp_path / "plan.csv")
    assert table["trainings"].sum() == sum(entry["trainings"] for entry in written["trainings"]) == 12
    camus = table.set_index("model").loc["e3-benchmark"]
    assert camus["hours"] == pytest.approx(2 * (24 / 36 + 6 / 108) / 3600)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--images-per-second", "0"], "expected more than 0"),
        (["--images-per-second", "9", "--output", "plan.txt"], "ends in .csv or .json"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_bad_requests_end_with_one_line(more, words, monkeypatch, capsys):
    """A plan that cannot be made says why."""
    monkeypatch.chdir(ROOT)
    assert main(["plan", *more]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


def test_plan_of_the_default_study_needs_no_measurement():
    """With a speed from elsewhere, only counts and tensors without content are used."""
    plan = plan_study(ROOT / "config" / "paper.yaml", ROOT, "cpu", 100.0)
    assert plan["network"]["parameters"] == 31_106_372
    assert plan["batch_size"] == 16
    assert plan["largest_batch_size"] == 32
