"""Experiment 1 beside the published losses, from made-up scores whose answers are known."""

import pandas as pd
import pytest
from listed_models import listed_models

from labeldropout.analysis.compare import compare
from labeldropout.analysis.cross_domain import CROSS_DOMAIN, PUBLISHED
from labeldropout.learning.tables import SCORES


@pytest.fixture
def made(tmp_path):
    """The table of two models, trained on CAMUS with two seeds and on Unity with one."""
    dice = {
        ("e1-camus", 0): {"camus": 0.90, "unity": 0.70},
        ("e1-camus", 1): {"camus": 0.80, "unity": 0.80},
        ("e1-unity", 0): {"camus": 0.60, "unity": 0.95},
    }
    usual = {**dict.fromkeys(SCORES, 1), "view": "A4C", "instant": "ED", "structure": "LV", "reference": "dataset"}
    scores = pd.DataFrame(
        [
            {**usual, "model": model, "seed": seed, "dataset": dataset, "dice": value + shift}
            | {"case": f"{dataset}-{shift}", "patient": f"{dataset}-{shift}", "surface_dice_tolerance": "2 mm"}
            for (model, seed), of_datasets in dice.items()
            for dataset, value in of_datasets.items()
            for shift in (-0.02, 0.02)
        ]
    )
    usual_row = {"experiment": "1", "shown_in": "cross_domain", "structures": "LV", "loss": "standard"}
    usual_row |= {"augmentation": "published", "network": "basic_unet", "evaluated_on": "camus+unity"}
    rows = [
        {"model": "e1-camus", "train_on": "camus", "seeds": "0,1", **usual_row},
        {"model": "e1-unity", "train_on": "unity", "seeds": "0", **usual_row},
    ]
    paths = []
    for model, of_model in scores.groupby("model"):
        paths.append(tmp_path / f"{model}.csv")
        of_model[list(SCORES)].to_csv(paths[-1], index=False)
    split = tmp_path / "split.csv"
    pd.DataFrame(columns=["dataset", "patient", "part"]).to_csv(split, index=False)
    reported = tmp_path / "reported.yaml"
    reported.write_text("[]")
    compare(
        item="cross_domain",
        scores=paths,
        **listed_models(tmp_path, rows),
        cases=[],
        split=[split],
        reported=reported,
        settings={
            "simulated": True,
            "real": [],
            "unit": "patients",
            "structures": ["LV", "LVM", "LA"],
            "severity": 1.0,
            "statistics": {"draws": 100, "seed": 0},
            "seed": 1,
        },
        output=tmp_path / "cross_domain.csv",
    )
    return tmp_path / "cross_domain.csv"


def test_loss_is_dice_within_minus_dice_across(made):
    """Means over images and seeds, by hand."""
    table = pd.read_csv(made)
    assert list(table.columns) == list(CROSS_DOMAIN)
    ours = table[table["source"] == "this study"].set_index(["trained_on", "tested_on"])
    assert list(ours.index) == [("camus", "unity"), ("unity", "camus")]
    assert ours.loc[("camus", "unity"), "loss"] == pytest.approx(0.85 - 0.75)
    assert ours.loc[("unity", "camus"), "loss"] == pytest.approx(0.95 - 0.60)
    assert set(ours["pictures"]) == {"simulated"}


def test_published_losses_stand_below_and_are_real(made):
    """A simulated study shows real numbers beside its own; each row says which it is."""
    table = pd.read_csv(made)
    published = table[table["source"] != "this study"]
    assert len(published) == len(PUBLISHED)
    assert set(published["pictures"]) == {"real"}
    assert published["loss"].median() == pytest.approx(0.114, abs=0.001)


def test_caption_says_simulated_and_gives_both_medians(made):
    """The comparison in one line."""
    text = made.with_suffix(".md").read_text()
    assert "Simulated data." in text
    assert "Median loss here 0.23 (0.10 to 0.35), published 0.11 (0.01 to 0.33)" in text
