"""Read a release of Unity Imaging: its text files, and where its images are."""

import csv
import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeldropout.case import DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity import HOW_TO_GET, NAME
from labeldropout.data.unity.options import Options

_FRAME = re.compile(r"(\d\d)-([0-9a-f]{64})-(\d{4})")


_COPY_SUFFIX = re.compile(r"_\([123]\)")


DUPLICATES = "\0duplicates"


_PARTS = ("train", "tune", "ival", "test")


@dataclass
class Release:
    """Content of the text files of a release; images are opened later, one by one."""

    images: Path
    labels_file: Path
    labels: dict[str, Any] = field(default_factory=dict)
    """Entry of each image by frame code."""
    conflicts: dict[str, str] = field(default_factory=dict)
    """Frame codes that are listed twice with different content, and where."""
    view_file: Path | None = None
    views: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """(line, word) by video or frame code."""
    spacing_file: Path | None = None
    spacings: dict[str, list[tuple[int, str, str]]] = field(default_factory=lambda: defaultdict(list))
    """(line, x, y) in cm, by video code."""
    parts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The release's own parts by frame code."""


def open_release(root: Path, report: ImportReport) -> Release:
    """Read the text files of a release.

    Raises:
        DatasetError: There is no release, or a file does not follow the format.
    """
    if not root.is_dir():
        raise DatasetError.about(NAME, root, "the data set is not there", "a folder", "none", HOW_TO_GET)
    images = root / "png-cache"
    folder = root / "labels" if (root / "labels").is_dir() else root
    files = (
        [folder / "labels-all.json"] if (folder / "labels-all.json").is_file() else sorted(folder.glob("labels-*.json"))
    )
    if not images.is_dir() or not files:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "an empty folder"
        raise DatasetError.about(
            NAME, root, "not a release of Unity Imaging", "png-cache/ and labels/labels-*.json", found, HOW_TO_GET
        )
    release = Release(images, files[0] if len(files) == 1 else folder)
    for file in files:
        _add_labels(release, file)
    _add_parts(release, folder)
    release.view_file = _newest(root, folder, "view_index*.csv", report)
    if release.view_file is None:
        report.note("No view index: apical means that the LV curve is drawn and no parasternal one; views are unknown.")
    else:
        for line, row in table_rows(release.view_file, ("file", "view")):
            release.views[frame_code(row["file"])].append((line, row["view"].strip()))
    release.spacing_file = _newest(root, folder, "*_database_physical.csv", report)
    if release.spacing_file is None:
        report.note("No file of pixel sizes (01_database_physical.csv): all pixel spacings are unknown.")
    else:
        for line, row in table_rows(release.spacing_file, ("FileHash", "PhysicalDeltaX", "PhysicalDeltaY")):
            release.spacings[frame_code(row["FileHash"])].append((line, row["PhysicalDeltaX"], row["PhysicalDeltaY"]))
    _note_flags(folder / "keys.json", report)
    return release


def _newest(root: Path, folder: Path, pattern: str, report: ImportReport) -> Path | None:
    files = sorted({*root.glob(pattern), *folder.glob(pattern)}, key=lambda path: path.name)
    if len(files) > 1:
        report.note(f"Several files {pattern}; the last by name is used: {files[-1].name}.")
    return files[-1] if files else None


def frame_code(name: str) -> str:
    """Name without extension and without the suffix of a copy."""
    plain = _COPY_SUFFIX.sub("", name.strip())
    return plain[:-4] if plain.lower().endswith(".png") else plain


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError.about(NAME, path, "not text", "UTF-8", error) from error


def table_rows(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row of a CSV; the header must have these columns."""
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing or len(set(header)) != len(header):
            raise DatasetError.about(
                NAME, f"{path}:1", "wrong header", ",".join(columns), ",".join(header) or "nothing"
            )
        unknown = [name for name in header if name not in (*columns, *optional)]
        if optional and unknown:
            expected = ",".join((*columns, *optional))
            raise DatasetError.about(NAME, f"{path}:1", "unknown columns", expected, ",".join(unknown))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DatasetError.about(
                    NAME, f"{path}:{reader.line_num}", "wrong number of cells", len(header), len(cells)
                )
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DatasetError.about(
            NAME, f"{path}:{reader.line_num}", "not CSV", "comma-separated cells", error
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; names that occur twice with different content are listed under `DUPLICATES`."""
    content: dict[str, Any] = {}
    twice = []
    for name, value in pairs:
        if name in content and content[name] != value:
            twice.append(name)
        content[name] = value
    if twice:
        content[DUPLICATES] = twice
    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path), object_pairs_hook=_unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DatasetError.about(NAME, path, "not JSON", "an object of images", error) from error


def _add_labels(release: Release, file: Path) -> None:
    content = _json(file)
    if not isinstance(content, dict) or not content:
        found = "an empty object" if content == {} else type(content).__name__
        raise DatasetError.about(NAME, file, "wrong shape of the labels", "an object of images", found)
    twice = {frame_code(name) for name in content.pop(DUPLICATES, ())}
    for name, entry in content.items():
        code = frame_code(name)
        if code in twice or release.labels.get(code, entry) != entry:
            release.conflicts[code] = str(file)
        release.labels[code] = entry


def _add_parts(release: Release, folder: Path) -> None:
    for part in _PARTS:
        text, labels = folder / f"labels-{part}.txt", folder / f"labels-{part}.json"
        if text.is_file():
            names = [line for line in _text(text).splitlines() if line.strip()]
        elif labels.is_file():
            content = _json(labels)
            names = list(content) if isinstance(content, dict) else []
        else:
            continue
        for name in names:
            release.parts[frame_code(name)].add(part)


def _note_flags(path: Path, report: ImportReport) -> None:
    """Report what keys.json says about the curves, including which annotation project draws which key."""
    if not path.is_file():
        report.note("No keys.json: which annotation project draws which key is unknown.")
        return
    flags = _json(path)
    for key in sorted(flags) if isinstance(flags, dict) else ():
        if key.startswith("curve-"):
            report.note(f"{path.name}: {key}: {json.dumps(flags[key], sort_keys=True)}")


def find_images(release: Release, options: Options, report: ImportReport) -> dict[str, Path]:
    """Path of the image of each frame code that has one."""
    paths: dict[str, Path] = {}
    missing: list[str] = []
    base = release.images.resolve()
    for code in sorted(release.labels):
        path = report.attempt(code, _image_path, release, base, code)
        if path is not None:
            paths[code] = path
        elif not _leaves(code):
            missing.append(code)
    if len(missing) > options.missing_limit * len(release.labels):
        error = DatasetError.about(
            NAME,
            release.images,
            "labelled names without an image",
            f"at most {options.missing_limit:.1%} of {len(release.labels)}",
            f"{len(missing)} (first: {', '.join(missing[:5])})",
            "Unpack the whole png-cache.zip.",
        )
        if report.on_bad_case == "stop":
            raise error
        known = {row["item"] for row in report.rejected}
        report.rejected.extend({"item": code, "error": str(error)} for code in missing if code not in known)
    else:
        for code in missing:
            report.skip("no image of this name", code)
    with_label = set(paths.values())
    n_without = sum(path not in with_label for path in release.images.rglob("*.png"))
    if n_without:
        report.note(f"{n_without} images without a label are left alone.")
    return paths


def _leaves(code: str) -> bool:
    return "/" in code or "\\" in code or ".." in code or "\0" in code


def _image_path(release: Release, base: Path, code: str) -> Path | None:
    if _leaves(code):
        where = f"{release.labels_file}: {code!r}"
        raise DatasetError.about(NAME, where, "a name that leaves its folder", "<class>-<hash>-<frame>.png", repr(code))
    match = _FRAME.fullmatch(code)
    if match is None:
        return None
    folder = release.images / match[1] / match[2][:2] / match[2][2:4]
    for name in (f"{code}.png", f"{code[3:]}.png"):
        path = folder / name
        if path.is_file():
            if not path.resolve().is_relative_to(base):
                raise DatasetError.about(NAME, path, "a link that leaves its folder", f"below {base}", path.resolve())
            return path
    return None


def part_of(release: Release, code: str, where: str) -> str:
    """The release's own part for an image; empty if there is none.

    Raises:
        DatasetError: The release names several parts.
    """
    parts = release.parts.get(code, set())
    if len(parts) > 1:
        raise DatasetError.about(NAME, where, "listed in two parts of the release", "one", ", ".join(sorted(parts)))
    return next(iter(parts), "")


def read_numbers(cell: Any, where: str) -> list[float]:
    """Numbers of a cell: text with spaces, a list, or one number."""
    items = (
        cell.split() if isinstance(cell, str) else cell if isinstance(cell, list) else [] if cell is None else [cell]
    )
    numbers = []
    for item in items:
        try:
            numbers.append(float(item))
        except (TypeError, ValueError, OverflowError) as error:
            raise DatasetError.about(NAME, where, "not a number", "decimals", repr(item)) from error
    return numbers


def pixel_spacing(release: Release, video: str) -> tuple[float, float] | None:
    """(row, column) in mm, converted from cm; None if the file has no number.

    Raises:
        DatasetError: A value is not a number, not positive or unset (1 and 1), or two rows differ.
    """
    rows = release.spacings.get(video, [])
    if not rows:
        return None
    line, x, y = rows[0]
    where = f"{release.spacing_file}:{line}"
    if len({row[1:] for row in rows}) > 1:
        raise DatasetError.about(NAME, where, "a video listed twice", "one pixel size", f"line {rows[1][0]} too")
    if not x.strip() or not y.strip():
        return None
    column, row = (read_numbers(cell, where)[0] for cell in (x, y))
    if math.isnan(column) or math.isnan(row):
        return None
    if not (0 < column < math.inf and 0 < row < math.inf) or column == row == 1.0:
        raise DatasetError.about(
            NAME, where, "impossible pixel size", "cm per pixel, above 0, not 1 and 1", f"{x}, {y}"
        )
    # Rounding removes what the change of unit adds in the last digit.
    return round(10 * row, 9), round(10 * column, 9)
