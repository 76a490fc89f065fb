"""Structures, views, instants, and what "annotated" means."""

from enum import IntEnum, StrEnum
from typing import Any


class Structure(IntEnum):
    """What a pixel of a label map can show; the value is the pixel value and the channel of the network."""

    BACKGROUND = 0
    """Everything that is none of the structures below."""
    LV = 1
    """Left ventricular cavity."""
    LVM = 2
    """Left ventricular myocardium."""
    LA = 3
    """Left atrium."""


FOREGROUND = (Structure.LV, Structure.LVM, Structure.LA)
"""All structures that an annotator can draw, in channel order."""


COLOURS = {Structure.LV: (230, 159, 0), Structure.LVM: (86, 180, 233), Structure.LA: (0, 158, 115)}
"""Red, green and blue (0 to 255) of each structure in every picture: three of Okabe and Ito's colours, which
colour-blind readers can tell apart."""


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
