"""The tables behind the figures with box plots and curves: Dice by model, seed, data set and structure."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.outcomes import Resampling
from labeldropout.analysis.statistics import group_means, standard_deviation, summarise
from labeldropout.analysis.study import _DATA, Content, Study, cell_of, enumerated
from labeldropout.analysis.typesetting import interval, mean_and_spread, number
from labeldropout.items import Item
from labeldropout.learning.experiments import Experiment

FIGURE_TABLE = {
    "model": "row of config/experiments.tsv",
    "train_on": "data sets whose training parts were used, joined by +",
    "loss": "loss of the training",
    "probability": "probability of label dropout; 0 without",
    "seed": "seed of the training, or all: means over seeds",
    "dataset": "data set whose test part is scored",
    "structure": "name of the structure; mean = mean over the structures of an image that have a Dice score",
    "dice_mean": "mean Dice over images; seed all: mean over seeds of those means",
    "dice_sd": "standard deviation (n - 1) over images; seed all: over the seeds' means, empty with one seed",
    "dice_median": "median over images; seed all: of the images' means over seeds, as are the four numbers that follow",
    "dice_q1": "first quartile",
    "dice_q3": "third quartile",
    "dice_whisker_low": "smallest Dice within 1.5 interquartile ranges below the first quartile",
    "dice_whisker_high": "largest Dice within 1.5 interquartile ranges above the third quartile",
    "dice_worst": "mean of the worst 5 %: of the lowest n / 20 scores, rounded up; seed all: of the means over seeds",
    "dice_low": "lower end of the 95 % interval of the mean, bootstrap over patients; seed all: of the images' means"
    " over seeds, so the interval speaks of other patients, not of other seeds",
    "dice_high": "upper end of that interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "dice_sd_patients": "standard deviation (n - 1) of the patients' means",
    "n": "images behind the mean",
    "n_patients": "patients behind the mean",
    "n_failures": "images with a Dice score below 0.5 (an empty prediction has 0); seed all: of the means over seeds",
    "n_both_empty": "images left out because reference and prediction are both empty",
    "reported": "the paper's mean; empty if it gives none",
    "reported_sd": "the paper's standard deviation; empty if it gives none",
    **_DATA,
}
"""`tables/figure_<n>.csv` behind figures 1, 3 and 4: one row per model, seed, data set and structure."""

INSTRUMENT_TABLE = {
    **FIGURE_TABLE,
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "severity": "domain shift of the simulated data sets that the model is trained and tested on; empty for real data",
    "study_severity": "the study's own domain shift, config severity; empty for real data",
    "network": "network of the model",
    "hidden": "labels hidden from the training part, as STRUCTURE@DATASET:SHARE joined by +; @any:DATASET: from all"
    " data sets alike, as many as DATASET has; empty if none",
    "dropout_mode": "mode of label dropout, single or pattern; empty without",
    "augmentation": "none, published or strong",
}
"""`tables/<item>.csv` of our own experiments: the columns behind a figure, and what sets the models apart."""

LENGTH_TABLE = {**INSTRUMENT_TABLE, "steps": "optimisation steps of every training; empty where epochs are counted"}
"""`tables/training_length.csv`: what a study of another length is compared with."""

OWN_REFERENCE = ("dataset",)
"""The figures of the paper score only against the data sets' own labels."""


ALL_REFERENCES = ("dataset", "observer")


def _set_apart(study: Study, experiment: Experiment) -> dict[str, Any]:
    """What sets the models of our own experiments apart, in addition to the columns behind a figure."""
    return {
        "severity": study.severity_of(experiment),
        "study_severity": study.severity,
        "network": experiment.network,
        "hidden": "+".join(
            f"{one.structure.name}@{one.dataset}:{one.as_many_as or one.share}" for one in experiment.hidden
        ),
        "dropout_mode": experiment.dropout_mode,
        "augmentation": experiment.augmentation,
        "steps": study.settings["steps"],
    }


def _rows(study: Study, item: str, references: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row per model, data set, structure, reference and seed, and one over the seeds."""
    resampling = Resampling(study.settings["statistics"])
    for experiment in study.experiments:
        own = study.scores[study.scores["model"] == experiment.model]
        averaged = study.images[study.images["model"] == experiment.model]
        cells = [
            (dataset, structure, reference)
            for dataset in experiment.evaluated_on
            for structure in study.structures
            for reference in references
        ]
        for dataset, structure, reference in cells:
            cell = cell_of(own, dataset, structure, reference)
            if cell.empty:
                continue
            images = cell_of(averaged, dataset, structure, reference)
            of_seeds = {seed: cell[cell["seed"] == seed] for seed in experiment.seeds}
            means = np.array([summarise(rows["dice"].to_numpy(float)).mean for rows in of_seeds.values()])
            where = {"item": item, "model": experiment.model, "dataset": dataset, "structure": structure}
            for seed, rows in {**of_seeds, "all": images}.items():
                values, patients = rows["dice"].to_numpy(float), rows["patient"].to_numpy()
                summary, of_patients = summarise(values), group_means(values, patients)
                found = resampling.interval(values, patients, 0.95)
                over_seeds = seed == "all"
                yield {
                    "model": experiment.model,
                    "train_on": "+".join(experiment.train_on),
                    "loss": experiment.loss,
                    "probability": experiment.dropout_probability,
                    "seed": seed,
                    "dataset": dataset,
                    "structure": structure,
                    "dice_mean": float(means.mean()) if over_seeds else summary.mean,
                    "dice_sd": standard_deviation(means) if over_seeds else summary.sd,
                    "dice_median": summary.median,
                    "dice_q1": summary.q1,
                    "dice_q3": summary.q3,
                    "dice_whisker_low": summary.whisker_low,
                    "dice_whisker_high": summary.whisker_high,
                    "dice_worst": summary.worst,
                    "dice_low": found.low,
                    "dice_high": found.high,
                    "interval": resampling.words(found),
                    "dice_sd_patients": standard_deviation(of_patients),
                    "n": summary.n,
                    "n_patients": of_patients.size,
                    "n_failures": summary.n_failures,
                    "n_both_empty": summary.n_missing,
                    "reported": study.reported_value(**where, measure="dice"),
                    "reported_sd": study.reported_value("sd", **where, measure="dice"),
                    "data": study.data_of(dataset),
                    "reference": reference,
                    **_set_apart(study, experiment),
                }


def _reading(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """One line per model, data set and structure, with as many columns as fit on a page."""
    lines = []
    for experiment in study.experiments:
        rows = table[table["model"] == experiment.model]
        single = len(experiment.seeds) == 1
        for row in rows[rows["seed"] == (experiment.seeds[0] if single else "all")].itertuples():
            drawn = getattr(row, "reference", "dataset") == "observer"
            lines.append(
                {
                    "Model": row.model,
                    "Tested on": f"{row.dataset} (observer)" if drawn else row.dataset,
                    "Structure": row.structure,
                    "Dice, mean ± SD": mean_and_spread(row.dice_mean, row.dice_sd),
                    "SD over": "images" if single else f"{len(experiment.seeds)} seeds",
                    "95 % of the mean": interval(row.dice_low, row.dice_high),
                    "Median [quartiles]": f"{number(row.dice_median)} {interval(row.dice_q1, row.dice_q3)}",
                    "Worst 5 %": number(row.dice_worst),
                    "n (patients)": f"{row.n} ({row.n_patients})",
                    "< 0.5 (empty)": f"{row.n_failures} ({row.n_both_empty})",
                    "Paper": mean_and_spread(row.reported, row.reported_sd),
                }
            )
    reading = pd.DataFrame(lines)
    return reading if table["reported"].notna().any() else reading.drop(columns="Paper", errors="ignore")


def _content(study: Study, item: Item, columns: dict[str, str], references: Sequence[str]) -> Content:
    table = pd.DataFrame(list(_rows(study, item.name, references)), columns=list(columns))
    how = (
        "95 %: interval of the mean by bootstrap over patients; worst 5 %: mean of that share of the images; n: images;"
        " < 0.5: failures, and in brackets images left out because reference and prediction are both empty."
    )
    segmented = enumerated([structure.name for structure in study.experiments[0].structures])
    numbers = item.numbers.format(structures=segmented)
    return Content(table, columns, f"{numbers} {how}", _reading(study, table))


def figure_table(study: Study, item: Item) -> Content:
    """The table behind a figure, one row per model, seed, data set and structure."""
    return _content(study, item, FIGURE_TABLE, OWN_REFERENCE)


def instrument_table(study: Study, item: Item) -> Content:
    """The table of one of our own experiments, one row per model, seed, data set, structure and reference."""
    return _content(study, item, INSTRUMENT_TABLE, ALL_REFERENCES)


def length_table(study: Study, item: Item) -> Content:
    """The same with the length of the trainings."""
    return _content(study, item, LENGTH_TABLE, ALL_REFERENCES)
