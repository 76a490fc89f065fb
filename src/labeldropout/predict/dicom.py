"""Read DICOM ultrasound: single and multi-frame, its calibrated region, its times; never its words about a patient."""

import logging
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.predict.clip import MAX_FRAME_PIXELS, Clip, Frame, Put, differ, display_frames, spacing_of
from labeldropout.predict.nifti import nifti_labels

MISSING = "DICOM needs pydicom: pip install 'labeldropout[predict,dicom]'"

_TWO_DIMENSIONAL, _TISSUE, _CM = 1, 1, 3
"""Codes of Region Spatial Format, Region Data Type and Physical Units (DICOM PS3.3, C.8.5.5)."""

_SPATIAL_FORMATS = {0: "none", 1: "2D", 2: "M-mode", 3: "spectral", 4: "wave form", 5: "graphics"}

_RESAMPLED = "113085"
"""Code of "Spatial resampling" in a Derivation Code Sequence (PS3.16, CID 7203)."""

_RESCALED = re.compile(r"re-?siz|re-?scal|re-?sampl|scaled|zoom", re.IGNORECASE)

_SAME_SIZE = 0.01
"""Two statements of a pixel size that differ by less than this share agree."""

_DAMAGES = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its decoders raise for damaged or unusual files, but for its own exceptions."""


@dataclass(frozen=True)
class _Region:
    """The part of the picture that shows tissue."""

    rows: slice
    columns: slice
    spacing_mm: tuple[float, float] | None
    notes: tuple[str, ...]


@contextmanager
def _silent() -> Iterator[None]:
    """Keep pydicom's warnings back: they may quote what a file says about a patient."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(before)


def _damages() -> tuple[type[Exception], ...]:
    """What pydicom and its decoders raise."""
    from pydicom.errors import BytesLengthException, InvalidDicomError  # noqa: PLC0415 - an extra

    return (*_DAMAGES, BytesLengthException, InvalidDicomError)


def _header(path: Path) -> Any:
    """Everything but the pixels.

    Raises:
        ValueError: The file is not DICOM, or holds no picture. The message never quotes the file.
    """
    try:
        import pydicom  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ValueError(f"{path}: {MISSING}") from error
    try:
        with _silent():
            found = pydicom.dcmread(path, stop_before_pixels=True)
            size = int(found.get("Rows") or 0), int(found.get("Columns") or 0)
            kind = found.file_meta.MediaStorageSOPClassUID.name if "MediaStorageSOPClassUID" in found.file_meta else "?"
    except pydicom.errors.InvalidDicomError:
        raise ValueError(f"{path}: not a DICOM file (expected 128 bytes and DICM at its beginning).") from None
    except _damages() as error:
        raise ValueError(f"{path}: a DICOM header that cannot be read ({type(error).__name__}).") from None
    if min(size) < 2:
        raise ValueError(f"{path}: DICOM without a picture ({kind}).")
    if size[0] * size[1] > MAX_FRAME_PIXELS:
        raise ValueError(f"{path}: {size[0]} x {size[1]} pixels (expected at most {MAX_FRAME_PIXELS} in all).")
    return found


def _number(element: Any, name: str) -> float:
    """A number of a header; NaN where it is missing or no number."""
    try:
        return float(element.get(name))
    except (TypeError, ValueError):
        return float("nan")


def _numbers(element: Any, name: str) -> tuple[float, ...]:
    """Several numbers of a header; none where one is no number."""
    value = element.get(name)
    try:
        return tuple(float(one) for one in (value if isinstance(value, Sequence) or hasattr(value, "__iter__") else ()))
    except (TypeError, ValueError):
        return ()


def _was_rescaled(header: Any) -> bool:
    """Whether the header says that the picture was resampled after it had been calibrated."""
    codes = [str(item.get("CodeValue", "")) for item in header.get("DerivationCodeSequence") or ()]
    return _RESAMPLED in codes or _RESCALED.search(str(header.get("DerivationDescription", ""))) is not None


def _bounds(region: Any) -> tuple[float, float, float, float]:
    """Left, top, right and bottom column and row, inclusive."""
    x0, y0, x1, y1 = (_number(region, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1"))
    return x0, y0, x1, y1


def _chosen(path: Path, header: Any) -> Any | None:
    """The one region of two-dimensional tissue; None if the file describes no regions.

    Raises:
        ValueError: There is none among the regions, or more than one.
    """
    regions = list(header.get("SequenceOfUltrasoundRegions") or ())
    if not regions:
        return None
    formats = [int(_number(one, "RegionSpatialFormat") if one.get("RegionSpatialFormat") else 0) for one in regions]
    tissue = [
        one
        for one, kind in zip(regions, formats, strict=True)
        if kind == _TWO_DIMENSIONAL and _number(one, "RegionDataType") == _TISSUE
    ]
    if not tissue:
        found = ", ".join(_SPATIAL_FORMATS.get(kind, str(kind)) for kind in formats)
        raise ValueError(f"{path}: no region of 2D tissue among its ultrasound regions ({found}).")
    if len({_bounds(one) for one in tissue}) > 1:
        raise ValueError(
            f"{path}: {len(tissue)} regions of 2D tissue (expected one picture of a heart). Cut them apart first."
        )
    return tissue[0]


def _calibration(header: Any, chosen: Any) -> tuple[tuple[float, float] | None, str]:
    """Pixel size (row, column) in mm of a region inside the picture; None and the reason where it cannot be right."""
    row, column = (abs(_number(chosen, f"PhysicalDelta{axis}")) * 10 for axis in "YX")
    units = {_number(chosen, f"PhysicalUnits{axis}Direction") for axis in "XY"}
    spacing = spacing_of(*(float(f"{value:.10g}") for value in (row, column)))
    plain = _plain_spacing(header)
    if units != {_CM} or spacing is None:
        return None, "its region is not calibrated in cm, so there are no areas in cm2"
    if _was_rescaled(header):
        return None, "the picture was resampled, so its calibration is not used"
    if plain is not None and not np.allclose(plain, spacing, rtol=_SAME_SIZE):
        return None, f"two pixel sizes, {spacing} mm in its region and {plain} mm beside it: neither is used"
    return spacing, ""


def _plain_spacing(header: Any) -> tuple[float, float] | None:
    """Pixel size stated for the whole picture."""
    stated = _numbers(header, "PixelSpacing")
    return spacing_of(*stated) if len(stated) == 2 else None


def _region(path: Path, header: Any, shape: tuple[int, int]) -> _Region:
    """Where tissue is, and its calibration, refused with the reason where it cannot be right.

    Raises:
        ValueError: See `_chosen`.
    """
    whole = slice(0, shape[0]), slice(0, shape[1])
    chosen = _chosen(path, header)
    if chosen is None:
        return _Region(*whole, _plain_spacing(header), ())
    x0, y0, x1, y1 = _bounds(chosen)
    if not np.isfinite([x0, y0, x1, y1]).all() or min(x0, y0) < 0 or x1 <= x0 or y1 <= y0:
        reason = "the bounds of its region make no sense, so its calibration is not used"
    elif x1 > shape[1] or y1 > shape[0]:
        reason = (
            f"its region reaches to column {x1:g} and row {y1:g}, and the picture has {shape[1]} and {shape[0]}: it"
            " must have been cut or rescaled, so its calibration is not used"
        )
    else:
        spacing, reason = _calibration(header, chosen)
        inside = slice(int(y0), int(y1) + 1), slice(int(x0), int(x1) + 1)
        return _Region(*inside, spacing, (reason,) if reason else ())
    return _Region(*whole, None, (reason,))


def _times(header: Any, n_frames: int) -> tuple[list[float] | None, tuple[str, ...]]:
    """Seconds of each frame from the first, and what the user should know."""
    if n_frames == 1:
        return None, ()
    vector = _numbers(header, "FrameTimeVector")
    if vector:
        if len(vector) == n_frames and min(vector[1:]) >= 0:
            return [round(float(one), 6) for one in np.cumsum((0, *vector[1:])) / 1000], ()
        return None, (f"{len(vector)} frame times for {n_frames} frames: no times",)
    step_ms = _number(header, "FrameTime")
    for name in ("CineRate", "RecommendedDisplayFrameRate"):
        if not step_ms > 0 and _number(header, name) > 0:
            step_ms = 1000 / _number(header, name)
    return ([round(number * step_ms / 1000, 6) for number in range(n_frames)] if step_ms > 0 else None), ()


def _n_frames(header: Any) -> int:
    number = _number(header, "NumberOfFrames")
    return int(number) if number >= 1 else 1


def _pictures(path: Path, header: Any) -> Iterator[np.ndarray]:
    """Decoded frames, one after another: (H, W) or (H, W, 3).

    Raises:
        ValueError: One cannot be decoded, or their number is another one than the header's.
    """
    from pydicom.pixels import apply_color_lut, apply_modality_lut, iter_pixels  # noqa: PLC0415 - an extra

    colours = str(header.get("PhotometricInterpretation", ""))
    with _silent():
        n_expected, n_found = _n_frames(header), 0
    try:
        with _silent():
            decoded = iter_pixels(path)
        while True:
            with _silent():
                picture = next(decoded, None)
                if picture is None:
                    break
                if colours == "PALETTE COLOR":
                    picture = apply_color_lut(picture, header)
                    picture = picture >> 8 if picture.dtype.itemsize > 1 else picture
                elif picture.ndim == 2:
                    picture = apply_modality_lut(picture, header)
            if colours == "MONOCHROME1":
                picture = 2 ** int(header.BitsStored) - 1 - picture.astype(float)
            n_found += 1
            yield picture
    except _damages() as error:
        syntax = getattr(header.file_meta.get("TransferSyntaxUID"), "name", "no transfer syntax")
        raise ValueError(
            f"{path}: frame {n_found} of {n_expected} cannot be decoded ({syntax}; {type(error).__name__}). Damaged,"
            " cut short, or in need of another program: convert it to uncompressed DICOM."
        ) from error
    if n_found != n_expected:
        raise ValueError(f"{path}: {n_found} frames (expected {n_expected}, as its header says). Damaged or cut short.")


def _clip(path: Path, header: Any, *, is_colour: bool) -> Clip:
    """What a header says, as a clip."""
    shape = int(header.Rows), int(header.Columns)
    region = _region(path, header, shape)
    seconds, notes = _times(header, _n_frames(header))
    ratio = _numbers(header, "PixelAspectRatio")
    aspect = ratio[0] / ratio[1] if len(ratio) == 2 and min(ratio) > 0 else 1.0
    spacing = region.spacing_mm
    if spacing is not None and aspect != 1 and differ((spacing[0] / spacing[1],), (aspect,)):
        notes = (*notes, "its pixel size and its pixel aspect ratio contradict each other, so the size is not used")
        spacing = None
    aspect = aspect if spacing is None else spacing[0] / spacing[1]

    def frames() -> Iterator[Frame]:
        for number, pixels in enumerate(display_frames(_pictures(path, header), path, is_colour=is_colour)):
            shown = np.zeros_like(pixels)
            shown[region.rows, region.columns] = pixels[region.rows, region.columns]
            yield Frame(shown, seconds[number] if seconds and number < len(seconds) else None)

    def labels(target: Path, n_frames: int) -> AbstractContextManager[Put]:
        return nifti_labels(target, shape, n_frames, spacing)

    return Clip(path, shape, frames, spacing, aspect, labels, (*region.notes, *notes))


def read_dicom(path: Path, *, is_colour: bool = False) -> Clip:
    """Read a DICOM picture or clip; only its region of two-dimensional tissue is shown, the rest is black.

    So are names that a scanner writes beside the picture, where the file describes its region.

    Args:
        path: A DICOM file, whatever its extension.
        is_colour: Whether frames are wanted in colour.

    Raises:
        ValueError: The file is not DICOM, holds no picture, or no two-dimensional one of tissue.
    """
    header = _header(path)
    try:
        with _silent():
            return _clip(path, header, is_colour=is_colour)
    except _damages() as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: a DICOM header that makes no sense ({type(error).__name__}).") from None


def is_dicom(path: Path) -> bool:
    """Whether a file of any name begins as DICOM does, and is no directory of a medium."""
    if path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
