"""Which cases the figures with pictures show; drawn at random with the study's seed, never chosen by score."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from labeldropout.analysis.contrasts import nearest_to_shown
from labeldropout.analysis.study import _DATA, MEAN, Content, Study
from labeldropout.analysis.typesetting import NOTHING, number
from labeldropout.items import Item
from labeldropout.labels import Part
from labeldropout.learning.experiments import Experiment

PANEL_TABLE = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "dataset": "data set of the case",
    "case": "our identifier of the case; drawn at random with the study's seed, never chosen by score",
    "structure": "name of the structure, where the case has a reference; else one row with an empty cell",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "dice": "Dice score of this model, seed, case and structure",
    "position": "row of the panel, from 0",
    **_DATA,
}
"""`tables/<item>.csv` behind figures with pictures."""

FIGURE_4_CASES = 3
"""Images shown in Fig. 4 (ii); our choice, as the paper does not say."""


def _draw(names: Sequence[str], k: int, seed: int, word: str) -> list[str]:
    """Some of the names at random, whatever their order; the word makes draws for several data sets independent."""
    key = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    pool = sorted(names)
    chosen = np.random.default_rng([seed, key]).permutation(len(pool))[:k]
    return [pool[index] for index in chosen]


def _test_cases(study: Study, dataset: str) -> list[str]:
    cases = study.cases[(study.cases["dataset"] == dataset) & (study.cases["part"] == Part.TEST)]
    if cases.empty:
        raise ValueError(f"no test case of {dataset} among the stores of this item.")
    return cases["case"].tolist()


def kit_cases(study: Study) -> pd.DataFrame:
    """Data set and case of the images on which the observer drew, as far as all models are scored on them."""
    mine = study.scores["model"].isin([experiment.model for experiment in study.experiments])
    drawn = study.scores[mine & (study.scores["reference"] == "observer")]
    models = drawn.groupby(["dataset", "case"], as_index=False, sort=True)["model"].nunique()
    kit = models.loc[models["model"] == len(study.experiments), ["dataset", "case"]]
    if kit.empty:
        raise ValueError(
            "no scores against the observer's masks (reference observer) that all models of this item share:"
            f" {[experiment.model for experiment in study.experiments]}. Evaluate them with the drawn annotation kit."
        )
    return kit


def _panel(study: Study, chosen: Sequence[tuple[str, str]], experiments: Sequence[Experiment], what: str) -> Content:
    rows = []
    for position, (dataset, case) in enumerate(chosen):
        for experiment in experiments:
            seed = min(experiment.seeds)
            mine = (study.scores["model"] == experiment.model) & (study.scores["seed"] == seed)
            scores = study.scores[mine & (study.scores["case"] == case) & (study.scores["structure"] != MEAN)]
            scored = {row.structure: row for row in scores.itertuples()}
            found = [scored[name] for name in study.structures if name in scored]
            for structure, reference, dice in [(row.structure, row.reference, row.dice) for row in found] or [
                ("", "", math.nan)
            ]:
                rows.append(
                    {
                        "model": experiment.model,
                        "seed": seed,
                        "dataset": dataset,
                        "case": case,
                        "structure": structure,
                        "reference": reference,
                        "dice": dice,
                        "position": position,
                        "data": study.data_of(dataset),
                    }
                )
    table = pd.DataFrame(rows, columns=list(PANEL_TABLE))
    reading = pd.DataFrame(
        {
            "Row": [str(row.position + 1) for row in table.itertuples()],
            "Case": table["case"],
            "Model": table["model"],
            "Structure": table["structure"].replace("", NOTHING),
            "Reference": table["reference"].replace("", NOTHING),
            "Dice": [number(row.dice) for row in table.itertuples()],
        }
    )
    return Content(table, PANEL_TABLE, what, reading)


def one_case_per_dataset(study: Study, item: Item) -> Content:
    """One test image per data set, under every model of the figure."""
    names = dict.fromkeys(name for experiment in study.experiments for name in experiment.evaluated_on)
    seed = study.settings["seed"]
    chosen = [(name, _draw(_test_cases(study, name), 1, seed, name)[0]) for name in names]
    return _panel(study, chosen, study.experiments, item.numbers)


def figure_4_cases(study: Study, item: Item) -> Content:
    """Test images of the data set whose labels are hidden, without label dropout and with the probability shown.

    Raises:
        ValueError: One of the two models is missing.
    """
    without = next((one for one in study.experiments if one.hidden and not one.dropout_probability), None)
    with_dropout = nearest_to_shown(study.experiments)
    if without is None or with_dropout is None:
        raise ValueError("figure_4_cases needs a model with hidden labels without label dropout, and one with it.")
    dataset = without.hidden[0].dataset
    cases = _draw(_test_cases(study, dataset), FIGURE_4_CASES, study.settings["seed"], dataset)
    what = f"{item.numbers} p = {with_dropout.dropout_probability:g}."
    return _panel(study, [(dataset, case) for case in cases], (without, with_dropout), what)


def supplementary_figure_1(study: Study, item: Item) -> Content:
    """Some of the images on which the observer drew, under every model of the figure."""
    kit = kit_cases(study)
    chosen = []
    for dataset in sorted(set(kit["dataset"])):
        names = kit.loc[kit["dataset"] == dataset, "case"].tolist()
        shown = _draw(names, study.settings["kit"]["shown"], study.settings["seed"], dataset)
        chosen += [(dataset, case) for case in shown]
    return _panel(study, chosen, study.experiments, item.numbers)
