"""DICOM ultrasound: pictures, calibration, times, regions, and silence about the patient."""

import gzip
import logging
import os
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labeldropout.cli.main import main
from labeldropout.predict.dicom import read_dicom
from labeldropout.predict.readers import find_inputs

pydicom = pytest.importorskip("pydicom", reason="pydicom, of the extra [dicom], is not installed")

MULTI_FRAME, SINGLE = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.6.1"
NAME = "Zaphodbeeblebrox"
"""A word that appears nowhere but in text about the patient."""


def region(shape, delta_cm=(0.03, 0.02), **changes):
    """A region of 2D tissue over a whole picture, with its size of a pixel (row, column) in cm."""
    made = pydicom.Dataset()
    values = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": 0,
        "RegionLocationMinY0": 0,
        "RegionLocationMaxX1": shape[1] - 1,
        "RegionLocationMaxY1": shape[0] - 1,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": delta_cm[1],
        "PhysicalDeltaY": delta_cm[0],
    }
    for name, value in (values | changes).items():
        setattr(made, name, value)
    return made


def write(path, frames, regions=None, **changes):
    """Write frames as uncompressed DICOM ultrasound."""
    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = MULTI_FRAME if len(frames) > 1 else SINGLE
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = pydicom.uid.generate_uid()
    made.Modality = "US"
    made.Rows, made.Columns = frames.shape[1:3]
    made.SamplesPerPixel = 1 if frames.ndim == 3 else 3
    made.PhotometricInterpretation = "MONOCHROME2" if frames.ndim == 3 else "RGB"
    if frames.ndim == 4:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8 * frames.dtype.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, 0
    if len(frames) > 1:
        made.NumberOfFrames = len(frames)
    made.PixelData = frames.tobytes()
    if regions:
        made.SequenceOfUltrasoundRegions = regions
    for name, value in changes.items():
        setattr(made, name, value)
    made.save_as(path, enforce_file_format=True)


def shown(path):
    """All frames."""
    return np.stack([frame.pixels for frame in read_dicom(path).frames()])


def example(name, folder):
    """One of pydicom's own files, which come with it."""
    path = os.path.join(os.path.dirname(pydicom.data.__file__), "test_files", name)  # noqa: PTH118, PTH120
    return shutil.copy(path, folder / name)


@pytest.mark.parametrize(
    ("name", "shape", "n_frames"),
    [
        ("examples_ybr_color.dcm", (240, 320), 30),
        ("examples_rgb_color.dcm", (240, 320), 1),
        ("examples_palette.dcm", (350, 800), 1),
        ("examples_jpeg2k.dcm", (480, 640), 1),
        ("ExplVR_BigEnd.dcm", (60, 80), 1),
    ],
)
def test_ultrasound_of_pydicom_is_read(tmp_path, name, shape, n_frames):
    """JPEG, JPEG 2000, palettes, RGB and big-endian pixels, single and multi-frame."""
    clip = read_dicom(example(name, tmp_path))
    frames = shown(clip.path)
    assert clip.shape == shape
    assert frames.shape == (n_frames, *shape)
    assert frames.max() > 100


def test_a_cine_goes_through_from_the_command_line(tmp_path, weights):
    """A cine in JPEG gives a label map of every frame, times in seconds, and no areas in cm2."""
    path = example("examples_ybr_color.dcm", tmp_path)
    flags = ["--output", str(tmp_path / "out"), "--weights", str(weights), "--device=cpu"]
    assert main(["predict", str(path), *flags]) == 0
    assert nib.load(tmp_path / "out" / "examples_ybr_color.nii.gz").shape == (320, 240, 30)
    areas = pd.read_csv(tmp_path / "out" / "areas.csv")
    assert areas["seconds"].max() == pytest.approx(29 * 0.033333, abs=1e-6)
    assert areas["area_cm2"].isna().all()


def test_pixels_and_calibration_are_those_of_the_file(tmp_path, fan, predict):
    """Centimetres in both directions become the areas and the label map's spacing."""
    write(tmp_path / "a.dcm", fan(3), [region((90, 120))])
    assert np.array_equal(shown(tmp_path / "a.dcm"), fan(3))
    areas = predict(tmp_path / "a.dcm")
    assert areas["area_cm2"].to_numpy() == pytest.approx(areas["area_px"] * 0.03 * 0.02, abs=1e-4)
    made = nib.load(tmp_path / "out" / "a.nii.gz")
    assert made.header.get_zooms()[:2] == pytest.approx((0.2, 0.3))
    assert made.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RegionLocationMaxX1": 300}, "reaches to column 300 .* must have been cut or rescaled"),
        ({"RegionLocationMaxY1": 95}, "reaches to column 119 and row 95"),
        ({"RegionLocationMinX0": 90, "RegionLocationMaxX1": 90}, "make no sense"),
        ({"PhysicalUnitsXDirection": 4}, "not calibrated in cm"),
        ({"PhysicalDeltaX": 0.0}, "not calibrated in cm"),
    ],
)
def test_a_calibration_that_cannot_be_right_is_refused(tmp_path, fan, changes, words):
    """The picture is outlined all the same, without square centimetres, and the user learns why."""
    write(tmp_path / "a.dcm", fan(), [region((90, 120), **changes)])
    clip = read_dicom(tmp_path / "a.dcm")
    assert clip.spacing_mm is None
    assert pd.Series(clip.notes).str.contains(words).any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DerivationDescription": "Image was resized to 120 x 90"}, "resampled"),
        ({"PixelSpacing": [0.6, 0.4]}, "two pixel sizes"),
        ({"PixelAspectRatio": [1, 1]}, None),
        ({"PixelAspectRatio": [2, 1]}, "contradict"),
    ],
)
def test_a_calibration_that_the_file_contradicts_is_refused(tmp_path, fan, changes, words):
    """A picture that was resampled, or that states two sizes, has none; a ratio of 1:1 is what everybody writes."""
    delta = (0.03, 0.03) if "PixelAspectRatio" in changes else (0.03, 0.02)
    write(tmp_path / "a.dcm", fan(), [region((90, 120), delta)], **changes)
    clip = read_dicom(tmp_path / "a.dcm")
    if words is None:
        assert clip.spacing_mm == (0.3, 0.3)
    else:
        assert clip.spacing_mm is None
        assert pd.Series(clip.notes).str.contains(words).any()


def test_spatial_resampling_is_known_by_its_code(tmp_path, fan):
    """The standard has a code for a picture whose grid was changed."""
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113085", "DCM", "Spatial resampling"
    write(tmp_path / "a.dcm", fan(), [region((90, 120))], DerivationCodeSequence=[item])
    assert read_dicom(tmp_path / "a.dcm").spacing_mm is None


def test_only_the_region_of_tissue_is_shown(tmp_path, fan):
    """What stands beside the region, such as an M-mode or a name, is black."""
    frames = np.full((1, 90, 200), 77, np.uint8)
    frames[:, :, 50:170] = fan()
    beside = region((90, 200), RegionSpatialFormat=2, RegionDataType=1, RegionLocationMinX0=170)
    tissue = region((90, 200), RegionLocationMinX0=50, RegionLocationMaxX1=169)
    write(tmp_path / "a.dcm", frames, [beside, tissue])
    picture = shown(tmp_path / "a.dcm")[0]
    assert np.array_equal(picture[:, 50:170], fan()[0])
    assert not picture[:, :50].any()
    assert not picture[:, 170:].any()


def test_two_pictures_of_tissue_are_refused(tmp_path, fan):
    """Which of two hearts is meant is not guessed; the same region told twice is one."""
    halves = [region((90, 120), RegionLocationMaxX1=59), region((90, 120), RegionLocationMinX0=60)]
    write(tmp_path / "two.dcm", fan(), halves)
    with pytest.raises(ValueError, match=r"two.dcm: 2 regions of 2D tissue"):
        read_dicom(tmp_path / "two.dcm")
    write(tmp_path / "twice.dcm", fan(), [region((90, 120))] * 2)
    assert read_dicom(tmp_path / "twice.dcm").spacing_mm == (0.3, 0.2)


def test_no_picture_of_tissue_is_refused(tmp_path, fan):
    """An M-mode or a Doppler spectrum has no outline of a heart."""
    write(tmp_path / "spectrum.dcm", fan(), [region((90, 120), RegionSpatialFormat=3)])
    with pytest.raises(ValueError, match=r"spectrum.dcm: no region of 2D tissue .*spectral"):
        read_dicom(tmp_path / "spectrum.dcm")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"FrameTime": "20"}, [0, 0.02, 0.04]),
        ({"FrameTimeVector": [0, 20, 30]}, [0, 0.02, 0.05]),
        ({"CineRate": "50"}, [0, 0.02, 0.04]),
        ({"FrameTimeVector": [0, 20]}, [None] * 3),
        ({}, [None] * 3),
    ],
)
def test_frame_times_are_those_of_the_file(tmp_path, fan, changes, expected):
    """From the time of a frame, of every frame, or the rate; a vector of another length gives none, and is said."""
    write(tmp_path / "a.dcm", fan(3), **changes)
    clip = read_dicom(tmp_path / "a.dcm")
    assert [frame.seconds for frame in clip.frames()] == expected
    assert bool(clip.notes) == (changes.get("FrameTimeVector") == [0, 20])


def test_colour_models_show_the_same_picture(tmp_path, fan):
    """RGB, inverted grey and full-range YBR give the grey picture."""
    grey = fan()
    rgb = np.repeat(grey[..., None], 3, -1)
    ybr = np.concatenate([grey[..., None], np.full((*grey.shape, 2), 128, np.uint8)], -1)
    write(tmp_path / "rgb.dcm", rgb)
    write(tmp_path / "inverted.dcm", 255 - grey, PhotometricInterpretation="MONOCHROME1")
    write(tmp_path / "ybr.dcm", ybr, PhotometricInterpretation="YBR_FULL")
    for name in ("rgb", "inverted", "ybr"):
        assert np.abs(shown(tmp_path / f"{name}.dcm").astype(int) - grey).max() <= 1


@pytest.mark.parametrize("cut", [200, 9000])
def test_a_file_cut_short_is_refused(tmp_path, fan, cut):
    """Header or pixels that end too early end in one message."""
    write(tmp_path / "a.dcm", fan(3))
    (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"a.dcm"):
        shown(tmp_path / "a.dcm")


def test_other_files_are_refused_by_what_they_are(tmp_path):
    """A report holds no picture, and a text is no DICOM."""
    with pytest.raises(ValueError, match=r"reportsi.dcm: DICOM without a picture \(Basic Text SR Storage\)"):
        read_dicom(example("reportsi.dcm", tmp_path))
    (tmp_path / "text.dcm").write_text("no picture")
    with pytest.raises(ValueError, match=r"text.dcm: not a DICOM file"):
        read_dicom(tmp_path / "text.dcm")


def test_dicom_is_known_without_an_extension(tmp_path, fan):
    """Media name files IM_0001 and the like; their directory is skipped."""
    (tmp_path / "medium").mkdir()
    for name in ("IM_0001", "1.2.840.7", "DICOMDIR"):
        write(tmp_path / "medium" / name, fan())
    found = find_inputs([tmp_path / "medium"], tmp_path / "out")
    assert {name.as_posix() for name in found.files} == {"IM_0001", "1.2.840.7"}
    assert [path.name for path in found.skipped] == ["DICOMDIR"]


def test_no_output_says_anything_about_the_patient(tmp_path, fan, weights, capfd, caplog):
    """With a name in every text of the header, and one drawn beside the region, no output and no message has it."""
    frames = np.full((3, 90, 150), 9, np.uint8)
    frames[:, :, 30:] = fan(3)
    tissue = region((90, 150), RegionLocationMinX0=30)
    texts = {
        keyword: NAME
        for tag, (kind, _, _, retired, keyword) in pydicom.datadict.DicomDictionary.items()
        if tag >> 16 > 2
        and kind in {"PN", "LO", "SH", "ST", "LT", "UT", "UC"}
        and keyword
        and not retired
        and keyword != "CodeValue"
    }
    write(tmp_path / "a.dcm", frames, [tissue], **texts)
    header = pydicom.dcmread(tmp_path / "a.dcm", stop_before_pixels=True)
    assert len(texts) > 500
    assert NAME in str(header.PatientName)
    caplog.set_level(logging.DEBUG)
    flags = ["--output", str(tmp_path / "out"), "--weights", str(weights), "--device=cpu", "--json", "--coco"]
    assert main(["predict", str(tmp_path / "a.dcm"), *flags]) == 0
    said = "".join(capfd.readouterr()) + caplog.text
    assert "a.dcm" in said
    assert NAME not in said
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) >= 8
    for path in written:
        content = path.read_bytes()
        assert NAME.encode() not in (gzip.decompress(content) if path.suffix == ".gz" else content), path
    with Image.open(tmp_path / "out" / "a_overlay.png") as overlay:
        # Below the names of the structures, which stand in the upper left corner.
        assert not np.asarray(overlay.convert("L"))[20:, :30].any()


def test_without_pydicom_the_extra_is_named(tmp_path, fan, monkeypatch):
    """Who did not install it learns which extra to install."""
    write(tmp_path / "a.dcm", fan())
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(ValueError, match=r"a.dcm: DICOM needs pydicom: pip install 'labeldropout\[predict,dicom\]'"):
        read_dicom(tmp_path / "a.dcm")
