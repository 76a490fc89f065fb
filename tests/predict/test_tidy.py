"""Label maps after tidying."""

import numpy as np

from labeldropout.predict.tidy import tidy

ALL = (1, 2, 3)


def drawn(*rows):
    """A label map from rows of digits."""
    return np.array([[int(value) for value in row] for row in rows], np.uint8)


def test_the_largest_component_of_each_structure_stays():
    """Smaller components become background, whichever structure they are of; the input is not changed."""
    labels = drawn("110001", "110301", "000331", "200330", "220000")
    before = labels.copy()
    assert np.array_equal(tidy(labels, ALL), drawn("110000", "110300", "000330", "200330", "220000"))
    assert np.array_equal(labels, before)


def test_pixels_that_touch_at_a_corner_are_one_component():
    """A thin oblique line is not broken into pixels."""
    labels = drawn("2000", "0200", "0020", "0002")
    assert np.array_equal(tidy(labels, ALL), labels)


def test_holes_are_filled_and_bays_are_not():
    """Background inside a structure becomes the structure; background that is open to the outside stays."""
    labels = drawn("11111", "10001", "11111", "10001", "10001")
    assert np.array_equal(tidy(labels, ALL), drawn("11111", "11111", "11111", "10001", "10001"))


def test_another_structure_in_a_hole_stays():
    """A cavity within a closed wall is not overwritten: labels exclude each other."""
    labels = drawn("22222", "20102", "20112", "22222")
    assert np.array_equal(tidy(labels, ALL), drawn("22222", "22122", "22112", "22222"))


def test_a_component_that_was_dropped_leaves_no_hole():
    """What is removed inside another structure is filled by that structure."""
    labels = drawn("1111100", "1131103", "1111103", "0000003")
    assert np.array_equal(tidy(labels, ALL), drawn("1111100", "1111103", "1111103", "0000003"))


def test_what_is_not_there_stays_away():
    """A structure without a pixel gets none, and a tidy map is not changed by tidying it again."""
    labels = drawn("0000", "0110", "0000")
    assert np.array_equal(tidy(labels, ALL), labels)
    once = tidy(np.random.default_rng(0).integers(0, 4, (40, 50), dtype=np.uint8), ALL)
    assert np.array_equal(tidy(once, ALL), once)
