"""Read NIfTI, and write label maps with the header of the input; frames pass one after another."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

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

_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres in a unit of length, by its code in `xyzt_units`; 0 is unknown."""

_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}
"""Seconds in a unit of time, by its code in `xyzt_units`."""

_COLOUR = {1007: "vector", 2003: "RGB", 2004: "RGBA"}
"""Intents with which a fifth axis of length 3 or 4 is colour."""

_MAX_DEFLATE_RATIO = 1032
"""A deflate stream never unpacks to more than this many times its size (zlib, technical details)."""

_CHUNK = 2**20


@dataclass(frozen=True)
class _Header:
    """What a header says, checked."""

    stored: Any
    """nibabel's header."""
    shape: tuple[int, int]
    """(rows, columns)."""
    n_frames: int
    n_planes: int
    """Colours stored one after another along a fifth axis; 1 if there are none."""
    dtype: np.dtype
    offset: int
    spacing_mm: tuple[float, float] | None
    seconds: float | None
    """Between frames."""
    notes: tuple[str, ...]


def _open(path: Path) -> Any:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _number(value: Any) -> float:
    """The shortest decimal that gives the stored 32-bit number."""
    return float(str(value))


def _parse(path: Path) -> Any:
    """The header in nibabel's words.

    Raises:
        ValueError: It is none.
    """
    try:
        with _open(path) as file:
            block = file.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as NIfTI ({error}).") from error
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(block):
            try:
                header = kind(block[: kind.template_dtype.itemsize], check=False)
            except WrapStructError as error:
                raise ValueError(f"{path}: not a NIfTI header ({error}).") from error
            if header["magic"].item()[:3] == kind.single_magic[:3]:
                return header
            raise ValueError(f"{path}: a header without pixels (expected NIfTI in one file).")
    raise ValueError(f"{path}: not NIfTI (expected its header, found {block[:8]!r}).")


def _axes(path: Path, stored: Any, shape: tuple[int, ...]) -> tuple[tuple[int, int], int, int]:
    """(rows, columns), the length of the third or fourth axis, and the number of colours."""
    padded = (*shape, 1, 1, 1, 1, 1, 1)[:7]
    columns, rows, depth, time, planes = padded[:5]
    expected = "(columns, rows), (columns, rows, frames) or (columns, rows, 1, frames)"
    if len(shape) < 2 or min(shape) < 1 or min(columns, rows) == 1 or max(padded[5:]) > 1 or min(depth, time) > 1:
        raise ValueError(f"{path}: shape {shape} (expected {expected}).")
    if rows * columns > MAX_FRAME_PIXELS:
        raise ValueError(f"{path}: {rows * columns} pixels a frame (expected at most {MAX_FRAME_PIXELS}).")
    intent = int(stored["intent_code"])
    if planes > 1 and (planes not in {3, 4} or max(depth, time) > 1 or intent not in {0, *_COLOUR}):
        raise ValueError(
            f"{path}: a fifth axis of length {planes} and intent {intent} (expected none, or the 3 or 4 colours of one"
            " picture)."
        )
    return (rows, columns), max(depth, time), planes


def _check_header(path: Path, third_axis: str) -> _Header:
    """Read the header.

    Raises:
        ValueError: It makes no sense, or is of something else than a picture or a clip.
    """
    stored = _parse(path)
    try:
        dtype = stored.get_data_dtype()
        shape = tuple(int(size) for size in stored.get_data_shape())
        stored.get_slope_inter()
        offset = int(stored.get_data_offset())
    except (HeaderDataError, KeyError, ValueError, OverflowError, IndexError) as error:
        raise ValueError(f"{path}: a NIfTI header that makes no sense ({error}).") from error
    if offset < stored.template_dtype.itemsize + 4:
        raise ValueError(f"{path}: pixels begin at byte {offset}, inside the header.")
    if dtype.kind not in "iuf" and dtype.fields is None:
        raise ValueError(f"{path}: pixels of type {dtype} (expected integers, floats or colours).")
    size, n_frames, n_planes = _axes(path, stored, shape)
    if n_planes > 1 and dtype != np.uint8:
        raise ValueError(f"{path}: colours of type {dtype} (expected uint8).")
    codes = int(stored["xyzt_units"])
    if codes & 7 not in _MM:
        raise ValueError(f"{path}: unit of length {codes & 7} (expected 1 for m, 2 for mm, 3 for um or 0 for unknown).")
    unit, zooms = _MM[codes & 7], [_number(zoom) for zoom in stored["pixdim"]]
    # 1 x 1 is an unset size in any unit; ten digits hide that 0.0003 m is not quite 0.3 mm.
    row, column = (zooms[axis] if zooms[1] == zooms[2] == 1 else float(f"{zooms[axis] * unit:.10g}") for axis in (2, 1))
    spacing = spacing_of(row, column)
    if third_axis == "header" and len(shape) > 2:
        frames_of_third_axis(shape[2], zooms[3], spacing, path)
    notes = () if spacing is None or codes & 7 else ("the unit of its pixel size is not stated: taken for mm",)
    step = zooms[4] * _SECONDS.get(codes & 56, math.nan) if len(shape) > 3 and shape[3] > 1 else math.nan
    seconds = step if math.isfinite(step) and step > 0 else None
    return _Header(stored, size, n_frames, n_planes, dtype, offset, spacing, seconds, notes)


def _check_size(path: Path, header: _Header) -> None:
    """Refuse a file that cannot hold what its header declares, before anything is allocated."""
    n_expected = header.offset + header.n_frames * header.n_planes * math.prod(header.shape) * header.dtype.itemsize
    n_found = path.stat().st_size
    if path.name.lower().endswith(".gz"):
        if n_expected > n_found * _MAX_DEFLATE_RATIO:
            raise ValueError(f"{path}: {n_found} bytes cannot hold the {n_expected} that its header declares.")
    elif n_found != n_expected:
        raise ValueError(f"{path}: {n_found} bytes (expected {n_expected}, as its header says). Damaged or cut short.")


def _raw_frames(path: Path, header: _Header) -> Iterator[np.ndarray]:
    """Stored pictures as (H, W), or (H, W, colours), scaled as the header says.

    Raises:
        ValueError: The file ends too early or too late, or its checksum is wrong.
    """
    slope, intercept = header.stored.get_slope_inter()
    n_bytes = header.n_planes * math.prod(header.shape) * header.dtype.itemsize
    try:
        with _open(path) as file:
            left = header.offset
            while left and (skipped := len(file.read(min(left, _CHUNK)))):
                left -= skipped
            for _ in range(header.n_frames):
                content = file.read(n_bytes)
                if len(content) < n_bytes:
                    raise ValueError(f"{path}: ends too early. Damaged or cut short.")
                values = np.frombuffer(content, header.dtype)
                if header.dtype.fields is not None:
                    yield np.stack([values[name].reshape(header.shape) for name in header.dtype.names], -1)
                elif header.n_planes > 1:
                    yield np.moveaxis(values.reshape(header.n_planes, *header.shape), 0, -1)
                else:
                    picture = values.reshape(header.shape)
                    is_scaled = slope is not None and (slope, intercept) != (1.0, 0.0)
                    yield picture * slope + intercept if is_scaled else picture
            # Reading to the end also verifies the checksum of a .gz.
            if file.read(1):
                raise ValueError(f"{path}: more bytes than its header declares. Damaged?")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged or cut short ({error}).") from error


@contextmanager
def _write(target: Path, header: Any) -> Iterator[Put]:
    """Write label maps below a header; without a time in it, the same labels give the same bytes."""
    with replacing(target) as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write(header.binaryblock + bytes(4))

        def put(labels: np.ndarray) -> None:
            packed.write(np.ascontiguousarray(labels, np.uint8).tobytes())

        yield put


def _label_header(stored: Any, n_axes: int) -> Any:
    """The input's header for a label map: its geometry, and none of its free text, which may name a patient."""
    header = stored.copy()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(header.get_data_shape()[:n_axes])
    header.set_slope_inter(1, 0)
    for name in ("cal_max", "cal_min", "intent_code", "intent_p1", "intent_p2", "intent_p3"):
        header[name] = 0
    for name in ("descrip", "aux_file", "intent_name", "db_name"):
        if name in header.keys():  # noqa: SIM118 - not a dictionary
            header[name] = b""
    header["vox_offset"] = header.template_dtype.itemsize + 4
    return header


def read_nifti(path: Path, third_axis: str = "header", *, is_colour: bool = False) -> Clip:
    """Read 2D, or 2D and time; the stored array (column, row[, time]) is transposed, never reoriented by its affine.

    Source: NIfTI-1 header, nifti.nimh.nih.gov.

    Args:
        path: A `.nii` or `.nii.gz`.
        third_axis: `header`: it is time where the header does not say otherwise; `frames`: it is time.
        is_colour: Whether frames are wanted in colour.

    Raises:
        ValueError: The file is not NIfTI, or of something else than a picture or a clip.
    """
    header = _check_header(path, third_axis)
    _check_size(path, header)

    def frames() -> Iterator[Frame]:
        for index, pixels in enumerate(display_frames(_raw_frames(path, header), path, is_colour=is_colour)):
            yield Frame(pixels, None if header.seconds is None else index * header.seconds)

    def labels(target: Path, _: int) -> AbstractContextManager[Put]:
        return _write(target, _label_header(header.stored, 4 if header.n_planes > 1 else 7))

    aspect = 1.0 if header.spacing_mm is None else header.spacing_mm[0] / header.spacing_mm[1]
    return Clip(path, header.shape, frames, header.spacing_mm, aspect, labels, header.notes)


def nifti_labels(
    target: Path, shape: tuple[int, int], n_frames: int, spacing_mm: tuple[float, float] | None
) -> AbstractContextManager[Put]:
    """Open a label map (columns, rows, frames) for a video or DICOM: a video's codec would blur label maps.

    Args:
        target: The file.
        shape: (rows, columns).
        n_frames: How many label maps will come.
        spacing_mm: (row, column); None where it is unknown.
    """
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((*shape[::-1], n_frames))
    row, column = spacing_mm or (1.0, 1.0)
    header.set_sform(np.diag([-column, -row, 1.0, 1.0]), code=2)
    header["pixdim"][1:4] = column, row, 1.0
    if spacing_mm:
        header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header["vox_offset"] = 352
    header["magic"] = header.single_magic
    return _write(target, header)
