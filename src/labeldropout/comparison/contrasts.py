"""Every comparison that is tested, declared before its result is seen."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labeldropout.comparison.study import CELL, MEAN, STRUCTURES, Study
from labeldropout.experiments import Experiment
from labeldropout.statistics import NO_DIFFERENCE

SHOWN_PROBABILITY = 0.5
"""Probability of label dropout whose predictions the paper shows and, we take it, tests."""


@dataclass(frozen=True)
class Contrast:
    """A comparison declared before the results are seen."""

    family: str
    words: str
    a: Experiment
    b: Experiment
    dataset: str
    structure: str
    reference: str = "dataset"
    margin: float = math.nan
    """Equivalence is tested with this margin, where the claim is that nothing differs."""


def nearest_to_shown(experiments: Sequence[Experiment]) -> Experiment | None:
    """The model with label dropout whose probability is nearest to the one that the paper shows."""
    dropping = [experiment for experiment in experiments if experiment.dropout_probability > 0]
    return min(dropping, key=lambda one: abs(one.dropout_probability - SHOWN_PROBABILITY), default=None)


def _cells(study: Study, a: Experiment, b: Experiment, *, means: bool) -> list[tuple[str, str, str]]:
    """Data set, structure and reference of the cells that both models are scored on."""
    cells = [
        {tuple(cell) for cell in study.scores.loc[study.scores["model"] == one.model, CELL].to_numpy()}
        for one in (a, b)
    ]
    shared = cells[0] & cells[1]
    return [
        (dataset, structure, reference)
        for dataset in b.evaluated_on
        for structure in STRUCTURES
        for reference in ("dataset", "observer")
        if (dataset, structure, reference) in shared and (means or structure != MEAN)
    ]


def _experiment_1(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "1"]
    for intra in models:
        for cross in models:
            if len(intra.train_on) == 1 and intra.train_on[0] not in cross.train_on:
                dataset = intra.train_on[0]
                words = f"trained on {dataset} against trained on {'+'.join(cross.train_on)}"
                for cell in _cells(study, cross, intra, means=False):
                    if cell[0] == dataset:
                        yield Contrast("experiment 1", words, cross, intra, *cell)


def _augmented(one: Experiment) -> str:
    return f"{one.loss} loss {'with' if one.augmentation else 'without'} augmentation"


def _experiment_2(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "2"]
    order = sorted(models, key=lambda one: (one.loss != "standard", one.augmentation))
    for place, a in enumerate(order):
        for b in order[place + 1 :]:
            for cell in _cells(study, a, b, means=False):
                yield Contrast(f"experiment 2: {cell[0]}", f"{_augmented(b)} against {_augmented(a)}", a, b, *cell)


def _experiment_3(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "3"]
    benchmarks = [one for one in models if not one.hidden]
    standards = [one for one in models if one.hidden and one.loss == "standard"]
    others = [one for one in models if one.hidden and one.loss != "standard"]
    pairs = [
        *((a, b, f"{b.loss} against standard loss", math.nan) for a in standards for b in others),
        *((a, b, f"{b.loss} loss against benchmark", NO_DIFFERENCE) for a in benchmarks for b in others),
        *((a, b, "standard loss against benchmark", math.nan) for a in benchmarks for b in standards),
    ]
    for a, b, words, margin in pairs:
        for cell in _cells(study, a, b, means=True):
            yield Contrast("experiment 3", words, a, b, *cell, margin)


def _experiment_4(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "4"]
    without = next((one for one in models if one.hidden and not one.dropout_probability), None)
    if without is None:
        return
    hidden = {(item.dataset, item.structure.name) for item in without.hidden}
    for b in models:
        if b is without:
            continue
        words = f"label dropout p = {b.dropout_probability:g}" if b.hidden else "benchmark"
        for cell in _cells(study, without, b, means=False):
            if cell[:2] in hidden:
                yield Contrast("experiment 4: hidden structure", f"{words} against p = 0", without, b, *cell)
    shown = nearest_to_shown(models)
    if shown is not None:
        words = f"label dropout p = {shown.dropout_probability:g} against p = 0"
        for cell in _cells(study, without, shown, means=False):
            if cell[:2] not in hidden:
                yield Contrast("experiment 4: other structures", words, without, shown, *cell, NO_DIFFERENCE)


def _experiment_4b(study: Study) -> Iterator[Contrast]:
    for b in [one for one in study.experiments if one.experiment == "4b" and one.dropout_probability]:
        for a in study.experiments:
            same = (a.train_on, a.loss, a.augmentation) == (b.train_on, b.loss, b.augmentation)
            if same and a.experiment in {"2", "4b"} and not a.dropout_probability:
                for cell in _cells(study, a, b, means=False):
                    if cell[2] == "dataset":
                        words = "label dropout against none, all test images"
                        yield Contrast("experiment 4b: all test images", words, a, b, *cell)


def declared(study: Study) -> list[Contrast]:
    """Every comparison of the paper's experiments that the models at hand allow."""
    experiments = (_experiment_1, _experiment_2, _experiment_3, _experiment_4, _experiment_4b)
    return [contrast for declare in experiments for contrast in declare(study)]
