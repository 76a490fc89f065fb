"""Simulated data sets: written in the native formats, read back by the importers."""

import csv
import hashlib

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_dilation

from labeldropout.data.case_store import CaseStore
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.cone_examples import cone_examples
from labeldropout.data.echonet import scanner
from labeldropout.data.import_report import ImportReport
from labeldropout.data.simulate import HEARTS, MANIFEST, simulate
from labeldropout.data.unity.scanner import over_label
from labeldropout.files import read_table
from labeldropout.heart import Structure
from labeldropout.labels import State, View
from labeldropout.simulation.anatomy import Pose, contraction, draw_heart, valve_opening
from labeldropout.simulation.planes import label_map

SETTINGS = {
    "camus": {"patients": 3, "release": "nifti"},
    "unity": {"images": 6},
    "echonet": {"videos": 5, "frames": 8},
}
OPTIONS = {"unity": {"keys": {"LV": "curve-lv-endo", "LA": "curve-la-endo", "LV_epi": "curve-lv-epi"}}}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """All three data sets, simulated small at the severity of the default study."""
    top = tmp_path_factory.mktemp("simulated")
    for dataset, settings in SETTINGS.items():
        simulate(dataset, settings, 0.5, 2026, top / "raw" / dataset, top / "truth" / dataset)
    return top


def imported(dataset, root):
    """What the importer makes of it, and its report."""
    entry, report = DATASETS[dataset], ImportReport(dataset)
    return list(entry.read_cases(root, entry.options(**OPTIONS.get(dataset, {})), report)), report


def truth_of(root):
    """True cases by identifier."""
    store = CaseStore(root)
    return {store.table["case"][index]: store.case(index) for index in range(len(store))}


def beyond_the_border(mask, other):
    """Pixels that one mask has and that are no neighbours of the other."""
    around = np.ones((3, 3), bool)
    return int(((mask & ~binary_dilation(other, around)) | (other & ~binary_dilation(mask, around))).sum())


@pytest.mark.parametrize("dataset", list(SETTINGS))
def test_the_importer_gives_the_true_cases_back(roots, dataset):
    """Same identifiers, files, hashes, frames, views, instants and spacings; nothing is rejected."""
    cases, report = imported(dataset, roots / "raw" / dataset)
    truth = truth_of(roots / "truth" / dataset)
    assert {case.id for case in cases} == set(truth)
    assert not report.rejected
    assert not report.skipped
    for case in cases:
        true = truth[case.id]
        for name in ("group_name", "frame", "view", "instant", "source", "source_sha256", "split_hint", "quality"):
            assert getattr(case, name) == getattr(true, name), name
        if case.pixel_spacing_mm is not None:
            np.testing.assert_allclose(case.pixel_spacing_mm, true.pixel_spacing_mm, rtol=1e-6)
        assert set(true.states.values()) == {State.LABELLED}


@pytest.mark.parametrize("release", ["nifti", "mhd"])
def test_camus_gives_images_and_masks_back_exactly(tmp_path, release):
    """Every pixel of both releases."""
    simulate("camus", {"patients": 2, "release": release}, 0.5, 1, tmp_path / "raw", tmp_path / "truth")
    cases, truth = imported("camus", tmp_path / "raw")[0], truth_of(tmp_path / "truth")
    assert len(cases) == 8
    for case in cases:
        np.testing.assert_array_equal(case.image, truth[case.id].image)
        np.testing.assert_array_equal(case.target, truth[case.id].target)
        assert set(case.states.values()) == {State.LABELLED}
        assert case.pixel_spacing_mm[0] == case.pixel_spacing_mm[1] * (0.5 if release == "mhd" else 1.0)


def test_unity_gives_every_drawn_outline_back_within_a_boundary_pixel(roots):
    """Cavity, cavity with myocardium, and atrium; images exactly; all structures labelled."""
    truth = truth_of(roots / "truth" / "unity")
    for case in imported("unity", roots / "raw" / "unity")[0]:
        np.testing.assert_array_equal(case.image, truth[case.id].image)
        assert set(case.states.values()) == {State.LABELLED}
        if "over-labelled" in truth[case.id].flags:
            continue
        for drawn in ((Structure.LV,), (Structure.LV, Structure.LVM), (Structure.LA,)):
            masks = [np.isin(target, drawn) for target in (case.target, truth[case.id].target)]
            assert beyond_the_border(*masks) <= 1


def test_echonet_gives_the_cavity_back_within_a_boundary_pixel_and_nothing_else(roots):
    """The other structures are unknown in the import and drawn in the truth."""
    truth = truth_of(roots / "truth" / "echonet")
    for case in imported("echonet", roots / "raw" / "echonet")[0]:
        true = truth[case.id]
        assert beyond_the_border(case.target == Structure.LV, true.target == Structure.LV) <= 2
        assert case.states == {
            Structure.LV: State.LABELLED,
            Structure.LVM: State.UNKNOWN,
            Structure.LA: State.UNKNOWN,
        }
        assert {Structure.LVM, Structure.LA} <= {Structure(value) for value in np.unique(true.target) if value}
        assert np.abs(case.image.astype(int) - true.image).mean() < 3


def test_echonet_has_a_frame_that_was_traced_twice(roots):
    """42 rows for one frame, as the data set has them now and then; the first tracing counts."""
    with (roots / "raw/echonet/EchoNet-Dynamic/VolumeTracings.csv").open() as file:
        rows = pd.Series([(row["FileName"], row["Frame"]) for row in csv.DictReader(file)]).value_counts()
    assert sorted(rows.unique()) == [21, 42]


@pytest.mark.parametrize("dataset", list(SETTINGS))
def test_hearts_are_listed_with_the_volumes_behind_the_ejection_fraction(roots, dataset):
    """One row per patient of the truth; EF is that of the volumes."""
    hearts = read_table(roots / "truth" / dataset / "hearts.csv", HEARTS)
    assert set(hearts["patient"]) == set(CaseStore(roots / "truth" / dataset).table["patient"])
    ed, es = hearts["LV_ED_ml"], hearts["LV_ES_ml"]
    np.testing.assert_allclose(hearts["ef_percent"], 100 * (ed - es) / ed)
    np.testing.assert_allclose(hearts["LVM_ED_ml"], hearts["LVM_ES_ml"], rtol=0.01)


@pytest.mark.parametrize("dataset", list(SETTINGS))
def test_the_manifest_names_every_file_with_its_hash(roots, dataset):
    """Nothing but the manifest itself is missing from it."""
    root = roots / "raw" / dataset
    manifest = read_table(root / "manifest.csv", MANIFEST)
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert set(manifest["file"]) == found - {"manifest.csv"}
    for row in manifest.itertuples():
        content = (root / row.file).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row.bytes, row.sha256)


@pytest.mark.parametrize("dataset", list(SETTINGS))
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(roots, tmp_path, dataset):
    """Native files and truth alike."""
    for name, seed in (("again", 2026), ("other", 7)):
        simulate(dataset, SETTINGS[dataset], 0.5, seed, tmp_path / name, tmp_path / f"{name}-truth")
    first = (roots / "raw" / dataset / "manifest.csv").read_bytes()
    assert (tmp_path / "again/manifest.csv").read_bytes() == first
    assert (tmp_path / "other/manifest.csv").read_bytes() != first
    for file in ("images.u8", "targets.u8", "cases.csv", "hearts.csv"):
        assert (tmp_path / "again-truth" / file).read_bytes() == (roots / "truth" / dataset / file).read_bytes()


@pytest.mark.parametrize(("dataset", "key"), [("camus", "patients"), ("unity", "images"), ("echonet", "videos")])
def test_more_patients_leave_the_first_ones_as_they_are(roots, tmp_path, dataset, key):
    """A patient depends on seed, data set and number alone: image files of a smaller cohort have the same hashes."""
    simulate(dataset, {**SETTINGS[dataset], key: 2}, 0.5, 2026, tmp_path / "raw", tmp_path / "truth")
    few, many = truth_of(tmp_path / "truth"), truth_of(roots / "truth" / dataset)
    assert set(few) < set(many)
    for name, case in few.items():
        np.testing.assert_array_equal(case.image, many[name].image)
        assert case.source_sha256 == many[name].source_sha256


def test_severity_changes_pictures_and_not_hearts(roots, tmp_path):
    """The volumes are the same at every severity; the pictures are not."""
    simulate("unity", SETTINGS["unity"], 0.0, 2026, tmp_path / "raw", tmp_path / "truth")
    assert (tmp_path / "truth/hearts.csv").read_bytes() == (roots / "truth/unity/hearts.csv").read_bytes()
    assert (tmp_path / "truth/images.u8").read_bytes() != (roots / "truth/unity/images.u8").read_bytes()


def test_data_sets_have_different_hearts(roots):
    """No volume occurs twice."""
    volumes = [read_table(roots / "truth" / dataset / "hearts.csv", HEARTS)["LV_ED_ml"] for dataset in SETTINGS]
    assert pd.concat(volumes).is_unique


def test_a_long_study_has_a_video_that_nobody_traced(tmp_path, monkeypatch):
    """The importer skips it; long enough means that it stays within one in a hundred."""
    assert ImportReport("echonet").skip_limit > 1 / (scanner._LONG_STUDY + 1)
    monkeypatch.setattr(scanner, "_LONG_STUDY", 2)
    simulate("echonet", {"videos": 2, "frames": 4}, 0.5, 0, tmp_path / "raw", tmp_path / "truth")
    cases, report = imported("echonet", tmp_path / "raw")
    assert {case.id for case in cases} == set(truth_of(tmp_path / "truth"))
    assert {reason: len(items) for reason, items in report.skipped.items()} == {"no tracing": 1}


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        ("mri", {}, "expected one of camus"),
        ("camus", {"patients": 0}, "at least 1"),
        ("camus", {"patients": 1, "release": "dicom"}, "nifti or mhd"),
        ("unity", {"pictures": 3}, "unknown key 'pictures'"),
        ("echonet", {"videos": 2, "frames": 1}, "at least 4"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, dataset, settings, message):
    """The message names what is expected."""
    with pytest.raises(ValueError, match=message):
        simulate(dataset, settings, 0.5, 0, tmp_path / "raw", tmp_path / "truth")


def test_an_earlier_simulation_is_replaced_and_anything_else_refused(tmp_path):
    """A rerun leaves no file of the run before; a folder with a user's files stays as it was."""
    simulate("echonet", {"videos": 2, "frames": 4}, 0.5, 1, tmp_path / "raw", tmp_path / "truth")
    simulate("echonet", {"videos": 1, "frames": 4}, 0.5, 1, tmp_path / "raw", tmp_path / "truth")
    assert len(list((tmp_path / "raw").rglob("*.avi"))) == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("Dear all")
    with pytest.raises(ValueError, match="mine"):
        simulate("camus", SETTINGS["camus"], 0.5, 1, tmp_path / "mine", tmp_path / "truth")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_the_cycle_begins_relaxed_and_opens_its_valves_in_diastole_only():
    """Contraction is 0 at end diastole and 1 at end systole; valves are shut while the ventricle ejects."""
    assert contraction(0.0) == contraction(1.0) == 0.0
    assert contraction(0.38) == 1.0
    assert valve_opening(0.2) == 0.0
    assert valve_opening(0.5) == 1.0


def test_over_labelling_grows_into_the_septal_side_only():
    """The drawn myocardium reaches 8 mm further to the left, and no further to the right."""
    heart = draw_heart(np.random.default_rng(0))
    pose = Pose(View.A4C, apex_row=20.0, apex_column=0.0, tilt=0.0, offset=0.0, slope=0.0)
    row, column = np.arange(0, 150, 0.25)[:, None], np.arange(-70, 70, 0.25)[None, :]
    edges = []
    for drawn in (heart, over_label(heart, 8.0)):
        wall = label_map(drawn, pose, 0.0, row, column)
        columns = np.argwhere(np.isin(wall, (Structure.LV, Structure.LVM)))[:, 1]
        edges.append((columns.min() * 0.25, columns.max() * 0.25))
    assert edges[0][0] - edges[1][0] == pytest.approx(8.0, abs=1.0)
    assert edges[1][1] - edges[0][1] == pytest.approx(0.0, abs=0.6)


@pytest.mark.parametrize("shape", [(128, 128), (85, 128), (300, 400)])
def test_cone_examples_are_pictures_with_exact_and_varied_cones(shape):
    """Masks cover a seventh to most of the picture; the pictures are brighter inside than outside."""
    pairs = list(cone_examples(6, shape, np.random.default_rng(0)))
    assert len(pairs) == 6
    shares = []
    for image, mask in pairs:
        assert image.shape == mask.shape == shape
        assert (image.dtype, mask.dtype) == (np.uint8, bool)
        assert image[mask].mean() > 2 * image[~mask].mean()
        shares.append(mask.mean())
    assert min(shares) > 0.13
    assert max(shares) - min(shares) > 0.1


def test_any_scanner_takes_pictures_unlike_those_of_a_domain(tmp_path):
    """Domain randomisation: blood is dark in some pictures, and every view has a scanner of its own."""
    cases = {}
    for word in ("own", "any"):
        settings = {"patients": 8, "release": "nifti", "acquisition": word}
        simulate("camus", settings, 1.0, 2026, tmp_path / word / "raw", tmp_path / word / "truth")
        cases[word], report = imported("camus", tmp_path / word / "raw")
        assert len(cases[word]) == 32
        assert not report.rejected
        assert all(state is State.LABELLED for case in cases[word] for state in case.states.values())
    own, drawn = (
        np.array([case.image[case.target == Structure.LV].mean() for case in cases[word]]) for word in ("own", "any")
    )
    assert drawn.min() < 40 < own.min()  # dark blood, as in Unity and EchoNet
    assert len({case.pixel_spacing_mm for case in cases["any"]}) == 16
    assert len({case.pixel_spacing_mm for case in cases["own"]}) == 1


def test_any_scanner_examines_the_same_hearts(tmp_path):
    """The scanner changes how a heart looks, never the heart itself."""
    for word in ("own", "any"):
        settings = {"patients": 2, "release": "nifti", "acquisition": word}
        simulate("camus", settings, 1.0, 7, tmp_path / word / "raw", tmp_path / word / "truth")
    hearts = [(tmp_path / word / "truth" / "hearts.csv").read_bytes() for word in ("own", "any")]
    assert hearts[0] == hearts[1]


def test_an_unknown_scanner_is_refused(tmp_path):
    """The message names the setting, the word found and the words expected."""
    with pytest.raises(ValueError, match=r"settings.acquisition: 'all' \(expected own or any\)"):
        simulate("camus", {"patients": 3, "acquisition": "all"}, 1.0, 7, tmp_path / "raw", tmp_path / "truth")
    with pytest.raises(ValueError, match="unknown key 'acquisition'"):
        simulate("unity", {"images": 3, "acquisition": "any"}, 1.0, 7, tmp_path / "raw", tmp_path / "truth")


def test_cone_examples_depend_on_their_generator_alone():
    """The same seed, the same pictures."""
    first, again = (next(iter(cone_examples(1, (96, 96), np.random.default_rng(4)))) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
