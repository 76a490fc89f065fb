"""MetaImage of anybody: damage, headers, units and axes."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from labeldropout.predict.metaimage import read_metaimage


def read_all(path, **options):
    """Read a file to its end."""
    return [frame.pixels for frame in read_metaimage(path, **options).frames()]


def write(path, array, spacing=None, *, packed=False):
    """Write with SimpleITK."""
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 3 and array.shape[-1] <= 4)
    if spacing:
        image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path), useCompression=packed)


def edit(path, old, new):
    """Change a line of the header."""
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [".mhd", ".mha"])
def test_pixels_are_those_that_were_written(tmp_path, fan, ending, packed):
    """Stills and clips, packed or not, in one file or two."""
    frames = fan(3)
    write(tmp_path / f"clip{ending}", frames, (0.3, 0.2, 1.0), packed=packed)
    write(tmp_path / f"still{ending}", frames[0].astype(np.float32), (0.3, 0.2), packed=packed)
    assert np.array_equal(read_all(tmp_path / f"clip{ending}"), frames)
    assert np.array_equal(read_all(tmp_path / f"still{ending}"), frames[:1])
    assert read_metaimage(tmp_path / f"still{ending}").spacing_mm == (0.2, 0.3)


def test_a_flipped_byte_is_noticed(tmp_path, fan):
    """Wherever a byte of packed pixels is wrong, a message names the file; ITK itself does not look."""
    write(tmp_path / "z.mhd", fan()[0], packed=True)
    whole = (tmp_path / "z.zraw").read_bytes()
    for place in range(50, len(whole) - 5, 301):
        bad = bytearray(whole)
        bad[place] ^= 0x55
        (tmp_path / "z.zraw").write_bytes(bad)
        with pytest.raises(ValueError, match=r"z.mhd"):
            read_all(tmp_path / "z.mhd")


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_short_is_noticed(tmp_path, fan, packed):
    """Pixels that end too early are refused."""
    write(tmp_path / "a.mha", fan()[0], packed=packed)
    (tmp_path / "a.mha").write_bytes((tmp_path / "a.mha").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"a.mha"):
        read_all(tmp_path / "a.mha")


@pytest.mark.parametrize("n_channels", [2, 4])
def test_channels_are_no_frames(tmp_path, fan, n_channels):
    """Two channels are refused; four are colours and opacity of one picture."""
    write(tmp_path / "a.mha", np.repeat(fan()[0][..., None], n_channels, -1))
    if n_channels == 2:
        with pytest.raises(ValueError, match=r"a.mha: 2 channels"):
            read_all(tmp_path / "a.mha")
    else:
        assert len(read_all(tmp_path / "a.mha")) == 1


def test_complex_pixels_are_refused(tmp_path, fan):
    """A type that is no intensity ends in one message."""
    sitk.WriteImage(sitk.GetImageFromArray(fan()[0].astype(np.complex64)), str(tmp_path / "complex.mha"))
    with pytest.raises(ValueError, match=r"complex.mha"):
        read_all(tmp_path / "complex.mha")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NDims = 2", "NDims = two"),
        ("NDims = 2", "NDims = 7"),
        ("DimSize = 120 90", "DimSize = 120 -90"),
        ("DimSize = 120 90", "DimSize = 99999 99999"),
        ("MET_UCHAR", "MET_WHATEVER"),
        ("ElementDataFile = LOCAL", "ElementDataFile = ../a.raw"),
        ("ElementDataFile = LOCAL", "ElementDataFile = LIST"),
        ("ElementDataFile = LOCAL", "ElementDataFile = a%03d.raw 1 3 1"),
        ("BinaryData = True", "BinaryData = False"),
        ("ElementSpacing = 0.25 0.25", "ElementSpacing = 0.25"),
        ("ElementSpacing = 0.25 0.25", "DistanceUnits = parsec\nElementSpacing = 0.25 0.25"),
    ],
)
def test_headers_without_sense_are_refused(tmp_path, fan, old, new):
    """One message that names the file."""
    write(tmp_path / "odd.mha", fan()[0], (0.25, 0.25))
    edit(tmp_path / "odd.mha", old, new)
    with pytest.raises(ValueError, match=r"odd.mha"):
        read_all(tmp_path / "odd.mha")


@pytest.mark.parametrize(("unit", "size"), [("mm", "0.25"), ("um", "250"), ("cm", "0.025")])
def test_the_unit_of_length_is_honoured(tmp_path, fan, unit, size):
    """The same picture has the same pixel size in mm, whatever its unit."""
    write(tmp_path / "a.mha", fan()[0], (0.25, 0.25))
    edit(tmp_path / "a.mha", "ElementSpacing = 0.25 0.25", f"DistanceUnits = {unit}\nElementSpacing = {size} {size}")
    assert read_metaimage(tmp_path / "a.mha").spacing_mm == (0.25, 0.25)


def test_a_volume_is_no_clip(tmp_path, fan):
    """A third axis with a distance of its own is depth, unless the user says otherwise."""
    write(tmp_path / "volume.mha", fan(5), (0.5, 0.5, 0.7))
    with pytest.raises(ValueError, match=r"volume.mha: a third axis of length 5 with a spacing of 0.7"):
        read_metaimage(tmp_path / "volume.mha")
    assert len(read_all(tmp_path / "volume.mha", third_axis="frames")) == 5


def test_the_label_map_has_the_input_s_geometry_and_none_of_its_words(tmp_path, fan, predict):
    """Spacing, origin and direction are carried over; comments and other keys, which may name a patient, are not."""
    image = sitk.GetImageFromArray(fan(3))
    image.SetSpacing((0.3, 0.2, 1.0))
    image.SetOrigin((5.0, -3.0, 2.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetMetaData("PatientName", "Jane Doe")
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    edit(tmp_path / "a.mha", "ElementDataFile", "Comment = Jane Doe\nElementDataFile")
    areas = predict(tmp_path / "a.mha")
    made = sitk.ReadImage(str(tmp_path / "out" / "a.mha"))
    for question in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(made, question)() == getattr(image, question)(), question
    drawn = sitk.GetArrayFromImage(made)
    row = areas[(areas["frame"] == 1) & (areas["structure"] == "LVM")].iloc[0]
    assert (drawn[1] == 2).sum() == row["area_px"]
    assert not [path for path in (tmp_path / "out").iterdir() if b"Jane" in path.read_bytes()]
