"""What one study takes from others: a grid search, a table, or scores."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class OtherStudies:
    """The studies beside which the default one is put, config/long.yaml and config/instructions.yaml."""

    root: Path
    """Folder of the workflow."""

    def lengths(self) -> str:
        """The table of the longer study.

        Raises:
            ValueError: It is not there; the message says how to make it.
        """
        how = "snakemake --cores all training_length --configfile config/long.yaml"
        return self._made("results/long/tables/training_length.csv", "the table of the longer study", how)

    def ledger(self) -> str:
        """The ledger of the models trained under another instruction set.

        Raises:
            ValueError: It is not there; the message says how to make it.
        """
        return self._made("results/instructions/tables/claims.csv", "that of another instruction set", self._how())

    def scores(self) -> list[str]:
        """The scores of these models, on which that ledger rests, in the order of their names.

        Raises:
            ValueError: The ledger or the scores are not there; scores are not in git, so a clone has the ledger alone.
        """
        ledger = self.ledger()
        folder = Path(ledger).parents[1] / "scores"
        found = sorted(path.relative_to(self.root).as_posix() for path in (self.root / folder).glob("*.csv"))
        if not found:
            raise ValueError(f"{folder}: no scores there (expected those behind {ledger}): rm {ledger}; {self._how()}")
        return found

    @staticmethod
    def _how() -> str:
        variables = "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41"
        return f"{variables} snakemake --cores all claims --configfile config/instructions.yaml"

    def own_scores(self) -> list[str]:
        """The default study's scores of the same models.

        Raises:
            ValueError: The ledger is not there.
        """
        return [f"<results>/scores/{Path(path).name}" for path in self.scores()]

    def _made(self, path: str, what: str, how: str) -> str:
        if not (self.root / path).is_file():
            raise ValueError(f"{path}: not there (expected {what}): {how}")
        return path
