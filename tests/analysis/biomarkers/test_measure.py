"""Biomarkers of patients: from stores and predictions to agreement with the reference and the truth."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from workflow_copy import CONFIGURATION

from labeldropout.analysis.biomarkers.agree import (
    BIOMARKER_AGREEMENT,
    agreement_table,
    read_biomarkers,
    write_agreement,
)
from labeldropout.analysis.biomarkers.measure import BIOMARKERS, Picture, measure_model, measure_patient
from labeldropout.case import Case
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.data.simulate import simulate
from labeldropout.files import read_table, write_table
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View
from labeldropout.learning.predictions import write_predictions
from labeldropout.publication.figures.draw import draw_figure
from labeldropout.simulation.anatomy import draw_heart, draw_pose, volumes_ml
from labeldropout.simulation.planes import label_map

ALL = frozenset({Structure.LV, Structure.LVM, Structure.LA})
LV_ONLY = frozenset({Structure.LV})


def heart(lv=(40.0, 20.0), la=(15.0, 15.0), spacing=0.5):
    """A label map with elliptic chambers of these half axes (length, width) in mm, and a wall of 8 mm."""
    row, column = np.indices((280, 160))
    y, x = (row - 110) * spacing, (column - 80) * spacing
    labels = np.zeros(row.shape, np.uint8)
    labels[(y / (lv[0] + 8)) ** 2 + (x / (lv[1] + 8)) ** 2 <= 1] = Structure.LVM
    labels[(y / lv[0]) ** 2 + (x / lv[1]) ** 2 <= 1] = Structure.LV
    if la is not None:
        labels[((y - 66) / la[0]) ** 2 + (x / la[1]) ** 2 <= 1] = Structure.LA
    return labels


def pictures(views, ed, es, spacing=(0.5, 0.5), structures=ALL):
    """Both instants in these views."""
    return [
        Picture(view, instant, spacing, labels, structures)
        for view in views
        for instant, labels in ((Instant.ED, ed), (Instant.ES, es))
    ]


def by_measure(values):
    """Numbers by measure and instant."""
    return {(key[0], key[3]): found.value for key, found in values.items()}


def test_a_patient_with_two_views_has_every_measure_in_ml():
    """Ellipsoids: 4/3 pi 40 20 20 at ED, 4/3 pi 35 15 15 at ES; the fraction follows; the atrium fills meanwhile."""
    found = measure_patient(pictures((View.A2C, View.A4C), heart(), heart((35.0, 15.0), (20.0, 18.0))))
    number = by_measure(found)
    ed, es = (4 / 3 * math.pi * length * width**2 / 1000 for length, width in ((40, 20), (35, 15)))
    for method in ("area_length", "discs", "biplane"):
        assert number[f"lv_volume_{method}", "ED"] == pytest.approx(ed, rel=0.02)
        assert number[f"lv_volume_{method}", "ES"] == pytest.approx(es, rel=0.02)
        assert number[f"lv_ejection_fraction_{method}", "ED+ES"] == pytest.approx(100 * (1 - es / ed), abs=1)
        filled, emptied = 20 * 18**2, 15**3
        fraction = 100 * (1 - emptied / filled)
        assert number[f"la_emptying_fraction_{method}", "ED+ES"] == pytest.approx(fraction, abs=1.5)
    assert number["lv_area", "ED"] == pytest.approx(math.pi * 40 * 20 / 100, rel=0.01)
    assert number["lvm_area", "ED"] == pytest.approx(math.pi * (48 * 28 - 40 * 20) / 100, rel=0.01)
    views = {key[0]: key[2] for key in found}
    assert views["lv_volume_discs"] == "A4C"
    assert views["lv_volume_biplane"] == "A4C+A2C"


def test_without_spacing_there_are_ratios_and_areas_in_pixels():
    """The fraction is the same as in mm; no volume is given in any unit."""
    images = heart(), heart((35.0, 15.0))
    in_mm, in_px = (measure_patient(pictures((View.A4C,), *images, spacing)) for spacing in ((0.5, 0.5), None))
    assert {key[4] for key in in_px} == {"px", "percent"}
    fraction = ("lv_ejection_fraction_discs", "ED+ES")
    assert by_measure(in_px)[fraction] == pytest.approx(by_measure(in_mm)[fraction])


def test_without_an_instant_there_are_areas_only():
    """A still of an unknown moment has areas, averaged over the patient's images of a view; no volume."""
    stills = [Picture(View.A2C, "", (0.5, 0.5), heart((length, 20.0)), ALL) for length in (36.0, 44.0)]
    found = measure_patient(stills)
    assert {key[0] for key in found} == {"lv_area", "lvm_area", "la_area"}
    assert by_measure(found)["lv_area", ""] == pytest.approx(math.pi * 40 * 20 / 100, rel=0.01)


def test_an_empty_mask_is_measured_as_nothing_and_said_to_be_empty():
    """Volume 0 at ES is a fraction of 100 %; where the full chamber is empty there is none; reasons stand beside it."""
    found = measure_patient(pictures((View.A4C,), heart(la=None), heart((35.0, 15.0), None)))
    fraction = next(value for key, value in found.items() if key[0] == "la_emptying_fraction_discs")
    assert math.isnan(fraction.value)
    assert fraction.reasons == {"empty"}
    filled = measure_patient(pictures((View.A4C,), heart(la=None), heart()))
    assert by_measure(filled)["la_emptying_fraction_discs", "ED+ES"] == 100


def test_only_the_ventricle_needs_an_apex():
    """An atrium is widest at the valve, and a myocardium open at the base: that is no fault of theirs."""
    labels = heart()
    labels[:200][labels[:200] == Structure.LA] = 0
    found = measure_patient(pictures((View.A4C,), labels, labels))
    assert {reason for key, value in found.items() if key[1] != "LV" for reason in value.reasons} == set()
    labels[:110][labels[:110] == Structure.LV] = 0
    cut = measure_patient(pictures((View.A4C,), labels, labels))
    assert all("no apex" in value.reasons for key, value in cut.items() if key[1] == "LV")


def test_the_atrium_is_cut_across_the_line_from_the_ventricle():
    """A wide atrium has its volume; so it has where no ventricle, or only a speck of one, is drawn."""
    labels = heart(la=(12.0, 22.0))
    truth = 4 / 3 * math.pi * 12 * 22**2 / 1000
    alone = np.where(labels == Structure.LA, labels, 0)
    speck = alone.copy()
    speck[205:208, 10:13] = Structure.LV
    for image, structures in ((labels, ALL), (alone, ALL), (speck, ALL), (labels, ALL - LV_ONLY)):
        found = by_measure(measure_patient(pictures((View.A4C,), image, image, structures=structures)))
        for method in ("area_length", "discs"):
            assert found[f"la_volume_{method}", "ES"] == pytest.approx(truth, rel=0.03)


def test_a_speck_of_an_atrium_is_not_plausible():
    """Four pixels when it is full (ES) have no fraction, else one patient decided a mean; at ED it empties fully."""
    speck = heart(la=None)
    speck[240:242, 80:82] = Structure.LA
    for ed, es, expected in ((heart(), speck, math.nan), (speck, heart(), 100)):
        found = measure_patient(pictures((View.A4C,), ed, es))
        fraction = next(value for key, value in found.items() if key[0] == "la_emptying_fraction_discs")
        assert fraction.value == pytest.approx(expected, abs=0.1, nan_ok=True)
        assert fraction.reasons == {"too small"}


def store_of(cases, folder):
    """A store of these cases."""
    write_cases(cases, folder, ImportReport(cases[0].dataset))
    return CaseStore(folder)


def study_case(dataset, group, view, instant, labels):
    """A case of a data set with spacing and all structures (camus), or without and the ventricle only (echonet)."""
    known = dataset == "camus"
    states = {s: State.LABELLED if known or s is Structure.LV else State.UNKNOWN for s in ALL}
    return Case(
        dataset=dataset,
        group_name=f"patient{group}",
        frame=0,
        image=np.zeros(labels.shape, np.uint8),
        target=np.where(np.isin(labels, [s for s in ALL if states[s] is State.LABELLED]), labels, 0).astype(np.uint8),
        states=states,
        pixel_spacing_mm=(0.5, 0.5) if known else None,
        view=view,
        instant=instant,
        source="",
        source_sha256="",
    )


@pytest.fixture
def measured(tmp_path):
    """Four patients of two data sets; seed 0 predicts the reference, seed 1 loses an atrium and widens every LV."""
    stores, maps = [], {}
    for dataset, views in (("camus", tuple(View)), ("echonet", (View.A4C,))):
        cases = []
        for group in range(4):
            for view in views:
                for instant, lv, la in ((Instant.ED, (40.0, 20.0 + group), 15.0), (Instant.ES, (35.0, 14.0), 18.0)):
                    case = study_case(dataset, group, view, instant, heart(lv, (la, la)))
                    cases.append(case)
                    maps[f"seed-0/{case.id}"] = heart(lv, (la, la))
                    wide = (lv[0], lv[1] + 1)
                    maps[f"seed-1/{case.id}"] = heart(wide, None if group == 0 else (la, la))
        stores.append(store_of(cases, tmp_path / "cases" / dataset).directory)
    write_predictions(sorted(maps.items()), tmp_path / "m.npz")
    for model in ("one", "two"):
        measure_model(
            model, tmp_path / "m.npz", stores, [], ["LV", "LVM", "LA"], tmp_path / f"{model}.csv", simulated=True
        )
    return tmp_path


def test_tables_hold_every_seed_and_say_what_is_implausible(measured):
    """A perfect seed agrees exactly; the other has its bias; a lost atrium is counted and not averaged away."""
    files = write_agreement([measured / "one.csv", measured / "two.csv"], measured / "biomarkers", simulated=True)
    assert [path.suffix for path in files] == [".csv", ".md", ".tex", ".csv"]
    assert files[1].read_text().startswith("Simulated data.")
    table = read_table(files[0], BIOMARKER_AGREEMENT, ("seed", "views", "instant"))
    listed, whole = read_table(files[3], BIOMARKERS), read_table(measured / "one.csv", BIOMARKERS)
    assert set(listed["seed"]) == {0}, "the patients' table is that of a plot: one seed, fractions and volumes"
    kept = whole[(whole["seed"] == 0) & whole["measure"].isin(set(listed["measure"]))]
    assert len(listed) == 2 * len(kept)
    assert {"lv_ejection_fraction_biplane", "la_volume_biplane"} <= set(listed["measure"])
    assert not listed["measure"].str.contains("area").any()
    mine = table[(table["model"] == "one") & (table["dataset"] == "camus") & (table["against"] == "reference")]
    volume = mine[(mine["measure"] == "lv_volume_biplane") & (mine["instant"] == "ED")].set_index("seed")
    assert volume.loc["0", ["bias", "mae", "sd"]].tolist() == [0, 0, 0]
    assert volume.loc["1", "bias"] > 3
    assert volume.loc["all", "bias"] == pytest.approx(volume.loc["1", "bias"] / 2)
    assert volume.loc["all", "n"] == 4
    atrium = mine[(mine["measure"] == "la_volume_biplane") & (mine["instant"] == "ES")].set_index(["masks", "seed"])
    assert atrium.loc[("all", "1"), "n_implausible"] == 1
    assert atrium.loc[("all", "1"), ["n", "bias"]].tolist() == pytest.approx(
        [4, -4 / 3 * math.pi * 18**3 / 4000], rel=0.03
    )
    assert atrium.loc[("plausible", "1"), ["n", "bias"]].tolist() == [3, 0]
    echonet = table[table["dataset"] == "echonet"]
    assert set(echonet["measure"]) == {
        "lv_area", "lv_ejection_fraction_discs", "lv_ejection_fraction_area_length"
    }  # fmt: skip


def test_the_same_masks_give_the_same_bytes(measured):
    """Two runs write one table, and the figure can be drawn from it, twice alike and saying that data are simulated."""
    pictures_made = []
    for name in ("a", "b"):
        table, _, _, patients = write_agreement([measured / "one.csv"], measured / name, simulated=True)
        draw_figure(
            item="biomarkers",
            tables=[table, patients],
            cases=[],
            predictions=[],
            structures=CONFIGURATION["structures"],
            hidden="",
            simulated=True,
            output=measured / f"figure_{name}",
        )
        pictures_made.append((table.read_bytes(), (measured / f"figure_{name}.svg").read_bytes()))
    assert pictures_made[0] == pictures_made[1]
    assert b"simulated data" in pictures_made[0][1]


def test_every_fraction_of_a_simulated_heart_has_a_truth(measured):
    """By each formula: the ejection fraction that the heart's own volumes have, and the atrium's emptying."""
    patients = CaseStore(measured / "cases" / "camus").table["patient"].unique()
    volumes = {"LV_ED_ml": 100.0, "LV_ES_ml": 40.0, "LVM_ED_ml": 120.0, "LVM_ES_ml": 120.0}
    volumes |= {"LA_ED_ml": 30.0, "LA_ES_ml": 50.0}
    hearts = measured / "cases" / "camus" / "hearts.csv"
    pd.DataFrame([{"patient": name, "group_name": name, **volumes, "ef_percent": 60.0} for name in patients]).to_csv(
        hearts, index=False
    )
    predictions = {
        f"seed-0/{case}": heart() for case in CaseStore(measured / "cases" / "camus").table["case"].sort_values()
    }
    write_predictions(sorted(predictions.items()), measured / "t.npz")
    store = measured / "cases" / "camus"
    measure_model("m", measured / "t.npz", [store], [store], ["LV", "LA"], measured / "t.csv", simulated=True)
    table = read_biomarkers(measured / "t.csv")
    fractions = table[table["unit"] == "percent"].set_index("measure")["truth"]
    assert set(fractions.index) == {
        f"{name}_{method}"
        for name in ("lv_ejection_fraction", "la_emptying_fraction")
        for method in ("area_length", "discs", "biplane")
    }
    assert (fractions[fractions.index.str.startswith("lv")] == 60).all()
    assert (fractions[fractions.index.str.startswith("la")] == 40).all()


def table_of(rows):
    """`BIOMARKERS` of the emptying fraction on four patients: (seed, predictions, reasons) each."""
    return pd.DataFrame(
        [
            {
                "model": "m",
                "seed": seed,
                "dataset": "echonet",
                "patient": f"p{patient}",
                "measure": "la_emptying_fraction_discs",
                "structure": "LA",
                "views": "A4C",
                "instant": "ED+ES",
                "unit": "percent",
                "prediction": predicted,
                "reference": math.nan,
                "truth": 40.0 + patient,
                "true_masks": 50.0 + patient,
                "implausible_prediction": reasons,
                "implausible_reference": "",
                "implausible_true_masks": "",
                "data": "simulated",
            }
            for seed, predictions, given in rows
            for patient, (predicted, reasons) in enumerate(zip(predictions, given, strict=True))
        ],
        columns=list(BIOMARKERS),
    )


def test_a_model_that_never_draws_the_structure_keeps_its_row(tmp_path):
    """All patients undefined, no number, in the CSV and in the table for people; the figure says so in words."""
    nothing = ([math.nan] * 4, ["empty"] * 4)
    drawn = ([41.0, 40.0, 43.0, 44.0], [""] * 4)
    never = table_of([(0, *nothing)])
    sometimes = table_of([(0, *nothing), (1, *drawn), (2, *drawn)]).assign(model="n")
    for table in (never, sometimes):
        write_table(table, tmp_path / f"{table['model'].iloc[0]}.csv", BIOMARKERS)
    files = write_agreement([tmp_path / "m.csv", tmp_path / "n.csv"], tmp_path / "biomarkers", simulated=True)
    found = read_table(files[0], BIOMARKER_AGREEMENT, ("seed",))
    found = found[found["masks"] == "all"].set_index(["model", "seed"])
    true, found = found[found["measured"] == "true_masks"], found[found["measured"] == "prediction"]
    assert found.loc["m", ["n", "n_missing", "n_empty"]].to_numpy().tolist() == [[0, 4, 4]] * 2
    assert found.loc["m", "bias"].isna().all()
    assert found.loc["n", "n"].to_dict() == {"0": 0, "1": 4, "2": 4, "all": 0}
    assert found.loc[("n", "all"), "n_missing"] == pytest.approx(4 / 3)
    assert math.isnan(found.loc[("n", "all"), "bias"])
    assert found.loc[("n", "1"), "bias"] == pytest.approx(0.5)
    assert "| 0 | 4.0 | 4.0 (empty 4.0) | – | – | – | – | – | – |" in files[1].read_text()
    # Without a reference, the simulator's masks show what plane and formula alone do: once, for both models.
    assert files[1].read_text().count("| true masks | – | echonet | la emptying fraction discs ED+ES (percent) |") == 1
    assert (true["bias"] == 10).all()
    draw_figure(
        item="biomarkers",
        tables=[files[0], files[3]],
        cases=[],
        predictions=[],
        structures=CONFIGURATION["structures"],
        hidden="",
        simulated=True,
        output=tmp_path / "f",
    )
    assert "bias of the true masks" in (tmp_path / "f.svg").read_text()
    assert (tmp_path / "f.svg").read_text().count("nothing could be measured") == 2


def test_every_reason_is_counted():
    """A patient with two reasons counts once as implausible and once under each; all is the mean over seeds."""
    values = [41.0, 40.0, 43.0, 44.0]
    table = table_of(
        [
            (0, values, ["too small", "", "cut by the border; several components", "too small"]),
            (1, values, ["", "", "no apex", ""]),
        ]
    )
    found = agreement_table(table)
    found = found[found["masks"] == "plausible"].set_index("seed")
    names = ["n_implausible", "n_empty", "n_too_small", "n_several_components", "n_cut_by_the_border", "n_no_apex"]
    assert found.loc["0", names].tolist() == [3, 0, 2, 1, 1, 0]
    assert found.loc["1", names].tolist() == [1, 0, 0, 0, 0, 1]
    assert found.loc["all", names].tolist() == [2, 0, 1, 0.5, 0.5, 0.5]
    assert found["n"].tolist() == [1, 3, 1]


def test_the_figure_says_what_is_subtracted_and_which_models_it_leaves_out(tmp_path):
    """Title and rows name reference and truth; a model tested in fewer rows is in the table only, and that is said."""
    values = [41.0, 40.0, 43.0, 44.0]
    atrium = table_of([(0, values, ["", "", "", "too small"])])
    ventricle = atrium.assign(
        measure="lv_ejection_fraction_discs", structure="LV", reference=40.0, implausible_prediction=""
    )
    everywhere = pd.concat([atrium, ventricle]).assign(model="e4b-pattern")
    for model, table in (("e4b-pattern", everywhere), ("other", ventricle.assign(model="other"))):
        write_table(table, tmp_path / f"{model}.csv", BIOMARKERS)
    files = write_agreement(
        [tmp_path / "e4b-pattern.csv", tmp_path / "other.csv"], tmp_path / "biomarkers", simulated=True
    )
    draw_figure(
        item="biomarkers",
        tables=[files[0], files[3]],
        cases=[],
        predictions=[],
        structures=CONFIGURATION["structures"],
        hidden="",
        simulated=True,
        output=tmp_path / "f",
    )
    drawn = (tmp_path / "f.svg").read_text()
    for words in (
        "prediction minus reference or truth, as each row says",
        "discs, minus reference",
        "discs, minus truth",
        "of whole label sets",
        "plausible: n = 3, bias",
        "Shown, of 2 models, those tested in the most rows: e4b-pattern; 1 more stands in the table biomarkers.",
    ):
        assert words in drawn


def test_the_reference_is_shown_once(measured):
    """What the formula does to the annotator's masks is the same for all models of the same images."""
    tables = [measured / "one.csv", measured / "two.csv"]
    for path in tables:
        table = read_biomarkers(path)
        write_table(table.assign(truth=table["reference"] - 1), path, BIOMARKERS)
    files = write_agreement(tables, measured / "once", simulated=True)
    rows = [
        row for row in files[1].read_text().splitlines() if row.startswith("| reference masks | – | camus | lv vol")
    ]
    assert len(rows) == 2  # biplane at ED and ES
    assert files[1].read_text().count("| two | 2 | camus | lv volume biplane ED (ml) | truth |") == 1


def test_a_prediction_of_an_unknown_case_is_refused(measured):
    """The message names the archive and the case."""
    write_predictions([("seed-0/nobody", np.zeros((4, 4), np.uint8))], measured / "other.npz")
    with pytest.raises(ValueError, match=r"other.npz: case nobody is in none of the stores"):
        measure_model(
            "m", measured / "other.npz", [measured / "cases" / "camus"], [], ["LV"], measured / "x.csv", simulated=True
        )


def test_volumes_of_simulated_hearts_are_those_of_their_solids(tmp_path):
    """Masks cut from hearts whose volumes are integrals, against these: the ventricle within 10 % by two planes.

    Planes beside the long axis miss the widest part of the atrium: its volumes are too small, and by how much is said
    here. One plane errs by more than two, in both chambers.
    """
    root, truth = tmp_path / "raw", tmp_path / "truth"
    simulate("camus", {"patients": 4, "release": "nifti"}, 0.5, 11, root, truth)
    store = CaseStore(truth)
    write_predictions(
        ((f"seed-0/{case}", np.asarray(store.target(row))) for row, case in enumerate(store.table["case"])),
        tmp_path / "m.npz",
    )
    measure_model(
        "m",
        tmp_path / "m.npz",
        [truth],
        [truth],
        ["LV", "LVM", "LA"],
        tmp_path / "m.csv",
        simulated=True,
    )
    table = read_biomarkers(tmp_path / "m.csv")
    volumes = table[table["measure"] == "lv_volume_biplane"]
    assert len(volumes) == 8
    assert (np.abs(volumes["prediction"] / volumes["truth"] - 1) < 0.10).all()
    fractions = table[table["measure"] == "lv_ejection_fraction_biplane"]
    assert (np.abs(fractions["prediction"] - fractions["truth"]) < 4).all()
    assert (table["prediction"] == table["reference"]).all()
    assert (table["prediction"] == table["true_masks"]).all()

    def shares(measure):
        of_measure = table[table["measure"] == measure]
        return (of_measure["prediction"] / of_measure["truth"]).to_numpy(float)

    # Measured: -9 % to +4 % (ventricle) and -4 % to -22 % (atrium) in one plane, 0 to -8 % (atrium) in two.
    for method in ("discs", "area_length"):
        assert np.abs(shares(f"lv_volume_{method}") - 1).max() < 0.16
        assert (shares(f"la_volume_{method}") > 0.65).all()
        assert (shares(f"la_volume_{method}") < 1).all()
    assert (shares("la_volume_biplane") > 0.80).all()
    assert (shares("la_volume_biplane") < 1).all()
    emptied = table[table["measure"].str.startswith("la_emptying_fraction")]
    assert (np.abs(emptied["prediction"] - emptied["truth"]) < 8).all()
    agreement = agreement_table(table)
    assert agreement.loc[agreement["masks"] == "all", "bias"].notna().all()


def test_planes_through_the_long_axis_show_the_atrium_s_volume():
    """Both planes on the axis: within 8 % of the solid, the wide atria too; what planes beside it miss is no formula's.

    Measured over 40 hearts: -2 % (spread 2 %), and -11 % at ED, -8 % at ES where planes are placed as by a hand.
    """
    rng = np.random.default_rng(3)
    rows, columns = np.arange(0, 200, 0.5, np.float32)[:, None], np.arange(-90, 90, 0.5, np.float32)[None]
    for _ in range(8):
        solid = draw_heart(rng)
        planes = {view: replace(draw_pose(view, 5.0, 0.6, rng), offset=0.0, slope=0.0) for view in View}
        found = by_measure(
            measure_patient(
                [
                    Picture(view, instant, (0.5, 0.5), label_map(solid, pose, phase, rows, columns), ALL)
                    for view, pose in planes.items()
                    for instant, phase in ((Instant.ED, 0.0), (Instant.ES, 1.0))
                ]
            )
        )
        for instant, phase in (("ED", 0.0), ("ES", 1.0)):
            truth = volumes_ml(solid, phase)[Structure.LA]
            assert found["la_volume_biplane", instant] == pytest.approx(truth, rel=0.08)
