"""Import a folder of pictures and masks, as its options describe it."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from labeldropout.case import DatasetError
from labeldropout.data.folder.masks import read_mask
from labeldropout.data.folder.matching import Pair, find_pairs
from labeldropout.data.folder.options import Options
from labeldropout.data.folder.pictures import read_image, read_values
from labeldropout.data.folder.table import Said, what_is_said
from labeldropout.data.import_report import ImportReport

_MOST_NAMED = 3
"""Pictures that a note names, at most."""


@dataclass(frozen=True)
class Picture:
    """One picture with its mask."""

    group_name: str
    frame: int
    """Its number in its group, from 0, by name."""
    image: UInt8[np.ndarray, "h w *channels"]
    target: UInt8[np.ndarray, "h w"]
    drawn: frozenset[str]
    """Structures with a pixel."""
    said: Said
    spacing_mm: tuple[float, float] | None
    source: str
    source_sha256: str
    n_stray: int
    """Pixels of the mask that got the nearest structure's value."""
    was_grey: bool
    """Whether one channel was repeated to make three."""
    n_transparent: int
    """Pixels of the picture that were not opaque; black stands behind them."""


@dataclass
class _Counts:
    """What the notes at the end tell."""

    stray: dict[str, int] = field(default_factory=dict)
    grey: list[str] = field(default_factory=list)
    transparent: list[str] = field(default_factory=list)
    drawn: Counter[str] = field(default_factory=Counter)
    annotated: Counter[str] = field(default_factory=Counter)


def _one_file(dataset: str, root: Path, pair: Pair, options: Options) -> tuple[Path, Path]:
    """The picture's file and its mask's.

    Raises:
        DatasetError: One is missing, or there are several.
    """
    for what, other, files, partners, pattern in (
        ("a mask without image", "mask", pair.images, pair.masks, options.images),
        ("an image without mask", "image", pair.masks, pair.images, options.masks),
    ):
        expected = pattern
        for word, text in pair.words.items():
            expected = expected.replace("{" + word + "}", text)
        if not files:
            raise DatasetError.about(dataset, root / partners[0], what, expected, "no such file")
        if len(files) > 1:
            found = ", ".join(path.name for path in files)
            raise DatasetError.about(dataset, root / files[0], f"several files for one {other}", "one", found)
    return root / pair.images[0], root / pair.masks[0]


def _read(
    dataset: str, root: Path, pair: Pair, options: Options, numbers: Mapping[str, int], said: Said, frame: int
) -> Picture:
    image_file, mask_file = _one_file(dataset, root, pair, options)
    image = read_image(dataset, image_file, colour=options.colour)
    values = read_values(dataset, mask_file)
    height, width = image.values.shape[:2]
    if (height, width) != values.shape:
        raise DatasetError.about(
            dataset,
            mask_file,
            "mask and image differ in size",
            f"{height} x {width} pixels, as {image_file.name}",
            f"{values.shape[0]} x {values.shape[1]}",
        )
    read = read_mask(dataset, mask_file, values, options, numbers)
    present = set(np.unique(read.target).tolist())
    drawn = frozenset(name for name in options.values if numbers[name] in present)
    for name in sorted(drawn - set(said.structures)):
        n_pixels = int((read.target == numbers[name]).sum())
        advice = "Say that it is annotated, or take it out of the mask."
        raise DatasetError.about(
            dataset, mask_file, f"{name} is drawn and not annotated", "no pixel", f"{n_pixels} pixels", advice
        )
    return Picture(
        group_name=said.group_name,
        frame=frame,
        image=image.values,
        target=read.target,
        drawn=drawn,
        said=said,
        spacing_mm=options.spacing_mm or image.spacing_mm,
        source=image_file.relative_to(root).as_posix(),
        source_sha256=image.sha256,
        n_stray=read.n_stray,
        was_grey=image.was_grey,
        n_transparent=image.n_transparent,
    )


def _join_copies(root: Path, pairs: Sequence[Pair], said: Mapping[str, Said], report: ImportReport) -> dict[str, Said]:
    """Put pictures with equal bytes into one group, and say so."""
    leader = {said[pair.name].group_name: said[pair.name].group_name for pair in pairs}

    def first(group: str) -> str:
        while leader[group] != group:
            group = leader[group]
        return group

    by_hash: dict[str, list[Pair]] = {}
    for pair in pairs:
        for file in pair.images[:1]:
            if (root / file).is_file():
                by_hash.setdefault(hashlib.sha256((root / file).read_bytes()).hexdigest(), []).append(pair)
    copies = [same for same in by_hash.values() if len(same) > 1]
    for same in copies:
        target = first(said[same[0].name].group_name)
        for pair in same[1:]:
            leader[first(said[pair.name].group_name)] = target
    if copies:
        named = "; ".join(" = ".join(str(pair.images[0]) for pair in same) for same in copies[:_MOST_NAMED])
        report.note(
            f"COPIES: pictures with the bytes of another one, kept in its group: {sum(map(len, copies)) - len(copies)}"
            f" ({named}{'; ...' if len(copies) > _MOST_NAMED else ''})."
        )
    return {name: Said(first(one.group_name), one.structures) for name, one in said.items()}


def _tell(counts: _Counts, options: Options, root: Path, report: ImportReport) -> None:
    """Write the notes of a finished import, and refuse a structure that is nowhere.

    Raises:
        DatasetError: A structure is annotated and never drawn.
    """
    if counts.stray:
        first = list(counts.stray)[:_MOST_NAMED]
        named = ", ".join(f"{name}: {counts.stray[name]}" for name in first)
        report.note(
            f"STRAY VALUES: {sum(counts.stray.values())} pixels of {len(counts.stray)} masks got the nearest structure"
            f" ({named}{', ...' if len(counts.stray) > _MOST_NAMED else ''})."
        )
    for word, what, names in (
        ("GREY", "have no colour and three equal channels", counts.grey),
        ("TRANSPARENT", "have transparent pixels, and black behind them", counts.transparent),
    ):
        if names:
            report.note(f"{word}: {len(names)} of {report.found} pictures {what} (first: {names[0]}).")
    for name in options.values:
        report.note(
            f"{name}: annotated in {counts.annotated[name]} of {report.found} pictures, drawn in {counts.drawn[name]}"
        )
        if counts.annotated[name] and not counts.drawn[name]:
            raise DatasetError.about(
                report.dataset,
                root,
                f"{name} is declared as annotated and never drawn",
                f"value {options.values[name]} in some mask",
                f"none in {counts.annotated[name]} masks",
                "Correct its value, or leave it out of annotated.",
            )


def read_pictures(root: Path, options: Options, numbers: Mapping[str, int], report: ImportReport) -> Iterator[Picture]:
    """Read a folder picture by picture, sorted by name.

    Args:
        root: The folder.
        options: What lies where, and what it means.
        numbers: The study's number of each structure, from 1.
        report: Counts, notes and bad cases.

    Raises:
        DatasetError: A picture, a mask, the table or the options are not as declared; the message says what to do.
    """
    for name in options.values:
        if name not in numbers:
            expected = ", ".join(numbers)
            raise DatasetError.about(
                report.dataset, "option values", "not a structure of the study", expected, repr(name)
            )
    pairs = find_pairs(report.dataset, root, options)
    said = _join_copies(root, pairs, what_is_said(report.dataset, root, pairs, options), report)
    counts, frames = _Counts(), Counter[str]()
    for pair in pairs:
        report.found += 1
        one = said[pair.name]
        arguments = (report.dataset, root, pair, options, numbers, one, frames[one.group_name])
        frames[one.group_name] += 1
        picture = report.attempt(pair.name, _read, *arguments)
        if picture is None:
            continue
        counts.annotated.update(one.structures)
        counts.drawn.update(picture.drawn)
        if picture.n_stray:
            counts.stray[picture.source] = picture.n_stray
        if picture.was_grey:
            counts.grey.append(picture.source)
        if picture.n_transparent:
            counts.transparent.append(picture.source)
        yield picture
    _tell(counts, options, root, report)
