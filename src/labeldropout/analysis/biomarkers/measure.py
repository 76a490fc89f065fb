"""The verb `biomarkers measure`: what clinicians read off the predicted, the reference and the true hearts."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.biomarkers.chambers import (
    EMPTY,
    TOO_SMALL,
    Discs,
    axis_of_atrium,
    cut_into_discs,
    ejection_fraction,
    implausibilities,
    volume_by_area_length,
    volume_by_discs,
)
from labeldropout.analysis.study import _DATA
from labeldropout.data.case_store import CaseStore
from labeldropout.files import read_table, write_table
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant, View, is_annotated
from labeldropout.learning.predictions import read_predictions

_MEASURE = {
    "measure": "what is measured and by which formula, such as lv_volume_biplane",
    "structure": "LV, LVM or LA",
    "views": "views behind it, joined by +; empty if unknown",
    "instant": "ED, ES, ED+ES for a fraction; empty if unknown",
    "unit": "ml, cm2 or percent; px where the size of a pixel is unknown",
}

BIOMARKERS = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "dataset": "data set of the patient",
    "patient": "our identifier of the patient, in the test part",
    **_MEASURE,
    "prediction": "from the predicted masks; an empty mask has area and volume 0; empty if undefined, as is a fraction"
    " of a chamber of which nothing, or too little, is drawn when it is full",
    "reference": "from the reference masks of the same images; empty where the structure is not annotated",
    "true_masks": "from the simulator's masks of the same images: what plane and formula give; empty where unknown",
    "truth": "of the simulated heart in three dimensions; empty where unknown, and for areas",
    "implausible_prediction": "why no volume should be read from a predicted mask behind it, joined by ;",
    "implausible_reference": "the same of the reference masks",
    "implausible_true_masks": "the same of the simulator's masks",
    **_DATA,
}
"""`biomarkers/<model>.csv` and `tables/biomarkers_patients.csv`: one row per seed, patient and measure."""

Spacing = tuple[float, float]


Key = tuple[str, str, str, str, str]
"""Measure, structure, views, instant and unit."""

SINGLE_PLANE = (View.A4C, View.A2C, "")
"""The view of a single-plane volume: the first of these that a patient has."""


BIPLANE = (View.A4C, View.A2C)


BOTH = f"{Instant.ED}+{Instant.ES}"


_CHAMBERS = (Structure.LV, Structure.LA)


_FRACTIONS = {Structure.LV: "lv_ejection_fraction", Structure.LA: "la_emptying_fraction"}


_KEYS = ["measure", "structure", "views", "instant", "unit"]


SOURCES = ("prediction", "reference", "true_masks")
"""Whose masks are measured."""


_TEXT = ("model", "dataset", "patient", *_KEYS, *(f"implausible_{source}" for source in SOURCES), "data")


@dataclass(frozen=True)
class Picture:
    """A label map of one image, whoever drew it."""

    view: str
    instant: str
    spacing_mm: Spacing | None
    labels: np.ndarray
    """uint8 (H, W)."""
    structures: frozenset[IntEnum]
    """The structures that it covers."""


@dataclass(frozen=True)
class Value:
    """One number with the reasons to doubt it."""

    value: float
    reasons: frozenset[str]
    """From `implausibilities`, of all masks behind it."""


@dataclass(frozen=True)
class _Chamber:
    """One structure in one picture."""

    discs: Discs | None
    """None if nothing is drawn, or no volume is wanted."""
    area: float
    """In square pixels or mm."""
    has_mm: bool
    reasons: frozenset[str]


def _discs(picture: Picture, structure: Structure, spacing: Spacing) -> Discs | None:
    """Discs of a chamber; those of the atrium across the line from the ventricle, if there is one."""
    mask = picture.labels == structure
    if structure not in _CHAMBERS or not mask.any():
        return None
    if structure is Structure.LV:
        return cut_into_discs(mask, spacing)
    ventricle = picture.labels == Structure.LV
    # A speck of a ventricle gives no direction.
    seen = Structure.LV in picture.structures and not {EMPTY, TOO_SMALL} & set(implausibilities(ventricle, spacing))
    return cut_into_discs(mask, spacing, axis=axis_of_atrium(mask, ventricle if seen else None, spacing))


def _chamber(picture: Picture, structure: Structure) -> _Chamber:
    mask, spacing = picture.labels == structure, picture.spacing_mm or (1.0, 1.0)
    return _Chamber(
        discs=_discs(picture, structure, spacing),
        area=float(mask.sum()) * spacing[0] * spacing[1],
        has_mm=picture.spacing_mm is not None,
        # The myocardium is open at its base, and the atrium is widest near the valve: neither has an apex.
        reasons=frozenset(implausibilities(mask, spacing, has_apex=structure is Structure.LV)),
    )


def _volumes(planes: Sequence[_Chamber]) -> dict[str, float]:
    """Volumes by the formulas for this many planes, in the cube of the discs' unit; 0 if nothing is drawn in one."""
    names = ("area_length", "discs") if len(planes) == 1 else ("biplane",)
    drawn = [plane.discs for plane in planes if plane.discs is not None]
    if len(drawn) < len(planes):
        return dict.fromkeys(names, 0.0)
    if len(drawn) == 1:
        one = drawn[0]
        return {"area_length": volume_by_area_length(one.area, one.length), "discs": volume_by_discs(one)}
    return {"biplane": volume_by_discs(*drawn)}


def _full_and_emptied(structure: Structure) -> tuple[Instant, Instant]:
    """When a chamber is largest and smallest: the ventricle is full at ED, the atrium at ES."""
    return (Instant.ED, Instant.ES) if structure is Structure.LV else (Instant.ES, Instant.ED)


def _fraction(structure: Structure, by_instant: Mapping[Instant, float]) -> float:
    """Share of its largest volume that a chamber empties, in percent."""
    full, emptied = _full_and_emptied(structure)
    return ejection_fraction(by_instant[full], by_instant[emptied])


def _of_chamber(structure: Structure, chambers: Mapping[tuple[str, str], _Chamber]) -> Iterator[tuple[Key, Value]]:
    """Volumes at both instants, and the fraction that is emptied between them."""
    name = structure.name.lower()
    seen = {view: [instant for instant in Instant if (view, instant) in chambers] for view in SINGLE_PLANE}
    single = [next((view for view in SINGLE_PLANE if instant in seen[view]), None) for instant in Instant]
    plans: list[tuple[tuple[str, ...], Instant]] = [
        ((view,), instant) for view, instant in zip(single, Instant, strict=True) if view is not None
    ]
    plans += [(BIPLANE, instant) for instant in Instant if all(instant in seen[view] for view in BIPLANE)]
    for views, instant in plans:
        planes = [chambers[view, instant] for view in views]
        if all(plane.has_mm for plane in planes):
            reasons = frozenset[str]().union(*(plane.reasons for plane in planes))
            for method, volume in _volumes(planes).items():
                key = (f"{name}_volume_{method}", structure.name, "+".join(views), str(instant), "ml")
                yield key, Value(volume / 1000, reasons)
    complete = [view for view in SINGLE_PLANE if len(seen[view]) == len(Instant)]
    for views in [*((view,) for view in complete[:1]), *[BIPLANE] * (set(BIPLANE) <= set(complete))]:
        used = {instant: [chambers[view, instant] for view in views] for instant in Instant}
        reasons = frozenset[str]().union(*(plane.reasons for planes in used.values() for plane in planes))
        volumes = {instant: _volumes(planes) for instant, planes in used.items()}
        full, _ = _full_and_emptied(structure)
        # A share of next to nothing would have no bound, and one patient would decide every mean.
        has_whole = not any({EMPTY, TOO_SMALL} & plane.reasons for plane in used[full])
        for method in volumes[full]:
            of_method = {instant: volumes[instant][method] for instant in Instant}
            key = (f"{_FRACTIONS[structure]}_{method}", structure.name, "+".join(views), BOTH, "percent")
            yield key, Value(_fraction(structure, of_method) if has_whole else math.nan, reasons)


def measure_patient(pictures: Sequence[Picture]) -> dict[Key, Value]:
    """Everything that can be read off the label maps of one patient.

    Areas are means over the images of one view and instant, volumes come from images whose instant is known (a store
    has one of each view and instant). A mask that does not look like a chamber is measured like the others (0 if it is
    empty), and the reasons are kept beside the number.

    Args:
        pictures: The patient's label maps, all from the same source.
    """
    values: dict[Key, Value] = {}
    for structure in FOREGROUND:
        chambers = [(picture, _chamber(picture, structure)) for picture in pictures if structure in picture.structures]
        areas: dict[Key, list[_Chamber]] = {}
        for picture, chamber in chambers:
            unit = "cm2" if chamber.has_mm else "px"
            key = (f"{structure.name.lower()}_area", structure.name, picture.view, picture.instant, unit)
            areas.setdefault(key, []).append(chamber)
        for key, several in areas.items():
            area = float(np.mean([chamber.area for chamber in several])) / (100 if key[-1] == "cm2" else 1)
            values[key] = Value(area, frozenset[str]().union(*(chamber.reasons for chamber in several)))
        if structure in _CHAMBERS:
            timed = {(picture.view, picture.instant): chamber for picture, chamber in chambers if picture.instant}
            values.update(_of_chamber(structure, timed))
    return values


def _true_value(key: Key, heart: Mapping[str, Any]) -> float:
    """What `hearts.csv` says about a measure; NaN for areas, which depend on where the plane lies."""
    _, structure, _, instant, unit = key
    if unit == "ml":
        return float(heart[f"{structure}_{instant}_ml"])
    if unit == "percent":
        volumes = {moment: float(heart[f"{structure}_{moment}_ml"]) for moment in Instant}
        return _fraction(Structure[structure], volumes)
    return math.nan


def _pictures(
    store: CaseStore, rows: Iterable[int], maps: Mapping[str, np.ndarray] | None, structures: frozenset[IntEnum]
) -> list[Picture]:
    """Label maps of these cases: predictions if given, otherwise the references with what is annotated.

    Raises:
        ValueError: A prediction is missing or does not fit its image.
    """
    pictures = []
    for row in rows:
        facts = store.table.iloc[row]
        reference = store.target(row)
        known = frozenset(name for name, state in store.states(row).items() if is_annotated(state))
        labels = reference if maps is None else maps[facts["case"]]
        if labels.shape != reference.shape:
            raise ValueError(
                f"prediction of {facts['case']} does not fit (expected {reference.shape}, found {labels.shape})."
            )
        speaks_of = structures & known if maps is None else structures
        pictures.append(Picture(facts["view"], facts["instant"], store.spacing_mm(row), labels, speaks_of))
    return pictures


def measure_model(
    model: str,
    predictions: Path,
    cases: Sequence[Path],
    truth: Sequence[Path],
    structures: Sequence[str],
    output: Path,
    *,
    simulated: bool,
) -> None:
    """Measure every patient of a model's test sets, as predicted, as annotated and in truth: table `BIOMARKERS`.

    Args:
        model: Row of the list of experiments.
        predictions: `<model>.npz`.
        cases: Stores of the data sets on which the model was evaluated.
        truth: Stores with the simulator's masks of the simulated ones, and their `hearts.csv`.
        structures: Names of what it segments.
        output: The table.
        simulated: Whether any of the data are simulated.

    Raises:
        ValueError: A predicted case is in no store, or does not fit it; the message names the archive.
    """
    segmented = frozenset(Structure[name] for name in structures)
    hearts = {
        row["patient"]: row
        for folder in truth
        for row in read_table(folder / "hearts.csv", text=("group_name",)).to_dict("records")
    }
    true_stores = [CaseStore(folder) for folder in truth]
    archive = read_predictions(predictions)
    by_seed: dict[int, dict[str, str]] = {}
    for key in archive:
        folder, case = key.split("/")
        by_seed.setdefault(int(folder.removeprefix("seed-")), {})[case] = key
    stores = [CaseStore(folder) for folder in cases]
    lost = {case for of_seed in by_seed.values() for case in of_seed}.difference(
        *(set(s.table["case"]) for s in stores)
    )
    if lost:
        raise ValueError(f"{predictions}: case {min(lost)} is in none of the stores {[str(path) for path in cases]}.")
    drawn: dict[tuple[str, ...], dict[str, dict[Key, Value]]] = {}
    found = []
    try:
        for store, (seed, keys) in product(stores, sorted(by_seed.items())):
            mine = store.table[store.table["case"].isin(set(keys))].sort_values(["patient", "case"])
            for (dataset, patient), of_patient in mine.groupby(["dataset", "patient"], sort=True):
                images = tuple(of_patient["case"])
                maps = {case: archive[keys[case]] for case in images}
                predicted = measure_patient(_pictures(store, of_patient.index, maps, segmented))
                if images not in drawn:
                    true = [
                        picture
                        for one in true_stores
                        for picture in _pictures(one, one.table.index[one.table["case"].isin(images)], None, segmented)
                    ]
                    reference = _pictures(store, of_patient.index, None, segmented)
                    drawn[images] = {"reference": measure_patient(reference), "true_masks": measure_patient(true)}
                for key, value in predicted.items():
                    sources = {"prediction": value, **{name: of_it.get(key) for name, of_it in drawn[images].items()}}
                    found.append(
                        {
                            "model": model,
                            "seed": seed,
                            "dataset": dataset,
                            "patient": patient,
                            **dict(zip(_KEYS, key, strict=True)),
                            **{name: of_it.value if of_it else math.nan for name, of_it in sources.items()},
                            "truth": _true_value(key, hearts[patient]) if patient in hearts else math.nan,
                            **{
                                f"implausible_{name}": "; ".join(sorted(of_it.reasons)) if of_it else ""
                                for name, of_it in sources.items()
                            },
                            "data": "simulated" if simulated else "real",
                        }
                    )
    except ValueError as error:
        raise ValueError(f"{predictions}: {error}") from error
    if not found:
        raise ValueError(f"{predictions}: no prediction (expected one per test case and seed).")
    write_table(pd.DataFrame(found), output, BIOMARKERS)
