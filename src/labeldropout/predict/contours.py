"""Outlines as polygons in the format of COCO, one file per input."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours

from labeldropout.files import replacing
from labeldropout.predict.legend import Entry


def _rings(region: np.ndarray) -> list[np.ndarray]:
    """Closed rings (x, y) half-way between the pixels' centres inside and outside; the outer one comes first.

    In COCO's coordinates the upper left corner of the picture is (0, 0), so the centre of its first pixel (0.5, 0.5).
    """
    found = find_contours(np.pad(region, 1).astype(np.float32), 0.5, fully_connected="high")
    rings = [ring[:-1, ::-1] - 0.5 for ring in found]
    return sorted(rings, key=lambda ring: -np.ptp(ring[:, 0]) * np.ptp(ring[:, 1]))


def polygon(region: np.ndarray) -> np.ndarray:
    """One polygon (n, 2) of x and y around a connected region; a hole hangs on the outline by a cut of no width.

    COCO's polygons have no holes of their own. Whoever fills the polygon by the rule of even and odd crossings gets the
    pixels back.

    Args:
        region: bool (H, W), one component whose pixels touch at least at corners.
    """
    outline, *holes = _rings(region)
    for hole in holes:
        distance = np.square(outline[:, None] - hole[None]).sum(2)
        at, start = np.unravel_index(distance.argmin(), distance.shape)
        around = np.concatenate([np.roll(hole, -start, 0), hole[start : start + 1]])
        outline = np.concatenate([outline[: at + 1], around, outline[at:]])
    return outline


def annotations_of(labels: np.ndarray, legend: Sequence[Entry], image_id: int, first_id: int) -> list[dict[str, Any]]:
    """COCO annotations of one frame.

    Args:
        labels: uint8 (H, W).
        legend: What is outlined.
        image_id: Of the frame.
        first_id: Of the first annotation.
    """
    found = []
    for one in legend:
        components, n_components = ndimage.label(labels == one.value, np.ones((3, 3)))
        for number in range(1, n_components + 1):
            region = components == number
            rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
            box = (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
            found.append(
                {
                    "id": first_id + len(found),
                    "image_id": image_id,
                    "category_id": one.value,
                    "segmentation": [polygon(region).ravel().tolist()],
                    "bbox": [int(value) for value in box],
                    "area": int(region.sum()),
                    "iscrowd": 0,
                }
            )
    return found


@contextmanager
def writing_contours(
    target: Path, source: str, shape: tuple[int, int], legend: Sequence[Entry]
) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a COCO file to which label maps are put, frame after frame; each is an image of its own.

    Args:
        target: The file.
        source: Name of the input, for `file_name`.
        shape: (rows, columns).
        legend: What is outlined.
    """
    with replacing(target, "w") as file:
        n_images = n_annotations = 0

        def put(labels: np.ndarray) -> None:
            nonlocal n_images, n_annotations
            n_images += 1
            for one in annotations_of(labels, legend, n_images, n_annotations + 1):
                file.write((",\n" if n_annotations else "\n") + json.dumps(one))
                n_annotations += 1

        file.write('{"annotations": [')
        yield put
        rest = {
            "images": [
                {"id": number, "file_name": source, "frame": number - 1, "height": shape[0], "width": shape[1]}
                for number in range(1, n_images + 1)
            ],
            "categories": [{"id": one.value, "name": one.name} for one in legend],
        }
        file.write("\n],\n" + json.dumps(rest)[1:] + "\n")
