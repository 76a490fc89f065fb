"""What lies together in an unknown folder."""

import pytest

from labeldropout.data.folder.series import find_series, partners

ENDINGS = (".png", ".bmp", ".nii.gz")
NAMES = [f"{number:02d}" for number in range(4)]


def patterns(files: list[str]) -> set[str]:
    """Where the series of these files lie."""
    return {series.pattern for series in find_series(files, ENDINGS)}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{name}.bmp", "{name}.png"),
        ("images/{name}.png", "masks/{name}.png"),
        ("{name}.png", "{name}_mask.png"),
        ("{name}.png", "mask_{name}.png"),
        ("a b/{name}.nii.gz", "a b/{name}_seg.nii.gz"),
    ],
)
def test_pictures_and_masks_are_two_series_that_belong_together(image, mask):
    """Another ending, another folder, or an addition before or after the name tells them apart."""
    files = [pattern.replace("{name}", name) for pattern in (image, mask) for name in NAMES]
    assert patterns([*files, "readme.txt", ".hidden/x.png"]) == {image, mask}
    by_pattern = {series.pattern: series for series in find_series(files, ENDINGS)}
    assert by_pattern[image].names == by_pattern[mask].names == tuple(NAMES)
    assert set(by_pattern[mask].paths) == {mask.replace("{name}", name) for name in NAMES}
    assert partners([by_pattern[image]], [by_pattern[mask]]) == [(by_pattern[image], by_pattern[mask])]


def test_few_folders_are_data_sets_and_many_are_patients():
    """Two laboratories stay apart; of seven patients the folder's name becomes a word of the pattern."""
    laboratories = [
        f"laboratory {place}/{name}.{kind}" for place in (1, 2) for name in NAMES for kind in ("bmp", "png")
    ]
    assert patterns(laboratories) == {
        f"laboratory {place}/{{name}}.{kind}" for place in (1, 2) for kind in ("bmp", "png")
    }
    patients = [f"data/p{place}/ed{end}.png" for place in range(7) for end in ("", "_gt")]
    assert patterns(patients) == {"data/{group}/{name}.png", "data/{group}/{name}_gt.png"}
    pictures, masks = sorted(find_series(patients, ENDINGS), key=lambda series: series.after)
    assert pictures.path("p3/ed") == "data/p3/ed.png"
    assert partners([pictures], [masks]) == [(pictures, masks)]


def test_of_several_masks_the_nearest_folder_has_the_partners():
    """Two laboratories with equal names of files each have their own masks."""
    files = [f"{place}/{kind}/{name}.png" for place in ("a", "b") for kind in ("images", "masks") for name in NAMES]
    series = {one.folder: one for one in find_series(files, ENDINGS)}
    pairs = partners([series["a/images"], series["b/images"]], [series["b/masks"], series["a/masks"]])
    assert [mask.folder for _, mask in pairs] == ["a/masks", "b/masks"]


def test_pictures_without_masks_have_no_partner():
    """Masks of other names are not theirs."""
    series = find_series([*(f"x/{name}.bmp" for name in NAMES), *(f"y/z{name}.png" for name in NAMES)], ENDINGS)
    assert partners(series[:1], series[1:]) == []
