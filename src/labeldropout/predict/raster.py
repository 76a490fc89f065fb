"""Read stills: PNG, JPEG, TIFF and BMP; write label maps as PNG."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from labeldropout.data.picture_files import png_damage
from labeldropout.files import replacing
from labeldropout.predict.clip import MAX_FRAME_PIXELS, Clip, Frame, Put, display_frames

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
"""Pillow's names of the formats, by file extension."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_DAMAGES = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    struct.error,
    zlib.error,
    UserWarning,
    Image.DecompressionBombError,
)
"""What Pillow's readers raise for damaged files."""

_WHITE_OF_16_BITS = 257
"""White of 16 bits over white of 8 bits."""


def _display(image: Image.Image, path: Path, *, is_colour: bool) -> np.ndarray:
    """Luma (ITU-R 601-2) or colours, transparent pixels over black, 16 bits scaled to 8: as in the importers."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image, np.float64)
        if 0 < values.max() <= 255:
            raise ValueError(
                f"{path}: 16 bits a pixel, and none is brighter than {values.max():g} of 65535 (expected a picture that"
                " uses them). Convert to 8 bits first."
            )
        return np.rint(values / _WHITE_OF_16_BITS).astype(np.uint8)
    if image.mode[:1] in {"I", "F"}:
        return np.asarray(image)
    if image.mode in {"LA", "La", "RGBA", "RGBa", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    elif image.mode in {"P", "CMYK", "YCbCr", "LAB", "HSV"}:
        image = image.convert("RGB")
    return np.asarray(image.convert("RGB" if is_colour else "L"))


def _aspect(image: Image.Image) -> float:
    """Row spacing over column spacing, where the file says that pixels are not square."""
    across, down = image.info.get("dpi") or image.info.get("aspect") or image.info.get("jfif_density") or (1, 1)
    return float(across) / float(down) if across > 0 and down > 0 and abs(across / down - 1) > 1e-3 else 1.0


def _upright(picture: Image.Image, path: Path, *, is_colour: bool) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Pixels as they are to be shown, row spacing over column spacing, and what the user should know."""
    if picture.width * picture.height > MAX_FRAME_PIXELS:
        raise ValueError(f"{path}: {picture.size} pixels (expected at most {MAX_FRAME_PIXELS} in all).")
    n_pictures = getattr(picture, "n_frames", 1)
    if n_pictures != 1:
        raise ValueError(f"{path}: {n_pictures} pictures in one file (expected one). Store them as a video.")
    # Asked before loading: of a TIFF, Pillow turns the pixels when it loads them, and forgets the orientation.
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    picture.load()
    aspect = _aspect(picture)
    notes = []
    if orientation in range(2, 9):
        notes.append(f"turned upright, as its EXIF orientation {orientation} says; so is its label map")
        aspect = 1 / aspect if orientation >= 5 else aspect
    if aspect != 1:
        notes.append(f"its pixels are {aspect:g} times as high as wide, as the file says")
    return _display(ImageOps.exif_transpose(picture), path, is_colour=is_colour), aspect, tuple(notes)


def _read(path: Path, *, is_colour: bool) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """What `_upright` returns.

    Raises:
        ValueError: The file is damaged, or not one picture of its format.
    """
    kind = FORMATS[path.suffix.lower()]
    content = path.read_bytes()
    if content.startswith(_PNG_SIGNATURE) and (damage := png_damage(content)):
        raise ValueError(f"{path}: damaged or cut short ({damage}).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Pillow only warns of damaged metadata
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked
            with Image.open(io.BytesIO(content), formats=(kind,)) as picture:
                return _upright(picture, path, is_colour=is_colour)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: cannot be read as {kind} (found {content[:8]!r}).") from error
    except _DAMAGES as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: cannot be read as {kind} ({error}).") from error


@contextmanager
def write_png(target: Path, _: int) -> Iterator[Put]:
    """Open a PNG with the values of the structures."""
    drawn: list[np.ndarray] = []
    yield drawn.append
    with replacing(target) as file:
        Image.fromarray(drawn[0]).save(file, format="PNG")


def read_raster(path: Path, *, is_colour: bool = False) -> Clip:
    """Read a still; coloured pixels are converted to luma and transparency is shown over black, as in the importers.

    Args:
        path: A file with an extension of `FORMATS`.
        is_colour: Whether frames are wanted in colour.

    Raises:
        ValueError: The file is damaged, or not one picture of its format.
    """
    pixels, aspect, notes = _read(path, is_colour=is_colour)
    if min(pixels.shape[:2]) < 2:
        raise ValueError(f"{path}: {pixels.shape} rows and columns (expected a picture).")

    def frames() -> Iterator[Frame]:
        for grey in display_frames([pixels], path, is_colour=is_colour):
            yield Frame(grey, None)

    return Clip(path, pixels.shape[:2], frames, None, aspect, write_png, notes)
