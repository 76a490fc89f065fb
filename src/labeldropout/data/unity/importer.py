"""Unity Imaging: apical stills whose structures are drawn as open curves of few points."""

import csv
import difflib
import hashlib
import io
import json
import math
import re
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from labeldropout.case import Case, DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.labels import FOREGROUND, State, Structure, View

if TYPE_CHECKING:
    from labeldropout.data.case_store import CaseStore

NAME = "unity"


TITLE = "Unity Imaging"


LICENCE = (
    "Creative Commons BY-NC-ND or BY-NC-SA 4.0 (public sources disagree; labels/LICENSE.txt decides): treat it as ND "
    "and publish no image, mask or other derived data"
)


CITATION = (
    "J. P. Howard et al., Automated left ventricular dimension assessment using artificial intelligence developed and "
    "validated by a UK-wide collaborative, Circulation: Cardiovascular Imaging 14, e011951, 2021, "
    "doi:10.1161/CIRCIMAGING.120.011951"
)


HOW_TO_GET = (
    "Download png-cache.zip (1.27 GB), labels.zip and the view index from the Unity Imaging collaborative, "
    "https://data.unityimaging.net, under its Creative Commons non-commercial licence (labels/LICENSE.txt); put the "
    "unpacked folders png-cache/ and labels/, view_index.csv and, if the authors gave it to you, "
    "01_database_physical.csv (size of the pixels) into data/raw/unity, or make data/raw/unity a symbolic link to "
    "where they are."
)


REPORTED = {"subjects": None, "images": 400, "structures": "LV + LVM + LA", "views": "A2C"}
"""Table 1 of the paper, which names no number of subjects."""


PATTERN = FOREGROUND
"""Annotated structures of the images that the paper used; the release itself says it image by image."""

DEFAULT_KEYS: dict[str, str | None] = {"LV": "curve-lv-endo", "LA": "curve-la-endo", "LV_epi": None}


_NO_MYOCARDIUM = (
    "LVM IS UNKNOWN IN EVERY IMAGE: no key of an epicardial curve is configured (keys.LV_epi) and no extra masks are "
    "given; the paper's myocardium of Unity is not reproduced."
)


_FRAME = re.compile(r"(\d\d)-([0-9a-f]{64})-(\d{4})")


_COPY_SUFFIX = re.compile(r"_\([123]\)")


_KINDS = ("curve", "point", "off", "blurred")


_STATE_WORDS = tuple(state.value for state in State)


_SIDES = ("left", "right")


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


_DUPLICATES = "\0duplicates"


_CURATION_COLUMNS = ("file", "keep", "view", "reason")


_PARTS = ("train", "tune", "ival", "test")


@dataclass(frozen=True)
class Options:
    """What a user can choose about the import and the proposal of a curation."""

    keys: Mapping[str, str | None] = field(default_factory=dict)
    """Keys of the curves, by LV, LA and LV_epi; laid over `DEFAULT_KEYS`. None: no such curve."""
    off_state: Mapping[str, str] = field(default_factory=dict)
    """What `off` means, by LV, LVM and LA: absent (as documented) or unknown. A structure not named here counts as
    absent, and the import refuses if `off` is then suspiciously frequent (`off_limit`)."""
    views: tuple[str, ...] = ("A2C", "A4C")
    """Views to keep when no curation names the images."""
    view_table: Mapping[str, str] = field(default_factory=dict)
    """Further words of the view index and what they mean: A2C, A4C, or empty for a view that is not apical."""
    complete: bool = True
    """Without a curation: use only images in which every configured structure is drawn."""
    curation: Path | None = None
    """The list of images to use; set by `import-dataset --curation`."""
    extra_masks: Path | None = None
    """Folder of `<frame code>.png` (uint8, values of `Structure`) with structures drawn by the user."""
    missing_limit: float = 0.001
    """Largest share of labelled names without an image."""
    off_limit: float = 0.2
    """Largest share of `off` for a structure whose `off_state` is left at its default."""
    min_area_share: float = 0.002
    """A smaller outline, as a share of the image, is no structure."""
    point_margin_px: float = 2.0
    """How far a point may lie outside the image."""
    max_pixels: int = 16_777_216
    """Largest image that is decoded."""
    large_wall_ratio: float = 1.5
    """Proposal: flag a myocardium whose area, over the cavity's, exceeds the median by this factor."""
    thick_wall_ratio: float = 1.8
    """Proposal: flag an A4C whose wall on the right ventricle's side is thicker than the other by this factor."""
    right_ventricle_side: str = "left"
    """Side of the picture that shows the right ventricle in A4C."""

    def __post_init__(self) -> None:
        _check_words("option keys", self.keys, tuple(DEFAULT_KEYS), None)
        names = tuple(structure.name for structure in FOREGROUND)
        _check_words("option off_state", self.off_state, names, (State.ABSENT.value, State.UNKNOWN.value))
        _check_words("option view_table", self.view_table, None, (*View, ""))
        _check_words("option views", dict.fromkeys(self.views, ""), tuple(View), None)
        _check_words("option right_ventricle_side", {self.right_ventricle_side: ""}, _SIDES, None)

    @property
    def key_of(self) -> dict[Structure, str | None]:
        """Key of the curve that carries each structure (for LVM the epicardial one); None without one."""
        keys = {**DEFAULT_KEYS, **self.keys}
        return {Structure.LV: keys["LV"], Structure.LVM: keys["LV_epi"], Structure.LA: keys["LA"]}


def _check_words(
    what: str, words: Mapping[str, Any], names: tuple[str, ...] | None, values: tuple[str, ...] | None
) -> None:
    for name, value in words.items():
        for word, allowed in ((name, names), (value, values)):
            if allowed is not None and word not in allowed:
                near = difflib.get_close_matches(str(word), allowed, 1)
                advice = f"Did you mean {near[0]!r}?" if near else ""
                raise DatasetError.about(
                    NAME, what, "unknown word", " or ".join(map(repr, allowed)), repr(word), advice
                )


@dataclass
class _Release:
    """What the text files of a release say; images are opened one by one later."""

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


@dataclass(frozen=True)
class _Wanted:
    """An image to read."""

    code: str
    view: View | None
    states: dict[Structure, State]
    curated: bool
    where: str
    """File and line of the curation, or the labels' file; for messages."""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Row:
    """A row of the curation."""

    line: int
    code: str
    keep: bool
    view: View | None
    states: dict[Structure, State]


def read_cases(root: Path, options: Options, report: ImportReport) -> Iterator[Case]:
    """Read a release of Unity Imaging, image by image, in the order of the names.

    Source: datasets.md 4. The images are those that the curation keeps; without one, every apical image in which all
    configured structures are drawn.

    Args:
        root: Folder with `png-cache/` and `labels/`.
        options: See `Options`.
        report: Counts, remarks and the census of keys go here.

    Raises:
        DatasetError: Something is not as the format says; a bad image only if `report.on_bad_case` is stop.
    """
    release = _open(Path(root), report)
    report.found = len(release.labels)
    paths = _find_images(release, options, report)
    words = _views(release, options)
    census = _census(release, words, options)
    for (key, view), counts in sorted(census.items()):
        report.check(f"census {key} {view}", "", _counts(counts))
    rows = _read_curation(options.curation, options, report)
    wanted = (
        _from_curation(rows, release, paths, options, report) if rows else _all_apical(release, paths, options, report)
    )
    _check_off(wanted, release, options, census)
    if options.key_of[Structure.LVM] is None and options.extra_masks is None:
        report.note(_NO_MYOCARDIUM)
    n_used = 0
    for image in wanted:
        case = report.attempt(image.code, _read_case, image, paths[image.code], release, options, report)
        if case is not None:
            n_used += 1
            yield case
    report.check("images labelled", "about 7522 in release 2020-12-05", len(release.labels))
    report.check("images used", REPORTED["images"], n_used)
    if n_used != REPORTED["images"]:
        report.note(
            f"{n_used} images are used; the paper used {REPORTED['images']}, chosen by a list that is not public."
        )


# --- The release's text files ---------------------------------------------------------------------------------------


def _open(root: Path, report: ImportReport) -> _Release:
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
    release = _Release(images, files[0] if len(files) == 1 else folder)
    for file in files:
        _add_labels(release, file)
    _add_parts(release, folder)
    release.view_file = _newest(root, folder, "view_index*.csv", report)
    if release.view_file is None:
        report.note("No view index: apical means that the LV curve is drawn and no parasternal one; views are unknown.")
    else:
        for line, row in _rows(release.view_file, ("file", "view")):
            release.views[_code(row["file"])].append((line, row["view"].strip()))
    release.spacing_file = _newest(root, folder, "*_database_physical.csv", report)
    if release.spacing_file is None:
        report.note("No file of pixel sizes (01_database_physical.csv): all pixel spacings are unknown.")
    else:
        for line, row in _rows(release.spacing_file, ("FileHash", "PhysicalDeltaX", "PhysicalDeltaY")):
            release.spacings[_code(row["FileHash"])].append((line, row["PhysicalDeltaX"], row["PhysicalDeltaY"]))
    _note_flags(folder / "keys.json", report)
    return release


def _newest(root: Path, folder: Path, pattern: str, report: ImportReport) -> Path | None:
    files = sorted({*root.glob(pattern), *folder.glob(pattern)}, key=lambda path: path.name)
    if len(files) > 1:
        report.note(f"Several files {pattern}; the last by name is used: {files[-1].name}.")
    return files[-1] if files else None


def _code(name: str) -> str:
    """Name without suffix of a copy and ending."""
    plain = _COPY_SUFFIX.sub("", name.strip())
    return plain[:-4] if plain.lower().endswith(".png") else plain


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError.about(NAME, path, "not text", "UTF-8", error) from error


def _rows(path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[tuple[int, dict[str, str]]]:
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
    """A JSON object; names that occur twice with different content are listed under `_DUPLICATES`."""
    content: dict[str, Any] = {}
    twice = []
    for name, value in pairs:
        if name in content and content[name] != value:
            twice.append(name)
        content[name] = value
    if twice:
        content[_DUPLICATES] = twice
    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path), object_pairs_hook=_unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DatasetError.about(NAME, path, "not JSON", "an object of images", error) from error


def _add_labels(release: _Release, file: Path) -> None:
    content = _json(file)
    if not isinstance(content, dict) or not content:
        found = "an empty object" if content == {} else type(content).__name__
        raise DatasetError.about(NAME, file, "wrong shape of the labels", "an object of images", found)
    twice = {_code(name) for name in content.pop(_DUPLICATES, ())}
    for name, entry in content.items():
        code = _code(name)
        if code in twice or release.labels.get(code, entry) != entry:
            release.conflicts[code] = str(file)
        release.labels[code] = entry


def _add_parts(release: _Release, folder: Path) -> None:
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
            release.parts[_code(name)].add(part)


def _note_flags(path: Path, report: ImportReport) -> None:
    """Report what keys.json says of the curves: it tells which annotation project draws which key."""
    if not path.is_file():
        report.note("No keys.json: which annotation project draws which key is unknown.")
        return
    flags = _json(path)
    for key in sorted(flags) if isinstance(flags, dict) else ():
        if key.startswith("curve-"):
            report.note(f"{path.name}: {key}: {json.dumps(flags[key], sort_keys=True)}")


def _find_images(release: _Release, options: Options, report: ImportReport) -> dict[str, Path]:
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


def _image_path(release: _Release, base: Path, code: str) -> Path | None:
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


# --- Views and the census -------------------------------------------------------------------------------------------


def _views(release: _Release, options: Options) -> dict[str, View | None]:
    """Meaning of each word of the view index, in capitals; None is not apical.

    Raises:
        DatasetError: Words without a meaning; all are listed.
    """
    table: dict[str, View | None] = {view.value: view for view in View}
    table["PLAX"] = None
    table |= {word.upper(): View(view) if view else None for word, view in options.view_table.items()}
    words = {word.upper() for entries in release.views.values() for _, word in entries}
    if words - set(table):
        raise DatasetError.about(
            NAME,
            release.view_file,
            "unknown views",
            ", ".join(sorted(table)),
            ", ".join(map(repr, sorted(words - set(table)))),
            "Give their meaning in the option view_table: A2C, A4C, or empty if not apical.",
        )
    return table


def _indexed_view(release: _Release, words: Mapping[str, View | None], code: str) -> tuple[bool, View | None]:
    """Whether the view index lists the frame, and its view; None is not apical.

    Raises:
        DatasetError: The index contradicts itself.
    """
    entries = release.views.get(code) or release.views.get(code[:67], [])
    found = {words[word.upper()] for _, word in entries}
    if len(found) > 1:
        lines = ", ".join(f"line {line}: {word}" for line, word in entries)
        raise DatasetError.about(NAME, f"{release.view_file}: {code}", "listed with two views", "one", lines)
    return bool(entries), next(iter(found), None)


def _looks_apical(labels: Mapping[str, Any], options: Options) -> bool:
    """Whether the LV's curve is drawn and no parasternal one; for releases without a view index."""
    if _plain_kind(labels.get(options.key_of[Structure.LV] or "")) != "curve":
        return False
    parasternal = ("curve-lv-antsep-", "curve-lv-post-")
    return not any(key.startswith(parasternal) and _plain_kind(entry) == "curve" for key, entry in labels.items())


def _plain_kind(entry: Any) -> str:
    """Type of a label for counting; never an error."""
    if isinstance(entry, list):
        entry = entry[0] if len(entry) == 1 else {"type": "several"} if entry else None
    kind = entry.get("type") if isinstance(entry, dict) else None
    return str(kind) if kind else "missing"


def _census(
    release: _Release, words: Mapping[str, View | None], options: Options
) -> dict[tuple[str, str], Counter[str]]:
    """Number of labels of each type, by key and view."""
    images = []
    keys = {key for key in options.key_of.values() if key}
    for code, entry in release.labels.items():
        labels = entry.get("labels") if isinstance(entry, dict) else None
        labels = labels if isinstance(labels, dict) else {}
        keys |= {key for key in labels if key.startswith("curve-")}
        entries = release.views.get(code) or release.views.get(code[:67], [])
        views = {words[word.upper()] for _, word in entries}
        view = next(iter(views)) if len(views) == 1 else None
        images.append((view.value if view else "not-apical" if len(views) == 1 else "no-view", labels))
    census: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for view, labels in images:
        for key in keys:
            census[key, view][_plain_kind(labels.get(key))] += 1
    return census


def _counts(counts: Mapping[str, int]) -> str:
    kinds = [*_KINDS, "missing", *sorted(set(counts) - {*_KINDS, "missing"})]
    return " ".join(f"{kind}={counts.get(kind, 0)}" for kind in kinds)


# --- Labels of one image --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Label:
    """What one key says of one image."""

    kind: str
    """curve, off, blurred, missing or several."""
    entry: Mapping[str, Any] = field(default_factory=dict)


def _labels_of(release: _Release, code: str) -> Mapping[str, Any]:
    where = f"{release.labels_file}: {code}"
    if code in release.conflicts:
        raise DatasetError.about(
            NAME, f"{release.conflicts[code]}: {code}", "listed twice with different content", "once", "twice"
        )
    entry = release.labels[code]
    labels = entry.get("labels") if isinstance(entry, dict) else None
    if not isinstance(labels, dict):
        found = f"keys {sorted(entry)[:5]}" if isinstance(entry, dict) else type(entry).__name__
        raise DatasetError.about(NAME, where, "wrong shape of an image's entry", 'an object "labels"', found)
    return labels


def _label(labels: Mapping[str, Any], key: str | None, where: str) -> _Label:
    """The label of a key that must hold a curve, if anything."""
    entry = labels.get(key) if key else None
    if key in labels.get(_DUPLICATES, ()):
        raise DatasetError.about(NAME, f"{where}: {key}", "listed twice with different content", "once", "twice")
    if isinstance(entry, list):
        if len(entry) > 1:
            return _Label("several")
        entry = entry[0] if entry else None
    if entry is None:
        return _Label("missing")
    if not isinstance(entry, dict):
        raise DatasetError.about(NAME, f"{where}: {key}", "wrong shape of a label", "an object", type(entry).__name__)
    kind = entry.get("type")
    if kind is None:
        return _Label("missing")
    if kind not in _KINDS or kind == "point":
        raise DatasetError.about(NAME, f"{where}: {key}", "wrong type of a label", "curve, off or blurred", repr(kind))
    return _Label(kind, entry)


def _state(label: _Label, structure: Structure, options: Options) -> State:
    if label.kind == "curve":
        return State.LABELLED
    if label.kind == "off":
        return State(options.off_state.get(structure.name, State.ABSENT))
    return State.UNKNOWN


def _all_apical(release: _Release, paths: Mapping[str, Path], options: Options, report: ImportReport) -> list[_Wanted]:
    """Without a curation: the apical images, and of these the ones in which everything configured is drawn."""
    words = _views(release, options)
    left_out: Counter[str] = Counter()
    wanted = []
    for code in sorted(paths):
        image = report.attempt(code, _look, release, words, options, code)
        if isinstance(image, _Wanted):
            wanted.append(image)
        elif image is not None:
            left_out[image] += 1
    for reason, count in sorted(left_out.items()):
        report.note(f"{count} images are left out: {reason}.")
    n_apical = len(wanted) + sum(count for reason, count in left_out.items() if reason.startswith("apical"))
    report.note(f"No curation: {len(wanted)} of {n_apical} apical images are used.")
    if not wanted and not report.rejected:
        why = "; ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise DatasetError.about(
            NAME, release.labels_file, "no image to use", "apical images with all configured structures drawn", why
        )
    return wanted


def _look(release: _Release, words: Mapping[str, View | None], options: Options, code: str) -> _Wanted | str:
    """The image if it takes part without a curation, else the reason why not."""
    labels = _labels_of(release, code)
    listed, view = _indexed_view(release, words, code)
    if release.view_file is not None:
        if view is None or view.value not in options.views:
            return "of another view" if listed else "not in the view index"
    elif not _looks_apical(labels, options):
        return "no apical curves"
    where = f"{release.labels_file}: {code}"
    found = {structure: _label(labels, key, where) for structure, key in options.key_of.items()}
    states = {structure: _state(label, structure, options) for structure, label in found.items()}
    if options.complete and not _all_drawn(states, options):
        return "apical, but not all configured structures are drawn"
    if all(state is State.UNKNOWN for state in states.values()):
        return "apical, but nothing is annotated"
    return _Wanted(code, view, states, curated=False, where=where, flags=_several(found))


def _all_drawn(states: Mapping[Structure, State], options: Options) -> bool:
    return all(states[structure] is State.LABELLED for structure, key in options.key_of.items() if key)


def _several(found: Mapping[Structure, _Label]) -> tuple[str, ...]:
    return tuple(f"several-{structure.name}" for structure, label in found.items() if label.kind == "several")


def _check_off(
    wanted: list[_Wanted],
    release: _Release,
    options: Options,
    census: Mapping[tuple[str, str], Counter[str]],
) -> None:
    """Refuse `absent` for a structure that is suspiciously often `off`: exporters also write it for "not asked"."""
    for structure, key in options.key_of.items():
        if key is None or structure.name in options.off_state or not wanted:
            continue
        n_off = sum(
            image.states[structure] is State.ABSENT
            and _plain_kind(release.labels[image.code]["labels"].get(key)) == "off"
            for image in wanted
        )
        if n_off > options.off_limit * len(wanted):
            lines = "; ".join(
                f"{name} {view}: {_counts(counts)}" for (name, view), counts in sorted(census.items()) if name == key
            )
            raise DatasetError.about(
                NAME,
                f"{release.labels_file}: {key}",
                "`off` is suspiciously frequent; it may mean that nobody was asked to draw it",
                f"at most {options.off_limit:.0%} of {len(wanted)} images",
                f"{n_off}; census: {lines}",
                f"Choose in the option off_state: {{{structure.name}: absent}} or {{{structure.name}: unknown}}.",
            )


# --- Curation -------------------------------------------------------------------------------------------------------


def _read_curation(path: Path | None, options: Options, report: ImportReport) -> list[_Row]:
    """The rows of the user's list; none if there is no list or only its header."""
    del options
    if path is None:
        return []
    path = Path(path)
    if not path.is_file():
        raise DatasetError.about(NAME, path, "the curation is not there", "a file", "none")
    rows: dict[str, _Row] = {}
    names = tuple(structure.name for structure in FOREGROUND)
    for line, cells in _rows(path, _CURATION_COLUMNS, (*names, "reviewer", "date")):
        where = f"{path}:{line}"
        code, view, keep = _code(cells["file"]), cells["view"].strip(), cells["keep"].strip()
        words = {structure: cells.get(structure.name, "").strip() for structure in FOREGROUND}
        _one_of(where, "keep", keep, ("0", "1"))
        _one_of(where, "view", view.upper(), ("", *View))
        for structure, word in words.items():
            _one_of(where, structure.name, word, ("", *_STATE_WORDS))
        if code in rows:
            raise DatasetError.about(NAME, where, "an image listed twice", "once", f"line {rows[code].line} too")
        states = {structure: State(word) for structure, word in words.items() if word}
        rows[code] = _Row(line, code, keep == "1", View(view.upper()) if view else None, states)
    report.check("curation sha256", "", hashlib.sha256(path.read_bytes()).hexdigest())
    return list(rows.values())


def _one_of(where: str, column: str, word: str, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        expected = " or ".join(repr(str(word)) for word in allowed)
        raise DatasetError.about(NAME, where, f"bad word in column {column}", expected, repr(word))


def _from_curation(
    rows: list[_Row], release: _Release, paths: Mapping[str, Path], options: Options, report: ImportReport
) -> list[_Wanted]:
    """Exactly the rows to keep, in the order of the names."""
    words = _views(release, options)

    def look(row: _Row) -> _Wanted:
        where = f"{options.curation}:{row.line}"
        labels = _labels_of(release, row.code)
        listed, view = _indexed_view(release, words, row.code)
        if row.view is None and listed and view is None:
            raise DatasetError.about(NAME, where, "not an apical image", "A2C or A4C in column view", "nothing")
        found = {
            structure: _label(labels, key, f"{release.labels_file}: {row.code}")
            for structure, key in options.key_of.items()
        }
        states = {s: row.states.get(s, _state(label, s, options)) for s, label in found.items()}
        extra = _extra_path(options, row.code)
        for structure, state in row.states.items():
            if state is State.LABELLED and found[structure].kind != "curve" and not extra:
                raise DatasetError.about(
                    NAME,
                    where,
                    f"{structure.name} is called labelled",
                    "a curve or an extra mask",
                    found[structure].kind,
                )
        return _Wanted(row.code, row.view or view, states, curated=True, where=where, flags=_several(found))

    wanted = []
    for row in sorted(rows, key=lambda row: row.code):
        if row.code not in paths:
            what = "a labelled image" if row.code not in release.labels else "an image file"
            raise DatasetError.about(NAME, f"{options.curation}:{row.line}", "names no image", what, repr(row.code))
        image = report.attempt(row.code, look, row) if row.keep else None
        if image is not None:
            wanted.append(image)
    report.note(f"Curation: {sum(row.keep for row in rows)} of {len(rows)} listed images are kept.")
    if not any(row.keep for row in rows):
        raise DatasetError.about(NAME, options.curation, "keeps no image", "a row with keep = 1", "none")
    return wanted


# --- One image ------------------------------------------------------------------------------------------------------


class _BadCurveError(ValueError):
    """A curve that a trainer should not see; says why."""


def _read_case(wanted: _Wanted, path: Path, release: _Release, options: Options, report: ImportReport) -> Case | None:
    """The case; None if a bad curve leaves an uncurated image incomplete."""
    content, image = _read_png(path, options, "grey")
    where = f"{release.labels_file}: {wanted.code}"
    extra = _extra_path(options, wanted.code) if wanted.curated else None
    drawn = _read_extra(extra, image.shape, options) if extra else np.zeros(image.shape, np.uint8)
    outlines, bad, flags = _outlines(wanted, release, options, image.shape)
    areas = _areas(outlines, drawn, wanted.states)
    states = dict(wanted.states)
    for structure in FOREGROUND:
        if states[structure] is not State.LABELLED or areas[structure] is not None:
            continue
        why = bad.get(structure) or (bad.get(Structure.LV) if structure is Structure.LVM else None)
        why = why or f"{structure.name}: nothing is drawn"
        if wanted.curated:
            advice = f"Say {structure.name} = unknown in the curation, or drop the image."
            what = f"{where} ({wanted.where})"
            raise DatasetError.about(NAME, what, "a bad curve in a curated image", "a closed outline", why, advice)
        report.skip("bad curve", f"{wanted.code}: {why}")
        states[structure] = State.UNKNOWN
        flags.append(f"bad-curve-{structure.name}")
    if not wanted.curated and options.complete and not _all_drawn(states, options):
        return None
    target = np.zeros(image.shape, np.uint8)
    for structure in (Structure.LVM, Structure.LA, Structure.LV):
        area = areas[structure]
        if area is not None:
            target[area] = structure
    return Case(
        dataset=NAME,
        group_name=wanted.code[:67],
        frame=int(wanted.code[68:]),
        image=image,
        target=target,
        states=states,
        pixel_spacing_mm=_spacing(release, wanted.code[:67]),
        view=wanted.view,
        instant=None,
        source=path.relative_to(release.images.parent).as_posix(),
        source_sha256=hashlib.sha256(content).hexdigest(),
        flags=(*wanted.flags, *flags),
        split_hint=_part(release, wanted.code, where),
    )


def _part(release: _Release, code: str, where: str) -> str:
    parts = release.parts.get(code, set())
    if len(parts) > 1:
        raise DatasetError.about(NAME, where, "listed in two parts of the release", "one", ", ".join(sorted(parts)))
    return next(iter(parts), "")


def _outlines(
    wanted: _Wanted, release: _Release, options: Options, shape: tuple[int, int]
) -> tuple[dict[Structure, np.ndarray], dict[Structure, str], list[str]]:
    """Filled outlines of the curves that are needed, what is wrong with the others, and flags."""
    labels = _labels_of(release, wanted.code)
    outlines: dict[Structure, np.ndarray] = {}
    bad: dict[Structure, str] = {}
    flags = []
    for structure, key in options.key_of.items():
        where = f"{release.labels_file}: {wanted.code}"
        label = _label(labels, key, where)
        users = (structure, Structure.LVM) if structure is Structure.LV else (structure,)
        if label.kind != "curve" or all(wanted.states[user] is not State.LABELLED for user in users):
            continue
        try:
            outlines[structure], apex_row, hinge_row = _outline(label.entry, shape, options, f"{where}: {key}")
        except _BadCurveError as error:
            bad[structure] = f"{key}: {error}"
            continue
        if structure is Structure.LV and apex_row > hinge_row:
            flags.append("apex-below-hinges")
    return outlines, bad, flags


def _areas(
    outlines: Mapping[Structure, np.ndarray], drawn: np.ndarray, states: Mapping[Structure, State]
) -> dict[Structure, np.ndarray | None]:
    """Pixels of each structure before painting: from its curve, else from the user's extra mask; None if empty."""
    areas: dict[Structure, np.ndarray | None] = {}
    for structure in FOREGROUND:
        if structure is Structure.LVM and structure in outlines and Structure.LV in outlines:
            area = outlines[structure] & ~outlines[Structure.LV]
        elif structure is not Structure.LVM and structure in outlines:
            area = outlines[structure]
        else:
            area = drawn == structure
        areas[structure] = area if states[structure] is State.LABELLED and area.any() else None
    return areas


def _outline(
    entry: Mapping[str, Any], shape: tuple[int, int], options: Options, where: str
) -> tuple[np.ndarray, float, float]:
    """Filled outline, row of the apex, and row of the higher hinge.

    Raises:
        _BadCurveError: Known ways to be bad (datasets.md R-U5, R-U8).
        DatasetError: Not numbers.
    """
    from labeldropout.data.curves import CurveError, apex, crosses_itself, fill, spline

    x, y = (_numbers(entry.get(axis), f"{where}: {axis}") for axis in ("x", "y"))
    if len(x) != len(y):
        raise _BadCurveError(f"{len(x)} x and {len(y)} y")
    points = np.array([x, y], np.float64).T
    if not np.isfinite(points).all():
        raise _BadCurveError("a coordinate is not finite")
    if len(points) < 3:
        raise _BadCurveError(f"{len(points)} points")
    margin = options.point_margin_px
    outside = (points < -margin).any() or (points > np.array(shape[::-1]) - 1 + margin).any()
    if outside:
        raise _BadCurveError(f"a point lies more than {margin:g} px outside the image")
    marks = entry.get("straight_segment")
    straight = None if marks in (None, "") else np.array(_numbers(marks, f"{where}: straight_segment")) != 0
    try:
        curve = spline(points, straight=straight)
        coarse = spline(points, 0.4, straight)
    except CurveError as error:
        raise _BadCurveError(str(error)) from error
    if crosses_itself(coarse):
        raise _BadCurveError("the outline crosses itself")
    area = fill(curve, shape)
    if area.sum() < options.min_area_share * area.size:
        raise _BadCurveError(f"an area of {int(area.sum())} pixels")
    return area, float(apex(curve)[0, 1]), float(min(points[0, 1], points[-1, 1]))


def _numbers(cell: Any, where: str) -> list[float]:
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


def _spacing(release: _Release, video: str) -> tuple[float, float] | None:
    """(row, column) in mm from cm; None where the file has no number.

    Raises:
        DatasetError: Not a number, not positive, unset (1 and 1), or two rows that differ.
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
    column, row = (_numbers(cell, where)[0] for cell in (x, y))
    if math.isnan(column) or math.isnan(row):
        return None
    if not (0 < column < math.inf and 0 < row < math.inf) or column == row == 1.0:
        raise DatasetError.about(
            NAME, where, "impossible pixel size", "cm per pixel, above 0, not 1 and 1", f"{x}, {y}"
        )
    # Rounding takes back what the change of unit adds in the last digit.
    return round(10 * row, 9), round(10 * column, 9)


def _read_png(path: Path, options: Options, meaning: str) -> tuple[bytes, np.ndarray]:
    """Bytes of the file, and its pixels as uint8 (H, W): luma for `grey`, the stored numbers for `labels`."""
    from PIL import Image

    largest = 8 * options.max_pixels
    size = path.stat().st_size
    if size > largest:
        raise DatasetError.about(NAME, path, "a huge file", f"at most {largest} bytes", size)
    content = path.read_bytes()
    if len(content) < 26 or not content.startswith(_PNG_SIGNATURE) or content[12:16] != b"IHDR":
        found = "an empty file" if not content else f"{len(content)} bytes, starting with {content[:8]!r}"
        raise DatasetError.about(NAME, path, "not a PNG image", "a PNG header", found)
    # The declared size is checked before anything is decoded or allocated.
    width, height = struct.unpack(">II", content[16:24])
    if not 0 < width * height <= options.max_pixels:
        expected = f"1 to {options.max_pixels} pixels"
        raise DatasetError.about(NAME, path, "impossible declared size", expected, f"{width} x {height}")
    damage = _damage(content)
    if damage:
        raise DatasetError.about(NAME, path, "a damaged file", "whole PNG chunks up to IEND", damage)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as opened:
            opened.load()
            pixels = _grey(opened) if meaning == "grey" else _stored(opened, path)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError.about(NAME, path, "cannot be decoded", "a whole PNG image", error) from error
    return content, pixels


def _damage(content: bytes) -> str:
    """What is wrong with the chunks of a PNG file; empty if nothing. Pillow does not check those of the pixels."""
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        kind, stop = content[at + 4 : at + 8], at + 8 + length
        if stop + 4 > len(content):
            break
        if kind[:1].isupper() and zlib.crc32(content[at + 4 : stop]) != int.from_bytes(content[stop : stop + 4]):
            return f"a wrong check sum at byte {at}"
        if kind == b"IEND":
            return ""
        at = stop + 4
    return f"the end after {len(content)} bytes"


def _grey(image: Any) -> np.ndarray:
    """Luma (ITU-R 601-2); transparent pixels over black; 16 bits scaled to 8."""
    from PIL import Image

    if image.mode.startswith("I"):
        return np.rint(np.asarray(image, np.float64) / 257.0).clip(0, 255).astype(np.uint8)
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _stored(image: Any, path: Path) -> np.ndarray:
    if image.mode not in {"L", "P"}:
        raise DatasetError.about(NAME, path, "not a label map", "one channel of 8 bits", f"mode {image.mode}")
    return np.asarray(image)


def _extra_path(options: Options, code: str) -> Path | None:
    if options.extra_masks is None:
        return None
    path = Path(options.extra_masks) / f"{code}.png"
    return path if path.is_file() else None


def _read_extra(path: Path, shape: tuple[int, int], options: Options) -> np.ndarray:
    _, mask = _read_png(path, options, "labels")
    if mask.shape != shape:
        raise DatasetError.about(NAME, path, "another size than the image", shape, mask.shape)
    values = sorted({int(value) for value in np.unique(mask)})
    if values[-1] > max(Structure):
        raise DatasetError.about(NAME, path, "unknown label value", "0 to 3", values)
    return mask


# --- Proposal of a curation -----------------------------------------------------------------------------------------


def propose_curation(store: "CaseStore", options: Options) -> pd.DataFrame:
    """Suspected over-labelling of the myocardium, for a reviewer; nothing is excluded by it (datasets.md R-U12).

    Two rules: the myocardium's area over the cavity's exceeds the store's median by `large_wall_ratio`; in A4C the wall
    on the right ventricle's side, over the middle of the cavity's length, is thicker than the opposite one by
    `thick_wall_ratio`.

    Args:
        store: The imported cases.
        options: Thresholds.

    Returns:
        file, keep (always 1), view, reason (empty, or the rules that fired, with numbers); one row per case, by file.
    """
    area_ratios = np.full(len(store), np.nan)
    walls = np.full(len(store), np.nan)
    for index in range(len(store)):
        target = np.asarray(store.target(index))
        n_cavity, n_wall = int((target == Structure.LV).sum()), int((target == Structure.LVM).sum())
        if n_cavity and n_wall:
            area_ratios[index] = n_wall / n_cavity
            walls[index] = _wall_ratio(target, options.right_ventricle_side)
    known = area_ratios[np.isfinite(area_ratios)]
    median = float(np.median(known)) if len(known) else math.nan
    keys = curation_keys(store)
    rows = []
    for index in range(len(store)):
        row = store.table.iloc[index]
        reasons = []
        if area_ratios[index] > options.large_wall_ratio * median:
            reasons.append(f"LVM/LV area {area_ratios[index]:.2f}, median {median:.2f}")
        if row["view"] == View.A4C and walls[index] > options.thick_wall_ratio:
            reasons.append(f"RV-side wall {walls[index]:.2f} times the other one")
        rows.append({"file": keys[index], "keep": 1, "view": row["view"], "reason": "; ".join(reasons)})
    return pd.DataFrame(rows, columns=list(_CURATION_COLUMNS)).sort_values("file", ignore_index=True)


def curation_keys(store: "CaseStore") -> list[str]:
    """Key of each case's image in the curation and in the release's labels."""
    return [
        f"{video}-{int(frame):04d}.png"
        for video, frame in zip(store.table["group_name"], store.table["frame"], strict=True)
    ]


def _wall_ratio(target: np.ndarray, side: str) -> float:
    """Thickness of the wall on one side of the cavity over that on the other, in the middle of its long axis."""
    rows, columns = np.nonzero(target == Structure.LV)
    centre = np.array([rows.mean(), columns.mean()])
    _, _, axes = np.linalg.svd(np.stack([rows, columns], axis=1) - centre, full_matrices=False)
    along = axes[0] if axes[0][0] >= 0 else -axes[0]
    # Turned by a quarter from "down along the axis" points to the right of the picture.
    across = np.array([-along[1], along[0]])
    lengths = (rows - centre[0]) * along[0] + (columns - centre[1]) * along[1]
    low, high = np.quantile(lengths, [0.25, 0.75])
    wall = np.stack(np.nonzero(target == Structure.LVM), axis=1) - centre
    middle = (wall @ along >= low) & (wall @ along <= high)
    n_right = int((middle & (wall @ across > 0)).sum())
    n_left = int((middle & (wall @ across < 0)).sum())
    first, second = (n_left, n_right) if side == "left" else (n_right, n_left)
    return first / second if second else math.inf if first else math.nan
