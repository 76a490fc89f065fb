"""Read videos strictly: nothing that the decoder had to make up, and all frames that the header counts."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from labeldropout.predict.clip import MAX_FRAME_PIXELS, Clip, Frame, Put, display_frames
from labeldropout.predict.nifti import nifti_labels

_START_OF_SCAN = b"\xff\xda"
"""Marker before the picture data of a JPEG (ITU-T T.81, table B.1); without it the decoder fills nothing in."""

_TURNS = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 3, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 1}
"""Quarter turns to the left that make a frame upright, by the upper left of its display matrix."""


def _turns(frame: Any, path: Path) -> int:
    """Quarter turns to the left to make a frame upright.

    Asked of the first frame alone: a frame whose side data were looked at is freed late, and memory would grow.

    Raises:
        ValueError: It is to be mirrored or turned by another angle.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 0
    matrix = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2] / 2**16
    key = tuple(int(value) for value in matrix.ravel())
    if key not in _TURNS or not np.array_equal(matrix.ravel(), key):
        raise ValueError(
            f"{path}: to be shown mirrored or turned by {frame.rotation} degrees (expected quarter turns). Convert it"
            " into an upright video first."
        )
    return _TURNS[key]


def _check_counts(path: Path, n_declared: int, n_packets: int, n_discarded: int, n_decoded: int) -> None:
    n_shown = n_declared - n_discarded if n_declared else n_packets - n_discarded
    if not n_decoded:
        raise ValueError(f"{path}: no frame could be decoded.")
    if n_decoded != n_shown:
        said = f"its header counts {n_declared}" if n_declared else f"it holds {n_packets} pictures"
        raise ValueError(
            f"{path}: {n_decoded} frames could be decoded, but {said}. Cut short or damaged: repair it, or convert what"
            " there is into a new video."
        )


def _decoded(path: Path) -> Iterator[Any]:
    """Frames, one after another.

    Raises:
        ValueError: The file is damaged, or ends before the number of frames in its header.
    """
    n_packets = n_discarded = n_decoded = 0
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise ValueError(f"{path}: no video stream.")
            stream = container.streams.video[0]
            decoder = stream.codec_context
            if decoder is None:
                raise ValueError(f"{path}: an unknown codec.")
            if decoder.width * decoder.height > MAX_FRAME_PIXELS:
                raise ValueError(f"{path}: {decoder.width} x {decoder.height} pixels (at most {MAX_FRAME_PIXELS}).")
            decoder.thread_count = 1
            decoder.options = {"err_detect": "explode"}
            for packet in container.demux(stream):
                n_packets += bool(packet.size)
                n_discarded += packet.is_discard
                is_empty = packet.size and decoder.name == "mjpeg" and _START_OF_SCAN not in bytes(packet)
                if packet.is_corrupt or is_empty:
                    raise ValueError(f"{path}: picture {n_packets} is damaged.")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise ValueError(f"{path}: frame {n_decoded} is damaged; the decoder had to make up a part.")
                    n_decoded += 1
                    yield frame
            _check_counts(path, stream.frames, n_packets, n_discarded, n_decoded)
    except (av.FFmpegError, OSError) as error:
        said = f" after {n_decoded} whole frames" if n_decoded else ""
        raise ValueError(f"{path}: cannot be decoded as a video{said} ({error.strerror}).") from error


def _frames(path: Path, turns: int, shape: tuple[int, int], *, is_colour: bool) -> Iterator[Frame]:
    seconds: list[float | None] = []

    def pictures() -> Iterator[np.ndarray]:
        first = None
        for frame in _decoded(path):
            if (frame.height, frame.width) != shape:
                raise ValueError(f"{path}: frames of {(frame.height, frame.width)} and {shape} (expected one size).")
            first = frame.time if first is None else first
            seconds.append(None if frame.time is None or first is None else round(frame.time - first, 6))
            yield np.rot90(frame.to_ndarray(format="rgb24" if is_colour else "gray"), turns)

    for pixels in display_frames(pictures(), path, is_colour=is_colour):
        yield Frame(np.ascontiguousarray(pixels), seconds.pop())


def read_video(path: Path, *, is_colour: bool = False) -> Clip:
    """Read a video as it is to be shown, upright.

    Args:
        path: A video whose container and codec FFmpeg knows.
        is_colour: Whether frames are wanted in colour.

    Raises:
        ValueError: It cannot be decoded, or is to be shown mirrored.
    """
    decoded = _decoded(path)
    try:
        first = next(decoded, None)
        if first is None:
            raise ValueError(f"{path}: no frame could be decoded.")
        turns, stored = _turns(first, path), (first.height, first.width)
    finally:
        decoded.close()
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    aspect = 1.0 if ratio <= 0 else float(1 / ratio)
    notes = []
    if turns:
        aspect = 1 / aspect if turns % 2 else aspect
        notes.append("turned upright, as the file says; so is its label map")
    if aspect != 1:
        notes.append(f"its pixels are {aspect:g} times as high as wide, as the file says")
    shape = stored[::-1] if turns % 2 else stored

    def labels(target: Path, n_frames: int) -> AbstractContextManager[Put]:
        return nifti_labels(target, shape, n_frames, None)

    def frames() -> Iterator[Frame]:
        return _frames(path, turns, stored, is_colour=is_colour)

    return Clip(path, shape, frames, None, aspect, labels, tuple(notes))
