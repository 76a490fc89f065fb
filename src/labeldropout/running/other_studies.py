"""What one study takes from another: its grid search, a table, or scores."""

from pathlib import Path

_LEDGER_OF_INSTRUCTIONS = "results/instructions/tables/claims.csv"


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


def ledger_under_other_instructions(root: Path) -> str:
    """The ledger of the models trained under another instruction set, config/instructions.yaml.

    Args:
        root: Folder of the workflow.

    Raises:
        ValueError: It is not there; the message says how to make it.
    """
    if not (root / _LEDGER_OF_INSTRUCTIONS).is_file():
        how = (
            "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41"
            " snakemake --cores all claims --configfile config/instructions.yaml"
        )
        raise ValueError(f"{_LEDGER_OF_INSTRUCTIONS}: not there (expected that of another instruction set): {how}")
    return _LEDGER_OF_INSTRUCTIONS


def scores_under_other_instructions(root: Path) -> list[str]:
    """The scores of these models, which the ledger rests on, in the order of their names.

    Args:
        root: Folder of the workflow.

    Raises:
        ValueError: The ledger is not there.
    """
    study = Path(ledger_under_other_instructions(root)).parents[1]
    return sorted(path.relative_to(root).as_posix() for path in (root / study / "scores").glob("*.csv"))
