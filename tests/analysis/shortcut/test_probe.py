"""The shortcut probe on made-up answers, and on a small network from files to a figure."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba
from workflow_copy import CONFIGURATION

from labeldropout.analysis.shortcut import probe as probing
from labeldropout.analysis.shortcut.probe import (
    Answers,
    Images,
    probe_model,
    probe_trainings,
    read_images,
    shared_view,
)
from labeldropout.analysis.shortcut.table import SHORTCUT, read_probes, write_probes
from labeldropout.case import Case
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.data.parts import PATIENTS
from labeldropout.files import read_table, write_table
from labeldropout.heart import Structure
from labeldropout.labels import State
from labeldropout.learning.model import BATCH_SIZE, Model
from labeldropout.learning.train import train_model
from labeldropout.publication.figures import shortcut, style
from labeldropout.publication.figures.draw import draw_figure

STRUCTURES = (Structure.LV, Structure.LVM, Structure.LA)
SIZE = 16
PLACES = {Structure.LV: slice(0, 5), Structure.LVM: slice(5, 9), Structure.LA: slice(9, 14)}


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch):
    monkeypatch.setattr(probing, "PERMUTATIONS", 19)


@pytest.fixture
def images():
    """Twelve patients with two images in each of three data sets; every heart at the same place."""
    masks = {structure: np.zeros((72, SIZE, SIZE), bool) for structure in STRUCTURES}
    for structure, rows in PLACES.items():
        masks[structure][:, rows, 4:12] = True
    return Images(
        pixels=np.zeros((72, SIZE, SIZE), np.uint8),
        truth=masks,
        domains=np.repeat([0, 1, 2], 24),
        patients=np.array([f"{index // 24}-{index // 2}" for index in range(72)]),
        names=("camus", "unity", "echonet"),
        view="A4C",
    )


def answers(images, undrawn, rng):
    """Probabilities of a model that sees everything, but draws no atrium where it is told not to."""
    logits = rng.normal(0, 0.3, (len(images.domains), 4, SIZE, SIZE))
    for channel, structure in enumerate(STRUCTURES, 1):
        logits[:, channel][images.truth[structure]] += 4
    logits[:, 0][~np.any([images.truth[s] for s in STRUCTURES], axis=0)] += 4
    logits[undrawn, 3] -= 8
    odds = np.exp(logits)
    return (odds / odds.sum(1, keepdims=True)).astype(np.float32)


def found(images, undrawn):
    """The rows over all seeds, two trainings alike."""
    trainings = []
    for seed in (0, 1):
        probability = answers(images, undrawn, np.random.default_rng(seed))
        trainings.append(Answers.of("m", seed, STRUCTURES, np.array_split(probability, 5), images))
    table = probe_trainings(trainings, images, 200, 0)
    return table[table["seed"] == "all"].set_index(["feature", "structure", "domain"]).sort_index()


def test_a_model_that_leaves_the_atrium_out_in_one_domain_is_found_out(images):
    """An area of 1 for that domain, from what it draws and from its logits at the atrium; not by chance."""
    table = found(images, images.domains == 2)
    for probe in (("set", ""), ("logits", "LA")):
        row = table.loc[(*probe, "echonet")]
        assert (row["auc"], row["balanced_accuracy"], row["auc_low"]) == (1, 1, 1)
        assert row["auc_p"] == pytest.approx(1 / 20)
        assert row["auc_chance"] == pytest.approx(0.5, abs=0.1)
    assert table.loc[("share", "LA", "echonet"), "share_drawn"] == 0
    assert table.loc[("share", "LA", "camus"), "share_drawn"] == 1
    assert table.loc[("set", "", "camus"), "auc"] < 0.9


def test_a_model_that_draws_everything_everywhere_gives_nothing_away(images):
    """One half of the area and one third of the domains from what it draws; near it from its logits."""
    table = found(images, np.zeros(72, bool))
    whole = table.loc[("set", "", "all")]
    assert (whole["auc"], whole["auc_p"]) == (0.5, 1)
    assert whole["balanced_accuracy"] == pytest.approx(1 / 3)
    for structure in ("LV", "LVM", "LA"):
        row = table.loc[("logits", structure, "all")]
        assert row["auc"] == pytest.approx(0.5, abs=0.17)
        assert row["auc_p"] > 0.05


def test_images_without_a_known_atrium_are_left_out_of_its_logits(images):
    """Where nobody knows where the atrium is, its pixels cannot be asked; the two other data sets still can."""
    images.truth[Structure.LA][images.domains == 2] = False
    table = found(images, images.domains == 2)
    assert set(table.loc[("logits", "LA")].index) == {"camus", "unity", "all"}
    assert table.loc[("logits", "LA", "all"), "n"] == 48
    assert table.loc[("logits", "LV", "all"), "n"] == 72


def few_patients(images, n_patients):
    """The images without all but some patients of the third data set."""
    there = list(dict.fromkeys(images.patients[images.domains == 2]))[:n_patients]
    kept = (images.domains < 2) | np.isin(images.patients, there)
    return images.select(kept, images.view)


def test_a_domain_of_few_patients_is_left_out_and_the_others_are_told_apart(images):
    """Four patients of the third data set: counted, no number; the rest as if there were two data sets only."""
    few, two = few_patients(images, 4), few_patients(images, 0)
    table, expected = found(few, few.domains == 1), found(two, two.domains == 1)
    probes = table.drop("share", level="feature")
    left_out = probes.xs("echonet", level="domain")
    assert left_out[["auc", "auc_low", "auc_p", "balanced_accuracy", "balanced_accuracy_high"]].isna().all(axis=None)
    assert (left_out["n"] == 8).all()
    assert (left_out["n_patients"] == 4).all()
    pd.testing.assert_frame_equal(
        probes.drop("echonet", level="domain")[["auc", "n", "n_patients"]],
        expected.drop("share", level="feature")[["auc", "n", "n_patients"]],
    )
    assert table.loc[("set", "", "camus"), "auc"] == 1
    assert table.loc[("share", "LA", "echonet"), "share_drawn"] == 1
    five = few_patients(images, 5)
    assert found(five, five.domains == 1).loc[("set", "", "echonet"), "auc"] >= 0.5


def test_where_one_domain_is_left_there_is_nothing_to_tell_apart(images):
    """The atrium is known in one data set and in four patients of another: rows with their counts, no number."""
    few = few_patients(images, 4)
    few.truth[Structure.LA][few.domains == 1] = False
    table = found(few, few.domains == 1)
    rows = table.loc[("logits", "LA")]
    assert rows["auc"].isna().all()
    assert rows["n"].to_dict() == {"all": 0, "camus": 24, "echonet": 8}
    assert table.loc[("logits", "LV", "all"), "auc"] >= 0


@pytest.fixture
def trained(small_study):
    """A small network, all patients in the test part, and a store that knows the second data set's atria."""
    folders = [small_study.prepared(name) for name in ("first", "second")]
    output = small_study.root / "seed-0"
    train_model(small_study.config(), folders, [small_study.split], 0, "cpu", 1, output, None)
    torch.use_deterministic_algorithms(mode=False)
    write_table(read_table(small_study.split).assign(part="test"), small_study.split, PATIENTS)
    store = CaseStore(small_study.cases("second"))
    known = []
    for row in range(len(store)):
        case = store.case(row)
        target = np.array(case.target)
        target[28:34, 16:24] = Structure.LA
        known.append(Case(**{**vars(case), "target": target, "states": {**case.states, Structure.LA: State.LABELLED}}))
    write_cases(known, small_study.root / "truth", ImportReport("second"))
    return small_study, folders, output / "weights.safetensors"


def test_unknown_atria_are_taken_from_the_truth_on_the_network_s_grid(trained):
    """The crop starts at (4, 4): rows 28 to 33 become 24 to 29; what is annotated is not looked up elsewhere."""
    study, folders, _ = trained
    images = read_images(folders, [study.split], [study.root / "truth"])
    assert images.names == ("first", "second")
    atria = images.truth[Structure.LA]
    assert atria.shape == (40, 32, 32)
    assert (atria[20:, 24:30, 12:20]).all()
    assert (atria[20:].sum((1, 2)) == 48).all()
    assert not read_images(folders, [study.split], []).truth[Structure.LA][20:].any()
    with pytest.raises(ValueError, match="at least two to tell apart"):
        read_images(folders[:1], [study.split], [])


def test_a_view_that_all_data_sets_have_is_asked_about():
    """Else a probe tells the view, which is no secret; of several shared views the one with most patients decides."""
    domains = np.repeat([0, 1], [6, 4])
    patients = np.array([*"aabbcc", *"defg"])
    four = np.array([*["A2C", "A4C"] * 3, *["A4C"] * 4])
    assert shared_view(four, domains, patients) == "A4C"
    assert shared_view(np.array([*["A2C", "A4C"] * 3, "A4C", *["A2C"] * 3]), domains, patients) == "A2C"
    assert shared_view(np.full(10, ""), domains, patients) == ""
    assert shared_view(np.repeat(["A2C", "A4C"], [6, 4]), domains, patients) is None


def test_images_of_another_view_are_left_out(trained):
    """Half of the first data set's patients are seen in the one view that the second has."""
    study, folders, _ = trained
    for name, views in (("first", ["A2C", "A4C"] * 10), ("second", ["A4C"] * 20)):
        path = study.root / "prepared" / name / "cases.csv"
        table = pd.read_csv(path)
        table.assign(view=views).to_csv(path, index=False)
    images = read_images(folders, [study.split], [study.root / "truth"])
    assert images.view == "A4C"
    assert np.bincount(images.domains).tolist() == [10, 20]
    assert len(images.pixels) == len(images.patients) == len(images.truth[Structure.LA]) == 30


def test_a_probe_runs_from_files_to_a_figure_twice_alike(trained, monkeypatch):
    """Table, Markdown and figure are there, say that data are simulated, and have the same bytes twice."""
    monkeypatch.setitem(style.MODEL_TITLES, "small", "The title of a model")
    study, folders, weights = trained
    settings = {"draws": 100, "seed": 0, "simulated": True}
    written = []
    for name in ("a", "b"):
        table = study.root / name / "m.csv"
        probe_model([weights], folders, [study.split], [study.root / "truth"], settings, "cpu", 1, table)
        files = write_probes([table], study.root / name / "shortcut", simulated=True)
        draw_figure(
            item="shortcut",
            tables=files[:1],
            cases=[],
            predictions=[],
            structures=CONFIGURATION["structures"],
            hidden="",
            simulated=True,
            output=study.root / name / "figure",
        )
        written.append([path.read_bytes() for path in (*files, study.root / name / "figure.svg")])
    assert written[0] == written[1]
    assert b"simulated data" in written[0][3]
    assert written[0][1].startswith(b"Simulated data.")
    assert b">The title of a model</text>" in written[0][3]
    table = read_probes(study.root / "a" / "shortcut.csv")
    probes = table[table["feature"] != "share"]
    assert set(probes["domain"]) == {"first", "second", "all"}
    assert set(pd.unique(probes["seed"])) == {"0", "all"}
    assert probes["auc"].between(0, 1).all()


def test_a_probe_with_a_small_domain_still_gives_a_table_and_a_figure(trained):
    """Four patients of the second data set are tested: no question can be asked, which is said with dashes."""
    study, folders, weights = trained
    patients = read_table(study.split)
    second = patients.index[patients["dataset"] == "second"]
    write_table(patients.assign(part=patients["part"].where(~patients.index.isin(second[4:]), "training")), study.split)
    table = study.root / "few" / "m.csv"
    settings = {"draws": 100, "seed": 0, "simulated": True}
    probe_model([weights], folders, [study.split], [study.root / "truth"], settings, "cpu", 1, table)
    files = write_probes([table], study.root / "few" / "shortcut", simulated=True)
    figure = study.root / "few" / "figure"
    draw_figure(
        item="shortcut",
        tables=files[:1],
        cases=[],
        predictions=[],
        structures=CONFIGURATION["structures"],
        hidden="",
        simulated=True,
        output=figure,
    )
    rows = read_probes(files[0]).set_index(["feature", "domain", "seed"])
    row = rows.loc[("set", "second", "all")]
    assert row["n_patients"] == 4
    assert np.isnan(row["auc"])
    assert "| – | – | – | – | – |" in files[1].read_text()
    assert "No mark: too few" in figure.with_suffix(".svg").read_text()


@pytest.mark.parametrize("n_domains", [2, 3])
def test_the_note_of_the_figure_is_not_cut_off(n_domains):
    """Also where there are few panels, and a sentence more on what was left out."""
    names = ["camus", "unity", "echonet"][:n_domains]
    row = {"model": "m", "feature": "set", "structure": "", "view": "A4C"}
    numbers = dict.fromkeys(("auc", "auc_low", "auc_high", "auc_chance"), 0.5)
    of_seed = [*({**row, **numbers, "domain": name} for name in names), {**row, "domain": "all"}]
    table = pd.DataFrame([{**row, "seed": seed} for seed in ("0", "all") for row in of_seed])
    figure = shortcut.draw(table, {}, {}, style.looks_of(CONFIGURATION["structures"]), simulated=True)
    figure.draw_without_rendering()
    note = figure.legends[0].get_title()
    text = note.get_text().replace("\n", " ")
    assert text.startswith("A4C images only.")
    assert "No mark: too few patients" in text
    place = note.get_window_extent()
    assert place.x0 > 0
    assert place.x1 < figure.bbox.x1


def test_a_single_training_has_a_hollow_mark():
    """Its interval looks like the others', though it says nothing of another training."""
    row = {"feature": "set", "structure": "", "domain": "camus", "view": "A4C"}
    row |= {"auc": 0.6, "auc_low": 0.5, "auc_high": 0.7, "auc_chance": 0.5}
    trained = {"once": ["0"], "twice": ["0", "1"]}
    table = pd.DataFrame(
        [{**row, "model": model, "seed": seed} for model, seeds in trained.items() for seed in [*seeds, "all"]]
    )
    figure = shortcut.draw(table, {}, {}, style.looks_of(CONFIGURATION["structures"]), simulated=True)
    faces = [tuple(face) for marks in figure.axes[0].collections for face in marks.get_facecolor() if len(face)]
    assert faces[:2] == [to_rgba("white"), to_rgba("0.35")]


def test_the_probabilities_of_a_test_part_are_never_held_at_once(trained, monkeypatch):
    """A model is asked for one batch at a time, and the peak of memory stays below one training's probabilities."""
    study, folders, weights = trained
    images = read_images(folders, [study.split], [])
    many = Images(
        np.zeros((2000, 32, 32), np.uint8),
        {structure: np.ones((2000, 32, 32), bool) for structure in STRUCTURES},
        np.arange(2000) % 2,
        np.array([f"{index % 40}" for index in range(2000)]),
        images.names,
        "A4C",
    )
    asked = []

    def uniform(model, pixels):
        asked.append(len(pixels))
        return np.full((len(pixels), 1 + len(model.structures), 32, 32), 0.25, np.float32)

    peaks = []

    def note_peak(*_):
        peaks.append(tracemalloc.get_traced_memory()[1])
        return pd.DataFrame(columns=list(SHORTCUT))

    monkeypatch.setattr(Model, "probabilities", uniform)
    monkeypatch.setattr(probing, "read_images", lambda *_: many)
    monkeypatch.setattr(probing, "probe_trainings", note_peak)
    settings = {"draws": 100, "seed": 0, "simulated": True}
    tracemalloc.start()
    probe_model([weights] * 3, folders, [study.split], [], settings, "cpu", 1, study.root / "m.csv")
    tracemalloc.stop()
    assert max(asked) == BATCH_SIZE
    assert sum(asked) == 3 * 2000
    assert peaks[0] < 2000 * 3 * 32 * 32 * 4 / 2
