"""Options of the import of a folder: where pictures and masks lie, what mask values mean, and what is annotated."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from labeldropout.case import DatasetError
from labeldropout.data.folder import NAME
from labeldropout.messages import did_you_mean

PLACEHOLDER = re.compile(r"\{([^\W\d]\w*)\}")

ALL = "all"

_KINDS = {
    "images": (str, "text"),
    "masks": (str, "text"),
    "values": (Mapping, "the mask value of each structure, such as {nucleus: 255}"),
    "annotated": (str | list, "all, or a list of structures"),
    "table": (str | None, "a path below the folder"),
    "group": (str, "text"),
    "colour": (bool, "true or false"),
    "stray_limit": (int | float, "a share from 0 to 1"),
}
"""Options that YAML may give in another type, and what is expected."""


@dataclass(frozen=True)
class Options:
    """How a folder of pictures and masks is read."""

    images: str = "images/{name}.png"
    """Where the pictures lie below the folder, such as `pictures/{patient}/{name}.png`. A word in braces stands for any
    text without a slash; `*` too, but what it stands for is forgotten."""
    masks: str = "masks/{name}.png"
    """Where the masks lie. Words in braces are those of `images`, and stand for the same text."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Value in the masks of each structure; an import needs at least one."""
    background: int = 0
    """Value of everything else."""
    stray_values: Literal["refuse", "nearest"] = "refuse"
    """Whether a mask with another value is a bad case, or its pixels get the nearest known value; halfway, the higher.
    What was changed is counted and reported."""
    stray_limit: float = 0.01
    """Largest share of a mask's pixels that may be changed."""
    annotated: str | tuple[str, ...] = ALL
    """Structures that are drawn wherever a picture shows them, in all pictures; `all` for every one of `values`. A
    column `annotated` in the table says it for each picture."""
    table: Path | None = None
    """A CSV file below the folder with a row for each picture, found by columns named as the words in braces."""
    group: str = ""
    """What the split keeps together, a patient for example: a word in braces, or a column of the table. Empty if every
    picture is one of its own."""
    colour: bool = False
    """Whether pictures have three channels (red, green, blue) or one."""
    pixel_size_mm: float | int | tuple[float | int, ...] | None = None
    """Side of a pixel, or its height and width; None if unknown, or if the file says it (NIfTI, MetaImage)."""

    def __post_init__(self) -> None:
        _check_patterns(self.images, self.masks)
        if self.table is not None and not _is_below(self.table):
            raise _wrong("table", "a path below the folder", str(self.table))
        _check_values(self.values, self.background)
        _check_annotated(self.annotated, self.values)
        if not 0 <= self.stray_limit <= 1:
            raise _wrong("stray_limit", "a share from 0 to 1", self.stray_limit)
        if self.group and self.table is None and self.group not in self.names:
            advice = "Put it into the pattern of images, or give a table."
            expected = f"a word in braces ({', '.join(self.names)}) or a column of a table"
            raise DatasetError.about(NAME, "option group", "unknown word", expected, repr(self.group), advice)
        size = 1 if self.pixel_size_mm is None else self.pixel_size_mm
        sizes = size if isinstance(size, tuple) else (size, size)
        if len(sizes) != 2 or not all(isinstance(s, int | float) and math.isfinite(s) and s > 0 for s in sizes):
            raise _wrong("pixel_size_mm", "one or two positive numbers", self.pixel_size_mm)

    @property
    def names(self) -> tuple[str, ...]:
        """The words in braces, each once."""
        return tuple(dict.fromkeys(PLACEHOLDER.findall(self.images)))

    @property
    def structures(self) -> tuple[str, ...]:
        """What is annotated in a picture of which the table says nothing else."""
        return tuple(self.values) if isinstance(self.annotated, str) else self.annotated

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """(row, column) size of a pixel, if it is given."""
        size = self.pixel_size_mm
        if size is None:
            return None
        row, column = (size, size) if isinstance(size, int | float) else size
        return float(row), float(column)


def options_of(given: Mapping[str, Any]) -> Options:
    """The options that a configuration gives; those of all importers, such as `skip_limit`, are passed over.

    Raises:
        DatasetError: An option is unknown or wrong.
    """
    known = [field.name for field in fields(Options)]
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name == "skip_limit":
            continue
        if name not in known:
            raise DatasetError.about(
                NAME, "options", "unknown option", ", ".join(known), repr(name), did_you_mean(name, known)
            )
        kind, expected = _KINDS.get(name, (object, ""))
        if not isinstance(value, kind):
            raise _wrong(name, expected, value)
        is_path = name == "table" and value is not None
        values[name] = Path(value) if is_path else tuple(value) if isinstance(value, list) else value
    return Options(**values)


def _is_below(path: str | Path) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts


def _wrong(option: str, expected: str, found: object, words: tuple[str, ...] = ()) -> DatasetError:
    advice = did_you_mean(found, words) if isinstance(found, str) and words else ""
    return DatasetError.about(NAME, f"option {option}", "wrong value", expected, repr(found), advice)


def _check_patterns(images: str, masks: str) -> None:
    for name, pattern in (("images", images), ("masks", masks)):
        if not PLACEHOLDER.search(pattern) or not _is_below(pattern):
            raise _wrong(name, "a path below the folder with a word in braces, such as pictures/{name}.png", pattern)
        if re.search("[{}]", PLACEHOLDER.sub("", pattern)):
            raise _wrong(name, "in braces words of letters, digits and _ that begin with a letter", pattern)
    names = dict.fromkeys(PLACEHOLDER.findall(images))
    if set(names) != set(PLACEHOLDER.findall(masks)):
        raise _wrong("masks", f"the words of images, {', '.join(names)}", masks)
    if images == masks:
        raise _wrong("masks", "another pattern than images", masks)


def _check_annotated(annotated: str | tuple[str, ...], values: Mapping[str, Any]) -> None:
    if isinstance(annotated, str) and annotated != ALL:
        raise _wrong("annotated", "all, or a list of structures", annotated)
    for name in () if isinstance(annotated, str) else annotated:
        if name not in values:
            raise _wrong("annotated", f"structures of values, {', '.join(values)}", name, tuple(values))


def _check_values(values: Mapping[str, Any], background: int) -> None:
    owner: dict[int, str] = {}
    for name, value in {"background": background, **values}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _wrong(f"values.{name}", "a whole number, 0 or more", value)
        if value in owner:
            raise _wrong(f"values.{name}", f"a value of its own, not that of {owner[value]}", value)
        owner[value] = name
