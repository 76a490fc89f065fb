"""Scores of test sets."""

import numpy as np
import pytest
import torch

from labeldropout.case import Case
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.files import read_table
from labeldropout.heart import Structure
from labeldropout.labels import State
from labeldropout.learning.evaluate import Tolerance, evaluate_model, score_case
from labeldropout.learning.predictions import read_predictions
from labeldropout.learning.tables import SCORES
from labeldropout.learning.train import train_model

SETTINGS = {"surface_tolerance_mm": 2.0, "surface_tolerance_px": 4.0}


@pytest.fixture
def evaluated(small_study):
    """A model trained with two seeds and evaluated on both data sets, with one observed atrium in the second."""
    folders = [small_study.prepared(name) for name in ("first", "second")]
    weights = []
    for seed in (0, 1):
        output = small_study.root / f"seed-{seed}"
        train_model(small_study.config(), folders, [small_study.split], seed, "cpu", 1, output, None)
        weights.append(output / "weights.safetensors")
    torch.use_deterministic_algorithms(mode=False)
    store = CaseStore(small_study.cases("second"))
    patients = read_table(small_study.split).set_index("patient")["part"]
    test_row = next(i for i, patient in enumerate(store.table["patient"]) if patients[patient] == "test")
    case = store.case(test_row)
    target = np.array(case.target)
    target[28:34, 16:24] = Structure.LA
    drawn = Case(**{**vars(case), "target": target, "states": {**case.states, Structure.LA: State.LABELLED}})
    write_cases([drawn], small_study.root / "observed", ImportReport("second"))
    evaluate_model(
        weights=weights,
        cases=[small_study.cases("first"), small_study.cases("second")],
        prepared=folders,
        split=[small_study.split],
        observed=small_study.root / "observed",
        settings=SETTINGS,
        device="cpu",
        threads=1,
        scores=small_study.root / "scores.csv",
        predictions=small_study.root / "predictions.npz",
    )
    return small_study.root, drawn


def test_every_annotated_structure_of_every_test_case_is_scored_once_per_seed(evaluated):
    """Two seeds, four test images per data set; the second has two structures, and one atrium by the observer."""
    root, drawn = evaluated
    scores = read_table(root / "scores.csv", SCORES)
    assert len(scores) == 2 * (4 * 3 + 4 * 2 + 1)
    assert not scores.duplicated(["seed", "case", "structure"]).any()
    observed = scores[scores["reference"] == "observer"]
    assert set(observed["case"]) == {drawn.id}
    assert set(observed["structure"]) == {"LA"}
    assert (observed["reference_px"] == 48).all()


def test_distances_in_mm_exist_only_where_the_spacing_is_known(evaluated):
    """The second data set has no pixel spacing: pixels only, and a tolerance in pixels."""
    scores = read_table(evaluated[0] / "scores.csv", SCORES)
    first, second = (scores[scores["dataset"] == name] for name in ("first", "second"))
    assert second["hausdorff_distance_95_mm"].isna().all()
    assert set(second["surface_dice_tolerance"]) == {"4 px"}
    assert set(first["surface_dice_tolerance"]) == {"2 mm"}
    known = first.dropna(subset=["hausdorff_distance_95_px"])
    assert np.allclose(known["hausdorff_distance_95_mm"], 0.5 * known["hausdorff_distance_95_px"])


def test_predictions_are_kept_on_the_stored_grid(evaluated):
    """The archive holds one label map per seed and test case, of the stored image's shape."""
    scores = read_table(evaluated[0] / "scores.csv", SCORES)
    predictions = read_predictions(evaluated[0] / "predictions.npz")
    expected = {f"seed-{seed}/{case}" for seed, case in zip(scores["seed"], scores["case"], strict=True)}
    assert set(predictions) == expected
    row = scores[scores["structure"] == "LV"].iloc[0]
    label_map = predictions[f"seed-{row['seed']}/{row['case']}"]
    assert label_map.shape == (40, 40)
    assert (label_map == Structure.LV).sum() == row["prediction_px"]


@pytest.mark.parametrize("left", [0, 7, 1000, -1])
def test_weights_cut_short_are_named_with_what_to_do(small_study, left):
    """One message names the file and says how to train it again; the file stays, and no scores are written."""
    output = small_study.root / "seed-0"
    folders = [small_study.prepared(name) for name in ("first", "second")]
    train_model(small_study.config(), folders, [small_study.split], 0, "cpu", 1, output, None)
    torch.use_deterministic_algorithms(mode=False)
    weights = output / "weights.safetensors"
    content = weights.read_bytes()[:left]
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="to train exactly this model again, delete the file and") as error:
        evaluate_model(
            weights=[weights],
            cases=[small_study.cases("first")],
            prepared=[small_study.prepared("first")],
            split=[small_study.split],
            observed=None,
            settings=SETTINGS,
            device="cpu",
            threads=1,
            scores=small_study.root / "scores.csv",
            predictions=small_study.root / "predictions.npz",
        )
    assert str(error.value).startswith(f"{weights}: not a safetensors file, or cut short")
    assert weights.read_bytes() == content
    assert not (small_study.root / "scores.csv").exists()
    assert not (small_study.root / "predictions.npz").exists()


def test_scores_of_a_shifted_square():
    """A square moved by two pixels: Dice 2 * 48 / 128, distance 2 px or 1 mm."""
    reference = np.zeros((20, 20), np.uint8)
    reference[4:12, 4:12] = Structure.LV
    prediction = np.roll(reference, 2, 1)
    scores = score_case(prediction, reference, Structure.LV, (0.5, 0.5), Tolerance(2.0, 4.0))
    assert scores["dice"] == pytest.approx(0.75)
    assert scores["hausdorff_distance_95_px"] == pytest.approx(2.0)
    assert scores["hausdorff_distance_95_mm"] == pytest.approx(1.0)
    assert scores["surface_dice"] == 1.0


def test_an_empty_prediction_is_a_failure_with_dice_0():
    """One side empty: Dice 0 and no distance; both empty: nothing is defined (decision 31)."""
    reference = np.zeros((20, 20), np.uint8)
    empty = score_case(reference, reference, Structure.LV, None, Tolerance(2.0, 4.0))
    assert np.isnan(empty["dice"])
    drawn = reference.copy()
    drawn[5:9, 5:9] = Structure.LV
    missed = score_case(reference, drawn, Structure.LV, None, Tolerance(2.0, 4.0))
    assert missed["dice"] == 0
    assert np.isnan(missed["hausdorff_distance_95_px"])
