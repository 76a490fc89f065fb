"""Import Unity Imaging from its own files: pictures, and outlines filled from few points."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case, DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.data.picture_files import read_picture, refuse_blank
from labeldropout.data.unity import NAME, REPORTED
from labeldropout.data.unity.curation import from_curation, read_curation
from labeldropout.data.unity.labels import (
    Wanted,
    all_apical,
    all_drawn,
    check_off,
    labels_of,
    read_label,
    take_census,
    tell_counts,
    view_words,
)
from labeldropout.data.unity.options import Options, extra_path
from labeldropout.data.unity.release import Release, find_images, open_release, part_of, pixel_spacing, read_numbers
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import State

_NO_MYOCARDIUM = (
    "LVM IS UNKNOWN IN EVERY IMAGE: no key of an epicardial curve is configured (keys.LV_epi) and no extra masks are "
    "given; the paper's myocardium of Unity is not reproduced."
)


def read_cases(root: Path, options: Options, report: ImportReport) -> Iterator[Case]:
    """Read a release of Unity Imaging, image by image, in the order of the names.

    The images are those that the curation keeps or, without a curation, all apical images in which every configured
    structure is drawn.

    Args:
        root: Folder with `png-cache/` and `labels/`.
        options: See `Options`.
        report: Counts, remarks and the census of keys go here.

    Raises:
        DatasetError: Something does not follow the format; raised for a bad image only if `report.on_bad_case` is stop.
    """
    release = open_release(Path(root), report)
    report.found = len(release.labels)
    paths = find_images(release, options, report)
    words = view_words(release, options)
    census = take_census(release, words, options)
    for (key, view), counts in sorted(census.items()):
        report.check(f"census {key} {view}", "", tell_counts(counts))
    rows = read_curation(options.curation, options, report)
    wanted = (
        from_curation(rows, release, paths, options, report) if rows else all_apical(release, paths, options, report)
    )
    check_off(wanted, release, options, census)
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


class _BadCurveError(ValueError):
    """A curve is not fit for training; the message says why."""


def _read_case(wanted: Wanted, path: Path, release: Release, options: Options, report: ImportReport) -> Case | None:
    """The case; None if a bad curve leaves an uncurated image incomplete."""
    picture = read_picture(path, NAME, "grey", ("PNG",), options.max_pixels)
    image = picture.values
    refuse_blank(image, NAME, path)
    where = f"{release.labels_file}: {wanted.code}"
    extra = extra_path(options, wanted.code) if wanted.curated else None
    drawn = _read_extra(extra, image.shape, options) if extra else np.zeros(image.shape, np.uint8)
    outlines, bad, flags = _outlines(wanted, release, options, image.shape, report)
    if picture.n_transparent:
        report.adjust("transparent pixels laid over black", wanted.code)
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
    if not wanted.curated:
        if options.complete and not all_drawn(states, options):
            return None
        if all(state is State.UNKNOWN for state in states.values()):
            report.leave_out("apical, but no curve is good", wanted.code)
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
        pixel_spacing_mm=pixel_spacing(release, wanted.code[:67]),
        view=wanted.view,
        instant=None,
        source=path.relative_to(release.images.parent).as_posix(),
        source_sha256=picture.sha256,
        flags=(*wanted.flags, *flags),
        split_hint=part_of(release, wanted.code, where),
    )


def _outlines(
    wanted: Wanted, release: Release, options: Options, shape: tuple[int, int], report: ImportReport
) -> tuple[dict[Structure, np.ndarray], dict[Structure, str], list[str]]:
    """Filled outlines of the needed curves, what is wrong with the bad ones, and flags."""
    labels = labels_of(release, wanted.code)
    outlines: dict[Structure, np.ndarray] = {}
    bad: dict[Structure, str] = {}
    flags = []
    for structure, key in options.key_of.items():
        where = f"{release.labels_file}: {wanted.code}"
        label = read_label(labels, key, where)
        users = (structure, Structure.LVM) if structure is Structure.LV else (structure,)
        if label.kind != "curve" or all(wanted.states[user] is not State.LABELLED for user in users):
            continue
        try:
            points = _points(label.entry, shape, options, f"{where}: {key}")
            outlines[structure], apex_row, hinge_row = _outline(points, label.entry, shape, options, f"{where}: {key}")
        except _BadCurveError as error:
            bad[structure] = f"{key}: {error}"
            continue
        if _is_outside(points, shape, 0.5):
            report.adjust("a curve that leaves the image, cut at the border", f"{wanted.code}: {key}")
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


def _is_outside(points: np.ndarray, shape: tuple[int, int], margins_px: float | np.ndarray) -> bool:
    """Whether a point lies outside the image by more than a margin, (x, y), from the centres of its border pixels."""
    return bool((points < -margins_px).any() or (points > np.array(shape[::-1]) - 1 + margins_px).any())


def _points(entry: Mapping[str, Any], shape: tuple[int, int], options: Options, where: str) -> np.ndarray:
    """The drawn points, (n, 2) as (x, y).

    Raises:
        _BadCurveError: They are bad in one of the known ways.
        DatasetError: The coordinates are not numbers.
    """
    x, y = (read_numbers(entry.get(axis), f"{where}: {axis}") for axis in ("x", "y"))
    if len(x) != len(y):
        raise _BadCurveError(f"{len(x)} x and {len(y)} y")
    points = np.array([x, y], np.float64).T
    if not np.isfinite(points).all():
        raise _BadCurveError("a coordinate is not finite")
    if len(points) < 3:
        raise _BadCurveError(f"{len(points)} points")
    if _is_outside(points, shape, options.point_margin_share * np.array(shape[::-1])):
        raise _BadCurveError(f"a point lies more than {options.point_margin_share:.0%} of the side outside the image")
    return points


def _outline(
    points: np.ndarray, entry: Mapping[str, Any], shape: tuple[int, int], options: Options, where: str
) -> tuple[np.ndarray, float, float]:
    """Filled outline, row of the apex, and row of the higher hinge.

    Raises:
        _BadCurveError: The curve is bad in one of the known ways.
        DatasetError: The marks of straight segments are not numbers.
    """
    from labeldropout.data.curves import CurveError, apex, crosses_itself, fill, spline

    marks = entry.get("straight_segment")
    straight = None if marks in (None, "") else np.array(read_numbers(marks, f"{where}: straight_segment")) != 0
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


def _read_extra(path: Path, shape: tuple[int, int], options: Options) -> np.ndarray:
    mask = read_picture(path, NAME, "labels", ("PNG",), options.max_pixels).values
    if mask.shape != shape:
        raise DatasetError.about(NAME, path, "another size than the image", shape, mask.shape)
    values = sorted({int(value) for value in np.unique(mask)})
    if values[-1] > max(Structure):
        raise DatasetError.about(NAME, path, "unknown label value", "0 to 3", values)
    return mask
