"""Unity Imaging: releases typed by hand and releases by the writer, good and bad."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from labeldropout.case import Case, DatasetError
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.curves import fill, spline
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity import importer, writer
from labeldropout.data.unity.curation import propose_curation
from labeldropout.data.unity.options import Options
from labeldropout.heart import FOREGROUND
from labeldropout.labels import State, View

LV, LVM, LA = FOREGROUND
LABELLED, ABSENT, UNKNOWN = State.LABELLED, State.ABSENT, State.UNKNOWN
EPI = {"LV_epi": "curve-lv-epi"}
SHAPE = (60, 80)
"""Rows and columns of the images typed by hand; not square, and the heart sits left of the middle."""


def code(number: int, frame: int = 0) -> str:
    """Frame code of an image; built at run time because no such name may stand in the repository."""
    return f"01-{hashlib.sha256(bytes([number])).hexdigest()}-{frame:04d}"


def curve(x: str, y: str, **more: object) -> dict:
    """A drawn curve, as the first release writes it."""
    return {"type": "curve", "x": x, "y": y, **more}


def nothing(kind: str) -> dict:
    """A key without a drawing."""
    return {"type": kind, "x": "", "y": ""}


def heart() -> dict:
    """Labels of one image: a ventricle between columns 20 and 40, apex up at row 10, and an atrium below row 40."""
    return {
        "curve-lv-endo": curve("20.0 22.0 30.0 38.0 40.0", "40.0 20.0 10.0 20.0 40.0"),
        "curve-lv-epi": curve("14.0 17.0 30.0 43.0 46.0", "40.0 16.0 4.0 16.0 40.0"),
        "curve-la-endo": curve("40.0 38.0 30.0 22.0 20.0", "40.0 50.0 56.0 50.0 40.0"),
        "mv-ant-hinge": {"type": "point", "x": "20.0", "y": "40.0"},
        "curve-lv-post-epi": nothing("off"),
        "rv-apex-endo": nothing("blurred"),
    }


def picture() -> np.ndarray:
    """An RGB screen: grey gradient, a green ECG line at the bottom and white ticks at the right."""
    grey = np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])).astype(np.uint8)
    screen = np.repeat(grey[:, :, None], 3, axis=2)
    screen[57, :] = (0, 255, 0)
    screen[::10, 78] = 255
    return screen


class Release:
    """A release of a few images on disc, to be spoilt by a test."""

    def __init__(self, root: Path, n_images: int = 2) -> None:
        """Write the images 0 … n - 1, all A2C."""
        self.root = root
        self.labels: dict = {}
        self.views: dict[str, str] = {}
        self.spacing: list[str] = []
        for number in range(n_images):
            self.add(number)

    def add(self, number: int, labels: dict | None = None, pixels: np.ndarray | None = None, view: str = "a2c") -> str:
        """Add an image; returns its frame code."""
        name = code(number)
        path = self.image(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture() if pixels is None else pixels).save(path)
        self.labels[f"{name}.png"] = {"labels": heart() if labels is None else labels}
        self.views[name[:67]] = view
        self.spacing.append(f"{name[:67]},0.02,0.03")
        return name

    def image(self, number: int) -> Path:
        """Path of an image."""
        name = code(number)
        return self.root / "png-cache" / "01" / name[3:5] / name[5:7] / f"{name}.png"

    def of(self, number: int) -> dict:
        """Labels of an image, to change."""
        return self.labels[f"{code(number)}.png"]["labels"]

    def write(self) -> Path:
        """Write the text files."""
        folder = self.root / "labels"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "labels-all.json").write_text(json.dumps(self.labels))
        (folder / "keys.json").write_text(json.dumps({"curve-lv-endo": {"project": "apical"}}))
        lines = ["file,view", *(f"{video},{view}" for video, view in self.views.items())]
        (self.root / "view_index_20201205.csv").write_text("\r\n".join(lines) + "\r\n")
        rows = "\n".join(["FileHash,PhysicalDeltaX,PhysicalDeltaY", *self.spacing])
        (self.root / "01_database_physical.csv").write_text(f"{rows}\n")
        return self.root

    def read(self, on_bad_case: str = "stop", **options: object) -> tuple[dict[str, Case], ImportReport]:
        """Write, read, and return the cases by frame code."""
        self.write()
        report = ImportReport("unity", on_bad_case)
        chosen = Options(**{"keys": EPI, **options})
        cases = list(importer.read_cases(self.root, chosen, report))
        return {f"{case.group_name}-{case.frame:04d}": case for case in cases}, report


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """Two good images, typed by hand."""
    return Release(tmp_path / "unity")


def curation(release: Release, *rows: str) -> Path:
    """A curation with these rows."""
    path = release.root.parent / "curation.csv"
    release.root.parent.mkdir(exist_ok=True)
    path.write_text("file,keep,view,reason,LV,LVM,LA,reviewer,date\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_curves_typed_by_hand_become_structures_at_their_places(release: Release):
    """To the right is x, down is y; the cavity lies in the wall, the atrium below; nothing is mirrored."""
    cases, report = release.read()
    case = cases[code(0)]
    assert case.image.shape == SHAPE
    found = {(row, column): case.target[row, column] for row in (7, 30, 48) for column in (17, 30, 43)}
    assert {place: value for place, value in found.items() if value} == {
        (7, 30): LVM,
        (30, 17): LVM,
        (30, 30): LV,
        (30, 43): LVM,
        (48, 30): LA,
    }
    assert case.target[:, 50:].max() == 0
    assert case.states == dict.fromkeys(FOREGROUND, LABELLED)
    assert (case.view, case.instant, case.frame, case.group_name) == (View.A2C, None, 0, code(0)[:67])
    assert case.source_sha256 == hashlib.sha256(release.image(0).read_bytes()).hexdigest()
    assert (report.found, len(cases)) == (2, 2)


def test_pixel_spacing_is_row_then_column_in_millimetres(release: Release):
    """The file gives x, then y, in centimetres."""
    cases, _ = release.read()
    assert cases[code(0)].pixel_spacing_mm == (0.3, 0.2)


@pytest.mark.parametrize("cells", ["nan,nan", ",", None])
def test_a_missing_pixel_size_is_unknown(release: Release, cells: str | None):
    """No default is invented."""
    release.spacing = [] if cells is None else [f"{code(0)[:67]},{cells}"]
    cases, _ = release.read()
    assert cases[code(0)].pixel_spacing_mm is None


def test_grey_is_luma(release: Release):
    """The green ECG line becomes as bright as luma says."""
    cases, _ = release.read()
    assert cases[code(0)].image[57, 3] == 150
    assert cases[code(0)].image[5, 6] == 11


def _as(mode: str) -> tuple[Image.Image, int]:
    """An image of this mode, constant but for one pixel, and the grey value expected of the rest."""
    height, width = SHAPE
    if mode == "16":
        pixels = np.full(SHAPE, 257 * 90, np.uint16)
        pixels[0, 0] = 0
        return Image.fromarray(pixels), 90
    if mode == "P":
        indexed = Image.fromarray(np.full(SHAPE, 7, np.uint8)).convert("P")
        indexed.putpalette([0, 0, 0] + [90] * 765)
        indexed.putpixel((0, 0), 0)
        return indexed, 90
    colours = {"L": 90, "LA": (180, 128), "RGBA": (180, 180, 180, 128), "1": 1}
    made = Image.new(mode, (width, height), colours[mode])
    made.putpixel((0, 0), {"LA": (0, 255), "RGBA": (0, 0, 0, 255)}.get(mode, 0))
    return made, 255 if mode == "1" else 90


@pytest.mark.parametrize("value", [0, 90])
def test_a_picture_of_one_grey_value_is_a_bad_case(release: Release, value: int):
    """Whatever was outlined on it, it was not this picture; black is no exception."""
    Image.fromarray(np.full((*SHAPE, 3), value, np.uint8)).save(release.image(0))
    with pytest.raises(DatasetError, match=rf"-0000\.png: a blank picture .*found {value} in every pixel"):
        release.read()
    cases, report = release.read(on_bad_case="skip")
    assert list(cases) == [code(1)]
    assert [row["item"] for row in report.rejected] == [code(0)]


@pytest.mark.parametrize("mode", ["16", "P", "L", "LA", "RGBA", "1"])
def test_every_kind_of_png_becomes_eight_bit_grey(release: Release, mode: str):
    """16 bits are scaled, palettes looked up, transparent pixels laid over black."""
    image, grey = _as(mode)
    image.save(release.image(0))
    cases, _ = release.read()
    assert cases[code(0)].image.dtype == np.uint8
    assert abs(int(cases[code(0)].image[30, 30]) - grey) <= 1


def test_the_type_of_a_label_decides_its_state_and_its_presence_does_not(release: Release):
    """Drawn is labelled, `off` absent, `blurred`, no type and no key unknown."""
    release.of(0)["curve-la-endo"] = nothing("off")
    release.of(0)["curve-lv-epi"] = nothing("blurred")
    release.of(1)["curve-la-endo"] = {"x": "", "y": ""}
    del release.of(1)["curve-lv-epi"]
    cases, _ = release.read(complete=False, off_state={"LA": "absent"})
    assert cases[code(0)].states == {LV: LABELLED, LVM: UNKNOWN, LA: ABSENT}
    assert cases[code(1)].states == {LV: LABELLED, LVM: UNKNOWN, LA: UNKNOWN}
    assert set(np.unique(cases[code(0)].target)) == {0, LV}


def test_off_can_be_taken_as_unknown(release: Release):
    """The user may know that `off` means that nobody was asked."""
    release.of(0)["curve-la-endo"] = nothing("off")
    cases, _ = release.read(complete=False, off_state={"LA": "unknown"})
    assert cases[code(0)].states[LA] is UNKNOWN


def test_frequent_off_needs_a_choice_and_shows_the_census(release: Release):
    """One `off` in two images is suspicious as long as the user did not say what it means."""
    release.of(0)["curve-la-endo"] = nothing("off")
    with pytest.raises(DatasetError, match=r"suspiciously frequent.*1; census: curve-la-endo A2C: curve=1.*off_state"):
        release.read(complete=False)


def test_without_a_curation_only_images_with_everything_drawn_are_used(release: Release):
    """What is left out is counted in the report."""
    release.of(0)["curve-la-endo"] = nothing("off")
    cases, report = release.read()
    assert list(cases) == [code(1)]
    assert "1 images are left out: apical, but not all configured structures are drawn." in report.notes


def test_without_an_epicardial_key_the_myocardium_is_unknown_and_the_report_is_loud(release: Release):
    """Nothing is invented."""
    cases, report = release.read(keys={})
    assert cases[code(0)].states[LVM] is UNKNOWN
    assert set(np.unique(cases[code(0)].target)) == {0, LV, LA}
    assert any(note.startswith("LVM IS UNKNOWN IN EVERY IMAGE") for note in report.notes)


def test_the_census_counts_every_curve_key_by_view_and_type(release: Release):
    """It answers which key holds the myocardium at the first import of the real data."""
    release.add(5, view="PLAX")
    _, report = release.read()
    found = {row["check"]: row["found"] for row in report.checks}
    assert found["census curve-lv-post-epi A2C"] == "curve=0 point=0 off=2 blurred=0 missing=0"
    assert found["census curve-lv-endo not-apical"] == "curve=1 point=0 off=0 blurred=0 missing=0"
    assert 'keys.json: curve-lv-endo: {"project": "apical"}' in report.notes


def test_other_views_are_left_out_and_unknown_words_listed(release: Release):
    """A word of the index that nobody explained stops the import; an explained one does not."""
    release.add(2, view="A3C")
    release.add(3, view="Plax")
    release.add(4, view="a4c")
    with pytest.raises(DatasetError, match=r"unknown views .*'A3C'.*view_table"):
        release.read()
    cases, _ = release.read(view_table={"a3c": ""})
    assert set(cases) == {code(0), code(1), code(4)}
    cases, _ = release.read(view_table={"a3c": ""}, views=("A4C",))
    assert set(cases) == {code(4)}


def test_without_a_view_index_parasternal_images_are_told_by_their_curves(release: Release):
    """Apical: the cavity's curve is drawn and no parasternal one; the view is unknown."""
    release.of(1)["curve-lv-post-epi"] = curve("1 2 3", "1 2 4")
    release.write()
    next(release.root.glob("view_index*")).unlink()
    cases = list(importer.read_cases(release.root, Options(keys=EPI), ImportReport("unity")))
    assert [(case.group_name, case.view) for case in cases] == [(code(0)[:67], None)]


def test_the_second_release_is_read_too(release: Release):
    """Lists of instances, lists of numbers, straight segments; different instances are unknown and flagged."""
    straight = curve([20, 20, 40, 40], [40, 12, 12, 40], straight_segment="1 1 1 0", conf="1 1 1 1")
    release.of(0)["curve-lv-endo"] = [straight]
    release.of(1)["curve-la-endo"] = [heart()["curve-la-endo"], curve("40 30 20", "40 56 40")]
    cases, _ = release.read(complete=False)
    cavity = cases[code(0)].target == LV
    assert cavity[13:40, 21:40].all()
    assert not cavity[:12].any()
    assert cases[code(1)].states[LA] is UNKNOWN
    assert cases[code(1)].flags == ("several-LA",)


def test_suffixes_marks_and_line_ends_of_the_real_files_are_tolerated(release: Release):
    """`_(1)` in a key, a byte-order mark and CRLF in a name list, an image without the leading class."""
    release.labels[f"{code(0)}_(1).png"] = release.labels.pop(f"{code(0)}.png")
    release.image(1).rename(release.image(1).with_name(f"{code(1)[3:]}.png"))
    release.write()
    text = f"{code(0)}.png\r\n{code(1)}.png\r\n"
    (release.root / "labels" / "labels-tune.txt").write_bytes(text.encode("utf-8-sig"))
    cases, _ = release.read()
    assert {name: case.split_hint for name, case in cases.items()} == {code(0): "tune", code(1): "tune"}


def test_without_labels_all_the_union_of_the_lists_is_used(release: Release):
    """The same image may stand in two lists if it says the same."""
    release.write()
    folder = release.root / "labels"
    (folder / "labels-all.json").rename(folder / "labels-train.json")
    first = dict(list(release.labels.items())[:1])
    (folder / "labels-tune.json").write_text(json.dumps(first))
    (folder / "labels-tune.txt").write_text("")
    report = ImportReport("unity")
    assert len(list(importer.read_cases(release.root, Options(keys=EPI), report))) == 2
    first[f"{code(0)}.png"] = {"labels": {}}
    (folder / "labels-tune.json").write_text(json.dumps(first))
    with pytest.raises(DatasetError, match=r"labels-tune.json: 01-.*listed twice with different content"):
        list(importer.read_cases(release.root, Options(keys=EPI), report))


def test_the_same_instance_listed_twice_counts_once_and_is_reported(release: Release):
    """Letter by letter the same outline is one outline, in the census too."""
    once, _ = release.read()
    release.of(1)["curve-la-endo"] = [heart()["curve-la-endo"]] * 2
    cases, report = release.read()
    np.testing.assert_array_equal(cases[code(1)].target, once[code(1)].target)
    assert cases[code(1)].flags == ()
    assert report.adjusted == {
        "a curve listed several times, letter by letter, counts once": [f"{code(1)}: curve-la-endo"]
    }
    found = {row["check"]: row["found"] for row in report.checks}
    assert found["census curve-la-endo A2C"].startswith("curve=2 ")


def test_a_curve_that_leaves_the_image_a_little_is_cut_at_the_border(release: Release):
    """The part inside is what the outline would give on a larger picture; the others are as before."""
    release.of(0)["curve-la-endo"] = curve("-3.5 2.0 9.0 2.0 -3.5", "40.0 36.0 44.0 54.0 48.0")
    cases, report = release.read()
    moved = np.array([[6.5, 12.0, 19.0, 12.0, 6.5], [40.0, 36.0, 44.0, 54.0, 48.0]]).T
    larger = fill(spline(moved), (SHAPE[0], SHAPE[1] + 10))[:, 10:]
    np.testing.assert_array_equal(cases[code(0)].target == LA, larger)
    assert report.adjusted == {"a curve that leaves the image, cut at the border": [f"{code(0)}: curve-la-endo"]}
    assert report.skipped == {}


def test_what_is_not_used_is_recorded_by_name(release: Release):
    """Images with nothing but blurred structures, of another view, or with a curve without a type."""
    release.add(2, {key: nothing("blurred") for key in heart()})
    release.add(3, view="PLAX")
    del release.of(1)["curve-la-endo"]["type"]
    cases, report = release.read(complete=False)
    assert cases[code(1)].states[LA] is UNKNOWN
    assert report.left_out == {"apical, but nothing is annotated": [code(2)], "of another view": [code(3)]}
    assert report.adjusted == {"a curve without a type counts as not annotated": [f"{code(1)}: curve-la-endo"]}


BAD_CURVES = {
    "two points": (curve("20 30", "40 10"), "2 points"),
    "no points": (curve("", ""), "0 points"),
    "unequal": (curve("20 22 30", "40 20"), "3 x and 2 y"),
    "NaN": (curve("20 nan 40", "40 20 40"), "not finite"),
    "infinite": (curve([20, 1e400, 40], [40, 10, 40]), "not finite"),
    "outside": (curve("20 30 84", "40 10 40"), "more than 5% of the side outside the image"),
    "above": (curve("20 30 40", "40 -4 40"), "more than 5% of the side outside the image"),
    "repeated": (curve("20 20 30 30", "40 40 10 10"), "different points"),
    "crossing": (curve("20 40 20 40", "40 15 15 40"), "crosses itself"),
    "tiny": (curve("20 21 22", "40 38 40"), "an area of"),
    "marks": (curve("20 30 40", "40 10 40", straight_segment="1"), "straight-segment"),
}


@pytest.mark.parametrize("what", BAD_CURVES)
def test_a_bad_curve_is_unknown_and_counted(release: Release, what: str):
    """As the authors' own trainer gives it no weight."""
    release.of(0)["curve-la-endo"], why = BAD_CURVES[what]
    cases, report = release.read(complete=False)
    assert cases[code(0)].states == {LV: LABELLED, LVM: LABELLED, LA: UNKNOWN}
    assert cases[code(0)].flags == ("bad-curve-LA",)
    assert len(report.skipped["bad curve"]) == 1
    assert why in report.skipped["bad curve"][0]
    cases, report = release.read()
    assert list(cases) == [code(1)]
    assert len(report.skipped["bad curve"]) == 1


def test_an_image_without_a_single_good_curve_is_left_out_by_name(release: Release):
    """It would enter a training with nothing to learn from."""
    for key in ("curve-la-endo", "curve-lv-endo", "curve-lv-epi"):
        release.of(0)[key], _ = BAD_CURVES["two points"]
    cases, report = release.read(complete=False)
    assert list(cases) == [code(1)]
    assert report.left_out == {"apical, but no curve is good": [code(0)]}


def test_a_curated_image_on_which_nothing_is_annotated_is_kept_and_named(release: Release):
    """The list decides; whoever wrote it should know."""
    for key in ("curve-la-endo", "curve-lv-endo", "curve-lv-epi"):
        release.of(0)[key] = nothing("blurred")
    cases, report = release.read(curation=curation(release, f"{code(0)}.png,1,,,,,,,"))
    assert set(cases[code(0)].states.values()) == {UNKNOWN}
    assert report.adjusted == {"an image kept by the curation on which nothing is annotated": [code(0)]}


def test_without_a_good_cavity_there_is_no_myocardium(release: Release):
    """The wall is what the epicardium holds beside the cavity; the report names the curve to blame for both."""
    release.of(0)["curve-lv-endo"], _ = BAD_CURVES["crossing"]
    cases, report = release.read(complete=False)
    assert cases[code(0)].states == {LV: UNKNOWN, LVM: UNKNOWN, LA: LABELLED}
    assert [item.split(": ", 1)[1] for item in report.skipped["bad curve"]] == [
        "curve-lv-endo: the outline crosses itself"
    ] * 2


@pytest.mark.parametrize("what", BAD_CURVES)
def test_a_bad_curve_in_a_curated_image_stops_the_import(release: Release, what: str):
    """The reviewer said that it is drawn; now somebody has to look."""
    release.of(0)["curve-lv-endo"], why = BAD_CURVES[what]
    path = curation(release, f"{code(0)}.png,1,,,,,,,")
    with pytest.raises(DatasetError, match=f"labels-all.json: {code(0)}.*curation.csv:2.*{why}"):
        release.read(curation=path)


def test_a_cavity_below_its_hinges_is_flagged(release: Release):
    """Upside down is a mistake that a reviewer must see."""
    release.of(0)["curve-lv-endo"] = curve("20 22 30 38 40", "20 35 45 35 20")
    cases, _ = release.read()
    assert "apex-below-hinges" in cases[code(0)].flags


def _spoil_image(release: Release, content: bytes) -> None:
    release.image(0).write_bytes(content)


def _png(width: int, height: int) -> bytes:
    """A tiny PNG file that declares this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    body = b"IDAT" + zlib.compress(b"\0" * 100)
    data = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + data + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def _set(key: str, entry: object):
    return lambda release: release.of(0).__setitem__(key, entry)


def _repeat_key(release: Release) -> None:
    release.write()
    path = release.root / "labels" / "labels-all.json"
    release.write = lambda: release.root
    other = json.dumps({"labels": {"curve-lv-endo": nothing("off")}})
    path.write_text(path.read_text().rstrip("}") + '}}}, "' + f'{code(0)}.png": {other}' + "}")


def _link_outside(release: Release) -> None:
    outside = release.root.parent / "outside.png"
    release.image(0).rename(outside)
    release.image(0).symlink_to(outside)


BAD_CASES = {
    "empty image": (lambda r: _spoil_image(r, b""), r"-0000\.png: not a picture .*an empty file"),
    "truncated image": (
        lambda r: _spoil_image(r, r.image(0).read_bytes()[:150]),
        r"-0000\.png: a damaged file .*found the end after 150 bytes",
    ),
    "flipped byte": (
        lambda r: _spoil_image(r, r.image(0).read_bytes()[:130] + b"?" + r.image(0).read_bytes()[131:]),
        r"-0000\.png: a damaged file .*found a wrong check sum at byte 33",
    ),
    "cut header": (lambda r: _spoil_image(r, r.image(0).read_bytes()[:20]), r"-0000\.png: cannot be decoded"),
    "other format": (lambda r: _spoil_image(r, b"GIF89a" + bytes(60)), r"-0000\.png: not a picture"),
    "huge size": (lambda r: _spoil_image(r, _png(100_000, 100_000)), r"-0000\.png: impossible declared size .*found "),
    "no size": (lambda r: _spoil_image(r, _png(0, 10)), r"-0000\.png: not a picture"),
    "too few pixels": (lambda r: _spoil_image(r, _png(80, 60)), r"-0000\.png: cannot be decoded"),
    "text coordinate": (
        _set("curve-la-endo", curve("20 left 40", "40 50 40")),
        r"curve-la-endo: x: not a number .*found 'left'",
    ),
    "unknown type": (_set("curve-la-endo", nothing("dotted")), r"curve-la-endo: wrong type .*found 'dotted'"),
    "point for curve": (_set("curve-la-endo", nothing("point")), r"curve-la-endo: wrong type .*found 'point'"),
    "label is text": (_set("curve-la-endo", "off"), r"curve-la-endo: wrong shape of a label .*found str"),
    "entry is a list": (lambda r: r.labels.__setitem__(f"{code(0)}.png", []), r"wrong shape of an image's entry"),
    "no labels": (lambda r: r.labels.__setitem__(f"{code(0)}.png", {"curves": {}}), r"found keys \['curves'\]"),
    "two views": (lambda r: r.views.__setitem__(code(0), "a4c") or r.views.__setitem__(f"{code(0)}.png", "a2c"),
                  r"view_index_20201205\.csv: 01-.*listed with two views .*line 4: a4c"),
    "text spacing": (lambda r: r.spacing.__setitem__(0, f"{code(0)[:67]},wide,0.02"), r"physical.csv:2: not a number"),
    "zero spacing": (lambda r: r.spacing.__setitem__(0, f"{code(0)[:67]},0,0.02"), r"physical.csv:2: impossible"),
    "infinite spacing": (lambda r: r.spacing.__setitem__(0, f"{code(0)[:67]},inf,0.02"), r"csv:2: impossible"),
    "unset spacing": (lambda r: r.spacing.__setitem__(0, f"{code(0)[:67]},1.0,1.0"), r"physical.csv:2: impossible"),
    "two spacings": (lambda r: r.spacing.append(f"{code(0)[:67]},0.5,0.5"), r"physical.csv:2: a video listed twice"),
    "repeated key": (_repeat_key, r"labels-all\.json: 01-.*listed twice with different content"),
    "link outside": (_link_outside, r"-0000\.png: a link that leaves its folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_CASES)
def test_a_bad_case_gives_one_error_with_file_expected_and_found(release: Release, what: str):
    """The message names file and key or line, and what stands there."""
    spoil, message = BAD_CASES[what]
    spoil(release)
    with pytest.raises(DatasetError, match=message) as caught:
        release.read()
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", BAD_CASES)
def test_a_bad_case_can_be_skipped_and_is_recorded(release: Release, what: str):
    """The good image is imported all the same."""
    spoil, message = BAD_CASES[what]
    spoil(release)
    cases, report = release.read(on_bad_case="skip")
    assert list(cases) == [code(1)]
    assert [row["item"] for row in report.rejected] == [code(0)]
    with pytest.raises(DatasetError, match=message):
        raise DatasetError(report.rejected[0]["error"])


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "01-..\\secret"])
def test_a_name_never_leaves_its_folder(release: Release, name: str):
    """Names in the labels are checked before any path is made of them."""
    release.labels[name] = {"labels": heart()}
    with pytest.raises(DatasetError, match=r"labels-all\.json: .*a name that leaves its folder"):
        release.read()
    cases, report = release.read(on_bad_case="skip")
    assert len(cases) == 2
    assert len(report.rejected) == 1


def test_names_without_an_image_are_skipped_up_to_a_limit(release: Release):
    """One malformed name is known in the real lists; a missing folder is another thing."""
    release.labels["01-0123-0000.png"] = {"labels": heart()}
    release.image(0).unlink()
    with pytest.raises(DatasetError, match=r"png-cache: labelled names without an image .*0\.1% of 3.*found 2"):
        release.read()
    cases, report = release.read(missing_limit=0.7)
    assert list(cases) == [code(1)]
    assert report.skipped["no image of this name"] == ["01-0123-0000", code(0)]
    _, report = release.read(on_bad_case="skip")
    assert [row["item"] for row in report.rejected] == ["01-0123-0000", code(0)]


def test_images_without_a_label_are_counted(release: Release):
    """They are no error: the release has more pictures than labels."""
    del release.labels[f"{code(0)}.png"]
    cases, report = release.read()
    assert list(cases) == [code(1)]
    assert "1 images without a label are left alone." in report.notes


STRUCTURAL = {
    "no folder": (lambda root: root.rename(root.with_name("moved")), r"data set is not there.*data\.unityimaging\.net"),
    "no images": (lambda root: (root / "png-cache").rename(root / "png"), r"not a release.*expected png-cache/"),
    "no labels": (lambda root: (root / "labels").rename(root / "label"), r"not a release.*expected png-cache/"),
    "cut JSON": (lambda root: (root / "labels/labels-all.json").write_text('{"01'), r"labels-all\.json: not JSON"),
    "empty JSON": (lambda root: (root / "labels/labels-all.json").write_text(""), r"labels-all\.json: not JSON"),
    "JSON list": (lambda root: (root / "labels/labels-all.json").write_text("[]"), r"wrong shape.*found list"),
    "no image": (lambda root: (root / "labels/labels-all.json").write_text("{}"), r"wrong shape.*empty object"),
    "not text": (lambda root: (root / "labels/labels-all.json").write_bytes(b"\xff\xfe{"), r"not text"),
    "view header": (
        lambda root: (root / "view_index_20201205.csv").write_text("name,view\n"),
        r"view_index_20201205\.csv:1: wrong header \(expected file,view, found name,view\)",
    ),
    "empty view index": (
        lambda root: (root / "view_index_20201205.csv").write_text(""),
        r"view_index_20201205\.csv:1: wrong header \(expected file,view, found nothing\)",
    ),
    "spacing header": (
        lambda root: (root / "01_database_physical.csv").write_text("FileHash,PhysicalDeltaX\n"),
        r"01_database_physical\.csv:1: wrong header",
    ),
    "short row": (
        lambda root: (root / "01_database_physical.csv").write_text(
            "FileHash,PhysicalDeltaX,PhysicalDeltaY\na,1\n"
        ),
        r"01_database_physical\.csv:2: wrong number of cells \(expected 3, found 2\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STRUCTURAL)
@pytest.mark.parametrize("on_bad_case", ["stop", "skip"])
def test_a_broken_release_stops_the_import_in_any_case(release: Release, what: str, on_bad_case: str):
    """Nothing could be imported from it rightly; the message names the file."""
    spoil, message = STRUCTURAL[what]
    spoil(release.write())
    with pytest.raises(DatasetError, match=message):
        list(importer.read_cases(release.root, Options(keys=EPI), ImportReport("unity", on_bad_case)))


def test_an_image_in_two_parts_of_the_release_is_an_error(release: Release):
    """The official split would leak."""
    release.write()
    for part in ("train", "ival"):
        (release.root / "labels" / f"labels-{part}.txt").write_text(f"{code(0)}.png\n")
    with pytest.raises(DatasetError, match=r"two parts of the release .*ival, train"):
        release.read()


def test_the_curation_chooses_images_views_and_states(release: Release):
    """Exactly the rows to keep, in the order of the names; a state in the list wins over the labels'."""
    release.add(2)
    release.add(3, view="PLAX")
    path = curation(
        release,
        f"{code(0)},1,A4C,,,unknown,,me,2026",
        f"{code(1)}.png,0,,bad LVM,,,,,",
        f"{code(3)}.png,1,a2c,,labelled,,absent,,",
    )
    cases, report = release.read(curation=path)
    assert list(cases) == sorted([code(0), code(3)])
    assert (cases[code(0)].view, cases[code(0)].states) == (View.A4C, {LV: LABELLED, LVM: UNKNOWN, LA: LABELLED})
    assert (cases[code(3)].view, cases[code(3)].states) == (View.A2C, {LV: LABELLED, LVM: LABELLED, LA: ABSENT})
    assert not (cases[code(0)].target == LVM).any()
    assert "Curation: 2 of 3 listed images are kept." in report.notes
    assert any("2 images are used; the paper used 400" in note for note in report.notes)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert {"check": "curation sha256", "expected": "", "found": digest} in report.checks


def test_a_curation_with_a_header_alone_chooses_nothing(release: Release):
    """That is how the list is shipped."""
    shipped = Path(__file__).parents[3] / "config" / "unity_curation.csv"
    assert shipped.read_text().splitlines()[0] == "file,keep,view,reason,LV,LVM,LA,reviewer,date"
    cases, _ = release.read(curation=curation(release))
    assert len(cases) == 2


BAD_ROWS = {
    "no image": ("01-feed-0000.png,1,,,,,,,", "names no image"),
    "keep": (f"{code(1)}.png,yes,,,,,,,", "bad word in column keep .*found 'yes'"),
    "view": (f"{code(1)}.png,1,PLAX,,,,,,", "bad word in column view"),
    "state": (f"{code(1)}.png,1,,,drawn,,,,", "bad word in column LV .*found 'drawn'"),
    "twice": (f"{code(0)}.png,0,,,,,,,", "an image listed twice .*line 2 too"),
    "short": (f"{code(1)}.png,1", "wrong number of cells"),
    "no curve": (f"{code(1)}.png,1,,,,,labelled,,", "LA is called labelled .*found blurred"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_of_the_curation_is_named_by_its_line(release: Release, what: str):
    """A list made by hand has slips; each is found at once."""
    row, message = BAD_ROWS[what]
    release.of(1)["curve-la-endo"] = nothing("blurred")
    with pytest.raises(DatasetError, match=rf"curation\.csv:3: {message}"):
        release.read(curation=curation(release, f"{code(0)}.png,1,,,,,,,", row))


@pytest.mark.parametrize(
    ("header", "message"),
    [("file,keep,view", "wrong header"), ("file,keep,view,reason,LAA", "unknown columns .*found LAA"), ("", "wrong")],
)
def test_a_curation_with_other_columns_is_refused(release: Release, header: str, message: str):
    """A misspelt column would be ignored silently."""
    path = curation(release)
    path.write_text(f"{header}\n")
    with pytest.raises(DatasetError, match=rf"curation\.csv:1: {message}"):
        release.read(curation=path)


def test_a_missing_curation_is_named(release: Release):
    """A path that leads nowhere is not an empty list."""
    with pytest.raises(DatasetError, match=r"nowhere\.csv: the curation is not there"):
        release.read(curation=Path("nowhere.csv"))


def test_a_curated_image_that_is_not_apical_needs_a_view(release: Release):
    """The index says PLAX; the reviewer must say otherwise."""
    release.add(2, view="PLAX")
    with pytest.raises(DatasetError, match=r"curation\.csv:2: not an apical image"):
        release.read(curation=curation(release, f"{code(2)}.png,1,,,,,,,"))


def test_frequent_off_among_curated_images_needs_a_choice(release: Release):
    """A reviewer who filled in the state has made the choice."""
    release.of(0)["curve-la-endo"] = nothing("off")
    with pytest.raises(DatasetError, match="suspiciously frequent"):
        release.read(curation=curation(release, f"{code(0)}.png,1,,,,,,,"))
    cases, _ = release.read(curation=curation(release, f"{code(0)}.png,1,,,,,unknown,,"))
    assert cases[code(0)].states[LA] is UNKNOWN


def test_extra_masks_add_structures_that_the_curation_calls_labelled(release: Release, tmp_path: Path):
    """A myocardium drawn by the user counts where the list says so, and below the curves."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[20:40, 10:50] = LVM
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in (0, 1):
        Image.fromarray(mask).save(folder / f"{code(number)}.png")
    path = curation(release, f"{code(0)}.png,1,,,,labelled,,,", f"{code(1)}.png,1,,,,,,,")
    cases, report = release.read(keys={}, curation=path, extra_masks=folder)
    assert [cases[code(n)].states[LVM] for n in (0, 1)] == [LABELLED, UNKNOWN]
    assert cases[code(0)].target[30, [12, 30, 47]].tolist() == [LVM, LV, LVM]
    assert not any("LVM IS UNKNOWN" in note for note in report.notes)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((60, 81), np.uint8), r"another size than the image \(expected \(60, 80\), found \(60, 81\)\)"),
        (np.full(SHAPE, 4, np.uint8), r"unknown label value \(expected 0 to 3, found \[4\]\)"),
        (np.full((*SHAPE, 3), (0, 0, 9), np.uint8), r"not a label map .*mode RGB"),
        (np.zeros(SHAPE, np.uint8), r"a bad curve in a curated image .*LVM: nothing is drawn"),
    ],
)
def test_a_bad_extra_mask_is_refused(release: Release, tmp_path: Path, mask: np.ndarray, message: str):
    """The user's own drawing is checked like the rest."""
    Image.fromarray(mask).save(tmp_path / f"{code(0)}.png")
    with pytest.raises(DatasetError, match=message):
        release.read(keys={}, curation=curation(release, f"{code(0)}.png,1,,,,labelled,,,"), extra_masks=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keys": {"LV_ep": "x"}}, r"option keys.*'LV_ep'.*Did you mean 'LV_epi'"),
        ({"off_state": {"LA": "absence"}}, r"option off_state.*'absence'.*Did you mean 'absent'"),
        ({"views": ("A5C",)}, r"option views.*'A5C'"),
        ({"view_table": {"A3C": "A3C"}}, r"option view_table.*'A3C'"),
        ({"right_ventricle_side": "rihgt"}, r"'rihgt'.*Did you mean 'right'"),
    ],
)
def test_an_unknown_word_in_the_options_is_refused_with_the_nearest(options: dict, message: str):
    """A typing mistake must not become a default."""
    with pytest.raises(DatasetError, match=message):
        Options(**options)


def _drawn_case(index: int, spill: float = 1.0, view: View = View.A4C) -> Case:
    """A case of the writer's: an ellipse cut by a tilted valve plane, its left wall thicker by `spill`."""
    rng = np.random.default_rng(index)
    row, column = np.indices((150, 220)).astype(np.float64)
    angle, centre = rng.uniform(-0.25, 0.25), 95 + rng.uniform(-10, 10)

    def ellipse(at: tuple[float, float], half: tuple[float, float], widen: float = 1.0) -> np.ndarray:
        down, right = row - at[0], column - at[1]
        along = down * np.cos(angle) + right * np.sin(angle)
        across = right * np.cos(angle) - down * np.sin(angle)
        across = np.where(across < 0, across / widen, across)
        return (along / half[0]) ** 2 + (across / half[1]) ** 2 < 1

    basal = (row - 70) * np.cos(angle) + (column - centre) * np.sin(angle) > 22
    cavity = ellipse((70, centre), (46, 20)) & ~basal
    wall = ellipse((70, centre), (54, 28), spill) & ~basal
    atrium = ellipse((70 + 42 * np.cos(angle), centre + 42 * np.sin(angle)), (24, 22)) & basal
    target = np.zeros(row.shape, np.uint8)
    for area, structure in ((wall, LVM), (atrium, LA), (cavity, LV)):
        target[area] = structure
    return Case(
        dataset="unity",
        group_name=writer.video_code(3, index),
        frame=index % 3,
        image=rng.integers(0, 256, target.shape).astype(np.uint8),
        target=target,
        states=dict.fromkeys(FOREGROUND, LABELLED),
        pixel_spacing_mm=(0.31, 0.29),
        view=view,
        instant=None,
        source=f"simulated {index}",
        source_sha256="",
    )


def test_the_writer_s_release_comes_back_within_one_boundary_pixel(tmp_path: Path):
    """Images, spacing, view and identifiers come back exactly; cavity, wall and atrium up to their outlines."""
    written = [_drawn_case(index) for index in range(6)]
    writer.write_cases(written, tmp_path, np.random.default_rng(0))
    report = ImportReport("unity")
    read = {case.id: case for case in importer.read_cases(tmp_path, Options(keys=EPI), report)}
    assert set(read) == {case.id for case in written}
    eight = np.ones((3, 3), bool)
    for case in written:
        back = read[case.id]
        np.testing.assert_array_equal(back.image, case.image)
        assert (back.pixel_spacing_mm, back.view, back.states) == (case.pixel_spacing_mm, case.view, case.states)
        near = np.zeros(case.target.shape, bool)
        for inside in (case.target == LV, np.isin(case.target, [LV, LVM]), case.target == LA):
            near |= binary_dilation(inside, eight) & ~binary_erosion(inside, eight)
        different = back.target != case.target
        assert not (different & ~near).any()
        assert different.sum() < 0.02 * (case.target > 0).sum()


def test_the_epicardial_curve_of_the_writer_encloses_the_cavity(tmp_path: Path):
    """It runs around cavity and wall from hinge to hinge, not along the wall's inner side."""
    case = _drawn_case(0)
    writer.write_cases([case], tmp_path, np.random.default_rng(0), quirks=False)
    (image,) = json.loads((tmp_path / "labels" / "labels-all.json").read_text()).values()
    entry = image["labels"]["curve-lv-epi"]
    points = np.array([[float(value) for value in entry[axis].split()] for axis in "xy"]).T
    inside = fill(spline(points), case.target.shape)
    assert inside[binary_erosion(case.target == LV, iterations=2)].all()
    assert len(points) < 60


def test_states_survive_the_writer(tmp_path: Path):
    """Absent becomes `off`, unknown `blurred`, and back."""
    case = _drawn_case(0)
    target = np.where(case.target == LV, case.target, 0).astype(np.uint8)
    states = {LV: LABELLED, LVM: UNKNOWN, LA: ABSENT}
    changed = Case(**{**case.__dict__, "target": target, "states": states})
    writer.write_cases([changed], tmp_path, np.random.default_rng(0))
    options = Options(keys=EPI, complete=False, off_state={"LA": "absent"})
    (back,) = importer.read_cases(tmp_path, options, ImportReport("unity"))
    assert back.states == states


def test_the_writer_writes_the_same_bytes_twice(tmp_path: Path):
    """Same cases and same seed, same files."""
    digests = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        writer.write_cases(map(_drawn_case, range(3)), folder, np.random.default_rng(5))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append({path.relative_to(folder): hashlib.sha256(path.read_bytes()).digest() for path in files})
    assert digests[0] == digests[1]
    assert len(digests[0]) > 10


def test_the_writer_refuses_what_the_format_cannot_hold(tmp_path: Path):
    """One curve bounds one area; a still has no instant."""
    case = _drawn_case(0)
    target = case.target.copy()
    target[5:25, 170:200] = LA
    with pytest.raises(DatasetError, match=r"simulated 0 .*LA.*cannot be one curve"):
        writer.write_cases([Case(**{**case.__dict__, "target": target})], tmp_path, np.random.default_rng(0))
    with pytest.raises(DatasetError, match="not a still of a video"):
        writer.write_cases([Case(**{**case.__dict__, "group_name": "me"})], tmp_path, np.random.default_rng(0))
    with pytest.raises(DatasetError, match="written twice"):
        writer.write_cases([case, case], tmp_path, np.random.default_rng(0))


def _store(cases: list[Case], folder: Path) -> CaseStore:
    write_cases(cases, folder, ImportReport("unity"))
    return CaseStore(folder)


def test_the_proposal_flags_myocardium_drawn_into_the_right_ventricle(tmp_path: Path):
    """In A4C the wall to the right ventricle is too thick; the proposal says so and excludes nothing."""
    cases = [_drawn_case(index) for index in range(5)]
    cases += [_drawn_case(5, spill=2.0), _drawn_case(6, spill=2.0, view=View.A2C)]
    store = _store(cases, tmp_path)
    proposal = propose_curation(store, Options(large_wall_ratio=100.0)).set_index("file")
    assert list(proposal.columns) == ["keep", "view", "reason"]
    flagged = proposal.index[proposal["reason"] != ""].tolist()
    assert flagged == [f"{cases[5].group_name}-{cases[5].frame:04d}.png"]
    assert "RV-side wall" in proposal.loc[flagged[0], "reason"]
    assert (proposal["keep"] == 1).all()
    mirrored = propose_curation(store, Options(large_wall_ratio=100.0, right_ventricle_side="right"))
    assert (mirrored["reason"] == "").all()


def test_the_proposal_flags_a_myocardium_far_larger_than_the_median(tmp_path: Path):
    """In either view; the reason gives the numbers."""
    cases = [_drawn_case(index, view=View.A2C) for index in range(5)] + [_drawn_case(5, spill=2.5, view=View.A2C)]
    proposal = propose_curation(_store(cases, tmp_path), Options())
    reasons = proposal.loc[proposal["reason"] != ""]
    assert reasons["file"].tolist() == [f"{cases[5].group_name}-{cases[5].frame:04d}.png"]
    assert reasons["reason"].iloc[0].startswith("LVM/LV area")


def test_a_proposal_can_be_used_as_a_curation(tmp_path: Path):
    """The reviewer edits the proposed file and gives it to the import."""
    root = tmp_path / "root"
    writer.write_cases(map(_drawn_case, range(4)), root, np.random.default_rng(0))
    options = Options(keys=EPI)
    store = _store(list(importer.read_cases(root, options, ImportReport("unity"))), tmp_path / "store")
    proposal = propose_curation(store, options)
    proposal.loc[0, "keep"] = 0
    path = tmp_path / "curation.csv"
    proposal.to_csv(path, index=False)
    chosen = Options(keys=EPI, curation=path)
    assert len(list(importer.read_cases(root, chosen, ImportReport("unity")))) == 3
