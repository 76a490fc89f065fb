"""Drawing augmentations, and applying them to images and label maps."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy import ndimage
from workflow_copy import CONFIGURATION

from labeldropout.learning.augmentation import NEUTRAL, Augmentation, augment, draw_augmentation

PUBLISHED, STRONG = (CONFIGURATION["training"]["augmentation"][name] for name in ("published", "strong"))
BOTH = {**PUBLISHED, **STRONG}
"""Every kind that either has; with the probabilities of the strong one where both have a kind."""
SIDE_PX = 64


def _parameters(n=1, **changes):
    return Augmentation(**{name: torch.full((n,), float(value)) for name, value in (NEUTRAL | changes).items()})


def _batch(n=2, shape=(20, 24), seed=0):
    rng = np.random.default_rng(seed)
    image = torch.from_numpy(rng.random((n, 1, *shape), dtype=np.float32))
    return image, torch.from_numpy(rng.integers(0, 4, (n, *shape), dtype=np.uint8))


@pytest.mark.parametrize("transforms", [PUBLISHED, STRONG], ids=["published", "strong"])
def test_each_kind_is_drawn_for_its_share_of_the_images_and_fills_its_range(transforms):
    """Shares are the configured probabilities, values uniform in the range, pixels a quarter on a grid of 64."""
    n = 20000
    drawn = draw_augmentation(n, transforms, SIDE_PX, np.random.default_rng(0))
    for name, neutral in NEUTRAL.items():
        values = getattr(drawn, name).double()
        chosen = values[values != neutral]
        probability = transforms.get(name, {"probability": 0})["probability"]
        assert len(chosen) / n == pytest.approx(probability, abs=0.01)
        if probability:
            low, high = np.array(transforms[name]["range"]) * (0.25 if name == "blur_sigma_px" else 1)
            unit = (chosen - low) / (high - low)
            assert -1e-6 <= unit.min() < 0.01
            assert 0.99 < unit.max() <= 1 + 1e-6
            assert unit.mean().item() == pytest.approx(0.5, abs=0.02)


def test_kinds_are_drawn_independently_of_each_other():
    """Knowing that an image is rotated says nothing about its scale: 0.2 of 0.2 have both."""
    drawn = draw_augmentation(20000, PUBLISHED, SIDE_PX, np.random.default_rng(1))
    both = (drawn.scale != 1) & (drawn.rotation_deg != 0)
    assert both.float().mean().item() == pytest.approx(0.04, abs=0.006)


def test_the_published_kind_is_nnunets_default():
    """Ranges and probabilities of its trainer, but for the rotation, which hearts do not have all round."""
    assert {name: (entry["probability"], *entry["range"]) for name, entry in PUBLISHED.items()} == {
        "scale": (0.2, 0.7, 1.4),
        "rotation_deg": (0.2, -15, 15),
        "blur_sigma_px": (0.2, 0.5, 1.0),
        "brightness_factor": (0.15, 0.75, 1.25),
        "contrast": (0.15, 0.75, 1.25),
    }


def test_the_same_seed_draws_the_same():
    """A draw is repeatable, and every image has its own parameters."""
    first, second = (draw_augmentation(8, STRONG, SIDE_PX, np.random.default_rng(5)) for _ in range(2))
    for field in fields(first):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name))
        assert len(getattr(first, field.name).unique()) == (8 if field.name in STRONG else 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zoom": {"probability": 1, "range": [1, 2]}}, "unknown zoom .*expected some of scale"),
        ({"scale": {"probability": 1, "range": [0.0, 1.0]}}, "scale: invalid range"),
        ({"blur_sigma_px": {"probability": 1, "range": [-1.0, 1.0]}}, "blur_sigma_px: invalid range"),
        ({"brightness_factor": {"probability": 1, "range": [-1.0, 1.0]}}, "brightness_factor: invalid range"),
        ({"contrast": {"probability": 1, "range": [1.3, 0.7]}}, "contrast: invalid range"),
        ({"contrast": {"probability": 1.5, "range": [0.7, 1.3]}}, r"contrast: probability 1\.5"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(change, message):
    """A misspelt, reversed or impossible range is an error that names it."""
    with pytest.raises(ValueError, match=message):
        draw_augmentation(2, STRONG | change, SIDE_PX, np.random.default_rng(0))


def test_an_image_for_which_nothing_was_drawn_stays_as_it_is():
    """Beside images that are changed in every way, one with neutral parameters keeps every bit of image and target."""
    image, target = _batch(n=3, shape=(32, 32))
    drawn = draw_augmentation(3, BOTH, SIDE_PX, np.random.default_rng(0))
    for name, neutral in NEUTRAL.items():
        getattr(drawn, name)[1] = neutral
    new_image, new_target = augment(image, target, drawn)
    assert torch.equal(new_image[1], image[1])
    assert torch.equal(new_target[1], target[1])
    assert not torch.isclose(new_image[::2], image[::2]).all(dim=(1, 2, 3)).any()


def test_brightness_multiplies_in_the_published_kind():
    """A factor acts on the intensities, so that black stays black; contrast then turns about the new mean."""
    image, target = _batch()
    image = 0.2 + 0.3 * image
    brighter, _ = augment(image, target, _parameters(2, brightness_factor=1.25))
    torch.testing.assert_close(brighter, image * 1.25)
    both, _ = augment(image, target, _parameters(2, brightness_factor=1.25, contrast=1.1))
    torch.testing.assert_close(both.mean((1, 2, 3)), 1.25 * image.mean((1, 2, 3)))


def test_neutral_parameters_change_nothing():
    """Scale 1, no rotation, no blur, no brightness and contrast 1 give the image and the target back."""
    image, target = _batch()
    new_image, new_target = augment(image, target, _parameters(2))
    torch.testing.assert_close(new_image, image, rtol=0, atol=1e-5)
    assert torch.equal(new_target, target)


def test_the_inputs_are_not_changed():
    """Augmenting leaves image and target as they were."""
    image, target = _batch()
    before = image.clone(), target.clone()
    augment(image, target, draw_augmentation(2, STRONG, SIDE_PX, np.random.default_rng(0)))
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


def test_a_quarter_turn_is_numpy_s():
    """A rotation by 90 degrees turns counter-clockwise as displayed, image and target alike."""
    image, target = _batch(shape=(16, 16))
    new_image, new_target = augment(image, target, _parameters(2, rotation_deg=90))
    torch.testing.assert_close(new_image, image.rot90(dims=(2, 3)), rtol=0, atol=1e-4)
    assert torch.equal(new_target, target.rot90(dims=(1, 2)))


def test_a_rotation_keeps_distances_on_an_oblong_image():
    """Height and width do not mix: a dot at 10 px to the right of the centre goes to 10 px above it."""
    image = torch.zeros(1, 1, 41, 61)
    image[0, 0, 20, 40] = 1
    turned, _ = augment(image, torch.zeros(1, 41, 61, dtype=torch.uint8), _parameters(rotation_deg=90))
    assert np.unravel_index(int(turned.argmax()), (41, 61)) == (10, 30)


def test_scaling_magnifies_about_the_centre():
    """Scale 2 doubles the side of a centred square in image and target."""
    image, target = torch.zeros(1, 1, 32, 32), torch.zeros(1, 32, 32, dtype=torch.uint8)
    image[..., 12:20, 12:20] = 1
    target[..., 12:20, 12:20] = 2
    new_image, new_target = augment(image, target, _parameters(scale=2))
    expected = torch.zeros(32, 32, dtype=torch.uint8)
    expected[8:24, 8:24] = 2
    assert torch.equal(new_target[0], expected)
    assert torch.equal(new_image[0, 0] > 0.5, expected > 0)


def test_what_comes_from_beyond_the_edge_is_black_background():
    """Shrinking a full picture leaves a frame of intensity 0 and background."""
    image, target = torch.ones(1, 1, 32, 32), torch.full((1, 32, 32), 3, dtype=torch.uint8)
    new_image, new_target = augment(image, target, _parameters(scale=0.5))
    frame = torch.ones(32, 32, dtype=torch.bool)
    frame[7:25, 7:25] = False
    assert not new_image[0, 0][frame].any()
    assert not new_target[0][frame].any()
    assert (new_target[0, 8:24, 8:24] == 3).all()


@pytest.mark.parametrize("sigma_px", [0.4, 1.0, 1.5])
def test_the_blur_is_scipy_s_gaussian(sigma_px):
    """Each image gets its own Gaussian, here compared with scipy's where both are cut at the same radius."""
    image, target = _batch(n=1)
    blurred, _ = augment(image, target, _parameters(blur_sigma_px=sigma_px))
    radius = int(np.ceil(3 * sigma_px))
    expected = ndimage.gaussian_filter(image[0, 0].double().numpy(), sigma_px, mode="constant", radius=radius)
    np.testing.assert_allclose(blurred[0, 0].numpy(), expected, atol=2e-5)


def test_each_image_has_its_own_blur():
    """An image with sigma 0 stays sharp beside one that is blurred."""
    image, target = _batch()
    parameters = _parameters(2)
    parameters.blur_sigma_px[1] = 1.5
    blurred, new_target = augment(image, target, parameters)
    torch.testing.assert_close(blurred[0], image[0], rtol=0, atol=1e-5)
    assert blurred[1].std() < 0.5 * image[1].std()
    assert torch.equal(new_target, target)


def test_brightness_is_added_by_the_strong_kind():
    """A shift moves every intensity, up to the ends of the range."""
    image, target = _batch()
    brighter, _ = augment(image, target, _parameters(2, brightness_shift=0.2))
    torch.testing.assert_close(brighter, (image + 0.2).clamp(0, 1), rtol=0, atol=1e-5)


def test_contrast_turns_about_the_mean():
    """Contrast changes the spread and keeps the mean, where nothing is clamped."""
    image, target = _batch()
    image = 0.4 + 0.2 * image
    changed, _ = augment(image, target, _parameters(2, contrast=1.3))
    torch.testing.assert_close(changed.mean((1, 2, 3)), image.mean((1, 2, 3)))
    torch.testing.assert_close(changed.std((1, 2, 3)), 1.3 * image.std((1, 2, 3)))


def test_the_result_is_an_image_and_a_label_map():
    """Whatever is drawn, intensities stay in [0, 1] and label maps gain no new value and keep their type."""
    image, target = _batch(n=64, shape=(32, 32))
    target[target == 2] = 0
    new_image, new_target = augment(image, target, draw_augmentation(64, BOTH, SIDE_PX, np.random.default_rng(0)))
    assert new_image.min() >= 0
    assert new_image.max() <= 1
    assert new_target.dtype == torch.uint8
    assert set(new_target.unique().tolist()) <= {0, 1, 3}


def test_stored_bytes_are_divided_by_255():
    """uint8 in is intensity / 255 out."""
    image = torch.arange(0, 256, dtype=torch.uint8).view(1, 1, 16, 16)
    new_image, _ = augment(image, torch.zeros(1, 16, 16, dtype=torch.long), _parameters())
    torch.testing.assert_close(new_image, image.float() / 255, rtol=0, atol=1e-5)


def test_the_channels_of_a_picture_go_together():
    """Red, green and blue are turned, blurred and shaded alike: three equal channels stay equal, as the grey ones."""
    image, target = _batch(3)
    parameters = draw_augmentation(3, BOTH, SIDE_PX, np.random.default_rng(2))
    grey, of_grey = augment(image, target, parameters)
    colour, of_colour = augment(image.repeat(1, 3, 1, 1), target, parameters)
    torch.testing.assert_close(colour, grey.repeat(1, 3, 1, 1))
    assert (of_colour == of_grey).all()


def test_parameters_of_another_batch_are_refused():
    """One parameter set per image, no broadcasting."""
    image, target = _batch()
    with pytest.raises(ValueError, match="expected 2, one per image, found 3"):
        augment(image, target, _parameters(3))
    with pytest.raises(ValueError, match="parameters: expected 2"):
        augment(image, target, _parameters(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_images():
    """The parameters are drawn on the CPU, so that the device does not matter but for rounding."""
    image, target = _batch(n=8, shape=(64, 64))
    parameters = draw_augmentation(8, STRONG, SIDE_PX, np.random.default_rng(0))
    on_cpu, on_gpu = augment(image, target, parameters), augment(image.cuda(), target.cuda(), parameters)
    torch.testing.assert_close(on_gpu[0].cpu(), on_cpu[0], rtol=0, atol=1e-3)
    assert (on_gpu[1].cpu() != on_cpu[1]).float().mean() < 1e-3
