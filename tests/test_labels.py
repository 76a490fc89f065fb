"""Structures of a study are names with values in a label map."""

import re

import numpy as np
import pytest

from labeldropout.heart import Structure
from labeldropout.labels import MAX_STRUCTURES, PALETTE, number_structures, structures_of, values_of


def test_structures_are_numbered_in_their_order():
    """The first name of the configuration is 1 in every label map."""
    assert values_of(number_structures(["nucleus", "cytoplasm"])) == {"nucleus": 1, "cytoplasm": 2}


def test_structures_come_in_the_order_of_their_values():
    """JSON with sorted keys does not change the order of channels."""
    structures = structures_of({"LA": 3, "LV": 1, "LVM": 2})
    assert [structure.name for structure in structures] == ["LV", "LVM", "LA"]
    assert structures["LA"] == 3
    assert (np.array([0, 3, 1]) == structures["LA"]).tolist() == [False, True, False]


def test_a_structure_is_the_heart_s_if_its_value_is():
    """What knows hearts may ask a table of states with its own names."""
    states = {structure: structure.name for structure in number_structures(["LV", "LVM", "LA"])}
    assert [states[structure] for structure in (Structure.LV, Structure.LVM, Structure.LA)] == ["LV", "LVM", "LA"]


@pytest.mark.parametrize("name", ["", "left atrium", "1st", "LV-LA", "LV+LA", "mean", "Background", "ALL"])
def test_a_name_that_tables_could_not_carry_is_refused(name):
    """Names are columns of tables and parts of the list of experiments."""
    with pytest.raises(ValueError, match=re.escape(f"structures: {name!r} (expected letters")):
        number_structures(["LV", name])


def test_a_name_or_a_value_of_two_is_refused():
    """Nobody could say which one a pixel shows."""
    with pytest.raises(ValueError, match="LV appears twice"):
        number_structures(["LV", "LA", "LV"])
    with pytest.raises(ValueError, match="a value of its own"):
        structures_of({"LV": 1, "LA": 1})


@pytest.mark.parametrize("value", [0, MAX_STRUCTURES + 1, -1, True])
def test_a_value_that_is_no_channel_is_refused(value):
    """0 is background, and more than twenty could not be told apart."""
    with pytest.raises(ValueError, match="expected 1 to 20"):
        structures_of({"LV": value})


def test_every_structure_has_a_colour_of_its_own():
    """There are as many colours as there may be structures."""
    assert len(set(PALETTE)) == len(PALETTE) == MAX_STRUCTURES
