"""Stills of anybody: damage, orientation, transparency, colours and depths."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from labeldropout.data.picture_files import read_picture
from labeldropout.predict.raster import read_raster


def read(path):
    """The one picture of a file."""
    (frame,) = read_raster(path).frames()
    return frame.pixels


def chunk(kind, content):
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.TIFF"])
def test_formats_without_loss_give_the_pixels(tmp_path, fan, name):
    """PNG, BMP and TIFF are read as they were written."""
    Image.fromarray(fan()[0]).save(tmp_path / name)
    assert np.array_equal(read(tmp_path / name), fan()[0])


def test_jpeg_is_read(tmp_path, fan):
    """A JPEG is the picture up to its loss."""
    Image.fromarray(fan()[0]).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read(tmp_path / "a.jpg").astype(int) - fan()[0]).mean() < 3


def test_damage_inside_a_png_is_noticed(tmp_path, fan):
    """A flipped byte of the pixels, a stream that ends too early and a file cut short are refused by name."""
    path = tmp_path / "a.png"
    Image.fromarray(fan()[0]).save(path)
    whole = path.read_bytes()
    at = whole.index(b"IDAT") + 50
    header = whole[: whole.index(b"IDAT") - 4]
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in fan()[0]))
    flipped = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
    for bad in (flipped, whole[:-30], header + chunk(b"IDAT", stream[:-4]) + chunk(b"IEND", b"")):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"a.png: damaged or cut short"):
            read(path)


def test_a_jpeg_or_tiff_cut_short_is_noticed(tmp_path, fan):
    """Pixels that are missing are not made up."""
    for name in ("a.jpg", "a.tif", "a.bmp"):
        Image.fromarray(fan()[0]).save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_the_exif_orientation_is_applied_and_said(tmp_path, fan, name):
    """A picture that is stored lying is outlined upright, as viewers show it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(fan()[0]).copy()).save(tmp_path / name, exif=exif, quality=95)
    clip = read_raster(tmp_path / name)
    assert clip.shape == (90, 120)
    assert np.abs(read(tmp_path / name).astype(int) - fan()[0]).mean() < 3
    assert any("orientation 6" in note for note in clip.notes)


def modes(grey):
    """Pictures of many modes that hide something bright where they are transparent."""
    hidden = np.where(grey > 0, grey, 255).astype(np.uint8)
    alpha = Image.fromarray((grey > 0).astype(np.uint8) * 255)
    rgba = Image.merge("RGBA", (*[Image.fromarray(hidden)] * 3, alpha))
    return {
        "L": Image.fromarray(grey),
        "RGB": Image.merge("RGB", [Image.fromarray(np.roll(grey, shift)) for shift in (0, 1, 2)]),
        "RGBA": rgba,
        "LA": Image.merge("LA", (Image.fromarray(hidden), alpha)),
        "P": rgba.convert("P", palette=Image.Palette.ADAPTIVE),
        "1": Image.fromarray(grey > 99),
        "I;16": Image.fromarray(grey.astype(np.uint16) * 257),
    }


@pytest.mark.parametrize("mode", modes(np.ones((2, 2), np.uint8)))
def test_pngs_are_read_as_the_importers_read_them(tmp_path, fan, mode):
    """Colours, palettes, transparency and 16 bits: the network sees the same picture in training and here."""
    modes(fan()[0])[mode].save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png"), read_picture(tmp_path / "a.png", "", "grey").values)


@pytest.mark.parametrize("mode", modes(np.ones((2, 2), np.uint8)))
def test_colours_are_read_as_the_importers_read_them(tmp_path, fan, mode):
    """A network for colour sees the same picture in training and here; a grey picture has three equal channels."""
    modes(fan()[0])[mode].save(tmp_path / "a.png")
    (frame,) = read_raster(tmp_path / "a.png", is_colour=True).frames()
    assert frame.pixels.shape == (90, 120, 3)
    assert np.array_equal(frame.pixels, read_picture(tmp_path / "a.png", "", "colour").values)


def test_what_is_transparent_is_black(tmp_path, fan):
    """What lies below full transparency is not seen."""
    modes(fan()[0])["RGBA"].save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png"), fan()[0])


@pytest.mark.parametrize("name", ["moving.png", "pages.tif"])
def test_several_pictures_in_one_file_are_refused(tmp_path, fan, name):
    """No frame of an animated PNG or page of a TIFF is lost in silence."""
    first, *others = [Image.fromarray(frame) for frame in fan(4)]
    first.save(tmp_path / name, save_all=True, append_images=others)
    with pytest.raises(ValueError, match=rf"{name}: 4 pictures in one file"):
        read(tmp_path / name)


def test_long_texts_end_in_a_message_with_the_name(tmp_path, fan):
    """What Pillow refuses without naming the file, we refuse by name."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 2_000_000, zip=True)
    Image.fromarray(fan()[0]).save(tmp_path / "text.png", pnginfo=text)
    with pytest.raises(ValueError, match=r"text.png"):
        read(tmp_path / "text.png")


def test_sixteen_bits_that_hold_eight_are_refused(tmp_path, fan):
    """Scaled like other pictures of 16 bits it would be black; that is not guessed."""
    Image.fromarray(fan()[0].astype(np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a.png: 16 bits a pixel"):
        read(tmp_path / "a.png")


def test_pixels_that_are_not_square_are_honoured(tmp_path, fan):
    """A resolution that differs between the directions is the shape of a pixel."""
    Image.fromarray(fan()[0]).save(tmp_path / "a.png", dpi=(100, 200))
    assert read_raster(tmp_path / "a.png").pixel_aspect == pytest.approx(0.5, abs=0.01)


def test_fractions_of_one_are_refused_with_advice(tmp_path, fan):
    """Intensities of 0 to 1 would be rounded to two grey values."""
    Image.fromarray((fan()[0] / 255).astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a.tif: intensities are fractions of at most 0.996.*Multiply by 255"):
        read(tmp_path / "a.tif")


def test_a_format_is_told_by_its_content(tmp_path, fan):
    """A JPEG that is called PNG is refused, not taken for one."""
    content = io.BytesIO()
    Image.fromarray(fan()[0]).save(content, format="JPEG")
    (tmp_path / "a.png").write_bytes(content.getvalue())
    with pytest.raises(ValueError, match=r"a.png: cannot be read as PNG"):
        read(tmp_path / "a.png")
