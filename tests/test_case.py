"""A case refuses to exist if image, label map and states contradict each other."""

from dataclasses import replace

import numpy as np
import pytest

from labeldropout.case import Case, DatasetError, stable_id
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant, State, View


@pytest.fixture
def case():
    """One image with all structures drawn."""
    target = np.zeros((5, 7), np.uint8)
    target[1, 1:4] = (1, 2, 3)
    return Case(
        dataset="camus",
        group_name="patient0001",
        frame=0,
        image=np.arange(35, dtype=np.uint8).reshape(5, 7),
        target=target,
        states=dict.fromkeys(FOREGROUND, State.LABELLED),
        pixel_spacing_mm=(0.2, 0.3),
        view=View.A2C,
        instant=Instant.ED,
        source="a/b.nii.gz",
        source_sha256="0" * 64,
    )


def test_identifiers_do_not_change_and_do_not_tell_the_data_set_s_names(case):
    """The identifier of a case is fixed by data set, group, view and instant alone; published tables rely on it."""
    assert case.id == "camus-e63e5dfd61-A2C-ED"
    assert case.patient == stable_id("camus", "patient0001") == "camus-e63e5dfd61"
    assert replace(case, image=case.image + 1, quality="Poor", source="c").id == case.id
    assert stable_id("unity", "patient0001") != stable_id("camus", "patient0001")


def test_an_identifier_without_instant_carries_the_frame(case):
    """Frames between ED and ES are told apart, with and without a view."""
    assert replace(case, instant=None, frame=12).id == f"{case.patient}-A2C-f0012"
    assert replace(case, instant=None, view=None, frame=3).id == f"{case.patient}-f0003"


def test_labelled_and_absent_supervise_and_unknown_does_not(case):
    """What counts as annotated is said by the state."""
    states = {Structure.LV: State.LABELLED, Structure.LVM: State.ABSENT, Structure.LA: State.UNKNOWN}
    sparse = replace(case, states=states, target=(case.target == Structure.LV).astype(np.uint8))
    assert sparse.annotated == {Structure.LV: True, Structure.LVM: True, Structure.LA: False}


@pytest.mark.parametrize("state", [State.ABSENT, State.UNKNOWN])
def test_a_structure_that_nobody_drew_has_no_pixel(case, state):
    """Pixels of an absent or unknown structure are an error that names the file and counts them."""
    with pytest.raises(DatasetError, match=rf"a/b\.nii\.gz: LA is {state} and yet drawn .*found 1 pixels"):
        replace(case, states=case.states | {Structure.LA: state})


def test_a_labelled_structure_may_have_no_pixel(case):
    """The state is never read off the pixels."""
    empty = replace(case, target=np.zeros_like(case.target))
    assert empty.annotated[Structure.LA]


def refusal(case, **changes):
    """What the case itself says of these arrays, without the check of annotations that the tests add."""
    spoilt = object.__new__(Case)
    vars(spoilt).update(vars(case) | changes)
    with pytest.raises(DatasetError) as error:
        spoilt.__post_init__()
    return str(error.value)


def test_image_and_label_map_have_one_shape(case):
    """A transposed label map is refused."""
    message = refusal(case, target=np.ascontiguousarray(case.target.T))
    assert "a/b.nii.gz: image and target differ in shape (expected (5, 7), found (7, 5))" in message


def test_pixels_are_bytes_in_two_axes(case):
    """A float image or a clip is refused."""
    assert "found 2 axes, float64 and uint8" in refusal(case, image=case.image / 255)
    assert "found 4 axes" in refusal(case, image=case.image[..., None, None])


def test_an_unknown_label_is_refused_with_the_values(case):
    """There is no structure 4."""
    with pytest.raises(DatasetError, match=r"unknown label \(expected \[0, 1, 2, 3\], found \[.*4\]\)"):
        replace(case, target=np.where(case.target == 3, 4, case.target).astype(np.uint8))


def test_errors_have_one_form():
    """Data set, file, what is wrong, expected, found, and what to do."""
    error = DatasetError.about("unity", "x.json:5", "no key", "curve", "none", "Look again.")
    assert str(error) == "unity: x.json:5: no key (expected curve, found none). Look again."
    assert str(DatasetError.about("unity", "x", "bad", 1, 2)) == "unity: x: bad (expected 1, found 2)."
    assert isinstance(error, ValueError)
