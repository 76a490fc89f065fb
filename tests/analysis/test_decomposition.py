"""Dice lost where labels are hidden: parts worked out by hand."""

import math

import pandas as pd
import pytest

from labeldropout.analysis.decomposition import DECOMPOSITION, GAP, IN_PLACE, LOST, MISSING, decomposition
from labeldropout.analysis.study import Study, per_image
from labeldropout.heart import STRUCTURES
from labeldropout.items import ITEMS
from labeldropout.learning.experiments import parse_row

SETTINGS = {"statistics": {"draws": 500, "seed": 0}, "severity": 1.0, "simulated": True}
SETTINGS |= {"real": [], "unit": "patients", "structures": ["LV", "LVM", "LA"]}
LEVELS = {"benchmark": (0.9, 0.9), "oracle": (0.7, 0.8), "adaptive": (0.4, 0.6), "alone": (0.85, 0.85)}
"""Dice with seeds 0 and 1."""


def experiment(model):
    """A row of the four, by its name."""
    row = {
        "model": model,
        "experiment": "5",
        "shown_in": "decomposition",
        "train_on": "camus" if model == "alone" else "camus+unity",
        "structures": "LV+LVM+LA",
        "hidden": "LA@unity:1.0" if model in ("oracle", "adaptive") else "",
        "loss": {"oracle": "oracle", "adaptive": "adaptive"}.get(model, "standard"),
        "augmentation": "published",
        "network": "basic_unet",
        "seeds": "0,1",
        "evaluated_on": "camus+unity",
    }
    return parse_row(row, ("camus", "unity"), STRUCTURES)


def study(*models):
    """Scores of three patients; the Dice of all images of a training is the same, on every structure."""
    rows = [
        {
            "model": model,
            "seed": seed,
            "dataset": dataset,
            "structure": structure,
            "reference": "dataset",
            "patient": f"p{patient}",
            "case": f"{dataset}-{patient}",
            "dice": LEVELS[model][seed] if (dataset, structure) == ("unity", "LA") else 0.95,
        }
        for model in models
        for seed in (0, 1)
        for dataset in ("camus", "unity")
        for structure in ("LV", "LVM", "LA")
        for patient in range(3)
    ]
    scores = pd.DataFrame(rows)
    nothing = pd.DataFrame()
    return Study(tuple(experiment(model) for model in models), scores, per_image(scores), nothing, nothing, SETTINGS)


def test_the_loss_is_the_sum_of_its_parts():
    """Missing labels cost benchmark minus oracle, the background oracle minus adaptive; together all that is lost."""
    content = decomposition(study(*LEVELS), ITEMS["decomposition"])
    table = content.table
    assert list(table) == list(DECOMPOSITION)
    assert set(zip(table["dataset"], table["structure"], strict=True)) == {("unity", "LA")}
    lost = {(row.part, row.seed): row.lost for row in table.itertuples()}
    assert lost == pytest.approx(
        {
            (LOST, 0): 0.5,
            (LOST, 1): 0.3,
            (LOST, "all"): 0.4,
            (MISSING, 0): 0.2,
            (MISSING, 1): 0.1,
            (MISSING, "all"): 0.15,
            (IN_PLACE, 0): 0.3,
            (IN_PLACE, 1): 0.2,
            (IN_PLACE, "all"): 0.25,
            (GAP, 0): 0.05,
            (GAP, 1): 0.05,
            (GAP, "all"): 0.05,
        }
    )
    overall = table[table["seed"] == "all"].set_index("part")
    assert overall.loc[LOST, "lost_sd_seeds"] == pytest.approx(0.2 / math.sqrt(2))
    assert (overall["n"] == 3).all()
    assert ((overall["lost_low"] <= overall["lost"] + 1e-9) & (overall["lost"] <= overall["lost_high"] + 1e-9)).all()
    assert overall.loc[LOST, "lost_low"] < 0.3
    assert overall.loc[LOST, "lost_high"] > 0.5, "images do not differ, seeds do"
    one = table[(table["part"] == LOST) & (table["seed"] == 0)].iloc[0]
    assert (one["lost_low"], one["lost_high"]) == pytest.approx((0.5, 0.5))
    assert content.reading["Dice lost"].tolist() == ["0.400", "0.150", "0.250", "0.050"]


def test_without_the_single_data_set_three_parts_remain():
    """The plain domain gap is beside the parts, not one of them."""
    table = decomposition(study("benchmark", "oracle", "adaptive"), ITEMS["decomposition"]).table
    assert set(table["part"]) == {LOST, MISSING, IN_PLACE}


@pytest.mark.parametrize("missing", ["benchmark", "oracle", "adaptive"])
def test_a_missing_model_is_named(missing):
    """Without one of the three there is no decomposition."""
    with pytest.raises(ValueError, match=f"no model is the {missing} .*found"):
        decomposition(study(*(name for name in LEVELS if name != missing)), ITEMS["decomposition"])
