"""Read NIfTI and MetaImage files strictly: check sizes before allocating memory, and never reorient axes."""

import gzip
import hashlib
import io
import math
import re
import zlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PureWindowsPath

import numpy as np

from labeldropout.case import DatasetError

MAX_PIXELS = 2**26
"""Largest number of pixels that a file may declare: about thirty times a long clip of large frames."""


_MAX_HEADER_BYTES = 2**16


_MAX_DEFLATE_RATIO = 1032
"""A deflate stream never unpacks to more than this many times its size (zlib, technical details)."""


_ELEMENT_TYPES = {"MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_FLOAT": "f4"}


_NIFTI_UNITS = {0: 0, 1: 3, 2: 0, 3: -3}
"""Power of ten that turns `xyzt_units` (NIfTI-1, nifti1.h) into mm: unknown (taken for mm), metre, mm, micron."""


_METAIMAGE_UNITS = {"?": 0, "mm": 0, "um": -3, "cm": 1, "m": 3}
"""The same for MetaImage's `DistanceUnits`."""


_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class StoredImage:
    """The content of an image file."""

    path: Path
    values: np.ndarray
    """(..., H, W) in the stored order, scaled as the header says; axes of length 1 before the last two are dropped."""
    pixel_spacing_mm: tuple[float, float]
    """(row, column), finite and positive."""
    slope: float
    """Factor applied to the stored numbers; 1 if there is none."""
    sha256: str
    """Hash of the file that contains the pixels."""
    pixel_file: Path
    """That file: the image itself, or the data file next to a MetaImage header."""


def _spacing(dataset: str, path: Path, row: str, column: str, power: int) -> tuple[float, float]:
    """(row, column) in mm; `power` of ten turns the header's unit into mm."""
    spacing = _in_mm(row, power), _in_mm(column, power)
    if not all(math.isfinite(value) and value > 0 for value in spacing) or float(row) == float(column) == 1:
        raise DatasetError.about(
            dataset, path, "wrong pixel spacing", "finite positive numbers, not 1 x 1 (unset)", f"{row} x {column}"
        )
    return spacing


def _in_mm(length: str, power: int) -> float:
    """A length in mm, exactly as in decimal notation."""
    try:
        return float(Decimal(length).scaleb(power))
    except ArithmeticError:
        return math.nan


def _shape(dataset: str, path: Path, columns_first: tuple[int, ...]) -> tuple[int, ...]:
    """Shape (..., H, W) of a file whose header says (W, H, ...); axes after the fourth, such as colour, are no time."""
    shape = tuple(reversed(columns_first))
    if len(shape) < 2 or min(shape) < 1:
        raise DatasetError.about(dataset, path, "wrong shape", "W, H and more, all positive", columns_first)
    if min(columns_first[:2]) == 1 or max(columns_first[4:], default=1) > 1:
        expected = "columns and rows first, then frames, one value per pixel"
        raise DatasetError.about(dataset, path, "axes in another order", expected, columns_first)
    if math.prod(shape) > MAX_PIXELS:
        raise DatasetError.about(dataset, path, "declares too many pixels", f"at most {MAX_PIXELS}", columns_first)
    return shape


def _squeezed(values: np.ndarray) -> np.ndarray:
    axes = tuple(axis for axis in range(values.ndim - 2) if values.shape[axis] == 1)
    return values.squeeze(axes)


def read_bytes(dataset: str, path: Path) -> bytes:
    """The content of a file.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError.about(dataset, path, "cannot be read", "a file", error.strerror) from error


def unpack(dataset: str, path: Path, packed: bytes, n_bytes: int) -> bytes:
    """At most the first `n_bytes` of a file that is compressed if its name ends in `.gz`.

    Args:
        dataset: Name of the data set, for messages.
        path: Where the bytes come from.
        packed: The file as it is stored.
        n_bytes: Where to stop; if the content ends earlier, its check sum has been verified.

    Raises:
        DatasetError: The file is damaged or cut short.
    """
    if path.suffix.lower() != ".gz":
        return packed[:n_bytes]
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            return file.read(n_bytes)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError.about(
            dataset, path, "damaged or truncated", "a gzip file", f"{len(packed)} bytes: {error}", "Get it again."
        ) from error


def read_nifti(path: Path, dataset: str) -> StoredImage:
    """Read a `.nii` or `.nii.gz` file; x becomes the columns, y the rows, and the affine is ignored.

    Similar public files have negative diagonals in the affine, so that reorienting them would flip the picture.
    Source: NIfTI-1 header, nifti.nimh.nih.gov.

    Args:
        path: The file.
        dataset: Name of the data set, for messages.

    Raises:
        DatasetError: The file is not NIfTI-1, is truncated, too large, not of the declared size or not numeric, or its
            spacing is wrong.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    packed = read_bytes(dataset, path)
    block = unpack(dataset, path, packed, 348)
    try:
        header = Nifti1Header(block, check=False)  # nibabel's own check repairs silently; ours, below, refuses
        data_type = header.get_data_dtype()
        columns_first = tuple(int(size) for size in header.get_data_shape())
        slope = header.get_slope_inter()[0]
        offset = int(header.get_data_offset())
    except (HeaderDataError, WrapStructError, KeyError, ValueError, OverflowError) as error:
        raise DatasetError.about(
            dataset, path, "not a NIfTI-1 header", "348 bytes in that format", f"{len(block)} bytes: {error}"
        ) from error
    if int(header["sizeof_hdr"]) != 348 or header["magic"].item() != b"n+1":
        found = f"{int(header['sizeof_hdr'])}, {header['magic'].item()!r}"
        raise DatasetError.about(dataset, path, "not a NIfTI-1 file", "header size 348 and magic n+1", found)
    if offset < 352:
        raise DatasetError.about(dataset, path, "pixels inside the header", "vox_offset of 352 or more", offset)
    if data_type.kind not in "iuf":
        raise DatasetError.about(dataset, path, "wrong kind of pixels", "integers or floats", data_type)
    shape = _shape(dataset, path, columns_first)
    unit = int(header["xyzt_units"]) & 7
    if unit not in _NIFTI_UNITS:
        raise DatasetError.about(dataset, path, "unknown unit of length", "metre, mm or micron", f"code {unit}")
    zooms = [str(zoom) for zoom in header["pixdim"][1:3]]  # shortest decimal that gives the 32-bit number
    spacing = _spacing(dataset, path, zooms[1], zooms[0], _NIFTI_UNITS[unit])
    n_expected = offset + math.prod(shape) * data_type.itemsize
    if n_expected > len(packed) * _MAX_DEFLATE_RATIO:
        raise DatasetError.about(dataset, path, "wrong size", f"{n_expected} bytes of content", f"{len(packed)} bytes")
    content = unpack(dataset, path, packed, n_expected + 1)
    if len(content) != n_expected:
        found = f"{len(content)} bytes" if len(content) < n_expected else "more"
        raise DatasetError.about(dataset, path, "wrong size", f"{n_expected} bytes of content", found)
    values = np.asarray(header.data_from_fileobj(io.BytesIO(content))).T
    return StoredImage(
        path,
        _squeezed(values),
        spacing,
        1.0 if slope is None else float(slope),
        hashlib.sha256(packed).hexdigest(),
        path,
    )


def _metaimage_header(dataset: str, path: Path) -> dict[str, str]:
    if path.is_file() and path.stat().st_size > _MAX_HEADER_BYTES:
        raise DatasetError.about(
            dataset, path, "header too long", f"at most {_MAX_HEADER_BYTES} bytes", f"{path.stat().st_size} bytes"
        )
    try:
        text = read_bytes(dataset, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError.about(dataset, path, "not a text header", "Key = Value", f"byte {error.start}") from error
    header: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key:
            raise DatasetError.about(dataset, f"{path}:{number}", "not a header line", "Key = Value", repr(line[:60]))
        if key in header:
            raise DatasetError.about(dataset, f"{path}:{number}", "duplicate key", f"{key} once", "twice")
        header[key] = value
    missing = [
        key for key in ("NDims", "DimSize", "ElementSpacing", "ElementType", "ElementDataFile") if key not in header
    ]
    if missing:
        raise DatasetError.about(dataset, path, "missing key", ", ".join(missing), sorted(header) or "an empty header")
    return header


def _numbers(dataset: str, path: Path, key: str, text: str, count: int, kind: type[int] | type[float]) -> list:
    try:
        numbers = [kind(part) for part in text.split()]
    except ValueError as error:
        raise DatasetError.about(
            dataset, path, f"{key} is not numeric", f"{count} x {kind.__name__}", repr(text)
        ) from error
    if len(numbers) != count:
        raise DatasetError.about(dataset, path, f"wrong {key}", f"{count} numbers", repr(text))
    return numbers


def _boolean(dataset: str, path: Path, header: dict[str, str], key: str, default: bool) -> bool:
    text = header.get(key, str(default))
    if text.lower() not in _BOOLEANS:
        raise DatasetError.about(dataset, path, f"wrong {key}", "True or False", repr(text))
    return _BOOLEANS[text.lower()]


def _data_file(dataset: str, path: Path, name: str) -> Path:
    """Return the data file next to the header; refuse a name that points anywhere else."""
    plain = name not in {"", ".", "..", "LOCAL", "LIST"} and not re.search(r"[%\s]", name)
    if not plain or PureWindowsPath(name).name != name:  # handles both kinds of slash, and drive letters
        raise DatasetError.about(dataset, path, "ElementDataFile", "the name of one file beside the header", repr(name))
    data_file = path.with_name(name)
    if not data_file.is_file():
        raise DatasetError.about(dataset, data_file, "missing file", f"the pixels of {path.name}", "no such file")
    return data_file


def read_metaimage(path: Path, dataset: str) -> StoredImage:
    """Read an uncompressed MetaImage: a `.mhd` header and the data file next to it.

    Source: MetaIO documentation, itk.org/Wiki/ITK/MetaIO/Documentation.

    Args:
        path: The header.
        dataset: Name of the data set, for messages.

    Raises:
        DatasetError: The header does not follow the format, the data file has the wrong size or is not next to it, or
            the spacing is wrong.
    """
    header = _metaimage_header(dataset, path)
    (n_dims,) = _numbers(dataset, path, "NDims", header["NDims"], 1, int)
    if n_dims not in {2, 3, 4}:
        raise DatasetError.about(dataset, path, "wrong NDims", "2, 3 or 4", n_dims)
    shape = _shape(dataset, path, tuple(_numbers(dataset, path, "DimSize", header["DimSize"], n_dims, int)))
    spacings = _numbers(dataset, path, "ElementSpacing", header["ElementSpacing"], n_dims, float)
    unit = header.get("DistanceUnits", "mm").lower()
    if unit not in _METAIMAGE_UNITS:
        raise DatasetError.about(dataset, path, "unknown DistanceUnits", ", ".join(_METAIMAGE_UNITS), repr(unit))
    spacing = _spacing(dataset, path, repr(spacings[1]), repr(spacings[0]), _METAIMAGE_UNITS[unit])
    if header["ElementType"] not in _ELEMENT_TYPES:
        raise DatasetError.about(dataset, path, "wrong ElementType", ", ".join(_ELEMENT_TYPES), header["ElementType"])
    if _boolean(dataset, path, header, "CompressedData", default=False):
        raise DatasetError.about(
            dataset, path, "compressed data", "CompressedData = False", "True", "Save it again without compression."
        )
    if not _boolean(dataset, path, header, "BinaryData", default=True):
        raise DatasetError.about(dataset, path, "data as text", "BinaryData = True", "False")
    for key, only in (("ElementNumberOfChannels", "1"), ("HeaderSize", "0")):
        if header.get(key, only) != only:
            raise DatasetError.about(dataset, path, f"wrong {key}", only, header[key])
    big_endian = any(
        _boolean(dataset, path, header, key, default=False) for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    )
    data_type = np.dtype(_ELEMENT_TYPES[header["ElementType"]]).newbyteorder(">" if big_endian else "<")
    data_file = _data_file(dataset, path, header["ElementDataFile"])
    n_expected = math.prod(shape) * data_type.itemsize
    n_found = data_file.stat().st_size
    if n_found != n_expected:
        raise DatasetError.about(
            dataset, data_file, "wrong size", f"{n_expected} bytes, as {path.name} says", f"{n_found} bytes"
        )
    content = read_bytes(dataset, data_file)
    values = np.frombuffer(content, data_type).reshape(shape)
    return StoredImage(path, _squeezed(values), spacing, 1.0, hashlib.sha256(content).hexdigest(), data_file)
