"""Blanking, cropping and resizing of a whole store."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from labeldropout.case import Case
from labeldropout.cone import Cone, cone_mask
from labeldropout.data.case_store import CaseStore, with_structures, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.data.prepare import prepare
from labeldropout.data.prepared import PREPARED, read_prepared
from labeldropout.data.segment_cone import CONES
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View, values_of
from labeldropout.learning.model import crop_of

SHAPE = (100, 140)
FAN = Cone(6.0, 80.0, 0.55, 0.0, 85.0)
LABELLED = dict.fromkeys((Structure.LV, Structure.LVM, Structure.LA), State.LABELLED)


def make_case(group=0, instant=Instant.ED, spacing=(0.5, 0.5), rows_per_mm=1):
    """A speckled fan with a burnt-in bar at the left border, a mark beside the apex and two structures."""
    rng = np.random.default_rng([group, instant == Instant.ED])
    image = rng.integers(20, 255, SHAPE, dtype=np.uint8) * cone_mask(FAN, SHAPE)
    image[10:60, 2:8] = 255
    image[8:18, 108:116] = 255
    target = np.zeros(SHAPE, np.uint8)
    target[30:60, 70:90] = Structure.LV
    target[62:80, 74:88] = Structure.LA
    return Case(
        dataset="unity",
        group_name=f"clip{group}",
        frame=0,
        image=np.repeat(image, rows_per_mm, axis=0),
        target=np.repeat(target, rows_per_mm, axis=0),
        states=LABELLED,
        pixel_spacing_mm=spacing,
        view=View.A4C,
        instant=instant,
        source=f"{group}-{instant}.png",
        source_sha256="0" * 64,
    )


def make_store(cases, folder):
    """A store of these cases."""
    write_cases(cases, folder, ImportReport("unity"))
    return CaseStore(folder)


def segment(store, folder, method="geometry"):
    """Cones without a network."""
    from labeldropout.data.segment_cone import segment_cones

    segment_cones(store, method, None, "cpu", folder)
    return pd.read_csv(folder / "cones.csv")


def test_a_store_becomes_arrays_that_can_be_carried_back(tmp_path):
    """Images are blanked outside the cone, labels kept, and the crop leads back to the stored grid."""
    store = make_store([make_case(group, instant) for group in range(2) for instant in Instant], tmp_path / "cases")
    cones = segment(store, tmp_path / "cones")
    assert list(cones.columns) == list(CONES)
    assert set(cones["method"]) == {"fit"}
    prepare(store, tmp_path / "cones", 64, 0.02, tmp_path / "prepared")
    prepared = read_prepared(tmp_path / "prepared")
    assert prepared.images.shape == (4, 64, 64)
    assert list(prepared.table.columns) == list(with_structures(PREPARED, values_of(prepared.pixels.structures)))
    masks = np.fromfile(tmp_path / "cones" / "masks.u8", np.uint8).reshape(4, *SHAPE)
    assert set(np.unique(masks)) == {0, 1}
    assert not masks[:, 12:58, 3:7].any()
    for index, row in enumerate(prepared.table.itertuples()):
        crop = crop_of(row)
        assert crop.height == crop.width
        centre = crop.row + crop.height / 2, crop.column + crop.width / 2
        assert centre == pytest.approx((48, 80), abs=4)
        scale = (64 / crop.height) ** 2
        for structure in (Structure.LV, Structure.LA):
            found = (prepared.targets[index] == structure).sum()
            assert found == pytest.approx((store.target(index) == structure).sum() * scale, rel=0.1)
    # The mark beside the apex lies within the crop, and is blanked.
    assert prepared.images[:, :12, 45:].max() == 0
    assert prepared.images[:, 20:40, 25:40].max() > 0


def test_frames_of_one_clip_share_one_cone(tmp_path):
    """End diastole and end systole of a clip have the same mask and box."""
    store = make_store([make_case(group, instant) for group in range(2) for instant in Instant], tmp_path / "cases")
    cones = segment(store, tmp_path / "cones")
    boxes = cones[["box_row", "box_column", "box_height", "box_width", "apex_row"]].to_numpy()
    assert np.array_equal(boxes[0], boxes[1])
    assert np.array_equal(boxes[2], boxes[3])


def test_pictures_without_a_cone_keep_their_whole_frame(tmp_path):
    """Nothing is sought, blanked or cut off; the shorter side is padded to a square."""
    store = make_store([make_case(group) for group in range(2)], tmp_path / "cases")
    cones = segment(store, tmp_path / "cones", "none")
    assert set(cones["method"]) == {"none"}
    assert cones[["box_row", "box_column", "box_height", "box_width"]].drop_duplicates().to_numpy().tolist() == [
        [0, 0, *SHAPE]
    ]
    assert np.fromfile(tmp_path / "cones" / "masks.u8", np.uint8).all()
    prepare(store, tmp_path / "cones", 140, 0.0, tmp_path / "prepared")
    prepared = read_prepared(tmp_path / "prepared")
    assert np.array_equal(prepared.images[0, 20:120], store.image(0))
    assert not prepared.images[0, :20].any()


def test_labels_do_not_move_the_box(tmp_path):
    """The same images without labels give the same cones and the same prepared images."""
    cases = [make_case(group) for group in range(2)]
    bare = [
        replace(case, target=np.zeros_like(case.target), states=dict.fromkeys(LABELLED, State.UNKNOWN))
        for case in cases
    ]
    arrays = []
    for name, content in (("full", cases), ("bare", bare)):
        store = make_store(content, tmp_path / name / "cases")
        segment(store, tmp_path / name / "cones")
        prepare(store, tmp_path / name / "cones", 32, 0.02, tmp_path / name / "prepared")
        arrays.append(np.load(tmp_path / name / "prepared" / "images.npy"))
    assert np.array_equal(*arrays)


def test_old_camus_pixels_become_square(tmp_path):
    """An image with rows half as high as columns are wide is prepared as if its pixels were square."""
    square = make_store([make_case()], tmp_path / "square" / "cases")
    tall = make_store([make_case(spacing=(0.25, 0.5), rows_per_mm=2)], tmp_path / "tall" / "cases")
    arrays = []
    for name, store in (("square", square), ("tall", tall)):
        segment(store, tmp_path / name / "cones")
        prepare(store, tmp_path / name / "cones", 64, 0.02, tmp_path / name / "prepared")
        arrays.append(read_prepared(tmp_path / name / "prepared"))
    row = arrays[1].table.iloc[0]
    assert row["crop_height"] == pytest.approx(2 * row["crop_width"], abs=1)
    assert (arrays[0].targets == arrays[1].targets).mean() > 0.99


def test_a_black_image_is_named(tmp_path):
    """A frame without any pixel that differs from 0 stops the search, and the message names its file."""
    black = replace(make_case(), image=np.zeros(SHAPE, np.uint8))
    store = make_store([black], tmp_path / "cases")
    with pytest.raises(ValueError, match=r"0-ED.png: frame 0 is black"):
        segment(store, tmp_path / "cones")
    assert not (tmp_path / "cones" / "cones.csv").exists()


def test_cones_of_other_cases_are_refused(tmp_path):
    """Cones found for another store do not pass."""
    first = make_store([make_case(0)], tmp_path / "first")
    second = make_store([make_case(1)], tmp_path / "second")
    segment(first, tmp_path / "cones")
    with pytest.raises(ValueError, match="other cases"):
        prepare(second, tmp_path / "cones", 32, 0.02, tmp_path / "prepared")


def test_a_structure_that_is_not_labelled_may_not_be_drawn(tmp_path):
    """Pixels of an unknown structure in the store (somebody edited it) stop the preparation."""
    store = make_store([make_case()], tmp_path / "cases")
    segment(store, tmp_path / "cones")
    table = pd.read_csv(tmp_path / "cases" / "cases.csv")
    table["LA"] = "unknown"
    table.to_csv(tmp_path / "cases" / "cases.csv", index=False)
    with pytest.raises(ValueError, match="LA is unknown and yet drawn"):
        prepare(CaseStore(tmp_path / "cases"), tmp_path / "cones", 32, 0.02, tmp_path / "prepared")
