"""What one study takes from another: its grid search, or a table."""

from pathlib import Path


def grid_of_another(path: str, root: Path) -> str:
    """The outcome of another study's grid search.

    Args:
        path: Its file `selected.json`.
        root: Folder of the workflow.

    Raises:
        ValueError: The other study has not made it; the message says how to.
    """
    if not (root / path).is_file():
        raise ValueError(f"{path}: not there (expected another study's grid search): snakemake --cores all {path}")
    return path


def lengths_of_long_study(root: Path) -> str:
    """The table of the longer study, config/long.yaml, beside which this one is put.

    Args:
        root: Folder of the workflow.

    Raises:
        ValueError: It is not there; the message says how to make it.
    """
    table = "results/long/tables/training_length.csv"
    if not (root / table).is_file():
        how = "snakemake --cores all training_length --configfile config/long.yaml"
        raise ValueError(f"{table}: not there (expected the table of the longer study): {how}")
    return table
