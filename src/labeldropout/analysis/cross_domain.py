"""Experiment 1 beside the literature: what a network loses on pictures of another domain, here and as published."""

import math
from dataclasses import dataclass

import pandas as pd

from labeldropout.analysis.study import Content, Study, cell_of
from labeldropout.analysis.typesetting import NOTHING, number
from labeldropout.items import Item

CROSS_DOMAIN = {
    "trained_on": "data set, hospital or scanner of the training images",
    "tested_on": "data set, hospital or scanner of the test images",
    "dice_within": "mean Dice of LV on test images of the domain of the training",
    "dice_across": "mean Dice of LV on the test images of the other domain",
    "loss": "dice_within minus dice_across",
    "source": "this study, or where it was published",
    "pictures": "simulated or real: the pictures of this row, which need not be those of the study",
}
"""`tables/cross_domain.csv`: one row per pair of domains; ours first."""


@dataclass(frozen=True)
class Published:
    """A published loss of LV Dice; of one source each, networks without prompts, real data."""

    trained_on: str
    tested_on: str
    dice_within: float
    dice_across: float
    source: str


_NPJ = "npj Digital Medicine 2025, s41746-025-01730-y"

PUBLISHED = (
    Published("EchoNet-Dynamic", "another hospital", 0.915, 0.893, _NPJ),
    Published("EchoNet-Dynamic", "CAMUS, A4C", 0.915, 0.850, _NPJ),
    Published("EchoNet-Dynamic", "CAMUS, A2C (view not seen)", 0.915, 0.752, _NPJ),
    Published("EchoNet-Dynamic", "point-of-care scanner", 0.915, 0.667, _NPJ),
    Published("EchoNet-Dynamic, ED", "CAMUS, ED", 0.936, 0.928, "LS2Net, README of its repository"),
    Published("site G", "site R", 0.813, 0.485, "GraphEcho, arXiv 2309.11145"),
)
"""Nothing in this project is fitted to these numbers; they stand beside ours (docs/study/domains.md)."""


def cross_domain(study: Study, item: Item) -> Content:
    """Every pair of data sets of the models that were trained on one, then the published pairs.

    Ours are means over images, then over seeds, of the first structure (of hearts the LV), scored against the data
    set's own labels.
    """
    rows = []
    for experiment in study.experiments:
        (trained_on,), name = experiment.train_on, experiment.structures[0].name
        own = study.images[study.images["model"] == experiment.model]
        dice = {
            dataset: float(cell_of(own, dataset, name, "dataset")["dice"].mean()) for dataset in experiment.evaluated_on
        }
        rows += [
            [
                trained_on,
                dataset,
                dice[trained_on],
                across,
                dice[trained_on] - across,
                "this study",
                study.data_of(dataset),
            ]
            for dataset, across in dice.items()
            if dataset != trained_on and not math.isnan(across)
        ]
    for one in PUBLISHED:
        loss = one.dice_within - one.dice_across
        rows.append([one.trained_on, one.tested_on, one.dice_within, one.dice_across, loss, one.source, "real"])
    segmented = study.experiments[0].structures[0].name if study.experiments else study.structures[0]
    table = pd.DataFrame(rows, columns=list(CROSS_DOMAIN))
    ours = table[table["source"] == "this study"]["loss"]
    published = table[table["source"] != "this study"]["loss"]
    said = item.numbers.format(structures=segmented)
    caption = (
        f"{said} Median loss here {_or_nothing(ours.median())} ({_range(ours)}), published"
        f" {number(published.median(), 2)} ({_range(published)})."
    )
    reading = pd.DataFrame(
        {
            "Trained on": table["trained_on"],
            "Tested on": table["tested_on"],
            "Within": [number(value) for value in table["dice_within"]],
            "Across": [number(value) for value in table["dice_across"]],
            "Loss": [number(value) for value in table["loss"]],
            "Source": [f"{row.source} ({row.pictures})" for row in table.itertuples()],
        }
    )
    return Content(table, CROSS_DOMAIN, caption, reading)


def _or_nothing(value: float) -> str:
    return NOTHING if math.isnan(value) else number(value, 2)


def _range(losses: pd.Series) -> str:
    return "none" if losses.empty else f"{number(losses.min(), 2)} to {number(losses.max(), 2)}"
