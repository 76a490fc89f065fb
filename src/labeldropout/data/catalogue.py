"""The data sets that this project knows, with the facts about each and the functions that handle it.

A new data set is a folder next to this module and an entry here. Everything specific to one data set is in its folder;
the facts (licence, counts, oddities) are in the folder's `__init__`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from labeldropout.case import Case
from labeldropout.data import camus, echonet, folder, unity
from labeldropout.data.camus import folds as camus_folds
from labeldropout.data.camus import importer as camus_importer
from labeldropout.data.camus import release as camus_release
from labeldropout.data.camus import scanner as camus_scanner
from labeldropout.data.case_store import CaseStore
from labeldropout.data.cohort import Cohort
from labeldropout.data.echonet import importer as echonet_importer
from labeldropout.data.echonet import scanner as echonet_scanner
from labeldropout.data.echonet import tables as echonet_tables
from labeldropout.data.folder import importer as folder_importer
from labeldropout.data.folder import options as folder_options
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity import curation as unity_curation
from labeldropout.data.unity import importer as unity_importer
from labeldropout.data.unity import options as unity_options
from labeldropout.data.unity import scanner as unity_scanner
from labeldropout.labels import Part


@dataclass(frozen=True)
class DataSet:
    """One data set. Every entry spells out every field, so that a rule can name the functions that it runs."""

    facts: ModuleType
    """Its package: NAME, TITLE, LICENCE, CITATION, HOW_TO_GET, REPORTED, and the counts used by `plan`: UNIT,
    IMAGES_PER_UNIT, IMAGES, REAL_PIXELS, SIMULATED_PIXELS."""
    options: type
    """The options of the import: a frozen dataclass."""
    read_cases: Callable[[Path, Any, ImportReport], Iterator[Case]]
    """Reads the data set's own files, given their folder, the options, and the report to fill."""
    propose_curation: Callable[[CaseStore, Any], pd.DataFrame] | None
    """Proposes to a reviewer which images to use (columns file and reason); None if all are used."""
    curation_keys: Callable[[CaseStore], list[str]] | None
    """Name of every case's image in that proposal."""
    simulate: Callable[[dict[str, Any], float, int, Path], Cohort] | None
    """Writes a simulated data set in this format, given sizes, severity, seed and folder; None if not supported."""
    listed_parts: Mapping[str, Mapping[str, Part]]
    """The data set's own lists of parts, by their name in the configuration, and what the words in them mean."""
    fold_parts: Callable[[pd.DataFrame, int, Path | None], dict[str, Part]] | None
    """Part of every patient in an official fold, given the patients, its number, and the native folder if it is there;
    None if there are no folds."""


DATASETS: dict[str, DataSet] = {
    "camus": DataSet(
        facts=camus,
        options=camus_release.Options,
        read_cases=camus_importer.read_cases,
        propose_curation=None,
        curation_keys=None,
        simulate=camus_scanner.simulate,
        listed_parts={"shipped": camus_folds.PART_OF_WORD},
        fold_parts=camus_folds.fold_parts,
    ),
    "unity": DataSet(
        facts=unity,
        options=unity_options.Options,
        read_cases=unity_importer.read_cases,
        propose_curation=unity_curation.propose_curation,
        curation_keys=unity_curation.curation_keys,
        simulate=unity_scanner.simulate,
        listed_parts={"official": {"train": Part.TRAINING, "tune": Part.VALIDATION, "ival": Part.TEST}},
        fold_parts=None,
    ),
    "echonet": DataSet(
        facts=echonet,
        options=echonet_tables.Options,
        read_cases=echonet_importer.read_cases,
        propose_curation=None,
        curation_keys=None,
        simulate=echonet_scanner.simulate,
        listed_parts={"official": {"TRAIN": Part.TRAINING, "VAL": Part.VALIDATION, "TEST": Part.TEST}},
        fold_parts=None,
    ),
    "folder": DataSet(
        facts=folder,
        options=folder_options.Options,
        read_cases=folder_importer.read_cases,
        propose_curation=None,
        curation_keys=None,
        simulate=None,
        listed_parts={},
        fold_parts=None,
    ),
}
