"""The cone: fitted to masks, found in pictures, cropped and carried back."""

from pathlib import Path

import numpy as np
import pytest

from labeldropout.cone import Cone, cone_mask, intersection_over_union
from labeldropout.data.cone_finding import clean_fan, find_cone, fit_cone, moving_part
from labeldropout.data.crop import Crop, square_crop, to_grid, to_native

SHAPE = (200, 260)
CONES = {
    "narrow": Cone(12.0, 131.0, 0.35, 0.0, 170.0),
    "wide": Cone(20.0, 120.0, 0.78, 0.0, 150.0),
    "with a curved top": Cone(5.0, 140.0, 0.6, 30.0, 180.0),
    "apex above the picture": Cone(-15.0, 125.0, 0.55, 0.0, 190.0),
    "cut by the side borders": Cone(8.0, 122.0, 0.85, 0.0, 185.0),
    "cut by the lower border": Cone(10.0, 130.0, 0.5, 0.0, 230.0),
}
REAL = Path(__file__).parents[3] / "shared" / "real"


def speckle(shape, rng, level=70.0):
    """An image of developed speckle."""
    return np.clip(rng.rayleigh(level * 0.8, shape), 20, 255).astype(np.uint8)


def fan(cone, shape=SHAPE, seed=0):
    """Speckle in a cone, black outside, with a dark cavity."""
    image = speckle(shape, np.random.default_rng(seed))
    image[cone_mask(Cone(cone.apex_row + 70, cone.apex_column, 3.15, 0.0, 25.0), shape)] = 3
    return np.where(cone_mask(cone, shape), image, 0).astype(np.uint8)


@pytest.mark.parametrize("name", CONES)
def test_a_sector_is_recovered_from_its_mask(name):
    """Five numbers of a sector come back from its mask, also where the frame cuts it."""
    cone = CONES[name]
    mask = cone_mask(cone, SHAPE)
    fitted = fit_cone(mask)
    assert fitted is not None
    assert intersection_over_union(cone_mask(fitted, SHAPE), mask) > 0.98
    assert fitted.half_angle_rad == pytest.approx(cone.half_angle_rad, abs=0.02)
    assert fitted.apex_row == pytest.approx(cone.apex_row, abs=3)
    assert fitted.apex_column == pytest.approx(cone.apex_column, abs=2)
    assert fitted.near_px == pytest.approx(cone.near_px, abs=2)


@pytest.mark.parametrize("name", [*CONES, "beyond a half circle"])
def test_a_mask_has_the_pixels_whose_distance_and_angle_lie_in_the_sector(name):
    """The definition, worked out pixel by pixel: distance from the apex, and angle to the vertical."""
    cone = CONES.get(name, Cone(90.0, 130.0, 2.0, 10.0, 60.0))
    row, column = np.indices(SHAPE, dtype=float)
    radius = np.hypot(row - cone.apex_row, column - cone.apex_column)
    angle = np.abs(np.arctan2(column - cone.apex_column, row - cone.apex_row))
    expected = (radius >= cone.near_px) & (radius <= cone.far_px) & (angle <= cone.half_angle_rad)
    np.testing.assert_array_equal(cone_mask(cone, SHAPE), expected)


def test_a_doubtful_mask_of_a_network_comes_before_the_hull_of_what_is_bright():
    """A sector of which only a small part is bright: a network's mask with a bite gives it back, and says why."""
    cone = CONES["wide"]
    sector = cone_mask(cone, SHAPE)
    image = np.zeros((1, *SHAPE), np.uint8)
    image[0, 50:165, 75:170] = 90
    bitten = sector.copy()
    bitten[100:, :70] = False
    found = find_cone(image, 1.0, bitten)
    assert found.method == "network+fit"
    assert found.verdict.startswith("replaced (network: IoU")
    assert "fan: " in found.verdict
    hull = find_cone(image, 1.0)
    assert hull.method == "hull"
    assert intersection_over_union(found.mask, sector) > 1.3 * intersection_over_union(hull.mask, sector)


def test_bites_and_spikes_do_not_bend_the_fit():
    """A mask with a missing piece and a foreign one still gives the sector."""
    cone = CONES["wide"]
    mask = cone_mask(cone, SHAPE)
    mask[100:115, :60] = False
    mask[60:70, :120] = True
    mask[170:176, 100:104] = True
    fitted = fit_cone(mask)
    assert fitted is not None
    assert intersection_over_union(cone_mask(fitted, SHAPE), cone_mask(cone, SHAPE)) > 0.97


@pytest.mark.parametrize("mask", [np.zeros((60, 80), bool), np.ones((60, 80), bool), np.eye(60, 80, dtype=bool)])
def test_what_has_no_two_sides_gives_no_sector(mask):
    """Nothing, everything and a line are no cones."""
    assert fit_cone(mask) is None


@pytest.mark.parametrize("name", CONES)
def test_a_fan_alone_on_black_is_boxed_and_not_blanked(name):
    """CAMUS: the box is the fan's, and nothing is blanked; where the frame cuts the fan it is fitted or boxed."""
    cone = CONES[name]
    image = fan(cone)
    found = find_cone(image[None], 1.0)
    assert found.method == "geometry"
    assert found.mask.all()
    truth = cone_mask(cone, SHAPE)
    assert intersection_over_union(found.fan, truth) > 0.96


@pytest.mark.parametrize("name", CONES)
def test_burn_ins_are_blanked(name):
    """An ECG trace that crosses the fan, ticks, a bar and letters are outside the cone that is found."""
    cone = CONES[name]
    image, truth = fan(cone), cone_mask(cone, SHAPE)
    columns = np.arange(SHAPE[1])
    trace = np.clip(178 + 8 * np.sin(columns / 9), 0, 199).astype(int)
    image[trace, columns] = 230
    image[trace - 1, columns] = 230
    image[10:60, 2:9] = 255
    image[::20, 254:] = 200
    image[14:20, 228:236] = 220
    found = find_cone(image[None], 1.0)
    assert found.method == "fit"
    assert intersection_over_union(found.mask, truth) > 0.93
    assert not found.mask[10:60, 2:9].all()
    bright_outside = (image > 15) & ~truth
    assert (bright_outside & found.mask).sum() < 0.25 * bright_outside.sum()


def test_a_dark_side_does_not_narrow_the_cone():
    """Drop-out that fades one side towards its edge leaves the fitted cone nearly whole."""
    cone = CONES["wide"]
    image = fan(cone).astype(float)
    angle = np.arctan2(np.arange(SHAPE[1])[None] - cone.apex_column, np.arange(SHAPE[0])[:, None] - cone.apex_row)
    image *= np.clip(1.15 - 1.1 * np.clip(angle / cone.half_angle_rad, 0, 1), 0, 1)
    found = find_cone(image.astype(np.uint8)[None], 1.0)
    assert intersection_over_union(found.fan, cone_mask(cone, SHAPE)) > 0.9


def test_a_clip_shows_what_moves():
    """What never changes over a clip, such as a bar as large as the fan, is not part of the fan."""
    cone = CONES["narrow"]
    clip = np.stack([fan(cone, seed=seed) for seed in range(4)])
    clip[:, 5:190, :55] = 240
    assert not moving_part(clip)[:, :55].any()
    found = find_cone(clip, 1.0)
    assert intersection_over_union(found.mask, cone_mask(cone, SHAPE)) > 0.93


def test_a_black_image_is_refused():
    """An image without any pixel that differs from 0 raises."""
    with pytest.raises(ValueError, match="no pixel differs from 0"):
        find_cone(np.zeros((2, 50, 60), np.uint8), 1.0)


def test_noise_over_the_whole_frame_is_kept_whole():
    """A picture without a cone is not cut, and the table says so."""
    found = find_cone(speckle((1, 120, 150), np.random.default_rng(0)), 1.0)
    assert found.method == "whole-frame"
    assert found.mask.all()
    assert found.verdict.startswith("replaced")


def test_pixels_that_are_not_square_give_the_same_sector():
    """An image stored with rows half as high as columns are wide (old CAMUS) has the same angle and apex."""
    cone = CONES["with a curved top"]
    image = fan(cone)
    tall = np.repeat(image, 2, axis=0)
    found, stored_tall = find_cone(image[None], 1.0), find_cone(tall[None], 0.5)
    assert stored_tall.cone is not None
    assert found.cone is not None
    assert stored_tall.cone.half_angle_rad == pytest.approx(found.cone.half_angle_rad, abs=0.011)
    assert stored_tall.cone.apex_row == pytest.approx(found.cone.apex_row, abs=1)
    assert stored_tall.box[2] == pytest.approx(2 * found.box[2], abs=4)
    assert stored_tall.box[3] == pytest.approx(found.box[3], abs=2)


def test_a_network_that_agrees_with_a_sector_is_believed():
    """A mask near a sector gives the sector; a mask that is no sector gives way to the geometry."""
    cone = CONES["wide"]
    image, truth = fan(cone)[None], cone_mask(cone, SHAPE)
    ragged = truth.copy()
    ragged[::7, :] &= np.roll(truth, 2, 1)[::7, :]
    found = find_cone(image, 1.0, ragged)
    assert found.method == "network+fit"
    assert found.iou is not None
    assert found.iou >= 0.95
    assert found.area_ratio == pytest.approx(1, abs=0.05)
    square = np.zeros(SHAPE, bool)
    square[40:160, 60:200] = True
    replaced = find_cone(image, 1.0, square)
    assert replaced.method == "fit"
    assert "network" in replaced.verdict
    assert intersection_over_union(replaced.mask, truth) > 0.95
    nothing = find_cone(image, 1.0, np.zeros(SHAPE, bool))
    assert nothing.method == "fit"
    assert nothing.area_ratio is None


def test_cone_numbers_are_rounded_before_use():
    """Half pixels and hundredths of a radian, so that the last bits of a network do not change a crop."""
    found = find_cone(fan(CONES["wide"])[None], 1.0)
    assert found.cone is not None
    for number in (found.cone.apex_row, found.cone.apex_column, found.cone.near_px, found.cone.far_px):
        assert 2 * number == round(2 * number)
    assert found.cone.half_angle_rad == round(found.cone.half_angle_rad, 2)


def test_the_hull_of_a_clean_fan_covers_it():
    """Every pixel of the fan lies in its hull, and little else."""
    cone = CONES["wide"]
    image = fan(cone)
    hull = clean_fan(image)
    assert hull[image > 0].all()
    assert intersection_over_union(hull, cone_mask(cone, SHAPE)) > 0.97


@pytest.mark.parametrize("aspect", [1.0, 0.5, 1.3])
def test_the_crop_is_a_square_in_length(aspect):
    """The crop is as high as wide in millimetres, holds the box, and is centred on it."""
    crop = square_crop((20, 30, 100, 80), aspect, 0.05)
    assert crop.height * aspect == pytest.approx(crop.width, abs=max(1, aspect))
    assert crop.row <= 20
    assert crop.column <= 30
    assert crop.row + crop.height >= 120
    assert crop.column + crop.width >= 110
    assert crop.row + crop.height / 2 == pytest.approx(70, abs=1)
    assert max(crop.height * aspect, crop.width) == pytest.approx(1.1 * max(100 * aspect, 80), abs=1.5)


@pytest.mark.parametrize("size", [64, 256])
def test_a_label_map_survives_the_way_there_and_back(size):
    """Discs cropped with padding, resized and carried back lie where they were, within a grid pixel."""
    shape, crop = (150, 210), square_crop((-5, 20, 160, 150), 1.0, 0.05)
    rows, columns = np.indices(shape)
    target = np.zeros(shape, np.uint8)
    target[np.hypot(rows - 70, columns - 100) < 40] = 1
    target[np.hypot(rows - 120, columns - 60) < 18] = 2
    grid = to_grid(target, crop, size, labels=True)
    assert grid.shape == (size, size)
    assert set(np.unique(grid)) == {0, 1, 2}
    probabilities = np.stack([grid == value for value in range(3)]).astype(np.float32)
    back = to_native(probabilities, crop, shape)
    assert back.shape == (3, *shape)
    assert np.allclose(back.sum(0), 1, atol=1e-5)
    prediction = back.argmax(0)
    for value in (1, 2):
        dice = (
            2
            * ((prediction == value) & (target == value)).sum()
            / ((prediction == value).sum() + (target == value).sum())
        )
        assert dice > (0.95 if size == 64 else 0.98)
        centre = [np.nonzero(found == value) for found in (prediction, target)]
        assert np.allclose(np.mean(centre[0], 1), np.mean(centre[1], 1), atol=0.4)


def test_outside_the_crop_everything_is_background():
    """The way back fills what the network never saw with background."""
    back = to_native(np.full((4, 8, 8), 0.25, np.float32), Crop(2, 3, 4, 4), (10, 12))
    assert (back[0, :2] == 1).all()
    assert (back[1:, :2] == 0).all()
    assert np.allclose(back[:, 2:6, 3:7], 0.25)


def test_a_crop_beside_the_image_is_refused():
    """A crop that shares no pixel with the image is an error, not an empty picture."""
    with pytest.raises(ValueError, match="outside"):
        to_grid(np.ones((10, 10), np.uint8), Crop(20, 0, 5, 5), 8)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder shared/real is not beside the repository")
@pytest.mark.parametrize("name", ["a4c_single", "a4c_sequence"])
def test_the_cone_of_real_frames_is_found(name):
    """On a real frame and a real clip the geometry agrees with a published tool's mask."""
    nibabel = pytest.importorskip("nibabel")
    image = np.rint(np.asarray(nibabel.load(REAL / f"{name}.nii.gz").dataobj)).astype(np.uint8)
    mask = np.asarray(nibabel.load(REAL / f"{name}_sector_mask.nii.gz").dataobj) > 0
    frames = image.reshape(*image.shape[:2], -1).transpose(2, 1, 0)
    reference = mask.reshape(*mask.shape[:2], -1).transpose(2, 1, 0)[0]
    found = find_cone(frames, 1.0)
    assert found.method == "fit"
    assert intersection_over_union(found.mask, reference) >= 0.95
    for frame in frames[::5]:
        assert intersection_over_union(find_cone(frame[None], 1.0).mask, reference) >= 0.95


def test_faint_noise_round_a_fan_does_not_widen_it():
    """Compression noise along the edge, as in videos that were masked and then compressed, stays outside."""
    cone = CONES["wide"]
    image, truth = fan(cone), cone_mask(cone, SHAPE)
    rng = np.random.default_rng(4)
    near = cone_mask(Cone(cone.apex_row - 12, cone.apex_column, cone.half_angle_rad, 0.0, cone.far_px + 16), SHAPE)
    image[near & ~truth] = rng.integers(0, 7, SHAPE, dtype=np.uint8)[near & ~truth]
    found = find_cone(image[None], 1.0, np.zeros(SHAPE, bool))
    assert found.method == "fit"
    assert intersection_over_union(found.mask, truth) > 0.97
