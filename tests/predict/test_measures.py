"""Areas, volumes and the ejection fraction of outlines."""

import csv

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from labeldropout.predict.curve import draw_curve
from labeldropout.predict.legend import Entry
from labeldropout.predict.measures import CLIPS, ONE_PLANE, area_rows, clip_row, measure_ventricle

LEGEND = (Entry("LV", 1, (230, 159, 0)), Entry("LA", 3, (0, 158, 115)))


def ellipse(long_px, short_px, shape=(200, 160)):
    """An ellipse with these half axes, upright."""
    row, column = np.ogrid[: shape[0], : shape[1]]
    return ((row - 100) / long_px) ** 2 + ((column - 80) / short_px) ** 2 <= 1


def measured(masks, spacing=(0.5, 0.5)):
    """A clip of masks, 0.1 s apart."""
    return [measure_ventricle(number, number / 10, mask, spacing) for number, mask in enumerate(masks)]


def test_volumes_are_those_of_an_ellipsoid():
    """Discs of an ellipse are an ellipsoid of revolution: volumes in ml and the fraction follow from its half axes."""
    row = clip_row(measured([ellipse(60, 30), ellipse(80, 40), ellipse(60, 30)]), is_mm=True)
    volume_ml = 4 / 3 * np.pi * 40 * 20**2 / 1000
    assert row["end_diastole_volume_ml"] == pytest.approx(volume_ml, rel=0.02)
    assert row["ejection_fraction_percent"] == pytest.approx(100 * (1 - 0.75**3), abs=1)
    assert (row["end_diastole_frame"], row["end_diastole_seconds"]) == (1, 0.1)
    assert (row["end_systole_frame"], row["end_systole_seconds"]) == (0, 0.0)
    assert row["remark"] == ONE_PLANE == "one plane, not for clinical use"
    assert ["file", *row] == list(CLIPS)


def test_a_frame_without_a_ventricle_is_no_systole():
    """Frames in which the network failed are counted and left out."""
    row = clip_row(measured([ellipse(80, 40), np.zeros((200, 160), bool), ellipse(60, 30)]), is_mm=True)
    assert row["end_systole_frame"] == 2
    assert row["n_implausible_frames"] == 1


def test_without_a_pixel_size_there_is_a_fraction_but_no_volume():
    """The fraction needs only the shape of a pixel."""
    row = clip_row(measured([ellipse(80, 40), ellipse(60, 30)], (1.0, 1.0)), is_mm=False)
    assert row["end_diastole_volume_ml"] is None
    assert row["ejection_fraction_percent"] == pytest.approx(100 * (1 - 0.75**3), abs=1)


def test_one_plausible_frame_gives_no_fraction():
    """A fraction needs two frames."""
    row = clip_row(measured([ellipse(80, 40), np.zeros((200, 160), bool)]), is_mm=True)
    assert row["ejection_fraction_percent"] is None
    assert row["end_diastole_frame"] is None


def test_large_pictures_have_the_same_volume():
    """Thinning masks for speed changes volumes by less than a percent."""
    small = measured([ellipse(80, 40)])[0]
    large = measured([np.repeat(np.repeat(ellipse(80, 40), 8, 0), 8, 1)], (0.5 / 8, 0.5 / 8))[0]
    assert large.volume == pytest.approx(small.volume, rel=0.01)


def test_areas_are_pixels_and_square_centimetres():
    """One row per structure, also for one that is not there."""
    labels = np.zeros((10, 10), np.uint8)
    labels[:2, :5] = 1
    rows = area_rows(4, 0.5, labels, LEGEND, (0.5, 0.4))
    assert [(row["structure"], row["area_px"], row["area_cm2"]) for row in rows] == [("LV", 10, 0.02), ("LA", 0, 0)]
    assert {row["seconds"] for row in rows} == {0.5}


def test_a_curve_is_drawn_twice_with_the_same_bytes(tmp_path):
    """The picture of a clip's areas is one, whatever is known of times and sizes."""
    masks = [ellipse(80, 40), ellipse(60, 30)]
    for seconds, spacing in ((None, None), (0.5, (0.5, 0.5))):
        rows = [
            row
            for number, mask in enumerate(masks)
            for row in area_rows(number, seconds and seconds * number, mask.astype(np.uint8), LEGEND, spacing)
        ]
        for name in ("one.png", "two.png"):
            draw_curve(rows, clip_row(measured(masks), is_mm=True), LEGEND, tmp_path / name)
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
        with Image.open(tmp_path / "one.png") as picture:
            assert min(picture.size) > 300


def test_a_clip_gets_its_row_and_a_still_none(tmp_path, fan, predict):
    """Clips of a run have a line in clips.csv with the remark beside the fraction; stills have none."""
    nib.save(nib.Nifti1Image(fan(3).transpose(2, 1, 0).copy(), np.diag([-0.3, -0.3, 1, 1])), tmp_path / "clip.nii")
    Image.fromarray(fan()[0]).save(tmp_path / "still.png")
    predict(tmp_path / "clip.nii", tmp_path / "still.png")
    with (tmp_path / "out" / "clips.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["n_frames"], row["remark"]) == ("clip", "3", ONE_PLANE)
    assert (tmp_path / "out" / "clip_areas.png").is_file()
    assert not (tmp_path / "out" / "still_areas.png").exists()
