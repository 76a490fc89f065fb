"""Simulated hearts and the probes that look at them."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from labeldropout.data.camus.scanner import ACQUISITION as CAMUS
from labeldropout.data.echonet.scanner import ACQUISITION as ECHONET
from labeldropout.data.unity.scanner import ACQUISITION as UNITY
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import View
from labeldropout.simulation.anatomy import Pose, Tissue, draw_heart, volumes_ml
from labeldropout.simulation.picture import annotate, draw_examination, draw_noise, photograph
from labeldropout.simulation.planes import label_map, tissue_map
from labeldropout.simulation.scanner import NATIVE, draw_frame, interpolate
from labeldropout.simulation.speckle import draw_scatterers, envelope, mix_scatterers

SEEDS = range(12)
DOMAINS = {"camus": CAMUS, "unity": UNITY, "echonet": ECHONET}


@pytest.fixture(scope="module")
def hearts():
    """A dozen hearts."""
    return [draw_heart(np.random.default_rng(seed)) for seed in SEEDS]


def examine(heart, view=View.A4C, domain="camus", severity=1.0, seed=0):
    """One examination."""
    return draw_examination(heart, view, interpolate(CAMUS, DOMAINS[domain], severity), np.random.default_rng(seed))


def picture(examination, phase=0.0, seed=1):
    """One picture of it."""
    rng = np.random.default_rng(seed)
    return photograph(examination, phase, 0.3, *draw_noise(examination, rng), rng)


def test_a_full_ellipsoid_has_the_volume_of_the_formula(hearts):
    """A ventricle whose mitral plane touches the ellipsoid's pole has 4/3 pi a b c, and so has an atrium below it."""
    ed = replace(hearts[0].ed, lv_length=80.0, lv_radius=20.0, la_radius=18.0, la_half_length=25.0)
    heart = replace(hearts[0], ed=ed, annulus=0.0, widest=0.5, bluntness=2.0, la_depth=1.0)
    volumes = volumes_ml(heart, 0.0)
    assert volumes[Structure.LV] == pytest.approx(4 / 3 * np.pi * 20 * 20 * 40 / 1000, rel=1e-4)
    assert volumes[Structure.LA] == pytest.approx(4 / 3 * np.pi * 18 * 18 * 25 / 1000, rel=1e-4)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("phase", [0.0, 1.0])
def test_volumes_are_those_of_the_solids_that_pictures_cut(hearts, seed, phase):
    """Areas of label maps in parallel planes, summed, give the volumes: the truth and the pictures are one heart."""
    grid = np.arange(-70, 71, 1.0), np.arange(-90, 180, 1.0)
    counted = dict.fromkeys(FOREGROUND, 0)
    for offset in np.arange(-60, 61, 2.0):
        pose = Pose(View.A4C, apex_row=20.0, apex_column=0.0, tilt=0.2, offset=offset, slope=0.0)
        labels = label_map(hearts[seed], pose, phase, grid[1][:, None], grid[0][None, :])
        for structure in FOREGROUND:
            counted[structure] += int((labels == structure).sum()) * 2.0
    for structure, volume in volumes_ml(hearts[seed], phase).items():
        assert counted[structure] / 1000 == pytest.approx(volume, rel=0.02)


def test_hearts_have_the_sizes_of_adults(hearts):
    """Volumes, lengths and ejection fractions lie in adult ranges, widened towards disease; muscle keeps its volume."""
    for heart in [*hearts, *(draw_heart(np.random.default_rng(seed)) for seed in range(100, 250))]:
        ed, es = volumes_ml(heart, 0.0), volumes_ml(heart, 1.0)
        assert 45 < ed[Structure.LV] < 270
        assert 0.15 < 1 - es[Structure.LV] / ed[Structure.LV] < 0.8
        assert 50 < heart.ed.lv_length < 130
        assert heart.es.lv_length < heart.ed.lv_length
        assert heart.es.wall > heart.ed.wall
        assert ed[Structure.LVM] == pytest.approx(es[Structure.LVM], rel=0.01)
        assert 15 < es[Structure.LA] < 200
        assert es[Structure.LA] > ed[Structure.LA]


@pytest.mark.parametrize("view", list(View))
def test_the_ventricle_is_larger_at_end_diastole_and_the_atrium_at_end_systole(hearts, view):
    """The same examination shows more cavity at ED; the mitral plane rises in systole."""
    for seed, heart in enumerate(hearts):
        examination = examine(heart, view, seed=seed)
        ed, es = annotate(examination, 0.0), annotate(examination, 1.0)
        assert (ed == Structure.LV).sum() > (es == Structure.LV).sum()
        assert np.argwhere(ed == Structure.LV)[:, 0].max() > np.argwhere(es == Structure.LV)[:, 0].max()


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_label_maps_hold_three_structures_of_plausible_size(hearts, domain):
    """Cavity within myocardium, atrium below; each with a sensible share of the cone, and nothing outside it."""
    for seed, heart in enumerate(hearts):
        examination = examine(heart, View.A4C, domain, seed=seed)
        labels, cone = annotate(examination, 0.0), examination.frame.mask
        share = {structure: (labels == structure).sum() / cone.sum() for structure in FOREGROUND}
        assert set(np.unique(labels)) == {0, *FOREGROUND}
        assert 0.06 < share[Structure.LV] < 0.5
        assert 0.04 < share[Structure.LVM] < 0.4
        assert 0.01 < share[Structure.LA] < 0.25
        assert not labels[~cone].any()
        rows = {structure: np.argwhere(labels == structure)[:, 0].mean() for structure in FOREGROUND}
        assert rows[Structure.LV] < rows[Structure.LA]


def test_annotators_who_draw_beyond_the_cone_stay_near_it(hearts):
    """With 1.5 mm to go, labels reach past the cone in some pictures, by little more, and agree within it."""
    reached = 0.0
    for seed, heart in enumerate(hearts):
        examination = examine(heart, seed=seed)
        cone = examination.frame.mask
        strict, loose = annotate(examination, 1.0), annotate(examination, 1.0, beyond_mm=1.5)
        np.testing.assert_array_equal(strict[cone], loose[cone])
        distance = distance_transform_edt(~cone) * examination.frame.mm_per_px
        reached = max(reached, distance[loose > 0].max())
    assert 1.0 < reached < 2.8


def test_both_views_cut_the_same_heart(hearts):
    """The long axis is as long in A2C as in A4C when neither plane is off the axis; only A4C shows a right heart."""
    heart = hearts[2]
    row, column = np.arange(0, 180, 0.5)[:, None], np.arange(-80, 80, 0.5)[None, :]
    lengths, tissues = [], []
    for view in View:
        pose = Pose(view, apex_row=20.0, apex_column=0.0, tilt=0.0, offset=0.0, slope=0.0)
        labels = label_map(heart, pose, 0.0, row, column)
        lengths.append(np.ptp(np.argwhere(labels == Structure.LV)[:, 0]) * 0.5)
        tissues.append(set(np.unique(tissue_map(heart, pose, 0.0, 0.5, row, column)).tolist()))
    assert lengths[0] == pytest.approx(lengths[1], abs=2.0)
    assert Tissue.RIGHT_BLOOD in tissues[list(View).index(View.A4C)]
    assert Tissue.RIGHT_BLOOD not in tissues[list(View).index(View.A2C)]


def test_annotators_draw_cavity_where_papillary_muscles_are(hearts):
    """Papillary muscles and open leaflets lie within the label of a cavity: labels are smooth, tissue is not."""
    row, column = np.arange(0, 180, 0.5)[:, None], np.arange(-80, 80, 0.5)[None, :]
    found = 0
    for heart in hearts:
        pose = Pose(View.A2C, apex_row=20.0, apex_column=0.0, tilt=0.0, offset=0.0, slope=0.0)
        tissue = tissue_map(heart, pose, 0.5, 0.5, row, column)
        labels = label_map(heart, pose, 0.5, row, column)
        muscle = tissue == Tissue.PAPILLARY
        assert (labels[muscle] == Structure.LV).all()
        found += int(muscle.sum())
    assert found > 0


def test_without_severity_all_domains_are_one():
    """At severity 0 every domain has the first one's settings, but for the size of its pictures and its overlays."""
    first = asdict(interpolate(CAMUS, CAMUS, 0.0))
    for own in DOMAINS.values():
        settings = asdict(interpolate(CAMUS, own, 0.0))
        assert {name: settings[name] for name in settings if name not in NATIVE} == {
            name: first[name] for name in first if name not in NATIVE
        }
        assert all(settings[name] == getattr(own, name) for name in NATIVE)
        assert interpolate(CAMUS, own, 1.0) == own


def test_severity_moves_every_setting_in_proportion():
    """Half the severity is half the way, for each of the numbers."""
    for field in fields(UNITY):
        if field.name not in NATIVE:
            ends = [getattr(interpolate(CAMUS, UNITY, severity), field.name) for severity in (0.0, 1.0)]
            assert getattr(interpolate(CAMUS, UNITY, 0.5), field.name) == pytest.approx(np.mean(ends))


@pytest.mark.parametrize("severity", [1.1, -0.1])
def test_a_severity_outside_0_to_1_is_refused(severity):
    """The message says what is expected."""
    with pytest.raises(ValueError, match="expected 0 to 1"):
        interpolate(CAMUS, UNITY, severity)


def test_the_same_seed_gives_the_same_picture(hearts):
    """Every random number comes from the generator passed in."""
    first, again = (picture(examine(hearts[1], domain="unity", seed=7)) for _ in range(2))
    other = picture(examine(hearts[1], domain="unity", seed=8))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_severity_changes_how_a_heart_is_seen_and_not_the_heart():
    """Settings do not feed back into what is drawn of the anatomy: hearts are drawn first."""
    assert draw_heart(np.random.default_rng(3)) == draw_heart(np.random.default_rng(3))


def test_a_camus_picture_is_a_clean_fan_on_black(hearts):
    """Nothing outside the cone, and a picture that is hardly larger than the cone's box."""
    examination = examine(hearts[0], domain="camus")
    image, cone = picture(examination), examination.frame.mask
    assert not image[~cone].any()
    box = np.argwhere(cone)
    assert np.ptp(box[:, 0]) > 0.85 * image.shape[0]
    assert np.ptp(box[:, 1]) > 0.9 * image.shape[1]


def test_a_unity_picture_carries_a_screen_around_the_cone(hearts):
    """Overlays are bright and outside, or cross the lower edge."""
    bright = [
        ((image := picture(examination)) > 100)[~examination.frame.mask].sum() / image.size
        for examination in (examine(heart, domain="unity", seed=seed) for seed, heart in enumerate(hearts))
    ]
    assert np.mean(bright) > 0.002


def test_an_echonet_frame_is_filled_by_its_sector(hearts):
    """112 x 112, the sector as high as the frame, and hardly anything outside."""
    for seed, heart in enumerate(hearts):
        examination = examine(heart, domain="echonet", seed=seed)
        image, cone = picture(examination), examination.frame.mask
        assert image.shape == (112, 112)
        assert np.ptp(np.argwhere(cone)[:, 0]) > 98
        assert image[~cone].max() < 10


def test_blood_is_darker_than_muscle_and_muscle_than_the_pericardium(hearts):
    """On average over hearts; a single picture may show a lateral wall as dark as blood."""
    means = []
    for seed, heart in enumerate(hearts):
        examination = examine(heart, seed=seed)
        image = picture(examination).astype(float)
        labels = annotate(examination, 0.0)
        means.append([image[labels == structure].mean() for structure in (Structure.LV, Structure.LVM)])
    cavity, muscle = np.mean(means, axis=0)
    assert muscle > 1.3 * cavity


def test_finer_rows_show_the_same_examination(hearts):
    """Pixels half as high give twice the rows and the labels of the same heart."""
    acquisition = interpolate(CAMUS, CAMUS, 0.0)
    frames = [draw_frame(acquisition, 85.0, np.random.default_rng(4), aspect) for aspect in (1.0, 0.5)]
    assert frames[1].shape == (2 * frames[0].shape[0], frames[0].shape[1])
    areas = []
    for aspect in (1.0, 0.5):
        examination = draw_examination(hearts[3], View.A4C, acquisition, np.random.default_rng(5), aspect)
        areas.append((annotate(examination, 0.0) == Structure.LV).sum() * aspect)
    assert areas[0] == pytest.approx(areas[1], rel=0.01)


def test_speckle_has_the_power_of_its_tissue_and_the_statistics_of_rayleigh():
    """Mean square of the envelope is the squared amplitude; mean over standard deviation is 1.91."""
    shape = (400, 300)
    amplitude = np.full(shape, 3.0, np.float32)
    scatterers = draw_scatterers(shape, np.random.default_rng(0))
    seen = envelope(amplitude, scatterers, 1.5, np.linspace(1, 3, shape[0]).astype(np.float32))
    assert (seen**2).mean() == pytest.approx(9.0, rel=0.05)
    assert seen.mean() / seen.std() == pytest.approx(1.91, rel=0.05)


def test_speckle_of_a_video_keeps_its_power_and_its_memory():
    """Mixed scatterers have unit power and the asked correlation with those before."""
    rng = np.random.default_rng(1)
    old, new = draw_scatterers((300, 300), rng), draw_scatterers((300, 300), rng)
    mixed = mix_scatterers(old, new, 0.6)
    assert (np.abs(mixed) ** 2).mean() == pytest.approx(1.0, abs=0.03)
    assert (mixed * old.conj()).mean().real == pytest.approx(0.6, abs=0.03)
