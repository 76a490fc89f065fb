"""Find out which release of CAMUS is in a folder, where its patients are, and what its lists say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from labeldropout.case import DatasetError
from labeldropout.data.camus import HOW_TO_GET, NAME
from labeldropout.data.import_report import ImportReport

_LISTS = ("training", "validation", "testing")


_PATIENT = re.compile(r"patient\d{4}")


_TED = re.compile(r"patient\d{3}|patient\d+_[24]CH_sequence_gt\.mhd")


_LAYOUTS = (
    "[CAMUS_public/]database_nifti/patientXXXX/*.nii.gz, [CAMUS_public/database/]training/patientXXXX/*.mhd, "
    "or patientXXXX/*.mhd"
)


@dataclass(frozen=True)
class Options:
    """Options of the import."""

    keep_largest: bool = False
    """Keep only the largest component of each structure; how much that would remove is always reported."""
    sequences: bool = False
    """Also read the frames between ED and ES from the labelled half sequences (NIfTI release)."""
    shipped_split: bool = True
    """Read the lists next to the patients into `split_hint`."""
    subgroup: int | None = None
    """Which of the folds in `listSubGroups` to read, if there is such a folder."""


class Patient(NamedTuple):
    """The folder of one patient, and a name that is unique across both parts."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Layout:
    """Where the patients of a release are stored."""

    kind: Literal["NEW", "OLD", "FLAT"]
    base: Path
    patients: list[Patient]


def _patients(folder: Path, prefix: str = "") -> list[Patient]:
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if _TED.fullmatch(path.name) or (path.is_dir() and any(_TED.fullmatch(inner.name) for inner in _gt_of(path))):
            raise DatasetError.about(
                NAME,
                path,
                "this is TED, not CAMUS",
                "patientXXXX with four digits and ED and ES stills",
                path.name,
                "TED shares patients with CAMUS: keep it elsewhere.",
            )
        if path.is_dir() and _PATIENT.fullmatch(path.name):
            found.append(Patient(prefix + path.name, path))
    return found


def _gt_of(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*_sequence_gt.mhd")) if _PATIENT.fullmatch(folder.name) else ()


def layouts(root: Path) -> list[Layout]:
    """All releases below a folder; the current one, in NIfTI, comes first."""
    below = ("", "CAMUS_public", "database_nifti", "CAMUS_public/database_nifti", "database", "CAMUS_public/database")
    found = []
    for base in (root / name for name in below):
        prefix = f"{base.name}_" if base.name in {"training", "testing"} else ""
        if patients := _patients(base, prefix):
            nifti = any(next(patient.folder.glob("*.nii*"), None) for patient in patients)
            if nifti:
                patients = [Patient(patient.folder.name, patient.folder) for patient in patients]
            found.append(Layout("NEW" if nifti else "OLD" if prefix else "FLAT", base, patients))
        parts = [*_patients(base / "training", "training_"), *_patients(base / "testing", "testing_")]
        if parts:
            found.append(Layout("OLD", base, parts))
    return sorted(found, key=lambda layout: ("NEW", "OLD", "FLAT").index(layout.kind))


def find_layout(root: Path, report: ImportReport) -> Layout:
    """Choose the release to read; others below the root are noted in the report.

    Raises:
        DatasetError: There is no release.
    """
    found = layouts(root)
    if not found:
        there = ", ".join(sorted(path.name for path in root.iterdir())[:5]) if root.is_dir() else "no such folder"
        raise DatasetError.about(NAME, root, "no CAMUS here", _LAYOUTS, there or "an empty folder", HOW_TO_GET)
    layout = found[0]
    report.note(f"Layout {layout.kind}, in {layout.base.relative_to(root).as_posix()!r} below the root.")
    for other in found[1:]:
        report.note(f"Not read, since {layout.kind} wins: {other.kind} in {other.base.relative_to(root).as_posix()}.")
    return layout


def read_lists(files: Mapping[str, Path], patients: Sequence[str], report: ImportReport) -> dict[str, str]:
    """Read the part of every patient from one text file per part, with one `patientXXXX` per line.

    Args:
        files: File of each part.
        patients: The patients that the lists must cover, each once.
        report: Whether a patient that does not fit is a bad case to leave out, or ends the import.

    Returns:
        Part by patient, of the patients that are listed once.

    Raises:
        DatasetError: A file is missing, or a patient is unknown, named twice, or in no list.
    """
    places: dict[str, list[tuple[str, str]]] = {}
    for part, path in files.items():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError.about(NAME, path, "cannot read the list", "one patientXXXX per line", error) from error
        for number, line in enumerate(lines, start=1):
            if name := line.strip():
                places.setdefault(name, []).append((part, f"{path}:{number}"))
    part_of: dict[str, str] = {}
    names = ", ".join(path.name for path in files.values())
    folder = next(iter(files.values())).parent
    for name in sorted({*places, *patients}, key=lambda name: (name not in places, name)):
        part = report.attempt(name, _listed_once, name, places.get(name, []), patients, f"{folder}: {names}")
        if part is not None:
            part_of[name] = part
    return part_of


def _listed_once(name: str, places: Sequence[tuple[str, str]], patients: Sequence[str], lists: str) -> str:
    """The part of one patient, given where the lists name it."""
    if not places:
        advice = "To import a part of the data set, set the option shipped_split to false."
        raise DatasetError.about(NAME, lists, "a patient in no list", f"all {len(patients)} patients", name, advice)
    (part, where), *others = places
    if name not in patients:
        raise DatasetError.about(NAME, where, "unknown patient", "a patient's folder", repr(name))
    if others:
        raise DatasetError.about(NAME, others[0][1], "patient listed twice", f"{name} once", f"also in {where}")
    return part


def _list_files(base: Path, fold: int | None) -> dict[str, Path]:
    """Files of the split shipped with the patients; empty if there is none."""
    for folder in (base, base.parent):
        if fold is None and (folder / "database_split").is_dir():
            return {part: folder / "database_split" / f"subgroup_{part}.txt" for part in _LISTS}
        if fold is not None and (folder / "listSubGroups").is_dir():
            return {part: folder / "listSubGroups" / f"subGroup{fold}_{part}.txt" for part in _LISTS}
    return {}


def shipped_fold(root: Path, fold: int) -> dict[str, str]:
    """Part of every patient in fold `fold` of a `listSubGroups` folder; empty if there is no such folder.

    Raises:
        DatasetError: The folder exists, but its lists are not as `read_lists` expects.
    """
    for layout in layouts(Path(root)):
        if layout.kind != "OLD" and (files := _list_files(layout.base, fold)):
            return read_lists(files, [patient.name for patient in layout.patients], ImportReport(NAME))
    return {}


def read_hints(layout: Layout, options: Options, report: ImportReport) -> dict[str, str] | None:
    """Part of every patient in the lists of the release; None if there are none or they were not requested.

    A patient who is missing in the result is a bad case that is left out.

    Raises:
        DatasetError: The lists are missing or invalid, or the release has no folds.
    """
    if layout.kind == "OLD":
        if options.subgroup is not None:
            raise DatasetError.about(
                NAME,
                layout.base,
                "no folds for this release",
                "the numbering of the 500 patients",
                "training/ and testing/, numbered separately",
                "Remove the option subgroup.",
            )
        return None
    files = _list_files(layout.base, options.subgroup)
    if options.subgroup is not None and not files:
        raise DatasetError.about(NAME, layout.base, "no lists", f"listSubGroups for fold {options.subgroup}", "none")
    if not options.shipped_split or not files:
        return None
    report.note(f"Split lists read from {next(iter(files.values())).parent.name}.")
    return read_lists(files, [patient.name for patient in layout.patients], report)
