"""Look up which part of a split a case belongs to; `split` makes the split itself."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from labeldropout.files import check_columns, read_table
from labeldropout.labels import Part

PATIENTS = {
    "dataset": "data set",
    "patient": "our identifier of the group",
    "part": "training, validation or test",
}
"""`splits/<dataset>.csv`: the part of every group of a data set."""


def check_patients(table: pd.DataFrame, where: object) -> None:
    """Refuse a table in which a patient is listed twice or a part does not exist.

    Raises:
        ValueError: Either of these.
    """
    wrong = table[~table["part"].isin(list(Part))]
    if len(wrong):
        row = wrong.iloc[0]
        raise ValueError(
            f"{where}: patient {row['patient']}: part {row['part']!r} (expected one of {', '.join(Part)})."
        )
    twice = table[table.duplicated(["dataset", "patient"], keep=False)]
    if len(twice):
        patient = twice.iloc[0]["patient"]
        parts = ", ".join(twice[twice["patient"] == patient]["part"])
        raise ValueError(f"{where}: patient {patient} stands more than once (expected one part, found {parts}).")


def read_parts(tables: Sequence[Path]) -> pd.DataFrame:
    """Return the parts of the patients of several data sets: their tables `PATIENTS`, concatenated.

    Raises:
        ValueError: A table is of another kind, a part does not exist, or a patient is listed twice.
    """
    if not tables:
        raise ValueError("no table of parts (expected one per data set, as `split` writes them).")
    joined = pd.concat([read_table(path, PATIENTS, tuple(PATIENTS)) for path in tables], ignore_index=True)
    check_patients(joined, named(tables))
    return joined


def named(tables: Sequence[Path]) -> str:
    """Names of these tables, for a message."""
    return ", ".join(map(str, tables))


def part_of_cases(cases: pd.DataFrame, patients: pd.DataFrame) -> pd.Series:
    """Return the part of every case, on the index of `cases`.

    Args:
        cases: Any table with the columns `dataset` and `patient`.
        patients: The result of `split`.

    Raises:
        ValueError: A patient is in two parts, is listed twice or has no part, or the part does not exist.
    """
    patients = check_columns(patients, PATIENTS, "patients")
    check_patients(patients, "patients")
    part_of = {
        (dataset, patient): part
        for dataset, patient, part in zip(patients["dataset"], patients["patient"], patients["part"], strict=True)
    }
    keys = list(zip(cases["dataset"], cases["patient"], strict=True))
    missing = sorted({patient for dataset, patient in keys if (dataset, patient) not in part_of})
    if missing:
        raise ValueError(
            f"patients: no part for {len(missing)} patients of these cases (first {missing[0]}). "
            "Split again with all stores."
        )
    return pd.Series([part_of[key] for key in keys], index=cases.index, name="part", dtype="str")
