"""The verb `predict`: outline the structures in any images and videos."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy import ndimage

from labeldropout.cone import aspect_of
from labeldropout.data.cone_finding import FoundCone, find_cone
from labeldropout.data.crop import square_crop, to_grid
from labeldropout.data.prepare import blank
from labeldropout.devices import choose_device
from labeldropout.files import replacing, write_table
from labeldropout.heart import COLOURS, Structure
from labeldropout.learning.model import Model, load_model
from labeldropout.predict.measures import AREAS, _areas
from labeldropout.predict.readers import _FRAME_MS, READERS, Clip, _ending, find_inputs
from labeldropout.predict.tidy import tidy

_LOG = logging.getLogger(__name__)


RELEASED_WEIGHTS = Path(__file__).parent / "released" / "weights.safetensors"
"""The model that comes with the package; `results/released/README.md` is its model card."""


_BATCH = 32
"""Frames predicted at a time."""


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
    """Tidy label maps on the input's own grid: uint8 (T, H, W)."""
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
            labels[index] = tidy(model.label_map(probability, crop, shape), model.structures)
    return labels


def _overlay(
    frame: np.ndarray, labels: np.ndarray, structures: Sequence[Structure], found: FoundCone | None
) -> Image.Image:
    """The frame with the outlines of the structures and a thin grey one of the cone; names in the upper left corner."""
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
    """Write `<name>_overlay.png`, animated for a clip: lossless and without a codec."""
    pictures = [
        _overlay(frame, drawn, model.structures, found) for frame, drawn in zip(clip.frames, labels, strict=True)
    ]
    with replacing(target.with_name(target.name + "_overlay.png")) as file:
        if len(pictures) == 1:
            pictures[0].save(file, format="PNG")
        else:
            pictures[0].save(file, format="PNG", save_all=True, append_images=pictures[1:], duration=_FRAME_MS, loop=0)


def _weights(given: Path | None) -> Path:
    weights = RELEASED_WEIGHTS if given is None else given
    if not weights.is_file():
        advice = (
            "Install the package again, or give --weights"
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
    input, and `a/b_overlay.png` (animated for a clip). One cone serves all frames of a clip. Of each structure only the
    largest component is kept, and its holes are filled (`tidy`).

    Args:
        inputs: Files and folders.
        weights: weights.safetensors of a training; None for the released model.
        cone: How the cone is found: geometry, network or none; with none the model gets the whole frame.
        cone_network: Output of `train_cone_network`, for the method network.
        device: auto, cpu or cuda.
        output: Folder to write to.

    Returns:
        The content of `areas.csv`.

    Raises:
        ValueError: An input cannot be read or is not an ultrasound picture; the message names the file.
    """
    if cone not in {"geometry", "network", "none"}:
        raise ValueError(f"cone: {cone!r} (expected geometry, network or none).")
    if (cone == "network") != (cone_network is not None):
        raise ValueError("--cone network requires --cone-network, and the other way round.")
    found_inputs, unknown = find_inputs(inputs)
    _check_outputs(found_inputs, output)
    model = load_model(_weights(weights), choose_device(device))
    network = None
    if cone_network is not None:
        # nnU-Net takes seconds to import, so it is imported only when needed.
        from labeldropout.data.cone_network import ConeNetwork  # noqa: PLC0415

        network = ConeNetwork(cone_network, device)
    for path in unknown:
        _LOG.warning("%s: unknown extension, skipped", path)
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
