"""Determine whether the data on a page are simulated: from tables, sidecars and configurations, never by guessing."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from labeldropout.files import read_json
from labeldropout.running.sidecars import sidecar_of

SIMULATED, REAL, UNKNOWN = KINDS = ("simulated", "real", "unknown")
"""Kinds of data according to tables, sidecars and configurations; unknown if none of them says."""


def mark(kinds: Collection[str]) -> str:
    """Return the sentence that states the kind of data."""
    if UNKNOWN in kinds or not kinds:
        return "Not recorded whether these data are simulated."
    return {(SIMULATED,): "Simulated data.", (REAL,): "Real data."}.get(tuple(kinds), "Simulated and real data.")


def _kinds_in(table: Path) -> set[str]:
    """The kinds of data that the rows of a table state."""
    with table.open(newline="", encoding="utf-8") as file:
        return {row["data"] for row in csv.DictReader(file) if row.get("data")}


def kinds_of(name: str, results: Path) -> frozenset[str]:
    """The kinds of data of an item, from every row of its table and the sidecars of table and figure."""
    table = results / "tables" / f"{name}.csv"
    found = _kinds_in(table) if table.is_file() else set()
    for path in (sidecar_of(results / kind / f"{name}.csv") for kind in ("tables", "figures")):
        content = read_json(path) if path.is_file() else {}
        if isinstance(content, dict) and content.get("data"):
            found.add(str(content["data"]))
    return frozenset(kind if kind in KINDS else UNKNOWN for kind in found or {UNKNOWN})


@dataclass(frozen=True)
class Origins:
    """Which data sets are simulated, from the files below the results."""

    made: frozenset[str]
    """Data sets for which the simulator left files."""
    of_models: Sequence[Mapping[str, Any]]
    """Configurations of all models."""

    def of(self, dataset: str, model: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Return one of `KINDS` for the images of a data set, as used by a model if its configuration is given.

        A model's `simulated` means that any of its data sets is, so it is not enough when others were simulated.
        """
        if model.get("simulated") is False:
            return REAL
        said = {
            config.get("simulated")
            for config in self.of_models
            if dataset in (*config.get("train_on", ()), *config.get("evaluated_on", ()))
        }
        if False in said:
            return REAL
        if dataset in self.made or (said == {True} and not self.made):
            return SIMULATED
        return UNKNOWN


def read_origins(results: Path) -> Origins:
    """Read the files that the simulator left below the results, and the configurations of the models."""
    made = {path.parent.name for path in results.glob("raw/*/SIMULATED.txt")}
    made |= {path.parent.name for path in results.glob("truth/*/cases.csv")}
    configs = [read_json(path) for path in sorted(results.glob("models/*/config.json"))]
    return Origins(frozenset(made), configs)
