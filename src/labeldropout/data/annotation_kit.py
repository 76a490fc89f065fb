"""The verb `annotation-kit`: export test images for an observer to draw on, and import the drawn masks as cases."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from nibabel import Nifti1Image

from labeldropout.case import Case
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.drawn_masks import affine_of, read_drawn_mask, refuse_changed_labels
from labeldropout.data.import_report import ImportReport
from labeldropout.data.parts import PATIENTS, part_of_cases
from labeldropout.files import read_table, replacing, write_table
from labeldropout.heart import COLOURS, Structure
from labeldropout.labels import Part, State

KIT = {
    "case": "our identifier of the case; the name of its files",
    "dataset": "data set it comes from",
    "view": "A2C, A4C or empty",
    "instant": "ED, ES or empty",
    "height_px": "rows of the image",
    "width_px": "columns of the image",
    "row_spacing_mm": "height of a pixel in mm; empty if unknown",
    "column_spacing_mm": "width of a pixel in mm; empty if unknown",
    "image_sha256": "hash of the image's pixels, row by row",
}
"""`kit.csv`: the images of a kit."""

DRAWN = {
    "case": "our identifier of the case",
    "file": "mask in the same folder",
    "sha256": "hash of that file",
}
"""`drawn.csv`: the masks of the simulated observer."""

DRAWN_STRUCTURES = (Structure.LVM, Structure.LA)
"""What the observer draws; the left ventricle remains that of the data set."""

_TEXT = ("view", "instant")


_MASK_ENDINGS = (".nii.gz", ".png")

_README = """\
Images to draw on: {n} test images of the data set {dataset}.

images/<case>.nii.gz  the image; open it in ITK-SNAP or 3D Slicer as the main image
masks/<case>.nii.gz   the mask to draw on; it holds the left ventricle (label 1) of the data set already
labels.txt            names and colours of the labels, for ITK-SNAP (Segmentation > Import Label Descriptions)
kit.csv               the list of images

What to draw in every mask:
  2  LVM  left ventricular myocardium: the wall around the left ventricle, from annulus to annulus, papillary muscles
          left to the cavity
  3  LA   left atrium: from the mitral annulus along the inner side of its wall, without veins and appendage

Leave the left ventricle as it is; the import keeps the data set's own, and tells by it that labels and geometry are
unchanged. Where a structure is cut by the sector's edge, draw to the edge. Save every mask under the name of its case,
as .nii.gz with the size and orientation of the image, or as an 8-bit .png of the same size whose pixel values are 0 to
3; keep all masks in one folder with nothing else in it. Where the data set gives no size of a pixel, the files say
1 mm: that is not a measurement.

Then: labeldropout annotation-kit import --cases <store> --kit <this folder> --drawn <folder of masks> --output <store>

The images belong to the data set: its licence binds every reader of this kit.
"""


def _write_nifti(pixels: np.ndarray, spacing: tuple[float, float] | None, path: Path) -> None:
    """Write uint8 (H, W) as a one-slice volume; the same pixels give the same bytes."""
    content = Nifti1Image(np.ascontiguousarray(pixels.T)[..., None], affine_of(spacing)).to_bytes()
    with replacing(path) as file:
        file.write(gzip.compress(content, mtime=0))


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _rows_by_case(store: CaseStore) -> dict[str, int]:
    return {case: row for row, case in enumerate(store.table["case"])}


def _read_kit(kit: Path) -> pd.DataFrame:
    path = kit / "kit.csv"
    table = read_table(path, KIT, _TEXT)
    duplicates = sorted(set(table["case"][table["case"].duplicated()]))
    if duplicates:
        raise ValueError(f"{path}: duplicate case (expected every case once, found {duplicates[0]} twice).")
    return table


def choose_cases(store: CaseStore, patients: pd.DataFrame, n: int, seed: int) -> list[int]:
    """Choose test images of a store at random.

    Args:
        store: Cases of one data set.
        patients: Table `PATIENTS`.
        n: How many; fewer if there are not enough.
        seed: Of the draw.

    Returns:
        Rows of the store, ordered by case.

    Raises:
        ValueError: There is no test case.
    """
    test = np.flatnonzero(part_of_cases(store.table, patients) == Part.TEST)
    if not len(test):
        raise ValueError(f"{store.directory}: no test case (expected some in part {Part.TEST}, found none).")
    # Ordered by case before and after the draw, so that it does not depend on the order of the import.
    test = test[np.argsort(store.table["case"].to_numpy()[test])]
    chosen = np.random.default_rng(seed).choice(len(test), min(n, len(test)), replace=False)
    return test[np.sort(chosen)].tolist()


def export_kit(store: CaseStore, split: Path, n: int, seed: int, output: Path) -> None:
    """Write test images for an observer to draw on; `kit.csv` is the last file to appear.

    Args:
        store: Cases of one data set.
        split: Table `PATIENTS`.
        n: How many images; fewer if there are not enough.
        seed: Of the draw.
        output: Folder of the kit.
    """
    chosen = choose_cases(store, read_table(split, PATIENTS), n, seed)
    for row in chosen:
        name, image, target = store.table["case"].iloc[row], store.image(row), store.target(row)
        start = np.where(target == Structure.LV, target, Structure.BACKGROUND).astype(np.uint8)
        _write_nifti(image, store.spacing_mm(row), output / "images" / f"{name}.nii.gz")
        _write_nifti(start, store.spacing_mm(row), output / "masks" / f"{name}.nii.gz")
    with replacing(output / "labels.txt", "w") as file:
        # ITK-SNAP: index, red, green, blue, opacity, visible, mesh, name.
        file.write('    0     0    0    0        0  0  0    "Clear Label"\n')
        for structure, (red, green, blue) in COLOURS.items():
            file.write(f'    {structure:d}   {red:3d}  {green:3d}  {blue:3d}        1  1  1    "{structure.name}"\n')
    with replacing(output / "README.txt", "w") as file:
        file.write(_README.format(n=len(chosen), dataset=", ".join(sorted(set(store.table["dataset"].iloc[chosen])))))
    table = store.table.iloc[chosen].assign(image_sha256=[_sha256(store.image(row)) for row in chosen])
    write_table(table[list(KIT)], output / "kit.csv", KIT)


def _find_masks(drawn: Path, cases: list[str]) -> dict[str, Path]:
    """Find the mask file of each case.

    Raises:
        ValueError: Files are missing or belong to no case; the message names them.
    """
    if not drawn.is_dir():
        raise ValueError(f"{drawn}: no folder of drawn masks (expected a folder, found none).")
    masks: dict[str, Path] = {}
    extra = []
    for path in sorted(drawn.iterdir()):
        ending = next((ending for ending in _MASK_ENDINGS if path.name.endswith(ending)), "")
        case = path.name.removesuffix(ending)
        if path.name == "drawn.csv" or path.name.startswith("."):
            continue
        if not ending or case not in cases or case in masks or not path.is_file():
            extra.append(path.name)
        else:
            masks[case] = path
    missing = [case for case in cases if case not in masks]
    if missing or extra:
        raise ValueError(
            f"{drawn}: masks do not fit the kit (expected one .nii.gz or .png for each of {len(cases)} cases, found "
            f"{len(masks)}; missing: {', '.join(missing[:5]) or 'none'}; extra: {', '.join(extra[:5]) or 'none'})."
        )
    return masks


def _drawn_cases(store: CaseStore, kit: Path, drawn: Path, report: ImportReport) -> Iterator[Case]:
    table, row_of = _read_kit(kit), _rows_by_case(store)
    masks = _find_masks(drawn, table["case"].tolist())
    for case, image_sha256 in zip(table["case"], table["image_sha256"], strict=True):
        report.found += 1
        if case not in row_of:
            raise ValueError(f"{kit / 'kit.csv'}: unknown case (expected one of {store.directory}, found {case}).")
        row = row_of[case]
        if _sha256(store.image(row)) != image_sha256:
            raise ValueError(
                f"{kit / 'kit.csv'}: {case}: another image (expected {image_sha256}, found {_sha256(store.image(row))} "
                f"in {store.directory})."
            )
        own = store.target(row) == Structure.LV
        mask = read_drawn_mask(masks[case], own.shape, store.spacing_mm(row))
        n_pixels = {structure: int((mask == structure).sum()) for structure in DRAWN_STRUCTURES}
        if not any(n_pixels.values()):
            raise ValueError(f"{masks[case]}: nothing drawn (expected LVM and LA, labels 2 and 3, found neither).")
        refuse_changed_labels(mask, own, masks[case])
        for structure in (structure for structure, n in n_pixels.items() if n == 0):
            report.note(f"{case}: no {structure.name} was drawn.")
        n_changed = int(((mask == Structure.LV) != own).sum())
        if n_changed:
            report.note(f"{case}: the left ventricle was changed in {n_changed} pixels; the data set's own is kept.")
        target = np.where(np.isin(mask, DRAWN_STRUCTURES), mask, Structure.BACKGROUND).astype(np.uint8)
        target[own] = Structure.LV
        stored = store.case(row)
        states = {**stored.states, **dict.fromkeys(DRAWN_STRUCTURES, State.LABELLED)}
        yield replace(stored, target=target, states=states, flags=(*stored.flags, "drawn-by-observer"))


def import_kit(store: CaseStore, kit: Path, drawn: Path, output: Path) -> None:
    """Read drawn masks into a store of cases in which LVM and LA are labelled; LV remains that of the data set.

    Args:
        store: The cases that the kit was made from.
        kit: Folder of the kit.
        drawn: Folder with `<case>.nii.gz` or `<case>.png` for every case of the kit, and nothing else.
        output: The store to write.

    Raises:
        ValueError: A mask is missing, belongs to no case or is invalid; the message names the file.
    """
    report = ImportReport(f"{store.table['dataset'].iloc[0]}, drawn masks")
    write_cases(_drawn_cases(store, kit, drawn, report), output, report)
