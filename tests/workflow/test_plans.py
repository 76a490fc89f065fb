"""What a dry run plans: exact numbers of jobs, and what an edit reruns."""

import ast
import csv
from pathlib import Path

import pytest
import yaml

from labeldropout.items import is_of_the_study

ROOT = Path(__file__).resolve().parents[2]
ALL_ROWS = list(csv.DictReader((ROOT / "config" / "experiments.tsv").read_text().splitlines(), delimiter="\t"))
LOSSES = "src/labeldropout/losses.py"
ROWS = [row for row in ALL_ROWS if is_of_the_study(row["shown_in"].split("+"))]
N_MODELS = len(ROWS)
N_TRAININGS = sum(len(row["seeds"].split(",")) for row in ROWS)
TARGETS = [
    "figure_1",
    "figure_2",
    "figure_3",
    "figure_4",
    "figure_5",
    "supplementary_figure_1",
    "cross_domain",
    "table_1",
    "table_2",
    "tests",
    "models",
    "tables",
    "figures",
    "grid",
    "training_curves",
    "soundness",
    "soundness_instrument",
    "annotation_kit",
    "scores",
    "controls",
    "decomposition",
    "augmentation",
    "training_length",
    "dose_response",
    "losses",
    "architectures",
    "label_sets",
    "tests_instrument",
    "instrument",
    "all",
]
DEFAULT = {
    "simulate": 3,
    "import_dataset": 3,
    "train_cone": 1,
    "segment_cone": 3,
    "prepare": 3,
    "split": 3,
    "resolve_candidate": 4,
    "train_candidate": 4,
    "select_hyperparameters": 1,
    "resolve": N_MODELS,
    "train": N_TRAININGS,
    "annotation_kit_export": 1,
    "observe": 1,
    "annotation_kit_import": 1,
    "evaluate": N_MODELS,
    "compare": 11,
    "summarise_histories": 1,
    "soundness": 1,
    "summarise_tables": 1,
    "claims_table": 1,
    "figures_item": 8,
    "run_record": 1,
    "all": 1,
}
N_DATA = 3 + 4 * 2
"""The study's three data sets, and two of them at each of four other severities."""
INSTRUMENT_JOBS = {
    **{rule: DEFAULT[rule] for rule in ("train_cone", "split", "resolve_candidate", "train_candidate")},
    **{rule: DEFAULT[rule] for rule in ("select_hyperparameters", "annotation_kit_export", "observe")},
    "annotation_kit_import": 1,
    **dict.fromkeys(("simulate", "import_dataset", "segment_cone", "prepare"), N_DATA),
    **dict.fromkeys(("resolve", "evaluate"), len(ALL_ROWS)),
    "train": sum(len(row["seeds"].split(",")) for row in ALL_ROWS),
    "compare": 9,  # eight items, and the tests of all
    "biomarkers_measure": 24,
    "biomarkers_agree": 1,
    "probe_ask": 6,
    "probe_join": 1,
    "claims_table": 1,
    "soundness_instrument": 1,
    "figures_item": 10,  # seven of our experiments, claims, biomarkers, shortcut
    "instrument": 1,
}
AND_THE_RECORD = {"run_record": 1, "all": 1}

pytestmark = pytest.mark.slow


def make_folders(workflow, *names):
    """Empty folders that stand for data that nobody may share."""
    for name in names:
        (workflow.root / name).mkdir(parents=True)


def test_default_study_plans_every_job(workflow):
    """The default study is the paper's list: so many models, so many trainings."""
    assert N_MODELS == 22
    assert workflow.planned() == DEFAULT


def test_instrument_plans_every_job(workflow):
    """Our own experiments are a target of their own: 110 models, 261 trainings, data at five severities."""
    assert (len(ALL_ROWS), INSTRUMENT_JOBS["train"]) == (110, 261)
    assert workflow.planned("instrument") == INSTRUMENT_JOBS


def test_instrument_trains_no_model_of_a_finished_study_again(finished):
    """After `all` only the rows that are ours alone are trained: 88 models, 177 trainings."""
    planned = finished.planned("instrument")
    assert (planned["resolve"], planned["evaluate"]) == (len(ALL_ROWS) - N_MODELS, len(ALL_ROWS) - N_MODELS)
    assert planned["train"] == INSTRUMENT_JOBS["train"] - N_TRAININGS
    assert planned["simulate"] == N_DATA - 3
    assert "train_candidate" not in planned


def test_paper_study_plans_every_job(workflow):
    """With folders for the real data and the drawn masks, the whole paper is planned; nothing is simulated."""
    make_folders(workflow, "data/raw/camus", "data/raw/unity", "data/raw/echonet", "data/annotation/echonet")
    (workflow.root / "config" / "unity_curation.csv").touch()
    expected = {**DEFAULT, "resolve_candidate": 12, "train_candidate": 12}
    for rule in ("simulate", "observe"):
        del expected[rule]
    assert workflow.planned("--configfile", "config/paper.yaml") == expected


def test_longer_study_uses_the_data_and_the_grid_search_of_the_default_one(finished):
    """After `all` the longer study trains its own models and makes nothing of the data again."""
    planned = finished.planned("training_length", "--configfile", "config/long.yaml")
    assert planned == {
        "resolve": 7,
        "train": 21,
        "evaluate": 7,
        "compare": 1,
        "training_length": 1,
    }


def test_longer_study_says_what_it_needs_first(workflow):
    """Without a grid search of the default study the run ends with the command that makes it."""
    said = workflow.refusal("training_length", "--configfile", "config/long.yaml")
    assert "results/grid/selected.json: not there" in said
    assert "snakemake --cores all results/grid/selected.json" in said


def test_two_lengths_need_the_table_of_the_longer_study(finished):
    """The figure is drawn from two tables; the run says how to make the one that is missing."""
    said = finished.refusal("long_short")
    assert "results/long/tables/training_length.csv: not there" in said
    assert "snakemake --cores all training_length --configfile config/long.yaml" in said
    other = finished.root / "results" / "long" / "tables" / "training_length.csv"
    other.parent.mkdir(parents=True)
    other.touch()
    planned = finished.planned("long_short")
    assert (planned["long_short_table"], planned["figures_item"], planned["compare"]) == (1, 1, 1)


def test_another_instruction_set_trains_its_models_and_is_then_held_against_the_study(finished):
    """It uses the data and the search of the default study; the table says first what it needs."""
    planned = finished.planned("claims", "--configfile", "config/instructions.yaml")
    assert planned == {
        "resolve": 6,
        "train": 36,
        "evaluate": 6,
        "soundness": 1,
        "claims_table": 1,
        "figures_item": 1,
        "claims": 1,
    }
    said = finished.refusal("machines")
    assert "results/instructions/tables/claims.csv: not there" in said
    assert "snakemake --cores all claims --configfile config/instructions.yaml" in said
    results = finished.root / "results" / "instructions"
    for path in ("tables/claims.csv", "scores/e4-benchmark.csv", "scores/e4-p00.csv"):
        (results / path).parent.mkdir(parents=True, exist_ok=True)
        (results / path).touch()
    assert finished.planned("machines") == {"compare_machines": 1, "machines": 1}


def test_without_drawn_masks_the_run_says_what_is_left_out(workflow):
    """As long as nobody drew on the kit, Table 2 and Supplementary Figure 1 are left out, and the run says so."""
    make_folders(workflow, "data/raw/camus", "data/raw/unity", "data/raw/echonet")
    (workflow.root / "config" / "unity_curation.csv").touch()
    said = workflow.run("--dry-run", "--configfile", "config/paper.yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "drawn by hand" in said.stdout + said.stderr
    assert "rule annotation_kit_import" not in said.stdout


def test_every_smoke_row_is_a_row_of_the_study():
    """The smoke list shows every figure and table with rows of the real list, each with one seed."""
    by_model = {row["model"]: row for row in ALL_ROWS}
    smoke = list(csv.DictReader((ROOT / "config" / "experiments_smoke.tsv").read_text().splitlines(), delimiter="\t"))
    shown = {item for row in ALL_ROWS for item in row["shown_in"].split("+")}
    assert {item for row in smoke for item in row["shown_in"].split("+")} == shown
    for row in smoke:
        assert row == {**by_model[row["model"]], "seeds": "0"}


def test_every_named_target_resolves(workflow):
    """One paper item is one command: each name can be asked for."""
    planned = workflow.planned(*TARGETS)
    assert {target: planned.get(target) for target in TARGETS} == dict.fromkeys(TARGETS, 1)


def test_one_figure_plans_what_it_needs(workflow):
    """Figure 3 needs its three models and CAMUS alone."""
    planned = workflow.planned("figure_3")
    assert (planned["train"], planned["evaluate"], planned["compare"], planned["figures_item"]) == (9, 3, 1, 1)


def test_finished_study_has_nothing_to_do(finished):
    """A second run plans no job."""
    assert finished.planned() == {}


def test_resources_rerun_nothing(finished):
    """How many trainings share a card, and how much memory they get, changes no result: nothing runs again."""
    shared = ("train:trainings_per_gpu=2", "train_candidate:trainings_per_gpu=2", "evaluate:mem_mb=9000")
    assert finished.planned("--set-resources", *shared) == {}


def test_added_row_plans_its_own_jobs_only(finished):
    """One row more is its own settings, trainings, scores and the tables that show it; nothing else is trained."""
    path = finished.root / "config" / "experiments.tsv"
    row = next(line for line in path.read_text().splitlines() if line.startswith("e3-adaptive\t"))
    path.write_text(path.read_text() + row.replace("e3-adaptive", "e3-more").replace("\t0,1,2\t", "\t0,1\t") + "\n")
    assert finished.planned() == {
        "resolve": 1,
        "train": 2,
        "evaluate": 1,
        "compare": 2,  # figure_3 and the tests
        "claims_table": 1,
        "summarise_histories": 1,
        "soundness": 1,
        "summarise_tables": 1,
        "figures_item": 3,  # figure_3, the training curves and the claims
        **AND_THE_RECORD,
    }


def test_row_with_a_severity_of_its_own_simulates_its_own_data(finished):
    """Another domain shift is another tree of data, from simulation to prepared arrays; the split stays."""
    path = finished.root / "config" / "experiments.tsv"
    row = next(line for line in path.read_text().splitlines() if line.startswith("e4-p05\t"))
    path.write_text(path.read_text() + row.replace("e4-p05", "e6-p05") + "0.25\n")
    planned = finished.planned("results/scores/e6-p05.csv")
    data = dict.fromkeys(["simulate", "import_dataset", "segment_cone", "prepare"], 2)
    assert planned == {**data, "resolve": 1, "train": 6, "evaluate": 1}
    assert (finished.root / "results" / "truth" / "unity" / "hearts.csv").is_file()


def test_added_seed_trains_that_seed_only(finished):
    """A further seed of a model leaves its other seeds alone."""
    path = finished.root / "config" / "experiments.tsv"
    lines = path.read_text().splitlines()
    index = next(i for i, line in enumerate(lines) if line.startswith("e3-adaptive\t"))
    lines[index] = lines[index].replace("\t0,1,2\t", "\t0,1,2,3\t")
    path.write_text("\n".join(lines) + "\n")
    planned = finished.planned()
    assert planned["train"] == 1
    assert "resolve" not in planned


def test_edited_row_retrains_that_model(finished):
    """Another loss in one row retrains that row."""
    finished.edit("config/experiments.tsv", "LVM@camus:0.5\tadaptive", "LVM@camus:0.5\tmarginal")
    planned = finished.planned()
    assert (planned["resolve"], planned["train"], planned["evaluate"]) == (1, 3, 1)


@pytest.mark.parametrize("loss", ["standard", "adaptive", "marginal"])
def test_edited_loss_retrains_the_models_that_use_it(finished, loss):
    """A corrected loss reaches every training with it, and no other; the grid's candidates have the standard loss."""
    line = "    target, counted = _checked(logits, target, annotated, ignore_index, validate)\n"
    start = f"def {loss}_cross_entropy("
    text = (finished.root / LOSSES).read_text()
    before, after = text.split(start)
    assert line in after
    (finished.root / LOSSES).write_text(before + start + after.replace(line, 2 * line, 1))
    planned = finished.planned()
    expected = sum(len(row["seeds"].split(",")) for row in ROWS if row["loss"] == loss)
    assert planned.get("train", 0) == (N_TRAININGS if loss == "standard" else expected)
    assert planned.get("train_candidate", 0) == (DEFAULT["train_candidate"] if loss == "standard" else 0)
    assert "import_dataset" not in planned


def test_prose_reruns_nothing(finished):
    """A comment, a docstring and another layout of the code in every module plan no job."""
    for path in sorted((finished.root / "src" / "labeldropout").rglob("*.py")):
        tree = ast.parse(path.read_text())
        tree.body[0] = ast.Expr(ast.Constant("Another sentence."))
        path.write_text("# a comment\n" + ast.unparse(tree) + "\n")
    assert finished.planned() == {}


def test_a_moved_module_reruns_nothing(finished):
    """A module that a training runs, under another name in another package, is the same code."""
    source = finished.root / "src" / "labeldropout"
    (source / "learning" / "augmentation.py").rename(source / "simulation" / "distortion.py")
    for path in source.rglob("*.py"):
        text = path.read_text()
        path.write_text(text.replace("labeldropout.learning.augmentation", "labeldropout.simulation.distortion"))
    assert finished.planned() == {}


def test_a_new_loss_reruns_nothing(finished):
    """A further loss is no change to any model; the list of experiments may name it at once."""
    finished.edit(
        LOSSES, "Loss = Callable", "def half(logits, target, annotated):\n    return 0.5\n\n\nLoss = Callable"
    )
    finished.edit(LOSSES, "LOSSES: dict[str, Loss] = {", 'LOSSES: dict[str, Loss] = {\n    "half": half,')
    assert finished.planned() == {}


def test_edited_figure_redraws_that_figure_only(finished):
    """What draws one figure is the code of one figure."""
    finished.edit("src/labeldropout/publication/figures/figure_3.py", "def draw(", "LIMIT = 1\n\n\ndef draw(")
    assert finished.planned() == {}
    finished.edit(
        "src/labeldropout/publication/figures/figure_3.py", "simulated=simulated)", "simulated=simulated and LIMIT)"
    )
    assert finished.planned() == {"figures_item": 1, **AND_THE_RECORD}


def test_edited_style_redraws_and_trains_nothing(finished):
    """All figures share a style; no model does."""
    finished.edit(
        "src/labeldropout/publication/figures/style.py", "def save(", "STYLE['font.size'] = 20\n\n\ndef save("
    )
    assert finished.planned() == {"figures_item": DEFAULT["figures_item"], **AND_THE_RECORD}


def test_edited_statistics_train_nothing(finished):
    """Tables and figures follow the statistics; models do not."""
    finished.edit("src/labeldropout/analysis/statistics.py", "def holm(", "def holm(*more, ")
    planned = finished.planned()
    assert planned["compare"] >= 1
    assert not {"train", "train_candidate", "evaluate"} & set(planned)


def test_deleted_weights_are_trained_again(finished):
    """The default target names the weights: a deleted model is rebuilt, and only that one."""
    (finished.root / "results" / "models" / "e3-adaptive" / "seed-0" / "weights.safetensors").unlink()
    assert finished.planned()["train"] == 1


def test_profile_retrains_nothing(finished):
    """Another number of cards is no other study."""
    assert finished.planned("--workflow-profile", "profiles/gpu") == {}


@pytest.mark.parametrize("name", ["default", "gpu", "slurm"])
def test_profiles_hold_no_science(name):
    """A profile says where and how many, never what."""
    profile = yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text())
    assert not {"config", "configfile", "configfiles"} & set(profile)
