"""One input: its frames one after another, its geometry, and how its label map is written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

MAX_FRAME_PIXELS = 2**26
"""Largest number of pixels that a frame may declare: seven times one of 4K video."""

FEW_GREYS = 16
"""Intensities that are no whole numbers and stay below this would keep too few grey values when rounded."""

_SAME = 1e-3
"""Two spacings that differ by less than this share are the same."""


class Frame(NamedTuple):
    """One picture of a clip."""

    pixels: np.ndarray
    """uint8 (H, W), or in colour (H, W, 3), upright, row 0 at the probe."""
    seconds: float | None
    """Time since the first frame; None where the file does not say."""


Put = Callable[[np.ndarray], None]
"""Takes the label map of the next frame: uint8 (H, W)."""


@dataclass(frozen=True)
class Clip:
    """One input. Its frames are decoded anew on each pass, so memory does not grow with their number."""

    path: Path
    shape: tuple[int, int]
    """(rows, columns)."""
    frames: Callable[[], Iterator[Frame]]
    """One pass over all frames, from the first.

    The first pass to the end has checked the whole file, and raises ValueError where it is damaged; it names the file.
    """
    spacing_mm: tuple[float, float] | None
    """(row, column); None if the file does not say, or says 1 in both directions."""
    pixel_aspect: float
    """Row spacing over column spacing; 1 where neither is known."""
    labels: Callable[[Path, int], AbstractContextManager[Put]]
    """Opens the label map: takes its path and the number of frames; nothing is there unless the block succeeds."""
    notes: tuple[str, ...] = ()
    """What the user should know about how the file was read."""


def display_frames(frames: Iterable[np.ndarray], path: Path, *, is_colour: bool) -> Iterator[np.ndarray]:
    """Convert pictures to uint8 (H, W), or in colour (H, W, 3), one after another.

    Args:
        frames: (H, W) intensities, or (H, W, 3) red, green and blue, or (H, W, 4) with an opacity of 0 to 255; what is
            transparent is shown over black.
        path: The file, for messages.
        is_colour: Whether colours are wanted; grey pictures then have three equal ones.

    Raises:
        ValueError: Intensities are not finite or not within 0 to 255 (other ranges have no agreed display and are not
            guessed), or are fractions so small that rounding would destroy the picture.
    """
    highest, are_whole = 0.0, True
    for raw in frames:
        values = _channels(raw, is_colour=is_colour)
        if values.dtype != np.uint8:
            if not np.isfinite(values).all():
                raise ValueError(f"{path}: not every intensity is a finite number.")
            low, high = float(values.min()), float(values.max())
            if low < -0.5 or high > 255.5:
                raise ValueError(
                    f"{path}: intensities from {low:g} to {high:g} (expected 0 to 255). Convert to 8 bits first."
                )
            rounded = np.rint(values)
            are_whole = are_whole and (raw.ndim > 2 or bool(np.abs(rounded - values).max() < 1e-3))
            values = rounded.clip(0, 255).astype(np.uint8)
            highest = max(highest, high)
        else:
            highest = max(highest, float(values.max()))
        yield values
    if are_whole and highest == 1:
        raise ValueError(f"{path}: no other intensities than 0 and 1 (expected 0 to 255). Is it a mask?")
    if not are_whole and highest < FEW_GREYS:
        factor = "Multiply by 255 first" if highest <= 1 else "Scale to 0 to 255 first"
        raise ValueError(
            f"{path}: intensities are fractions of at most {highest:g} (expected 0 to 255). {factor}: rounded, they"
            f" would be {round(highest) + 1} grey values."
        )


def _channels(raw: np.ndarray, *, is_colour: bool) -> np.ndarray:
    """A picture in grey (H, W) or in colour (H, W, 3), over black."""
    if not is_colour:
        return raw if raw.ndim == 2 else luma(raw)
    if raw.ndim == 2:
        return np.repeat(raw[..., None], 3, -1)
    return raw if raw.shape[-1] == 3 else raw[..., :3] * (raw[..., 3:] / 255)


def luma(colour: np.ndarray) -> np.ndarray:
    """Grey from red, green, blue and perhaps opacity (..., 3 or 4), 0 to 255, by ITU-R BT.601; over black."""
    grey = colour[..., :3].astype(float) @ (0.299, 0.587, 0.114)
    return grey * (colour[..., 3] / 255) if colour.shape[-1] == 4 else grey


def spacing_of(row: float, column: float) -> tuple[float, float] | None:
    """The spacing, unless it looks unset."""
    usable = np.isfinite([row, column]).all() and row > 0 and column > 0 and (row, column) != (1.0, 1.0)
    return (float(row), float(column)) if usable else None


def differ(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two spacings are not the same."""
    return not np.allclose(one, other, rtol=_SAME, atol=0)


def frames_of_third_axis(n: int, distance: float, spacing_mm: tuple[float, float] | None, path: Path) -> None:
    """Refuse a third axis of a file of volumes unless its header says that it is no third direction in space.

    Files of ultrasound clips say so with a distance of 1 (or 0) between frames beside a real pixel size: a placeholder.

    Args:
        n: Length of the axis.
        distance: Spacing along it, as stored.
        spacing_mm: (row, column) of the picture.
        path: The file, for the message.

    Raises:
        ValueError: The axis may be depth or colour.
    """
    if n > 1 and (distance not in {0.0, 1.0} or spacing_mm is None):
        found = f"a spacing of {distance:g}" + ("" if spacing_mm else " in all three directions")
        raise ValueError(
            f"{path}: a third axis of length {n} with {found} (expected a picture, or a clip). If these are frames, say"
            " so with --third-axis frames, or store (columns, rows, 1, frames)."
        )
