"""The list of experiments of a study, read from its file."""

import csv
from pathlib import Path

from labeldropout.configuration import check_columns
from labeldropout.learning.experiments import COLUMNS


def read_list(path: Path) -> list[dict[str, str]]:
    """The rows of a list of experiments as they stand: cells by column.

    Raises:
        ValueError: There is no such file, a column is not one of `COLUMNS`, or two rows have the same name; the message
            says which.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: not there (expected the study's list of experiments): `labeldropout draft-list` writes one to"
            " begin with for folders of your own."
        )
    with path.open(newline="", encoding="utf-8") as table:
        reader = csv.DictReader(table, delimiter="\t")
        check_columns(list(reader.fieldnames or []), COLUMNS, str(path))
        rows = list(reader)
    if n_repeated := reader.line_num - 1 - len({row["model"] for row in rows}):
        raise ValueError(f"{path}: {n_repeated} rows repeat a model's name, or are empty.")
    return rows
