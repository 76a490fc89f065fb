"""Read MetaImage, and write label maps with the geometry of the input; frames pass one after another."""

import math
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from labeldropout.files import replacing
from labeldropout.predict.clip import (
    MAX_FRAME_PIXELS,
    Clip,
    Frame,
    Put,
    display_frames,
    frames_of_third_axis,
    spacing_of,
)

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}

_MM = {"": 1.0, "?": 1.0, "mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001}
"""Millimetres in a `DistanceUnits`; MetaIO itself knows ?, um, mm and cm."""

_NUMBERS = r"[-+.\deE ]+"

_GEOMETRY = {
    "TransformMatrix": _NUMBERS,
    "Offset": _NUMBERS,
    "CenterOfRotation": _NUMBERS,
    "AnatomicalOrientation": "[RLAPIS?]{2,4}",
    "DistanceUnits": "um|mm|cm|m",
}
"""Keys that a label map takes from its input, and what they may say; others may be free text."""

_SAME_AS = {"Position": "Offset", "Origin": "Offset", "Rotation": "TransformMatrix", "Orientation": "TransformMatrix"}

_MAX_HEADER_BYTES = 2**16

_MAX_DEFLATE_RATIO = 1032

_CHUNK = 2**20


@dataclass(frozen=True)
class _Header:
    """What a header says, checked."""

    values: dict[str, str]
    data_file: Path
    offset: int
    """Where the pixels begin in that file."""
    dims: tuple[int, ...]
    """Columns first."""
    n_channels: int
    dtype: np.dtype
    spacings_mm: tuple[float, ...]
    is_compressed: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.dims[1], self.dims[0]

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return math.prod(self.dims[2:])

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return math.prod(self.shape) * self.n_channels * self.dtype.itemsize


def _lines(path: Path) -> tuple[dict[str, str], int]:
    """The header, up to the line that says where the pixels are, and its length in bytes."""
    values: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in values and file.tell() < _MAX_HEADER_BYTES:
            line = file.readline(_MAX_HEADER_BYTES)
            if not line:
                break
            key, equals, value = line.decode("utf-8", "replace").partition("=")
            if equals and key.strip():
                values[_SAME_AS.get(key.strip(), key.strip())] = value.strip()
            elif line.strip():
                raise ValueError(f"{path}: {line[:40]!r} is no line of a MetaImage header (expected Key = Value).")
        end = file.tell()
    missing = [key for key in ("NDims", "DimSize", "ElementType", "ElementDataFile") if key not in values]
    if missing:
        raise ValueError(f"{path}: not MetaImage (missing in its header: {', '.join(missing)}).")
    return values, end


def _numbers(path: Path, key: str, text: str, count: int, kind: type[int] | type[float]) -> tuple:
    try:
        numbers = tuple(kind(part) for part in text.split())
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise ValueError(f"{path}: {key} = {text!r} (expected {count} numbers).")
    return numbers


def _is_true(path: Path, values: dict[str, str], key: str, default: str) -> bool:
    text = values.get(key, default)
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError(f"{path}: {key} = {text!r} (expected True or False).")
    return text.lower() in {"true", "1"}


def _data_file(path: Path, name: str) -> Path:
    """The file that holds the pixels; never one outside the folder of the header."""
    if name.upper() == "LOCAL":
        return path
    is_one = name not in {"", ".", ".."} and not name.upper().startswith("LIST") and "%" not in name
    if not is_one or PureWindowsPath(name).name != name:
        raise ValueError(f"{path}: ElementDataFile = {name!r} (expected LOCAL, or one file beside the header).")
    if not path.with_name(name).is_file():
        raise ValueError(f"{path}: its pixels should be in {name}, and there is no such file.")
    return path.with_name(name)


def _spacings(path: Path, values: dict[str, str], n_dims: int) -> tuple[float, ...]:
    """Spacings in mm, columns first; 1 in all directions where they are not stated."""
    key = next((key for key in ("ElementSpacing", "ElementSize") if key in values), None)
    if key is None:
        return (1.0,) * n_dims
    unit = values.get("DistanceUnits", "")
    if unit.lower() not in _MM:
        raise ValueError(f"{path}: DistanceUnits = {unit!r} (expected um, mm, cm or m).")
    numbers = _numbers(path, key, values[key], n_dims, float)
    # 1 x 1 is an unset size in any unit.
    return numbers if numbers[:2] == (1, 1) else tuple(float(f"{value * _MM[unit.lower()]:.10g}") for value in numbers)


def _check_header(path: Path) -> _Header:
    """Read the header.

    Raises:
        ValueError: It makes no sense, or is of something else than a picture or a clip.
    """
    values, end = _lines(path)
    (n_dims,) = _numbers(path, "NDims", values["NDims"], 1, int)
    if not 2 <= n_dims <= 4:
        raise ValueError(f"{path}: NDims = {n_dims} (expected 2 or 3, or 4 with a third axis of length 1).")
    dims = _numbers(path, "DimSize", values["DimSize"], n_dims, int)
    if min(dims) < 1 or min(dims[:2]) == 1 or math.prod(dims[:2]) > MAX_FRAME_PIXELS or (n_dims == 4 and dims[2] != 1):
        raise ValueError(f"{path}: DimSize = {values['DimSize']} (expected columns, rows and perhaps frames).")
    if values["ElementType"].upper() not in _TYPES:
        raise ValueError(f"{path}: ElementType = {values['ElementType']} (expected one of {', '.join(_TYPES)}).")
    (n_channels,) = _numbers(path, "ElementNumberOfChannels", values.get("ElementNumberOfChannels", "1"), 1, int)
    dtype = np.dtype(_TYPES[values["ElementType"].upper()])
    if n_channels != 1 and (n_channels not in {3, 4} or dtype != np.uint8):
        raise ValueError(
            f"{path}: {n_channels} channels of {values['ElementType']} (expected 1 of any type, or 3 or 4 colours of"
            " MET_UCHAR)."
        )
    if not _is_true(path, values, "BinaryData", "True"):
        raise ValueError(f"{path}: pixels as text (expected BinaryData = True).")
    is_big = any(_is_true(path, values, key, "False") for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    data_file = _data_file(path, values["ElementDataFile"])
    is_compressed = _is_true(path, values, "CompressedData", "False")
    (skip,) = _numbers(path, "HeaderSize", values.get("HeaderSize", "0"), 1, int)
    header = _Header(
        values,
        data_file,
        end if data_file == path else max(0, skip),
        dims,
        n_channels,
        dtype.newbyteorder(">" if is_big else "<"),
        _spacings(path, values, n_dims),
        is_compressed,
    )
    if skip < 0 and not is_compressed:
        n_bytes = header.frame_bytes * header.n_frames
        return _Header(**{**vars(header), "offset": data_file.stat().st_size - n_bytes})
    return header


def _check_size(path: Path, header: _Header) -> None:
    """Refuse a file that cannot hold what its header declares, before anything is allocated."""
    n_expected = header.frame_bytes * header.n_frames
    n_found = header.data_file.stat().st_size - header.offset
    if header.is_compressed:
        if n_expected > n_found * _MAX_DEFLATE_RATIO:
            raise ValueError(f"{path}: {n_found} bytes cannot hold the {n_expected} that its header declares.")
    elif n_found != n_expected:
        raise ValueError(
            f"{path}: {n_found} bytes of pixels in {header.data_file.name} (expected {n_expected}, as the header says)."
            " Damaged or cut short."
        )


class _Inflated:
    """A zlib stream that is read like a file, and whose checksum is verified at its end."""

    def __init__(self, file: Any) -> None:
        self._file, self._zlib, self._left = file, zlib.decompressobj(), b""

    def read(self, n_bytes: int) -> bytes:
        """Return up to this many bytes."""
        parts: list[bytes] = []
        while n_bytes and not self._zlib.eof:
            self._left = self._zlib.unconsumed_tail or self._left or self._file.read(_CHUNK)
            if not self._left:
                raise zlib.error("the stream ends before its checksum")
            part = self._zlib.decompress(self._left, n_bytes)
            self._left = b""
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)


def _raw_frames(path: Path, header: _Header) -> Iterator[np.ndarray]:
    """Stored pictures as (H, W), or (H, W, colours).

    Raises:
        ValueError: The file ends too early or too late, or its checksum is wrong.
    """
    size = header.shape if header.n_channels == 1 else (*header.shape, header.n_channels)
    try:
        with header.data_file.open("rb") as file:
            file.seek(header.offset)
            source = _Inflated(file) if header.is_compressed else file
            for _ in range(header.n_frames):
                content = source.read(header.frame_bytes)
                if len(content) < header.frame_bytes:
                    raise ValueError(f"{path}: its pixels end too early. Damaged or cut short.")
                yield np.frombuffer(content, header.dtype).reshape(size)
            if source.read(1):
                raise ValueError(f"{path}: more pixels than its header declares. Damaged?")
    except (OSError, zlib.error) as error:
        raise ValueError(f"{path}: pixels damaged or cut short ({error}).") from error


@contextmanager
def _write(target: Path, header: _Header) -> Iterator[Put]:
    """Write label maps as one compressed `.mha`; the header comes first and holds the compressed size."""
    with tempfile.TemporaryFile() as packed:
        deflate = zlib.compressobj()

        def put(labels: np.ndarray) -> None:
            packed.write(deflate.compress(np.ascontiguousarray(labels, np.uint8).tobytes()))

        yield put
        packed.write(deflate.flush())
        geometry = {key: header.values.get(key, "") for key in _GEOMETRY}
        spacing = next((header.values[key] for key in ("ElementSpacing", "ElementSize") if key in header.values), None)
        lines = [
            "ObjectType = Image",
            f"NDims = {len(header.dims)}",
            "BinaryData = True",
            "BinaryDataByteOrderMSB = False",
            "CompressedData = True",
            f"CompressedDataSize = {packed.tell()}",
            *(f"{key} = {value}" for key, value in geometry.items() if re.fullmatch(_GEOMETRY[key], value)),
            *([] if spacing is None else [f"ElementSpacing = {spacing}"]),
            f"DimSize = {' '.join(map(str, header.dims))}",
            "ElementType = MET_UCHAR",
            "ElementDataFile = LOCAL",
        ]
        packed.seek(0)
        with replacing(target) as file:
            file.write(("\n".join(lines) + "\n").encode())
            shutil.copyfileobj(packed, file)


def read_metaimage(path: Path, third_axis: str = "header", *, is_colour: bool = False) -> Clip:
    """Read MetaImage (columns, rows[, frames]); the labels get the geometry of the input.

    Source: MetaIO documentation, itk.org/Wiki/ITK/MetaIO/Documentation. ITK itself does not check what it unpacks.

    Args:
        path: A `.mhd` or `.mha`.
        third_axis: `header`: it is time where the header does not say otherwise; `frames`: it is time.
        is_colour: Whether frames are wanted in colour.

    Raises:
        ValueError: The file is not MetaImage, or of something else than a picture or a clip.
    """
    try:
        header = _check_header(path)
        _check_size(path, header)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as MetaImage ({error}).") from error
    spacing = spacing_of(header.spacings_mm[1], header.spacings_mm[0])
    if third_axis == "header" and len(header.dims) == 3:
        stated = header.values.get("ElementSpacing", header.values.get("ElementSize", "1 1 1"))
        frames_of_third_axis(header.dims[2], float(stated.split()[2]), spacing, path)

    def frames() -> Iterator[Frame]:
        for pixels in display_frames(_raw_frames(path, header), path, is_colour=is_colour):
            yield Frame(pixels, None)

    def labels(target: Path, _: int) -> AbstractContextManager[Put]:
        return _write(target, header)

    aspect = 1.0 if spacing is None else spacing[0] / spacing[1]
    return Clip(path, header.shape, frames, spacing, aspect, labels)
