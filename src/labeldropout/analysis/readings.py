"""A table as files: its full numbers, and its reading for people in Markdown and LaTeX."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from labeldropout.analysis.typesetting import latex, markdown
from labeldropout.files import replacing, write_table


def in_units(text: str, unit: str) -> str:
    """A text about patients, in the words of the unit.

    Args:
        text: What is said if there are patients.
        unit: What intervals and tests draw: patients, or images where no group of pictures is declared.
    """
    if unit == "patients":
        return text
    return re.sub(r"\bpatient", unit.removesuffix("s"), re.sub(r"\bPatient", unit.removesuffix("s").capitalize(), text))


def reading_in_units(reading: pd.DataFrame, unit: str) -> pd.DataFrame:
    """A reading in the words of the unit; a column that the change makes the same as another one is left out."""
    said = reading.rename(columns=lambda name: in_units(name, unit))
    said = said.map(lambda cell: in_units(cell, unit) if isinstance(cell, str) else cell)
    return said.loc[:, ~said.columns.duplicated()]


def count_trainings(table: pd.DataFrame) -> dict[str, int]:
    """How many trainings of every model are behind a table with a row `all` beside those of each seed."""
    return table.loc[table["seed"] != "all"].groupby("model")["seed"].nunique().to_dict()


def write_with_readings(
    table: pd.DataFrame,
    columns: Mapping[str, str],
    output: Path,
    caption: str,
    reading: pd.DataFrame,
    *,
    simulated: bool,
    reading_in_latex: pd.DataFrame | None = None,
) -> list[Path]:
    """Write a table with full numbers as CSV, and its reading as Markdown and LaTeX beside it.

    Args:
        table: Full numbers.
        columns: The columns that it must have, with their meaning.
        output: Path, with or without its extension; its stem is the label in LaTeX.
        caption: Caption of the reading.
        reading: Cells as text.
        simulated: Whether the caption begins by saying that data are simulated, or that all are real.
        reading_in_latex: Cells as text for LaTeX, where they differ.

    Returns:
        The paths of the three files, the CSV first.
    """
    files = [output.with_suffix(ending) for ending in (".csv", ".md", ".tex")]
    said = f"{'Simulated' if simulated else 'Real'} data. {caption}"
    write_table(table, files[0], columns)
    in_latex = reading if reading_in_latex is None else reading_in_latex
    for path, text in zip(files[1:], (markdown(said, reading), latex(said, output.stem, in_latex)), strict=True):
        with replacing(path, "w") as file:
            file.write(text)
    return files
