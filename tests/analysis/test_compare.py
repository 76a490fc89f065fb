"""Tables from made-up scores whose answers are known."""

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from listed_models import listed_models
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from labeldropout.analysis.compare import TABLES, compare
from labeldropout.analysis.panels import PANEL_TABLE
from labeldropout.analysis.paper_tables import TABLE_1, TABLE_2, TESTS
from labeldropout.analysis.spreads import FIGURE_TABLE, INSTRUMENT_TABLE, LENGTH_TABLE
from labeldropout.analysis.statistics import bootstrap_mean, resample_patients
from labeldropout.analysis.study import read_reported
from labeldropout.analysis.typesetting import WIDEST, widths
from labeldropout.data.case_store import CASES, with_structures
from labeldropout.data.pixels import Pixels, write_pixels
from labeldropout.labels import number_structures, values_of
from labeldropout.learning.tables import SCORES

ROOT = Path(__file__).parents[2]
REPORTED = ROOT / "config/reported.yaml"
SETTINGS = {
    "statistics": {"draws": 2000, "seed": 0},
    "kit": {"images": 6, "shown": 4},
    "seed": 2026,
    "severity": 1.0,
    "steps": 1200,
    "simulated": True,
    "real": [],
    "unit": "patients",
    "structures": ["LV", "LVM", "LA"],
}
NAN = math.nan


def row(model: str, **cells: str) -> dict[str, str]:
    """A row of the list of experiments: adaptive, CAMUS, one seed unless said otherwise."""
    usual = {
        "experiment": "4",
        "shown_in": "figure_4",
        "train_on": "camus",
        "structures": "LV+LVM+LA",
        "loss": "adaptive",
        "augmentation": "published",
        "network": "basic_unet",
        "seeds": "0",
        "evaluated_on": "camus",
    }
    return {"model": model, **usual, **cells}


DROPOUT = {"dropout_structures": "LA", "dropout_mode": "single"}


def score_rows(
    model: str,
    dice: dict[str, list[float]],
    seed: int = 0,
    dataset: str = "camus",
    reference: str = "dataset",
    per_patient: int = 1,
) -> list[dict]:
    """Scores of images 0, 1, ... by structure; `per_patient` successive images belong to one patient."""
    return [
        {
            **dict.fromkeys(SCORES, 1),
            "model": model,
            "seed": seed,
            "case": f"{dataset}-c{place:02d}",
            "dataset": dataset,
            "patient": f"{dataset}-p{place // per_patient:02d}",
            "view": "A4C",
            "instant": "ED",
            "structure": structure,
            "reference": reference,
            "dice": value,
            "surface_dice_tolerance": "2 mm",
        }
        for structure, values in dice.items()
        for place, value in enumerate(values)
    ]


@pytest.fixture
def study(tmp_path):
    """Two stores of eight cases (two per patient, all in the test part but the last two), and their split."""
    parts, structures = [], number_structures(["LV", "LVM", "LA"])
    for dataset in ("camus", "unity"):
        rows = []
        for place in range(8):
            patient = f"{dataset}-p{place // 2:02d}"
            part = "test" if place < 6 else "training"
            parts.append({"dataset": dataset, "patient": patient, "part": part})
            labelled = {"LV": "labelled", "LVM": "labelled" if dataset == "camus" else "unknown", "LA": "labelled"}
            rows.append(
                {
                    **dict.fromkeys(with_structures(CASES, values_of(structures)), 1),
                    "case": f"{dataset}-c{place:02d}",
                    "dataset": dataset,
                    "patient": patient,
                    "view": "A2C" if place % 2 else "A4C",
                    **labelled,
                }
            )
        (tmp_path / dataset).mkdir()
        write_pixels(Pixels(1, structures), tmp_path / dataset)
        pd.DataFrame(rows, columns=list(with_structures(CASES, values_of(structures)))).to_csv(
            tmp_path / dataset / "cases.csv", index=False
        )
    split = tmp_path / "patients.csv"
    pd.DataFrame(parts).drop_duplicates().to_csv(split, index=False)

    def run(item: str, scores: list[dict], experiments: list[dict], **settings) -> pd.DataFrame:
        paths = []
        table = pd.DataFrame(scores, columns=list(SCORES))
        for model in table["model"].unique():
            paths.append(tmp_path / f"{model}.csv")
            table[table["model"] == model].to_csv(paths[-1], index=False)
        output = tmp_path / "tables" / f"{item}.csv"
        compare(
            item=item,
            scores=paths,
            **listed_models(tmp_path, experiments),
            cases=[tmp_path / "camus", tmp_path / "unity"],
            split=[split],
            reported=REPORTED,
            settings={**SETTINGS, **settings},
            output=output,
        )
        return pd.read_csv(output)

    run.root = tmp_path
    run.split = split
    return run


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    """The only row with these cells."""
    for key, value in where.items():
        table = table[table[key].astype(str) == str(value)]
    assert len(table) == 1, table
    return table.iloc[0]


def test_figure_rows_of_two_seeds_worked_by_hand(study):
    """Per seed mean and SD over images; over seeds their mean and SD, with quartiles of the images' means."""
    scores = [
        *score_rows("m", {"LV": [0.8, 0.6, 0.4], "LA": [0.6, NAN, 0.2]}, seed=0),
        *score_rows("m", {"LV": [1.0, 0.8, 0.4], "LA": [0.8, NAN, 0.0]}, seed=1),
    ]
    table = study("figure_4", scores, [row("m", seeds="0,1")])
    assert list(table.columns) == list(FIGURE_TABLE)
    first = one(table, seed=0, structure="LV")
    assert first["dice_mean"] == pytest.approx(0.6)
    assert first["dice_sd"] == pytest.approx(0.2)
    assert (first["n"], first["n_patients"], first["n_failures"]) == (3, 3, 1)
    over_seeds = one(table, seed="all", structure="LV")
    assert over_seeds["dice_mean"] == pytest.approx((0.6 + 2.2 / 3) / 2)
    assert over_seeds["dice_sd"] == pytest.approx(np.std([0.6, 2.2 / 3], ddof=1))
    assert over_seeds["dice_median"] == pytest.approx(0.7)
    atrium = one(table, seed=0, structure="LA")
    assert (atrium["n"], atrium["n_both_empty"]) == (2, 1)
    # Mean foreground Dice: over the structures of an image first; the second image has no LA score.
    foreground = one(table, seed=0, structure="mean")
    assert foreground["dice_mean"] == pytest.approx(np.mean([0.7, 0.6, 0.3]))
    assert foreground["dice_sd"] == pytest.approx(np.std([0.7, 0.6, 0.3], ddof=1))


def test_means_have_intervals_and_their_worst_images(study):
    """The interval is the bootstrap over patients of what the row is the mean of; the worst 5 % of four are one."""
    dice = {0: [0.8, 0.6, 0.4, 0.9], 1: [1.0, 0.8, 0.4, 0.7]}
    scores = [line for seed in dice for line in score_rows("m", {"LV": dice[seed]}, seed, per_patient=2)]
    table = study("figure_4", scores, [row("m", seeds="0,1")])
    drawn = resample_patients(2, 2000, np.random.default_rng(0))
    for seed, values in {**dice, "all": np.mean(list(dice.values()), 0)}.items():
        found = one(table, seed=seed, structure="LV")
        expected = bootstrap_mean(np.array(values), np.array(["a", "a", "b", "b"]), drawn)
        assert (found["dice_low"], found["dice_high"]) == pytest.approx((expected.low, expected.high))
        assert found["dice_low"] <= found["dice_mean"] <= found["dice_high"]
        assert found["interval"] == f"{expected.kind}, 2000 draws over patients, seed 0"
        assert found["dice_worst"] == pytest.approx(min(values))
    # Spread over seeds beside spread over patients, worked by hand: seeds 0.675, 0.725; patients 0.8, 0.6.
    over_seeds = one(table, seed="all", structure="LV")
    assert over_seeds["dice_sd"] == pytest.approx(0.05 / math.sqrt(2))
    assert over_seeds["dice_sd_patients"] == pytest.approx(0.2 / math.sqrt(2))


def test_figure_3_carries_the_papers_numbers_beside_ours(study):
    """The rows of experiment 3 have the reported mean and SD where the paper gives them, and nowhere else."""
    dice = {"LV": [0.9, 0.8], "LVM": [0.7, 0.8], "LA": [0.8, 0.9]}
    models = {"e3-benchmark": (0.873, 0.05), "e3-standard": (0.803, 0.06), "e3-adaptive": (0.863, 0.05)}
    table = study(
        "figure_3",
        [line for model in models for line in score_rows(model, dice)],
        [row(model, experiment="3", shown_in="figure_3") for model in models],
    )
    for model, reported in models.items():
        found = one(table, model=model, seed="all", structure="mean")
        assert (found["reported"], found["reported_sd"]) == reported
        assert math.isnan(one(table, model=model, seed="all", structure="LVM")["reported"])
        assert math.isnan(found["dice_sd"]), "one seed has no spread over seeds"
    assert set(table["data"]) == {"simulated"}


def experiment_4() -> list[dict[str, str]]:
    """Benchmark, p = 0 and two probabilities, tested on Unity; two seeds."""
    usual = {"train_on": "camus+unity", "evaluated_on": "camus+unity", "seeds": "0,1"}
    hidden = {**usual, "hidden": "LA@unity:1.0"}
    return [
        row("e4-benchmark", **usual, loss="standard"),
        row("e4-p00", **hidden),
        row("e4-p05", **hidden, **DROPOUT, dropout_probability="0.5"),
        row("e4-p10", **hidden, **DROPOUT, dropout_probability="1.0"),
    ]


def experiment_4_scores() -> list[dict]:
    """LA of Unity: p = 0.5 gains 0.1, 0.2 ... 0.6 over p = 0 on average over two seeds, p = 1 always fails."""
    base = np.array([0.30, 0.32, 0.34, 0.36, 0.38, 0.40])
    gain = np.arange(1, 7) / 10
    noise = np.array([0.05, -0.05, 0.05, -0.05, 0.05, -0.05])
    levels = {"e4-benchmark": base + 0.55, "e4-p00": base, "e4-p05": base + gain, "e4-p10": base * 0}
    scores = []
    for model, level in levels.items():
        for seed, sign in ((0, 1), (1, -1)):
            shift = sign * noise if model != "e4-p10" else 0 * noise
            scores += score_rows(model, {"LA": list(level + shift)}, seed, "unity", per_patient=2)
            scores += score_rows(model, {"LV": [0.9] * 6}, seed, "unity", per_patient=2)
            scores += score_rows(model, {"LV": [0.9] * 6, "LA": [0.85] * 6}, seed, "camus", per_patient=2)
    return scores


def test_tests_average_seeds_first_and_pair_images_and_patients(study):
    """Six images all gain: p = 2/64 per image; three patients: p = 2/8; effects and intervals as worked by hand."""
    table = study("tests", experiment_4_scores(), experiment_4())
    assert list(table.columns) == list(TESTS)
    where = {"family": "experiment 4: hidden structure", "model_b": "e4-p05"}
    image = one(table, **where, unit="image")
    assert image["p"] == pytest.approx(2 / 64)
    assert (image["n"], image["n_patients"], image["n_left_out"]) == (6, 3, 0)
    assert image["difference"] == pytest.approx(0.35)
    assert image["mean_a"] == pytest.approx(0.35)
    assert image["rank_biserial"] == 1
    assert 0.15 <= image["difference_low"] < 0.35 < image["difference_high"] <= 0.55
    assert image["reported"] == "p < 0.01"
    patient = one(table, **where, unit="patient")
    assert (patient["n"], patient["p"]) == (3, pytest.approx(0.25))
    assert patient["difference"] == pytest.approx(0.35)
    assert one(table, family=where["family"], model_b="e4-p10", unit="image")["difference"] == pytest.approx(-0.35)


def test_tests_have_both_sides_spread_and_power(study):
    """Medians, the worst, failures and intervals of both models; the power note is of the patients' differences."""
    table = study("tests", experiment_4_scores(), experiment_4())
    where = {"family": "experiment 4: hidden structure", "model_b": "e4-p05"}
    image, patient = (one(table, **where, unit=unit) for unit in ("image", "patient"))
    assert image["worst_a"] == pytest.approx(0.30)
    assert image["worst_b"] == pytest.approx(0.40)
    assert (image["n_failures_a"], image["n_failures_b"]) == (6, 1)
    assert image["median_a"] == pytest.approx(0.35)
    assert image["low_a"] < image["mean_a"] < image["high_a"]
    assert image["difference_median"] == pytest.approx(0.35)
    assert image["difference_sd"] == pytest.approx(np.std([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], ddof=1))
    assert patient["difference_sd"] == pytest.approx(0.2), "patients gain 0.15, 0.35, 0.55"
    for found in (image, patient):
        assert found["difference_sd_patients"] == pytest.approx(0.2)
        assert found["detectable_difference"] == pytest.approx(
            0.2 * TTestPower().solve_power(nobs=3, alpha=0.05, power=0.8), rel=1e-4
        )
    # Both models have 0.9 everywhere: nothing was seen to vary, so nothing is said of what could be shown.
    same = table[table["structure"] == "LV"]
    assert same["detectable_difference"].isna().all()


def test_holm_takes_a_family_per_unit_together(study):
    """Three probabilities against p = 0, each with p = 2/64 per image, become 6/64."""
    table = study("tests", experiment_4_scores(), experiment_4())
    family = table[(table["family"] == "experiment 4: hidden structure") & (table["unit"] == "image")]
    assert set(family["family_size"]) == {3}
    assert family["p_holm"].tolist() == pytest.approx([6 / 64] * 3)


def test_equivalence_is_claimed_only_where_the_paper_says_similar(study):
    """Other structures without any difference are equivalent with p = 1; the hidden structure has no margin."""
    table = study("tests", experiment_4_scores(), experiment_4())
    others = table[table["family"] == "experiment 4: other structures"]
    assert {(line.dataset, line.structure) for line in others.itertuples()} == {
        ("camus", "LV"),
        ("camus", "LA"),
        ("unity", "LV"),
    }
    assert set(others["equivalent"]) == {"yes"}
    assert set(others["p"]) == {1.0}
    hidden = table[table["family"] == "experiment 4: hidden structure"]
    assert hidden["equivalent"].isna().all()


def test_images_missing_under_one_model_are_left_out_and_counted(study):
    """A NaN and a case that one model lacks leave four of six pairs."""
    scores = [
        line
        for line in experiment_4_scores()
        if not (line["model"] == "e4-p05" and line["case"] == "unity-c05" and line["structure"] == "LA")
    ]
    for line in scores:
        if line["model"] == "e4-p00" and line["case"] == "unity-c00" and line["structure"] == "LA":
            line["dice"] = NAN
    table = study("tests", scores, experiment_4())
    found = one(table, family="experiment 4: hidden structure", model_b="e4-p05", unit="image")
    assert (found["n"], found["n_left_out"], found["n_patients"]) == (4, 2, 3)
    assert found["difference"] == pytest.approx(np.mean([0.2, 0.3, 0.4, 0.5]))


def test_experiment_1_compares_the_own_domain_with_the_others(study):
    """For each test set the model trained on it is held against the other one."""
    usual = {"experiment": "1", "structures": "LV", "loss": "standard", "evaluated_on": "camus+unity"}
    experiments = [row("c", **usual, train_on="camus"), row("u", **usual, train_on="unity")]
    levels = {("c", "camus"): 0.9, ("c", "unity"): 0.6, ("u", "camus"): 0.5, ("u", "unity"): 0.8}
    scores = [
        line
        for (model, dataset), level in levels.items()
        for line in score_rows(model, {"LV": list(level + np.arange(6) / 100)}, dataset=dataset)
    ]
    table = study("tests", scores, experiments)
    assert one(table, dataset="camus", unit="image")["difference"] == pytest.approx(0.4)
    assert one(table, dataset="unity", unit="image")["difference"] == pytest.approx(0.2)
    assert one(table, dataset="unity", unit="image")["model_b"] == "u"


def table_2_study() -> tuple[list[dict], list[dict]]:
    """EchoNet-like: LV by the data set on eight images, LVM and LA by the observer on the first six."""
    usual = {"experiment": "2", "evaluated_on": "unity", "train_on": "unity"}
    shown = {"shown_in": "table_2+supplementary_figure_1"}
    experiments = [
        row("e2-adaptive-aug", **{**usual, **shown}),
        row("e4b-label-dropout", **{**usual, **shown, "experiment": "4b"}, **DROPOUT, dropout_probability="0.5"),
    ]
    scores = []
    for model, gain in (("e2-adaptive-aug", 0.0), ("e4b-label-dropout", 0.1)):
        level = 0.5 + np.arange(6) / 100
        scores += score_rows(model, {"LV": [0.9] * 6 + [0.1, 0.1]}, dataset="unity", per_patient=2)
        drawn = {"LVM": list(level - 0.1 + gain * np.arange(1, 7)), "LA": list(level + gain / 2)}
        scores += score_rows(model, drawn, dataset="unity", reference="observer", per_patient=2)
    return scores, experiments


def test_table_2_is_scored_on_the_kit_alone(study):
    """LV leaves out images that nobody drew on; gains, tests and Holm over three structures are as worked by hand."""
    table = study("table_2", *table_2_study())
    assert list(table.columns) == list(TABLE_2)
    assert table["structure"].tolist() == ["LV", "LVM", "LA"]
    assert table["reference"].tolist() == ["dataset", "observer", "observer"]
    assert table["n"].tolist() == [6, 6, 6]
    assert table["n_patients"].tolist() == [3, 3, 3]
    cavity, wall, atrium = (table.iloc[place] for place in range(3))
    assert cavity["adaptive"] == pytest.approx(0.9)
    assert cavity["p_image"] == 1
    assert wall["difference"] == pytest.approx(0.35)
    assert wall["adaptive"] == pytest.approx(0.425)
    assert wall["relative_gain"] == pytest.approx(0.35 / 0.425)
    assert wall["p_image"] == pytest.approx(2 / 64)
    assert wall["p_image_holm"] == pytest.approx(6 / 64)
    assert atrium["difference_low"] == pytest.approx(0.05)
    assert atrium["difference_high"] == pytest.approx(0.05)
    assert atrium["p_patient"] == pytest.approx(0.25)
    assert wall["adaptive_worst"] == pytest.approx(0.4)
    assert wall["label_dropout_median"] == pytest.approx(0.775)
    assert (wall["adaptive_n_failures"], wall["label_dropout_n_failures"]) == (6, 0), "0.5 is no failure"
    assert wall["adaptive_low"] < wall["adaptive"] < wall["adaptive_high"]
    # The three patients gain 0.15, 0.35, 0.55.
    assert wall["difference_sd_patients"] == pytest.approx(0.2)
    assert wall["detectable_difference"] == pytest.approx(
        0.2 * TTestPower().solve_power(nobs=3, alpha=0.05, power=0.8), rel=1e-4
    )
    assert math.isnan(cavity["detectable_difference"])


def test_table_2_of_the_list_carries_the_papers_numbers(study):
    """On EchoNet the paper's means, differences and gains stand beside ours."""
    scores, experiments = table_2_study()
    for line in scores:
        line.update({key: str(line[key]).replace("unity", "echonet") for key in ("dataset", "case", "patient")})
    experiments = [{key: cell.replace("unity", "echonet") for key, cell in line.items()} for line in experiments]
    wall = one(study("table_2", scores, experiments), structure="LVM")
    assert (wall["reported_adaptive"], wall["reported_label_dropout"]) == (0.319, 0.518)
    assert (wall["reported_difference"], wall["reported_relative_gain"]) == (0.199, 0.62)


def test_table_2_without_drawn_masks_says_what_is_missing(study):
    """Without the observer's masks the message names the annotation kit."""
    scores, experiments = table_2_study()
    with pytest.raises(ValueError, match="annotation kit"):
        study("table_2", [line for line in scores if line["reference"] == "dataset"], experiments)


def test_tests_include_those_of_table_2(study):
    """The tests of Table 2 form a family of their own, with the same p values as the table."""
    scores, experiments = table_2_study()
    table, tests = study("table_2", scores, experiments), study("tests", scores, experiments)
    family = tests[(tests["family"] == "table 2") & (tests["unit"] == "image")]
    assert family["p_holm"].tolist() == table["p_image_holm"].tolist()


def panel_models(item: str) -> list[dict[str, str]]:
    """Two models of several seeds."""
    usual = {"shown_in": item, "experiment": "2", "train_on": "camus+unity", "evaluated_on": "camus+unity"}
    return [row("a", **usual, seeds="1,2"), row("b", **usual)]


def panel_scores(level: np.ndarray) -> list[dict]:
    """Scores of these models on six test images of each data set."""
    scores = []
    for model, seed in (("a", 1), ("a", 2), ("b", 0)):
        for dataset in ("camus", "unity"):
            names = ("LV", "LVM", "LA") if dataset == "camus" else ("LV", "LA")
            scores += score_rows(model, {name: list(level) for name in names}, seed, dataset, per_patient=2)
    return scores


def test_panels_show_test_cases_drawn_without_regard_to_scores(study):
    """One test case per data set, the lowest seed of each model, its Dice; other scores choose the same cases."""
    level = np.arange(6) / 10
    table = study("figure_2", panel_scores(level), panel_models("figure_2"))
    assert list(table.columns) == list(PANEL_TABLE)
    assert table.groupby("dataset")["case"].nunique().to_dict() == {"camus": 1, "unity": 1}
    assert set(table.loc[table["model"] == "a", "seed"]) == {1}
    for line in table.itertuples():
        assert line.dice == level[int(line.case[-2:])]
    other = study("figure_2", panel_scores(level[::-1]), panel_models("figure_2"))
    assert other["case"].tolist() == table["case"].tolist()
    again = study("figure_5", panel_scores(level), panel_models("figure_5"))
    assert again["case"].tolist() == table["case"].tolist()
    seeds = {tuple(study("figure_2", panel_scores(level), panel_models("figure_2"), seed=s)["case"]) for s in range(6)}
    assert len(seeds) > 1, "the study's seed chooses"


def test_figure_4_shows_three_cases_of_the_data_set_with_hidden_labels(study):
    """Three different Unity test images, p = 0 beside p = 0.5, first seed."""
    table = study("figure_4_cases", experiment_4_scores(), experiment_4())
    assert set(table["dataset"]) == {"unity"}
    assert set(table["model"]) == {"e4-p00", "e4-p05"}
    assert table.groupby("position")["case"].nunique().tolist() == [1, 1, 1]
    assert table["case"].nunique() == 3
    assert set(table["seed"]) == {0}


def test_supplementary_figure_shows_as_many_drawn_images_as_configured(study):
    """Four of the six images that were drawn on, each with LV, LVM and LA for both models."""
    table = study("supplementary_figure_1", *table_2_study())
    assert table["case"].nunique() == 4
    assert len(table) == 4 * 2 * 3
    assert set(table["case"]) <= {f"unity-c{place:02d}" for place in range(6)}
    assert set(table["position"]) == {0, 1, 2, 3}


def test_table_1_counts_what_was_imported_beside_the_paper(study):
    """Patients, images, labels and parts of both stores, and the paper's counts."""
    table = study("table_1", [], [])
    assert list(table.columns) == list(with_structures(TABLE_1, ["LV", "LVM", "LA"]))
    camus, unity = one(table, dataset="camus"), one(table, dataset="unity")
    assert (camus["patients"], camus["images"], camus["LVM"]) == (4, 8, 8)
    assert (unity["LV"], unity["LVM"], unity["LA"]) == (8, 0, 8)
    assert camus["views"] == "A2C+A4C"
    assert (camus["training_images"], camus["validation_images"], camus["test_images"]) == (2, 0, 6)
    assert camus["test_patients"] == 3
    assert (str(camus["reported_subjects"]), str(camus["reported_images"])) == ("500", "1000")
    assert camus["reported_structures"] == "LV+LVM+LA"
    assert unity["reported_subjects"] == "-"


def test_permuted_scores_give_the_same_bytes(study):
    """The order of rows in the scores does not matter to the last bit for any of the three files."""
    rng = np.random.default_rng(0)
    names = ("LV", "LVM", "LA")
    experiments = [{**line, "seeds": "0,1,2"} for line in experiment_4()]
    scores = [
        line
        for experiment in experiments
        for seed in range(3)
        for dataset in ("camus", "unity")
        for line in score_rows(
            experiment["model"], {name: list(rng.random(30)) for name in names}, seed, dataset, per_patient=5
        )
    ]
    folder = study.root / "tables"
    for item in ("figure_4", "figure_4_cases", "tests"):
        study(item, scores, experiments)
        before = {suffix: (folder / f"{item}{suffix}").read_bytes() for suffix in (".csv", ".md", ".tex")}
        study(item, [scores[index] for index in rng.permutation(len(scores))], experiments)
        for suffix, content in before.items():
            assert (folder / f"{item}{suffix}").read_bytes() == content


def test_every_readable_table_says_whether_data_are_simulated_or_real(study):
    """The first line of Markdown and the caption of LaTeX say it."""
    folder = study.root / "tables"
    for simulated in (True, False):
        table = study("tests", experiment_4_scores(), experiment_4(), simulated=simulated)
        assert set(table["data"]) == {"simulated" if simulated else "real"}
        words = "Simulated data." if simulated else "Real data."
        assert (folder / "tests.md").read_text().startswith(words)
        assert rf"\caption{{{words}" in (folder / "tests.tex").read_text()


def test_a_study_without_patients_speaks_of_images(study):
    """Where no data set has groups of pictures, captions, headings and cells do not mention patients."""
    folder = study.root / "tables"
    study("tests", experiment_4_scores(), experiment_4(), unit="images")
    assert "patient" not in (folder / "tests.md").read_text().lower()
    study("tests", experiment_4_scores(), experiment_4(), unit="patients")
    assert "bootstrap over patients" in (folder / "tests.md").read_text()


def test_readable_numbers_are_those_of_the_table(study):
    """The mean over seeds in the CSV, rounded, stands in Markdown and in LaTeX."""
    table = study("figure_4", experiment_4_scores(), experiment_4())
    found = one(table, model="e4-p05", seed="all", dataset="unity", structure="LA")
    cell = f"{found['dice_mean']:.3f} ± {found['dice_sd']:.3f}"
    folder = study.root / "tables"
    assert cell in (folder / "figure_4.md").read_text()
    assert cell.replace("±", r"$\pm$") in (folder / "figure_4.tex").read_text()
    assert "| 0.700 ± 0.000 |" in (folder / "figure_4.md").read_text()


def test_bad_input_stops_with_what_was_expected(study):
    """Unknown columns, items and models, missing seeds and repeated scores each end with one clear message."""
    scores, experiments = experiment_4_scores(), experiment_4()
    with pytest.raises(ValueError, match="Did you mean figure_4"):
        study("figur_4", scores, experiments)
    with pytest.raises(ValueError, match="not a model of this item"):
        study("figure_4", scores, experiments[1:])
    with pytest.raises(ValueError, match=r"seeds \[0\] \(expected \[0, 1\]\)"):
        study("figure_4", [line for line in scores if line["seed"] == 0], experiments)
    with pytest.raises(ValueError, match="given twice"):
        study("figure_4", [*scores, scores[0]], experiments)
    with pytest.raises(ValueError, match="not given for all seeds"):
        study("figure_4", scores[1:], experiments)
    with pytest.raises(ValueError, match="no model is shown"):
        study("figure_4", [], [])
    study("figure_4", scores, experiments)
    path = study.root / "e4-p00.csv"
    pd.read_csv(path).rename(columns={"dice": "dicee"}).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"dicee: Did you mean 'dice'\?"):
        compare(
            item="figure_4",
            scores=[path],
            **listed_models(study.root, experiments[1:2]),
            cases=[],
            split=[study.split],
            reported=REPORTED,
            settings=SETTINGS,
            output=study.root / "t.csv",
        )


def test_a_patient_without_a_part_is_refused(study):
    """A split that does not know a patient ends with the patient's name."""
    text = study.split.read_text().splitlines()
    study.split.write_text("\n".join([line for line in text if "unity-p01" not in line]) + "\n")
    with pytest.raises(ValueError, match="unity-p01"):
        study("table_1", [], [])


def test_the_papers_numbers_name_models_of_the_list():
    """Every entry belongs to a row that is shown in its item, on a data set that it is tested on."""
    with (ROOT / "config/experiments.tsv").open(newline="") as file:
        rows = {line["model"]: line for line in csv.DictReader(file, delimiter="\t")}
    table = read_reported(REPORTED)
    for entry in table.itertuples():
        assert entry.item in TABLES
        for model in filter(None, (entry.model, entry.against)):
            assert entry.dataset in rows[model]["evaluated_on"].split("+"), model
            assert entry.item == "tests" or entry.item in rows[model]["shown_in"].split("+"), model
    assert (table["against"] != "").sum() == (table["measure"] != "dice").sum()
    assert table["text"].ne("").all()
    assert table["where"].ne("").all()


def test_an_unknown_key_of_the_papers_numbers_is_refused(tmp_path):
    """A misspelt key ends with the nearest valid one; a repeated entry ends too."""
    entry = {"item": "figure_3", "model": "m", "measure": "dice", "value": 0.5}
    path = tmp_path / "reported.yaml"
    path.write_text(yaml.safe_dump([{**entry, "modle": "m"}]))
    with pytest.raises(ValueError, match="Did you mean model"):
        read_reported(path)
    path.write_text(yaml.safe_dump([entry, entry]))
    with pytest.raises(ValueError, match="two entries"):
        read_reported(path)
    path.write_text("item: figure_3")
    with pytest.raises(ValueError, match="expected a list"):
        read_reported(path)


@pytest.fixture(scope="module")
def whole_list(tmp_path_factory):
    """Made-up scores of every row of the study's own list, and making one item of them."""
    root = tmp_path_factory.mktemp("whole")
    with (ROOT / "config/experiments.tsv").open(newline="") as file:
        rows = [{key: cell for key, cell in line.items() if cell} for line in csv.DictReader(file, delimiter="\t")]
    rng = np.random.default_rng(0)
    for line in rows:
        scores = []
        for seed in line["seeds"].split(","):
            for dataset in line["evaluated_on"].split("+"):
                names = line["structures"].split("+")
                own = [name for name in names if dataset != "echonet" or name == "LV"]
                drawn = [name for name in names if name not in own and "echonet" in line["train_on"]]
                for reference, mine in (("dataset", own), ("observer", drawn)):
                    dice = {name: list(rng.beta(8, 2, 12)) for name in mine}
                    scores += score_rows(line["model"], dice, int(seed), dataset, reference, per_patient=2)
        pd.DataFrame(scores, columns=list(SCORES)).to_csv(root / f"{line['model']}.csv", index=False)
    split = root / "patients.csv"
    split.write_text("dataset,patient,part\n")

    def run(item: str) -> pd.DataFrame:
        shown = [line for line in rows if is_shown(set(line["shown_in"].split("+")), item)]
        paths = [root / f"{line['model']}.csv" for line in shown]
        compare(
            item=item,
            scores=paths,
            **listed_models(root, shown),
            cases=[],
            split=[split],
            reported=REPORTED,
            settings=SETTINGS,
            output=root / item,
        )
        return pd.read_csv(root / f"{item}.csv", dtype={"hidden": str, "dropout_mode": str})

    run.root = root
    run.rows = {line["model"]: line for line in rows}
    return run


INSTRUMENT = {
    *("controls", "decomposition", "dose_response", "losses", "architectures", "label_sets", "augmentation"),
    "training_length",
}
"""Tables of our own experiments."""


def is_shown(items: set[str], item: str) -> bool:
    """Whether the workflow gives a row, by what it is shown in, to an item."""
    if item == "tests":
        return not items <= {*INSTRUMENT, "shortcut"}
    return bool(items & INSTRUMENT) if item == "tests_instrument" else item in items


def test_the_whole_list_of_experiments_has_its_tests(whole_list):
    """With the study's own list all declared families appear, and every row has p values and an interval."""
    tests = whole_list("tests")
    families = set(tests["family"])
    assert {"experiment 1", "experiment 3", "table 2", "experiment 4b: all test images"} <= families
    assert {"experiment 2: camus", "experiment 2: echonet"} <= families
    assert {"experiment 4: hidden structure", "experiment 4: other structures"} <= families
    sizes = tests.groupby("family")["family_size"].first()
    assert sizes["experiment 1"] == 6
    assert sizes["experiment 3"] == 12
    assert sizes["experiment 4: hidden structure"] == 11
    assert sizes["table 2"] == 3
    assert tests["p"].between(0, 1).all()
    assert (tests["p_holm"] >= tests["p"] - 1e-12).all()
    assert (tests["difference_low"] <= tests["difference"]).all()
    assert (tests["difference"] <= tests["difference_high"]).all()
    # Each of the paper's statements about a test stands beside the row that repeats it, for both units.
    reported = read_reported(REPORTED)
    assert tests["reported"].notna().sum() == 2 * (reported["item"] == "tests").sum()


def test_our_own_experiments_have_their_declared_tests(whole_list):
    """Families and their sizes are those declared: six controls, five severities, twelve remedies in each setting."""
    tests = whole_list("tests_instrument")
    assert list(tests.columns) == list(TESTS)
    images = tests[tests["unit"] == "image"]
    assert images.groupby("family")["family_size"].first().to_dict() == {
        "experiment 5: controls": 6,
        "experiment 6: dose-response": 5,
        "experiment 7: across domains, LA hidden: LA": 12,
        "experiment 7: across domains, LVM and LA hidden: LVM": 12,
        "experiment 7: across domains, LVM and LA hidden: LA": 12,
        "experiment 7: within a domain, LA hidden: LA": 12,
        "experiment 7: within a domain, LVM and LA hidden: LVM": 12,
        "experiment 7: within a domain, LVM and LA hidden: LA": 12,
        "experiment 8: architectures": 3,
        "experiment 4b: label sets": 9,
        **dict.fromkeys([f"experiment 10: augmentation {one}" for one in ("none", "published", "strong")], 4),
    }
    assert (images.groupby("family").size() == images.groupby("family")["family_size"].first()).all()
    assert tests["p"].between(0, 1).all()
    assert tests["detectable_difference"].notna().all()
    for _, family in tests.groupby(["family", "unit"]):
        assert family["p_holm"].tolist() == pytest.approx(multipletests(family["p"], method="holm")[1].tolist())


def test_our_own_experiments_compare_what_was_declared(whole_list):
    """Each comparison holds the remedy against the model that lacks only it, where the labels are hidden."""
    tests = whole_list("tests_instrument")
    tests = tests[tests["unit"] == "image"]

    def pairs(family: str) -> set[tuple[str, str]]:
        mine = tests[tests["family"].str.startswith(family)]
        return set(zip(mine["model_a"], mine["model_b"], strict=True))

    assert pairs("experiment 5") == {
        ("e4-p00", "e5-random"),
        ("e4-p00", "e4-p05"),
        ("e4-p00", "e5-camus-only"),
        ("e4-benchmark", "e5-random"),
        ("e4-p00", "e5-oracle"),
        ("e5-oracle", "e4-benchmark"),
    }
    equivalence = tests[tests["equivalent"].notna()]
    assert set(zip(equivalence["model_a"], equivalence["model_b"], strict=True)) == {("e4-benchmark", "e5-random")}
    own = {("e4-benchmark", "e4-p00")}
    shifts = ("000", "025", "050", "075")
    assert pairs("experiment 6") == own | {(f"e6-benchmark-s{shift}", f"e6-adaptive-s{shift}") for shift in shifts}
    assert pairs("experiment 8") == {
        ("e4-p00", "e4-p05"),
        ("e8-attention-p00", "e8-attention-p05"),
        ("e8-swin-p00", "e8-swin-p05"),
    }
    assert pairs("experiment 10: augmentation none") == {
        ("e10-none-p00", f"e10-none-{one}") for one in ("benchmark", "p01", "p05", "marginal")
    }
    assert pairs("experiment 10: augmentation published") == {
        ("e4-p00", one) for one in ("e4-benchmark", "e4-p01", "e4-p05", "e7-across1-marginal-none")
    }
    remedies = ("e4b-label-dropout", "e4b-pattern", "e4b-marginal")
    assert pairs("experiment 4b") == {("e2-adaptive-aug", model) for model in remedies}
    references = {"e4-p00", "e7-across2-adaptive-none", "e7-within1-adaptive-none", "e7-within2-adaptive-none"}
    assert {a for a, _ in pairs("experiment 7")} == references
    for a, b in pairs("experiment 7"):
        for column in ("train_on", "hidden"):
            assert whole_list.rows[a][column] == whole_list.rows[b][column]
    cells = tests[~tests["family"].str.startswith("experiment 4b")]
    for line in cells.itertuples():
        assert f"{line.structure}@{line.dataset}" in whole_list.rows[line.model_a].get(
            "hidden", whole_list.rows["e4-p00"]["hidden"]
        )
    drawn = tests[tests["family"] == "experiment 4b: label sets"]
    assert set(zip(drawn["dataset"], drawn["structure"], drawn["reference"], strict=True)) == {
        ("echonet", "LV", "dataset"),
        ("echonet", "LVM", "observer"),
        ("echonet", "LA", "observer"),
    }


@pytest.mark.parametrize("item", sorted(INSTRUMENT - {"decomposition"}))
def test_tables_of_our_own_experiments_say_what_sets_the_models_apart(whole_list, item):
    """Every row shows its severity, network, hidden labels, label dropout and augmentation as the list has them."""
    table = whole_list(item)
    assert list(table.columns) == list(LENGTH_TABLE if item == "training_length" else INSTRUMENT_TABLE)
    assert set(table["model"]) == {
        model for model, cells in whole_list.rows.items() if item in cells["shown_in"].split("+")
    }
    for line in table[table["seed"] == "all"].itertuples():
        cells = whole_list.rows[line.model]
        assert line.severity == float(cells.get("severity", SETTINGS["severity"]))
        assert line.study_severity == SETTINGS["severity"]
        assert (line.network, line.augmentation) == (cells["network"], cells["augmentation"])
        assert (line.hidden if isinstance(line.hidden, str) else "") == cells.get("hidden", "")
        assert (line.dropout_mode if isinstance(line.dropout_mode, str) else "") == cells.get("dropout_mode", "")
        assert math.isnan(line.dice_sd) == (cells["seeds"] == "0")
        assert line.dice_sd_patients > 0


def test_label_sets_are_scored_by_the_observer_too(whole_list):
    """On EchoNet LVM and LA have the observer's reference, and LV the data set's own."""
    table = whole_list("label_sets")
    shown = table[(table["dataset"] == "echonet") & (table["structure"] != "mean")]
    assert set(zip(shown["structure"], shown["reference"], strict=True)) == {
        ("LV", "dataset"),
        ("LVM", "observer"),
        ("LA", "observer"),
    }
    assert set(table.loc[table["dataset"] != "echonet", "reference"]) == {"dataset"}


def test_severity_of_real_data_is_unknown(study):
    """Where data are not simulated nobody knows how far they lie apart: the cells are empty."""
    table = study("controls", experiment_4_scores(), experiment_4(), simulated=False)
    assert table[["severity", "study_severity"]].isna().all(axis=None)


def test_own_experiments_without_a_pair_have_an_empty_table_of_tests(study):
    """A list in which no declared comparison finds both of its models gives a table without rows, not an error."""
    table = study("tests_instrument", experiment_4_scores(), experiment_4())
    assert list(table.columns) == list(TESTS)
    assert table.empty


@pytest.mark.parametrize("item", [*sorted(INSTRUMENT), "tests", "tests_instrument", "table_2", "figure_1", "figure_4"])
def test_readable_tables_are_no_wider_than_a_page(whole_list, item):
    """With the study's longest names the columns, broken where LaTeX breaks them, fit 165 characters of small type."""
    whole_list(item)
    lines = (whole_list.root / f"{item}.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]
    reading = pd.DataFrame(cells[2:], columns=cells[0])
    assert len(reading) > 2
    assert sum(min(width, WIDEST) for width in widths(reading)) <= 165
