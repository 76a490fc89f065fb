"""The frames of an input with the outlines drawn in; a clip becomes an animated PNG, one frame after another."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from labeldropout.files import replacing
from labeldropout.predict.legend import Entry

FRAME_MS = 60
"""How long an animated overlay shows each frame where the input has no times."""

_LONGEST_FRAME_MS = 2**16 - 1
"""Longest that the format can say."""

_CONE_GREY = 120


def draw_overlay(
    pixels: np.ndarray, labels: np.ndarray, legend: Sequence[Entry], fan: np.ndarray | None
) -> Image.Image:
    """The frame with the outlines of the structures and a thin grey one of the cone; names in the upper left corner.

    Args:
        pixels: uint8 (H, W), or in colour (H, W, 3).
        labels: uint8 (H, W), with the values of the legend.
        legend: What is outlined.
        fan: bool (H, W): the cone; None if there is none to draw.
    """
    colour = pixels.copy() if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    if fan is not None:
        colour[fan & ~ndimage.binary_erosion(fan)] = _CONE_GREY
    for one in legend:
        region = labels == one.value
        if region.any():
            inner = ndimage.binary_erosion(region, iterations=max(1, round(min(labels.shape) / 256)))
            colour[region & ~inner] = one.colour
    picture = Image.fromarray(colour)
    draw = ImageDraw.Draw(picture)
    left = 3
    for one in legend:
        draw.text((left, 2), one.name, fill=one.colour)
        left += int(draw.textlength(one.name)) + 6
    return picture


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def _animate(file: Any, n_frames: int, frame_ms: int) -> Callable[[Image.Image], None]:
    """Write the pictures that are put as one animated PNG.

    Pillow keeps all frames until the last one; here each is written at once. Source: PNG specification, third edition,
    section 11.3.5 (acTL, fcTL, fdAT).
    """
    state = {"sequence": 0, "is_first": True}

    def number() -> bytes:
        state["sequence"] += 1
        return struct.pack(">I", state["sequence"] - 1)

    def put(picture: Image.Image) -> None:
        packed = io.BytesIO()
        picture.save(packed, format="PNG")
        content = packed.getvalue()
        chunks = list(_chunks(content))
        if state["is_first"]:
            file.write(content[:8] + _chunk(b"IHDR", chunks[0][1]) + _chunk(b"acTL", struct.pack(">II", n_frames, 0)))
        file.write(_chunk(b"fcTL", number() + struct.pack(">IIIIHHBB", *picture.size, 0, 0, frame_ms, 1000, 0, 0)))
        for kind, data in chunks:
            if kind == b"IDAT":
                file.write(_chunk(b"IDAT", data) if state["is_first"] else _chunk(b"fdAT", number() + data))
        state["is_first"] = False

    return put


@contextmanager
def writing_overlay(target: Path, n_frames: int, seconds: float | None) -> Iterator[Callable[[Image.Image], None]]:
    """Open `<name>_overlay.png`, animated for a clip: lossless and without a codec.

    Args:
        target: The file.
        n_frames: How many pictures will be put.
        seconds: Time from the first to the last; None where it is unknown.
    """
    frame_ms = FRAME_MS if not seconds else round(1000 * seconds / max(1, n_frames - 1))
    with replacing(target) as file:
        if n_frames == 1:
            yield lambda picture: picture.save(file, format="PNG")
        else:
            yield _animate(file, n_frames, min(max(1, frame_ms), _LONGEST_FRAME_MS))
            file.write(_chunk(b"IEND", b""))
