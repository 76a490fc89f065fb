"""Reading still pictures strictly: every kind that is accepted, and everything that is refused with one message."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from labeldropout.case import DatasetError
from labeldropout.data.picture_files import FORMATS, ORIENTATION, png_damage, read_picture, refuse_blank

GREY = np.add.outer(np.arange(40), 3 * np.arange(60)).astype(np.uint8)
"""No two rows or columns alike, and not square: a turn or a flip would show."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its picture."""
    return tmp_path / "picture"


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file, with the right check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(packed: bytes) -> bytes:
    """A PNG of the size of `GREY` with these compressed pixels."""
    header = struct.pack(">IIBBBBB", GREY.shape[1], GREY.shape[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_picture_comes_back_as_it_was_saved(path: Path, kind: str):
    """Row 0 is the top, and lossless formats keep every value."""
    path.write_bytes(encoded(Image.fromarray(GREY), kind))
    np.testing.assert_array_equal(read_picture(path, "ours", "grey").values, GREY)
    colour = read_picture(path, "ours", "colour").values
    np.testing.assert_array_equal(colour, np.repeat(GREY[..., None], 3, -1))


def test_grey_is_luma_and_colour_is_kept(path: Path):
    """A green pixel is as bright as the standard says."""
    path.write_bytes(encoded(Image.new("RGB", (4, 3), (0, 255, 0)), "BMP"))
    assert read_picture(path, "ours", "grey").values[0, 0] == 150
    assert read_picture(path, "ours", "colour").values[2, 3].tolist() == [0, 255, 0]


def test_behind_transparent_pixels_is_black_and_they_are_counted(path: Path):
    """What lies hidden below them is not shown."""
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:, :5] = 0
    path.write_bytes(encoded(Image.fromarray(np.dstack([GREY + 1, GREY + 1, GREY + 1, alpha]))))
    picture = read_picture(path, "ours", "grey")
    assert picture.n_transparent == 5 * GREY.shape[0]
    assert picture.values[:, :5].max() == 0
    np.testing.assert_array_equal(picture.values[:, 5:], (GREY + 1)[:, 5:])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(path: Path, kind: str):
    """White stays white."""
    path.write_bytes(encoded(Image.fromarray(GREY.astype(np.uint16) * 257), kind))
    np.testing.assert_array_equal(read_picture(path, "ours", "grey").values, GREY)


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_a_label_map_keeps_its_numbers(path: Path, mode: str):
    """Colours of a palette are for the eye; the index is the label."""
    labels = (GREY % 2).astype(np.uint8)
    image = Image.fromarray(labels * 255).convert("1") if mode == "1" else Image.fromarray(labels)
    if mode == "P":
        image.putpalette([200, 0, 0, 0, 0, 200] + [0] * 762)
    path.write_bytes(encoded(image))
    np.testing.assert_array_equal(read_picture(path, "ours", "labels").values, labels)


def test_a_coloured_picture_is_no_label_map(path: Path):
    """Which colour means what is not known here; one number stored three times is that number."""
    path.write_bytes(encoded(Image.new("RGB", (4, 3), (2, 2, 2))))
    assert (read_picture(path, "ours", "labels").values == 2).all()
    path.write_bytes(encoded(Image.new("RGB", (4, 3), (2, 2, 3))))
    with pytest.raises(DatasetError, match=r"ours: .*picture: not a label map .*mode RGB"):
        read_picture(path, "ours", "labels")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_cut_short_is_refused_wherever_it_is_cut(path: Path, kind: str):
    """None is read as far as it goes."""
    content = encoded(Image.fromarray(GREY), kind)
    for n_bytes in [*range(0, len(content) - 12, 37), len(content) - 2]:
        path.write_bytes(content[:n_bytes])
        with pytest.raises(DatasetError, match=r"ours: .*picture: "):
            read_picture(path, "ours", "grey")


def test_one_changed_byte_anywhere_in_a_png_is_noticed(path: Path):
    """Every chunk has a check sum."""
    content = encoded(Image.fromarray(GREY))
    for at in range(8, len(content), 11):
        changed = bytearray(content)
        changed[at] ^= 0x55
        path.write_bytes(bytes(changed))
        with pytest.raises(
            DatasetError, match=r"picture: (a damaged file|cannot be decoded|not a picture|impossible declared size)"
        ):
            read_picture(path, "ours", "grey")


ROWS = b"".join(b"\0" + row.tobytes() for row in GREY)


@pytest.mark.parametrize(
    ("packed", "found"),
    [
        (zlib.compress(ROWS)[:-4], "pixels that end early"),
        (zlib.compress(ROWS)[:-1] + b"\0", "damaged pixels"),
        (zlib.compress(ROWS[:500]), "truncated"),
        (b"", "pixels that end early"),
    ],
    ids=["no check sum", "wrong check sum", "too few rows", "nothing"],
)
def test_damaged_pixels_in_a_sound_png_chunk_are_noticed(path: Path, packed: bytes, found: str):
    """The chunk's check sum says nothing about what was packed into it."""
    path.write_bytes(png_of(packed))
    with pytest.raises(DatasetError, match=found):
        read_picture(path, "ours", "grey")


def test_pixels_that_unpack_to_far_more_than_declared_are_refused_early():
    """A small file does not cost minutes."""
    assert png_damage(png_of(zlib.compress(bytes(2**24))), max_bytes=2**20) == "pixels without end"
    assert png_damage(png_of(zlib.compress(ROWS))) == ""


def test_an_animated_picture_is_refused(path: Path):
    """Which of its frames is meant is not known."""
    frames = [Image.fromarray(np.roll(GREY, shift)) for shift in range(3)]
    path.write_bytes(encoded(frames[0], save_all=True, append_images=frames[1:]))
    with pytest.raises(DatasetError, match=r"several frames or pages \(expected one still picture, found 3\)"):
        read_picture(path, "ours", "grey")
    path.write_bytes(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    with pytest.raises(DatasetError, match="several frames or pages"):
        read_picture(path, "ours", "grey")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_turned_by_its_metadata_is_refused(path: Path, kind: str):
    """Viewers turn it, other programs do not, and an outline fits one of the two."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path.write_bytes(encoded(Image.fromarray(GREY), kind, exif=exif))
    with pytest.raises(DatasetError, match=r"turned for viewing .*EXIF orientation 6.*Save it upright"):
        read_picture(path, "ours", "grey")
    exif[ORIENTATION] = 1
    path.write_bytes(encoded(Image.fromarray(GREY), kind, exif=exif))
    assert read_picture(path, "ours", "grey").values.shape == GREY.shape


@pytest.mark.parametrize("values", [GREY / np.float32(255), GREY.astype(np.int32)], ids=["float", "32 bits"])
def test_numbers_without_an_agreed_display_are_refused(path: Path, values: np.ndarray):
    """Floats from 0 to 1 are not black pictures."""
    path.write_bytes(encoded(Image.fromarray(values), "TIFF"))
    with pytest.raises(DatasetError, match=r"no agreed display .*mode [FI]\). Save it with 8 bits"):
        read_picture(path, "ours", "grey")


def test_a_size_is_checked_before_anything_is_decoded(path: Path):
    """A header of a few bytes may declare gigabytes."""
    path.write_bytes(encoded(Image.fromarray(GREY)))
    with pytest.raises(DatasetError, match=r"impossible declared size \(expected 1 to 100 pixels, found 60 x 40\)"):
        read_picture(path, "ours", "grey", max_pixels=100)
    header = struct.pack(">IIBBBBB", 2**30, 2**30, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )
    with pytest.raises(DatasetError, match="picture: impossible declared size"):
        read_picture(path, "ours", "grey")


def test_a_huge_text_in_a_png_is_read_or_refused_with_the_file_named(path: Path):
    """Pillow's own message does not say which of a thousand files it is."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 2_000_000, zip=True)
    path.write_bytes(encoded(Image.fromarray(GREY), pnginfo=text))
    with pytest.raises(DatasetError, match="picture: cannot be decoded"):
        read_picture(path, "ours", "grey")


def test_what_is_no_picture_or_not_of_the_wanted_kind_is_refused(path: Path):
    """By content, whatever the name says."""
    for content in (b"hello", b"\0" * 100, encoded(Image.fromarray(GREY), "GIF")):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match="picture: not a picture"):
            read_picture(path, "ours", "grey")
    path.write_bytes(encoded(Image.fromarray(GREY), "BMP"))
    with pytest.raises(DatasetError, match=r"not a picture \(expected one of PNG, found"):
        read_picture(path, "ours", "grey", formats=("PNG",))
    with pytest.raises(DatasetError, match=r"nowhere: cannot be read"):
        read_picture(path.with_name("nowhere"), "ours", "grey")


def test_a_file_of_no_data_set_is_named_alone(path: Path):
    """Anybody's own picture belongs to no data set."""
    path.write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        read_picture(path, "", "grey")
    assert str(caught.value).startswith(f"{path}: not a picture")


@pytest.mark.parametrize("value", [0, 77])
def test_a_picture_of_one_grey_value_is_blank(value: int):
    """Nothing can be seen, let alone outlined, on it."""
    with pytest.raises(DatasetError, match=rf"ours: a.png: a blank picture .*found {value} in every pixel"):
        refuse_blank(np.full((4, 5), value, np.uint8), "ours", "a.png")
    refuse_blank(GREY, "ours", "a.png")
