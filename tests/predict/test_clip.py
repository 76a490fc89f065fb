"""Frames one after another: intensities, memory, and clips in which nothing moves."""

import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from labeldropout.data.cone_finding import find_cone, moving_part
from labeldropout.predict.clip import display_frames
from labeldropout.predict.outline import Options, outline_files

FILE = Path("a.nii")


def converted(*frames):
    """Frames as uint8."""
    return list(display_frames([np.asarray(frame) for frame in frames], FILE, is_colour=False))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[0.0, 0.5, 1.0]], "intensities are fractions of at most 1 .*Multiply by 255"),
        ([[0.0, 7.25]], "intensities are fractions of at most 7.25 .*Scale to 0 to 255"),
        ([[0.0, np.nan]], "not every intensity is a finite number"),
        ([[-1.0, 1.0]], "intensities from -1 to 1 .*expected 0 to 255"),
        (np.array([[0, 4095]], np.uint16), "intensities from 0 to 4095 .*expected 0 to 255"),
    ],
)
def test_ranges_that_rounding_would_destroy_are_refused(values, words):
    """One message with the range found, the range expected and what to do."""
    with pytest.raises(ValueError, match=f"a.nii: {words}"):
        converted(values)


def test_a_dark_frame_does_not_decide_for_a_clip():
    """Whether fractions are too small is decided by all frames together."""
    first, second = converted([[0.25, 0.5]], [[200.4, 3.0]])
    assert first.tolist() == [[0, 0]]
    assert second.tolist() == [[200, 3]]
    assert first.dtype == np.uint8


def test_what_is_transparent_is_shown_over_black():
    """Opacity of 0 hides the colour below it."""
    colour = np.array([[[200, 200, 200, 255], [200, 200, 200, 0]]], np.uint8)
    assert converted(colour)[0].tolist() == [[200, 0]]


def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path, fan, weights):
    """Five times as many frames need less than a tenth of a byte more for each pixel and frame that is added."""
    peaks = {}
    for n_frames in (40, 200):
        frames = np.tile(fan(4, (120, 160)), (n_frames // 4, 1, 1))
        path = tmp_path / f"{n_frames}.nii.gz"
        nib.save(nib.Nifti1Image(frames.transpose(2, 1, 0), np.diag([-0.3, -0.3, 1, 1])), path)
        del frames
        tracemalloc.start()
        outline_files([path], tmp_path / "out", Options(weights=weights, device="cpu", coco=True))
        peaks[n_frames] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (peaks[200] - peaks[40]) / (160 * 120 * 160) < 0.1


def test_a_clip_in_which_nothing_moves_has_the_cone_of_the_still(fan):
    """A frozen picture, repeated, is found as the still is; so is one over which a thin line still runs."""
    still = fan(1, (240, 320))[0].copy()
    still[20:120, 4:12] = 128
    still[10:18, 300:312] = 255
    one = find_cone(still[None], 1.0)
    running = np.stack([still] * 4)
    for number, frame in enumerate(running):
        frame[230:232, 20 + 60 * number : 50 + 60 * number] = 255
    assert one.method == "fit"
    for clip in (np.stack([still] * 2), running):
        two = find_cone(clip, 1.0)
        assert (two.method, two.box) == (one.method, one.box)


def test_what_moves_is_still_what_counts(fan):
    """Of a moving clip, whatever stands still is left out, as before."""
    frames = fan(3)
    frames[:, 5:20, 2:8] = 200
    moving = moving_part(frames)
    assert not moving[5:20, 2:8].any()
    assert moving.any()
