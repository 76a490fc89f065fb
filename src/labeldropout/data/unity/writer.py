"""Write cases as Unity Imaging releases them: stills as PNG, structures as open curves of few points in JSON."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case, DatasetError
from labeldropout.data.curves import CurveError, Points, apex, spline, traced
from labeldropout.heart import Structure
from labeldropout.labels import State

CURVES = {Structure.LV: "curve-lv-endo", Structure.LVM: "curve-lv-epi", Structure.LA: "curve-la-endo"}
"""Key of the curve for each structure; as far as we know, the real release has no apical `curve-lv-epi`."""

OTHER_KEYS = (
    "ao-valve-top-inner",
    "ao-valve-top-outer",
    "curve-lv-antsep-endo",
    "curve-lv-antsep-rv",
    "curve-lv-post-endo",
    "curve-lv-post-epi",
    "la-apex-endo",
    "lv-antsep-endo-apex",
    "lv-apex-epi",
    "lv-post-endo-apex",
    "mv-ant-tip",
    "mv-post-tip",
    "rv-apex-endo",
    "rv-lat-hinge",
    "tv-ant-hinge",
    "tv-sep-hinge",
)
"""Keys that a release also lists for every image, drawn or not: enough to test that the reader ignores them."""

PARTS = ("train", "tune", "ival")


_SHARES = (0.70, 0.16, 0.14)


_VIDEO = re.compile(r"\d\d-[0-9a-f]{64}")


def video_code(seed: int, index: int) -> str:
    """Name of a simulated video: 67 characters, class 01 and a hash, the same for the same seed and index."""
    return "01-" + hashlib.sha256(f"simulated video {seed} {index}".encode()).hexdigest()


def write_cases(cases: Iterable[Case], root: Path, rng: np.random.Generator, quirks: bool = True) -> int:
    """Stream cases into a folder in Unity Imaging's format; only the curves are held in memory.

    A labelled structure becomes a curve that, splined and filled, restores the structure to within one boundary pixel;
    an absent one becomes `off`, an unknown one `blurred`. The myocardium is written as the
    epicardial curve around cavity and myocardium.

    Args:
        cases: Stills with `group_name` a `video_code`, a view, and no instant.
        root: Folder to fill; made if missing.
        rng: Source of randomness for the release's own parts and for which of the other keys are `blurred`.
        quirks: Whether to reproduce oddities of the real files: a byte-order mark in a name list, a `_(1)` in one key,
            views in lower case.

    Returns:
        Number of images.

    Raises:
        DatasetError: The format cannot represent a case; the message names it.
    """
    labels: dict[str, dict[str, Any]] = {}
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    views: dict[str, str] = {}
    spacings: dict[str, tuple[float, float]] = {}
    part_of: dict[str, str] = {}
    for case in cases:
        if not _VIDEO.fullmatch(case.group_name) or case.instant is not None or case.view is None:
            found = f"{case.group_name!r}, {case.view}, {case.instant}"
            raise DatasetError.about("unity", case.source, "not a still of a video", "code, view, no instant", found)
        name = f"{case.group_name}-{case.frame:04d}.png"
        if name in labels:
            raise DatasetError.about("unity", name, "written twice", "one case per frame", "two")
        _write_png(case, image_path(root, name))
        labels[name] = {"labels": _labels(case, rng)}
        drawn = str(rng.choice(PARTS, p=_SHARES))
        parts[part_of.setdefault(case.group_name, case.split_hint if case.split_hint in PARTS else drawn)].append(name)
        views[case.group_name] = case.view.lower() if quirks else case.view.value
        if case.pixel_spacing_mm is not None:
            spacings[case.group_name] = case.pixel_spacing_mm
    _write_labels(labels, parts, root / "labels", quirks)
    _write_csv(root / "view_index.csv", ("file", "view"), sorted(views.items()))
    _write_csv(
        root / "01_database_physical.csv",
        ("FileHash", "PhysicalDeltaX", "PhysicalDeltaY"),
        [(code, f"{column / 10:.12g}", f"{row / 10:.12g}") for code, (row, column) in sorted(spacings.items())],
    )
    return len(labels)


def image_path(root: Path, name: str) -> Path:
    """Path of the image of this name: `png-cache/01/4d/44/01-4d44….png`."""
    return root / "png-cache" / name[:2] / name[3:5] / name[5:7] / name


def _write_png(case: Case, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(case.image[:, :, None], 3, axis=2)).save(path, compress_level=1)


def _labels(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """Labels under every possible key, as in a release; only `type` says what is drawn, not the presence of a key."""
    content: dict[str, Any] = {}
    for key in OTHER_KEYS:
        content[key] = {"type": "blurred" if rng.random() < 0.1 else "off", "x": "", "y": ""}
    ventricle = case.target == Structure.LV
    atrium = case.target == Structure.LA
    wall = ventricle | (case.target == Structure.LVM)
    areas = {Structure.LV: (ventricle, atrium), Structure.LVM: (wall, atrium), Structure.LA: (atrium, wall)}
    for structure, key in CURVES.items():
        state = case.states[structure]
        if state is not State.LABELLED:
            content[key] = {"type": "off" if state is State.ABSENT else "blurred", "x": "", "y": ""}
            continue
        try:
            points = traced(*areas[structure])
        except CurveError as error:
            what = f"{case.source} ({case.id}, {structure.name})"
            raise DatasetError.about("unity", what, "cannot be one curve", "one area", error) from error
        content[key] = _entry("curve", points)
        if structure is Structure.LV:
            content["mv-ant-hinge"] = _entry("point", points[:1])
            content["mv-post-hinge"] = _entry("point", points[-1:])
            content["lv-apex-endo"] = _entry("point", np.round(apex(spline(points)), 1))
    for key in ("mv-ant-hinge", "mv-post-hinge", "lv-apex-endo"):
        content.setdefault(key, {"type": "blurred", "x": "", "y": ""})
    return dict(sorted(content.items()))


def _entry(kind: str, points: Points) -> dict[str, str]:
    return {
        "type": kind,
        "x": " ".join(str(float(x)) for x in points[:, 0]),
        "y": " ".join(str(float(y)) for y in points[:, 1]),
    }


def _write_labels(labels: dict[str, Any], parts: dict[str, list[str]], folder: Path, quirks: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    odd = min(labels) if labels and quirks else ""

    def written(name: str) -> str:
        return name.replace(".png", "_(1).png") if name == odd else name

    def write(names: list[str], file: str) -> None:
        content = {written(name): labels[name] for name in names}
        (folder / file).write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")

    write(sorted(labels), "labels-all.json")
    for part, names in parts.items():
        write(sorted(names), f"labels-{part}.json")
        text = "".join(f"{written(name)}\n" for name in sorted(names))
        mark = "utf-8-sig" if quirks and part == "tune" else "utf-8"
        (folder / f"labels-{part}.txt").write_text(text, encoding=mark)
    keys = sorted({key for image in labels.values() for key in image["labels"]})
    apical = set(CURVES.values()) | {"mv-ant-hinge", "mv-post-hinge", "lv-apex-endo"}
    (folder / "keys.json").write_text(json.dumps({key: {"apical": key in apical} for key in keys}, indent=1) + "\n")
    (folder / "LICENSE.txt").write_text("Simulated images and curves; nothing here comes from Unity Imaging.\n")


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
