"""The same study on two machines, from made-up scores whose answers are known."""

import json

import numpy as np
import pandas as pd
import pytest

from labeldropout.analysis.claims.judge import CLAIMS
from labeldropout.analysis.compare_machines import (
    MACHINE_VERDICTS,
    MACHINES,
    compare_machines,
    machine_verdicts,
)
from labeldropout.cli.main import main
from labeldropout.files import read_table
from labeldropout.learning.tables import SCORES

SETTINGS = {"statistics": {"draws": 2000, "seed": 0}, "simulated": True}
PATIENTS = np.random.default_rng(0).normal(0, 0.03, 20)
"""How the images of twenty patients differ under every training."""
SEEDS = (-0.02, 0.0, 0.02)


def write_scores(folder, name, mean, seeds=SEEDS, structure="LA", dataset="unity"):
    """Scores of one model with these means over patients, a seed each; added to what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            **dict.fromkeys(SCORES, 1),
            "model": name,
            "seed": seed,
            "case": f"c{place:02d}",
            "dataset": dataset,
            "patient": f"p{place:02d}",
            "view": "A2C",
            "instant": "ED",
            "structure": structure,
            "reference": "dataset",
            "dice": mean + shift + patient,
            "surface_dice_tolerance": "2 mm",
        }
        for seed, shift in enumerate(seeds)
        for place, patient in enumerate(PATIENTS)
    ]
    path = folder / f"{name}.csv"
    table = pd.DataFrame(rows, columns=list(SCORES))
    table.to_csv(path, mode="a", header=not path.exists(), index=False)


def write_ledger(path, outcomes):
    """A ledger of one claim with these outcomes of its comparisons."""
    rows = [
        dict.fromkeys(CLAIMS, "")
        | {"claim": "C6", "kind": "superior", "comparison": f"{name} above p00", "outcome": outcome}
        | {"dataset": "unity", "structure": "LA", "reference": "dataset", "images": "all"}
        for name, outcome in outcomes.items()
    ]
    pd.DataFrame(rows, columns=list(CLAIMS)).to_csv(path, index=False)


@pytest.fixture
def compared(tmp_path):
    """Compare means of models on two machines: `name: (first, second)`; `benchmark` is the fully labelled one."""

    def run(means, claims=(), **seeds):
        for name, pair in means.items():
            for machine, mean in zip(("one", "two"), pair, strict=True):
                write_scores(tmp_path / machine, name, mean, **seeds)
        compare_machines(
            scores=[tmp_path / "one", tmp_path / "two"],
            fully_labelled=["benchmark"],
            claims=list(claims),
            settings=SETTINGS,
            output=tmp_path / "machines",
        )
        return read_table(tmp_path / "machines.csv", MACHINES).set_index("model")

    run.folder = tmp_path
    return run


def test_same_scores_agree(compared):
    """The same trainings on both: no difference anywhere, and nothing is named."""
    table = compared({"benchmark": (0.9, 0.9), "p00": (0.6, 0.6)})
    assert table["agrees"].tolist() == ["yes", "yes"]
    assert table["difference"].tolist() == pytest.approx([0, 0])
    assert table.loc["p00", "p_holm"] == pytest.approx(1)
    assert "0 of 2 cells do not agree." in (compared.folder / "machines.md").read_text()


def test_fully_labelled_models_agree_within_the_margin(compared):
    """0.02 is the limit whatever the interval says, and its p is no part of Holm's family."""
    within = compared({"benchmark": (0.9, 0.915), "p00": (0.6, 0.61)})
    assert within.loc["benchmark", "agrees"] == "yes"
    assert np.isnan(within.loc["benchmark", "p_holm"])
    assert within.loc["p00", "family_size"] == 1


def test_fully_labelled_model_beyond_the_margin_is_named(compared):
    """0.03 is too much for a model with every label, though its seeds differ by as much."""
    table = compared({"benchmark": (0.9, 0.87), "p00": (0.6, 0.63)})
    assert table.loc["benchmark", "low"] < 0 < table.loc["benchmark", "high"]
    assert table["agrees"].to_dict() == {"benchmark": "no", "p00": "yes"}
    text = (compared.folder / "machines.md").read_text()
    assert "1 of 2 cells do not agree: benchmark LA on unity." in text


def test_other_models_agree_if_the_interval_includes_0_after_holm(compared):
    """A difference far beyond seeds and patients does not agree; one that p alone would show may, among many."""
    means = {"benchmark": (0.9, 0.9), "far": (0.3, 0.8), "near": (0.6, 0.66), **{f"q{k}": (0.6, 0.6) for k in range(3)}}
    table = compared(means)
    assert table.loc["far", "agrees"] == "no"
    assert table.loc["far", "low"] > 0
    assert table.loc["near", "p"] < 0.05 < table.loc["near", "p_holm"]
    assert table.loc["near", "agrees"] == "yes"
    assert table.loc["far", "family_size"] == 5
    assert table.loc["far", "difference"] == pytest.approx(0.5)


def test_seeds_that_differ_much_agree_however_far_their_means(compared):
    """Means 0.2 apart among seeds that differ by 0.6 are no difference."""
    assert compared({"benchmark": (0.9, 0.9), "p00": (0.5, 0.7)}, seeds=(-0.3, 0.0, 0.3)).loc["p00", "agrees"] == "yes"


def test_cell_on_one_machine_only_is_refused(compared):
    """A structure that was scored on one machine only is named with it."""
    write_scores(compared.folder / "two", "benchmark", 0.9, structure="LV")
    with pytest.raises(ValueError, match="benchmark unity LV dataset: scored on the second machine only"):
        compared({"benchmark": (0.9, 0.9)})


def test_models_of_one_machine_are_left_out_and_no_common_one_is_refused(compared):
    """The second machine trains a part of the study; without any common model there is nothing to compare."""
    write_scores(compared.folder / "one", "other", 0.9)
    assert list(compared({"benchmark": (0.9, 0.9)}).index) == ["benchmark"]
    with pytest.raises(ValueError, match="no scores of a model that"):
        compare_machines(
            scores=[compared.folder / "one", compared.folder / "none"],
            fully_labelled=["benchmark"],
            claims=[],
            settings=SETTINGS,
            output=compared.folder / "x",
        )


def test_fully_labelled_model_must_be_among_the_scores(compared):
    """A misspelt model would be judged by the milder rule: it is refused."""
    with pytest.raises(ValueError, match="fully labelled 'benchmark'"):
        compared({"p00": (0.9, 0.9)})


def test_only_opposite_outcomes_are_turned(tmp_path):
    """Holding here and contradicted there is the opposite; holding here and open there is not.

    What one of them could not test, since it has no such model, is not counted among the comparisons that agree.
    """
    pairs = {
        "a": ("holds", "contradicted"),
        "b": ("contradicted", "holds"),
        "c": ("holds", "open"),
        "d": ("open", "open"),
        "e": ("holds", "not testable"),
        "f": ("shown", "shown"),
    }
    ledgers = []
    for place in (0, 1):
        write_ledger(tmp_path / f"{place}.csv", {name: pair[place] for name, pair in pairs.items()})
        ledgers.append(read_table(tmp_path / f"{place}.csv", CLAIMS))
    table = machine_verdicts(ledgers)
    assert list(table.columns) == list(MACHINE_VERDICTS)
    assert table["turned"].tolist() == ["yes", "yes", "no", "no"]


def test_command_line_writes_tables_and_a_sidecar(compared, monkeypatch):
    """`labeldropout compare-machines` names what turned in its caption and leaves a sidecar."""
    compared({"benchmark": (0.9, 0.9), "p00": (0.6, 0.6)})
    monkeypatch.chdir(compared.folder)
    for name, outcome in (("one", "holds"), ("two", "contradicted")):
        write_ledger(compared.folder / f"{name}.csv", {"p05": outcome})
    status = main(
        [
            *("compare-machines", "--scores", "one", "two", "--fully-labelled", "benchmark"),
            *("--claims", "one.csv", "two.csv", "--settings", json.dumps(SETTINGS), "--output", "tables/machines"),
        ]
    )
    assert status == 0
    folder = compared.folder / "tables"
    assert "1 of 1 comparisons of the ledger that both could test turn into their opposite: C6 (p05 above p00)." in (
        (folder / "machines.md").read_text()
    )
    sidecar = json.loads((folder / "machines.provenance.json").read_text())
    assert set(sidecar["files"]) == {f"tables/machines{end}" for end in (".csv", ".md", "_verdicts.csv")}
    assert {"one/benchmark.csv", "two/p00.csv", "one.csv", "two.csv"} <= set(sidecar["inputs"])
