"""The scores behind a comparison: every model with its seeds, on the images that all models have a score of."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from labeldropout.analysis.claims.declared import Comparison
from labeldropout.analysis.claims.kinds import joined
from labeldropout.analysis.crossed import Scored, scored_images
from labeldropout.analysis.panels import kit_cases
from labeldropout.analysis.study import Study, cell_of


@dataclass(frozen=True)
class Compared(Scored):
    """Dice of the images that count."""

    sides: Float[np.ndarray, "sides n"]
    """Averaged over seeds and over the models of a side."""


def _cell(study: Study, comparison: Comparison) -> pd.DataFrame:
    """The scores of the comparison's models in its cell.

    Raises:
        LookupError: A model is missing, or has no score here; the message says which.
    """
    rows = {one.model: one for one in study.experiments}
    if missing := [name for name in comparison.models if name not in rows]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LookupError(f"no row {missing[0]}{others} in the list of experiments")
    cell = cell_of(study.scores, comparison.dataset, comparison.structure, comparison.reference)
    cell = cell[cell["model"].isin(comparison.models)]
    if comparison.images == "kit":
        try:
            kit = kit_cases(replace(study, experiments=tuple(rows[name] for name in comparison.models)))
        except ValueError as error:
            raise LookupError("no masks drawn by an observer") from error
        cell = cell[cell["case"].isin(set(kit["case"]))]
    if absent := [name for name in comparison.models if name not in set(cell["model"])]:
        whose = "" if comparison.reference == "dataset" else " by the observer's masks"
        raise LookupError(f"{joined(absent)}: {comparison.structure} of {comparison.dataset} not scored{whose}")
    return cell


def scored(study: Study, comparison: Comparison) -> Compared:
    """Return the scores behind a comparison.

    Args:
        study: Scores of the study.
        comparison: As declared.

    Raises:
        LookupError: A model is missing, or has no score here; the message says which.
    """
    found = scored_images(_cell(study, comparison), comparison.models)
    means = {name: dice.mean(axis=0) for name, dice in found.models.items()}
    sides = np.array([np.mean([means[name] for name in names], axis=0) for names in comparison.sides])
    return Compared(found.models, found.patients, found.n_left_out, sides)
