"""Predicting and scoring the test sets of one model: one row per seed, case and structure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from labeldropout.data.case_store import CaseStore
from labeldropout.data.parts import named, part_of_cases, read_parts
from labeldropout.data.prepared import Prepared, read_prepared
from labeldropout.devices import choose_device
from labeldropout.files import write_table
from labeldropout.labels import Part, is_annotated
from labeldropout.learning.model import BATCH_SIZE, Model, load_model, predict_cases
from labeldropout.learning.predictions import write_predictions
from labeldropout.learning.tables import SCORES
from labeldropout.metrics import score_structure

_OF_CASE = ("case", "dataset", "patient", "view", "instant")


@dataclass(frozen=True)
class Tolerance:
    """How far apart two surfaces may be and still agree."""

    mm: float
    px: float
    """Where the size of a pixel is unknown."""


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    structure: IntEnum,
    spacing_mm: tuple[float, float] | None,
    tolerance: Tolerance,
) -> dict[str, Any]:
    """Scores of one structure in one case, with the names of `SCORES`.

    Args:
        prediction: uint8 (H, W), values of structures.
        reference: uint8 (H, W).
        structure: Which one.
        spacing_mm: (row, column) size of a pixel; None if unknown, and then no distance in mm is given.
        tolerance: Of the surface Dice.
    """
    masks = prediction == structure, reference == structure
    in_px = score_structure(*masks, (1.0, 1.0), tolerance.px)
    in_mm = score_structure(*masks, spacing_mm, tolerance.mm) if spacing_mm else None
    return {
        "structure": structure.name,
        "dice": in_px["dice"],
        "hausdorff_distance_95_mm": in_mm["hausdorff_distance_95"] if in_mm else np.nan,
        "hausdorff_distance_95_px": in_px["hausdorff_distance_95"],
        "mean_surface_distance_mm": in_mm["mean_surface_distance"] if in_mm else np.nan,
        "mean_surface_distance_px": in_px["mean_surface_distance"],
        "surface_dice": (in_mm or in_px)["surface_dice"],
        "surface_dice_tolerance": f"{tolerance.mm:g} mm" if in_mm else f"{tolerance.px:g} px",
        "reference_px": int(masks[1].sum()),
        "prediction_px": int(masks[0].sum()),
    }


@dataclass(frozen=True)
class TestSet:
    """The test part of one data set: prepared images, and references on the stored grid."""

    prepared: Prepared
    rows: np.ndarray
    """Rows of the prepared table that are in the test part."""
    store: CaseStore
    store_row_by_case: dict[str, int]

    @classmethod
    def read(cls, cases: Path, prepared: Path, patients: pd.DataFrame) -> "TestSet":
        """Open a store and the arrays prepared from it.

        Raises:
            ValueError: They do not hold the same cases.
        """
        arrays, store = read_prepared(prepared), CaseStore(cases)
        if set(arrays.table["case"]) != set(store.table["case"]):
            raise ValueError(f"{prepared} and {cases} hold different cases. Prepare the data set again.")
        rows = np.flatnonzero((part_of_cases(arrays.table, patients) == Part.TEST).to_numpy())
        return cls(arrays, rows, store, {case: row for row, case in enumerate(store.table["case"])})


def references(
    test_set: TestSet, observed: CaseStore | None, case: str, structures: Sequence[IntEnum]
) -> Iterator[tuple[str, IntEnum, np.ndarray]]:
    """What a prediction is compared with: the data set's annotations, and the observer's where the data set has none.

    Args:
        test_set: The data set.
        observed: Masks drawn on the annotation kit.
        case: Identifier of the case.
        structures: What the model segments.

    Yields:
        "dataset" or "observer", the structure, and the label map that shows it.
    """
    row = test_set.store_row_by_case[case]
    states = test_set.store.states(row)
    drawn = observed is not None and case in set(observed.table["case"])
    for structure in structures:
        if is_annotated(states[structure]):
            yield "dataset", structure, test_set.store.target(row)
        elif drawn:
            observed_row = int(np.flatnonzero(observed.table["case"] == case)[0])
            if is_annotated(observed.states(observed_row)[structure]):
                yield "observer", structure, observed.target(observed_row)


def evaluate(
    model: Model, test_set: TestSet, observed: CaseStore | None, tolerance: Tolerance
) -> Iterator[tuple[str, np.ndarray, list[dict[str, Any]]]]:
    """Predict and score a test set, a few images at a time.

    Yields:
        Identifier of the case, label map on the stored grid, rows of scores.
    """
    for start in range(0, len(test_set.rows), BATCH_SIZE):
        rows = test_set.rows[start : start + BATCH_SIZE]
        table = list(test_set.prepared.table.iloc[rows].itertuples(index=False))
        for row, prediction in zip(table, predict_cases(model, test_set.prepared.images[rows], table), strict=True):
            spacing = test_set.store.spacing_mm(test_set.store_row_by_case[row.case])
            yield (
                row.case,
                prediction,
                [
                    {
                        "model": model.config["model"],
                        "seed": model.seed,
                        **{name: getattr(row, name) for name in _OF_CASE},
                        "reference": source,
                        **score_case(prediction, reference, structure, spacing, tolerance),
                    }
                    for source, structure, reference in references(test_set, observed, row.case, model.structures)
                ],
            )


def evaluate_model(
    weights: Sequence[Path],
    cases: Sequence[Path],
    prepared: Sequence[Path],
    split: Sequence[Path],
    observed: Path | None,
    settings: dict[str, float],
    device: str,
    threads: int,
    scores: Path,
    predictions: Path,
) -> None:
    """Evaluate every seed of one model on its test sets, and write the scores and the predictions.

    Args:
        weights: `weights.safetensors` of every seed.
        cases: Stores of cases, one per data set.
        prepared: Prepared arrays, in the same order.
        split: Tables `PATIENTS` of these data sets.
        observed: Store of the masks drawn on the annotation kit, if there is one.
        settings: surface_tolerance_mm and surface_tolerance_px.
        device: auto, cpu or cuda.
        threads: Threads on a CPU.
        scores: Table `SCORES` to write.
        predictions: Archive of label maps to write.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    tolerance = Tolerance(settings["surface_tolerance_mm"], settings["surface_tolerance_px"])
    patients = read_parts(split)
    test_sets = [TestSet.read(*folders, patients) for folders in zip(cases, prepared, strict=True)]
    drawn = CaseStore(observed) if observed else None
    rows: list[dict[str, Any]] = []

    def label_maps() -> Iterator[tuple[str, np.ndarray]]:
        for path in weights:
            try:
                model = load_model(path, chosen)
            except ValueError as error:
                raise ValueError(
                    f"{error} It was not trained again: to train exactly this model again, delete the file and"
                    " run the same command again (of the workflow, or `labeldropout train`)."
                ) from error
            for test_set in test_sets:
                for case, prediction, scored in evaluate(model, test_set, drawn, tolerance):
                    rows.extend(scored)
                    yield f"seed-{model.seed}/{case}", prediction

    write_predictions(label_maps(), predictions)
    if not rows:
        raise ValueError(f"{named(split)}: no test case with a reference for {[str(path) for path in weights]}.")
    table = pd.DataFrame(rows).sort_values(["seed", "dataset", "case", "structure", "reference"], kind="stable")
    write_table(table, scores, SCORES)
