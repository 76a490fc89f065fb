"""CAMUS: files typed out byte by byte, the writer's own, and everything that can be wrong with them."""

import gzip
import hashlib
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labeldropout.case import Case, DatasetError
from labeldropout.data import camus
from labeldropout.data.camus.folds import official_fold
from labeldropout.data.camus.importer import read_cases
from labeldropout.data.camus.release import Options, shipped_fold
from labeldropout.data.camus.writer import group_name, write_cases
from labeldropout.data.case_store import CaseStore
from labeldropout.data.case_store import write_cases as store_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant, Part, State, View

H, W = 23, 17
SPACING = (0.154, 0.308)


def picture(seed: int = 0) -> np.ndarray:
    """Intensities without any symmetry; 0 and 255 occur."""
    pixels = np.random.default_rng(seed).integers(0, 256, (H, W), dtype=np.uint8)
    pixels[0, 0], pixels[0, 1] = 0, 255
    return pixels


def outline() -> np.ndarray:
    """LV left of the middle with LVM above and beside it, LA below and to the right."""
    target = np.zeros((H, W), np.uint8)
    target[2:12, 2:9] = 2
    target[4:12, 4:8] = 1
    target[13:18, 5:11] = 3
    return target


def nifti(pixels, spacing=SPACING, slope=0.0, **fields) -> bytes:
    """A NIfTI-1 file put together by hand: x runs fastest, negative diagonal in the affine."""
    code = {"uint8": 2, "int16": 4, "float32": 16, "float64": 64}[str(pixels.dtype)]
    dims = [pixels.ndim, *reversed(pixels.shape)]
    row, column = spacing
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *fields.get("dims", dims), *[1] * (8 - len(fields.get("dims", dims))))
    struct.pack_into("<2h", header, 70, fields.get("code", code), 8 * pixels.itemsize)
    struct.pack_into("<8f", header, 76, 1, column, row, 1, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, fields.get("offset", 352), slope, 0)
    struct.pack_into("<B", header, 123, fields.get("unit", 0))
    struct.pack_into("<2h", header, 252, 0, 2)
    struct.pack_into("<12f", header, 280, -column, 0, 0, 0, 0, -row, 0, 0, 0, 0, 1, 0)
    header[344:348] = fields.get("magic", b"n+1\0")
    return bytes(header) + pixels.tobytes()


def mhd(pixels, name, spacing=SPACING, **changes) -> str:
    """The header of a real-looking MetaImage; `changes` replace a value, or remove the key with None."""
    types = {"|u1": "MET_UCHAR", "<i2": "MET_SHORT", ">i2": "MET_SHORT", "<u2": "MET_USHORT", "<f4": "MET_FLOAT"}
    entries = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "True" if pixels.dtype.byteorder == ">" else "False",
        "CompressedData": "False",
        "TransformMatrix": "-1 0 0 0 -1 0 0 0 1",
        "ElementSpacing": f"{spacing[1]} {spacing[0]} 1",
        "DimSize": f"{pixels.shape[1]} {pixels.shape[0]} 1",
        "ElementType": types[pixels.dtype.str],
        "ElementDataFile": name,
    }
    entries |= changes
    return "".join(f"{key} = {value}\r\n" for key, value in entries.items() if value is not None)


def put_nifti(folder: Path, quality: str = "Good", a2c_quality: str = "Poor") -> None:
    """One patient of the release of today, all four stills."""
    folder.mkdir(parents=True)
    for n, stem in enumerate(("2CH_ED", "2CH_ES", "4CH_ED", "4CH_ES")):
        name = f"{folder.name}_{stem}"
        (folder / f"{name}.nii.gz").write_bytes(gzip.compress(nifti(picture(n))))
        (folder / f"{name}_gt.nii.gz").write_bytes(gzip.compress(nifti(outline())))
    new = "ED: 1\nES: 4\nNbFrame: 4\nSex: F\nAge: unknown\nImageQuality: {}\nEF: 56\nFrameRate: 47.5\n"
    (folder / "Info_2CH.cfg").write_text(new.format(a2c_quality))
    (folder / "Info_4CH.cfg").write_text(new.format(quality))


def put_mhd(folder: Path, labels: bool = True) -> None:
    """One patient of the release of 2019, all four stills."""
    folder.mkdir(parents=True)
    for n, stem in enumerate(("2CH_ED", "2CH_ES", "4CH_ED", "4CH_ES")):
        for name, pixels in ((f"{folder.name}_{stem}", picture(n)), (f"{folder.name}_{stem}_gt", outline())):
            if labels or not name.endswith("_gt"):
                (folder / f"{name}.mhd").write_bytes(mhd(pixels, f"{name}.raw").encode())
                (folder / f"{name}.raw").write_bytes(pixels.tobytes())
    for view in ("2CH", "4CH"):
        old = "ES: 1\nED: 4\nNbFrame: 4\nSex: F\nAge: 62\nImageQuality: Medium\nLVedv: 94\nLVesv: 43\nLVef: 54\n"
        (folder / f"Info_{view}.cfg").write_text(old)


@pytest.fixture
def new(tmp_path):
    """Data set of today's release with one patient: root and the patient's folder."""
    folder = tmp_path / "CAMUS_public" / "database_nifti" / "patient0001"
    put_nifti(folder)
    return tmp_path, folder


@pytest.fixture
def flat(tmp_path):
    """MetaImage data set without parts, one patient: root and the patient's folder."""
    put_mhd(tmp_path / "patient0001")
    return tmp_path, tmp_path / "patient0001"


def read(root, on_bad_case="stop", **options):
    """All cases and the report."""
    report = ImportReport("camus", on_bad_case)
    cases = list(read_cases(root, Options(**options), report))
    report.used = len(cases)
    report.close()
    return cases, report


def test_today_s_release_is_read_upright_with_its_spacing_and_quality(new):
    """Pixels, spacing, view, instant, states, quality per view, source and hash are those of the files."""
    root, folder = new
    cases, report = read(root)
    assert [(case.view, case.instant) for case in cases] == [(view, instant) for view in View for instant in Instant]
    for n, case in enumerate(cases):
        np.testing.assert_array_equal(case.image, picture(n))
        np.testing.assert_array_equal(case.target, outline())
        assert case.pixel_spacing_mm == SPACING
        assert case.states == dict.fromkeys(FOREGROUND, State.LABELLED)
        assert (case.group_name, case.frame, case.flags, case.split_hint) == ("patient0001", 0, (), "")
    assert [case.quality for case in cases] == ["Poor", "Poor", "Good", "Good"]
    path = folder / "patient0001_4CH_ES.nii.gz"
    assert cases[3].source == path.relative_to(root).as_posix()
    assert cases[3].source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (report.found, report.used, report.skipped, report.rejected) == (4, 4, {}, [])


def test_other_number_types_and_unzipped_files_are_read(new):
    """A float32 file, a slope of 0.996 and a plain .nii give the same kind of image."""
    root, folder = new
    (folder / "patient0001_2CH_ED.nii.gz").unlink()
    (folder / "patient0001_2CH_ED.nii").write_bytes(nifti(picture(0).astype(np.float32)))
    (folder / "patient0001_2CH_ES.nii.gz").write_bytes(gzip.compress(nifti(picture(1), slope=0.996)))
    (folder / "patient0001_2CH_ES_gt.nii.gz").write_bytes(gzip.compress(nifti(outline().astype(np.float32))))
    (folder / "patient0001_4CH_ED_gt.nii.gz").write_bytes(gzip.compress(nifti(outline()[None].astype(np.int16))))
    cases, _ = read(root)
    np.testing.assert_array_equal(cases[0].image, picture(0))
    np.testing.assert_array_equal(cases[1].image, np.rint(picture(1) * 0.996))
    assert cases[1].image.dtype == np.uint8
    np.testing.assert_array_equal(cases[1].target, outline())
    np.testing.assert_array_equal(cases[2].target, outline())


def test_the_older_release_keeps_its_two_parts_apart(tmp_path):
    """Equal numbers in training and testing are two people; testing without labels is unknown, not absent."""
    put_mhd(tmp_path / "training" / "patient0001")
    put_mhd(tmp_path / "testing" / "patient0001", labels=False)
    cases, report = read(tmp_path)
    assert [case.group_name for case in cases] == ["training_patient0001"] * 4 + ["testing_patient0001"] * 4
    for n, case in enumerate(cases):
        np.testing.assert_array_equal(case.image, picture(n % 4))
        assert case.pixel_spacing_mm == SPACING
        assert case.quality == "Medium"
    np.testing.assert_array_equal(cases[0].target, outline())
    assert cases[4].states == dict.fromkeys(FOREGROUND, State.UNKNOWN)
    assert not cases[4].target.any()
    assert cases[4].flags == ("no-labels",)
    raw = tmp_path / "training" / "patient0001" / "patient0001_2CH_ED.raw"
    assert cases[0].source_sha256 == hashlib.sha256(raw.read_bytes()).hexdigest()
    assert not any("spacing" in note for note in report.notes)


@pytest.mark.parametrize("number_type", ["<i2", ">i2", "<u2", "<f4"])
def test_metaimages_of_other_types_and_byte_orders_are_read(flat, number_type):
    """The header says how to read the numbers."""
    root, folder = flat
    pixels = picture(5).astype(number_type)
    (folder / "patient0001_2CH_ED.mhd").write_text(mhd(pixels, "patient0001_2CH_ED.raw"))
    (folder / "patient0001_2CH_ED.raw").write_bytes(pixels.tobytes())
    cases, _ = read(root)
    np.testing.assert_array_equal(cases[0].image, picture(5))


def test_a_user_may_point_at_any_level(new):
    """The import finds the patients from the download's root down to their own folder."""
    root, folder = new
    for level in (root, root / "CAMUS_public", folder.parent):
        cases, _ = read(level)
        assert len(cases) == 4
        assert (level / cases[0].source).is_file()


@pytest.mark.parametrize("level", ["CAMUS_public/database", "CAMUS_public", ".", "CAMUS_public/database/training"])
def test_the_older_release_is_found_at_any_level_under_the_same_names(tmp_path, level):
    """The identifier of a patient does not depend on where the user points."""
    put_mhd(tmp_path / "CAMUS_public" / "database" / "training" / "patient0007")
    cases, _ = read(tmp_path / level)
    assert {case.group_name for case in cases} == {"training_patient0007"}


def test_today_s_release_wins_over_the_older_one_and_the_report_says_so(new):
    """A download may hold both; they are never mixed."""
    root, _ = new
    put_mhd(root / "CAMUS_public" / "database" / "training" / "patient0002")
    cases, report = read(root)
    assert {case.group_name for case in cases} == {"patient0001"}
    assert any("NEW wins: OLD in CAMUS_public/database" in note for note in report.notes)


@pytest.mark.parametrize(("release", "names"), [("nifti", ("patient0002", "patient0001")),
                                               ("mhd", ("training_patient0002", "testing_patient0001"))])  # fmt: skip
def test_what_is_written_is_read_back_exactly(tmp_path, release, names):
    """Cases of different sizes, both views and instants, with and without a left atrium, survive either format."""
    rng = np.random.default_rng(0)
    written = {}
    for n, name in enumerate(names):
        for view in View:
            for instant in Instant:
                target = np.pad(outline(), ((0, n), (0, 3 * n)))
                flags = ()
                if view is View.A2C:
                    target[target == 3] = 0
                    flags = ("no-LA",)
                case = Case("camus", name, 0, rng.integers(0, 256, target.shape, dtype=np.uint8), target,
                            dict.fromkeys(FOREGROUND, State.LABELLED), (0.154, 0.308) if n else (0.287, 0.287), view,
                            instant, "", "", quality="Good" if n else "", flags=flags)  # fmt: skip
                written[case.id] = case
    write_cases(written.values(), tmp_path / "a", release)
    write_cases(written.values(), tmp_path / "b", release)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
        if path.suffix == ".gz":
            assert path.read_bytes()[3:8] == bytes(5), "a name or a time in the gzip header"
    cases, _ = read(tmp_path / "a")
    assert {case.id for case in cases} == set(written)
    for case in cases:
        original = written[case.id]
        np.testing.assert_array_equal(case.image, original.image)
        np.testing.assert_array_equal(case.target, original.target)
        for field in ("group_name", "frame", "states", "pixel_spacing_mm", "view", "instant", "quality", "flags"):
            assert getattr(case, field) == getattr(original, field)


def test_written_split_lists_come_back_as_hints(tmp_path):
    """The writer's lists are those that the importer reads."""
    cases = [
        Case("camus", group_name(n), 0, picture(n), outline(), dict.fromkeys(FOREGROUND, State.LABELLED), SPACING,
             view, instant, "", "", split_hint=hint)
        for n, hint in ((1, "testing"), (2, "training"), (3, "validation"))
        for view in View for instant in Instant
    ]  # fmt: skip
    write_cases(cases, tmp_path)
    assert (tmp_path / "CAMUS_public/database_split/subgroup_testing.txt").read_text() == "patient0001\n"
    hints = {case.group_name: case.split_hint for case in read(tmp_path)[0]}
    assert hints == {"patient0001": "testing", "patient0002": "training", "patient0003": "validation"}


@pytest.mark.parametrize(("change", "words"), [
    ({"group_name": "anna"}, "does not fit"),
    ({"instant": None}, "needs view, instant"),
    ({"pixel_spacing_mm": None}, "needs view, instant"),
    ({"states": {Structure.LV: State.LABELLED, Structure.LVM: State.LABELLED, Structure.LA: State.ABSENT},
      "target": np.zeros((H, W), np.uint8)}, "all structures of an image or none"),
    ({"states": dict.fromkeys(FOREGROUND, State.UNKNOWN), "target": np.zeros((H, W), np.uint8)}, "only testing"),
    ({"split_hint": "TRAIN"}, "split hint"),
])  # fmt: skip
def test_the_writer_refuses_what_the_format_cannot_hold(tmp_path, change, words):
    """A case that would not come back is not written."""
    case = Case("camus", "patient0001", 0, picture(), outline(), dict.fromkeys(FOREGROUND, State.LABELLED), SPACING,
                View.A2C, Instant.ED, "", "")  # fmt: skip
    with pytest.raises(ValueError, match=words):
        write_cases([replace(case, **change)], tmp_path)
    with pytest.raises(ValueError, match="two cases"):
        write_cases([case, case], tmp_path)


def put_sequence(folder: Path, view: str, ed: int, es: int, n_frames: int = 4, said: int | None = None) -> np.ndarray:
    """A half sequence whose end labels are those of the stills but for a marker row in each frame."""
    frames = np.stack([picture(100 + frame) for frame in range(n_frames)])
    labels = np.stack([outline()] * n_frames)
    labels[-1, 2, 2:9] = 0
    name = f"{folder.name}_{view}_half_sequence"
    (folder / f"{name}.nii.gz").write_bytes(gzip.compress(nifti(frames)))
    (folder / f"{name}_gt.nii.gz").write_bytes(gzip.compress(nifti(labels)))
    (folder / f"Info_{view}.cfg").write_text(f"ED: {ed}\nES: {es}\nNbFrame: {said or n_frames}\nImageQuality: Good\n")
    return frames


def test_half_sequences_are_read_with_either_end_first(new):
    """The frames between the ends are cases of their own; the ends are compared with the right stills."""
    root, folder = new
    frames = put_sequence(folder, "2CH", ed=1, es=4)
    put_sequence(folder, "4CH", ed=4, es=1)
    # the last frame's labels differ: in 2CH that is ES, in 4CH it is ED; give that 4CH still the same labels
    changed = outline()
    changed[2, 2:9] = 0
    (folder / "patient0001_4CH_ED_gt.nii.gz").write_bytes(gzip.compress(nifti(changed)))
    cases, report = read(root, sequences=True)
    between = [case for case in cases if case.instant is None]
    assert [(case.view, case.frame) for case in between] == [("A2C", 1), ("A2C", 2), ("A4C", 1), ("A4C", 2)]
    np.testing.assert_array_equal(between[1].image, frames[2])
    assert all("sequence" in case.flags for case in between)
    assert len({case.id for case in cases}) == len(cases) == 8
    [check] = [check for check in report.checks if "half sequences" in check["check"]]
    assert (check["expected"], check["found"]) == ("4", "3")
    assert len(read(root)[0]) == 4


@pytest.mark.parametrize(("ed", "es", "said"), [(1, 5, 4), (0, 4, 4), (1, 3, 4), (1, 5, 5), (2, 2, 4)])
def test_ends_that_are_not_the_ends_of_the_half_sequence_are_refused(new, ed, es, said):
    """A frame beyond the end, an index from 0, or another number of frames than the file holds is an error."""
    root, folder = new
    put_sequence(folder, "2CH", ed, es, said=said)
    put_sequence(folder, "4CH", 1, 4)
    with pytest.raises(DatasetError, match=r"Info_2CH\.cfg.*expected 1 and 4 of 4 frames, found ED \d, ES \d"):
        read(root, sequences=True)


def test_the_older_release_has_no_labelled_sequences(flat):
    """Asking for them is an error, not an empty answer."""
    with pytest.raises(DatasetError, match="half sequences"):
        read(flat[0], sequences=True)


def test_stray_components_are_counted_and_removed_on_request(new):
    """By default a label map is kept as it is and the report says what `keep_largest` would remove."""
    root, folder = new
    stray = outline()
    stray[20:22, 1:4] = 1
    (folder / "patient0001_2CH_ED_gt.nii.gz").write_bytes(gzip.compress(nifti(stray)))
    cases, report = read(root)
    np.testing.assert_array_equal(cases[0].target, stray)
    check = {"check": "pixels that keep_largest would remove", "expected": "few", "found": "6 in 1 stills"}
    assert check in report.checks
    cases, _ = read(root, keep_largest=True)
    np.testing.assert_array_equal(cases[0].target, outline())


@pytest.mark.parametrize(("structure", "name"), [(1, "LV"), (2, "LVM")])
def test_a_still_without_ventricle_is_skipped_and_counted(new, structure, name):
    """Known-bad items never vanish: they are named, and too many of them end the import."""
    root, folder = new
    target = outline()
    target[target == structure] = 0
    (folder / "patient0001_2CH_ED_gt.nii.gz").write_bytes(gzip.compress(nifti(target)))
    report = ImportReport("camus", skip_limit=0.3)
    assert len(list(read_cases(root, Options(), report))) == 3
    assert report.skipped == {f"{name} empty": ["patient0001_2CH_ED"]}
    with pytest.raises(DatasetError, match="too many items skipped"):
        read(root)


def test_a_left_atrium_above_the_ventricle_means_a_flipped_picture(new):
    """The import ends with the list of such stills."""
    root, folder = new
    (folder / "patient0001_4CH_ES_gt.nii.gz").write_bytes(gzip.compress(nifti(outline()[::-1].copy())))
    with pytest.raises(DatasetError, match=r"patient0001_4CH_ES: left atrium above.*1 of 4"):
        read(root)


def test_the_self_check_counts_what_is_known_of_the_real_data(new):
    """Found numbers stand beside published ones."""
    root, _ = new
    put_nifti(root / "CAMUS_public" / "database_nifti" / "patient0002", quality="Medium")
    _, report = read(root)
    found = {check["check"]: (check["expected"], check["found"]) for check in report.checks}
    assert found["patients"] == ("500", "2")
    assert found["stills"] == ("2000", "8")
    assert found["4CH views of quality Good/Medium/Poor"] == ("288/165/47", "1/1/0")
    assert found["2CH views of quality Good/Medium/Poor"] == ("217/214/69", "0/0/2")
    assert found["pixels of LV, first patient, 4CH, ED > ES"] == ("33363 > 18261", "32 > 32")


def test_an_unusual_spacing_is_reported(new):
    """It is used as it stands, with a remark."""
    root, folder = new
    for name in ("patient0001_2CH_ED", "patient0001_2CH_ED_gt"):
        pixels = outline() if name.endswith("gt") else picture()
        (folder / f"{name}.nii.gz").write_bytes(gzip.compress(nifti(pixels, spacing=(0.5, 0.4))))
    cases, report = read(root)
    assert cases[0].pixel_spacing_mm == (0.5, 0.4)
    assert any("Unusual pixel spacing" in note and "1 stills" in note for note in report.notes)


def test_cases_are_read_one_after_the_other(new):
    """A still is given out before the next one is opened, so memory does not grow with the data set."""
    root, folder = new
    (folder / "patient0001_2CH_ES.nii.gz").write_bytes(b"")
    cases = read_cases(root, Options(), ImportReport("camus"))
    assert next(cases).instant is Instant.ED
    with pytest.raises(DatasetError, match="patient0001_2CH_ES"):
        next(cases)


STILL = "patient0001_2CH_ED"


def _put(name, content):
    return lambda folder: (folder / name).write_bytes(content() if callable(content) else content)


def _image(*arguments, **fields):
    return _put(f"{STILL}.nii.gz", lambda: gzip.compress(nifti(*arguments, **fields)))


def _gt(*arguments, **fields):
    return _put(f"{STILL}_gt.nii.gz", lambda: gzip.compress(nifti(*arguments, **fields)))


def _marked(value, number_type):
    target = outline().astype(number_type)
    target[5, 5] = value
    return target


BAD_NIFTI = {
    "empty file": (_put(f"{STILL}.nii.gz", b""), r"ED\.nii\.gz: not a NIfTI-1 header .*found 0 bytes"),
    "not gzip": (_put(f"{STILL}.nii.gz", b"hello" * 100), r"ED\.nii\.gz: damaged or truncated"),
    "truncated gzip": (
        _put(f"{STILL}.nii.gz", lambda: gzip.compress(nifti(picture()))[:-40]),
        r"ED\.nii\.gz: damaged or truncated",
    ),
    "truncated pixels": (
        _put(f"{STILL}.nii.gz", lambda: gzip.compress(nifti(picture())[:-1])),
        r"ED\.nii\.gz: wrong size .*expected 743 .*found 742",
    ),
    "pixels too many": (_put(f"{STILL}.nii.gz", lambda: gzip.compress(nifti(picture()) + b"x")), "wrong size"),
    "bad checksum": (
        _put(f"{STILL}.nii.gz", lambda: gzip.compress(nifti(picture()))[:-8] + b"\1\2\3\4" + struct.pack("<I", 743)),
        "damaged or truncated",
    ),
    "other magic": (_image(picture(), magic=b"ni1\0"), "not a NIfTI-1 file"),
    "unknown number code": (_image(picture(), code=999), "not a NIfTI-1 header"),
    "colours": (_image(picture(), code=128), "wrong kind of pixels"),
    "pixels in the header": (_image(picture(), offset=100), "pixels inside the header"),
    "huge size": (_image(picture(), dims=[3, 32767, 32767, 32767]), r"too many pixels .*at most 67108864"),
    "large size": (_image(picture(), dims=[2, 8000, 8000]), r"wrong size .*expected 64000352"),
    "negative size": (_image(picture(), dims=[2, -3, 5]), "wrong shape"),
    "three axes": (_image(np.stack([picture()] * 2)), r"wrong shape .*expected 2 axes.*found 2 x 23 x 17"),
    "one column": (_image(picture()[:, :1]), r"axes in another order .*found \(1, 23\)"),
    "one row, as a third axis": (_image(picture()[:, None]), r"axes in another order .*found \(17, 1, 23\)"),
    "a vector per pixel": (_image(np.stack([picture()] * 3)[:, None, None]), "axes in another order .*one value per"),
    "one grey value": (_image(np.full_like(picture(), 9)), r"ED\.nii\.gz: a blank picture .*found 9 in every pixel"),
    "black": (_image(np.zeros_like(picture())), r"ED\.nii\.gz: a blank picture .*found 0 in every pixel"),
    "floats from 0 to 1": (_image((picture() / 255).astype(np.float32)), r"scaled to 1 .*found 0 to 1\). Multiply"),
    "unit unknown": (_image(picture(), unit=5), "unknown unit of length .*code 5"),
    "spacing not set": (_image(picture(), spacing=(1.0, 1.0)), "wrong pixel spacing .*not 1 x 1"),
    "spacing zero": (_image(picture(), spacing=(0.0, 0.3)), "wrong pixel spacing"),
    "spacing negative": (_image(picture(), spacing=(-0.3, 0.3)), "wrong pixel spacing"),
    "spacing NaN": (_image(picture(), spacing=(float("nan"), 0.3)), "wrong pixel spacing"),
    "NaN pixel": (_image(np.where(picture() == 255, np.nan, picture()).astype(np.float32)), "that are no numbers"),
    "too bright": (_image(picture().astype(np.float32) * 2), "out of range .*found 0 to 510"),
    "label 4": (_gt(_marked(4, np.uint8)), r"ED_gt\.nii\.gz: unknown label .*0, 1, 2 or 3, found 4 "),
    "label -1": (_gt(_marked(-1, np.int16)), "unknown label .*found -1 "),
    "label 1.4": (_gt(_marked(1.4, np.float32)), "unknown label .*found 1.4 "),
    "label NaN": (_gt(_marked(np.nan, np.float32)), "unknown label .*found nan "),
    "label slope": (_gt(outline(), slope=0.996), r"unknown label .*found 0.996, 1.992, 2.988 \(slope 0.996"),
    "other shape": (_gt(np.ascontiguousarray(outline().T)), r"shape or spacing .*\(23, 17\).*ED\.nii\.gz"),
    "other spacing": (_gt(outline(), spacing=(0.308, 0.308)), "shape or spacing differs"),
    "no image": (lambda folder: (folder / f"{STILL}.nii.gz").unlink(), r"ED\.nii\.gz: missing file"),
    "no labels": (lambda folder: (folder / f"{STILL}_gt.nii.gz").unlink(), r"ED_gt\.nii\.gz: missing file"),
    "two files": (_put(f"{STILL}.nii", lambda: nifti(picture())), "duplicate file .*ED.nii.gz, .*ED.nii"),
    "no cfg": (lambda folder: (folder / "Info_2CH.cfg").unlink(), r"Info_2CH\.cfg: missing file"),
    "cfg twice": (_put("Info_2CH.cfg", b"EF: 5\nLVef: 6\n"), r"Info_2CH\.cfg:2: duplicate key"),
    "cfg line": (_put("Info_2CH.cfg", b"ED 1\n"), r"Info_2CH\.cfg:1: not an entry"),
    "cfg binary": (_put("Info_2CH.cfg", b"\xff\xfe\x00"), r"Info_2CH\.cfg: not text"),
    "quality": (_put("Info_2CH.cfg", b"ImageQuality: Superb\n"), r"unknown ImageQuality .*found 'Superb'"),
}


@pytest.mark.parametrize(("unit", "per_mm"), [(0, 1.0), (2, 1.0), (1, 0.001), (3, 1000.0)])
def test_the_unit_of_length_in_a_nifti_header_is_honoured(new, unit, per_mm):
    """Metres and microns give the same millimetres; without a unit they are millimetres, as in the release."""
    root, folder = new
    spacing = tuple(length * per_mm for length in SPACING)
    for name, pixels in ((STILL, picture()), (f"{STILL}_gt", outline())):
        (folder / f"{name}.nii.gz").write_bytes(gzip.compress(nifti(pixels, spacing=spacing, unit=unit)))
    assert read(root)[0][0].pixel_spacing_mm == SPACING


@pytest.mark.parametrize(("unit", "per_mm"), [("mm", 1), ("UM", 1000), ("cm", 0.1), ("?", 1)])
def test_the_unit_of_length_in_a_metaimage_header_is_honoured(flat, unit, per_mm):
    """Whatever the unit, the spacing is in millimetres."""
    root, folder = flat
    lengths = f"{SPACING[1] * per_mm:.7g} {SPACING[0] * per_mm:.7g} 1"
    for name in (STILL, f"{STILL}_gt"):
        text = mhd(picture(), f"{name}.raw", ElementSpacing=lengths, DistanceUnits=unit)
        (folder / f"{name}.mhd").write_text(text)
    assert read(root)[0][0].pixel_spacing_mm == SPACING


@pytest.mark.parametrize("kind", BAD_NIFTI)
def test_a_bad_nifti_file_ends_the_import_with_its_name(new, kind):
    """One error that names file, found and expected."""
    root, folder = new
    spoil, words = BAD_NIFTI[kind]
    spoil(folder)
    with pytest.raises(DatasetError, match=words) as error:
        read(root)
    assert str(error.value).startswith(f"camus: {folder}")


def test_bad_cases_can_be_left_out_and_are_recorded(new, tmp_path):
    """With `on_bad_case=skip` the others are stored and rejected.csv says which were left out and why."""
    root, folder = new
    BAD_NIFTI["label 4"][0](folder)
    (folder / "patient0001_4CH_ES.nii.gz").write_bytes(b"")
    report = ImportReport("camus", "skip")
    store_cases(read_cases(root, Options(), report), tmp_path / "store", report)
    assert [case["item"] for case in report.rejected] == ["patient0001_2CH_ED", "patient0001_4CH_ES"]
    assert len(CaseStore(tmp_path / "store")) == 2
    assert "unknown label" in (tmp_path / "store" / "rejected.csv").read_text()


def _header(**changes):
    return _put(f"{STILL}.mhd", lambda: mhd(picture(), f"{STILL}.raw", **changes).encode())


BAD_METAIMAGE = {
    "truncated raw": (_put(f"{STILL}.raw", lambda: picture().tobytes()[:-1]), r"ED\.raw: wrong size .*391 .*390"),
    "empty raw": (_put(f"{STILL}.raw", b""), r"ED\.raw: wrong size .*found 0 bytes"),
    "long raw": (_put(f"{STILL}.raw", lambda: picture().tobytes() + b"x"), r"ED\.raw: wrong size"),
    "no raw": (lambda folder: (folder / f"{STILL}.raw").unlink(), r"ED\.raw: missing file"),
    "no header": (lambda folder: (folder / f"{STILL}.mhd").unlink(), r"ED\.mhd: missing file"),
    "empty header": (_put(f"{STILL}.mhd", b""), r"ED\.mhd: missing key .*empty header"),
    "binary header": (_put(f"{STILL}.mhd", b"\xff\xff"), "not a text header"),
    "long header": (_put(f"{STILL}.mhd", b"A = 1\n" * 20000), "header too long"),
    "no equals sign": (_put(f"{STILL}.mhd", b"NDims 3\n"), r"ED\.mhd:1: not a header line"),
    "duplicate key": (_put(f"{STILL}.mhd", b"NDims = 3\nNDims = 3\n"), r"ED\.mhd:2: duplicate key"),
    **{
        f"no {key}": (_header(**{key: None}), f"missing key .*expected {key}")
        for key in ("NDims", "DimSize", "ElementSpacing", "ElementType", "ElementDataFile")
    },
    "size not numeric": (_header(DimSize="17 many 1"), "DimSize is not numeric"),
    "size fractional": (_header(DimSize="17.5 23 1"), "DimSize is not numeric"),
    "size short": (_header(DimSize="17 23"), "wrong DimSize"),
    "size negative": (_header(DimSize="-17 -23 1"), "wrong shape"),
    "size huge": (_header(DimSize="1000000 1000000 1000"), "too many pixels"),
    "size large": (_header(DimSize="8000 8000 1"), r"wrong size .*64000000 bytes"),
    "three axes": (_header(DimSize="17 1 23"), "axes in another order"),
    "dimensions": (_header(NDims="7"), "wrong NDims"),
    "spacing unset": (_header(ElementSpacing="1 1 1"), "wrong pixel spacing"),
    "unit": (_header(DistanceUnits="furlong"), "unknown DistanceUnits .*'furlong'"),
    "spacing NaN": (_header(ElementSpacing="nan 0.3 1"), "wrong pixel spacing"),
    "spacing infinite": (_header(ElementSpacing="inf 0.3 1"), "wrong pixel spacing"),
    "spacing negative": (_header(ElementSpacing="-0.3 0.3 1"), "wrong pixel spacing"),
    "spacing text": (_header(ElementSpacing="wide 0.3 1"), "ElementSpacing is not numeric"),
    "type": (_header(ElementType="MET_DOUBLE"), "wrong ElementType"),
    "compressed": (_header(CompressedData="True"), "compressed data"),
    "as text": (_header(BinaryData="False"), "data as text"),
    "byte order": (_header(BinaryDataByteOrderMSB="maybe"), "wrong BinaryDataByteOrderMSB"),
    "channels": (_header(ElementNumberOfChannels="3"), "wrong ElementNumberOfChannels"),
    **{
        f"leads to {name}": (_header(ElementDataFile=name), f"ElementDataFile .*found {re.escape(repr(name))}")
        for name in ("../other.raw", "/etc/hosts", "sub/x.raw", "..\\x.raw", "C:\\x.raw", "LOCAL", "..", "x%d.raw 1")
    },
    "float labels": (
        lambda folder: (
            _put(f"{STILL}_gt.mhd", mhd(_marked(1.4, "<f4"), f"{STILL}_gt.raw").encode())(folder),
            _put(f"{STILL}_gt.raw", _marked(1.4, "<f4").tobytes())(folder),
        ),
        r"ED_gt\.mhd: unknown label .*1\.4",
    ),
    "no labels": (lambda folder: (folder / f"{STILL}_gt.mhd").unlink(), r"ED_gt\.mhd: missing file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_METAIMAGE)
def test_a_bad_metaimage_ends_the_import_with_its_name(flat, kind):
    """One error that names file, found and expected; no size is believed before the file is measured."""
    root, folder = flat
    (root / "other.raw").write_bytes(picture().tobytes())
    spoil, words = BAD_METAIMAGE[kind]
    spoil(folder)
    with pytest.raises(DatasetError, match=words) as error:
        read(root)
    assert str(error.value).startswith(f"camus: {folder}")


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_missing_data_set_says_where_to_get_it(tmp_path, name):
    """Source, licence and place stand in the error."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no CAMUS here") as error:
        read(tmp_path / name)
    for words in (str(tmp_path / name), "creatis", "CC BY-NC-SA", "data/raw/camus"):
        assert words in str(error.value)
    assert camus.HOW_TO_GET in str(error.value)


@pytest.mark.parametrize(
    "path", ["patient001/patient001_4CH_sequence_gt.mhd", "patient0001/patient0001_4CH_sequence_gt.mhd"]
)
def test_ted_is_not_mistaken_for_camus(flat, path):
    """TED shares patients with CAMUS, so it must not enter a split beside it."""
    (flat[0] / path).parent.mkdir(exist_ok=True)
    (flat[0] / path).write_text("")
    with pytest.raises(DatasetError, match="this is TED"):
        read(flat[0])


def put_lists(folder: Path, stem: str, **names) -> None:
    """Three list files; a byte order mark, Windows line ends and blank lines, as others met them."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("training", "validation", "testing"):
        (folder / f"{stem}_{part}.txt").write_bytes(("\ufeff" + "\r\n".join([*names.get(part, []), ""])).encode())


@pytest.fixture
def three(tmp_path):
    """Three patients without parts: root."""
    for n in (1, 2, 3):
        put_mhd(tmp_path / f"patient000{n}")
    return tmp_path


def test_lists_of_both_kinds_become_hints(three):
    """`database_split` is read by default, a fold of `listSubGroups` on request."""
    put_lists(three / "database_split", "subgroup", training=["patient0001"], validation=["patient0002"],
              testing=["patient0003"])  # fmt: skip
    put_lists(three / "listSubGroups", "subGroup7", training=["patient0003"], validation=["patient0001"],
              testing=["patient0002"])  # fmt: skip
    hints = {case.group_name[-1]: case.split_hint for case in read(three)[0]}
    assert hints == {"1": "training", "2": "validation", "3": "testing"}
    hints = {case.group_name[-1]: case.split_hint for case in read(three, subgroup=7)[0]}
    assert hints == {"3": "training", "1": "validation", "2": "testing"}
    assert shipped_fold(three, 7)["patient0002"] == "testing"
    assert {case.split_hint for case in read(three, shipped_split=False)[0]} == {""}


@pytest.mark.parametrize(("names", "words"), [
    ({"training": ["patient0001", "patient0009"]}, r"subgroup_training\.txt:2: unknown patient .*patient0009"),
    ({"training": ["patient0001", "patient0001"]}, r"subgroup_training\.txt:2: patient listed twice"),
    ({"training": ["patient0001"], "testing": ["patient0001"]}, r"subgroup_testing\.txt:1: .*also in .*training\.txt"),
    ({"training": ["patient0001", "patient0002"]}, "a patient in no list .*patient0003"),
    ({"training": ["../patient0001"]}, "unknown patient"),
])  # fmt: skip
def test_wrong_lists_are_refused_with_file_and_line(three, names, words):
    """Unknown and repeated patients and patients in no list are errors."""
    put_lists(three / "database_split", "subgroup", **names)
    with pytest.raises(DatasetError, match=words):
        read(three)


@pytest.mark.parametrize("gone", ["empty", "missing"])
def test_a_patient_without_files_costs_nobody_else(three, gone):
    """The lists name all patients; who skips bad cases keeps the others, with their parts."""
    put_lists(three / "database_split", "subgroup", training=["patient0001"], validation=["patient0002"],
              testing=["patient0003"])  # fmt: skip
    shutil.rmtree(three / "patient0002")
    if gone == "empty":
        (three / "patient0002").mkdir()
    with pytest.raises(
        DatasetError, match=r"patient0002: a patient's folder without|validation\.txt:1: unknown patient"
    ):
        read(three)
    cases, report = read(three, "skip")
    assert {case.group_name: case.split_hint for case in cases} == {"patient0001": "training", "patient0003": "testing"}
    assert [row["item"] for row in report.rejected] == ["patient0002"]


def test_a_patient_in_two_lists_or_none_is_left_out_when_asked(three):
    """In which part such a patient belongs is not guessed."""
    put_lists(three / "database_split", "subgroup", training=["patient0001", "patient0002"], testing=["patient0002"])
    cases, report = read(three, "skip")
    assert {case.group_name for case in cases} == {"patient0001"}
    assert [row["item"] for row in report.rejected] == ["patient0002", "patient0003"]


def test_a_missing_list_is_an_error(three):
    """Two of three lists are no split, and a fold that is not there cannot be asked for."""
    put_lists(three / "database_split", "subgroup", training=["patient0001", "patient0002", "patient0003"])
    (three / "database_split" / "subgroup_testing.txt").unlink()
    with pytest.raises(DatasetError, match=r"subgroup_testing\.txt: cannot read"):
        read(three)
    with pytest.raises(DatasetError, match="listSubGroups for fold 3"):
        read(three, subgroup=3)


def test_folds_are_refused_for_the_older_release(tmp_path):
    """Its numbers are other patients."""
    put_mhd(tmp_path / "training" / "patient0001")
    with pytest.raises(DatasetError, match="numbered separately"):
        read(tmp_path, subgroup=1)


def test_the_official_folds_divide_the_patients():
    """Ten test sets of 50, every patient in one; the validation part is the next fold's test part."""
    tested = []
    for fold in range(1, 11):
        parts = official_fold(fold)
        sizes = {part: sum(value is part for value in parts.values()) for part in Part}
        assert sizes == {Part.TRAINING: 400, Part.VALIDATION: 50, Part.TEST: 50}
        tested += [name for name, part in parts.items() if part is Part.TEST]
        following = official_fold(fold % 10 + 1)
        assert all((parts[name] is Part.VALIDATION) == (following[name] is Part.TEST) for name in parts)
    assert len(tested) == len(set(tested)) == 500
    assert official_fold(5)["patient0027"] is Part.TEST
    with pytest.raises(ValueError, match="no fold 11"):
        official_fold(11)
