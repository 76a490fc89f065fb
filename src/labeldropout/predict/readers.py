"""Find the files to predict, and the reader of each."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labeldropout.predict.clip import Clip
from labeldropout.predict.dicom import is_dicom, read_dicom
from labeldropout.predict.metaimage import read_metaimage
from labeldropout.predict.nifti import read_nifti
from labeldropout.predict.raster import FORMATS, read_raster
from labeldropout.predict.video import read_video

READERS: dict[str, Callable[..., Clip]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".mhd": read_metaimage,
    ".mha": read_metaimage,
    **dict.fromkeys(FORMATS, read_raster),
    ".avi": read_video,
    ".mp4": read_video,
    ".mov": read_video,
    ".dcm": read_dicom,
    "": read_dicom,
}
"""Readers by file extension; DICOM files often have none of their own and are known by their content."""

ENDINGS = tuple(sorted(filter(None, READERS), key=len, reverse=True))
"""Extensions, the longer ones first."""

HAVE_THIRD_AXIS = (read_nifti, read_metaimage)
"""Readers of formats whose third axis may be depth or time."""


_LABEL_ENDINGS: dict[Callable[..., Clip], str] = {read_metaimage: ".mha", read_raster: ".png"}
"""Endings of label maps; those of other inputs are NIfTI."""


@dataclass(frozen=True)
class Inputs:
    """What was found below the files and folders that were given."""

    files: dict[Path, Path] = field(default_factory=dict)
    """Input by its output path, relative and without extension (with it where two inputs differ in it alone)."""
    failed: dict[Path, str] = field(default_factory=dict)
    """Why a file can have no output, by file."""
    skipped: list[Path] = field(default_factory=list)
    """Files in folders that are of no known format."""


def ending_of(path: Path) -> str | None:
    """The known extension of a file, empty for DICOM without `.dcm`; None if it is of no known format."""
    name = path.name.lower()
    return next((ending for ending in ENDINGS if name.endswith(ending)), "" if is_dicom(path) else None)


def label_ending(path: Path) -> str:
    """Ending of the label map of a file of a known format."""
    return _LABEL_ENDINGS.get(READERS[ending_of(path) or ""], ".nii.gz")


def open_clip(path: Path, third_axis: str, *, is_colour: bool = False) -> Clip:
    """Read a file with the reader of its format.

    Args:
        path: A file with a known extension.
        third_axis: See `read_nifti`.
        is_colour: Whether frames are wanted in colour.

    Raises:
        ValueError: The file is damaged or of something else than a picture or a clip; the message names it.
    """
    reader = READERS[ending_of(path) or ""]
    third = (third_axis,) if reader in HAVE_THIRD_AXIS else ()
    return reader(path, *third, is_colour=is_colour)


def _below(folder: Path, output: Path, failed: dict[Path, str]) -> Iterator[Path]:
    """Files below a folder; links are followed, and neither a folder that was seen nor the output is entered."""
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        failed[Path(error.filename)] = f"cannot be searched ({error.strerror})."

    for here, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        status = Path(here).stat()
        if (status.st_dev, status.st_ino) in seen or (Path(here) != folder and Path(here).resolve() == output):
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield from (Path(here, name) for name in files)


def _name(relative: Path, ending: str) -> Path:
    """The output path without extension.

    Raises:
        ValueError: The file's name cannot be carried over.
    """
    name = relative.name[: len(relative.name) - len(ending)]
    if not name:
        raise ValueError("has no name before its extension. Rename it.")
    try:
        str(relative).encode()
    except UnicodeEncodeError as error:
        raise ValueError("its name is no valid Unicode. Rename it.") from error
    if not str(relative).isprintable():
        raise ValueError("its name holds a line break or another control character. Rename it.")
    return relative.with_name(name)


def _add(found: Inputs, path: Path, relative: Path) -> None:
    """Sort one file of a folder in."""
    ending = ending_of(path)
    if path.name.startswith("._") or ending is None:
        # The data file of a MetaImage header belongs to it.
        if not path.with_suffix(".mhd").exists():
            found.skipped.append(path)
        return
    if not path.is_file():
        found.failed[path] = "a link to nothing, or no regular file."
        return
    try:
        name = _name(relative, ending)
    except ValueError as error:
        found.failed[path] = str(error)
        return
    if name in found.files and found.files[name].resolve() == path.resolve():
        return
    if name in found.files and found.files[name].parent == path.parent:
        # scan.avi and scan.png of one folder: the second is called by its whole name.
        name = relative
    if name in found.files:
        raise ValueError(
            f"{path}: its output {name} would replace that of {found.files[name]}. Predict them into two folders, or"
            " rename one."
        )
    found.files[name] = path


def find_inputs(inputs: Iterable[Path], output: Path) -> Inputs:
    """Find the files to predict.

    Args:
        inputs: Files and folders; folders are searched recursively, in sorted order.
        output: Folder of outputs; if it lies in a folder that is searched, it is left out.

    Raises:
        ValueError: A given file does not exist or has an unknown extension, there is nothing to predict, or two inputs
            have the same output.
    """
    found = Inputs()
    for given in inputs:
        if given.is_dir():
            for path in sorted(_below(given, output.resolve(), found.failed)):
                _add(found, path, path.relative_to(given))
        elif not given.is_file():
            raise ValueError(f"{given}: no such file or folder.")
        elif ending_of(given) is None:
            raise ValueError(f"{given}: unknown extension (expected one of {', '.join(sorted(ENDINGS))} or DICOM).")
        else:
            _add(found, given, Path(given.name))
    if not found.files and not found.failed:
        there = f"found {', '.join(str(path) for path in found.skipped[:5])}" if found.skipped else "found no file"
        raise ValueError(
            f"nothing to predict (expected files that end in {', '.join(sorted(ENDINGS))} or DICOM; {there})."
        )
    return found
