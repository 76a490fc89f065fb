"""NIfTI of anybody: damage, headers, units and axes."""

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from labeldropout.predict.nifti import read_nifti


@pytest.fixture
def still(tmp_path, fan):
    """A packed still."""
    path = tmp_path / "still.nii.gz"
    nib.save(nib.Nifti1Image(fan()[0].T.copy(), np.diag([-0.3, -0.3, 1, 1])), path)
    return path


def read_all(path, **options):
    """Read a file to its end."""
    return [frame.pixels for frame in read_nifti(path, **options).frames()]


def test_a_flipped_byte_is_noticed(still):
    """Wherever a byte of the packed pixels is wrong, a message names the file; its checksum tells."""
    whole = still.read_bytes()
    for place in range(300, len(whole) - 20, 97):
        bad = bytearray(whole)
        bad[place] ^= 0x55
        still.write_bytes(bad)
        with pytest.raises(ValueError, match=r"still.nii.gz"):
            read_all(still)


@pytest.mark.parametrize(
    "damaged",
    [lambda whole: whole[:-8] + bytes(8), lambda whole: whole[: len(whole) // 2], lambda whole: whole + b"more"],
    ids=["wrong checksum", "cut", "more"],
)
def test_a_wrong_end_is_noticed(still, damaged):
    """A packed file that ends too early, with a wrong checksum or with something else is refused."""
    still.write_bytes(damaged(still.read_bytes()))
    with pytest.raises(ValueError, match=r"still.nii.gz"):
        read_all(still)


@pytest.mark.parametrize(
    ("at", "content", "packed"),
    [
        (70, struct.pack("<h", 26996), False),
        (70, struct.pack("<h", 1), False),
        (40, struct.pack("<8h", 2, -5, 96, 1, 1, 1, 1, 1), False),
        (40, struct.pack("<8h", 9, 5, 96, 1, 1, 1, 1, 1), False),
        (40, struct.pack("<8h", 0, 1, 1, 1, 1, 1, 1, 1), False),
        (40, struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1), True),
        (108, struct.pack("<f", 10.0), False),
        (108, struct.pack("<f", float("nan")), False),
        (112, struct.pack("<2f", 1.0, float("inf")), False),
        (123, b"\x07", False),
        (344, b"ni1\0", False),
        (344, b"what", False),
    ],
)
def test_headers_without_sense_are_refused(tmp_path, fan, at, content, packed):
    """Unknown types, impossible sizes, offsets, slopes and units: one message that names the file."""
    path = tmp_path / ("odd.nii.gz" if packed else "odd.nii")
    nib.save(nib.Nifti1Image(fan()[0].T.copy(), np.eye(4)), tmp_path / "good.nii")
    bad = bytearray((tmp_path / "good.nii").read_bytes())
    bad[at : at + len(content)] = content
    path.write_bytes(gzip.compress(bytes(bad)) if packed else bytes(bad))
    with pytest.raises(ValueError, match=r"odd.nii"):
        read_all(path)


def test_complex_pixels_are_refused(tmp_path, fan):
    """No imaginary part is dropped in silence."""
    nib.save(nib.Nifti1Image(fan()[0].T.astype(np.complex64), np.eye(4)), tmp_path / "complex.nii")
    with pytest.raises(ValueError, match=r"complex.nii: pixels of type complex64"):
        read_all(tmp_path / "complex.nii")


@pytest.mark.parametrize(("unit", "size"), [("mm", 0.3), ("meter", 0.0003), ("micron", 300.0)])
def test_the_unit_of_length_is_honoured(tmp_path, fan, predict, unit, size):
    """The same picture has the same area in square centimetres, whatever its unit."""
    image = nib.Nifti1Image(fan()[0].T.copy(), np.diag([-size, -size, size, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii.gz")
    areas = predict(tmp_path / "a.nii.gz")
    assert areas["area_px"].sum() > 0
    assert areas["area_cm2"].to_numpy() == pytest.approx(areas["area_px"] * 0.3 * 0.3 / 100, abs=1e-4)


def test_an_unknown_unit_is_said(still):
    """A size without a unit is taken for millimetres, and the user is told."""
    clip = read_nifti(still)
    assert clip.spacing_mm == (0.3, 0.3)
    assert any("unit" in note for note in clip.notes)


def test_a_colour_axis_is_one_picture(tmp_path, fan):
    """Colours along the fifth axis, as SimpleITK writes them, and in RGB pixels are no frames."""
    grey = fan()[0]
    colour = np.stack([grey] * 3, -1)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "vector.nii.gz"))
    packed = np.zeros(grey.T.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for name in "RGB":
        packed[name] = grey.T
    nib.save(nib.Nifti1Image(packed, np.eye(4)), tmp_path / "rgb.nii")
    for name in ("vector.nii.gz", "rgb.nii"):
        (picture,) = read_all(tmp_path / name)
        assert np.array_equal(picture, grey)


def test_a_label_map_of_a_colour_picture_has_no_colours(tmp_path, fan, predict):
    """What is written for a picture with a colour axis has the picture's geometry alone."""
    image = sitk.GetImageFromArray(np.stack([fan()[0]] * 3, -1), isVector=True)
    image.SetSpacing((0.3, 0.2))
    sitk.WriteImage(image, str(tmp_path / "vector.nii.gz"))
    predict(tmp_path / "vector.nii.gz")
    made = sitk.ReadImage(str(tmp_path / "out" / "vector.nii.gz"))
    assert made.GetNumberOfComponentsPerPixel() == 1
    assert np.squeeze(sitk.GetArrayFromImage(made)).shape == fan()[0].shape
    assert made.GetSpacing()[:2] == pytest.approx((0.3, 0.2))


@pytest.mark.parametrize(
    ("shape", "zooms"),
    [
        ((1, 40, 50), (1.0, 1.0, 1.0)),
        ((40, 1, 50), (1.0, 1.0, 1.0)),
        ((40, 50, 3), (1.0, 1.0, 1.0)),
        ((40, 50, 20), (0.5, 0.5, 0.5)),
        ((40, 50, 20, 5), (0.5, 0.5, 1.0, 1.0)),
        ((40, 50, 1, 1, 7), (0.5, 0.5, 1.0, 1.0, 1.0)),
    ],
)
def test_axes_that_are_no_time_are_refused(tmp_path, shape, zooms):
    """A picture stored along other axes, colours, volumes and vectors are not taken for frames."""
    image = nib.Nifti1Image(np.full(shape, 90, np.uint8), np.eye(4))
    image.header.set_zooms(zooms)
    nib.save(image, tmp_path / "odd.nii.gz")
    with pytest.raises(ValueError, match=r"odd.nii.gz: .*expected"):
        read_all(tmp_path / "odd.nii.gz")


def test_a_third_axis_is_time_if_the_user_says_so(tmp_path, fan):
    """Frames whose header does not say that they are frames are read on request."""
    frames = fan(4)
    nib.save(nib.Nifti1Image(frames.transpose(2, 1, 0).copy(), np.eye(4)), tmp_path / "clip.nii.gz")
    assert np.array_equal(read_all(tmp_path / "clip.nii.gz", third_axis="frames"), frames)


def test_a_fourth_axis_is_time_in_seconds(tmp_path, fan, predict):
    """Frames along the fourth axis keep their order, and their times are those of the header, in seconds."""
    frames = fan(3)
    image = nib.Nifti1Image(frames.transpose(2, 1, 0)[:, :, None].copy(), np.eye(4))
    image.header.set_zooms((0.3, 0.3, 1.0, 20.0))
    image.header.set_xyzt_units("mm", "msec")
    nib.save(image, tmp_path / "cine.nii.gz")
    assert np.array_equal(read_all(tmp_path / "cine.nii.gz"), frames)
    areas = predict(tmp_path / "cine.nii.gz")
    assert areas["seconds"].drop_duplicates().tolist() == pytest.approx([0, 0.02, 0.04])
    assert nib.load(tmp_path / "out" / "cine.nii.gz").header.get_zooms() == image.header.get_zooms()


def test_no_free_text_is_copied(tmp_path, fan, predict):
    """What a header says in words may name a patient: nothing of it is in any output."""
    image = nib.Nifti1Image(fan()[0].T.copy(), np.eye(4))
    image.header["descrip"] = b"Jane Doe"
    image.header["db_name"] = b"Jane Doe"
    image.header["aux_file"] = b"Jane Doe"
    image.header["intent_name"] = b"Jane Doe"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    nib.save(image, tmp_path / "a.nii.gz")
    predict(tmp_path / "a.nii.gz")
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) >= 4
    for path in written:
        content = path.read_bytes()
        assert b"Jane" not in (gzip.decompress(content) if path.suffix == ".gz" else content), path
