"""The verb `observe`: a simulated observer draws on the images of the annotation kit."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from labeldropout.data.annotation_kit import DRAWN, DRAWN_STRUCTURES, _read_kit, _rows_by_case, _write_nifti
from labeldropout.data.case_store import CaseStore
from labeldropout.data.drawn_masks import read_drawn_mask
from labeldropout.files import write_table
from labeldropout.heart import Structure

# The simulated observer, our choice: the boundaries of two trained readers are one to two millimetres apart, about one
# pixel in a picture of 112 pixels that shows about 16 cm.
_REFERENCE_SIDE_PX = 112


_JITTER_PX = 1.2
"""Standard deviation of each component of the displacement, on a side of 112 pixels."""


_JITTER_SCALE_PX = 9.0
"""Width of the Gaussian that smooths the displacement, in the same unit."""


_BIAS_PX = 0.5
"""Standard deviation of how much too large an observer draws one structure in one image, in the same unit."""


def draw_displacement(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a smooth random displacement of every pixel: float (2, H, W), rows and columns, in pixels."""
    scale = max(shape) / _REFERENCE_SIDE_PX
    noise = gaussian_filter(rng.standard_normal((2, *shape)), (0, _JITTER_SCALE_PX * scale, _JITTER_SCALE_PX * scale))
    return noise / noise.std(axis=(1, 2), keepdims=True) * _JITTER_PX * scale


def draw_bias(shape: tuple[int, int], rng: np.random.Generator) -> dict[Structure, float]:
    """Draw how many pixels too large the outer border of each structure is drawn; negative is too small."""
    scale = max(shape) / _REFERENCE_SIDE_PX
    return {structure: float(rng.normal(0, _BIAS_PX * scale)) for structure in DRAWN_STRUCTURES}


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance from pixel centres to the border in pixels, negative inside; infinite for an empty mask."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return np.where(mask, 0.5 - distance_transform_edt(mask), distance_transform_edt(~mask) - 0.5)


def redraw(
    truth: UInt8[np.ndarray, "h w"],
    left_ventricle: np.ndarray,
    displacement: np.ndarray,
    bias: dict[Structure, float],
) -> UInt8[np.ndarray, "h w"]:
    """Draw the myocardium and the left atrium as an observer would, around a given left ventricle.

    One displacement moves the whole label map, so that neighbours stay neighbours. Then the outer borders of the
    myocardium (that of cavity and wall together) and of the atrium move by their bias.

    Args:
        truth: Label map with all structures.
        left_ventricle: bool (H, W), from the data set; left unchanged.
        displacement: float (2, H, W) in pixels.
        bias: Pixels, for each drawn structure.
    """
    grid = np.mgrid[: truth.shape[0], : truth.shape[1]]
    moved = map_coordinates(truth, grid + displacement, order=0, mode="nearest")
    heart = np.isin(moved, (Structure.LV, Structure.LVM))
    # Along the base the cavity borders on the atrium, not the wall: only the part of the border that is wall may move.
    row, column = distance_transform_edt(~heart, return_distances=False, return_indices=True)
    beside_wall = moved[row, column] == Structure.LVM
    wall = (_signed_distance(heart) < bias[Structure.LVM]) & beside_wall
    atrium = (_signed_distance(moved == Structure.LA) < bias[Structure.LA]) & ~heart & ~wall
    drawn = np.select([wall, atrium], DRAWN_STRUCTURES, Structure.BACKGROUND).astype(np.uint8)
    # What the moved cavity covers beyond the given one goes to the nearest structure, since no reader leaves a gap.
    gap = (moved == Structure.LV) & ~left_ventricle
    row, column = distance_transform_edt(moved == Structure.LV, return_distances=False, return_indices=True)
    drawn[gap] = drawn[row[gap], column[gap]]
    drawn[left_ventricle] = Structure.LV
    return drawn


def observe(kit: Path, truth: CaseStore, seed: int, drawn: Path) -> None:
    """Let the simulated observer draw on a kit; `drawn.csv` is the last file to appear.

    Each image has its own random numbers, from the seed and its identifier, so they do not depend on the other images.

    Args:
        kit: Folder of the kit.
        truth: Cases with all structures labelled, under the identifiers of the kit.
        seed: Seed of the observer.
        drawn: Folder for `<case>.nii.gz`, as `import_kit` reads it.

    Raises:
        ValueError: A case of the kit has no truth, or its truth has another size.
    """
    table, row_of = _read_kit(kit), _rows_by_case(truth)
    written = []
    for image in table.itertuples():
        case, shape = image.case, (int(image.height_px), int(image.width_px))
        if case not in row_of or truth.target(row_of[case]).shape != shape:
            found = truth.target(row_of[case]).shape if case in row_of else "none"
            raise ValueError(f"{truth.directory}: no truth for {case} (expected {shape}, found {found}).")
        row = row_of[case]
        spacing = None if np.isnan(image.row_spacing_mm) else (image.row_spacing_mm, image.column_spacing_mm)
        start = read_drawn_mask(kit / "masks" / f"{case}.nii.gz", shape, spacing)
        rng = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(case.encode()).digest()[:8])])
        mask = redraw(truth.target(row), start == Structure.LV, draw_displacement(shape, rng), draw_bias(shape, rng))
        path = drawn / f"{case}.nii.gz"
        _write_nifti(mask, spacing, path)
        written.append({"case": case, "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    write_table(pd.DataFrame(written), drawn / "drawn.csv", DRAWN)
