"""What a study consists of: asked of the plan itself, without Snakemake."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from labeldropout.configuration import overlay, read_configuration
from labeldropout.items import LEDGERS
from labeldropout.learning.experiments import COLUMNS
from labeldropout.running.picture_plan import PicturePlan
from labeldropout.running.rule_code import RuleCode
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import HOW_TO_DRAW, StudyPlan

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = read_configuration(ROOT / "config" / "config.yaml", ROOT)
PAPER = read_configuration(ROOT / "config" / "paper.yaml", ROOT)
ROWS = read_list(ROOT / "config" / "experiments.tsv")
REAL = {"datasets": {"camus": {"raw": "data/raw/camus"}}}
"""Beside two simulated data sets, a real one."""


def plan(rows=ROWS, config=DEFAULT, root=ROOT, **changes):
    """The plan of the default study, with changes to its configuration."""
    return StudyPlan(overlay(copy.deepcopy(config), changes), rows, root)


def edited(model, **cells):
    """The rows of the list, with other cells in one of them."""
    assert model in {row["model"] for row in ROWS}
    return [{**row, **cells} if row["model"] == model else row for row in ROWS]


def named(*models):
    """Some rows of the list."""
    return [row for row in ROWS if row["model"] in models]


@pytest.fixture(scope="module")
def study():
    """The plan of the default study."""
    return plan()


def test_default_study_is_the_papers_list(study):
    """Of 110 rows, 22 models and 84 trainings belong to the paper's study; the rest only our own experiments show."""
    assert (len(study.experiments), len(study.study_models), len(study.trainings)) == (110, 22, 84)
    assert sum(len(row.seeds) for row in study.experiments.values()) == 261
    assert len(study.of_trainings("history.csv")) == 84
    assert (len(study.biomarker_models), len(study.probed_models)) == (24, 6)
    assert list(study.candidates) == ["lr-0.1_batch-8", "lr-0.1_batch-16", "lr-0.03_batch-8", "lr-0.03_batch-16"]
    # The search has a length of its own, fixed before the study's was chosen.
    own = {"learning_rate": 0.03, "batch_size": 16, "steps": 1200, "epochs": None}
    assert json.loads(study.candidate_values("lr-0.03_batch-16")) == own
    # Another length of the study leaves the search as it is, and changes every model.
    longer = plan(training={"optimisation": {"steps": 2400}})
    assert longer.candidate_settings("lr-0.03_batch-16") == study.candidate_settings("lr-0.03_batch-16")
    assert longer.model_settings("e4-p00") != study.model_settings("e4-p00")


def test_released_model_is_one_training_of_its_own_study():
    """Its grid of one trains nothing, its table is that of one model, and no other study can ask for it."""
    config = read_configuration(ROOT / "config" / "released.yaml", ROOT)
    released = StudyPlan(config, read_list(ROOT / config["experiments"]), ROOT)
    assert released.trainings == [("released", 0)]
    assert released.trained_candidates == []
    assert len(released.candidates) == 1
    assert released.item_scores("released") == ["<results>/scores/released.csv"]
    assert released.data_of("released", "cases", released.experiments["released"].train_on) == [
        "<data>/cases/camus/cases.csv"
    ]
    assert "released" not in plan().shown
    with pytest.raises(ValueError, match="no row is shown in released"):
        plan().item_scores("released")


def test_hearts_seen_by_any_scanner_are_other_code():
    """What the released model's pictures come from is no part of what the study's come from."""
    own = RuleCode(plan())
    drawn = RuleCode(plan(datasets={"camus": {"simulate": {"acquisition": "any"}}}))
    assert own.simulator("camus") != drawn.simulator("camus")
    assert own.simulator("unity") == drawn.simulator("unity")


def test_everything_is_shown_where_all_data_are_simulated(study):
    """With a simulated observer and a severity that can be chosen, every figure and table is made."""
    figures = ["figure_1", "figure_2", "figure_3", "figure_4", "figure_5", "supplementary_figure_1"]
    assert set(study.shown) == {*figures, "cross_domain", "table_1", "table_2", "tests"}
    assert study.shown_figures == [*figures, "training_curves", "claims"]
    assert study.instrument_figures == [
        *("controls", "decomposition", "dose_response", "losses", "architectures", "label_sets", "augmentation"),
    ]
    assert study.shown_compared == [*study.instrument_figures, "training_length"]
    assert study.instrument_tables == [*study.shown_compared, "tests_instrument"]
    assert study.left_out == ""


def test_a_study_may_use_the_data_and_the_grid_search_of_another_one(tmp_path):
    """The longer study reads what the default one has made, and writes its own results; it searches no grid."""
    config = read_configuration(ROOT / "config" / "long.yaml", ROOT)
    study = plan(read_list(ROOT / config["experiments"]), config, tmp_path)
    assert (study.results, study.data) == ("results/long", "results")
    assert study.raw_folder("", "camus") == "results/raw/camus"
    assert study.training_data("e4-p00")[0] == "<data>/prepared/camus/cases.csv"
    assert study.trained_seeds("e4-p00")[0] == "<results>/models/e4-p00/seed-0/weights.safetensors"
    assert study.candidates == {}
    with pytest.raises(ValueError, match=r"results/grid/selected.json: not there .*snakemake --cores all results/grid"):
        study.selected()
    (tmp_path / "results" / "grid").mkdir(parents=True)
    (tmp_path / "results" / "grid" / "selected.json").touch()
    assert study.selected() == "results/grid/selected.json"


def test_a_study_of_its_own_keeps_data_and_results_together(study):
    """Without another study's folder, data are among the results."""
    assert study.data == study.results == "results"
    assert study.selected() == "<results>/grid/selected.json"


def test_order_of_rows_and_columns_means_nothing(study):
    """Rows and columns in another order are the same study: the same models in the same order, with the same text."""
    other = plan([dict(reversed(row.items())) for row in reversed(ROWS)])
    assert list(other.experiments.items()) == list(study.experiments.items())
    assert other.trainings == study.trainings
    for model in study.experiments:
        assert other.model_row(model) == study.model_row(model)


def test_settings_of_a_model_do_not_depend_on_where_it_is_shown_and_how_often_it_is_trained(study):
    """A further seed, or a further figure, leaves the row that decides the settings as it was."""
    other = plan(edited("e3-adaptive", seeds="0,1", shown_in="figure_3+figure_2"))
    assert other.model_row("e3-adaptive") == study.model_row("e3-adaptive")
    assert len(other.trained_seeds("e3-adaptive")) == 2
    changed = plan(edited("e3-adaptive", loss="marginal"))
    assert changed.model_row("e3-adaptive") != study.model_row("e3-adaptive")


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        (ROWS, {"selection": {"model": "no-such-model"}}, r"selection.model 'no-such-model' is not a row of the list"),
        (ROWS, {"training": {"optimisation": {"epochs": 5}}}, r"exactly one of steps and epochs .*\d+ and epochs 5"),
        (edited("e1-camus", shown_in="figure_11"), {}, r"experiments.tsv: shown_in names \['figure_11'\] \(expected"),
        (edited("e3-adaptive", loss="adaptiv"), {}, r"experiments.tsv: row 'e3-adaptive', .*'adaptiv'.*adaptive"),
        (edited("e4-p00", train_on="camus+unty"), {}, r"experiments.tsv: row 'e4-p00', .*'unty'.*unity"),
    ],
)
def test_what_does_not_exist_is_refused(rows, changes, words):
    """A name that is no model, item, loss or data set ends the parsing, and the message says where it stands."""
    with pytest.raises(ValueError, match=words):
        plan(rows, **changes)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.replace("dropout_mode", "drpout_mode", 1), "unknown column 'drpout_mode'. Did you mean"),
        (lambda text: text + text.splitlines()[-1] + "\n", "1 rows repeat a model's name, or are empty"),
    ],
)
def test_a_list_that_is_no_list_is_refused(tmp_path, edit, words):
    """A misspelt column and a doubled row are named, with the file."""
    path = tmp_path / "experiments.tsv"
    path.write_text(edit((ROOT / "config" / "experiments.tsv").read_text()))
    with pytest.raises(ValueError, match=f"experiments.tsv: .*{words}"):
        read_list(path)


def test_data_sets_that_no_row_names_are_ignored():
    """They are not imported, not divided and not counted; nor does an observer draw where no model is evaluated."""
    study = plan(named("e4-benchmark", "e4-p00"))
    assert study.datasets == study.simulated == ["camus", "unity"]
    assert study.item_cases("figure_4") == ["<data>/cases/camus/cases.csv", "<data>/cases/unity/cases.csv"]
    assert study.item_cases("table_1") == study.item_cases("figure_4")
    assert not study.has_kit
    assert not study.has_observer
    assert plan(named("e4-benchmark"), kit={"dataset": "unity"}).has_observer


def own_pictures(**changes):
    """The configuration of a study of two folders, in colour, beside the data sets of the default study."""
    folder = {"format": "folder", "raw": "data/raw/mine", "options": {"colour": True}, "cone": "none"}
    structures = [{"name": "nucleus"}, {"name": "cytoplasm"}]
    return {"structures": structures, "datasets": {"here": folder, "there": {**folder, **changes}}}


def own_rows(**cells):
    """A list of one model of two folders."""
    row = {"model": "m", "experiment": "4", "train_on": "here+there", "structures": "nucleus+cytoplasm", "seeds": "0"}
    row |= {"loss": "adaptive", "augmentation": "none", "network": "basic_unet", "evaluated_on": "there"}
    return [dict.fromkeys(COLUMNS, "") | row | cells]


def test_a_study_names_its_own_structures_and_channels():
    """Nothing of hearts is left in the settings of a model that sees other pictures."""
    study = plan(own_rows(), selection={"model": "m"}, **own_pictures())
    settings = json.loads(study.model_settings("m"))
    assert (settings["structures"], settings["channels"]) == ({"nucleus": 1, "cytoplasm": 2}, 3)
    assert study.import_settings("here")[:5] == ["--format", "folder", "--structures", "nucleus", "cytoplasm"]
    assert study.biomarker_models == []
    assert not study.has_kit
    assert json.loads(study.comparison_settings())["unit"] == "images"
    by_patient = {"images": "pictures/{patient}_{name}.png", "masks": "masks/{patient}_{name}.png", "group": "patient"}
    grouped = plan(own_rows(), selection={"model": "m"}, **own_pictures(options=by_patient))
    assert json.loads(grouped.comparison_settings())["unit"] == "patients"
    assert json.loads(plan().comparison_settings())["unit"] == "patients"


def test_an_option_that_an_importer_would_refuse_is_refused_before():
    """A misspelt or senseless option of a folder ends the planning, not the import an hour later."""
    for options, words in (({"color": True}, "Did you mean 'colour'"), ({"group": "patient"}, "option group")):
        with pytest.raises(ValueError, match=rf"configuration: datasets\.there: .*{words}"):
            plan(own_rows(), selection={"model": "m"}, **own_pictures(options=options))


def test_structures_that_hearts_number_otherwise_are_refused():
    """What draws and measures hearts has fixed values; further structures may follow."""
    with pytest.raises(ValueError, match=r"structures: LA, LV, LVM \(expected LV, LVM, LA first"):
        plan(named("e4-benchmark"), structures=[{"name": name} for name in ("LA", "LV", "LVM")])
    more = plan(named("e4-benchmark"), structures=[{"name": name} for name in ("LV", "LVM", "LA", "RV")])
    assert [structure.name for structure in more.structures] == ["LV", "LVM", "LA", "RV"]


def test_grey_and_coloured_data_sets_do_not_meet_in_a_model():
    """A network has one number of channels."""
    study = plan(own_rows(), selection={"model": "m"}, **own_pictures(options={}))
    with pytest.raises(ValueError, match="in colour here, and in grey there"):
        study.model_settings("m")


def test_a_data_set_is_divided_by_itself():
    """The settings of its split name no other, and its own folder only where its own lists are followed."""
    study = plan(named("e4-benchmark"), split={"source": {"camus": "random", "unity": "official"}})
    assert json.loads(study.split_settings("camus"))["source"] == {"camus": "random"}
    assert json.loads(study.native_root("camus")) == {}
    assert json.loads(study.native_root("unity")) == {"unity": f"{study.results}/raw/unity"}


def test_jobs_read_the_parts_of_the_data_sets_they_use():
    """A training those it learns from, an evaluation those it is scored on, a table those of its models."""
    study = plan(named("e4-benchmark"))
    row = study.experiments["e4-benchmark"]
    assert study.training_splits("e4-benchmark") == [f"<data>/splits/{name}.csv" for name in row.train_on]
    assert study.test_splits("e4-benchmark") == [f"<data>/splits/{name}.csv" for name in row.evaluated_on]
    assert study.item_splits("figure_4") == ["<data>/splits/camus.csv", "<data>/splits/unity.csv"]
    assert study.item_splits("claims") == study.item_splits("figure_4")
    assert study.item_splits("table_1") == [f"<data>/splits/{name}.csv" for name in study.datasets]


def test_data_at_a_severity_of_their_own_lie_in_a_tree_of_their_own(study):
    """The tree follows from the row, and the severity from the tree; the study's own severity needs none."""
    assert study.tree_of("e6-adaptive-s000") == "severity-0/"
    assert study.tree_of("e4-p00") == ""
    assert (study.severity_of("severity-0.25/"), study.severity_of("")) == ("0.25", 1.0)
    assert study.training_data("e6-adaptive-s000")[0] == "<data>/severity-0/prepared/camus/cases.csv"
    same = plan(edited("e4-p00", severity="1"))
    assert same.tree_of("e4-p00") == ""


def test_severity_of_real_data_cannot_be_chosen():
    """A row that uses a real data set is left out if it asks for a severity, and so is the figure over it."""
    study = plan(config=PAPER)
    assert study.simulated == []
    assert not [row for row in study.experiments.values() if row.severity is not None]
    assert "e6-adaptive-s000" not in study.experiments
    assert "dose_response" not in study.shown_compared
    assert "e6-adaptive-s000" not in plan(**REAL).experiments


def test_without_drawn_masks_what_needs_them_is_left_out(tmp_path):
    """Table 2 and Supplementary Figure 1 wait for the observer, and whoever asks for them is told what to do."""
    study = plan(config=PAPER, root=tmp_path)
    assert not {"table_2", "supplementary_figure_1"} & {*study.shown, *study.shown_figures}
    assert study.left_out == HOW_TO_DRAW
    for refused in (study.drawn_masks, lambda: study.item_scores("table_2")):
        with pytest.raises(ValueError, match="drawn by hand"):
            refused()
    (tmp_path / PAPER["kit"]["drawn"]).mkdir(parents=True)
    drawn = plan(config=PAPER, root=tmp_path)
    assert {"table_2", "supplementary_figure_1"} <= set(drawn.shown)
    assert drawn.left_out == ""
    assert drawn.drawn_masks() == drawn.drawn_folder() == PAPER["kit"]["drawn"]


def test_who_knows_unlabelled_structures(tmp_path):
    """The truth of simulated data; for real ones the observer's masks, where he drew on what the model is tested on."""
    simulated = plan().known_structures("e4b-label-dropout")
    assert simulated == [f"<data>/truth/{name}/cases.csv" for name in ("camus", "unity", "echonet")]
    (tmp_path / PAPER["kit"]["drawn"]).mkdir(parents=True)
    real = plan(config=PAPER, root=tmp_path)
    assert real.known_structures("e4b-label-dropout") == ["<data>/annotation/observed/cases.csv"]
    assert real.known_structures("e4-p00") == []


def test_missing_real_data_say_how_to_get_them(tmp_path):
    """Unless the study was imported, or at least divided, elsewhere: it then stands without its raw data."""
    study = plan(root=tmp_path, **REAL)
    with pytest.raises(ValueError, match=r"data/raw/camus: the data set CAMUS.* is not there\. Download"):
        study.raw_data("", "camus")
    (tmp_path / "results" / "splits").mkdir(parents=True)
    (tmp_path / "results" / "splits" / "camus.csv").touch()
    assert study.raw_data("", "camus") == []
    (tmp_path / "data" / "raw" / "camus").mkdir(parents=True)
    assert study.raw_data("", "camus") == study.raw_folder("", "camus") == "data/raw/camus"


def test_simulated_data_are_read_from_the_results(study):
    """A simulated data set is read where the simulator wrote it, in its tree; only a real Unity has a curated list."""
    assert study.raw_data("severity-0/", "unity") == "<data>/severity-0/raw/unity/manifest.csv"
    assert study.raw_folder("severity-0/", "unity") == "results/severity-0/raw/unity"
    assert study.curation_list("unity") == []
    assert plan(config=PAPER).curation_list("unity") == PAPER["curation"]
    assert plan(config=PAPER).curation_list("camus") == []


def test_cones_are_found_as_configured(study):
    """By geometry, or by the network that is then an input."""
    assert (study.cone_network("camus"), study.cone_method("camus")) == ([], ["--method", "geometry"])
    assert study.cone_network("unity") == "<data>/cone_network/network.safetensors"
    assert study.cone_method("unity") == ["--method", "network", "--network", "results/cone_network"]
    without = plan(datasets={"unity": {"cone": "none"}})
    assert (without.cone_network("unity"), without.cone_method("unity")) == ([], ["--method", "none"])


def test_an_item_has_the_models_that_name_it(study):
    """Scores, settings, seeds and items of the same models, in the same order; a list of cases has its figure's."""
    assert study.models_of("figure_3") == ["e3-benchmark", "e3-standard", "e3-adaptive"]
    assert study.models_of("figure_4_cases") == study.models_of("figure_4")
    assert study.item_configs("figure_3")[0] == "<results>/models/e3-benchmark/config.json"
    assert study.item_seeds("table_2") == ["0,1,2,3,4,5", "0,1,2,3,4,5"]
    assert all("table_2" in cell.split("+") for cell in study.item_shown_in("table_2"))
    with pytest.raises(ValueError, match="no row is shown in figure_3"):
        plan(named("e4-benchmark", "e4-p00")).item_scores("figure_3")


def test_tests_and_ledgers_compare_all(study):
    """The paper's tests and claims are about the paper's models; our own claims compare with these."""
    assert study.models_of("tests") == study.models_of("claims") == study.study_models
    assert study.models_of("claims_instrument") == list(study.experiments)
    assert len(study.models_of("tests_instrument")) > len(study.models_of("losses"))
    assert {study.ledger_part(name) for name in LEDGERS} == {"study", "instrument"}


def test_cells_are_shorter_than_the_rows_were(study):
    """What a table is told of its models beside their files is a short argument, also for all of them."""
    words = [*study.item_seeds("claims_instrument"), *study.item_shown_in("claims_instrument")]
    assert len(" ".join(words)) < 4000


def test_a_figure_reads_tables_and_pictures_also_cases(study):
    """Who shows images needs stores and predictions; the observer's masks come last."""
    assert study.figure_tables("figure_4") == ["<results>/tables/figure_4.csv", "<results>/tables/figure_4_cases.csv"]
    pictures = PicturePlan(study)
    assert pictures.figure_cases("figure_3") == pictures.figure_predictions("figure_3") == []
    assert pictures.figure_cases("supplementary_figure_1")[-1] == "<data>/annotation/observed/cases.csv"
    assert "<results>/predictions/e4-p05.npz" in pictures.figure_predictions("figure_4")


def test_pictures_that_may_not_be_passed_on_are_drawn_apart():
    """Figures of pictures alone leave the study's figures, Figure 4 keeps its curves, and all are drawn locally."""
    here, local = plan(), plan(pictures="local")
    assert set(here.shown_figures) - set(local.shown_figures) == {"figure_2", "figure_5", "supplementary_figure_1"}
    pictures = PicturePlan(local)
    assert pictures.figure_cases("figure_4") == pictures.figure_predictions("figure_4") == []
    assert "<results>/predictions/e4-p05.npz" in pictures.local_predictions("figure_4")
    assert pictures.local_cases("figure_4") == PicturePlan(here).figure_cases("figure_4")
    assert pictures.local_figures == ["figure_2", "figure_4", "figure_5", "supplementary_figure_1"]


def test_simulated_is_said_where_anything_is():
    """A study with one simulated data set says so; a model only if its own data are."""
    mixed = plan(**REAL)
    assert mixed.study_simulated() == "yes"
    assert mixed.model_simulated("e3-benchmark") == "no"  # CAMUS alone
    assert plan(config=PAPER).study_simulated() == "no"


def test_code_of_a_model_is_that_of_its_loss(study):
    """Two models with the same loss and network run the same code, another loss is other code."""
    code = RuleCode(study)
    assert code.trainer("e3-adaptive") == code.trainer("e4-p00")
    assert code.trainer("e3-adaptive") != code.trainer("e3-standard")
    assert code.evaluator("e3-adaptive") != code.evaluator("e3-standard")
    assert code.probe("e4b-pattern") != code.trainer("e4b-pattern")
    assert code.resolver() != code.splitter("camus") != code.splitter("unity")
    assert code.figure("figure_3") != code.figure("figure_1")
    assert code.importer("camus") != code.importer("unity")
    assert code.table("table_1") != code.table("table_2")


def test_the_plan_loads_nothing_heavy():
    """Each parsing of the workflow imports it: neither torch nor pandas nor numpy comes along."""
    code = (
        "import sys, labeldropout.running.rule_code;"
        " print([name for name in ('torch', 'pandas', 'numpy', 'monai') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_figure_is_told_what_is_hidden(study):
    """From the list, not from its own text; nothing is said where nothing is hidden."""
    assert study.hidden_in_item("figure_3") == ["--hidden", "LVM@camus:0.5"]
    assert study.hidden_in_item("figure_4") == ["--hidden", "LA@unity:1.0"]
    assert study.hidden_in_item("figure_1") == study.hidden_in_item("training_curves") == []
