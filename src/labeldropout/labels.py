"""Structures of a study, states, views, instants, and what "annotated" means."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Any

BACKGROUND = 0
"""Value of a pixel of a label map that shows none of the structures."""

MAX_STRUCTURES = 20
"""Structures of a study, at most: more could not be told apart by colour."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = ("all", "background", "mean")
"""What tables say of several structures, or of none."""

PALETTE = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (0, 114, 178), (213, 94, 0), (240, 228, 66)),
    *((153, 79, 136), (68, 170, 153), (136, 204, 238), (221, 204, 119), (136, 34, 85), (17, 119, 51), (51, 34, 136)),
    *((204, 102, 119), (170, 68, 153), (153, 153, 51), (170, 170, 170), (102, 166, 30), (166, 118, 29)),
)
"""Red, green and blue (0 to 255) by value of a structure, from 1, where nothing else is said: the colours of Okabe and
Ito, which colour-blind readers can tell apart, then Tol's."""


def structures_of(values: Mapping[str, int]) -> type[IntEnum]:
    """Structures with their values in a label map, as an enumeration in the order of these values.

    Args:
        values: Value by name; names consist of letters, digits and `_`, since tables have columns of these names.

    Raises:
        ValueError: A name is not valid, or a value is not a whole number from 1 to `MAX_STRUCTURES` of its own.
    """
    for name, value in values.items():
        if not _NAME.fullmatch(name) or name.lower() in _TAKEN:
            raise ValueError(
                f"structures: {name!r} (expected letters, digits and '_' after a letter, and none of"
                f" {', '.join(_TAKEN)})."
            )
        if type(value) is not int or not 1 <= value <= MAX_STRUCTURES:
            raise ValueError(f"structures: {name} has the value {value!r} (expected 1 to {MAX_STRUCTURES}).")
    if len(set(values.values())) < len(values):
        raise ValueError(f"structures: {dict(values)} (expected a value of its own for each).")
    return IntEnum("Structures", sorted(values.items(), key=lambda item: item[1]))


def number_structures(names: Sequence[str]) -> type[IntEnum]:
    """The structures of a study, numbered 1, 2, ... in this order.

    Raises:
        ValueError: A name is not valid or appears twice, or there are more than `MAX_STRUCTURES`.
    """
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"structures: {twice[0]} appears twice (expected each once).")
    return structures_of({name: value for value, name in enumerate(names, start=1)})


def values_of(structures: Iterable[IntEnum]) -> dict[str, int]:
    """Value of each structure by its name: what files say of structures."""
    return {structure.name: int(structure) for structure in structures}


class State(StrEnum):
    """What is known about one structure in one image; stated by the data set, never inferred from the pixels."""

    LABELLED = "labelled"
    """An annotator drew it; pixels outside the drawing do not show it."""
    ABSENT = "absent"
    """An annotator states that it is not in the image: no pixel shows it, and that is supervision too."""
    UNKNOWN = "unknown"
    """Nobody drew it; a pixel may or may not show it."""


def is_annotated(state: Any) -> Any:
    """Whether a structure in this state supervises a network: labelled or absent. Only this function decides it.

    Args:
        state: One state, or an array or a column of them.

    Returns:
        True or False; an array or a column of them if that was given.
    """
    return state != State.UNKNOWN


class View(StrEnum):
    """Apical echocardiographic views."""

    A2C = "A2C"
    """Two chambers: left ventricle and left atrium."""
    A4C = "A4C"
    """Four chambers."""


class Instant(StrEnum):
    """Instants of the cardiac cycle."""

    ED = "ED"
    """End diastole: the ventricle is largest."""
    ES = "ES"
    """End systole: the ventricle is smallest."""


class Part(StrEnum):
    """Parts of a split."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"
