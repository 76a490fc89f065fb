"""Every comparison that is tested, declared before its result is seen."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labeldropout.analysis.statistics import NO_DIFFERENCE
from labeldropout.analysis.study import CELL, MEAN, Study
from labeldropout.learning.experiments import AUGMENTATIONS, ORACLE, Experiment

SHOWN_PROBABILITY = 0.5
"""Probability of label dropout whose predictions the paper shows and, we assume, tests."""


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
    """Margin for the test of equivalence, where the claim is that nothing differs."""


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
        for structure in study.structures
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
    return f"{one.loss} loss {'without' if one.augmentation == 'none' else 'with'} augmentation"


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


def _of(study: Study, item: str) -> list[Experiment]:
    return [one for one in study.experiments if item in one.shown_in]


def _hidden_cells(study: Study, a: Experiment, b: Experiment, hidden_by: Experiment) -> list[tuple[str, str, str]]:
    """The cells of both models for which this model's training lacks labels: where a remedy has to show."""
    hidden = {(item.dataset, item.structure.name) for item in hidden_by.hidden}
    return [cell for cell in _cells(study, a, b, means=False) if cell[:2] in hidden and cell[2] == "dataset"]


def _untreated(models: Sequence[Experiment]) -> Experiment | None:
    """The adaptive model whose labels are hidden in one data set, without label dropout."""
    return next(
        (
            one
            for one in models
            if one.loss == "adaptive"
            and not one.dropout_probability
            and one.hidden
            and all(item.as_many_as is None for item in one.hidden)
        ),
        None,
    )


def _controls(study: Study) -> Iterator[Contrast]:
    models = _of(study, "controls")
    without = _untreated(models)
    if without is None:
        return
    independent = [one for one in models if any(item.as_many_as for item in one.hidden)]
    dropping = [one for one in models if one.dropout_probability]
    oracles = [one for one in models if one.loss == ORACLE]
    benchmarks = [one for one in models if not one.hidden and set(one.train_on) == set(without.train_on)]
    plain = [one for one in models if not one.hidden and set(one.train_on) < set(without.train_on)]
    pairs = [
        *(
            (without, b, "labels hidden independently of the domain against hidden in one", math.nan)
            for b in independent
        ),
        *((without, b, f"label dropout p = {b.dropout_probability:g} against p = 0", math.nan) for b in dropping),
        *((without, b, "pixels of the hidden structure left out against background", math.nan) for b in oracles),
        *(
            (b, a, "benchmark against pixels of the hidden structure left out", math.nan)
            for a in benchmarks
            for b in oracles
        ),
        *((without, b, f"trained on {'+'.join(b.train_on)} alone against p = 0", math.nan) for b in plain),
        *(
            (a, b, "labels hidden independently of the domain against benchmark", NO_DIFFERENCE)
            for a in benchmarks
            for b in independent
        ),
    ]
    for a, b, words, margin in pairs:
        for cell in _hidden_cells(study, a, b, without):
            yield Contrast("experiment 5: controls", words, a, b, *cell, margin)


def _dose_response(study: Study) -> Iterator[Contrast]:
    models = _of(study, "dose_response")
    for severity in sorted({study.severity_of(one) for one in models}):
        same = [one for one in models if study.severity_of(one) == severity]
        adaptive, benchmark = _untreated(same), next((one for one in same if not one.hidden), None)
        if adaptive is None or benchmark is None:
            continue
        for cell in _hidden_cells(study, benchmark, adaptive, adaptive):
            words = f"adaptive loss against benchmark, severity {severity:g}"
            yield Contrast("experiment 6: dose-response", words, benchmark, adaptive, *cell)


def _remedy(one: Experiment) -> str:
    """Loss and label dropout of a model, in words."""
    words = {"adaptive_bce": "adaptive BCE", "marginal_exclusion": "marginal + exclusion"}
    dropout = f", label dropout {one.dropout_mode}" if one.dropout_probability else ""
    return f"{words.get(one.loss, one.loss)} loss{dropout}"


def _losses(study: Study) -> Iterator[Contrast]:
    models = [one for one in _of(study, "losses") if one.hidden]
    for setting in dict.fromkeys((one.train_on, one.hidden) for one in models):
        same = [one for one in models if (one.train_on, one.hidden) == setting]
        without = _untreated(same)
        if without is None:
            continue
        where = "across domains" if len(without.train_on) > 1 else "within a domain"
        missing = " and ".join(item.structure.name for item in without.hidden)
        for structure in study.structures:
            for b in same:
                if b is without:
                    continue
                for cell in _hidden_cells(study, without, b, without):
                    if cell[1] == structure:
                        family = f"experiment 7: {where}, {missing} hidden: {structure}"
                        yield Contrast(family, f"{_remedy(b)} against adaptive loss", without, b, *cell)


def _architectures(study: Study) -> Iterator[Contrast]:
    models = _of(study, "architectures")
    for network in dict.fromkeys(one.network for one in models):
        same = [one for one in models if one.network == network]
        without = _untreated(same)
        for b in [one for one in same if one.dropout_probability and without is not None]:
            words = f"{network}: label dropout p = {b.dropout_probability:g} against p = 0"
            for cell in _hidden_cells(study, without, b, without):
                yield Contrast("experiment 8: architectures", words, without, b, *cell)


def _label_sets(study: Study) -> Iterator[Contrast]:
    models = [one for one in _of(study, "label_sets") if one.loss != "standard"]
    without = next((one for one in models if one.loss == "adaptive" and not one.dropout_probability), None)
    for b in [one for one in models if without is not None and one is not without]:
        cells = _cells(study, without, b, means=False)
        drawn = {dataset for dataset, _, reference in cells if reference == "observer"}
        for cell in cells:
            if cell[0] in drawn:
                words = f"{_remedy(b)} against adaptive loss"
                yield Contrast("experiment 4b: label sets", words, without, b, *cell)


def _augmentation(study: Study) -> Iterator[Contrast]:
    models = _of(study, "augmentation")
    for augmentation in AUGMENTATIONS:
        same = [one for one in models if one.augmentation == augmentation]
        without = _untreated(same)
        for b in [one for one in same if without is not None and one is not without]:
            words = f"{_remedy(b)} p = {b.dropout_probability:g}" if b.dropout_probability else _remedy(b)
            words = words if b.hidden else "benchmark"
            for cell in _hidden_cells(study, without, b, without):
                family = f"experiment 10: augmentation {augmentation}"
                yield Contrast(family, f"{words} against adaptive loss", without, b, *cell)


def _remedies(study: Study) -> Iterator[Contrast]:
    models = _of(study, "remedies")
    for hidden in dict.fromkeys(one.hidden for one in models if one.hidden):
        without = _untreated([one for one in models if one.hidden == hidden])
        if without is None:
            continue
        place = " and ".join(f"{item.structure.name} in {item.dataset}" for item in hidden)
        for b in models:
            if b is without or not (b.hidden == hidden or (not b.hidden and b.train_on == without.train_on)):
                continue
            words = f"{_remedy(b)}{f' p = {b.dropout_probability:g}' if b.dropout_probability else ''}"
            words = words if b.hidden else "benchmark"
            for cell in _hidden_cells(study, without, b, without):
                yield Contrast(f"remedies: {place} hidden", f"{words} against adaptive loss", without, b, *cell)


def declared_instrument(study: Study) -> list[Contrast]:
    """Every comparison of our own experiments that the models at hand allow.

    Families: the controls; the severities; each setting and structure of the losses; the networks; the label sets; each
    augmentation; each place where labels are hidden.
    """
    experiments = (_controls, _dose_response, _losses, _architectures, _label_sets, _augmentation, _remedies)
    return [contrast for declare in experiments for contrast in declare(study)]
