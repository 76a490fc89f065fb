"""Turn the values of a mask into structures, and say what was not as declared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer, UInt8

from labeldropout.case import DatasetError
from labeldropout.data.folder.options import Options

_MOST_NAMED = 8
"""Values that a message names, at most."""


@dataclass(frozen=True)
class ReadMask:
    """A mask in the study's numbers."""

    target: UInt8[np.ndarray, "h w"]
    n_stray: int
    """Pixels whose value was no structure's and got the nearest."""


def read_mask(
    dataset: str, file: object, values: Integer[np.ndarray, "h w"], options: Options, numbers: Mapping[str, int]
) -> ReadMask:
    """Translate the values of a mask.

    Args:
        dataset: Name of the data set, for messages.
        file: The mask's file, for messages.
        values: As stored.
        options: What the values mean, and what happens to others.
        numbers: The study's number of each structure.

    Raises:
        DatasetError: A value is not declared, and is not to be rounded, or too many pixels would be.
    """
    known = {options.background: 0, **{value: numbers[name] for name, value in options.values.items()}}
    levels = np.array(sorted(known))
    found, counts = np.unique(values, return_counts=True)
    stray = ~np.isin(found, levels)
    n_stray = int(counts[stray].sum())
    if n_stray and (options.stray_values == "refuse" or n_stray > options.stray_limit * values.size):
        _refuse(dataset, file, found[stray], n_stray, values.size, options)
    upper = np.searchsorted((levels[1:] + levels[:-1]) / 2, found, side="right")  # halfway belongs to the higher
    number_of = np.array([known[int(level)] for level in levels], np.uint8)[upper]
    return ReadMask(number_of[np.searchsorted(found, values)], n_stray)


def _refuse(dataset: str, file: object, stray: np.ndarray, n_stray: int, n_pixels: int, options: Options) -> None:
    named = ", ".join(map(str, stray[:_MOST_NAMED].tolist())) + (", ..." if len(stray) > _MOST_NAMED else "")
    expected = ", ".join(
        f"{value} {name}" for name, value in {"background": options.background, **options.values}.items()
    )
    share = f"{n_stray} of {n_pixels} pixels"
    if options.stray_values == "nearest":
        advice = (
            f"More than stray_limit, {options.stray_limit:.1%} of the pixels: are the values of the structures right?"
        )
    else:
        advice = "Declare the value, or, if these are blurred edges, set stray_values: nearest."
    raise DatasetError.about(dataset, file, "unknown mask values", expected, f"{named} in {share}", advice)
