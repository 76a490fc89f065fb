"""Import a folder of pictures and masks, as its options describe it."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np

from labeldropout.case import Case, DatasetError
from labeldropout.data.folder.masks import read_mask
from labeldropout.data.folder.matching import Pair, find_pairs, passed_over
from labeldropout.data.folder.options import Options
from labeldropout.data.folder.pictures import palette_of, read_image, read_values
from labeldropout.data.folder.table import Said, what_is_said
from labeldropout.data.import_report import ImportReport
from labeldropout.labels import State, is_annotated, number_structures, values_of

_MOST_NAMED = 3
"""Pictures that a note names, at most."""

_DARK = 32
"""A picture without a value as high is called dark: 12 bits that are stored as 16 end below 16 of 255."""

_Colours = dict[int, tuple[tuple[int, ...], str]]
"""Colour of each value in the palettes of masks, and the first mask that has it."""


@dataclass(frozen=True)
class _Read:
    """One picture with its mask, and what had to be done."""

    case: Case
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
    dark: list[str] = field(default_factory=list)
    drawn: Counter[str] = field(default_factory=Counter)
    annotated: Counter[str] = field(default_factory=Counter)

    def add(self, read: _Read) -> None:
        """Count a picture."""
        states = {structure.name: state for structure, state in read.case.states.items()}
        self.annotated.update(name for name, state in states.items() if is_annotated(state))
        self.drawn.update(name for name, state in states.items() if state is State.LABELLED)
        if read.n_stray:
            self.stray[read.case.source] = read.n_stray
        if read.was_grey:
            self.grey.append(read.case.source)
        if read.case.image.max() < _DARK:
            self.dark.append(read.case.source)
        if read.n_transparent:
            self.transparent.append(read.case.source)


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


def _check_palette(dataset: str, mask_file: Path, values: np.ndarray, options: Options, seen: _Colours) -> None:
    """Remember the colours of a mask's palette.

    Raises:
        DatasetError: A structure's value has another colour than in a mask before: its number may mean something else.
    """
    palette = palette_of(mask_file)
    found = {value: palette[value] for value in options.values.values() if value in palette and (values == value).any()}
    for value, colour in found.items():
        before, first = seen.get(value, (colour, ""))
        if colour != before:
            what, expected = f"value {value} has another colour", f"{before} as in {first}"
            advice = "Save all masks with one palette, or in grey."
            raise DatasetError.about(dataset, mask_file, what, expected, colour, advice)
    for value, colour in found.items():
        seen.setdefault(value, (colour, mask_file.name))


def _read(dataset: str, root: Path, pair: Pair, options: Options, said: Said, frame: int, colours: _Colours) -> _Read:
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
    _check_palette(dataset, mask_file, values, options, colours)
    structures = number_structures(list(options.values))
    read = read_mask(dataset, mask_file, values, options, values_of(structures))
    case = Case(
        dataset=dataset,
        group_name=said.group_name,
        frame=frame,
        image=image.values,
        target=read.target,
        states=_states(dataset, mask_file, read.target, structures, said),
        pixel_spacing_mm=options.spacing_mm or image.spacing_mm,
        view=None,
        instant=None,
        source=image_file.relative_to(root).as_posix(),
        source_sha256=image.sha256,
        flags=(f"stray-{read.n_stray}-px",) if read.n_stray else (),
    )
    return _Read(case, read.n_stray, image.was_grey, image.n_transparent)


def _states(
    dataset: str, mask_file: Path, target: np.ndarray, structures: type[IntEnum], said: Said
) -> dict[IntEnum, State]:
    """What is known of each structure: what is annotated and not drawn is not there.

    Raises:
        DatasetError: A structure is drawn that is not annotated.
    """
    states = {}
    for structure in structures:
        n_pixels = int((target == structure).sum())
        if structure.name in said.structures:
            states[structure] = State.LABELLED if n_pixels else State.ABSENT
            continue
        states[structure] = State.UNKNOWN
        if n_pixels:
            what, found = f"{structure.name} is drawn and not annotated", f"{n_pixels} pixels"
            advice = "Say that it is annotated, or take it out of the mask."
            raise DatasetError.about(dataset, mask_file, what, "no pixel", found, advice)
    return states


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
        ("DARK", f"have no value of {_DARK} or more of 255: 12 bits stored as 16?", counts.dark),
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


def read_cases(root: Path, options: Options, report: ImportReport) -> Iterator[Case]:
    """Read a folder picture by picture, sorted by name.

    Args:
        root: The folder.
        options: What lies where, and what it means.
        report: Counts, notes and bad cases.

    Raises:
        DatasetError: A picture, a mask, the table or the options are not as declared; the message says what to do.
    """
    if not options.values:
        expected = "the mask value of each structure, such as {nucleus: 255}"
        raise DatasetError.about(report.dataset, "option values", "nothing to read", expected, "none")
    pairs = find_pairs(report.dataset, root, options)
    said = _join_copies(root, pairs, what_is_said(report.dataset, root, pairs, options), report)
    if others := passed_over(root, options, pairs):
        report.note(f"PASSED OVER: {len(others)} pictures fit neither images nor masks (first: {others[0]}).")
    counts, frames, colours = _Counts(), Counter[str](), _Colours()
    for pair in pairs:
        report.found += 1
        one = said[pair.name]
        read = report.attempt(
            pair.name, _read, report.dataset, root, pair, options, one, frames[one.group_name], colours
        )
        frames[one.group_name] += 1
        if read is None:
            continue
        counts.add(read)
        yield read.case
    _tell(counts, options, root, report)
