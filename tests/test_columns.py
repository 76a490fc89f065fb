"""Tables have exactly the columns that are written down."""

import pandas as pd
import pytest

from labeldropout.analysis import panels, paper_tables, soundness, spreads, summarise
from labeldropout.analysis.biomarkers import agree, measure
from labeldropout.analysis.claims import judge
from labeldropout.analysis.shortcut import table as shortcut
from labeldropout.data import annotation_kit, case_store, parts, prepared, segment_cone, simulate
from labeldropout.data.parts import PATIENTS
from labeldropout.files import check_columns
from labeldropout.learning import tables
from labeldropout.predict import measures

DATA = (annotation_kit, case_store, parts, prepared, segment_cone, simulate)
ANALYSIS = (panels, paper_tables, soundness, spreads, summarise, agree, measure, judge, shortcut)


def is_record(name, value):
    """Whether a name of a module holds columns with their meaning."""
    is_public = name.isupper() and not name.startswith("_")
    return is_public and isinstance(value, dict) and all(isinstance(meaning, str) for meaning in value.values())


TABLES = {
    f"{module.__name__.removeprefix('labeldropout.')}.{name}": value
    for module in (*DATA, tables, *ANALYSIS, measures)
    for name, value in vars(module).items()
    if is_record(name, value)
}
"""Every record of columns, by the module that holds it."""


def test_columns_come_back_in_the_given_order():
    """A table with its columns in another order is as good."""
    table = pd.DataFrame([["test", "p", "camus"]], columns=["part", "patient", "dataset"])
    assert list(check_columns(table, PATIENTS, "x.csv").columns) == ["dataset", "patient", "part"]


def test_a_missing_column_is_named_with_the_file():
    """The error says where and what."""
    table = pd.DataFrame(columns=["dataset", "patient"])
    with pytest.raises(ValueError, match=r"^x\.csv: .*missing: \['part'\], unknown: none"):
        check_columns(table, PATIENTS, "x.csv")


def test_a_misspelt_column_gets_a_hint():
    """The nearest valid name stands in the error."""
    table = pd.DataFrame(columns=["dataset", "pateint", "part"])
    with pytest.raises(ValueError, match=r"missing: \['patient'\].*pateint: Did you mean 'patient'\?"):
        check_columns(table, PATIENTS, "x.csv")


def test_an_additional_column_is_refused():
    """Nothing is dropped in silence."""
    with pytest.raises(ValueError, match=r"missing: none, unknown: .*zzz"):
        check_columns(pd.DataFrame(columns=[*PATIENTS, "zzz"]), PATIENTS, "x.csv")


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_explained(name):
    """Each has a meaning; a length says its unit in its name."""
    assert TABLES[name]
    for column, meaning in TABLES[name].items():
        assert meaning.strip(), column
        if "spacing" in column:
            assert column.endswith("_mm")
