"""The tables behind the figures with box plots and curves: Dice by model, seed, data set and structure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.comparison.study import STRUCTURES, Content, Study, cell_of
from labeldropout.published import FIGURE_TABLE
from labeldropout.statistics import group_means, standard_deviation, summarise
from labeldropout.typesetting import interval, mean_and_spread, number


def _figure_rows(study: Study, item: str) -> Iterator[dict[str, Any]]:
    for experiment in study.experiments:
        own = study.scores[study.scores["model"] == experiment.model]
        averaged = study.images[study.images["model"] == experiment.model]
        for dataset in experiment.evaluated_on:
            for structure in STRUCTURES:
                cell = cell_of(own, dataset, structure, "dataset")
                if cell.empty:
                    continue
                images = cell_of(averaged, dataset, structure, "dataset")
                of_seeds = {seed: cell[cell["seed"] == seed] for seed in experiment.seeds}
                means = np.array([summarise(rows["dice"].to_numpy(float)).mean for rows in of_seeds.values()])
                where = {"item": item, "model": experiment.model, "dataset": dataset, "structure": structure}
                for seed, rows in {**of_seeds, "all": images}.items():
                    values, patients = rows["dice"].to_numpy(float), rows["patient"].to_numpy()
                    summary, of_patients = summarise(values), group_means(values, patients)
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
                        "dice_sd_patients": standard_deviation(of_patients),
                        "n": summary.n,
                        "n_patients": of_patients.size,
                        "n_failures": summary.n_failures,
                        "n_both_empty": summary.n_missing,
                        "reported": study.reported_value(**where, measure="dice"),
                        "reported_sd": study.reported_value("sd", **where, measure="dice"),
                        "data": study.data,
                    }


def figure_table(study: Study, item: str, what: str) -> Content:
    """The table behind a figure, one row per model, seed, data set and structure."""
    table = pd.DataFrame(list(_figure_rows(study, item)), columns=list(FIGURE_TABLE))
    reading = []
    for experiment in study.experiments:
        rows = table[table["model"] == experiment.model]
        single = len(experiment.seeds) == 1
        shown = rows[rows["seed"] == (experiment.seeds[0] if single else "all")]
        reading += [
            {
                "Model": row.model,
                "Trained on": row.train_on,
                "Tested on": row.dataset,
                "Structure": row.structure,
                "Dice, mean ± SD": mean_and_spread(row.dice_mean, row.dice_sd),
                "SD over": "images" if single else f"{len(experiment.seeds)} seeds",
                "Median [quartiles]": f"{number(row.dice_median)} {interval(row.dice_q1, row.dice_q3)}",
                "Images (patients)": f"{row.n} ({row.n_patients})",
                "Dice < 0.5": str(row.n_failures),
                "Both empty": str(row.n_both_empty),
                "Paper": mean_and_spread(row.reported, row.reported_sd),
            }
            for row in shown.itertuples()
        ]
    return Content(table, FIGURE_TABLE, what, pd.DataFrame(reading))
