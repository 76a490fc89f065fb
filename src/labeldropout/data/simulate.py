"""The verb `simulate`: a simulated data set in its own format, and the truth about it."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.case import stable_id
from labeldropout.data.camus.scanner import _simulate_camus
from labeldropout.data.case_store import write_cases
from labeldropout.data.cohort import _PHASE, Cohort
from labeldropout.data.echonet.scanner import _simulate_echonet
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity.scanner import _simulate_unity
from labeldropout.files import write_table
from labeldropout.labels import FOREGROUND, Instant, Structure
from labeldropout.simulation.anatomy import volumes_ml

MANIFEST = {
    "file": "path below the data set's root",
    "bytes": "size of the file",
    "sha256": "hash of the file",
}
"""`manifest.csv` beside the native files; the last file to appear."""

HEARTS = {
    "patient": "our identifier of the group",
    "group_name": "the group as the data set names it",
    **{
        f"{structure.name}_{instant}_ml": f"volume of {structure.name} at {instant} in ml"
        for structure in FOREGROUND
        for instant in Instant
    },
    "ef_percent": "ejection fraction of the left ventricle in percent",
}
"""`hearts.csv` in the truth store: the volumes of the simulated solids."""

_MARK = "SIMULATED.txt"
"""File that says that a folder was written by `simulate` and may be replaced by it."""


_SIMULATORS: dict[str, Callable[[dict[str, Any], float, int, Path], Cohort]] = {
    "camus": _simulate_camus,
    "unity": _simulate_unity,
    "echonet": _simulate_echonet,
}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_truth(cohort: Cohort, dataset: str, root: Path, truth: Path) -> None:
    hashes: dict[str, str] = {}
    for case in cohort.cases:
        if case.source not in hashes:
            hashes[case.source] = _sha256(root / case.source)
    report = ImportReport(dataset, found=len(cohort.cases))
    write_cases((replace(case, source_sha256=hashes[case.source]) for case in cohort.cases), truth, report)
    rows = []
    for group, heart in cohort.hearts.items():
        volumes = {instant: volumes_ml(heart, phase) for instant, phase in _PHASE.items()}
        edv, esv = (volumes[instant][Structure.LV] for instant in (Instant.ED, Instant.ES))
        rows.append(
            {
                "patient": stable_id(dataset, group),
                "group_name": group,
                **{
                    f"{structure.name}_{instant}_ml": volumes[instant][structure]
                    for structure in FOREGROUND
                    for instant in Instant
                },
                "ef_percent": 100 * (edv - esv) / edv,
            }
        )
    write_table(pd.DataFrame(rows), truth / "hearts.csv", HEARTS)


def _write_manifest(root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and path != root / "manifest.csv")
    rows = [
        {"file": path.relative_to(root).as_posix(), "bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in files
    ]
    write_table(pd.DataFrame(rows), root / "manifest.csv", MANIFEST)


def simulate(dataset: str, settings: dict[str, Any], severity: float, seed: int, root: Path, truth: Path) -> None:
    """Write a simulated data set in its own format, and the truth about it.

    A patient depends on the seed, the data set and the patient's number alone: more patients leave the first ones as
    they are, and severity changes how a heart is seen, never the heart.

    Args:
        dataset: camus, unity or echonet.
        settings: camus {patients, release}, unity {images}, echonet {videos, frames}.
        severity: Of the domain shift, 0 to 1.
        seed: Of the study.
        root: Folder for the native files and `manifest.csv`; made if missing. An earlier simulation in it, finished or
            not, is replaced; anything else is refused.
        truth: Folder for the store of true cases and `hearts.csv`.

    Raises:
        ValueError: Unknown data set or setting, or `root` holds files that no simulation wrote.
    """
    if dataset not in _SIMULATORS:
        raise ValueError(f"Unknown data set {dataset!r} (expected one of {', '.join(_SIMULATORS)}).")
    root, truth = Path(root), Path(truth)
    _clear(root)
    cohort = _SIMULATORS[dataset](settings, severity, seed, root)
    _write_truth(cohort, dataset, root, truth)
    _write_manifest(root)


def _clear(root: Path) -> None:
    """Make an empty folder with the mark of a simulation, in place of an earlier simulation if there is one.

    Raises:
        ValueError: The folder holds files and not the mark.
    """
    mark = root / _MARK
    if root.is_dir() and any(root.iterdir()):
        if not mark.is_file():
            raise ValueError(
                f"{root}: holds files that no simulation wrote (expected an empty folder, or {_MARK} in it)."
                " Name another folder."
            )
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    mark.write_text("Simulated data: no person was examined. This folder is replaced by the next simulation.\n")
