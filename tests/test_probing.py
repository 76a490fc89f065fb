"""The shortcut probe on made-up answers, and on a small network from files to a figure."""

import numpy as np
import pandas as pd
import pytest
import torch

from labeldropout import probing
from labeldropout.case import Case
from labeldropout.datasets.report import ImportReport
from labeldropout.drawing import draw_figure
from labeldropout.labels import State, Structure
from labeldropout.probing import Images, probe_model, probe_trainings, read_images, write_probes
from labeldropout.published import SHORTCUT
from labeldropout.records import PATIENTS
from labeldropout.store import CaseStore, read_table, write_cases, write_table
from labeldropout.training import train_model

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
    )


def answers(images, undrawn, rng):
    """Probabilities of a model that sees everything, but draws no atrium where it is told not to."""
    logits = rng.normal(0, 0.3, (72, 4, SIZE, SIZE))
    for channel, structure in enumerate(STRUCTURES, 1):
        logits[:, channel][images.truth[structure]] += 4
    logits[:, 0][~np.any([images.truth[s] for s in STRUCTURES], axis=0)] += 4
    logits[undrawn, 3] -= 8
    odds = np.exp(logits)
    return (odds / odds.sum(1, keepdims=True)).astype(np.float32)


def found(images, undrawn):
    """The rows over all seeds, two trainings alike."""
    rng = np.random.default_rng(0)
    trainings = [("m", seed, answers(images, undrawn, rng)) for seed in (0, 1)]
    table = probe_trainings(trainings, STRUCTURES, images, 200, 0)
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


@pytest.fixture
def trained(small_study):
    """A small network, all patients in the test part, and a store that knows the second data set's atria."""
    folders = [small_study.prepared(name) for name in ("first", "second")]
    output = small_study.root / "seed-0"
    train_model(small_study.config(), folders, small_study.split, 0, "cpu", 1, output, None)
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
    images = read_images(folders, study.split, [study.root / "truth"])
    assert images.names == ("first", "second")
    atria = images.truth[Structure.LA]
    assert atria.shape == (40, 32, 32)
    assert (atria[20:, 24:30, 12:20]).all()
    assert (atria[20:].sum((1, 2)) == 48).all()
    assert not read_images(folders, study.split, []).truth[Structure.LA][20:].any()
    with pytest.raises(ValueError, match="at least two to tell apart"):
        read_images(folders[:1], study.split, [])


def test_a_probe_runs_from_files_to_a_figure_twice_alike(trained):
    """Table, Markdown and figure are there, say that data are simulated, and have the same bytes twice."""
    study, folders, weights = trained
    settings = {"draws": 100, "seed": 0, "simulated": True}
    written = []
    for name in ("a", "b"):
        table = study.root / name / "m.csv"
        probe_model([weights], folders, study.split, [study.root / "truth"], settings, "cpu", 1, table)
        files = write_probes([table], study.root / name / "shortcut", simulated=True)
        draw_figure(
            item="shortcut",
            tables=files[:1],
            cases=[],
            predictions=[],
            simulated=True,
            output=study.root / name / "figure",
        )
        written.append([path.read_bytes() for path in (*files, study.root / name / "figure.svg")])
    assert written[0] == written[1]
    assert b"simulated data" in written[0][3]
    assert written[0][1].startswith(b"Simulated data.")
    table = read_table(study.root / "a" / "shortcut.csv", SHORTCUT, ("seed", "structure", "data"))
    probes = table[table["feature"] != "share"]
    assert set(probes["domain"]) == {"first", "second", "all"}
    assert set(pd.unique(probes["seed"])) == {"0", "all"}
    assert probes["auc"].between(0, 1).all()
