"""Rows of the list: what is read, what is refused, and what a training gets to see."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from labeldropout.heart import STRUCTURES, Structure
from labeldropout.items import is_of_the_study
from labeldropout.labels import number_structures
from labeldropout.learning.experiments import AUGMENTATIONS, COLUMNS, Hidden, experiment_of, parse_row
from labeldropout.learning.resolve import resolve

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ("camus", "unity", "echonet")
ROW = {
    "model": "e4-p05",
    "experiment": "4",
    "shown_in": "figure_4+table_2",
    "train_on": "camus+unity",
    "structures": "LA+LV+LVM",
    "hidden": "LA@unity:1.0",
    "loss": "adaptive",
    "augmentation": "published",
    "dropout_structures": "LA",
    "dropout_probability": "0.5",
    "dropout_mode": "single",
    "network": "basic_unet",
    "seeds": "0,1,2",
    "evaluated_on": "camus+unity",
}
SETTINGS = {
    "augmentation": {"published": {"scale": {"probability": 0.2, "range": [0.8, 1.2]}}, "strong": {}},
    "network": {"features": [4, 8]},
    "optimisation": {"epochs": 3, "momentum": 0.9},
    "grid_size": 64,
    "crop_margin": 0.02,
    "channels": 1,
    "study_seed": 7,
    "simulated": True,
}


def test_row_becomes_an_experiment():
    """Every cell arrives as what it means."""
    experiment = parse_row(ROW, DATASETS, STRUCTURES)
    assert experiment.structures == (Structure.LV, Structure.LVM, Structure.LA)
    assert experiment.hidden == (Hidden(Structure.LA, "unity", 1.0),)
    assert experiment.shown_in == ("figure_4", "table_2")
    assert experiment.augmentation == "published"
    assert experiment.dropout_probability == 0.5
    assert experiment.seeds == (0, 1, 2)


def test_labels_can_be_hidden_without_regard_to_the_domain():
    """`LA@any:unity` hides as many atria as Unity has, from all data sets alike; the training gets to see how."""
    experiment = parse_row(ROW | {"hidden": "LA@any:unity"}, DATASETS, STRUCTURES)
    assert experiment.hidden == (Hidden(Structure.LA, "any", None, "unity"),)
    config = resolve(experiment, SETTINGS, {})
    assert config["hidden"] == [{"structure": "LA", "dataset": "any", "as_many_as": "unity"}]


def test_severity_is_written_out_only_where_a_row_has_one():
    """A model at the study's own severity has the configuration that it would have without the column."""
    assert "severity" not in resolve(parse_row(ROW, DATASETS, STRUCTURES), SETTINGS, {})
    own = parse_row(ROW | {"severity": "0"}, DATASETS, STRUCTURES)
    assert own.severity == 0
    assert resolve(own, SETTINGS, {})["severity"] == 0


def test_the_oracle_is_the_adaptive_loss_that_ignores_hidden_pixels():
    """A row with the oracle trains the adaptive loss, says what it ignores, and comes back as the oracle."""
    without = {"dropout_structures": "", "dropout_probability": "", "dropout_mode": ""}
    oracle = parse_row(ROW | without | {"loss": "oracle"}, DATASETS, STRUCTURES)
    config = resolve(oracle, SETTINGS, {})
    plain = resolve(parse_row(ROW | without, DATASETS, STRUCTURES), SETTINGS, {})
    assert config == plain | {"ignore_hidden": True}
    assert experiment_of(config, "0,1,2", "figure_4+table_2") == oracle


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modle": "x"}, ["modle", "model"]),
        ({"model": "a/b"}, ["a/b"]),
        ({"model": ""}, ["model"]),
        ({"train_on": "camus+unty"}, ["unty", "unity"]),
        ({"train_on": ""}, ["train_on", "empty"]),
        ({"structures": "LV+LW"}, ["LW", "LV"]),
        ({"hidden": "LA@unity"}, ["LA@unity", "STRUCTURE@DATASET:SHARE"]),
        ({"hidden": "LA@any:echonet"}, ["LA@any:echonet", "STRUCTURE@any:DATASET"]),
        ({"hidden": "LA@unty:1.0"}, ["unty", "unity"]),
        ({"severity": "1.5"}, ["severity", "1.5", "0 to 1"]),
        ({"severity": "strong"}, ["severity", "strong"]),
        ({"hidden": "LA@unity:1.5"}, ["1.5"]),
        ({"hidden": "LA@echonet:1.0"}, ["echonet"]),
        ({"loss": "adaptve"}, ["adaptve", "adaptive"]),
        ({"loss": "oracle"}, ["loss", "oracle", "no label dropout", "'LA'"]),
        ({"loss": "oracle", "hidden": ""}, ["oracle", "hidden"]),
        ({"augmentation": "yes"}, ["yes", "none, published, strong"]),
        ({"dropout_probability": "1.5"}, ["1.5"]),
        ({"dropout_probability": "half"}, ["half"]),
        ({"dropout_probability": ""}, ["dropout_structures"]),
        ({"dropout_mode": "double"}, ["double", "single"]),
        ({"structures": "LV+LVM", "hidden": ""}, ["LA"]),
        ({"seeds": "0,0"}, ["0,0"]),
        ({"seeds": ""}, ["seeds"]),
        ({"evaluated_on": "camus+Unity"}, ["Unity", "unity"]),
    ],
)
def test_bad_cell_is_refused_by_name(changes, words):
    """The message names the file, the value and what was expected."""
    with pytest.raises(ValueError, match=r"config/experiments\.tsv") as refusal:
        parse_row({**ROW, **changes}, DATASETS, STRUCTURES)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_settings_are_written_out_in_full():
    """A training reads one dictionary with every setting of the row, the study and the grid search."""
    settings = resolve(parse_row(ROW, DATASETS, STRUCTURES), SETTINGS, {"learning_rate": 0.1, "batch_size": 8})
    assert settings["optimisation"] == {"epochs": 3, "momentum": 0.9, "learning_rate": 0.1, "batch_size": 8}
    assert settings["augmentation"] == {"name": "published", "transforms": SETTINGS["augmentation"]["published"]}
    assert settings["label_dropout"] == {"structures": ["LA"], "probability": 0.5, "mode": "single"}
    assert settings["hidden"] == [{"structure": "LA", "dataset": "unity", "share": 1.0}]
    assert settings["network"] == {"name": "basic_unet", "features": [4, 8]}
    assert (settings["study_seed"], settings["grid_size"], settings["simulated"]) == (7, 64, True)


def test_without_augmentation_or_dropout_there_is_none():
    """A row without them resolves to nothing, not to neutral numbers."""
    plain = {**ROW, "augmentation": "none", "dropout_structures": "", "dropout_probability": "", "dropout_mode": ""}
    settings = resolve(parse_row(plain, DATASETS, STRUCTURES), SETTINGS, {})
    assert settings["augmentation"] is None
    assert settings["label_dropout"] is None


def test_seeds_and_places_do_not_change_the_settings():
    """A further seed, or another figure, leaves `config.json` and so every finished training as it was."""
    other = {**ROW, "seeds": "5", "shown_in": ""}
    assert resolve(parse_row(other, DATASETS, STRUCTURES), SETTINGS, {}) == resolve(
        parse_row(ROW, DATASETS, STRUCTURES), SETTINGS, {}
    )


@pytest.mark.parametrize("name", ["experiments.tsv", "experiments_smoke.tsv", "experiments_long.tsv"])
def test_every_row_of_the_lists_is_valid(name):
    """What is listed can be run."""
    rows = list(csv.DictReader((ROOT / "config" / name).read_text().splitlines(), delimiter="\t"))
    models = [parse_row(row, DATASETS, STRUCTURES).model for row in rows]
    assert len(models) == len(set(models))
    assert set(rows[0]) == set(COLUMNS)


def test_the_list_is_the_papers():
    """Experiments 1 to 4 and 4b, eleven probabilities of label dropout."""
    text = (ROOT / "config" / "experiments.tsv").read_text().splitlines()
    everything = [parse_row(row, DATASETS, STRUCTURES) for row in csv.DictReader(text, delimiter="\t")]
    rows = [row for row in everything if is_of_the_study(row.shown_in)]
    assert {row.experiment for row in rows} == {"1", "2", "3", "4", "4b"}
    assert {row.experiment for row in everything} == {"1", "2", "3", "4", "4b", "5", "6", "7", "8", "10"}
    fourth = [row for row in rows if row.experiment == "4" and row.hidden]
    assert [row.dropout_probability for row in fourth] == pytest.approx([p / 10 for p in range(11)])
    arms = [row for row in rows if "table_2" in row.shown_in]
    assert len(arms) == 2


def test_what_a_claim_compares_has_its_seeds():
    """Six seeds where a claim of experiments 4 and 4b is decided and in the controls, three in the other comparisons.

    Decision 2: seeds differ more than patients.
    """
    text = (ROOT / "config" / "experiments.tsv").read_text().splitlines()
    rows = {row["model"]: parse_row(row, DATASETS, STRUCTURES) for row in csv.DictReader(text, delimiter="\t")}
    six = {"e4-benchmark", "e4-p00", "e4-p01", "e4-p05", "e2-adaptive-aug", "e4b-label-dropout"}
    six |= {row.model for row in rows.values() if row.experiment == "5"}
    partial = ("adaptive", "marginal", "marginal_exclusion", "adaptive_bce")
    three = {row.model for row in rows.values() if row.experiment in {"1", "2", "3", "4", "6", "10"}} - six
    three |= {f"e7-within{one}-{loss}-none" for one in (1, 2) for loss in partial}
    three |= {"e7-across1-marginal-none", "e7-across2-adaptive-none", "e7-across2-marginal-none"}
    wanted = {model: 6 if model in six else 3 if model in three else 1 for model in rows}
    assert {model: len(row.seeds) for model, row in rows.items()} == wanted
    assert all(row.seeds == tuple(range(len(row.seeds))) for row in rows.values())


def test_experiment_6_ends_with_experiment_4():
    """Four kinds of model at severities below 1, and at 1 those of experiment 4 and the marginal loss (decision 33)."""
    text = (ROOT / "config" / "experiments.tsv").read_text().splitlines()
    rows = [parse_row(row, DATASETS, STRUCTURES) for row in csv.DictReader(text, delimiter="\t")]
    shown = [row for row in rows if "dose_response" in row.shown_in]
    own = {severity: [row for row in shown if row.severity == severity] for severity in (None, 0, 0.25, 0.5, 0.75)}
    assert sum(map(len, own.values())) == len(shown)
    kinds = {(row.hidden, row.loss, row.dropout_probability) for row in own[None]}
    assert len(kinds) == 4
    for of_severity in own.values():
        assert {(row.hidden, row.loss, row.dropout_probability) for row in of_severity} == kinds


def test_experiment_10_crosses_augmentation_with_the_remedies():
    """Benchmark, p = 0, 0.1 and 0.5, and the marginal loss, under each of three augmentations (decision 33c)."""
    text = (ROOT / "config" / "experiments.tsv").read_text().splitlines()
    rows = [parse_row(row, DATASETS, STRUCTURES) for row in csv.DictReader(text, delimiter="\t")]
    shown = [row for row in rows if "augmentation" in row.shown_in]
    remedies = [("standard", 0), ("adaptive", 0), ("adaptive", 0.1), ("adaptive", 0.5), ("marginal", 0)]
    assert {(row.augmentation, row.loss, row.dropout_probability) for row in shown} == {
        (augmentation, *remedy) for augmentation in AUGMENTATIONS for remedy in remedies
    }
    assert len(shown) == 15


def test_the_longer_study_trains_rows_of_the_list_with_four_times_the_steps():
    """The same models, but for where they are shown, with three seeds (decision 3c)."""
    default, long = (yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("config.yaml", "long.yaml"))
    steps = [study["training"]["optimisation"]["steps"] for study in (default, long)]
    assert steps[1] == 4 * steps[0]
    lists = [(ROOT / study["experiments"]).read_text().splitlines() for study in (default, long)]
    rows, longer = ({row["model"]: row for row in csv.DictReader(text, delimiter="\t")} for text in lists)
    for model, row in longer.items():
        assert row == {**rows[model], "shown_in": row["shown_in"], "seeds": "0,1,2"}
        assert "training_length" in row["shown_in"]
    assert {model for model, row in rows.items() if "training_length" in row["shown_in"]} == set(longer)


def test_the_other_instruction_set_trains_rows_of_the_list():
    """What is held against the default study is trained like it: only where its rows are shown is less."""
    lists = [ROOT / "config" / name for name in ("experiments.tsv", "experiments_instructions.tsv")]
    texts = [path.read_text().splitlines() for path in lists]
    rows, again = ({row["model"]: row for row in csv.DictReader(text, delimiter="\t")} for text in texts)
    assert set(again) == {"e4-benchmark", "e4-p00", "e4-p01", "e4-p05", "e2-adaptive-aug", "e4b-label-dropout"}
    for model, row in again.items():
        assert row == {**rows[model], "shown_in": row["shown_in"]}
        assert set(row["shown_in"].split("+")) <= set(rows[model]["shown_in"].split("+"))
        assert row["seeds"] == "0,1,2,3,4,5"


@pytest.mark.parametrize("name", ["experiments.tsv", "experiments_smoke.tsv", "experiments_long.tsv"])
def test_every_row_comes_back_from_its_settings(name):
    """What `resolve` wrote, read back with its seeds and items, is the row that it was made from."""
    for row in csv.DictReader((ROOT / "config" / name).read_text().splitlines(), delimiter="\t"):
        experiment = parse_row(row, DATASETS, STRUCTURES)
        written = json.loads(json.dumps(resolve(experiment, SETTINGS, {})))
        assert experiment_of(written, row["seeds"], row["shown_in"]) == experiment


@pytest.mark.parametrize(
    ("change", "words"), [({"loss": None}, "'loss'"), ({"seeds": "0,0"}, "repeats a seed"), ({"hidden": 1}, "int")]
)
def test_settings_that_resolve_did_not_write_are_refused(change, words):
    """A missing setting, one of another form and an impossible seed are named."""
    settings = resolve(parse_row(ROW, DATASETS, STRUCTURES), SETTINGS, {})
    cells = {"seeds": "0", "shown_in": "", **{key: value for key, value in change.items() if key == "seeds"}}
    settings |= {key: value for key, value in change.items() if key != "seeds"}
    settings = {key: value for key, value in settings.items() if value is not None or key != "loss"}
    with pytest.raises(ValueError, match=words):
        experiment_of(settings, **cells)


def test_any_structures_may_be_listed():
    """A list of experiments speaks of the structures of its study, and `config.json` says their values."""
    cells = number_structures(["nucleus", "cytoplasm"])
    row = ROW | {"structures": "cytoplasm+nucleus", "hidden": "cytoplasm@unity:1.0", "dropout_structures": "cytoplasm"}
    experiment = parse_row(row, DATASETS, cells)
    assert [structure.name for structure in experiment.structures] == ["nucleus", "cytoplasm"]
    config = resolve(experiment, SETTINGS | {"channels": 3}, {})
    assert (config["structures"], config["channels"]) == ({"nucleus": 1, "cytoplasm": 2}, 3)
    assert config["hidden"] == [{"structure": "cytoplasm", "dataset": "unity", "share": 1.0}]
    with pytest.raises(ValueError, match=r"unknown value 'L[AV]' .*expected one of nucleus, cytoplasm"):
        parse_row(ROW, DATASETS, cells)
