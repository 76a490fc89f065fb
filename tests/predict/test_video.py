"""Videos of anybody: how they are to be shown, and damage."""

import fractions
import gc
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from labeldropout.predict.video import read_video


def write(path, frames, codec="libx264", pixel_ratio=None):
    """Encode a video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if pixel_ratio:
            stream.codec_context.sample_aspect_ratio = fractions.Fraction(*pixel_ratio)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, 2), format="rgb24")))
        container.mux(stream.encode())


MATRICES = {
    90: (0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000),
    180: (0xFFFF0000, 0, 0, 0, 0xFFFF0000, 0, 0, 0, 0x40000000),
    270: (0, 0xFFFF0000, 0, 0x10000, 0, 0, 0, 0, 0x40000000),
}
"""Display matrices of an MP4 that is to be turned clockwise by so many degrees."""


def turned(path, matrix):
    """Write a display matrix into an MP4."""
    content = bytearray(path.read_bytes())
    struct.pack_into(">9I", content, content.find(b"tkhd") + 8 + 20 + 16, *matrix)
    path.write_bytes(content)


@pytest.mark.parametrize("degrees", MATRICES)
def test_a_turned_video_is_read_upright(tmp_path, fan, pixels, degrees):
    """As players show it: turned clockwise by what its display matrix says, which is said."""
    write(tmp_path / "a.mp4", fan(3))
    upright = pixels(read_video(tmp_path / "a.mp4"))
    turned(tmp_path / "a.mp4", MATRICES[degrees])
    clip = read_video(tmp_path / "a.mp4")
    expected = np.rot90(upright, -degrees // 90, axes=(1, 2))
    assert clip.shape == expected.shape[1:]
    assert np.array_equal(pixels(clip), expected)
    assert any("turned" in note for note in clip.notes)


def test_a_mirrored_video_is_refused(tmp_path, fan):
    """Left and right are not exchanged in silence."""
    write(tmp_path / "a.mp4", fan(3))
    turned(tmp_path / "a.mp4", (0xFFFF0000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))
    with pytest.raises(ValueError, match=r"a.mp4: to be shown mirrored"):
        read_video(tmp_path / "a.mp4")


def test_pixels_that_are_not_square_are_honoured(tmp_path, fan):
    """Pixels twice as wide as high are half as high as wide."""
    write(tmp_path / "wide.mp4", fan(2), pixel_ratio=(2, 1))
    assert read_video(tmp_path / "wide.mp4").pixel_aspect == 0.5


def test_times_are_in_seconds_from_the_first_frame(tmp_path, fan):
    """25 frames a second are 0.04 s apart."""
    write(tmp_path / "a.mp4", fan(4))
    assert [frame.seconds for frame in read_video(tmp_path / "a.mp4").frames()] == pytest.approx([0, 0.04, 0.08, 0.12])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is read from /proc")
def test_frames_are_let_go(tmp_path, fan):
    """The decoder's own memory does not grow with the number of frames, even where nothing collects cycles."""
    write(tmp_path / "a.avi", np.tile(fan(2, (480, 640)), (60, 1, 1)), "mjpeg")
    gc.collect()
    gc.disable()
    try:
        pages = [int(Path("/proc/self/statm").read_text().split()[1]) for _ in read_video(tmp_path / "a.avi").frames()]
    finally:
        gc.enable()
    assert (pages[-1] - pages[20]) * 4096 / (100 * 480 * 640) < 0.2


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_video_cut_short_is_refused(tmp_path, fan, pixels, share):
    """What is missing at the end is noticed, not left out."""
    write(tmp_path / "a.avi", fan(12), "mjpeg")
    whole = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"a.avi"):
        pixels(read_video(tmp_path / "a.avi"))


def test_fewer_frames_than_the_header_counts_are_refused(tmp_path, fan, pixels):
    """A video that was cut between two pictures has no damage but a wrong count."""
    write(tmp_path / "a.avi", fan(12), "mjpeg")
    whole = (tmp_path / "a.avi").read_bytes()
    places = [at for at in range(len(whole)) if whole.startswith(b"00dc", at) and whole.startswith(b"\xff\xd8", at + 8)]
    (tmp_path / "a.avi").write_bytes(whole[: places[7]])
    with pytest.raises(ValueError, match=r"a.avi: 7 frames could be decoded, but its header counts 12"):
        pixels(read_video(tmp_path / "a.avi"))


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("a.mp4", "libx264"), ("a.mp4", "mpeg4")])
def test_damaged_frames_are_refused(tmp_path, fan, pixels, name, codec):
    """A stretch of zeros inside the pictures is not smoothed over by the decoder."""
    write(tmp_path / name, fan(12, (240, 320)), codec)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        pixels(read_video(tmp_path / name))
