"""Figures from made-up tables, pictures and predictions."""

import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labeldropout.analysis.decomposition import DECOMPOSITION, GAP, IN_PLACE, LOST
from labeldropout.analysis.decomposition import MISSING as MISSING_LABELS
from labeldropout.analysis.lengths import LONG_SHORT
from labeldropout.analysis.panels import PANEL_TABLE
from labeldropout.analysis.soundness import SOUNDNESS
from labeldropout.analysis.spreads import FIGURE_TABLE, INSTRUMENT_TABLE
from labeldropout.analysis.summarise import TRAINING_CURVES, join_histories
from labeldropout.case import Case
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.files import write_table
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View
from labeldropout.learning.tables import HISTORY
from labeldropout.publication.figures import arms, long_short, style
from labeldropout.publication.figures import draw as drawing
from labeldropout.publication.figures.draw import FIGURES

ROOT = Path(__file__).parents[3]
STRUCTURES = ("LV", "LVM", "LA", "mean")

CONFIGURED = [{"name": "LV", "title": "LV cavity"}, {"name": "LVM", "title": "Myocardium"}]
CONFIGURED.append({"name": "LA", "title": "Left atrium"})
"""As the default study's configuration names them."""
draw_figure = functools.partial(drawing.draw_figure, structures=CONFIGURED, hidden="LA@unity:1.0")


def _box(mean, n=60, failures=0):
    """Numbers of a box about a mean; typed, not computed from anything."""
    return {
        "dice_mean": mean,
        "dice_sd": 0.03,
        "dice_median": mean + 0.01,
        "dice_q1": mean - 0.03,
        "dice_q3": mean + 0.04,
        "dice_whisker_low": max(0.0, mean - 0.12),
        "dice_whisker_high": min(1.0, mean + 0.08),
        "dice_worst": max(0.0, mean - 0.2),
        "dice_low": max(0.0, mean - 0.02),
        "dice_high": min(1.0, mean + 0.02),
        "interval": "percentile, typed",
        "dice_sd_patients": 0.02,
        "n": n,
        "n_patients": n,
        "n_failures": failures,
        "n_both_empty": 0,
        "reported": np.nan,
        "reported_sd": np.nan,
        "data": "simulated",
    }


def _figure_row(model, dataset, structure, box, train_on="camus", loss="standard", probability=0.0, seed="all"):
    return {
        "model": model,
        "train_on": train_on,
        "loss": loss,
        "probability": probability,
        "seed": seed,
        "dataset": dataset,
        "structure": structure,
        **box,
    }


def _figure_1_rows():
    datasets = ("camus", "unity", "echonet")
    return [
        _figure_row(
            f"e1-{trained}", tested, structure, _box(0.9 if trained == tested else 0.6, 30, 4), trained, seed=seed
        )
        for trained in datasets
        for tested in datasets
        for structure in ("LV", "mean")
        for seed in ("0", "all")
    ]


def _figure_3_rows():
    means = {"e3-adaptive": 0.85, "e3-benchmark": 0.87, "e3-standard": 0.7}
    rows = []
    for model, mean in means.items():
        for structure in STRUCTURES:
            box = _box(mean + (0.06 if structure == "LV" else 0.0), 30)
            if structure == "mean":
                box["reported"], box["reported_sd"] = 0.8, 0.05
            rows.append(
                _figure_row(model, "camus", structure, box, loss="adaptive" if "adaptive" in model else "standard")
            )
    return rows


def _figure_4_rows():
    rows = []
    models = {"e4-benchmark": None} | {f"e4-p{tenth:02d}": tenth / 10 for tenth in range(11)}
    for model, probability in models.items():
        for dataset in ("camus", "unity"):
            for structure in STRUCTURES:
                mean = {None: 0.9, 0.0: 0.6, 1.0: 0.03}.get(probability, 0.85)
                mean = mean if structure == "LA" else 0.9
                for seed, shift in (("0", -0.03), ("1", 0.0), ("2", 0.03), ("all", 0.0)):
                    box = _box(mean + shift)
                    if probability == 0.0 and structure == "LA" and dataset == "unity":
                        box["reported"] = 0.71
                    loss = "standard" if probability is None else "adaptive"
                    rows.append(
                        _figure_row(model, dataset, structure, box, "camus+unity", loss, probability or 0.0, seed)
                    )
    return rows


def _write_figure_table(rows, path):
    write_table(pd.DataFrame(rows), path, FIGURE_TABLE)
    return path


PAPER = [item for item in FIGURES if "figure" in item]
INSTRUMENT = ("controls", "dose_response", "losses", "architectures", "label_sets", "augmentation")


def _instrument_rows(item, file="experiments.tsv", structures=STRUCTURES):
    """Rows of every model that a list shows in an item, with typed scores by what its columns say."""
    table = pd.read_csv(ROOT / "config" / file, sep="\t", dtype=str, keep_default_na=False)
    rows = []
    for line in table.to_dict("records"):
        if item not in line["shown_in"].split("+"):
            continue
        for dataset in line["evaluated_on"].split("+"):
            for structure in structures:
                by_observer = dataset == "echonet" and structure != "LV"
                mean = 0.6 if line["hidden"] and structure == "LA" else 0.9
                for seed, shift in [*((seed, 0.01 * int(seed)) for seed in line["seeds"].split(",")), ("all", 0.01)]:
                    shown = (mean + shift, dataset, structure)
                    row = _figure_row(line["model"], *shown[1:], _box(shown[0], 30), line["train_on"], line["loss"])
                    rows.append(
                        row
                        | {
                            "seed": seed,
                            "probability": float(line["dropout_probability"] or 0),
                            "reference": "observer" if by_observer else "dataset",
                            "severity": float(line["severity"] or 1),
                            "study_severity": 1.0,
                            **{name: line[name] for name in ("network", "hidden", "dropout_mode", "augmentation")},
                        }
                    )
    return rows


def _write_instrument_table(rows, path):
    write_table(pd.DataFrame(rows)[list(INSTRUMENT_TABLE)], path, INSTRUMENT_TABLE)
    return path


def _draw_instrument(item, rows, folder, *, simulated=True, structures=CONFIGURED):
    """The texts of a figure of our own experiments, from these rows."""
    table = _write_instrument_table(rows, folder / f"{item}.csv")
    inputs = {"tables": [table], "cases": [], "predictions": [], "structures": structures}
    draw_figure(item=item, **inputs, simulated=simulated, output=folder / "f")
    return _texts(folder / "f")


def _heart(shape, shift=0, radius=1.0):
    """A label map: LV in a horseshoe of LVM, LA below."""
    row, column = np.indices(shape, dtype=float)
    row, column = row / shape[0], column / shape[1] - 0.5 - shift
    ventricle = np.hypot((row - 0.38) / 0.24, column / 0.11) / radius
    atrium = np.hypot((row - 0.78) / 0.12, column / 0.12) / radius
    target = np.zeros(shape, np.uint8)
    target[(ventricle < 1.4) & (row < 0.6)] = Structure.LVM
    target[(ventricle < 1) & (row < 0.6)] = Structure.LV
    target[(atrium < 1) & (row > 0.64)] = Structure.LA
    return target


def _case(dataset, group, shape, unknown=(), drawn_by_observer=False):
    rng = np.random.default_rng([group, len(dataset)])
    target = _heart(shape, rng.uniform(-0.05, 0.05))
    echo = np.array([0.25, 0.05, 0.5, 0.06])[target] * rng.rayleigh(1.0, shape)
    row, column = np.indices(shape, dtype=float)
    echo[np.abs(np.arctan2(column / shape[1] - 0.5, row / shape[0] + 0.05)) > 0.65] = 0
    for structure in unknown:
        if not drawn_by_observer:
            target[target == structure] = 0
    states = {
        structure: State.UNKNOWN if structure in unknown and not drawn_by_observer else State.LABELLED
        for structure in (Structure.LV, Structure.LVM, Structure.LA)
    }
    return Case(
        dataset=dataset,
        group_name=f"group{group}",
        frame=0,
        image=np.clip(255 * echo, 0, 255).astype(np.uint8),
        target=target,
        states=states,
        pixel_spacing_mm=(0.3, 0.6) if dataset == "camus" else None,
        view=View.A4C,
        instant=Instant.ED,
        source="made up",
        source_sha256="0" * 64,
    )


MISSING = (Structure.LVM, Structure.LA)
SHAPES = {"camus": (400, 200), "unity": (180, 240), "echonet": (112, 112)}


CURVES = ("e1-camus", "e2-adaptive", "e4-p05", "e4-p10", "e2-x", "e2-y", "e2-z", "e3-x")
"""Models with training curves; the atrium of Unity is not shown to those of experiment 4."""


def _write_history(root, model):
    """Curves of two seeds in four cells; one of them is lost on the way."""
    rising = {("camus", "LV"): 0.5, ("camus", "LA"): 0.7, ("unity", "LV"): 0.6, ("all", "all"): 0.6}
    for seed in (0, 1):
        rows = []
        for step in range(100, 1300, 100):
            dice = {cell: 0.9 - 100 * start / step - 0.05 * seed for cell, start in rising.items()}
            dice["unity", "LA"] = max(0.1, 0.6 - step / (1200 + 1500 * seed)) if "e4" in model else dice["camus", "LA"]
            rows += [
                [step, 0.1, 0.5, dataset, structure, value, 10, int(step in {100, 900})]
                for (dataset, structure), value in dice.items()
            ]
        write_table(pd.DataFrame(rows, columns=list(HISTORY)), root / model / f"seed-{seed}" / "history.csv", HISTORY)


def _verdicts():
    """Hidden cells, and one model that is not trained."""
    key = ["model", "seed", "dataset", "structure", "verdict"]
    hidden = [[model, seed, "unity", "LA", "not shown"] for model in CURVES if "e4" in model for seed in (0, 1)]
    models = [[model, "all", "all", "all", "not trained" if model == "e3-x" else "trained"] for model in CURVES]
    return pd.DataFrame(hidden + models, columns=key).reindex(columns=list(SOUNDNESS))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Stores, predictions and tables of all figures."""
    root = tmp_path_factory.mktemp("study")
    cases = {
        name: [_case(name, group, shape, MISSING if name == "echonet" else ()) for group in range(3)]
        for name, shape in SHAPES.items()
    }
    for name, of_dataset in cases.items():
        write_cases(of_dataset, root / "cases" / name, ImportReport(name))
    observed = [_case("echonet", group, SHAPES["echonet"], MISSING, drawn_by_observer=True) for group in range(3)]
    write_cases(observed, root / "observed", ImportReport("echonet"))

    (root / "predictions").mkdir()
    models = [*list(style.MODEL_TITLES), "e4-p00", "e4-p05", "e4-benchmark"]
    for size, model in enumerate(models):
        archive = {
            f"seed-0/{case.id}": _heart(case.image.shape, 0.01 * size, 0.8 + 0.05 * size)
            for of_dataset in cases.values()
            for case in of_dataset
        }
        np.savez_compressed(root / "predictions" / f"{model}.npz", **archive)

    def panel(name, models, shown, references):
        rows = [
            {
                "model": model,
                "seed": 0,
                "dataset": case.dataset,
                "case": case.id,
                "structure": structure,
                "reference": reference,
                "dice": np.nan if structure == "LA" and position == 0 else 0.87,
                "position": position,
                "data": "simulated",
            }
            for position, case in enumerate(shown)
            for model in models
            for structure, reference in references(case)
        ]
        write_table(pd.DataFrame(rows), root / f"{name}.csv", PANEL_TABLE)

    def own(case):
        return [(structure.name, "dataset") for structure, known in case.annotated.items() if known]

    def with_observer(_):
        return [("LV", "dataset"), ("LVM", "observer"), ("LA", "observer")]

    # Not in the paper's order: the order of the predictions decides.
    panel("figure_2", models[2::-1], [of_dataset[0] for of_dataset in cases.values()], own)
    panel("figure_5", models[2:4], [of_dataset[1] for of_dataset in cases.values()], own)
    panel("supplementary_figure_1", models[2:4], cases["echonet"], with_observer)
    panel("figure_4_cases", ["e4-p00", "e4-p05"], cases["unity"][:2], own)
    _write_figure_table(_figure_1_rows(), root / "figure_1.csv")
    _write_figure_table(_figure_3_rows(), root / "figure_3.csv")
    _write_figure_table(_figure_4_rows(), root / "figure_4.csv")
    for model in CURVES:
        _write_history(root, model)
    for item in INSTRUMENT:
        _write_instrument_table(_instrument_rows(item), root / f"{item}.csv")
    curves = join_histories(sorted(root.glob("*/seed-*/history.csv")), simulated=True)
    write_table(curves, root / "training_curves.csv", TRAINING_CURVES)
    write_table(_verdicts(), root / "soundness.csv", SOUNDNESS)
    return root


def _inputs(study, item):
    """What the workflow hands over for a figure."""
    predictions = {
        "figure_2": list(style.MODEL_TITLES)[:3],
        "figure_4": ["e4-benchmark", "e4-p00", "e4-p05"],
        "figure_5": list(style.MODEL_TITLES)[2:4],
        "supplementary_figure_1": list(style.MODEL_TITLES)[2:4],
    }.get(item, [])
    tables = [study / f"{item}.csv"]
    if item == "training_curves":
        tables.append(study / "soundness.csv")
    if item == "figure_4":
        tables.append(study / "figure_4_cases.csv")
    cases = [study / "cases" / name for name in SHAPES] if predictions else []
    if item == "supplementary_figure_1":
        cases = [study / "cases" / "echonet", study / "observed"]
    return {
        "item": item,
        "tables": tables,
        "cases": cases,
        "predictions": [study / "predictions" / f"{model}.npz" for model in predictions],
        "hidden": "LVM@camus:0.5" if item == "figure_3" else "LA@unity:1.0",
    }


def _texts(path):
    """All text of an SVG, which stays text."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.with_suffix(".svg").read_text())


@pytest.mark.parametrize("item", [*PAPER, "training_curves", *INSTRUMENT])
def test_a_figure_is_written_twice_with_the_same_bytes(item, study, tmp_path):
    """The same table gives the same SVG and PNG, without a date, and says that the data are simulated."""
    written = []
    for name in ("first", "second"):
        draw_figure(**_inputs(study, item), simulated=True, output=tmp_path / name / item)
        written.append([(tmp_path / name / f"{item}.{ending}").read_bytes() for ending in ("svg", "png")])
    assert written[0] == written[1]
    assert b"dc:date" not in written[0][0]
    assert any("simulated data" in text for text in _texts(tmp_path / "first" / item))
    with Image.open(tmp_path / "first" / f"{item}.png") as picture:
        assert min(picture.size) > 400
        assert "Software" not in picture.info


def test_training_curves_show_what_was_hidden_apart_and_who_is_not_trained(study, tmp_path):
    """Dashed lines in the colour of no structure, for the hidden cells alone; a failed model's title says so."""
    draw_figure(**_inputs(study, "training_curves"), simulated=True, output=tmp_path / "curves")
    picture = (tmp_path / "curves.svg").read_text().lower()
    dashed = [style for style in re.findall(r'style="([^"]*)"', picture) if "stroke: #cc3311" in style]
    n_hidden = sum("e4" in model for model in CURVES)
    assert len(dashed) == 3 * n_hidden + 1  # two seeds and their mean, and the legend
    assert all("stroke-dasharray" in style for style in dashed)
    said = _texts(tmp_path / "curves")
    assert said.count("not trained") == 1
    assert "not shown to the model (thin: seeds)" in said


def test_training_curves_without_a_verdict_are_refused(study, tmp_path):
    """The message names the table and the model."""
    inputs = _inputs(study, "training_curves")
    short = tmp_path / "soundness.csv"
    write_table(_verdicts().iloc[:-1], short, SOUNDNESS)
    with pytest.raises(ValueError, match=r"soundness\.csv: no verdict on e3-x"):
        draw_figure(**{**inputs, "tables": [inputs["tables"][0], short]}, simulated=True, output=tmp_path / "curves")


@pytest.mark.parametrize("item", ["figure_1", "figure_5"])
def test_a_figure_of_real_data_does_not_say_simulated(item, study, tmp_path):
    """The remark follows the data."""
    draw_figure(**_inputs(study, item), simulated=False, output=tmp_path / item)
    assert not any("simulated" in text for text in _texts(tmp_path / item))


def test_an_unknown_figure_is_refused(study, tmp_path):
    """The message lists what can be drawn."""
    with pytest.raises(ValueError, match=r"Unknown figure 'figure_9' \(expected one of figure_1"):
        draw_figure(**_inputs(study, "figure_1") | {"item": "figure_9"}, simulated=True, output=tmp_path / "x")


def test_figure_1_names_every_training_and_test_set(study, tmp_path):
    """Three by three, with titles of the data sets and the number of images and failures from the table."""
    draw_figure(**_inputs(study, "figure_1"), simulated=True, output=tmp_path / "f")
    texts = _texts(tmp_path / "f")
    for title in ("CAMUS", "Unity Imaging", "EchoNet-Dynamic"):
        assert title in texts
        assert f"Tested on {title}" in texts
    assert texts.count("n = 30, ▼4") == 9


def test_figure_3_shows_the_paper_s_order_and_the_table_s_means(study, tmp_path):
    """Benchmark, standard, adaptive, whatever the order of the table; the means are those of the table."""
    draw_figure(**_inputs(study, "figure_3"), simulated=True, output=tmp_path / "f")
    shown = [text for text in _texts(tmp_path / "f") if "mean foreground" in text]
    assert shown == [
        "Benchmark, all labels: mean foreground 0.870",
        "Standard loss: mean foreground 0.700",
        "Adaptive loss: mean foreground 0.850",
    ]


def test_a_cell_without_images_leaves_its_box_out(tmp_path):
    """Where nothing could be scored there is no box, and the figure says n = 0."""
    rows = _figure_1_rows()
    for row in rows:
        if row["model"] == "e1-unity" and row["dataset"] == "camus":
            row.update({name: np.nan for name in row if name.startswith("dice_")} | {"n": 0, "n_failures": 0})
    table = _write_figure_table(rows, tmp_path / "figure_1.csv")
    draw_figure(item="figure_1", tables=[table], cases=[], predictions=[], simulated=True, output=tmp_path / "f")
    texts = _texts(tmp_path / "f")
    assert "n = 0" in texts
    assert texts.count("n = 30, ▼4") == 8


def test_two_boxes_for_one_place_are_refused(tmp_path):
    """Two models of one kind, or of one training set, would hide each other."""
    for item, rows, message in (
        ("figure_1", [row | {"train_on": "camus"} for row in _figure_1_rows()], "camus, camus: one box expected"),
        ("figure_3", [row | {"loss": "standard"} for row in _figure_3_rows()], "e3-adaptive, e3-standard"),
    ):
        table = _write_figure_table(rows, tmp_path / f"{item}.csv")
        with pytest.raises(ValueError, match=message):
            draw_figure(item=item, tables=[table], cases=[], predictions=[], simulated=True, output=tmp_path / "f")


def test_one_seed_without_a_standard_deviation_can_be_drawn(study, tmp_path):
    """A study with one seed has no spread over seeds; the curve is drawn all the same."""
    rows = [row for row in _figure_4_rows() if row["seed"] in {"0", "all"}]
    for row in rows:
        row["dice_sd"] = np.nan if row["seed"] == "all" else row["dice_sd"]
    inputs = _inputs(study, "figure_4")
    inputs["tables"][0] = _write_figure_table(rows, tmp_path / "figure_4.csv")
    draw_figure(**inputs, simulated=True, output=tmp_path / "f")
    assert "Without label dropout" in _texts(tmp_path / "f")


def test_columns_of_pictures_follow_the_order_of_the_predictions(study, tmp_path):
    """The table may name models in any order; the columns are those of the list of experiments."""
    draw_figure(**_inputs(study, "figure_2"), simulated=True, output=tmp_path / "f")
    texts = _texts(tmp_path / "f")
    first_lines = [style.MODEL_TITLES[model].split("\n")[0] for model in list(style.MODEL_TITLES)[:3]]
    second_lines = [style.MODEL_TITLES[model].split("\n")[1] for model in list(style.MODEL_TITLES)[:3]]
    shown = [text for text in texts if text in {*first_lines, *second_lines}]
    assert shown == [line for pair in zip(first_lines, second_lines, strict=True) for line in pair]


def test_figure_4_without_stores_has_its_curves_alone(study, tmp_path):
    """Where pictures of the data may not be passed on, the probabilities of label dropout still are."""
    draw_figure(**{**_inputs(study, "figure_4"), "cases": [], "predictions": []}, simulated=True, output=tmp_path / "f")
    texts = _texts(tmp_path / "f")
    assert any(text.startswith("Mean and standard deviation") for text in texts)
    assert "Left atrium in the paper (real data)" in texts  # of the structure that is hidden, not of the mean
    assert "Reference" not in texts
    assert not any(text.startswith("Dice: ") for text in texts)


def test_pictures_say_what_is_not_annotated_and_every_dice_score(study, tmp_path):
    """EchoNet's reference has no LVM and no LA; a score that the table lacks is a dash, never a number."""
    draw_figure(**_inputs(study, "figure_2"), simulated=True, output=tmp_path / "f")
    texts = _texts(tmp_path / "f")
    assert texts.count("not annotated: LVM, LA") == 1
    assert texts.count("all annotated") == 2
    assert texts.count("Dice: LV 0.87, LVM –, LA –") == 3
    assert texts.count("Dice: LV 0.87, LVM 0.87, LA –") == 3


def test_the_observer_s_masks_are_shown_where_the_observer_has_drawn(study, tmp_path):
    """Supplementary Figure 1 takes its references from the observer's store."""
    draw_figure(**_inputs(study, "supplementary_figure_1"), simulated=True, output=tmp_path / "f")
    assert _texts(tmp_path / "f").count("all annotated") == 3


def test_missing_observer_s_masks_are_an_error(study, tmp_path):
    """Without the observer's store the figure would show less than its title says."""
    inputs = _inputs(study, "supplementary_figure_1")
    inputs["cases"] = inputs["cases"][:1]
    with pytest.raises(ValueError, match="no reference of all of LV, LVM, LA in the stores"):
        draw_figure(**inputs, simulated=True, output=tmp_path / "f")


def test_a_missing_case_prediction_or_model_is_named(study, tmp_path):
    """Each message names what is missing, and where it was looked for."""
    inputs = _inputs(study, "figure_2")
    with pytest.raises(ValueError, match="case not found in the stores"):
        draw_figure(**inputs | {"cases": inputs["cases"][:1]}, simulated=True, output=tmp_path / "f")
    with pytest.raises(ValueError, match="No predictions of e2-adaptive-aug"):
        draw_figure(**inputs | {"predictions": inputs["predictions"][:2]}, simulated=True, output=tmp_path / "f")
    empty = tmp_path / "e2-adaptive-aug.npz"
    np.savez_compressed(empty, other=np.zeros(1))
    with pytest.raises(ValueError, match=r"no prediction seed-0/camus-.*found 1 others"):
        draw_figure(
            **inputs | {"predictions": [*inputs["predictions"][:2], empty]}, simulated=True, output=tmp_path / "f"
        )


def test_a_prediction_of_another_size_is_refused(study, tmp_path):
    """A label map that does not fit its image is an error, not a stretched picture."""
    inputs = _inputs(study, "figure_2")
    small = tmp_path / "e2-adaptive-aug.npz"
    with np.load(study / "predictions" / small.name) as archive:
        np.savez_compressed(small, **{key: archive[key][1:] for key in archive.files})
    with pytest.raises(
        ValueError, match=r"prediction of camus-.* does not fit \(expected \(400, 200\), found \(399, 200\)"
    ):
        draw_figure(
            **inputs | {"predictions": [*inputs["predictions"][:2], small]}, simulated=True, output=tmp_path / "f"
        )


def test_a_table_with_other_columns_is_refused(study, tmp_path):
    """A figure reads its own table only."""
    inputs = _inputs(study, "figure_1") | {"tables": [study / "figure_2.csv"]}
    with pytest.raises(ValueError, match=r"figure_2.csv: columns do not fit"):
        draw_figure(**inputs, simulated=True, output=tmp_path / "f")
    with pytest.raises(ValueError, match="Expected one table, found"):
        draw_figure(**inputs | {"tables": []}, simulated=True, output=tmp_path / "f")


def test_a_figure_of_hidden_labels_needs_some(study, tmp_path):
    """Where the list hides nothing from the models of Figure 3, the message names the column, not only a flag."""
    with pytest.raises(ValueError, match=r"Nothing is hidden .* such as LA@unity:1\.0 in the column hidden"):
        draw_figure(**_inputs(study, "figure_3") | {"hidden": ""}, simulated=True, output=tmp_path / "f")


def test_two_seeds_of_one_model_in_a_panel_are_refused(study, tmp_path):
    """A picture shows one prediction; which of two is meant would be a guess."""
    table = pd.read_csv(study / "figure_2.csv", keep_default_na=False)
    path = tmp_path / "figure_2.csv"
    write_table(pd.concat([table, table.assign(seed=1)]), path)
    with pytest.raises(ValueError, match=r"figure_2.csv: model .* has 2 values of seed"):
        draw_figure(**_inputs(study, "figure_2") | {"tables": [path]}, simulated=True, output=tmp_path / "f")


def test_the_source_images_are_not_changed(study, tmp_path):
    """Drawing reads stores; it does not write to them."""
    before = (study / "cases" / "camus" / "images.u8").read_bytes()
    draw_figure(**_inputs(study, "figure_2"), simulated=True, output=tmp_path / "f")
    assert (study / "cases" / "camus" / "images.u8").read_bytes() == before
    assert len(CaseStore(study / "cases" / "camus")) == 3


def test_every_model_with_pictures_has_a_title():
    """Each row of the list that is shown in a picture figure has a title in words."""
    table = pd.read_csv(ROOT / "config" / "experiments.tsv", sep="\t", keep_default_na=False)
    with_pictures = {"figure_2", "figure_5", "supplementary_figure_1"}
    shown = [row["model"] for row in table.to_dict("records") if with_pictures & set(row["shown_in"].split("+"))]
    assert shown
    assert set(shown) <= set(style.MODEL_TITLES)


def test_every_role_has_its_own_colour_and_hatch():
    """Three kinds of model stay apart in colour and in grey."""
    assert set(style.ROLE_COLOURS) == set(style.ROLE_HATCHES) == set(style.ROLE_TITLES)
    assert len(set(style.ROLE_COLOURS.values())) == len(set(style.ROLE_HATCHES.values())) == 3
    assert style.role("e3-benchmark", "standard") == "benchmark"
    assert style.role("e3-standard", "standard") == "standard"


@pytest.mark.parametrize("item", INSTRUMENT)
def test_a_figure_of_our_own_experiments_follows_the_columns_not_the_names(item, tmp_path):
    """Models under any name and rows in any order give the same picture: only columns say what a model is."""
    rows = _instrument_rows(item)
    (tmp_path / "again").mkdir()
    expected = _draw_instrument(item, rows, tmp_path)
    names = {name: f"m{index}" for index, name in enumerate(sorted({row["model"] for row in rows}))}
    renamed = [row | {"model": names[row["model"]]} for row in reversed(rows)]
    assert _draw_instrument(item, renamed, tmp_path / "again") == expected


@pytest.mark.parametrize("item", INSTRUMENT)
def test_two_models_in_one_place_are_refused(item, tmp_path):
    """The message names table and models; one mark would hide the other."""
    rows = _instrument_rows(item)
    with pytest.raises(ValueError, match=rf"{item}.csv: .*one model expected, found the rows of .*, other"):
        _draw_instrument(item, rows + [row | {"model": "other"} for row in rows[-8:]], tmp_path)


@pytest.mark.parametrize("item", INSTRUMENT)
def test_models_without_a_score_leave_their_place_empty(item, tmp_path):
    """A study of which nothing could be scored is drawn, and shows no number."""
    empty = dict.fromkeys(("dice_mean", "dice_sd", "dice_low", "dice_high"), np.nan) | {"n": 0, "n_patients": 0}
    texts = _draw_instrument(item, [row | empty for row in _instrument_rows(item)], tmp_path)
    assert not any("nan" in text for text in texts)
    assert any("n = 0" in text for text in texts)


def test_controls_show_what_would_settle_the_explanation(tmp_path):
    """Six ways to train in their order, with the table's mean and interval of the hidden structure."""
    texts = _draw_instrument("controls", _instrument_rows("controls"), tmp_path)
    assert [text for text in texts if "[" in text] == [
        "0.91 [0.89, 0.93]",
        *["0.61 [0.59, 0.63]"] * 4,
        "0.91 [0.89, 0.93]",
    ]
    lines = (
        *("(benchmark)", "no label dropout", "50 % label dropout", "pixels left out (oracle)"),
        *("whatever the data set", "(plain domain gap)"),
    )
    assert [text for text in texts if text in lines] == list(lines)
    assert any("What would settle the explanation" in text for text in texts)
    assert "Dice score, left atrium, Unity Imaging (n = 30 images, 30 patients)" in texts


def test_the_dose_response_marks_the_study_s_own_severity(tmp_path):
    """Five severities, four kinds of model; the mark follows the table."""
    texts = _draw_instrument("dose_response", _instrument_rows("dose_response"), tmp_path)
    assert texts.count("severity of this study") == 1
    assert [text for text in texts if re.fullmatch(r"\d\.\d\d", text)] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    for name in ("benchmark", "adaptive", "single", "marginal"):
        assert arms.LOOKS[name].title in texts


def test_a_dose_response_of_real_data_is_refused(tmp_path):
    """Nobody knows how far real data sets lie apart."""
    rows = [row | {"severity": np.nan, "study_severity": np.nan} for row in _instrument_rows("dose_response")]
    with pytest.raises(ValueError, match=r"dose_response.csv: severity of .* is unknown \(expected simulated data\)"):
        _draw_instrument("dose_response", rows, tmp_path)


def test_losses_have_a_panel_per_setting_and_missing_structure(tmp_path):
    """Across domains and within one: the left atrium alone, then myocardium and left atrium."""
    texts = _draw_instrument("losses", _instrument_rows("losses"), tmp_path)
    titles = ["Left atrium (LA missing)", "Myocardium (LVM and LA missing)", "Left atrium (LVM and LA missing)"]
    assert [text for text in texts if "missing)" in text] == titles * 2
    lines = ["Across domains", "(Unity Imaging)", "Within a domain", "(CAMUS)"]
    assert [text for text in texts if text in lines] == lines
    assert [text for text in texts if text in {"Standard", "Adaptive", "Marginal"}][:3] == [
        "Standard",
        "Adaptive",
        "Marginal",
    ]


def test_losses_of_a_part_of_the_settings_can_be_drawn(tmp_path):
    """A smaller study shows the panels that it has."""
    rows = [row for row in _instrument_rows("losses") if row["hidden"] in {"", "LA@unity:1.0"}]
    texts = _draw_instrument("losses", rows, tmp_path)
    assert [text for text in texts if "missing)" in text] == ["Left atrium (LA missing)"]
    with pytest.raises(ValueError, match="no model has hidden labels"):
        _draw_instrument("losses", [row for row in rows if not row["hidden"]], tmp_path)


def test_remedies_have_a_panel_for_every_place_where_labels_are_hidden(tmp_path):
    """Three places on real cells, each with its own ways to train in the same rows."""
    rows = _instrument_rows("remedies", "experiments_cells.tsv", ("nucleus", "cytoplasm"))
    cells = [{"name": "nucleus"}, {"name": "cytoplasm"}]
    draw = functools.partial(_draw_instrument, "remedies", structures=cells)
    texts = draw(rows, tmp_path, simulated=False)
    assert [text for text in texts if text in {"nucleus,", "cytoplasm,"}] == ["cytoplasm,", "cytoplasm,", "nucleus,"]
    assert [text for text in texts if text.startswith("laboratory_")] == [
        "laboratory_2",
        "laboratory_1",
        "laboratory_2",
    ]
    trained = ["Adaptive loss, label dropout, 10 %", "Adaptive loss, label dropout, 50 %", "Other data set alone"]
    assert [text for text in texts if text in trained] == trained
    # The benchmark stands in all three panels, and the first laboratory alone in two.
    assert sum(text == "0.91" for text in texts) == len({row["model"] for row in rows}) + 3
    again = [row | {"model": "other"} for row in rows if row["model"] == "n2-oracle"]
    with pytest.raises(ValueError, match=r"remedies\.csv: .*one model expected, found the rows of .*, other"):
        draw(rows + again, tmp_path)
    with pytest.raises(ValueError, match="no model has hidden labels"):
        draw([row for row in rows if not row["hidden"]], tmp_path)


def test_networks_have_a_panel_each(tmp_path):
    """U-Net first, then the others; a network without a title is shown under its own name."""
    rows = _instrument_rows("architectures")
    rows = [row | {"network": "unetr"} if row["network"] == "swin_unetr" else row for row in rows]
    texts = _draw_instrument("architectures", rows, tmp_path)
    networks = ["U-Net", "Attention U-Net", "unetr"]
    assert [text for text in texts if text in networks] == networks


def test_augmentations_have_a_panel_each(tmp_path):
    """From none to strong, with the same five ways to train in each."""
    texts = _draw_instrument("augmentation", _instrument_rows("augmentation"), tmp_path)
    titles = ["No augmentation", "nnU-Net's default", "Strong, on every image"]
    assert [text for text in texts if text in titles] == titles
    remedies = ["(benchmark)", "10 % label dropout", "50 % label dropout", "Marginal loss"]
    assert [text for text in texts if text in remedies] == remedies


def _decomposition_rows(**lost):
    """Rows of each part with these losses of Dice, from a benchmark of 0.9; two seeds and all."""
    return [
        {
            "part": part,
            "model": "b",
            "against": "a",
            "dataset": "unity",
            "structure": "LA",
            "seed": seed,
            "dice": 0.9 - lost[key],
            "dice_against": 0.9,
            "lost": lost[key],
            "lost_low": lost[key] - 0.02,
            "lost_high": lost[key] + 0.02,
            "interval": "typed",
            "lost_sd_seeds": 0.01,
            "n": 30,
            "n_patients": 20,
            "data": "simulated",
        }
        for key, part in (("both", LOST), ("missing", MISSING_LABELS), ("place", IN_PLACE), ("gap", GAP))
        if key in lost
        for seed in ("0", "1", "all")
    ]


def _draw_table(item, rows, columns, folder, *, simulated=True):
    """The texts of a figure whose table has columns of its own."""
    path = folder / f"{item}.csv"
    write_table(pd.DataFrame(rows)[list(columns)], path, columns)
    draw_figure(item=item, tables=[path], cases=[], predictions=[], simulated=simulated, output=folder / "f")
    return _texts(folder / "f")


def test_the_decomposition_shows_every_part_with_its_number(tmp_path):
    """What is lost, its two parts and the plain domain gap; without the single data set three parts remain."""
    rows = _decomposition_rows(both=0.35, missing=0.15, place=0.2, gap=0.05)
    texts = _draw_table("decomposition", rows, DECOMPOSITION, tmp_path)
    assert [text for text in texts if re.fullmatch(r"[+−-]\d\.\d\d", text)] == ["+0.35", "+0.15", "+0.20", "+0.05"]
    assert "pixels left out (oracle)" in texts
    assert any("(simulated data)" in text for text in texts)
    without = [row for row in rows if row["part"] != GAP]
    texts = _draw_table("decomposition", without, DECOMPOSITION, tmp_path, simulated=False)
    assert "Other data set alone" not in texts
    assert any("(real data)" in text for text in texts)


def test_a_decomposition_of_two_cells_or_models_is_refused(tmp_path):
    """One mark would hide another."""
    rows = _decomposition_rows(both=0.35, missing=0.15, place=0.2)
    with pytest.raises(ValueError, match=r"decomposition.csv: expected one hidden structure in one data set"):
        _draw_table("decomposition", [*rows, rows[0] | {"structure": "LVM"}], DECOMPOSITION, tmp_path)
    with pytest.raises(ValueError, match=r"decomposition.csv: .*expected once, found in several models"):
        _draw_table("decomposition", [*rows, rows[0] | {"model": "other"}], DECOMPOSITION, tmp_path)


def _two_lengths():
    """The rows of both studies; every training gains 0.05 in the longer one."""
    return [
        row
        | {"steps": steps, "study": study, "dice_mean": row["dice_mean"] + gain}
        | {"n_seeds": 2, "change": 0, "change_low": 0, "change_high": 0}
        for study, steps, gain in (("short", 600, 0), ("long", 2400, 0.05))
        for row in _instrument_rows("training_length")
    ]


def test_two_lengths_of_training_stand_side_by_side(tmp_path):
    """A panel where labels are hidden, and one for each structure that only an observer drew."""
    texts = _draw_table("long_short", _two_lengths(), LONG_SHORT, tmp_path)
    seen_by_observer = "EchoNet-Dynamic (observer)"
    titles = ["Left atrium", "Unity Imaging", "Myocardium", seen_by_observer, "Left atrium", seen_by_observer]
    assert [text for text in texts if text in titles] == titles
    assert texts.count("600") == texts.count("2400") == 3
    for words in ("All labels (benchmark)", "Adaptive loss, 10 % label dropout", "Marginal loss"):
        assert words in texts


def test_the_two_trainings_of_a_seed_are_joined():
    """Bars that overlap would hide that every seed moves alike."""
    figure = long_short.draw(pd.DataFrame(_two_lengths()), {}, style.looks_of(CONFIGURED), simulated=True)
    joined = [tuple(np.round(line.get_ydata(), 2)) for line in figure.axes[0].lines if line.get_linewidth() == 0.5]
    assert set(joined) >= {(0.6, 0.65), (0.61, 0.66), (0.62, 0.67)}


def test_label_sets_say_whose_reference_counts(tmp_path):
    """The ventricle is scored against the data set's labels, what it lacks against the observer's masks."""
    rows = _instrument_rows("label_sets")
    of_lv = [row | {"reference": "observer"} for row in rows if (row["dataset"], row["structure"]) == ("echonet", "LV")]
    texts = _draw_instrument("label_sets", rows + of_lv, tmp_path)
    assert texts.count("(its own labels)") == 1
    assert texts.count("(drawn by the observer)") == 2
    rows = [row for row in rows if row["reference"] == "dataset"]
    with pytest.raises(ValueError, match="expected an observer's scores in one data set"):
        _draw_instrument("label_sets", rows, tmp_path)


def test_labels_hidden_in_several_data_sets_are_refused(tmp_path):
    """The figures speak of one data set; a cell that cannot be read is no guess either."""
    for cell in ("LA@unity:1.0+LVM@camus:0.5", "LA"):
        rows = [row | {"hidden": cell} if row["hidden"] else row for row in _instrument_rows("losses")]
        with pytest.raises(ValueError, match=r"losses.csv: hidden .* cannot be shown"):
            _draw_instrument("losses", rows, tmp_path)


def test_kinds_of_models_stay_apart_in_grey():
    """Each kind has a colour and a marker of its own."""
    looks = arms.LOOKS.values()
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)
