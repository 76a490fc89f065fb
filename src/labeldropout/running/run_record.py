"""What a study ran on, and how long its rules took."""

import csv
from pathlib import Path
from typing import Any

from labeldropout.files import read_json
from labeldropout.provenance import commit, device_name, versions


def _seconds_by_rule(benchmarks: Path) -> dict[str, dict[str, float | int]]:
    """Jobs, their total seconds and the longest, by rule, from the files that Snakemake's `benchmark:` wrote."""
    seconds: dict[str, list[float]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        seconds.setdefault(path.relative_to(benchmarks).parts[0], []).extend(float(row["s"]) for row in rows)
    return {
        rule: {"jobs": len(each), "seconds": round(sum(each), 1), "longest_seconds": round(max(each), 1)}
        for rule, each in seconds.items()
    }


def _devices(benchmarks: Path) -> list[str]:
    """Devices named in the benchmark files of the trainings."""
    found = set()
    for path in sorted(benchmarks.rglob("*.json")):
        device = read_json(path).get("device")
        if device:
            found.add(str(device))
    return sorted(found)


def run_record(benchmarks: Path, study: str, structures: list[dict[str, Any]]) -> dict[str, Any]:
    """What a study ran on, and for how long: commit, versions, devices, seconds by rule.

    Args:
        benchmarks: Folder of the benchmark files, with one subfolder per rule.
        study: Name of the study.
        structures: Section `structures` of its configuration.
    """
    return {
        "study": study,
        "structures": structures,
        "commit": commit(),
        "versions": versions(),
        "machine": device_name(),
        "training_devices": _devices(benchmarks),
        "seconds_by_rule": _seconds_by_rule(benchmarks),
    }
