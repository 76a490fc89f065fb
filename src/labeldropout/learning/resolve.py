"""The verb `resolve`: from a row of the list and the study's settings to every setting of one model."""

from typing import Any

from labeldropout.labels import values_of
from labeldropout.learning.experiments import ORACLE, Experiment


def resolve(experiment: Experiment, settings: dict[str, Any], selected: dict[str, Any]) -> dict[str, Any]:
    """Every setting of a model as one JSON-compatible dictionary: the only settings that a training reads.

    Args:
        experiment: The row.
        settings: Section `training` of the configuration, `grid_size`, `crop_margin`, `channels` of the images,
            the study's seed as `study_seed`, and `simulated`.
        selected: `learning_rate` and `batch_size` chosen by the grid search.
    """
    return {
        "model": experiment.model,
        "experiment": experiment.experiment,
        "train_on": list(experiment.train_on),
        "structures": values_of(experiment.structures),
        "channels": settings["channels"],
        "hidden": [
            {
                "structure": item.structure.name,
                "dataset": item.dataset,
                **({"share": item.share} if item.as_many_as is None else {"as_many_as": item.as_many_as}),
            }
            for item in experiment.hidden
        ],
        "loss": experiment.loss_function,
        "augmentation": None
        if experiment.augmentation == "none"
        else {"name": experiment.augmentation, "transforms": settings["augmentation"][experiment.augmentation]},
        "label_dropout": {
            "structures": [structure.name for structure in experiment.dropout_structures],
            "probability": experiment.dropout_probability,
            "mode": experiment.dropout_mode,
        }
        if experiment.dropout_structures
        else None,
        "network": {"name": experiment.network, **settings["network"]},
        "evaluated_on": list(experiment.evaluated_on),
        "optimisation": {**settings["optimisation"], **selected},
        "grid_size": settings["grid_size"],
        "crop_margin": settings["crop_margin"],
        "study_seed": settings["study_seed"],
        "simulated": settings["simulated"],
        **({"ignore_hidden": True} if experiment.loss == ORACLE else {}),
        **({} if experiment.severity is None else {"severity": experiment.severity}),
    }
