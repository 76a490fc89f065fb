"""Biomarkers of patients: from stores and predictions to agreement with the reference and the truth."""

import math

import numpy as np
import pandas as pd
import pytest

from labeldropout.case import Case
from labeldropout.cohorts import simulate
from labeldropout.datasets.report import ImportReport
from labeldropout.drawing import draw_figure
from labeldropout.labels import Instant, State, Structure, View
from labeldropout.measuring import Picture, agreement_table, measure_model, measure_patient, write_agreement
from labeldropout.published import BIOMARKER_AGREEMENT, BIOMARKERS
from labeldropout.store import CaseStore, read_table, write_cases, write_predictions

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
    assert len(read_table(files[3], BIOMARKERS)) == 2 * len(pd.read_csv(measured / "one.csv"))
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
            simulated=True,
            output=measured / f"figure_{name}",
        )
        pictures_made.append((table.read_bytes(), (measured / f"figure_{name}.svg").read_bytes()))
    assert pictures_made[0] == pictures_made[1]
    assert b"simulated data" in pictures_made[0][1]


def test_a_prediction_of_an_unknown_case_is_refused(measured):
    """The message names the archive and the case."""
    write_predictions([("seed-0/nobody", np.zeros((4, 4), np.uint8))], measured / "other.npz")
    with pytest.raises(ValueError, match=r"other.npz: case nobody is in none of the stores"):
        measure_model(
            "m", measured / "other.npz", [measured / "cases" / "camus"], [], ["LV"], measured / "x.csv", simulated=True
        )


def test_volumes_of_simulated_hearts_are_those_of_their_solids(tmp_path):
    """Masks cut from hearts whose volumes are integrals: biplane within 10 % of each, fractions within 4 points."""
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
        [truth / "hearts.csv"],
        ["LV", "LVM", "LA"],
        tmp_path / "m.csv",
        simulated=True,
    )
    table = read_table(tmp_path / "m.csv", BIOMARKERS, ("instant",))
    volumes = table[table["measure"] == "lv_volume_biplane"]
    assert len(volumes) == 8
    assert (np.abs(volumes["prediction"] / volumes["truth"] - 1) < 0.10).all()
    fractions = table[table["measure"] == "lv_ejection_fraction_biplane"]
    assert (np.abs(fractions["prediction"] - fractions["truth"]) < 4).all()
    assert (table["prediction"] == table["reference"]).all()
    agreement = agreement_table(table)
    assert agreement.loc[agreement["masks"] == "all", "bias"].notna().all()
