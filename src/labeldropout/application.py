"""The verb `predict`: outline the structures in anybody's images and videos."""

import gzip
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import nibabel as nib
import numpy as np
import pandas as pd
import SimpleITK as sitk  # noqa: N813 - its own habit
from PIL import Image, ImageDraw, UnidentifiedImageError
from scipy import ndimage

from labeldropout.cone import FoundCone, aspect_of, find_cone, square_crop, to_grid
from labeldropout.devices import choose_device
from labeldropout.labels import COLOURS, Structure
from labeldropout.prediction import Model, load_model
from labeldropout.preparation import blank
from labeldropout.store import replacing, write_table

_LOG = logging.getLogger(__name__)
_REPOSITORY = Path(__file__).resolve().parents[2]
RELEASED_WEIGHTS = _REPOSITORY / "results" / "released" / "label_dropout.safetensors"
"""The model that comes with the repository; there in an editable installation."""
AREAS = {
    "file": "input, as given or below the folder given",
    "frame": "from 0",
    "structure": "LV, LVM or LA",
    "area_px": "pixels of the input's own grid",
    "area_cm2": "area in square centimetres; empty where the file gives no usable spacing",
    "cone": "how the cone was found: geometry (alone on black), fit, hull, network+fit, whole-frame or none",
}
"""`areas.csv`: one row per file, frame and structure."""
_FRAME_MS = 60
"""Shown time of a frame of an animated overlay."""
_BATCH = 32
"""Frames predicted at a time."""


@dataclass(frozen=True)
class Clip:
    """One input file."""

    frames: np.ndarray
    """uint8 (T, H, W), upright, row 0 at the probe."""
    spacing_mm: tuple[float, float] | None
    """(row, column); None where the file does not say or says 1 in both directions."""
    write: Callable[[np.ndarray, Path], Path]
    """Writes label maps, uint8 (T, H, W), to a path without ending, in the geometry of the input; the path written."""


def _grey(values: np.ndarray, path: Path) -> np.ndarray:
    """Intensities as uint8.

    Raises:
        ValueError: Not finite, or beyond 0 to 255; other ranges have no agreed display and are not guessed.
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
    """Grey from (..., 3) RGB, ITU-R BT.601 as Pillow."""
    return colour.astype(float) @ (0.299, 0.587, 0.114)


def _read_nifti(path: Path) -> Clip:
    """2D, or 2D and time; the stored array (column, row[, time]) is transposed and never reoriented by its affine."""
    try:
        image = nib.load(path)
        values = np.asanyarray(image.dataobj)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as NIfTI ({error}).") from error
    if values.dtype.fields is not None:
        values = _luma(np.stack([values[name] for name in ("R", "G", "B")], -1))
    # Trailing axes of length 1 are how NIfTI pads; the first two are the picture.
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
    """Compressed without the time of day, so that the same labels give the same bytes."""
    return gzip.compress(content, mtime=0)


def _read_metaimage(path: Path) -> Clip:
    """MetaImage: (columns, rows[, frames]); the labels get the header of the input."""
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
        # MetaImage in one file: a header and a data file could not be replaced together.
        written = target.with_name(target.name + ".mha")
        beside = target.with_name(f".{target.name}.part.mha")
        sitk.WriteImage(made, str(beside), useCompression=True)
        beside.replace(written)
        return written

    return Clip(frames, _spacing(spacing[1], spacing[0]), write)


def _write_png(labels: np.ndarray, target: Path) -> Path:
    """One PNG with the values 0 to 3."""
    written = target.with_name(target.name + ".png")
    with replacing(written) as file:
        Image.fromarray(labels[0]).save(file, format="PNG")
    return written


def _read_png(path: Path) -> Clip:
    """A still; coloured pixels become their luma, as in the importers."""
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
    """NIfTI (columns, rows, frames) with the values 0 to 3: a video codec would blur label maps."""
    written = target.with_name(target.name + ".nii.gz")
    made = nib.Nifti1Image(labels.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
    with replacing(written) as file:
        file.write(_gzip(made.to_bytes()))
    return written


def _read_video(path: Path) -> Clip:
    """All frames, decoded one after the other."""
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
"""Readers by ending."""


def _ending(path: Path) -> str | None:
    """The known ending of a file; None if there is none."""
    name = path.name.lower()
    return next((ending for ending in sorted(READERS, key=len, reverse=True) if name.endswith(ending)), None)


def find_inputs(inputs: Iterable[Path]) -> tuple[dict[Path, Path], list[Path]]:
    """What to predict.

    Args:
        inputs: Files and folders; folders are searched in depth, in sorted order.

    Returns:
        Input file by its output path, relative and without ending; and the files of folders whose ending is unknown.

    Raises:
        ValueError: No such file, an unknown ending, nothing to predict, or two inputs with one output.
    """
    found: dict[Path, Path] = {}
    unknown: list[Path] = []
    for given in inputs:
        if given.is_dir():
            files = [(path, path.relative_to(given)) for path in sorted(given.rglob("*")) if path.is_file()]
        elif given.is_file():
            files = [(given, Path(given.name))]
            if _ending(given) is None:
                raise ValueError(f"{given}: unknown ending (expected one of {', '.join(READERS)}).")
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


def _check_outputs(found: dict[Path, Path], output: Path) -> None:
    """Refuse outputs that would replace each other or an input.

    Raises:
        ValueError: The message names the file.
    """
    originals = {path.resolve() for path in found.values()}
    for name, path in found.items():
        overlay = name.with_name(name.name + "_overlay")
        if overlay in found:
            raise ValueError(f"{found[overlay]}: its output would replace the overlay of {path}. Rename it.")
        for ending in (".nii.gz", ".mha", ".png", "_overlay.png"):
            written = (output / name).with_name(name.name + ending)
            if written.resolve() in originals:
                raise ValueError(f"{written}: this input would be overwritten. Give another --output.")


def _find_cone(clip: Clip, method: str, network: Any) -> FoundCone | None:
    if method == "none":
        return None
    aspect = aspect_of(clip.spacing_mm)
    return find_cone(clip.frames, aspect, network.masks([(clip.frames, aspect)])[0] if network else None)


def _predict(clip: Clip, found: FoundCone | None, model: Model) -> np.ndarray:
    """Label maps on the input's own grid: uint8 (T, H, W)."""
    shape = clip.frames.shape[1:]
    box = (0, 0, *shape) if found is None else found.box
    margin = float(model.config["crop_margin"])
    crop = square_crop(box, aspect_of(clip.spacing_mm), 0.0 if found is None else margin)
    labels = np.empty_like(clip.frames)
    for start in range(0, len(labels), _BATCH):
        part = clip.frames[start : start + _BATCH]
        grid = [
            to_grid(part[i] if found is None else blank(part[i], found.mask), crop, model.grid_size)
            for i in range(len(part))
        ]
        for index, probability in enumerate(model.probabilities(np.stack(grid)), start):
            labels[index] = model.label_map(probability, crop, shape)
    return labels


def _overlay(
    frame: np.ndarray, labels: np.ndarray, structures: Sequence[Structure], found: FoundCone | None
) -> Image.Image:
    """The frame with the outlines of the structures and, thin and grey, of the cone; names in the upper left corner."""
    colour = np.repeat(frame[..., None], 3, 2)
    if found is not None:
        colour[found.fan & ~ndimage.binary_erosion(found.fan)] = (120, 120, 120)
    for structure in structures:
        region = labels == structure
        inner = ndimage.binary_erosion(region, iterations=max(1, round(min(frame.shape) / 256)))
        colour[region & ~inner] = COLOURS[structure]
    picture = Image.fromarray(colour)
    draw = ImageDraw.Draw(picture)
    left = 3
    for structure in structures:
        draw.text((left, 2), structure.name, fill=COLOURS[structure])
        left += int(draw.textlength(structure.name)) + 6
    return picture


def _write_overlay(clip: Clip, labels: np.ndarray, model: Model, found: FoundCone | None, target: Path) -> None:
    """`<name>_overlay.png`; of a clip an animated one, without loss and without a codec."""
    pictures = [
        _overlay(frame, drawn, model.structures, found) for frame, drawn in zip(clip.frames, labels, strict=True)
    ]
    with replacing(target.with_name(target.name + "_overlay.png")) as file:
        if len(pictures) == 1:
            pictures[0].save(file, format="PNG")
        else:
            pictures[0].save(file, format="PNG", save_all=True, append_images=pictures[1:], duration=_FRAME_MS, loop=0)


def _areas(name: Path, clip: Clip, labels: np.ndarray, model: Model, found: FoundCone | None) -> list[dict[str, Any]]:
    pixel_cm2 = None if clip.spacing_mm is None else clip.spacing_mm[0] * clip.spacing_mm[1] / 100
    rows = []
    for frame, drawn in enumerate(labels):
        for structure in model.structures:
            n_pixels = int((drawn == structure).sum())
            rows.append(
                {
                    "file": name.as_posix(),
                    "frame": frame,
                    "structure": structure.name,
                    "area_px": n_pixels,
                    "area_cm2": None if pixel_cm2 is None else round(n_pixels * pixel_cm2, 4),
                    "cone": "none" if found is None else found.method,
                }
            )
    return rows


def _weights(given: Path | None) -> Path:
    weights = RELEASED_WEIGHTS if given is None else given
    if not weights.is_file():
        advice = (
            "Run from a clone installed with `pip install -e .`, or give --weights"
            " results/models/<model>/seed-<n>/weights.safetensors after `make reproduce`."
            if given is None
            else "Give a weights.safetensors that `labeldropout train` wrote."
        )
        raise ValueError(f"{weights}: no such weights. {advice}")
    return weights


def predict_files(
    inputs: Sequence[Path],
    weights: Path | None,
    cone: str,
    cone_network: Path | None,
    device: str,
    output: Path,
) -> pd.DataFrame:
    """Predict images and videos; write label maps, overlays and `areas.csv`.

    For an input `a/b.ending` in a given folder: `a/b.nii.gz` (NIfTI with the input's header and affine; videos as
    columns, rows, frames), `a/b.mha` (MetaImage) or `a/b.png` (PNG), with the values of `Structure` on the grid of the
    input, and `a/b_overlay.png` (animated for a clip). One cone serves all frames of a clip.

    Args:
        inputs: Files and folders.
        weights: weights.safetensors of a training; None for the released model.
        cone: geometry, network or none: how the cone is found; with none the whole frame is given to the model.
        cone_network: Output of `train_cone_network`, for network.
        device: auto, cpu or cuda.
        output: Folder.

    Returns:
        The content of `areas.csv`.

    Raises:
        ValueError: An input cannot be read or is no ultrasound picture; the message names the file.
    """
    if cone not in {"geometry", "network", "none"}:
        raise ValueError(f"cone: {cone!r} (expected geometry, network or none).")
    if (cone == "network") != (cone_network is not None):
        raise ValueError("--cone network and --cone-network belong together.")
    found_inputs, unknown = find_inputs(inputs)
    _check_outputs(found_inputs, output)
    model = load_model(_weights(weights), choose_device(device))
    network = None
    if cone_network is not None:
        # nnU-Net takes seconds to import; only who asks for it waits.
        from labeldropout.cone_network import ConeNetwork  # noqa: PLC0415

        network = ConeNetwork(cone_network, device)
    for path in unknown:
        _LOG.warning("%s: unknown ending, left out", path)
    rows: list[dict[str, Any]] = []
    for name, path in found_inputs.items():
        clip = READERS[_ending(path) or ""](path)
        try:
            found = _find_cone(clip, cone, network)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        labels = _predict(clip, found, model)
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        clip.write(labels, target)
        _write_overlay(clip, labels, model, found, target)
        rows += _areas(name, clip, labels, model, found)
        _LOG.info("%s: %d frames, cone %s", path, len(labels), "none" if found is None else found.method)
    areas = pd.DataFrame(rows, columns=list(AREAS))
    write_table(areas, output / "areas.csv", AREAS)
    return areas
