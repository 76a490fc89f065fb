"""Write cases in the format of CAMUS: the current NIfTI release, or the MetaImage release of 2019."""

import gzip
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from labeldropout.case import Case
from labeldropout.labels import State, View

Release = Literal["nifti", "mhd"]

_FILE_VIEW = {View.A2C: "2CH", View.A4C: "4CH"}


_GROUP = {"nifti": re.compile(r"patient\d{4}"), "mhd": re.compile(r"(?:training|testing)_patient\d{4}")}


_LISTS = ("training", "validation", "testing")


def group_name(number: int, release: Release = "nifti") -> str:
    """The name that the import of this release gives to a patient: `patient0007`, or `training_patient0007`.

    The MetaImage release numbers its two parts separately, so its names carry the part.
    """
    return f"patient{number:04d}" if release == "nifti" else f"training_patient{number:04d}"


def _nifti(pixels: np.ndarray, spacing: tuple[float, float]) -> bytes:
    """Gzipped NIfTI file of one still, without timestamps and names; negative diagonal, as in public echo files."""
    from nibabel.nifti1 import Nifti1Image

    row, column = spacing
    image = Nifti1Image(np.ascontiguousarray(pixels.T), np.diag([-column, -row, 1.0, 1.0]))
    image.header.set_zooms((column, row))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as file:
        file.write(image.to_bytes())
    return packed.getvalue()


def _mhd(shape: tuple[int, int], spacing: tuple[float, float], data_file: str) -> str:
    row, column = spacing
    lines = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": False,
        "CompressedData": False,
        "ElementSpacing": f"{float(column)!r} {float(row)!r} 1",
        "DimSize": f"{shape[1]} {shape[0]} 1",
        "ElementType": "MET_UCHAR",
        "ElementDataFile": data_file,
    }
    return "".join(f"{key} = {value}\n" for key, value in lines.items())


def _write_still(folder: Path, stem: str, pixels: np.ndarray, spacing: tuple[float, float], release: Release) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if release == "nifti":
        (folder / f"{stem}.nii.gz").write_bytes(_nifti(pixels, spacing))
    else:
        (folder / f"{stem}.raw").write_bytes(np.ascontiguousarray(pixels).tobytes())
        (folder / f"{stem}.mhd").write_text(_mhd(pixels.shape, spacing, f"{stem}.raw"), encoding="ascii")


def _check(case: Case, release: Release) -> tuple[float, float]:
    """Return the spacing of a case, after checking that this release can represent it.

    Raises:
        ValueError: It cannot; the message says why.
    """
    if not _GROUP[release].fullmatch(case.group_name):
        raise ValueError(
            f"camus: group {case.group_name!r} does not fit the release {release} "
            f"(expected a name such as {group_name(1, release)})."
        )
    if case.view is None or case.instant is None or case.pixel_spacing_mm is None:
        raise ValueError(f"camus: {case.group_name}: a still needs view, instant and pixel spacing.")
    if set(case.states.values()) not in ({State.LABELLED}, {State.UNKNOWN}):
        raise ValueError(f"camus: {case.group_name}: CAMUS labels all structures of an image or none.")
    if State.UNKNOWN in case.states.values() and not case.group_name.startswith("testing_"):
        raise ValueError(f"camus: {case.group_name}: only testing/ of the MetaImage release has images without labels.")
    return case.pixel_spacing_mm


def _write_lists(hints: Mapping[str, str], folder: Path) -> None:
    if not any(hints.values()):
        return
    wrong = sorted(name for name, hint in hints.items() if hint not in _LISTS)
    if wrong:
        raise ValueError(f"camus: {wrong[0]}: split hint {hints[wrong[0]]!r} (expected one of {', '.join(_LISTS)}).")
    folder.mkdir(parents=True, exist_ok=True)
    for part in _LISTS:
        names = sorted(name for name, hint in hints.items() if hint == part)
        (folder / f"subgroup_{part}.txt").write_text("".join(f"{name}\n" for name in names), encoding="ascii")


def write_cases(
    cases: Iterable[Case],
    root: Path,
    release: Release = "nifti",
    cfg: Mapping[tuple[str, View], Mapping[str, object]] | None = None,
) -> None:
    """Write stills, their label maps, `Info_2CH.cfg`, `Info_4CH.cfg` and, where cases have a hint, the split lists.

    The same cases give the same bytes. `read_cases` restores the cases exactly, except for source and hash, and for
    spacings with more digits than the 32-bit numbers of NIfTI can hold. `release="nifti"` writes
    `CAMUS_public/database_nifti/patientXXXX/` and `CAMUS_public/database_split/`; `release="mhd"` writes
    `training/patientXXXX/` and `testing/patientXXXX/`. Cases are taken one at a time.

    Args:
        cases: Stills with known view, instant and spacing, and group names from `group_name`. Quality is Good, Medium,
            Poor or empty; a hint is training, validation, testing or empty.
        root: Root of the data set; made if missing.
        release: Which of the two formats.
        cfg: Further entries of the `.cfg` files by group and view, such as `{"ED": 1, "ES": 20, "NbFrame": 20}`;
            `ImageQuality` comes from the cases.

    Raises:
        ValueError: The format cannot represent a case, or two cases have the same name.
    """
    root = Path(root)
    info: dict[tuple[str, View], dict[str, object]] = {}
    hints: dict[str, str] = {}
    seen: set[str] = set()
    for case in cases:
        spacing = _check(case, release)
        name = case.group_name
        part, _, patient = name.rpartition("_")
        folder = root / "CAMUS_public" / "database_nifti" / patient if release == "nifti" else root / part / patient
        stem = f"{patient}_{_FILE_VIEW[case.view]}_{case.instant}"
        if case.id in seen:
            raise ValueError(f"camus: {name}: two cases for {stem}.")
        seen.add(case.id)
        if hints.setdefault(name, case.split_hint) != case.split_hint:
            raise ValueError(f"camus: {name}: split hints {hints[name]!r} and {case.split_hint!r} in one patient.")
        _write_still(folder, stem, case.image, spacing, release)
        if State.UNKNOWN not in case.states.values():
            _write_still(folder, f"{stem}_gt", case.target, spacing, release)
        key = (name, case.view)
        entries = info.setdefault(key, dict((cfg or {}).get(key, {})))
        if case.quality and entries.setdefault("ImageQuality", case.quality) != case.quality:
            raise ValueError(f"camus: {name}: qualities {entries['ImageQuality']} and {case.quality} in one view.")
        text = "".join(f"{entry}: {value}\n" for entry, value in entries.items())
        (folder / f"Info_{_FILE_VIEW[case.view]}.cfg").write_text(text, encoding="utf-8")
    if release == "nifti":
        _write_lists(hints, root / "CAMUS_public" / "database_split")
    elif any(hints.values()):
        raise ValueError("camus: the MetaImage release has no split lists; leave split hints empty.")
