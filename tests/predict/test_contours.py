"""Contours in the format of COCO."""

import json

import numpy as np
from PIL import Image
from skimage.draw import polygon2mask

from labeldropout.predict.contours import annotations_of, polygon
from labeldropout.predict.legend import Entry
from labeldropout.predict.outline import Options, outline_files

LEGEND = (Entry("LV", 1, (0, 0, 0)), Entry("LVM", 2, (0, 0, 0)), Entry("LA", 3, (0, 0, 0)))


def filled(ring, shape):
    """Pixels whose centres lie in a polygon of COCO's coordinates."""
    return polygon2mask(shape, ring[:, ::-1] - 0.5)


def test_a_filled_contour_gives_the_pixels_back():
    """Of any region, also one with two holes or one that touches the border."""
    row, column = np.ogrid[:60, :80]
    disc = (row - 30) ** 2 + (column - 40) ** 2 < 26**2
    holes = ((row - 25) ** 2 + (column - 34) ** 2 < 36) | ((row - 36) ** 2 + (column - 50) ** 2 < 49)
    border = np.zeros((60, 80), bool)
    border[:7, :9] = True
    for region in (disc, disc & ~holes, border):
        assert np.array_equal(filled(polygon(region), region.shape), region)


def test_annotations_say_what_and_where():
    """Numbers go up, boxes are (x, y, width, height), areas are pixels."""
    labels = np.zeros((20, 30), np.uint8)
    labels[2:6, 3:10], labels[10:12, 20:29] = 1, 3
    first, second = annotations_of(labels, LEGEND, image_id=7, first_id=5)
    assert (first["id"], first["image_id"], first["category_id"], first["area"]) == (5, 7, 1, 28)
    assert first["bbox"] == [3, 2, 7, 4]
    assert (second["id"], second["category_id"], second["bbox"]) == (6, 3, [20, 10, 9, 2])


def test_a_run_writes_them_on_request(tmp_path, fan, weights):
    """The file has every image, category and region of the label map beside it."""
    Image.fromarray(fan()[0]).save(tmp_path / "a.png")
    outline_files([tmp_path / "a.png"], tmp_path / "out", Options(weights=weights, device="cpu", coco=True))
    content = json.loads((tmp_path / "out" / "a_contours.json").read_text())
    labels = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    assert content["images"] == [{"id": 1, "file_name": "a.png", "frame": 0, "height": 90, "width": 120}]
    assert [one["name"] for one in content["categories"]] == ["LV", "LVM", "LA"]
    drawn = np.zeros_like(labels)
    for one in content["annotations"]:
        drawn[filled(np.reshape(one["segmentation"][0], (-1, 2)), labels.shape)] = one["category_id"]
    assert np.array_equal(drawn, labels)
