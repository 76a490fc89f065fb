"""The verb `simulate`: write a simulated data set in its own format, and the truth about it."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.case import stable_id
from labeldropout.data.case_store import write_cases
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.cohort import PHASE, Cohort
from labeldropout.data.import_report import ImportReport
from labeldropout.files import write_table
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant
from labeldropout.simulation.anatomy import volumes_ml

MANIFEST = {
    "file": "path below the data set's root",
    "bytes": "size of the file",
    "sha256": "hash of the file",
}
"""`manifest.csv` next to the native files; the last file to appear."""

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
"""File that marks a folder as written by `simulate`, which may therefore replace it."""


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
        volumes = {instant: volumes_ml(heart, phase) for instant, phase in PHASE.items()}
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

    A patient depends only on the seed, the data set and the patient's number: adding patients leaves the earlier ones
    unchanged, and severity changes how a heart looks in the image, never the heart itself.

    Args:
        dataset: Key in `DATASETS` of a data set that can be simulated.
        settings: Its sizes, under the names that its scanner module uses.
        severity: Severity of the domain shift, 0 to 1.
        seed: Seed of the study.
        root: Folder for the native files and `manifest.csv`; made if missing. An earlier simulation in it, finished or
            not, is replaced; a folder with anything else is refused.
        truth: Folder for the store of true cases and `hearts.csv`.

    Raises:
        ValueError: The data set or a setting is unknown, or `root` contains files that no simulation wrote.
    """
    known = DATASETS.get(dataset)
    if known is None or known.simulate is None:
        names = ", ".join(name for name, entry in DATASETS.items() if entry.simulate)
        what = "Unknown data set" if known is None else "Nobody can simulate the data set"
        raise ValueError(f"{what} {dataset!r} (expected one of {names}).")
    root, truth = Path(root), Path(truth)
    _clear(root)
    cohort = known.simulate(settings, severity, seed, root)
    _write_truth(cohort, dataset, root, truth)
    _write_manifest(root)


def _clear(root: Path) -> None:
    """Make an empty folder marked as a simulation, replacing an earlier simulation if there is one.

    Raises:
        ValueError: The folder contains files but not the mark.
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
