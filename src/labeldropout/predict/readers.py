"""Read any images and videos, and write label maps in the same format."""

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813 - its usual alias
from PIL import Image, UnidentifiedImageError

from labeldropout.files import replacing

_FRAME_MS = 60
"""How long an animated overlay shows each frame."""


@dataclass(frozen=True)
class Clip:
    """One input file."""

    frames: np.ndarray
    """uint8 (T, H, W), upright, row 0 at the probe."""
    spacing_mm: tuple[float, float] | None
    """(row, column); None if the file does not say, or says 1 in both directions."""
    write: Callable[[np.ndarray, Path], Path]
    """Writes label maps, uint8 (T, H, W), in the input's geometry to a path without suffix; returns the full path."""


def _grey(values: np.ndarray, path: Path) -> np.ndarray:
    """Convert intensities to uint8.

    Raises:
        ValueError: Intensities are not finite or not within 0 to 255; other ranges have no agreed display and are not
            guessed.
    """
    values = np.asarray(values)
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: not every intensity is a finite number.")
    low, high = float(values.min()), float(values.max())
    if low < -0.5 or high > 255.5:
        raise ValueError(f"{path}: intensities from {low:g} to {high:g} (expected 0 to 255). Convert to 8 bits first.")
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _spacing(row: float, column: float) -> tuple[float, float] | None:
    """The spacing, unless it looks unset."""
    usable = np.isfinite([row, column]).all() and row > 0 and column > 0 and (row, column) != (1.0, 1.0)
    return (float(row), float(column)) if usable else None


def _luma(colour: np.ndarray) -> np.ndarray:
    """Grey from (..., 3) RGB, by ITU-R BT.601 as in Pillow."""
    return colour.astype(float) @ (0.299, 0.587, 0.114)


def _read_nifti(path: Path) -> Clip:
    """Read 2D, or 2D and time; the stored array (column, row[, time]) is transposed, never reoriented by its affine."""
    try:
        image = nib.load(path)
        values = np.asanyarray(image.dataobj)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as NIfTI ({error}).") from error
    if values.dtype.fields is not None:
        values = _luma(np.stack([values[name] for name in ("R", "G", "B")], -1))
    # NIfTI pads with trailing axes of length 1; the first two axes are the picture.
    shape = values.shape
    longer = [length for length in shape[2:] if length > 1]
    if len(shape) < 2 or len(longer) > 1 or min(shape) == 0:
        raise ValueError(f"{path}: shape {shape} (expected (columns, rows) or (columns, rows, frames)).")
    frames = _grey(values.reshape(*shape[:2], -1).transpose(2, 1, 0), path)
    zooms = image.header.get_zooms()

    def write(labels: np.ndarray, target: Path) -> Path:
        header = image.header.copy()
        header.set_data_dtype(np.uint8)
        header.set_slope_inter(1, 0)
        stored = labels.transpose(2, 1, 0).reshape(shape)
        written = target.with_name(target.name + ".nii.gz")
        with replacing(written) as file:
            made = type(image)(stored, image.affine, header)
            file.write(_gzip(made.to_bytes()))
        return written

    return Clip(frames, _spacing(float(zooms[1]), float(zooms[0])), write)


def _gzip(content: bytes) -> bytes:
    """Compress without a timestamp, so that the same labels give the same bytes."""
    return gzip.compress(content, mtime=0)


def _read_metaimage(path: Path) -> Clip:
    """Read MetaImage (columns, rows[, frames]); the labels get the header of the input."""
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: cannot be read as MetaImage ({str(error).strip().splitlines()[-1]}).") from error
    values = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 3:
        values = _luma(values)
    shape = values.shape
    if values.ndim not in {2, 3}:
        raise ValueError(f"{path}: shape {shape} (expected rows and columns, or frames, rows and columns).")
    frames = _grey(values.reshape(-1, *shape[-2:]), path)
    spacing = image.GetSpacing()

    def write(labels: np.ndarray, target: Path) -> Path:
        made = sitk.GetImageFromArray(labels.reshape(shape))
        made.SetSpacing(image.GetSpacing())
        made.SetOrigin(image.GetOrigin())
        made.SetDirection(image.GetDirection())
        # MetaImage in one file: a separate header and data file could not be replaced together.
        written = target.with_name(target.name + ".mha")
        beside = target.with_name(f".{target.name}.part.mha")
        sitk.WriteImage(made, str(beside), useCompression=True)
        beside.replace(written)
        return written

    return Clip(frames, _spacing(spacing[1], spacing[0]), write)


def _write_png(labels: np.ndarray, target: Path) -> Path:
    """Write one PNG with the values 0 to 3."""
    written = target.with_name(target.name + ".png")
    with replacing(written) as file:
        Image.fromarray(labels[0]).save(file, format="PNG")
    return written


def _read_png(path: Path) -> Clip:
    """Read a still; coloured pixels are converted to luma, as in the importers."""
    try:
        with Image.open(path) as picture:
            picture.load()
            if picture.mode.startswith(("I", "F")):
                values = np.asarray(picture)
            else:
                flat = picture.convert("RGBA") if "A" in picture.mode or "transparency" in picture.info else picture
                values = np.asarray(flat.convert("RGB").convert("L"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as PNG ({error}).") from error
    return Clip(_grey(values, path)[None], None, _write_png)


def _write_video_labels(labels: np.ndarray, target: Path) -> Path:
    """Write NIfTI (columns, rows, frames) with the values 0 to 3: a video codec would blur label maps."""
    written = target.with_name(target.name + ".nii.gz")
    made = nib.Nifti1Image(labels.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
    with replacing(written) as file:
        file.write(_gzip(made.to_bytes()))
    return written


def _read_video(path: Path) -> Clip:
    """Read all frames, decoding them one after the other."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path}: no video stream.")
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path}: cannot be decoded as a video ({error}).") from error
    if not frames or len({frame.shape for frame in frames}) != 1:
        raise ValueError(f"{path}: {len(frames)} frames (expected at least one, all of one size).")
    return Clip(np.stack(frames), None, _write_video_labels)


READERS: dict[str, Callable[[Path], Clip]] = {
    ".nii": _read_nifti,
    ".nii.gz": _read_nifti,
    ".mhd": _read_metaimage,
    ".mha": _read_metaimage,
    ".png": _read_png,
    ".avi": _read_video,
    ".mp4": _read_video,
}
"""Readers by file extension."""


def _ending(path: Path) -> str | None:
    """The known extension of a file; None if it has none."""
    name = path.name.lower()
    return next((ending for ending in sorted(READERS, key=len, reverse=True) if name.endswith(ending)), None)


def find_inputs(inputs: Iterable[Path]) -> tuple[dict[Path, Path], list[Path]]:
    """Find the files to predict.

    Args:
        inputs: Files and folders; folders are searched recursively, in sorted order.

    Returns:
        Input file by its output path, relative and without extension; and the files in folders with unknown extensions.

    Raises:
        ValueError: A file does not exist or has an unknown extension, there is nothing to predict, or two inputs have
            the same output.
    """
    found: dict[Path, Path] = {}
    unknown: list[Path] = []
    for given in inputs:
        if given.is_dir():
            files = [(path, path.relative_to(given)) for path in sorted(given.rglob("*")) if path.is_file()]
        elif given.is_file():
            files = [(given, Path(given.name))]
            if _ending(given) is None:
                raise ValueError(f"{given}: unknown extension (expected one of {', '.join(READERS)}).")
        else:
            raise ValueError(f"{given}: no such file or folder.")
        for path, relative in files:
            ending = _ending(path)
            if ending is None:
                # The data file of a MetaImage header belongs to it.
                if not path.with_suffix(".mhd").exists():
                    unknown.append(path)
                continue
            name = relative.with_name(relative.name[: -len(ending)])
            if name in found:
                raise ValueError(
                    f"{path}: its output {name} would replace that of {found[name]}. Predict them into two folders."
                )
            found[name] = path
    if not found:
        raise ValueError(f"nothing to predict (expected files that end in {', '.join(READERS)}; found {unknown}).")
    return found, unknown
