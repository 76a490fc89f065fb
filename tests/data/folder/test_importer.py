"""Folders of anybody's pictures: good ones, and every mistake that a message has to name."""

import unicodedata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from folder_pictures import VALUES, cell, write_laboratories, write_laboratory
from PIL import Image

from labeldropout.case import Case, DatasetError
from labeldropout.data.folder.importer import read_cases
from labeldropout.data.folder.options import Options, options_of
from labeldropout.data.import_report import ImportReport

NUMBERS = {"nucleus": 1, "cytoplasm": 2}
ROOT = Path(__file__).resolve().parents[3]
PLACES = (ROOT / "data" / "raw" / "cells", ROOT.parent / "shared" / "real" / "cells")
REAL = next((place for place in PLACES if place.is_dir()), None)
CELLS = {"images": "cells/{name}.bmp", "masks": "cells/{name}.png", "values": VALUES, "colour": True}


def read(root: Path, on_bad_case: str = "stop", **options: object) -> tuple[list[Case], ImportReport]:
    """Read a folder with the options of the made-up cells, changed by these."""
    report = ImportReport("mine", on_bad_case, skip_limit=1.0)
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return list(read_cases(root, Options(**{**CELLS, **lists}), report)), report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with three cells."""
    write_laboratory(tmp_path, "cells", 3, (230, 220, 150), 1)
    return tmp_path


def annotated(case: Case) -> tuple[str, ...]:
    """Names of the structures that are annotated in a case."""
    return tuple(structure.name for structure, is_annotated in case.annotated.items() if is_annotated)


def draw(root: Path, name: str, mask: np.ndarray) -> None:
    """Write another mask for a cell."""
    Image.fromarray(mask).save(root / "cells" / f"{name}.png")


def mask_of(root: Path, name: str) -> np.ndarray:
    """The stored mask of a cell, to be changed."""
    return np.asarray(Image.open(root / "cells" / f"{name}.png")).copy()


def test_pictures_and_masks_arrive_as_stored(root):
    """Every pixel of the three channels and the structure's number of every pixel of the mask are kept."""
    pictures, report = read(root)
    assert [picture.source for picture in pictures] == ["cells/001.bmp", "cells/002.bmp", "cells/003.bmp"]
    for picture in pictures:
        assert np.array_equal(picture.image, np.asarray(Image.open(root / picture.source)))
        stored = np.asarray(Image.open((root / picture.source).with_suffix(".png")))
        assert np.array_equal(picture.target, np.select([stored == 255, stored == 128], [1, 2]))
    assert report.found == 3
    assert len({picture.image.shape for picture in pictures}) == 3


def test_two_laboratories_with_their_traps(tmp_path):
    """Blanks in names, sizes that differ, copies and stray greys are read, and what was done is reported."""
    write_laboratories(tmp_path)
    first, report = read(tmp_path, images="Dataset 1/{name}.bmp", masks="Dataset 1/{name}.png")
    assert first[1].group_name == first[2].group_name == "002"
    assert [first[1].frame, first[2].frame] == [0, 1]
    assert "Dataset 1/002.bmp = Dataset 1/003.bmp" in " ".join(report.notes)
    second = {"images": "Dataset 2/{name}.bmp", "masks": "Dataset 2/{name}.png"}
    pictures, report = read(tmp_path, **second, stray_values="nearest")
    assert pictures[3].target[0, :4].tolist() == [0, 2, 2, 1]  # halfway, 64, is the higher's; 191.5 lies between
    assert pictures[3].flags == ("stray-4-px",)
    assert "4 pixels of 1 masks" in " ".join(report.notes)
    with pytest.raises(DatasetError, match=r"004\.png: unknown mask values .*found 63, 64, 191, 192 in 4 of 4096"):
        read(tmp_path, **second)


def test_too_many_stray_values_are_no_blurred_edge(root):
    """Values that more than a hundredth of the mask have were forgotten in the options, and are not rounded away."""
    mask = mask_of(root, "002")
    mask[:, :10] = 77
    draw(root, "002", mask)
    with pytest.raises(DatasetError, match=r"002\.png: unknown mask values .*found 77.*stray_limit"):
        read(root, stray_values="nearest")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "cells/002.png").unlink(), r"002\.bmp: an image without mask \(expected cells/002\.png"),
        (lambda root: (root / "cells/002.bmp").unlink(), r"002\.png: a mask without image \(expected cells/002\.bmp"),
        (
            lambda root: draw(root, "002", np.zeros((9, 7), np.uint8)),
            r"002\.png: mask and image differ in size .*9 x 7",
        ),
        (lambda root: draw(root, "002", mask_of(root, "002") // 2), r"002\.png: unknown mask values .*found 64, 127"),
        (lambda root: (root / "cells/002.bmp").write_bytes(b"BM"), r"002\.bmp: not a picture"),
        (
            lambda root: (root / "cells/002.png").write_bytes((root / "cells/002.png").read_bytes()[:-40]),
            r"002\.png: a damaged file",
        ),
        (
            lambda root: Image.new("RGB", (50, 50)).save(root / "cells/002.bmp"),
            r"002\.bmp: a blank picture .*found 0 in every pixel",
        ),
    ],
    ids=["no mask", "no image", "size", "values", "not a picture", "cut off", "empty"],
)
def test_a_bad_case_stops_or_is_left_out(root, spoil, message):
    """One message names file, what was found and what was expected; with skip the other pictures are read."""
    spoil(root)
    with pytest.raises(DatasetError, match=message):
        read(root)
    pictures, report = read(root, "skip")
    assert [picture.source for picture in pictures] == ["cells/001.bmp", "cells/003.bmp"]
    assert [entry["item"] for entry in report.rejected] == ["002"]


def test_a_structure_that_is_nowhere_drawn_is_refused(root):
    """A structure that is said to be annotated and is in no mask is a mistake in the options."""
    for name in ("001", "002", "003"):
        draw(root, name, np.where(mask_of(root, name) == 128, 0, mask_of(root, name)).astype(np.uint8))
    with pytest.raises(DatasetError, match=r"cytoplasm is declared as annotated and never drawn .*value 128.*3 masks"):
        read(root)
    pictures, _ = read(root, annotated=["nucleus"])
    assert {annotated(picture) for picture in pictures} == {("nucleus",)}


def test_what_is_drawn_has_to_be_annotated(root):
    """A structure that the options call unknown must not be in a mask."""
    with pytest.raises(DatasetError, match=r"001\.png: cytoplasm is drawn and not annotated .*found \d+ pixels"):
        read(root, annotated=["nucleus"])


def test_a_table_says_what_is_annotated_and_who_belongs_together(root):
    """Each picture's row gives its label set and its group; groups are kept, and numbered within."""
    draw(root, "002", np.where(mask_of(root, "002") == 128, 0, mask_of(root, "002")).astype(np.uint8))
    table = "name,patient,annotated\n001,a,nucleus+cytoplasm\n002,b,nucleus\n003,a,cytoplasm + nucleus\n"
    (root / "pictures.csv").write_text(table)
    pictures, _ = read(root, table=Path("pictures.csv"), group="patient")
    assert [(picture.group_name, picture.frame) for picture in pictures] == [("a", 0), ("b", 0), ("a", 1)]
    assert [annotated(picture) for picture in pictures] == [tuple(NUMBERS), ("nucleus",), tuple(NUMBERS)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,patient\n001,a\n002,b\n", r"pictures\.csv: a picture without a row .*found '003'"),
        ("name,patient\n001,a\n002,b\n003,a\n004,a\n", r"pictures\.csv:5: no such picture .*found '004'"),
        ("name,patient\n001,a\n001,b\n003,a\n", r"pictures\.csv:3: a picture in two rows"),
        ("name,patent\n001,a\n", r"pictures\.csv: no column 'patient' .*Did you mean 'patent'\?"),
        ("name,patient\n001,a\n002,\n003,a\n", r"pictures\.csv:3: an empty cell in 'patient'"),
        (
            "name,patient,annotated\n001,a,nukleus\n002,a,\n003,a,\n",
            r"pictures\.csv:2: unknown structure .*Did you mean 'nucleus'\?",
        ),
        ("name,patient\n001,a,b\n", r"pictures\.csv:2: wrong number of cells \(expected 2, found 3\)"),
        ("name;patient\n001;a\n", r"pictures\.csv: no column 'name' .*Separate cells by commas"),
        ("name,patient,patient\n001,a,b\n", r"pictures\.csv: two columns 'patient'"),
        ("name,patient,Annotated\n001,a,nucleus\n", r"pictures\.csv: unknown column .*found 'Annotated'"),
        ('name,patient\n001,"a\n', r"pictures\.csv: cannot be read .*unexpected end"),
        (f"name,patient\n001,{'a' * 200_000}\n", r"pictures\.csv: cannot be read .*larger than field limit"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(root, table, message):
    """Every mistake in the table ends in a message with file and line."""
    (root / "pictures.csv").write_text(table)
    with pytest.raises(DatasetError, match=message):
        read(root, table=Path("pictures.csv"), group="patient")


def test_a_table_that_only_names_pictures_is_refused(root):
    """Without groups and without label sets a table was misunderstood: a column has another name."""
    (root / "pictures.csv").write_text("name,structures\n001,nucleus\n002,nucleus\n003,nucleus\n")
    with pytest.raises(
        DatasetError, match=r"nothing but names \(expected a column 'annotated'.*found name, structures"
    ):
        read(root, table=Path("pictures.csv"))


def test_links_are_followed_and_hidden_files_passed_over(tmp_path):
    """Patients may be links to folders elsewhere, also in a circle; what a Mac leaves beside a file is no picture."""
    for number, patient in enumerate("ab"):
        write_laboratory(tmp_path / "elsewhere", patient, 2, (230, 220, 150), number)
    root = tmp_path / "pictures"
    root.mkdir()
    for patient in "ab":
        (root / patient).symlink_to(tmp_path / "elsewhere" / patient)
    (tmp_path / "elsewhere/a/back").symlink_to(root)
    (tmp_path / "elsewhere/a/._001.bmp").write_bytes(b"Mac OS X")
    patterns = {"images": "./{patient}//{name}.bmp", "masks": "{patient}/{name}.png", "group": "patient"}
    pictures, _ = read(root, **patterns)
    assert [picture.source for picture in pictures] == ["a/001.bmp", "a/002.bmp", "b/001.bmp", "b/002.bmp"]


def test_a_link_that_leads_nowhere_is_a_bad_case(root):
    """Pictures that were not fetched, and only their links are there, are not left out silently."""
    for ending in ("bmp", "png"):
        (root / f"cells/004.{ending}").symlink_to("annex/004")
    with pytest.raises(DatasetError, match=r"004\.bmp: cannot be read"):
        read(root)


def test_an_accent_may_be_stored_in_two_ways(root):
    """Names of a Mac have accents of their own, those of others one character for both; they are the same name."""
    for ending, form in (("bmp", "NFD"), ("png", "NFC")):
        name = unicodedata.normalize(form, f"Größe.{ending}")
        (root / f"cells/001.{ending}").rename(root / "cells" / name)
    (root / "pictures.csv").write_text("name,patient\n002,a\n003,a\nGröße,b\n", encoding="utf-8")
    pictures, _ = read(root, table=Path("pictures.csv"), group="patient")
    assert [picture.group_name for picture in pictures] == ["a", "a", "b"]


def test_numbers_of_palettes_have_to_mean_the_same(root):
    """Two masks with palettes that give a structure's value two colours were numbered anew when they were saved."""
    for name, colours in (("001", ((0,) * 3, (255, 0, 0), (0, 255, 0))), ("002", ((0,) * 3, (0, 255, 0), (255, 0, 0)))):
        mask = Image.fromarray(np.select([mask_of(root, name) == 255, mask_of(root, name) == 128], [1, 2]).astype("u1"))
        mask.putpalette(sum(colours, ()))
        mask.save(root / "cells" / f"{name}.png")
    (root / "cells/003.png").unlink()
    (root / "cells/003.bmp").unlink()
    with pytest.raises(DatasetError, match=r"002\.png: value 1 has another colour .*\(255, 0, 0\) as in 001\.png"):
        read(root, values={"nucleus": 1, "cytoplasm": 2})


def test_what_is_passed_over_or_dark_is_said(root):
    """Pictures with another ending than the pattern's, and 12 bits that were stored as 16, are reported."""
    Image.new("RGB", (9, 9)).save(root / "cells/004.BMP")
    for name in ("001", "002", "003"):
        shade = np.asarray(Image.open(root / f"cells/{name}.bmp").convert("L")).astype(np.uint16) * 16
        Image.fromarray(shade).save(root / f"cells/{name}.tif")
    notes = " ".join(read(root, images="cells/{name}.tif", colour=False)[1].notes)
    assert "DARK: 3 of 3 pictures have no value of 32 or more of 255" in notes
    assert "PASSED OVER: 4 pictures fit neither images nor masks (first: cells/001.bmp)" in notes
    assert "DARK" not in " ".join(read(root)[1].notes)


def test_patients_may_be_folders(tmp_path):
    """A word in braces can be the group, and a file that fits both patterns belongs to the longer one."""
    for patient, name in (("anna", "1"), ("anna", "2"), ("ben", "1")):
        folder = tmp_path / patient
        folder.mkdir(exist_ok=True)
        picture, mask = cell(np.random.default_rng(3), 30, 40, (200, 200, 200))
        Image.fromarray(picture).save(folder / f"{name}.png")
        Image.fromarray(mask).save(folder / f"{name}_mask.png")
    patterns = {"images": "{patient}/{name}.png", "masks": "{patient}/{name}_mask.png"}
    pictures, report = read(tmp_path, **patterns, group="patient")
    assert report.found == 3
    assert {picture.group_name for picture in pictures} == {"anna"}  # all three have the same bytes: one group
    assert [picture.source for picture in pictures] == ["anna/1.png", "anna/2.png", "ben/1.png"]


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "jpg", "nii", "nii.gz"])
def test_all_formats_give_the_same_pixels(tmp_path, ending):
    """What a format stores without loss arrives as it is, rows first; JPEG arrives as its decoder says."""
    picture, mask = (
        array[:, :, 0] if array.ndim == 3 else array for array in cell(np.random.default_rng(1), 30, 41, (9, 9, 9))
    )
    (tmp_path / "cells").mkdir()
    for name, values in (("image", picture), ("mask", mask)):
        path = tmp_path / "cells" / f"1_{name}.{ending if name == 'image' or ending != 'jpg' else 'png'}"
        if "nii" in ending:
            header = nib.Nifti1Image(values.T, np.diag([0.4, 0.3, 1, 1]))
            nib.save(header, path)
        else:
            Image.fromarray(values).save(path)
    masks = f"cells/{{name}}_mask.{'png' if ending == 'jpg' else ending}"
    (read_one,), _ = read(tmp_path, images=f"cells/{{name}}_image.{ending}", masks=masks, colour=False)
    if ending == "jpg":
        assert np.abs(read_one.image.astype(int) - picture).mean() < 10
    else:
        assert np.array_equal(read_one.image, picture)
    assert np.array_equal(read_one.target, np.select([mask == 255, mask == 128], [1, 2]))
    assert read_one.pixel_spacing_mm == (pytest.approx((0.3, 0.4)) if "nii" in ending else None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "cells/*.bmp"}, r"option images: .*with a word in braces"),
        ({"images": "../{name}.bmp"}, r"option images: .*below the folder"),
        ({"masks": "cells/{other}.png"}, r"option masks: .*expected the words of images, name"),
        ({"images": "cell/{name}.bmp"}, r"no file fits option images .*Capital letters count"),
        ({"values": {}}, r"option values: nothing to read .*the mask value of each structure"),
        ({"values": {"nucleus": 255, "cytoplasm": 255}}, r"option values\.cytoplasm: .*not that of nucleus"),
        ({"values": {"nucleus": "white"}}, r"option values\.nucleus: .*a whole number"),
        ({"annotated": ["nukleus"]}, r"option annotated: .*Did you mean 'nucleus'\?"),
        ({"annotated": "nucleus"}, r"option annotated: .*all, or a list"),
        ({"group": "patient"}, r"option group: unknown word .*column of a table"),
        ({"pixel_size_mm": (1, 2, 3)}, r"option pixel_size_mm: .*one or two"),
        ({"pixel_size_mm": 0}, r"option pixel_size_mm: .*found 0"),
        ({"stray_limit": 5.0}, r"option stray_limit"),
        ({"images": "cells/{1}.bmp"}, r"option images: .*with a word in braces"),
        ({"images": "{my-lab}/{name}.bmp"}, r"option images: .*letters, digits and _"),
        ({"table": Path("../pictures.csv")}, r"option table: .*below the folder"),
        ({"colour": False}, r"001\.bmp: a picture in colour .*Set colour: true"),
    ],
)
def test_wrong_options_are_explained(root, options, message):
    """A wrong option is named, with what is expected."""
    with pytest.raises(DatasetError, match=message):
        read(root, **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"table": 5}, r"option table: .*below the folder, found 5"),
        ({"values": [128, 255]}, r"option values: .*the mask value of each structure"),
        ({"colour": "grey"}, r"option colour: .*true or false, found 'grey'"),
        ({"images": ["a", "b"]}, r"option images: .*text"),
    ],
)
def test_options_of_a_configuration_have_their_types(given, message):
    """What YAML gives in another type is named before anything is read."""
    with pytest.raises(DatasetError, match=message):
        options_of(given)


def test_a_pixel_size_is_taken_from_the_options(root):
    """One number is the side of a square pixel."""
    assert read(root, pixel_size_mm=0.2)[0][0].pixel_spacing_mm == (0.2, 0.2)


@pytest.mark.skipif(REAL is None, reason="the public pictures of cells are not there")
def test_the_real_cells_are_read_with_all_their_traps():
    """300 and 100 pictures, one copy, and five masks with stray greys of at most 179 pixels."""
    n_stray = {}
    for number, n_pictures in ((1, 300), (2, 100)):
        names = {"images": f"Dataset {number}/{{name}}.bmp", "masks": f"Dataset {number}/{{name}}.png"}
        pictures, report = read(REAL, **names, stray_values="nearest")
        assert len(pictures) == n_pictures
        assert ("112.bmp = Dataset 1/139.bmp" in " ".join(report.notes)) is (number == 1)
        n_stray[number] = [flag for picture in pictures for flag in picture.flags]
    assert n_stray == {1: [], 2: [f"stray-{n}-px" for n in (97, 3, 179, 22, 3)]}
