"""What a study needs: counts by hand on a small study, and the known counts of the default one."""

import json
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
    add_hours,
    bytes_needed,
    images_by_dataset,
    list_trainings,
    memory_of_network,
    middle_batch_size,
    plan_study,
)
from labeldropout.running.speed import Speed
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import StudyPlan

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "study": "small",
    "pathvars": {"results": "results", "data": "<results>"},
    "experiments": "experiments.tsv",
    "severity": 0.5,
    "grid_size": 16,
    "pictures": "figures",
    "structures": [{"name": "LV"}, {"name": "LVM"}, {"name": "LA"}],
    "datasets": {
        "camus": {"raw": "simulated", "simulate": {"patients": 10}, "cone": "geometry"},
        "echonet": {"raw": "simulated", "simulate": {"videos": 5}, "cone": "network"},
    },
    "split": {"fractions": {"training": 0.6, "validation": 0.2, "test": 0.2}},
    "training": {"optimisation": {"steps": None, "epochs": 3, "validations": 20}},
    "selection": {
        "model": "one",
        "steps": None,
        "learning_rate": [0.1, 0.01],
        "batch_size": [4, 16, 8],
        "taken_from": None,
    },
    "kit": {"dataset": "echonet", "drawn": None},
}


def default_plan(name):
    """The plan of a study of the repository."""
    config = read_configuration(ROOT / "config" / name, ROOT)
    return StudyPlan(config, read_list(ROOT / config["experiments"]), ROOT)


@pytest.fixture
def study(tmp_path):
    """Two models: one on CAMUS with a seed, one on both data sets with two."""
    path = tmp_path / "experiments.tsv"
    header = (ROOT / "config" / "experiments.tsv").read_text().splitlines()[0].split("\t")
    common = {"structures": "LV+LVM+LA", "loss": "adaptive", "augmentation": "published", "network": "basic_unet"}
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
    return StudyPlan(SMALL, read_list(path), tmp_path)


def test_trainings_are_counted(study):
    """40 images of CAMUS and 10 of EchoNet: 24 and 30 in an epoch, the last batch a small one, three epochs."""
    assert images_by_dataset(study) == {"camus": 40, "echonet": 10}
    assert middle_batch_size(SMALL) == 8
    table = list_trainings(study).set_index("model")
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
    assert set(table["validations"]) == {3}


def test_steps_are_the_same_for_every_model(study):
    """Where steps count, sizes of data sets do not: as many steps and full batches for all."""
    study.config = {**SMALL, "training": {"optimisation": {"steps": 50, "epochs": None, "validations": 20}}}
    table = list_trainings(study).set_index("model")
    assert set(table["steps"]) == {50}
    assert set(table["validations"]) == {20}
    assert table["image_passes"].to_list() == [50 * 4, 50 * 16, 50 * 8, 50 * 8, 50 * 8]


def test_hours_are_steps_and_validation(study):
    """72 images at 2 a second and 24 at 6 a second are 40 seconds."""
    table = add_hours(list_trainings(study), Speed(2.0, 6.0, "by hand")).set_index("model")
    assert table.loc["one", "hours"] == pytest.approx(40 / 3600)
    assert table.loc["two", "hours"] == pytest.approx(50 / 3600)


def test_bytes_are_counted(study):
    """Prepared arrays are two bytes a pixel, weights four bytes a parameter; every training reads its data sets."""
    needed = bytes_needed(study, n_parameters=1000)
    assert needed["prepared"] == 50 * 2 * 16 * 16
    assert needed["weights"] == (6 + 1 + 2) * 4000
    assert needed["read_by_trainings"] == ((6 + 1) * 40 + 2 * 50) * 512
    assert needed["largest_training_set"] == (30 + 10) * 512
    assert needed["checkpoints_of_a_running_training"] == 24_000
    assert needed["stores"] == 2 * needed["cones"] == 2 * (40 * 150_000 + 10 * 112 * 112)


def test_default_study_has_its_known_counts():
    """88 trainings, 4 of them of the grid search, which has its own length; the counts of the list."""
    study = default_plan("config.yaml")
    table = list_trainings(study)
    assert table["trainings"].sum() == 88
    assert table.groupby("experiment")["trainings"].sum().to_dict() == {
        "grid": 4,
        "1": 9,
        "2": 12,
        "3": 9,
        "4": 48,
        "4b": 6,
    }
    assert set(table.loc[table["experiment"] == "grid", "steps"]) == {study.config["selection"]["steps"]}
    assert set(table.loc[table["experiment"] != "grid", "steps"]) == {study.config["training"]["optimisation"]["steps"]}
    assert images_by_dataset(study) == {"camus": 400, "unity": 200, "echonet": 320}
    assert set(table.loc[table["experiment"] == "2", "images"]) == {160 + 80 + 128}


def test_page_on_clusters_has_the_counts_of_the_paper_s_study():
    """How many trainings, steps and images the paper's study needs is what the plan says."""
    page = (ROOT / "docs" / "study" / "cluster.md").read_text(encoding="utf-8")
    config = read_configuration(ROOT / "config" / "paper.yaml", ROOT)
    trainings = list_trainings(StudyPlan(config, read_list(ROOT / config["experiments"]), ROOT))
    by_experiment = trainings.groupby("experiment")["trainings"].sum()
    steps, images = ((trainings["trainings"] * trainings[name]).sum() / 1e6 for name in ("steps", "image_passes"))
    assert f"- {by_experiment.sum()} trainings ({by_experiment['grid']} of them the grid search)" in page
    assert f"{steps:.1f} million steps, {images:.0f} million images processed" in page
    assert f"Experiment 4 accounts for {by_experiment['4']} of the trainings" in page


def test_paper_study_is_what_the_data_sets_report():
    """Real data sets count with the numbers of their modules."""
    assert images_by_dataset(default_plan("paper.yaml")) == {"camus": 2000, "unity": 400, "echonet": 20048}


@pytest.mark.parametrize("name", ["paper.yaml", "smoke.yaml"])
def test_configurations_are_laid_over_each_other_as_by_snakemake(name):
    """The plan is about the study that the workflow runs."""
    below, above = (yaml.safe_load((ROOT / "config" / file).read_text()) for file in ("config.yaml", name))
    mine = overlay(below, above)
    update_config(below, above)
    assert mine == below
    assert read_configuration(ROOT / "config" / name, ROOT) == below


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("training: {optimisation: {epocs: 3}}", r"training\.optimisation\.epocs.*'epochs'"),
        ("datasets: {echonets: {raw: simulated}}", r"datasets\.echonets.*'echonet'"),
    ],
)
def test_an_unknown_key_is_refused(content, words, tmp_path):
    """A misspelt key is named, with the nearest valid one."""
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"mine\.yaml: .*{words}"):
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
    network = build_network({"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]}, 4, 1)
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
    counted = memory_of_network(network, 32, 1)
    assert counted["parameters"] == n_parameters
    assert counted["kept_bytes_per_image"] == sum(size for size, _ in kept.values()) // 2


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
    assert camus["hours"] == pytest.approx((6 * 16 / 36 + 3 * 6 / 108) / 3600)


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
