"""Read still pictures strictly (PNG, BMP, TIFF, JPEG): what is damaged, or may be shown in several ways, is refused."""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from labeldropout.case import DatasetError
from labeldropout.data.image_files import MAX_PIXELS

FORMATS = ("PNG", "BMP", "TIFF", "JPEG")
"""What can be read, in Pillow's words."""


ORIENTATION = 0x0112
"""EXIF's tag that says how a picture is turned for viewing; 1 is as stored (EXIF 2.32, table 4)."""


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B")


_GREY_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", *_SIXTEEN_BIT_MODES)


_LABEL_MODES = ("1", "L", "P")


@dataclass(frozen=True)
class Picture:
    """The content of a picture file."""

    path: Path
    values: np.ndarray
    """uint8: (H, W) for grey and labels, (H, W, 3) for colour; row 0 is the top."""
    n_transparent: int
    """Pixels that were not fully opaque; black stands behind them."""
    sha256: str
    """Hash of the file."""


def read_picture(
    path: Path,
    dataset: str,
    meaning: Literal["grey", "colour", "labels"],
    formats: Collection[str] = FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Read one still picture as it would be seen.

    Colour becomes luma (ITU-R BT.601) where grey is wanted, transparent pixels lie over black, and 16 bits are scaled
    to 8. A label map keeps the stored numbers: of a palette its indices, of three equal channels one.

    Args:
        path: The file.
        dataset: Name of the data set, for messages; may be empty.
        meaning: What the values are: intensities in grey or colour, or labels.
        formats: Which of `FORMATS` are accepted, whatever the file's name says.
        max_pixels: Largest declared size that is decoded.

    Raises:
        DatasetError: The file is not such a picture, is damaged or cut short, is too large, has several frames or
            pages, is to be turned for viewing, or holds numbers that have no agreed display.
    """
    content = _content(path, dataset, max_pixels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Pillow only warns of damaged metadata
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked below
            with Image.open(io.BytesIO(content), formats=tuple(formats)) as image:
                _check_size(image, path, dataset, max_pixels)
                if image.format == "PNG" and (damage := png_damage(content, 8 * max_pixels)):
                    raise DatasetError.about(
                        dataset, path, "a damaged file", "a whole PNG with right check sums", damage, "Get it again."
                    )
                _check_display(image, path, dataset)
                image.load()
                values, n_transparent = _values(image, path, dataset, meaning)
    except DatasetError:
        raise
    except UnidentifiedImageError as error:
        found = f"{len(content)} bytes, starting with {content[:8]!r}"
        raise DatasetError.about(dataset, path, "not a picture", f"one of {' '.join(formats)}", found) from error
    except Image.DecompressionBombError as error:
        expected = f"1 to {max_pixels} pixels"
        raise DatasetError.about(dataset, path, "impossible declared size", expected, error) from error
    except (OSError, SyntaxError, ValueError, struct.error, UserWarning) as error:
        raise DatasetError.about(dataset, path, "cannot be decoded", "a whole picture", error) from error
    return Picture(path, values, n_transparent, hashlib.sha256(content).hexdigest())


def refuse_blank(image: np.ndarray, dataset: str, file: object) -> None:
    """Refuse a picture on which there is nothing to see.

    Args:
        image: Intensities of one picture.
        dataset: Name of the data set, for the message.
        file: Where it comes from, for the message.

    Raises:
        DatasetError: All pixels have the same value.
    """
    if image.size and image.min() == image.max():
        found = f"{image.min()} in every pixel"
        raise DatasetError.about(dataset, file, "a blank picture", "more than one grey value", found)


def png_damage(content: bytes, max_bytes: int = 8 * MAX_PIXELS) -> str:
    """What is wrong with the chunks and the compressed pixels of a PNG file; empty if nothing.

    Pillow does not check the sums of all chunks, and takes pixels without their own check sum (PNG, W3C, 5.3 and 10).

    Args:
        content: The file, which starts with PNG's signature.
        max_bytes: How much the pixels may unpack to.
    """
    at = len(_PNG_SIGNATURE)
    pixels = _Inflation(max_bytes)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        kind, stop = content[at + 4 : at + 8], at + 8 + length
        if stop + 4 > len(content):
            break
        if zlib.crc32(content[at + 4 : stop]) != int.from_bytes(content[stop : stop + 4]):
            return f"a wrong check sum at byte {at}"
        if kind == b"IDAT" and (damage := pixels.damage(content[at + 8 : stop])):
            return damage
        if kind == b"IEND":
            return "" if pixels.ended else "pixels that end early"
        at = stop + 4
    return f"the end after {len(content)} bytes"


class _Inflation:
    """Unpacks and forgets, a mebibyte at a time, so that a small file cannot fill the memory."""

    def __init__(self, max_bytes: int) -> None:
        self._inflate = zlib.decompressobj()
        self._left = max_bytes

    @property
    def ended(self) -> bool:
        """Whether the end was reached, where the check sum was right."""
        return self._inflate.eof

    def damage(self, packed: bytes) -> str:
        """What is wrong with the next bytes; empty if nothing."""
        try:
            while packed and not self.ended:
                self._left -= len(self._inflate.decompress(packed, 2**20))
                packed = self._inflate.unconsumed_tail
                if self._left < 0:
                    return "pixels without end"
        except zlib.error as error:
            return f"damaged pixels ({error})"
        return ""


def _content(path: Path, dataset: str, max_pixels: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > 8 * max_pixels:
            raise DatasetError.about(dataset, path, "a huge file", f"at most {8 * max_pixels} bytes", size)
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError.about(dataset, path, "cannot be read", "a file", error.strerror) from error
    if not content:
        raise DatasetError.about(dataset, path, "not a picture", "a picture", "an empty file")
    return content


def _check_size(image: Image.Image, path: Path, dataset: str, max_pixels: int) -> None:
    """Refuse what is too large before any pixel is decoded."""
    width, height = image.size
    if not 0 < width * height <= max_pixels:
        expected = f"1 to {max_pixels} pixels"
        raise DatasetError.about(dataset, path, "impossible declared size", expected, f"{width} x {height}")


def _check_display(image: Image.Image, path: Path, dataset: str) -> None:
    """Refuse what can be shown in several ways."""
    n_frames = getattr(image, "n_frames", 1)
    if n_frames > 1:
        advice = "Save the one that you mean as a file of its own."
        raise DatasetError.about(dataset, path, "several frames or pages", "one still picture", n_frames, advice)
    orientation = image.getexif().get(ORIENTATION, 1)
    if orientation not in {0, 1}:
        found = f"EXIF orientation {orientation}"
        advice = "Save it upright: it is not known which of the two an outline drawn on it means."
        raise DatasetError.about(dataset, path, "turned for viewing", "pixels stored as they are seen", found, advice)


def _values(image: Image.Image, path: Path, dataset: str, meaning: str) -> tuple[np.ndarray, int]:
    """Pixels as uint8, and how many of them were not opaque."""
    if meaning == "labels":
        if image.mode == "RGB" and ((values := np.asarray(image)) == values[..., :1]).all():
            return values[..., 0].copy(), 0  # some programs store one number three times
        if image.mode not in _LABEL_MODES:
            expected = "one channel of at most 8 bits"
            raise DatasetError.about(dataset, path, "not a label map", expected, f"mode {image.mode}")
        return np.asarray(image).astype(np.uint8), 0
    if image.mode not in _GREY_MODES:
        advice = "Save it with 8 bits per channel, 0 black and 255 white."
        raise DatasetError.about(
            dataset, path, "no agreed display", "grey or RGB, 8 or 16 bits", f"mode {image.mode}", advice
        )
    n_transparent = 0
    if image.mode in _SIXTEEN_BIT_MODES:
        grey = np.rint(np.asarray(image, np.float64) / 257.0).clip(0, 255).astype(np.uint8)
        return (grey if meaning == "grey" else np.repeat(grey[..., None], 3, axis=-1)), n_transparent
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        n_transparent = int((np.asarray(image)[..., 3] < 255).sum())
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    elif image.mode in {"P", "1"} or meaning == "colour":
        image = image.convert("RGB")
    return np.asarray(image.convert("L") if meaning == "grey" else image), n_transparent
