"""What the pixels of a store or of prepared arrays mean: `pixels.json` beside them."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from labeldropout.files import read_json, write_json
from labeldropout.labels import structures_of, values_of

FILE = "pixels.json"


@dataclass(frozen=True)
class Pixels:
    """The meaning of images and label maps that lie together."""

    channels: int
    """Numbers per pixel of an image: 1 for grey, 3 for red, green and blue."""
    structures: type[IntEnum]
    """What a label map can show, with its values."""


def write_pixels(pixels: Pixels, directory: Path) -> None:
    """Write `pixels.json`."""
    write_json({"channels": pixels.channels, "structures": values_of(pixels.structures)}, directory / FILE)


def read_pixels(directory: Path) -> Pixels:
    """Read `pixels.json`.

    Raises:
        ValueError: It is missing or does not say what it should; the message names it.
    """
    path = Path(directory) / FILE
    if not path.is_file():
        raise ValueError(
            f"{path}: not there (expected the number of channels and the structures of the files beside it)."
            " The folder was written by an earlier version: make it again."
        )
    content = read_json(path)
    try:
        channels, structures = content["channels"], structures_of(content["structures"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected channels, and structures with their values, found {content!r} ({error})."
        ) from error
    if type(channels) is not int or channels < 1:
        raise ValueError(f"{path}: channels {channels!r} (expected a whole number, 1 or more).")
    return Pixels(channels, structures)
