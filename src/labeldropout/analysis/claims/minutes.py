"""How long a target of the study takes, worked out from the seconds that its last run recorded."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

ONCE = ("train_cone", "split", "train_candidate", "select_hyperparameters")
"""Rules whose jobs every target needs, and needs once."""
DATA = ("simulate", "import_dataset", "segment_cone", "prepare")
"""Rules whose jobs are repeated for every severity of the domain shift."""


def minutes_of(item: str, experiments: Sequence[Mapping[str, str]], record: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many trainings a target needs, and about how many minutes it takes from scratch.

    The seconds of its jobs, each as long as such jobs took on average, are divided by the cores and rounded up to a
    whole minute.

    Args:
        item: A figure or table, as the column `shown_in` of the list of experiments names it.
        experiments: Rows of the list of experiments, as text.
        record: `run_record.json`: its keys `seconds_by_rule` and `machine` are read.

    Raises:
        ValueError: No row shows the item, or the record lacks a rule that it needs.
    """
    rows = [row for row in experiments if item in row["shown_in"].split("+")]
    if not rows:
        raise ValueError(f"{item}: no row of the list of experiments shows it.")
    trainings = sum(len(row["seeds"].split(",")) for row in rows)
    severities = len({row["severity"] for row in rows})
    seconds = sum(_total(record, rule) for rule in ONCE)
    seconds += severities * sum(_total(record, rule) for rule in DATA)
    seconds += trainings * _mean(record, "train") + len(rows) * _mean(record, "evaluate")
    seconds += _mean(record, "compare") + _mean(record, "figures_item")
    return trainings, math.ceil(seconds / 60 / cores_of(record))


def minutes_in_all(record: Mapping[str, Any]) -> int:
    """Return about how many minutes the recorded run took: the seconds of its jobs divided by the cores, rounded up."""
    seconds = sum(rule["seconds"] for rule in record["seconds_by_rule"].values())
    return math.ceil(seconds / 60 / cores_of(record))


def cores_of(record: Mapping[str, Any]) -> int:
    """Return the number of cores of the machine of a record.

    Raises:
        ValueError: Its description does not say.
    """
    found = re.search(r"(\d+) cores", record["machine"])
    if not found:
        raise ValueError(f"run_record.json: machine {record['machine']!r} (expected '<n> cores' in it).")
    return int(found[1])


def _rule(record: Mapping[str, Any], rule: str) -> Mapping[str, Any]:
    known = record["seconds_by_rule"]
    if rule not in known:
        raise ValueError(f"run_record.json: no seconds of rule {rule!r} (found {', '.join(known)}).")
    return known[rule]


def _total(record: Mapping[str, Any], rule: str) -> float:
    return _rule(record, rule)["seconds"]


def _mean(record: Mapping[str, Any], rule: str) -> float:
    return _total(record, rule) / _rule(record, rule)["jobs"]
