"""Read an observer's masks strictly, and refuse those whose labels or geometry were changed on the way."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from nibabel import Nifti1Image
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from scipy.ndimage import binary_dilation

from labeldropout.case import DatasetError
from labeldropout.data.image_files import MAX_PIXELS, read_bytes, unpack
from labeldropout.data.picture_files import read_picture
from labeldropout.heart import FOREGROUND, Structure

_MAX_BYTES = 8 * MAX_PIXELS
"""A mask of more is not unpacked."""


_MAX_SHIFT_PX = 0.1
"""How far a pixel's place may differ from the image's: less than any program rounds to, and far from half a pixel."""


_SAME_VENTRICLE = 0.5
"""Smallest Dice of label 1 and the ventricle that stands in the kit's masks. Ours; observers change little."""


_TURNED = 0.98
"""Dice from which a mirrored label 1 is the kit's ventricle, mirrored."""


_AROUND_PX, _AROUND_SHARE = 3, 0.03
"""Width of the ring around the ventricle in which its neighbours are counted: pixels, or a share of the height."""


_WALL_AROUND = 0.3
"""Smallest share of that ring which is myocardium, if any is drawn: 0.45 in the most cut of simulated hearts. Ours."""


_ATRIUM_AROUND = 0.5
"""Largest share of that ring which is atrium: 0.2 in simulated hearts. Ours."""


def affine_of(spacing: tuple[float, float] | None) -> np.ndarray:
    """Affine with which viewers show a picture upright: columns to the left of the body, rows downwards; depth 1 mm.

    Args:
        spacing: (row, column) in mm; None counts as 1 mm.
    """
    row, column = spacing or (1.0, 1.0)
    return np.diag([-column, -row, 1.0, 1.0])


def read_drawn_mask(
    path: Path, shape: tuple[int, int], spacing: tuple[float, float] | None
) -> UInt8[np.ndarray, "h w"]:
    """Read the label map of a mask file, `.nii.gz` or `.png`.

    Args:
        path: The file.
        shape: (rows, columns) of the image that was drawn on.
        spacing: (row, column) of its pixels in mm; None if unknown.

    Raises:
        ValueError: The file is damaged, of another size or geometry, or holds something else than labels.
    """
    if path.name.endswith(".png"):
        values = read_picture(path, "", "labels", ("PNG",)).values
        if values.shape != shape:
            expected, found = (f"{columns} x {rows} pixels" for rows, columns in (shape, values.shape))
            raise DatasetError.about("", path, "wrong picture", expected, found)
    else:
        values = _read_nifti(path, shape, spacing)
    labels = np.unique(values)
    unknown = [value for value in labels.tolist() if value not in {0, *FOREGROUND}]
    if unknown:
        advice = "Save the numbers of the labels, not their colours or shades."
        if np.isfinite(labels).all() and labels.min() >= 0 and labels.max() <= 1:
            advice = "The numbers were scaled to 1: save them as whole numbers."
        raise DatasetError.about("", path, "unknown label", "0, 1, 2 or 3", unknown[:5], advice)
    return values.astype(np.uint8)


def _read_nifti(path: Path, shape: tuple[int, int], spacing: tuple[float, float] | None) -> np.ndarray:
    content = unpack("", path, read_bytes("", path), _MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise DatasetError.about("", path, "a huge file", f"at most {_MAX_BYTES} bytes of content", "more")
    try:
        image = Nifti1Image.from_bytes(content)
        found = tuple(int(size) for size in image.shape)
        # The declared size is checked before any pixel is read.
        if found not in {(shape[1], shape[0], 1), (shape[1], shape[0])}:
            raise DatasetError.about("", path, "wrong shape", (shape[1], shape[0], 1), found)
        _check_geometry(image, path, shape, affine_of(spacing))
        return np.asarray(image.dataobj).reshape(found[:2]).T
    except (ImageFileError, HeaderDataError, WrapStructError, EOFError, OSError) as error:
        raise DatasetError.about("", path, "not a NIfTI file", ".nii.gz", error) from error


def _check_geometry(image: Nifti1Image, path: Path, shape: tuple[int, int], expected: np.ndarray) -> None:
    """Refuse a mask whose header puts its corners elsewhere than the image's; of two affines both count."""
    corners = np.array([[x, y, 0, 1] for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)], np.float64).T
    limit = _MAX_SHIFT_PX * np.abs(np.diag(expected)[:2]).min()
    qform, sform = (get(coded=True)[0] for get in (image.get_qform, image.get_sform))
    for affine in [known for known in (qform, sform) if known is not None] or [image.affine]:
        shift = np.abs((affine - expected) @ corners).max()
        if not shift <= limit:
            raise DatasetError.about(
                "",
                path,
                "not in the image's orientation and place",
                f"affine {expected.tolist()}",
                f"{np.round(affine, 6).tolist()}",
                "Save it in the image's own geometry, without shift, rotation or resampling.",
            )


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / max(1, np.count_nonzero(one) + np.count_nonzero(other))


def refuse_changed_labels(mask: UInt8[np.ndarray, "h w"], ventricle: Bool[np.ndarray, "h w"], path: Path) -> None:
    """Refuse a mask whose labels were renumbered, or whose picture was turned, when it was saved.

    The kit's masks hold the ventricle already, so label 1 shows whether all is still in its place; if the observer
    removed it, the myocardium has to surround it and the atrium must not.

    Args:
        mask: The drawn label map.
        ventricle: Where the data set's own ventricle lies.
        path: Of the mask, for the message.

    Raises:
        DatasetError: The labels cannot mean what they should.
    """
    if not ventricle.any():
        return
    advice = "Were the labels renumbered, or the picture turned, when it was saved?"
    drawn = mask == Structure.LV
    overlap = _dice(drawn, ventricle)
    turned = max(_dice(other, ventricle) for other in (drawn[::-1], drawn[:, ::-1], drawn[::-1, ::-1]))
    if drawn.any() and (overlap < _SAME_VENTRICLE or turned > max(overlap, _TURNED)):
        expected = f"the ventricle that the kit had put there, Dice of at least {_SAME_VENTRICLE:g}"
        found = f"Dice {overlap:.2f}" + (f", and {turned:.2f} if mirrored" if turned > overlap else "")
        raise DatasetError.about("", path, "label 1 is elsewhere", expected, found, advice)
    width = max(_AROUND_PX, round(_AROUND_SHARE * mask.shape[0]))
    ring = binary_dilation(ventricle, iterations=width) & ~ventricle
    wall, atrium = (float((mask[ring] == structure).mean()) for structure in (Structure.LVM, Structure.LA))
    if atrium > max(_ATRIUM_AROUND, wall):
        expected = f"the left atrium on one side, at most {_ATRIUM_AROUND:.0%} of its border"
        raise DatasetError.about("", path, "label 3 surrounds the ventricle", expected, f"{atrium:.0%}", advice)
    if (mask == Structure.LVM).any() and wall < max(_WALL_AROUND, atrium):
        expected = f"the myocardium along at least {_WALL_AROUND:.0%} of its border"
        raise DatasetError.about("", path, "label 2 does not surround the ventricle", expected, f"{wall:.0%}", advice)
