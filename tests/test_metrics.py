"""Laws of the scores, cases worked by hand, and agreement with MONAI."""

import math
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labeldropout.metrics import (
    dice_score,
    hausdorff_distance_95,
    mean_surface_distance,
    partial_dice,
    score_structure,
    surface,
    surface_dice,
    surface_distances,
)

SCORES = ("dice", "hausdorff_distance_95", "mean_surface_distance", "surface_dice")


def blob(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A random ellipsoid with a ragged border; never empty."""
    grid = np.indices(shape).reshape(len(shape), -1).T
    middle = rng.uniform(0.25, 0.75, len(shape)) * shape
    radii = rng.uniform(0.1, 0.45, len(shape)) * shape
    distance = (((grid - middle) / radii) ** 2).sum(1).reshape(shape)
    mask = distance + rng.normal(0, 0.15, shape) < 1
    mask[tuple(int(value) for value in middle)] = True
    return mask


def rectangle(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    """A mask that is a rectangle."""
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def monai_scores(prediction: np.ndarray, reference: np.ndarray, spacing: list[float], tolerance: float) -> dict:
    """The same scores from MONAI."""
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    one, other = (torch.from_numpy(mask)[None, None] for mask in (prediction, reference))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns of masks that are empty and of its own deprecations
        return {
            "dice": compute_dice(one, other).item(),
            "hausdorff_distance_95": compute_hausdorff_distance(
                one, other, include_background=True, percentile=95, spacing=spacing
            ).item(),
            "mean_surface_distance": compute_average_surface_distance(
                one, other, include_background=True, symmetric=True, spacing=spacing
            ).item(),
            "surface_dice": compute_surface_dice(
                one, other, [tolerance], include_background=True, spacing=spacing
            ).item(),
        }


@pytest.mark.parametrize("shape", [(41, 37), (15, 17, 13)])
@pytest.mark.parametrize("seed", range(6))
def test_scores_are_those_of_monai(shape, seed):
    """Dice and the three surface scores agree with MONAI on ragged masks, also those that touch the border."""
    rng = np.random.default_rng(seed)
    prediction, reference = blob(rng, shape), blob(rng, shape)
    prediction[(0,) * len(shape)] = True
    spacing = [float(size) for size in rng.uniform(0.2, 2.0, len(shape))]
    tolerance = float(rng.uniform(0.5, 3.0))
    ours = score_structure(prediction, reference, spacing, tolerance)
    for name, value in monai_scores(prediction, reference, spacing, tolerance).items():
        assert ours[name] == pytest.approx(value, rel=1e-5), name


def test_full_frames_have_their_surface_at_the_edge_of_the_image():
    """A mask that fills the image still has a surface, as in MONAI."""
    full = np.ones((5, 6), bool)
    assert surface(full).sum() == 18
    part = rectangle((5, 6), slice(0, 5), slice(0, 3))
    ours = score_structure(full, part, [1.0, 1.0], 1.0)
    for name, value in monai_scores(full, part, [1.0, 1.0], 1.0).items():
        assert ours[name] == pytest.approx(value, rel=1e-5), name


def test_dice_of_two_overlapping_bars_worked_by_hand():
    """Four and six pixels that share two give 2 * 2 / 10."""
    prediction = rectangle((1, 10), slice(0, 1), slice(0, 4))
    reference = rectangle((1, 10), slice(0, 1), slice(2, 8))
    assert dice_score(prediction, reference) == pytest.approx(0.4)


def test_distances_of_two_pixels_worked_by_hand():
    """Three rows of 2 mm and four columns of 2 mm apart are 10 mm apart."""
    prediction = rectangle((8, 8), slice(1, 2), slice(1, 2))
    reference = rectangle((8, 8), slice(4, 5), slice(5, 6))
    assert hausdorff_distance_95(prediction, reference, (2.0, 2.0)) == pytest.approx(10)
    assert mean_surface_distance(prediction, reference, (2.0, 2.0)) == pytest.approx(10)
    assert surface_dice(prediction, reference, (2.0, 2.0), 9.9) == 0
    assert surface_dice(prediction, reference, (2.0, 2.0), 10.1) == 1


def test_distances_of_a_shifted_bar_worked_by_hand():
    """A bar of five pixels against one of three at the same start: two of the eight surface pixels are off."""
    prediction = rectangle((3, 9), slice(1, 2), slice(1, 6))
    reference = rectangle((3, 9), slice(1, 2), slice(1, 4))
    forward, backward = surface_distances(prediction, reference, (1.0, 0.5))
    assert sorted(forward.tolist()) == [0, 0, 0, 0.5, 1.0]
    assert backward.tolist() == [0, 0, 0]
    assert mean_surface_distance(prediction, reference, (1.0, 0.5)) == pytest.approx(1.5 / 8)
    assert surface_dice(prediction, reference, (1.0, 0.5), 0.5) == pytest.approx(7 / 8)
    # 95th percentile of 0, 0, 0, 0.5, 1: at position 3.8 of the sorted values
    assert hausdorff_distance_95(prediction, reference, (1.0, 0.5)) == pytest.approx(0.9)


def test_rows_and_columns_of_the_spacing_are_not_exchanged():
    """The first number of the spacing belongs to rows."""
    prediction = rectangle((9, 9), slice(1, 2), slice(4, 5))
    reference = rectangle((9, 9), slice(7, 8), slice(4, 5))
    assert hausdorff_distance_95(prediction, reference, (0.5, 3.0)) == pytest.approx(3.0)


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_nothing_to_agree_on_is_undefined(shape):
    """With both masks empty all scores are NaN, never 1 or 0."""
    empty = np.zeros(shape, bool)
    scores = score_structure(empty, empty, (1.0,) * len(shape), 1.0)
    assert all(math.isnan(scores[name]) for name in SCORES)
    assert math.isnan(dice_score(empty, empty))
    assert (scores["reference_px"], scores["prediction_px"]) == (0, 0)


def test_one_empty_mask_is_a_failure():
    """One empty side gives Dice and surface Dice 0 and no distance, whichever side it is."""
    empty, full = np.zeros((6, 7), bool), rectangle((6, 7), slice(2, 4), slice(2, 5))
    for pair in ((empty, full), (full, empty)):
        scores = score_structure(*pair, (1.0, 1.0), 1.0)
        assert scores["dice"] == 0
        assert scores["surface_dice"] == 0
        assert math.isnan(scores["hausdorff_distance_95"])
        assert math.isnan(scores["mean_surface_distance"])
    assert scores["prediction_px"] == 6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), three=st.booleans())
def test_scores_obey_symmetry_identity_mirroring_and_scaling(seed, three):
    """Exchange, mirroring and transposition change nothing; scaling the spacing scales distances alone."""
    rng = np.random.default_rng(seed)
    shape = (11, 12, 9) if three else (23, 19)
    a, b = blob(rng, shape), blob(rng, shape)
    spacing = tuple(float(size) for size in rng.uniform(0.3, 2.0, len(shape)))
    scores = score_structure(a, b, spacing, 1.5)

    same = score_structure(a, a, spacing, 0.0)
    assert [same[name] for name in SCORES] == [1, 0, 0, 1]

    def agree(other: dict, factor: float = 1.0) -> None:
        assert other["dice"] == pytest.approx(scores["dice"], abs=1e-12)
        assert other["surface_dice"] == pytest.approx(scores["surface_dice"], abs=1e-12)
        for name in ("hausdorff_distance_95", "mean_surface_distance"):
            assert other[name] == pytest.approx(scores[name] * factor, rel=1e-9)

    agree(score_structure(b, a, spacing, 1.5))
    agree(score_structure(a[::-1], b[::-1], spacing, 1.5))
    agree(score_structure(a.T, b.T, spacing[::-1], 1.5))
    agree(score_structure(np.pad(a, 3), np.pad(b, 3), spacing, 1.5))
    agree(score_structure(a, b, tuple(4 * size for size in spacing), 6.0), 4.0)


def test_a_shift_of_a_square_moves_its_distances_as_far():
    """Shifted by d rows, no surface pixel is further than d from the other square's surface."""
    square = rectangle((40, 40), slice(10, 20), slice(10, 20))
    distances = [hausdorff_distance_95(np.roll(square, shift, 0), square, (1.0, 1.0)) for shift in range(1, 9)]
    assert distances == sorted(distances)
    assert all(value <= shift for shift, value in enumerate(distances, 1))


def test_ill_formed_input_is_refused_with_what_was_found():
    """Other shapes, wrong spacings and a negative tolerance end with a message that shows them."""
    mask = np.ones((4, 5), bool)
    with pytest.raises(ValueError, match=r"\(4, 5\) and \(5, 4\)"):
        dice_score(mask, mask.T)
    with pytest.raises(ValueError, match="expected 2 sizes"):
        hausdorff_distance_95(mask, mask, (1.0,))
    with pytest.raises(ValueError, match="spacing"):
        mean_surface_distance(mask, mask, (1.0, math.nan))
    with pytest.raises(ValueError, match="tolerance"):
        score_structure(mask, mask, (1.0, 1.0), -1.0)


def test_a_native_frame_is_scored_within_milliseconds():
    """A structure of a 300 x 250 frame takes a few milliseconds, so that evaluation is not what one waits for."""
    row, column = np.mgrid[:300, :250]
    a = ((row - 150) / 90) ** 2 + ((column - 120) / 60) ** 2 < 1
    b = ((row - 155) / 95) ** 2 + ((column - 125) / 55) ** 2 < 1
    times = []
    for _ in range(20):
        start = time.perf_counter()
        score_structure(a, b, (0.5, 0.4), 2.0)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02


@pytest.mark.parametrize("measure", [dice_score, surface_distances, hausdorff_distance_95, score_structure])
@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (np.array([[0, 1], [1, 0]]), "int64"),
        (np.array([[0, 1], [2, 3]], np.uint8), "uint8"),
        (np.array([[0.0, 0.7], [1.0, np.inf]]), "float64"),
        ([[True, False], [True, True]], "list"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_metrics_refuse_what_is_no_mask(measure, bad, found):
    """Integers, label maps, probabilities and lists are no masks; a Dice of them would be a number like any other."""
    mask = np.ones((2, 2), bool)
    more = {surface_distances: [(1, 1)], hausdorff_distance_95: [(1, 1)], score_structure: [(1, 1), 1.0]}
    for name, masks in (("prediction", (bad, mask)), ("reference", (mask, bad))):
        with pytest.raises(ValueError, match=f"{name}: expected a mask of one structure.*found {found}"):
            measure(*masks, *more.get(measure, []))


@pytest.mark.usefixtures("ordinary_runtime")
def test_the_surface_of_a_label_map_is_refused():
    """A label map has several surfaces."""
    with pytest.raises(ValueError, match="mask: expected a mask of one structure"):
        surface(np.ones((2, 2), int))


PREDICTION = torch.tensor([[[1, 1, 0, 2]], [[0, 2, 2, 2]]])
TARGET = torch.tensor([[[1, 0, 0, 2]], [[0, 0, 2, 0]]])
"""Two cases of four pixels; structure 2 is not annotated in the second, though pixels bear its number."""
ANNOTATED = torch.tensor([[True, True, True], [True, True, False]])


def test_dice_of_what_nobody_drew_is_unknown():
    """Worked by hand: unannotated is NaN, both empty is NaN, the background is known where everything is annotated."""
    expected = torch.tensor([[2 / 3, 2 / 3, 1.0], [math.nan, math.nan, math.nan]])
    torch.testing.assert_close(partial_dice(PREDICTION, TARGET, ANNOTATED), expected, equal_nan=True)


def test_dice_takes_label_maps_as_frameworks_have_them():
    """With a channel axis and as floats, the scores are the same; ignored pixels count on neither side."""
    expected = partial_dice(PREDICTION, TARGET, ANNOTATED)
    found = partial_dice(PREDICTION.unsqueeze(1).float(), TARGET.to(torch.uint8), ANNOTATED)
    torch.testing.assert_close(found, expected, equal_nan=True)
    target = TARGET.clone()
    target[0, 0, 1] = -1
    found = partial_dice(PREDICTION, target, ANNOTATED, ignore_index=-1)
    torch.testing.assert_close(found[0], torch.tensor([1.0, 1.0, 1.0]))


@pytest.mark.parametrize("seed", range(5))
def test_dice_under_full_annotation_is_dice(seed):
    """Where everything is annotated, each structure has the Dice score of its masks."""
    generator = torch.Generator().manual_seed(seed)
    prediction, target = (torch.randint(0, 3, (2, 4, 4), generator=generator) for _ in range(2))
    scores = partial_dice(prediction, target, torch.ones(2, 3, dtype=torch.bool))
    for case in range(2):
        for structure in range(3):
            expected = dice_score(*((each[case] == structure).numpy() for each in (prediction, target)))
            assert scores[case, structure].item() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": torch.zeros(2, 1, 3, dtype=torch.long)}, "expected .* of one shape"),
        ({"prediction": torch.full((2, 3, 1, 4), 0.3)}, "prediction: expected whole numbers, found 0.3"),
        (
            {"prediction": torch.eye(3)[PREDICTION].movedim(-1, 1), "target": torch.eye(3)[TARGET].movedim(-1, 1)},
            r"prediction: expected a label map, found a channel for each of 3 structures \(pass its argmax\(1\)\)",
        ),
        ({"prediction": PREDICTION.bool()}, "prediction: expected a label map, .*found torch.bool"),
        ({"prediction": PREDICTION + 1}, r"prediction: expected a label map, values 0 to 2 .*found 1 to 3"),
        ({"target": TARGET - 1}, "target: expected a label map, values 0 to 2 .*found -1 to 1"),
        ({"annotated": ANNOTATED.int()}, r"annotated: expected bool \(2, C\), found torch.int32"),
        ({"annotated": ANNOTATED[:1]}, r"annotated: expected bool \(2, C\)"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_dice_of_what_is_no_label_map_is_refused(change, message):
    """Logits, masks and numbers of other structures end with what was found and what was expected."""
    with pytest.raises(ValueError, match=message):
        partial_dice(**{"prediction": PREDICTION, "target": TARGET, "annotated": ANNOTATED} | change)
