"""The verb `prepare`: blank outside the cone, crop to a square around it, resize to the network's grid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.cone import aspect_of
from labeldropout.data.case_store import CaseStore, with_structures
from labeldropout.data.crop import Crop, square_crop, to_grid
from labeldropout.data.prepared import PREPARED, write_prepared
from labeldropout.data.segment_cone import CONES
from labeldropout.files import read_table
from labeldropout.labels import State, values_of


def blank(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image (H, W), or (H, W, K), with 0 where the mask (H, W) is 0."""
    return np.where(mask.reshape(mask.shape + (1,) * (image.ndim - 2)), image, 0).astype(np.uint8)


def _crops(store: CaseStore, cones: pd.DataFrame, margin: float) -> list[Crop]:
    return [
        square_crop(
            (int(row.box_row), int(row.box_column), int(row.box_height), int(row.box_width)),
            aspect_of(store.spacing_mm(index)),
            margin,
        )
        for index, row in enumerate(cones.itertuples())
    ]


def _images(store: CaseStore, masks: np.ndarray, crops: list[Crop], grid_size: int) -> Iterator[np.ndarray]:
    for index, crop in enumerate(crops):
        image = store.image(index)
        offset = int(store.table.iloc[index]["offset"])
        shape = image.shape[:2]
        mask = masks[offset : offset + shape[0] * shape[1]].reshape(shape)
        yield to_grid(blank(image, mask), crop, grid_size)


def _targets(store: CaseStore, crops: list[Crop], grid_size: int) -> Iterator[np.ndarray]:
    """Label maps on the grid; labels outside the cone are kept.

    Raises:
        ValueError: A structure that is not labelled has pixels.
    """
    for index, crop in enumerate(crops):
        target = to_grid(np.asarray(store.target(index)), crop, grid_size, labels=True)
        states = store.states(index)
        for structure, state in states.items():
            n_pixels = int((target == structure).sum())
            if n_pixels and state is not State.LABELLED:
                raise ValueError(
                    f"{store.directory}: case {store.table.iloc[index]['case']}: {structure.name} is"
                    f" {state} and yet drawn (expected no pixel, found {n_pixels})."
                )
        yield target


def prepare(store: CaseStore, cones: Path, grid_size: int, margin: float, output: Path) -> None:
    """Write the prepared arrays of a store: `images.npy`, `targets.npy`, `pixels.json` and `cases.csv`, case by case.

    Images are resized bilinearly with antialiasing, label maps with nearest neighbour. Neither the crop nor the
    blanking depends on labels.

    Args:
        store: The cases.
        cones: Output of `segment_cones` for the same store.
        grid_size: Side of the network's grid.
        margin: Around the cone's box, as a share of its longer side.
        output: Folder.

    Raises:
        ValueError: Cones and cases do not fit together, or a structure that is not labelled has pixels.
    """
    if grid_size < 1 or margin < 0:
        raise ValueError(f"grid size {grid_size}, margin {margin} (expected at least 1, and at least 0).")
    table = store.table
    found = read_table(cones / "cones.csv", CONES)
    if list(found["case"]) != list(table["case"]):
        raise ValueError(f"{cones / 'cones.csv'}: other cases than in {store.directory}. Find the cones again.")
    n_pixels = int((table["height_px"] * table["width_px"]).sum())
    size = (cones / "masks.u8").stat().st_size
    if size != n_pixels:
        raise ValueError(f"{cones / 'masks.u8'}: wrong size (expected {n_pixels} bytes, found {size}).")
    masks = np.memmap(cones / "masks.u8", np.uint8, "r")
    crops = _crops(store, found, margin)
    parts: dict[str, Any] = {
        "crop_row": [crop.row for crop in crops],
        "crop_column": [crop.column for crop in crops],
        "crop_height": [crop.height for crop in crops],
        "crop_width": [crop.width for crop in crops],
    }
    prepared = table.assign(**parts)[list(with_structures(PREPARED, values_of(store.pixels.structures)))]
    images, targets = _images(store, masks, crops, grid_size), _targets(store, crops, grid_size)
    write_prepared(images, targets, prepared, store.pixels, output)
