"""The catalogue of data sets: complete entries, and what no two data sets may share."""

import importlib
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from labeldropout.data.any_scanner import AFTER_GAIN, BEYOND, RANGES
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.unity.scanner import _WRITER_STREAM
from labeldropout.simulation.scanner import Acquisition

TEXTS = ("NAME", "TITLE", "LICENCE", "CITATION", "HOW_TO_GET", "UNIT")
COUNTS = ("IMAGES_PER_UNIT", "IMAGES", "REAL_PIXELS", "SIMULATED_PIXELS")
SIMULATED = [name for name, entry in DATASETS.items() if entry.simulate]


def scanner(name):
    """The module that simulates a data set."""
    return importlib.import_module(f"labeldropout.data.{name}.scanner")


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_states_its_facts(name):
    """Name, licence, citation, way to get it, reported numbers and the counts behind a plan stand in its folder."""
    entry = DATASETS[name]
    assert entry.facts.__name__ == f"labeldropout.data.{name}"
    assert name == entry.facts.NAME
    assert all(getattr(entry.facts, fact) for fact in TEXTS)
    assert all(getattr(entry.facts, fact) > 0 for fact in COUNTS)
    assert set(entry.facts.REPORTED) == {"subjects", "images", "structures", "views"}
    assert all(word in entry.facts.__doc__ for word in ("Origin:", "Counts:", "Annotated:", "Oddities:"))


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_is_whole(name):
    """Options are a dataclass that needs nothing, and a proposal comes with the keys of its images."""
    entry = DATASETS[name]
    assert is_dataclass(entry.options)
    assert entry.options() == entry.options()
    assert (entry.propose_curation is None) == (entry.curation_keys is None)


@pytest.mark.parametrize("name", DATASETS)
def test_facts_load_nothing_heavy(name):
    """Who only wants to tell about a data set does not wait for numpy or pandas."""
    code = f"import sys, labeldropout.data.{name}; print([n for n in ('numpy', 'pandas', 'torch') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_no_two_data_sets_draw_the_same_numbers():
    """Every simulated data set has a stream of random numbers of its own, and the writer of Unity another one."""
    streams = [*(scanner(name).STREAM for name in SIMULATED), _WRITER_STREAM]
    assert len(set(streams)) == len(streams)


@pytest.mark.parametrize("name", SIMULATED)
def test_the_cone_network_has_seen_scanners_like_this_one(name):
    """The means of every scanner lie within the ranges of the examples, which name all numbers in their order."""
    acquisition = scanner(name).ACQUISITION
    numbers = [field.name for field in fields(Acquisition) if isinstance(getattr(acquisition, field.name), float)]
    assert numbers == list(RANGES)
    for number, (low, high) in RANGES.items():
        room = BEYOND * (high - low)
        gain = acquisition.gain_db if number in AFTER_GAIN else 0.0
        assert low - room <= getattr(acquisition, number) + gain <= high + room, number
