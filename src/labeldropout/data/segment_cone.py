"""The verb `segment-cone`: find the cone of every clip by network or geometry, and check it by fitting a sector."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy import ndimage

from labeldropout.cone import aspect_of
from labeldropout.data.case_store import CaseStore
from labeldropout.data.cone_finding import BRIGHT, FoundCone, find_cone, whole_frame
from labeldropout.data.crop import square_crop, to_grid
from labeldropout.drawing import in_colour
from labeldropout.files import replacing, write_table

CONES = {
    "case": "our identifier of the case",
    "method": "network+fit, fit, hull, whole-frame; geometry for a clean fan on black; none if not sought",
    "apex_row": "row of the virtual apex, in pixels of the image on square pixels; empty without a fit",
    "apex_column": "column of the virtual apex, likewise",
    "half_angle_rad": "half of the opening angle",
    "near_px": "distance from the apex to the first sample, in square pixels",
    "far_px": "distance from the apex to the last sample, in square pixels",
    "box_row": "first row of the cone's box on the stored grid",
    "box_column": "first column of the box",
    "box_height": "rows of the box",
    "box_width": "columns of the box",
    "area_share": "share of the frame that the cone covers",
    "area_ratio": "area of the fitted cone over that of the network's mask; empty without a network",
    "iou": "intersection over union of the fit and the mask or region it was fitted to; empty without a fit",
    "bright_share_outside": "share of the pixels above 15 that lie outside the cone (for geometry they are kept)",
    "label_share_outside": "share of the annotated pixels that lie outside the cone",
    "verdict": "accepted or replaced, and why",
}
"""`cones.csv`: one row per case."""

_LOG = logging.getLogger(__name__)


_CHUNK = 64
"""Frames held at a time, to bound memory."""


_WORST = 12
"""Cases shown in `worst.png`."""


_TILE = 224
"""Side of a tile of `worst.png` in pixels."""


def _row(case: str, found: FoundCone, image: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """One row of `cones.csv`."""
    bright, drawn = (image if image.ndim == 2 else image.max(2)) > BRIGHT, target > 0
    cone = found.cone
    row, column, height, width = found.box
    return {
        "case": case,
        "method": found.method,
        "apex_row": None if cone is None else cone.apex_row,
        "apex_column": None if cone is None else cone.apex_column,
        "half_angle_rad": None if cone is None else cone.half_angle_rad,
        "near_px": None if cone is None else cone.near_px,
        "far_px": None if cone is None else cone.far_px,
        "box_row": row,
        "box_column": column,
        "box_height": height,
        "box_width": width,
        "area_share": round(found.area_share, 4),
        "area_ratio": None if found.area_ratio is None else round(found.area_ratio, 4),
        "iou": None if found.iou is None else round(found.iou, 4),
        "bright_share_outside": round(float((bright & ~found.fan).sum() / max(1, bright.sum())), 4),
        "label_share_outside": round(float((drawn & ~found.fan).sum() / max(1, drawn.sum())), 4),
        "verdict": found.verdict,
    }


def _chunks(clips: list[list[int]]) -> Iterator[list[list[int]]]:
    """Clips in chunks of about `_CHUNK` frames."""
    portion: list[list[int]] = []
    for clip in clips:
        portion.append(clip)
        if sum(map(len, portion)) >= _CHUNK:
            yield portion
            portion = []
    if portion:
        yield portion


def _check(store: CaseStore, method: str, network: Path | None) -> None:
    """Refuse a method that does not exist, or that cannot be used on this store.

    Raises:
        ValueError: It is so.
    """
    if method not in {"network", "geometry", "none"}:
        raise ValueError(f"method: {method!r} (expected network, geometry or none).")
    if method == "network" and network is None:
        raise ValueError("method network: no network given (expected the output of train-cone).")
    if method != "none" and store.pixels.channels > 1:
        raise ValueError(
            f"{store.directory}: a cone is sought in pictures of one channel alone, and these have"
            f" {store.pixels.channels} (expected the method none, found {method})."
        )


def segment_cones(store: CaseStore, method: str, network: Path | None, device: str, output: Path) -> None:
    """Find the cone of every clip of a store; write `cones.csv`, `masks.u8` and `worst.png`.

    A clip is all cases with the same group, view and size: its frames share one cone. `masks.u8` is 1 where the image
    is kept and 0 where it is blanked, at the offsets of the store's `images.u8`.

    Args:
        store: The cases.
        method: `network`, `geometry` (no network; a clean fan on black is boxed and nothing is blanked), or `none`
            (pictures without a cone: the whole frame is kept).
        network: Output of `train_cone_network`; required for the method `network`.
        device: auto, cpu or cuda.
        output: Folder.

    Raises:
        ValueError: An image is entirely black, or the network is missing.
    """
    _check(store, method, network)
    segmenter = None
    if method == "network" and network is not None:
        # nnU-Net takes seconds to import, and the geometry does not need it.
        from labeldropout.data.cone_network import ConeNetwork

        segmenter = ConeNetwork(network, device)
    table = store.table
    groups = table.groupby(["dataset", "group_name", "view", "height_px", "width_px"], sort=False, dropna=False)
    rows: list[dict[str, Any]] = [{}] * len(store)
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / "masks.u8") as file:
        file.truncate(int((table["height_px"] * table["width_px"]).sum()))
        masks = np.memmap(file.name, np.uint8, "r+")
        for portion in _chunks([indices.tolist() for indices in groups.indices.values()]):
            clips = []
            for indices in portion:
                frames = np.stack([store.image(index) for index in indices])
                for index, frame in zip(indices, frames, strict=True):
                    if not frame.any():
                        case = table.iloc[index]
                        raise ValueError(
                            f"{case['dataset']}: {case['source']}: frame {case['frame']} is black everywhere"
                            f" (expected an ultrasound image)."
                        )
                clips.append((frames, aspect_of(store.spacing_mm(indices[0]))))
            seen = segmenter.masks(clips) if segmenter else [None] * len(clips)
            for indices, (frames, aspect), mask in zip(portion, clips, seen, strict=True):
                found = whole_frame(frames[0].shape[:2]) if method == "none" else find_cone(frames, aspect, mask)
                kept = found.mask.astype(np.uint8).ravel()
                for index, frame in zip(indices, frames, strict=True):
                    offset = int(table.iloc[index]["offset"])
                    masks[offset : offset + kept.size] = kept
                    rows[index] = _row(table.iloc[index]["case"], found, frame, store.target(index))
        masks.flush()
        del masks
    cones = pd.DataFrame(rows, columns=list(CONES))
    _draw_worst(store, cones, output)
    write_table(cones, output / "cones.csv", CONES)
    counts = cones["method"].value_counts()
    _LOG.info("cones: %s", ", ".join(f"{name} {count}" for name, count in counts.items()))


def _draw_worst(store: CaseStore, cones: pd.DataFrame, output: Path) -> None:
    """Write `worst.png`: the least trusted cones, outlined, with method and agreement, or the box for geometry."""
    trust = ["whole-frame", "hull", "fit", "geometry", "network+fit", "none"]
    order = cones.assign(rank=cones["method"].map(trust.index), seen=cones["iou"].fillna(0))
    order = order.assign(order=np.arange(len(order))).sort_values(["rank", "seen", "order"])
    worst = order.index[:_WORST].tolist()
    columns = 4
    sheet = Image.new("RGB", (columns * _TILE, -(-len(worst) // columns) * (_TILE + 16)))
    draw = ImageDraw.Draw(sheet)
    masks = np.memmap(output / "masks.u8", np.uint8, "r")
    for place, index in enumerate(worst):
        left, top = place % columns * _TILE, place // columns * (_TILE + 16)
        image, row = store.image(index), cones.iloc[index]
        shape = image.shape[:2]
        crop = square_crop((0, 0, *shape), aspect_of(store.spacing_mm(index)), 0.0)
        colour = in_colour(to_grid(np.asarray(image), crop, _TILE))
        kept = np.zeros(shape, np.uint8)
        if row["method"] == "geometry":
            first_row, first_column = int(row["box_row"]), int(row["box_column"])
            kept[
                first_row : first_row + int(row["box_height"]), first_column : first_column + int(row["box_width"])
            ] = 1
        else:
            offset = int(store.table.iloc[index]["offset"])
            kept = np.asarray(masks[offset : offset + shape[0] * shape[1]]).reshape(shape)
        inside = to_grid(kept, crop, _TILE, labels=True) > 0
        colour[inside & ~ndimage.binary_erosion(inside)] = (255, 200, 0)
        sheet.paste(Image.fromarray(colour), (left, top + 16))
        agreement = "" if pd.isna(row["iou"]) else f"  IoU {row['iou']:.3f}"
        draw.text((left + 2, top + 2), f"{row['case'][-18:]}  {row['method']}{agreement}", fill=(255, 255, 255))
    with replacing(output / "worst.png") as file:
        sheet.save(file, format="PNG")
