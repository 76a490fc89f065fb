"""What is measured on pictures, on pictures whose answer is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from labeldropout.data.look import (
    CELLS,
    TOLERANCE,
    Fact,
    Picture,
    agrees,
    generalised_cnr,
    measure,
    ring,
    speckle_lag_mm,
)
from labeldropout.heart import Structure

SHAPE = (80, 60)


def picture(image=None, labels=None, spacing_mm=(1.0, 1.0)):
    """A picture whose sector is its lower half."""
    sector = np.zeros(SHAPE, bool)
    sector[40:] = True
    image = np.where(sector, 100, 0).astype(np.uint8) if image is None else image
    return Picture(image, sector, labels, spacing_mm, 77.0, 140.0)


def test_levels_of_a_sector_leave_out_what_surrounds_it():
    """Half a frame of 100: the frame has mean 50 and SD 50, the sector 100 and none."""
    look = measure([picture()])
    assert look["frame_mean"] == pytest.approx(50)
    assert look["frame_sd"] == pytest.approx(50)
    assert look["sector_mean"] == pytest.approx(100)
    assert look["sector_sd"] == pytest.approx(0)
    assert look["sector_share"] == pytest.approx(0.5)
    assert look["sector_dark"] == 0


def test_dark_pixels_are_counted_and_left_out_of_what_is_above():
    """A quarter of the sector at 5: share 0.25, and the pixels above 8 are all 100."""
    image = picture().image.copy()
    image[40:50] = 5
    look = measure([picture(image)])
    assert look["sector_dark"] == pytest.approx(0.25)
    assert look["above_mean"] == pytest.approx(100)
    assert look["above_sd"] == pytest.approx(0)
    assert (look["sector_q05"], look["sector_q50"]) == (5, 100)


def test_every_picture_has_the_same_weight_and_frames_are_spread_about_their_means():
    """Two sectors of 100 and 120: mean 110, SD between the frames that of two numbers."""
    look = measure([picture(), picture(np.full(SHAPE, 120, np.uint8))])
    assert look["sector_mean"] == pytest.approx(110)
    assert look["sector_between"] == pytest.approx(np.std([100, 120], ddof=1))
    assert look["sector_sd"] == pytest.approx(10)


def test_structures_are_measured_where_they_are_drawn():
    """A cavity of 30 and an atrium of 60, a tenth of the sector each."""
    labels, image = np.zeros(SHAPE, np.uint8), picture().image.copy()
    labels[40:50, :24], labels[60:70, :24] = Structure.LV, Structure.LA
    image[labels == Structure.LV], image[labels == Structure.LA] = 30, 60
    look = measure([picture(image, labels)])
    assert (look["lv_mean"], look["la_mean"]) == (30, 60)
    assert look["lv_share"] == look["la_share"] == pytest.approx(0.1)
    assert look["lv_within"] == 0


def test_the_ring_is_counted_in_millimetres():
    """With rows of 2 mm the ring ends after four rows and eight columns, and leaves out what touches the cavity."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[55:60, 25:35] = Structure.LV
    around = ring(picture(labels=labels, spacing_mm=(2.0, 1.0)))
    rows, columns = np.nonzero(around)
    assert (rows.min(), rows.max()) == (55 - 4, 59 + 4)
    assert (columns.min(), columns.max()) == (25 - 8, 34 + 8)
    assert not around[57, 30]


def test_generalised_contrast_is_one_minus_the_overlap():
    """Equal regions give 0, separate ones 1, and half an overlap one half."""
    first = np.repeat([10, 50], 100).astype(np.uint8)
    second = np.repeat([50, 200], 100).astype(np.uint8)
    assert generalised_cnr(first, first) == pytest.approx(0)
    assert generalised_cnr(first, second) == pytest.approx(0.5)
    assert generalised_cnr(first[:100], second[100:]) == pytest.approx(1)


def test_speckle_lag_is_that_of_the_blur():
    """White noise blurred with sigma s has the autocorrelation exp(-d^2 / 4 s^2): one half at 1.665 s."""
    rng = np.random.default_rng(0)
    noise = gaussian_filter1d(gaussian_filter1d(rng.normal(size=(240, 240)), 2.0, axis=0), 3.0, axis=1)
    image = np.clip(128 + 25 * noise / noise.std(), 0, 255).astype(np.uint8)
    labels = np.full(image.shape, Structure.LV, np.uint8)
    one = Picture(image, labels > 0, labels, (0.2, 0.2), 77.0, 140.0)
    assert speckle_lag_mm(one, 0) == pytest.approx(1.665 * 2 * 0.2, rel=0.1)
    assert speckle_lag_mm(one, 1) == pytest.approx(1.665 * 3 * 0.2, rel=0.1)


def test_what_is_not_drawn_is_unknown():
    """A real frame without labels gives levels and no structures; without a sector, the whole frame alone."""
    look = measure([picture()])
    assert np.isnan([look[name] for name in ("lv_mean", "la_share", "ring_mean", "cnr", "lag_rows_mm")]).all()
    bare = Picture(picture().image, None, None, (np.nan, np.nan), np.nan, np.nan)
    look = measure([bare])
    assert look["frame_mean"] == pytest.approx(50)
    assert np.isnan([look[name] for name in ("sector_mean", "sector_sd", "sector_q50", "depth_mm")]).all()


def test_only_the_named_cells_are_measured():
    """A search measures what the facts of its domain name."""
    assert set(measure([picture()], ("sector_mean", "sector_between", "views"))) == {"sector_mean", "sector_between"}
    assert set(measure([picture()])) == {name for name, cell in CELLS.items() if cell.kind != "word"}


@pytest.mark.parametrize(
    ("name", "value", "inside", "outside"),
    [
        ("sector_mean", 100.0, 107.9, 108.1),
        ("sector_dark", 0.27, 0.241, 0.239),
        ("sector_between", 12.0, 15.9, 16.1),
        ("cnr", 0.5, 0.41, 0.39),
        ("depth_mm", (111.0, 170.0), 169.0, 171.0),
        ("frame_rows", (112.0, 112.0), 112.0, 113.0),
    ],
)
def test_tolerances_are_those_of_the_kind_of_cell(name, value, inside, outside):
    """Levels within 8, shares within 0.03, spreads within a third, contrast within 0.1, ranges hold the mean."""
    assert agrees(name, Fact(value, "here"), inside)
    assert not agrees(name, Fact(value, "here"), outside)


def test_every_kind_of_number_has_its_tolerance():
    """Sizes are held against ranges only, and words against nothing."""
    assert {cell.kind for cell in CELLS.values()} - set(TOLERANCE) == {"size", "word"}
