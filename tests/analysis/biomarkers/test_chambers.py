"""Biomarkers against bodies whose volume is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeldropout.analysis.biomarkers.chambers import (
    REASONS,
    SMALLEST_SHARE,
    Discs,
    axis_of_atrium,
    cut_into_discs,
    ejection_fraction,
    implausibilities,
    volume_by_area_length,
    volume_by_discs,
)

SPACING = (0.4, 0.3)


def ellipse(half_length, half_width, angle_deg=0.0, shape=(400, 400), spacing=SPACING, centre=None):
    """An ellipse, its long axis turned from the vertical; sizes in mm."""
    row, column = np.indices(shape)
    middle = [size / 2 for size in shape] if centre is None else centre
    y, x = (row + 0.5 - middle[0]) * spacing[0], (column + 0.5 - middle[1]) * spacing[1]
    angle = math.radians(angle_deg)
    along, across = y * math.cos(angle) + x * math.sin(angle), x * math.cos(angle) - y * math.sin(angle)
    return (along / half_length) ** 2 + (across / half_width) ** 2 <= 1


@pytest.mark.parametrize("angle", [0, 17, 45, -60])
def test_an_ellipsoid_of_revolution_has_its_volume(angle):
    """Both formulas give 4/3 pi a b b within 1 % (20 discs; 0.3 mm pixels), however the axis lies."""
    discs = cut_into_discs(ellipse(40, 20, angle), SPACING)
    truth = 4 / 3 * math.pi * 40 * 20 * 20
    assert discs.length == pytest.approx(80, rel=0.01)
    assert discs.area == pytest.approx(math.pi * 40 * 20, rel=0.005)
    assert volume_by_discs(discs) == pytest.approx(truth, rel=0.01)
    assert volume_by_area_length(discs.area, discs.length) == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("angle", [0, 20, -35, 60])
@pytest.mark.parametrize(("half_length", "half_width"), [(20.5, 20), (20, 20.5), (15, 20)])
def test_an_atrium_wider_than_long_has_its_volume(half_length, half_width, angle):
    """Discs across the line from the ventricle give 4/3 pi a b b within 1 %; across the longer axis up to 25 % less."""
    place = {"shape": (400, 600), "centre": (280, 350)}
    atrium = ellipse(half_length, half_width, angle, **place)
    away = [70 * math.cos(math.radians(angle)), 70 * math.sin(math.radians(angle))]
    place["centre"] = [middle - shift / size for middle, shift, size in zip((280, 350), away, SPACING, strict=True)]
    ventricle = ellipse(40, 22, angle, **place)
    truth = 4 / 3 * math.pi * half_length * half_width**2
    discs = cut_into_discs(atrium, SPACING, axis=axis_of_atrium(atrium, ventricle, SPACING))
    assert discs.length == pytest.approx(2 * half_length, rel=0.02)
    assert volume_by_discs(discs) == pytest.approx(truth, rel=0.01)
    assert volume_by_area_length(discs.area, discs.length) == pytest.approx(truth, rel=0.02)
    if half_length == 15:
        assert volume_by_discs(cut_into_discs(atrium, SPACING)) < 0.76 * truth


def test_without_a_ventricle_the_atrium_stands_upright():
    """The principal axis nearer to the vertical counts, be it the shorter one, and also where both middles coincide."""
    wide = ellipse(15, 20, 25)
    truth = 4 / 3 * math.pi * 15 * 20**2
    for ventricle in (None, wide):
        axis = axis_of_atrium(wide, ventricle, SPACING)
        assert volume_by_discs(cut_into_discs(wide, SPACING, axis=axis)) == pytest.approx(truth, rel=0.01)


def test_an_axis_counts_by_its_direction_only():
    """Neither its length nor its sign changes a disc: the first one stays at the probe."""
    mask, axis = ellipse(40, 20, 30), np.array([2.0, 1.0])
    found = [cut_into_discs(mask, SPACING, axis=factor * axis) for factor in (1, 10, -3)]
    for other in found[1:]:
        assert other.length == pytest.approx(found[0].length)
        assert other.diameters == pytest.approx(found[0].diameters)
    with pytest.raises(ValueError, match="no direction"):
        cut_into_discs(mask, SPACING, axis=np.zeros(2))


def test_two_planes_give_the_volume_of_an_ellipsoid_with_three_axes():
    """Biplane discs see that the chamber is not round; one plane alone is wrong by the ratio of the axes."""
    wide, narrow = (cut_into_discs(ellipse(40, half_width), SPACING) for half_width in (24, 16))
    truth = 4 / 3 * math.pi * 40 * 24 * 16
    assert volume_by_discs(wide, narrow) == pytest.approx(truth, rel=0.01)
    assert volume_by_discs(wide) == pytest.approx(truth * 24 / 16, rel=0.01)


def test_the_longer_of_two_axes_counts():
    """A foreshortened second plane does not shorten the chamber (Lang et al. 2015)."""
    long, short = (cut_into_discs(ellipse(half_length, 20), SPACING) for half_length in (40, 30))
    assert volume_by_discs(short, long) == volume_by_discs(long, short)
    assert volume_by_discs(long, short) > volume_by_discs(short)


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(0.1, 10))
def test_volume_has_the_cube_of_the_unit(factor):
    """The same mask with pixels k times as large has k cubed times the volume; so a ratio needs no spacing."""
    mask = ellipse(10, 5, shape=(80, 80))
    one, other = cut_into_discs(mask, SPACING), cut_into_discs(mask, (SPACING[0] * factor, SPACING[1] * factor))
    assert volume_by_discs(other) == pytest.approx(volume_by_discs(one) * factor**3, rel=1e-6)


def test_discs_start_at_the_probe():
    """The first disc is at the end with the smaller rows, so that the discs of two planes fit together."""
    row, column = np.indices((200, 200))
    cone = (np.abs(column - 100) < (row - 20) * 0.3) & (row < 180)
    diameters = cut_into_discs(cone, (1.0, 1.0)).diameters
    assert diameters[0] < 0.2 * diameters[-1]


def test_ejection_fraction_by_hand():
    """(120 - 50) / 120; a larger second volume is negative; without a first volume there is none."""
    assert ejection_fraction(120.0, 50.0) == pytest.approx(58.333333)
    assert ejection_fraction(100.0, 110.0) == pytest.approx(-10)
    assert math.isnan(ejection_fraction(0.0, 0.0))
    assert math.isnan(ejection_fraction(120.0, math.nan))


def test_refusals_say_what_is_wrong():
    """An empty mask, a spacing of zero and planes that do not fit together are errors."""
    with pytest.raises(ValueError, match="empty mask"):
        cut_into_discs(np.zeros((8, 8), bool), SPACING)
    with pytest.raises(ValueError, match="positive"):
        cut_into_discs(np.ones((8, 8), bool), (0.0, 1.0))
    with pytest.raises(ValueError, match="20 and 10 discs"):
        volume_by_discs(Discs(1.0, np.ones(20)), Discs(1.0, np.ones(10)))


def test_a_chamber_is_plausible_and_other_masks_say_why_not():
    """Each reason is found by itself; a speck is forgiven."""
    chamber = ellipse(40, 20)
    assert implausibilities(chamber, SPACING) == ()
    assert implausibilities(np.zeros((9, 9), bool), SPACING) == ("empty",)
    speck = chamber.copy()
    speck[5:7, 5:7] = True
    assert implausibilities(speck, SPACING) == ()
    assert implausibilities(chamber | ellipse(10, 10, centre=(60, 60)), SPACING) == ("several components",)
    decapitated = chamber.copy()
    decapitated[:170] = False
    assert implausibilities(decapitated, SPACING) == ("no apex",)
    assert "cut by the border" in implausibilities(ellipse(40, 20, centre=(60, 200)), SPACING)


def test_a_speck_is_too_small_for_a_chamber():
    """Just below the share of the image it is, whatever its shape, and that is all that is said; from there on not."""
    side = 100
    for size, expected in ((SMALLEST_SHARE * side**2 - 1, ("too small",)), (SMALLEST_SHARE * side**2, ())):
        speck = np.zeros((side, side), bool)
        speck[40 : 40 + int(size), 50] = True
        assert implausibilities(speck, SPACING, has_apex=False) == expected
    assert implausibilities(np.pad(np.ones((2, 2), bool), 50), SPACING) == ("too small",)


def test_every_reason_is_in_the_list():
    """What the tables count is what can be said."""
    chamber = ellipse(40, 20, shape=(250, 400), centre=(60, 200))
    chamber[:40] = False
    masks = [
        np.zeros((9, 9), bool),
        np.pad(np.ones((2, 2), bool), 50),
        chamber | ellipse(10, 10, shape=(250, 400), centre=(245, 200)),
    ]
    assert tuple(reason for mask in masks for reason in implausibilities(mask, SPACING)) == REASONS


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cut_into_discs(np.ones((4, 4), np.uint8), SPACING), "mask: expected bool, .*found uint8"),
        (lambda: cut_into_discs(np.ones((4, 4), bool), (1.0, math.nan)), r"pixel spacing \(1.0, nan\)"),
        (lambda: volume_by_area_length(4.0, 0.0), "area 4.0 and length 0.0"),
        (lambda: ejection_fraction(-1.0, 2.0), "volume -1.0"),
        (lambda: ejection_fraction(100.0, math.inf), "volume inf"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_what_no_chamber_has_is_refused(call, message):
    """Label maps, spacings that are no sizes, and volumes that no chamber has end with what was found."""
    with pytest.raises(ValueError, match=message):
        call()
