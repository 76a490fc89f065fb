"""The verb `predict`: outline the structures in any images and videos."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from labeldropout.data.cone_finding import FoundCone, find_cone
from labeldropout.data.crop import square_crop, to_grid
from labeldropout.data.prepare import blank
from labeldropout.devices import choose_device
from labeldropout.learning.model import Model, load_model
from labeldropout.predict.clip import Clip, Frame, differ, luma
from labeldropout.predict.contours import writing_contours
from labeldropout.predict.curve import MISSING, can_draw, draw_curve
from labeldropout.predict.legend import Entry, legend_of, write_label_files
from labeldropout.predict.measures import VENTRICLE, Ventricle, area_rows, clip_row, measure_ventricle
from labeldropout.predict.overlay import draw_overlay, writing_overlay
from labeldropout.predict.readers import find_inputs, label_ending, open_clip
from labeldropout.predict.results import BESIDE, LABEL_ENDINGS, Report, Results, is_no_room
from labeldropout.predict.tidy import tidy

_LOG = logging.getLogger(__name__)

RELEASED_WEIGHTS = Path(__file__).parent / "released" / "weights.safetensors"
"""The model that comes with the package; `results/released/README.md` is its model card."""

CONES = ("geometry", "network", "none")
"""How the cone is found."""

THIRD_AXES = ("header", "frames")
"""What the third axis of a file of volumes is: what its header says, or frames."""

_BATCH = 32
"""Frames predicted at a time."""

_FRAMES_OF_NETWORK = 32
"""At most twice as many frames of a clip, evenly spread, are shown to the network that finds the cone."""

_LONG_CLIP = 100
"""Frames from which a clip gets a progress bar of its own."""


@dataclass(frozen=True)
class Options:
    """How a run is done."""

    weights: Path | None = None
    """weights.safetensors of a training; None for the released model."""
    cone: str = "geometry"
    """How the cone is found: geometry, network or none; with none the model gets the whole frame."""
    cone_network: Path | None = None
    """Output of `train_cone_network`, for the method network."""
    device: str = "auto"
    """auto, cpu or cuda."""
    spacing_mm: tuple[float, float] | None = None
    """(row, column) of every input; None for what each file says."""
    third_axis: str = "header"
    """See `THIRD_AXES`."""
    coco: bool = False
    """Whether to write contours too."""


@dataclass(frozen=True)
class _Tools:
    """What every input needs."""

    options: Options
    model: Model
    network: Any
    legend: tuple[Entry, ...]
    draws_curves: bool


@dataclass
class _Seen:
    """What the first pass over an input leaves: two pictures, whatever its length."""

    n_frames: int = 0
    seconds: float | None = None
    """Time of the last frame."""
    brightest: np.ndarray | None = None
    darkest: np.ndarray | None = None
    some: list[np.ndarray] = field(default_factory=list)
    """Evenly spread frames, for the network that finds the cone."""


def _check_options(options: Options) -> None:
    """Refuse options that make no sense, before anything is loaded."""
    if options.cone not in CONES:
        raise ValueError(f"cone: {options.cone!r} (expected geometry, network or none).")
    if (options.cone == "network") != (options.cone_network is not None):
        raise ValueError("--cone network requires --cone-network, and the other way round.")
    if options.third_axis not in THIRD_AXES:
        raise ValueError(f"third axis: {options.third_axis!r} (expected header or frames).")
    if options.spacing_mm is not None and not all(np.isfinite(one) and one > 0 for one in options.spacing_mm):
        raise ValueError(f"spacing: {options.spacing_mm} (expected two positive numbers of millimetres).")


def _check_outputs(files: dict[Path, Path], output: Path) -> None:
    """Refuse outputs that would replace each other or an input.

    Raises:
        ValueError: The message names the file.
    """
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output}: a file (expected a folder to write to). Give another --output.")
    originals = {path.resolve() for path in files.values()}
    owners: dict[Path, Path] = {}
    for name, path in files.items():
        for ending in (*LABEL_ENDINGS, *BESIDE):
            written = (output / name).with_name(name.name + ending)
            if written.resolve() in originals:
                raise ValueError(f"{written}: this input would be overwritten. Give another --output.")
            if owners.setdefault(written, path) != path:
                what = "overlay" if ending == "_overlay.png" or written.name.endswith("_overlay.png") else "output"
                raise ValueError(f"{path}: its outputs and the {what} of {owners[written]} share a name. Rename it.")


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


def _tools(options: Options) -> _Tools:
    weights = _weights(options.weights)
    model = load_model(weights, choose_device(options.device))
    if model.in_channels not in {1, 3}:
        raise ValueError(f"{weights}: made for pictures of {model.in_channels} channels (expected 1 or 3).")
    network = None
    if options.cone_network is not None:
        # nnU-Net takes seconds to import, so it is imported only when needed.
        from labeldropout.data.cone_network import ConeNetwork  # noqa: PLC0415

        network = ConeNetwork(options.cone_network, options.device)
    return _Tools(options, model, network, legend_of(model), can_draw())


def _with_spacing(clip: Clip, spacing_mm: tuple[float, float] | None) -> Clip:
    """The clip with the pixel size that the user gave."""
    if spacing_mm is None:
        return clip
    notes = clip.notes
    if clip.spacing_mm is not None and differ(clip.spacing_mm, spacing_mm):
        notes = (*notes, f"says a pixel size of {clip.spacing_mm} mm, and {spacing_mm} was given: the latter is used")
    return replace(clip, spacing_mm=spacing_mm, pixel_aspect=spacing_mm[0] / spacing_mm[1], notes=notes)


def _look_through(clip: Clip, *, keeps_some: bool) -> _Seen:
    """The first pass: the whole file is checked, and what finding the cone needs is kept.

    Raises:
        ValueError: The file is damaged.
    """
    seen, every = _Seen(), 1
    for shown, seen.seconds in clip.frames():
        pixels = shown if shown.ndim == 2 else np.rint(luma(shown)).astype(np.uint8)
        seen.brightest = pixels if seen.brightest is None else np.maximum(seen.brightest, pixels)
        seen.darkest = pixels if seen.darkest is None else np.minimum(seen.darkest, pixels)
        if keeps_some and seen.n_frames % every == 0:
            seen.some.append(pixels)
            if len(seen.some) > 2 * _FRAMES_OF_NETWORK:
                seen.some, every = seen.some[::2], every * 2
        seen.n_frames += 1
    return seen


def _find_cone(clip: Clip, seen: _Seen, tools: _Tools) -> FoundCone | None:
    """The cone of all frames: only the brightest and the darkest value of each pixel matter.

    Raises:
        ValueError: The picture is blank.
    """
    if tools.options.cone == "none":
        return None
    if seen.brightest.max() == seen.darkest.min():
        raise ValueError(f"{clip.path}: every pixel is {seen.brightest.max()} (expected an ultrasound image).")
    ends = [seen.brightest] if seen.n_frames == 1 else [seen.darkest, seen.brightest]
    masks = tools.network.masks([(np.stack(seen.some), clip.pixel_aspect)]) if tools.network else [None]
    try:
        return find_cone(np.stack(ends), clip.pixel_aspect, masks[0])
    except ValueError as error:
        raise ValueError(f"{clip.path}: {error}") from error


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    left = iter(frames)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _outlined(clip: Clip, found: FoundCone | None, model: Model) -> Iterator[tuple[Frame, np.ndarray]]:
    """The second pass: every frame with its tidy label map, uint8 (H, W) on the input's own grid."""
    box = (0, 0, *clip.shape) if found is None else found.box
    margin = float(model.config["crop_margin"])
    crop = square_crop(box, clip.pixel_aspect, 0.0 if found is None else margin)
    for batch in _batches(clip.frames()):
        grid = [
            to_grid(frame.pixels if found is None else blank(frame.pixels, found.mask), crop, model.grid_size)
            for frame in batch
        ]
        for frame, probability in zip(batch, model.probabilities(np.stack(grid)), strict=True):
            yield frame, tidy(model.label_map(probability, crop, clip.shape), [int(one) for one in model.structures])


def _outline_one(name: Path, path: Path, tools: _Tools, results: Results) -> None:
    """Read, outline, write and measure one input.

    Raises:
        ValueError: The input cannot be read or is no ultrasound picture; nothing is written.
    """
    opened = open_clip(path, tools.options.third_axis, is_colour=tools.model.in_channels == 3)
    clip = _with_spacing(opened, tools.options.spacing_mm)
    seen = _look_through(clip, keeps_some=tools.network is not None)
    found = _find_cone(clip, seen, tools)
    method = "none" if found is None else found.method
    unit = clip.spacing_mm or (clip.pixel_aspect, 1.0)
    ventricle = next((one for one in tools.legend if one.name == VENTRICLE), None)
    ventricles: list[Ventricle] = []
    with results.entry(name, path) as (target, rows), ExitStack() as files:

        def beside(ending: str) -> Path:
            return target.with_name(target.name + ending)

        put_labels = files.enter_context(clip.labels(beside(label_ending(path)), seen.n_frames))
        put_overlay = files.enter_context(writing_overlay(beside("_overlay.png"), seen.n_frames, seen.seconds))
        put_contours = (
            files.enter_context(writing_contours(beside("_contours.json"), path.name, clip.shape, tools.legend))
            if tools.options.coco
            else None
        )
        is_quiet = True if seen.n_frames < _LONG_CLIP else None
        outlined = tqdm(
            _outlined(clip, found, tools.model), path.name, seen.n_frames, leave=False, unit="frame", disable=is_quiet
        )
        for number, (frame, drawn) in enumerate(outlined):
            put_labels(drawn)
            put_overlay(draw_overlay(frame.pixels, drawn, tools.legend, None if found is None else found.fan))
            if put_contours:
                put_contours(drawn)
            new = area_rows(number, frame.seconds, drawn, tools.legend, clip.spacing_mm)
            rows["areas.csv"] += [{**row, "cone": method} for row in new]
            if ventricle and seen.n_frames > 1:
                ventricles.append(measure_ventricle(number, frame.seconds, drawn == ventricle.value, unit))
        if ventricles:
            rows["clips.csv"] = [clip_row(ventricles, is_mm=clip.spacing_mm is not None)]
        files.close()
        if seen.n_frames > 1 and tools.draws_curves:
            draw_curve(rows["areas.csv"], next(iter(rows["clips.csv"]), None), tools.legend, beside("_areas.png"))
    results.report.notes[path] = clip.notes
    _LOG.info("%s: %d frames, cone %s", path, seen.n_frames, method)


def _failure(name: Path, path: Path, tools: _Tools, results: Results) -> str:
    """Outline one input, or say why it has no output."""
    try:
        _outline_one(name, path, tools, results)
    except (ValueError, OSError) as error:
        if is_no_room(error):
            raise
        return str(error) if str(path) in str(error) else f"{path}: {error}"
    return ""


def outline_files(
    inputs: Sequence[Path], output: Path, options: Options, say: Callable[[str], None] = _LOG.warning
) -> Report:
    """Predict images and videos; write label maps, overlays and tables. A bad input does not stop the others.

    For an input `a/b.ending` in a given folder: `a/b.nii.gz` (NIfTI with the input's header and affine; videos as
    columns, rows, frames), `a/b.mha` (MetaImage) or `a/b.png` (PNG), with the values of the structures on the grid of
    the input, and `a/b_overlay.png` (animated for a clip); for a clip `a/b_areas.png`, on request
    `a/b_contours.json`. They appear together with their rows in `areas.csv` and `clips.csv`; what an earlier run made
    of the same inputs is removed first, and its rows about others stay as long as their label maps do. `labels.txt` and
    `labels.ctbl` name the values. One cone serves all frames of a clip. Of each structure only the largest component is
    kept, and its holes are filled (`tidy`).

    Args:
        inputs: Files and folders.
        output: Folder to write to.
        options: How.
        say: Takes one line about an input, as soon as there is something to say.

    Raises:
        ValueError: Options or weights make no sense, or outputs would replace each other or an input: nothing is
            written.
        OSError: Nothing more can be written.
    """
    _check_options(options)
    found = find_inputs(inputs, output)
    _check_outputs(found.files, output)
    tools = _tools(options)
    results = Results(output, {name: label_ending(path) for name, path in found.files.items()})
    report = results.report
    report.skipped += found.skipped
    for path, reason in found.failed.items():
        report.failed[path] = f"{path}: {reason}"
        say(report.failed[path])
    for path in found.skipped:
        _LOG.info("%s: no known format, skipped", path)
    if not tools.draws_curves:
        say(MISSING)
    told: Counter[str] = Counter()
    is_quiet = True if len(found.files) == 1 else None
    for name, path in tqdm(found.files.items(), unit="input", disable=is_quiet):
        reason = _failure(name, path, tools, results)
        if reason:
            report.failed[path] = reason
            say(reason)
        new = [note for note in report.notes.get(path, ()) if not told[note]]
        told.update(report.notes.get(path, ()))
        for note in new:
            say(f"{path}: {note}.")
    for note in (note for note, n_inputs in told.items() if n_inputs > 1):
        say(f"{told[note]} inputs: {note}.")
    if report.done:
        write_label_files(tools.legend, output)
    return report


def predict_files(
    inputs: Sequence[Path],
    weights: Path | None,
    cone: str,
    cone_network: Path | None,
    device: str,
    output: Path,
) -> pd.DataFrame:
    """Predict images and videos as `outline_files` does, and return the rows of `areas.csv` about them.

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
        ValueError: An input cannot be read or is not an ultrasound picture; the message names every such file, and all
            others are finished.
    """
    options = Options(weights=weights, cone=cone, cone_network=cone_network, device=device)
    report = outline_files(inputs, output, options)
    if report.failed:
        raise ValueError("\n".join(report.failed.values()))
    return report.table("areas.csv")
