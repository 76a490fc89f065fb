"""EchoNet-Dynamic: files typed by hand, the oddities of the real ones, every kind of bad input, and the writer."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from labeldropout.case import Case, DatasetError
from labeldropout.data.echonet import HOW_TO_GET
from labeldropout.data.echonet.importer import read_cases
from labeldropout.data.echonet.tables import Options, fill_tracing
from labeldropout.data.echonet.writer import Video, deviation, trace, video_name, write_cases, write_videos
from labeldropout.data.import_report import ImportReport
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View

FILE_LIST_HEADER = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
TRACING_HEADER = "FileName,X1,Y1,X2,Y2,Frame"
# 14, 15 and 16 digits; put together here, as no name of the data set's form may stand in a tracked file.
NAMES = ["0X" + "A1" * 7, "0X" + "B2C" * 5, "0X" + "D3E4" * 4]
ED, ES = 4, 1


def picture(frame: int, height: int = 112, width: int = 112) -> np.ndarray:
    """A frame that says which one it is, black above, white on the right below, lopsided in every direction."""
    image = np.zeros((height, width), np.uint8)
    image[40:, 80:] = 255
    image[64:80, 16:32] = 20 * (frame + 1)
    return image


def write_video(
    path: Path, n_frames: int = 6, height: int = 112, width: int = 112, codec: str = "mjpeg", aspect: int = 1
) -> None:
    """Write a video with PyAV alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", format="avi") as container:
        stream = container.add_stream(codec, rate=Fraction(50))
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for frame in range(n_frames):
            planes = np.concatenate([picture(frame, height, width), np.full((height // 2, width), 128, np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format=stream.pix_fmt)))
        container.mux(stream.encode(None))


def tracing(name: str, frame: int, left: float, n_rows: int = 21) -> list[str]:
    """Rows of a tracing as text: chord i lies at y = 20 + 3 i, from x = left - i to x = 52.25 + i."""
    axis = [f"{name}.avi,50.0,15.0,70.0,77.0,{frame}"]
    return axis + [f"{name}.avi,{left - i},{20 + 3 * i}.0,{52 + i}.25,{20 + 3 * i},{frame}" for i in range(n_rows - 1)]


@dataclass
class Release:
    """Text of both tables of a tiny release, to be changed before it is written."""

    root: Path
    listing: list[str] = field(default_factory=lambda: [FILE_LIST_HEADER])
    tracings: list[str] = field(default_factory=lambda: [TRACING_HEADER])
    line_end: str = "\n"
    encoding: str = "utf-8"

    def add(self, name: str, split: str = "TRAIN", n_frames: int = 6) -> None:
        """Add a good video, with end diastole (the larger one) at the higher frame and listed first."""
        self.listing.append(f"{name},60.5,40.0,101.3,112,112,50,{n_frames},{split}")
        self.tracings += tracing(name, ED, 45.0) + tracing(name, ES, 49.0)
        write_video(self.video(name))

    def video(self, name: str) -> Path:
        """Path of a video."""
        return self.root / "Videos" / f"{name}.avi"

    def write(self) -> None:
        """Write both tables."""
        for name, lines in (("FileList.csv", self.listing), ("VolumeTracings.csv", self.tracings)):
            content = self.line_end.join([*lines, ""])
            (self.root / name).write_bytes(content.encode(self.encoding))

    def read(self, on_bad_case="stop", skip_limit=1.0, **options) -> tuple[list[Case], ImportReport]:
        """Write, then import."""
        self.write()
        report = ImportReport("echonet", on_bad_case, skip_limit)
        return list(read_cases(self.root, Options(**options), report)), report


@pytest.fixture
def release(tmp_path):
    """Three good videos, typed by hand."""
    made = Release(tmp_path)
    for name, split in zip(NAMES, ("TRAIN", "VAL", "TEST"), strict=True):
        made.add(name, split)
    return made


def test_the_traced_frames_come_with_pixels_tracing_and_origin(release):
    """Two cases per video with the right frame, upright, the ventricle filled, and what the tables say."""
    cases, report = release.read()
    assert [(case.group_name, case.frame) for case in cases] == [(name, frame) for name in NAMES for frame in (ED, ES)]
    case = cases[0]
    assert np.abs(case.image.astype(int) - picture(ED)).mean() < 2
    assert (case.image.min(), case.image.max()) == (0, 255)
    assert (case.view, case.instant, case.pixel_spacing_mm, case.split_hint) == (View.A4C, Instant.ED, None, "TRAIN")
    assert case.states == {
        Structure.LV: State.LABELLED,
        Structure.LVM: State.UNKNOWN,
        Structure.LA: State.UNKNOWN,
    }
    for i in range(20):
        row = case.target[20 + 3 * i]
        np.testing.assert_array_equal(np.flatnonzero(row), np.arange(45 - i, 52 + i + 1))
    assert not case.target[:20].any()
    assert not case.target[78:].any()
    assert case.source == f"Videos/{NAMES[0]}.avi"
    assert report.found == 3
    assert report.skipped == {}


def test_the_larger_area_is_end_diastole_whatever_the_order(release):
    """End diastole stands at the higher frame here, and first in one video and second in another."""
    release.tracings[1:43] = release.tracings[22:43] + release.tracings[1:22]
    cases, _ = release.read()
    assert [(case.frame, case.instant) for case in cases[:4]] == [
        (ES, Instant.ES),
        (ED, Instant.ED),
        (ED, Instant.ED),
        (ES, Instant.ES),
    ]


def test_equal_areas_have_no_instant(release):
    """Neither frame is called ED or ES if both tracings have the same area."""
    release.tracings[22:43] = tracing(NAMES[0], ES, 45.0)
    cases, _ = release.read()
    assert [case.instant for case in cases[:2]] == [None, None]
    assert "equal-areas" in cases[0].flags
    assert cases[0].id != cases[1].id


def test_a_byte_order_mark_and_windows_line_ends_are_read(release):
    """Text written by a spreadsheet reads the same."""
    plain, _ = release.read()
    release.line_end, release.encoding = "\r\n", "utf-8-sig"
    cases, _ = release.read()
    assert [case.id for case in cases] == [case.id for case in plain]


def test_frames_that_nobody_traced_are_not_decoded(release):
    """A damaged frame that is not wanted does no harm, as each frame of motion JPEG stands by itself."""
    damage(release.video(NAMES[0]), 2)
    cases, _ = release.read()
    assert len(cases) == 6


def test_a_frame_number_with_a_point_is_read_if_it_is_whole(release):
    """`4.0` is frame 4."""
    release.tracings = [
        line.removesuffix(f",{ED}") + (f",{ED}.0" if line.endswith(f",{ED}") else "") for line in release.tracings
    ]
    cases, _ = release.read()
    assert cases[0].frame == ED


def test_stacked_tracings_are_read_as_the_user_chose(release):
    """Of 42 rows of a frame, the first 21 count by default; the frame can be dropped, or all rows joined."""
    release.tracings[22:22] = tracing(NAMES[0], ED, 30.0)
    plain = 45
    cases, report = release.read()
    assert np.flatnonzero(cases[0].target[20])[0] == plain
    assert "several-tracings" in cases[0].flags
    assert report.skipped == {}
    cases, report = release.read(multi_trace="drop")
    assert [case.frame for case in cases[:3]] == [ES, ED, ES]
    assert cases[0].instant is None
    assert report.skipped == {"several tracings of one frame": [f"{NAMES[0]} frame {ED}"]}
    cases, _ = release.read(multi_trace="official")
    assert np.flatnonzero(cases[0].target[20])[0] < plain


@pytest.mark.parametrize("n_rows", [16, 18, 41])
def test_another_number_of_rows_is_skipped_and_counted(release, n_rows):
    """A frame whose rows are no multiple of 21 is left out, and the report names it."""
    release.tracings[1:22] = tracing(NAMES[0], ED, 45.0, n_rows)
    cases, report = release.read()
    assert len(cases) == 5
    assert report.skipped == {"number of rows is no multiple of 21": [f"{NAMES[0]} frame {ED}"]}


def test_points_outside_the_frame_crop_the_raster_and_not_the_outline(release):
    """A chord that ends at x = -20 leaves the shape of the rest alone."""
    release.tracings[1:22] = tracing(NAMES[0], ED, 5.0)
    cases, _ = release.read()
    for i in (0, 10, 19):
        np.testing.assert_array_equal(np.flatnonzero(cases[0].target[20 + 3 * i]), np.arange(max(0, 5 - i), 53 + i))
    assert "outside-frame" in cases[0].flags


def test_videos_without_tracing_and_tracings_without_video_are_skipped(release):
    """A large video nobody traced, and a tracing that FileList.csv does not know, are counted by name."""
    large, unlisted = "0X" + "5F" * 7, "0X" + "6A" * 7
    release.listing.append(f"{large},60,40,100,768,1024,50,2,TRAIN")
    write_video(release.video(large), 2, 768, 1024)
    release.tracings += tracing(unlisted, ED, 45.0) + tracing(unlisted, ES, 49.0)
    cases, report = release.read()
    assert len(cases) == 6
    assert report.skipped == {"no tracing": [large], "tracing without a row in FileList.csv": [unlisted]}


@pytest.mark.parametrize("n_frames", [1, 3])
def test_a_video_with_another_number_of_traced_frames_is_skipped(release, n_frames):
    """Two traced frames make a pair; one or three do not."""
    release.tracings[1:43] = [row for frame in range(n_frames) for row in tracing(NAMES[0], frame, 45.0 + frame)]
    cases, report = release.read()
    assert len(cases) == 4
    assert report.skipped == {"traced frames are not 2": [NAMES[0]]}


def test_a_tracing_without_area_is_skipped(release):
    """All chords on one line are no ventricle."""
    release.tracings[1:22] = [f"{NAMES[0]}.avi,10,10,50,10,{ED}"] * 21
    cases, report = release.read()
    assert len(cases) == 5
    assert report.skipped == {"fewer than 50 pixels traced": [f"{NAMES[0]} frame {ED}"]}


def test_a_first_row_that_is_not_the_longest_is_flagged(release):
    """The long axis should be longer than every chord."""
    release.tracings[1] = f"{NAMES[0]}.avi,50,20,51,20,{ED}"
    cases, _ = release.read()
    assert "axis-not-longest" in cases[0].flags


def test_another_number_of_frames_than_listed_is_remarked(release):
    """FileList.csv and the video disagree: the import goes on and says so."""
    release.listing[1] = release.listing[1].replace(",6,", ",7,")
    _, report = release.read()
    assert any("says 7 frames, the video has 6" in note for note in report.notes)


def test_more_frames_than_the_header_declares_are_remarked(release):
    """All frames are there, so the import goes on and says so."""
    declare(release.video(NAMES[0]), 5)
    cases, report = release.read()
    assert len(cases) == 6
    assert [note for note in report.notes if "header says 5 frames, it has 6" in note]


def test_a_remark_in_a_video_that_is_no_text_is_ignored(release):
    """Which program wrote a file, in whatever letters, says nothing about its pixels."""
    before = release.read()[0][0].image
    patch(release.video(NAMES[0]), b"Lavf", b"L\xd4vf")
    np.testing.assert_array_equal(release.read()[0][0].image, before)


def test_pixels_that_are_shown_wide_are_taken_as_square_and_reported(release):
    """The tracings count pixels, as the data set's own loader does."""
    write_video(release.video(NAMES[1]), aspect=2)
    cases, report = release.read()
    assert len(cases) == 6
    assert report.adjusted == {"pixels taken for square although the video says otherwise": [NAMES[1]]}


def test_no_message_shows_how_numbers_are_stored(release):
    """A whole table of numbers keeps one of them outside the frame; its line, its video and the number are named."""
    release.tracings[4] = f"{NAMES[0]}.avi,5000.5,23.0,53.25,23,{ED}"
    with pytest.raises(DatasetError, match=rf"line 5: {NAMES[0]}: bad X1 \(expected .* to 224, found 5000\.5\)"):
        release.read()


def test_a_user_can_leave_videos_out(release, tmp_path):
    """Names in a text file, with or without `.avi`, are left out; unknown ones are remarked."""
    file = tmp_path / "wrong.txt"
    file.write_text(f"{NAMES[1]}.avi\n\nnobody\n")
    cases, report = release.read(exclude_file=str(file))
    assert {case.group_name for case in cases} == {NAMES[0], NAMES[2]}
    assert any("nobody is not in FileList.csv" in note for note in report.notes)
    with pytest.raises(DatasetError, match=r"none\.txt: cannot read exclude_file"):
        release.read(exclude_file=str(tmp_path / "none.txt"))


def test_too_many_skipped_items_are_refused(release):
    """The report's limit of 1 % holds for this data set too."""
    release.listing.append("0X" + "5F" * 7 + ",60,40,100,112,112,50,2,TRAIN")
    write_video(release.video("0X" + "5F" * 7))
    _, report = release.read(skip_limit=0.01)
    with pytest.raises(DatasetError, match="too many items skipped"):
        report.close()


def jpeg_positions(content: bytes) -> list[int]:
    """Where each frame of a motion JPEG begins."""
    positions, start = [], content.find(b"\xff\xd8\xff")
    while start >= 0:
        positions.append(start)
        start = content.find(b"\xff\xd8\xff", start + 3)
    return positions


def damage(path: Path, frame: int, marker: bool = False) -> None:
    """Overwrite the picture data of one frame, or also the marker before it."""
    content = bytearray(path.read_bytes())
    scan = content.find(b"\xff\xda", jpeg_positions(content)[frame])
    start = scan if marker else scan + 14
    content[start : start + 100] = b"\x55" * 100
    path.write_bytes(content)


def truncate(path: Path, n_bytes: int | None = None) -> None:
    """Cut a video in the middle of its first traced frame, or after some bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: jpeg_positions(content)[ES] + 300 if n_bytes is None else n_bytes])


def cell(text: str, column: int, line: int = 5):
    """A change of one cell of VolumeTracings.csv."""

    def change(release: Release) -> None:
        cells = release.tracings[line - 1].split(",")
        cells[column] = text
        release.tracings[line - 1] = ",".join(cells)

    return change


def listed(text: str, column: int, line: int = 2):
    """A change of one cell of FileList.csv."""

    def change(release: Release) -> None:
        cells = release.listing[line - 1].split(",")
        cells[column] = text
        release.listing[line - 1] = ",".join(cells)

    return change


def huge(release: Release) -> None:
    """Let the header of a video declare 60,000 x 60,000 pixels, in the container and in every picture."""
    size = (60000).to_bytes(2, "big")
    content = bytearray(release.video(NAMES[0]).read_bytes())
    for start in jpeg_positions(content):
        frame = content.find(b"\xff\xc0", start)
        content[frame + 5 : frame + 9] = size + size
    content = content.replace((112).to_bytes(4, "little") * 2, (60000).to_bytes(4, "little") * 2)
    release.video(NAMES[0]).write_bytes(content)


def patch(path: Path, old: bytes, new: bytes) -> None:
    """Replace some bytes of a file everywhere."""
    path.write_bytes(path.read_bytes().replace(old, new))


def declare(path: Path, n_frames: int) -> None:
    """Let the header of a video declare another number of frames: the ninth number of the stream's header."""
    content = bytearray(path.read_bytes())
    at = content.find(b"strh") + 8 + 32
    content[at : at + 4] = n_frames.to_bytes(4, "little")
    path.write_bytes(bytes(content))


def blacken(path: Path) -> None:
    """Replace a video by a black one."""
    with av.open(path, "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(50))
        stream.width, stream.height, stream.pix_fmt = 112, 112, "yuvj420p"
        planes = np.concatenate([np.zeros((112, 112), np.uint8), np.full((56, 112), 128, np.uint8)])
        for _ in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuvj420p")))
        container.mux(stream.encode(None))


# What is wrong, and what the message must name: the file, with the line where it has one, and what was found.
BAD_VIDEOS = {
    "empty video": (lambda r: r.video(NAMES[0]).write_bytes(b""), r"A1\.avi: damaged video"),
    "text instead of a video": (lambda r: r.video(NAMES[0]).write_text("hello" * 99), r"A1\.avi: damaged video"),
    "cut in the header": (lambda r: truncate(r.video(NAMES[0]), 150), r"A1\.avi: "),
    "cut in a traced frame": (lambda r: truncate(r.video(NAMES[0])), r"A1\.avi: "),
    "damaged traced frame": (lambda r: damage(r.video(NAMES[0]), ED), r"A1\.avi: damaged .*frame 4"),
    "traced frame without picture": (
        lambda r: damage(r.video(NAMES[0]), ED, marker=True),
        r"A1\.avi: damaged frame 4 .*one picture.*0",
    ),
    "huge declared size": (huge, r"A1\.avi: wrong frame size .*112, 112.*0, 0"),
    "wrong frame size": (
        lambda r: write_video(r.video(NAMES[0]), 6, 128, 112),
        r"A1\.avi: wrong frame size .*128, 112",
    ),
    "another codec": (lambda r: write_video(r.video(NAMES[0]), codec="mpeg4"), r"A1\.avi: wrong codec .*mpeg4"),
    "unknown codec": (
        lambda r: patch(r.video(NAMES[0]), b"MJPG", b"ZZZZ"),
        r"A1\.avi: wrong codec .*mjpeg, found one that is not known here\). Use the videos as",
    ),
    "cut behind the last traced frame": (
        lambda r: truncate(r.video(NAMES[0]), r.video(NAMES[0]).stat().st_size - 200),
        r"A1\.avi: damaged video, cut short .*bytes, as its header says, found",
    ),
    "fewer frames than its header says": (
        lambda r: declare(r.video(NAMES[0]), 9),
        r"A1\.avi: damaged video, cut short \(expected 9 frames, as its header says, found 6\)",
    ),
    "black traced frame": (lambda r: blacken(r.video(NAMES[0])), r"A1\.avi: frame 1: a blank picture .*0 in every"),
    "frame beyond the end": (lambda r: write_video(r.video(NAMES[0]), 4), r"A1\.avi: no frame 4.*more than 4.*found 4"),
    "text coordinate": (cell("left", 1), r"VolumeTracings\.csv: line 5: 0X.*A1: bad X1 .*'left'"),
    "NaN coordinate": (
        cell("NaN", 2),
        r"VolumeTracings\.csv: line 5: 0X.*A1: bad Y1 .*'NaN'|line 5: 0X.*A1: bad Y1 .*found nan",
    ),
    "infinite coordinate": (cell("inf", 3), r"VolumeTracings\.csv: line 5: 0X.*A1: bad X2 .*inf"),
    "missing coordinate": (cell("", 4), r"VolumeTracings\.csv: line 5: 0X.*A1: bad Y2 .*''"),
    "coordinate far outside": (cell("1e12", 4), r"VolumeTracings\.csv: line 5: 0X.*A1: bad Y2 .*1000000000000|1e\+?12"),
    "frame between two": (cell("1.5", 5), r"VolumeTracings\.csv: line 5: 0X.*A1: bad Frame .*1\.5"),
    "negative frame": (cell("-1", 5), r"VolumeTracings\.csv: line 5: 0X.*A1: bad Frame .*-1"),
    "line cut short": (
        lambda r: r.tracings.__setitem__(4, f"{NAMES[0]}.avi,50"),
        r"VolumeTracings\.csv: line 5: 0X.*A1: bad Y1",
    ),
    "unknown split": (listed("EVALUATION", 8), r"FileList\.csv: line 2: 0X.*A1: unknown Split .*'EVALUATION'"),
    "number of frames as text": (
        listed("many", 7),
        r"FileList\.csv: line 2: 0X.*A1: NumberOfFrames is no number .*'many'",
    ),
    "NaN number of frames": (listed("nan", 7), r"FileList\.csv: line 2: 0X.*A1: NumberOfFrames is not whole .*'nan'"),
    "row with a column too many": (listed("TRAIN,more", 8), r"FileList\.csv: line 2: 0X.*A1: wrong number of columns"),
    "listed name above the root": (listed("../../x", 0), r"FileList\.csv: line 2: not a file name .*'\.\./\.\./x'"),
    "listed name from the root": (listed("/etc/passwd", 0), r"FileList\.csv: line 2: not a file name"),
    "empty listed name": (listed("", 0), r"FileList\.csv: line 2: not a file name"),
}


@pytest.mark.parametrize(("change", "message"), BAD_VIDEOS.values(), ids=BAD_VIDEOS.keys())
def test_a_bad_video_is_one_clear_error_or_is_left_out(release, change, message):
    """One error names file, found and expected; with `skip` the case is recorded and the others are read."""
    change(release)
    with pytest.raises(DatasetError, match=message) as caught:
        release.read()
    assert "expected" in str(caught.value)
    assert "found" in str(caught.value)
    cases, report = release.read(on_bad_case="skip")
    assert [case.group_name for case in cases] == [NAMES[1], NAMES[1], NAMES[2], NAMES[2]]
    assert len(report.rejected) == 1


def test_a_duplicate_row_is_an_error_and_can_be_left_out(release):
    """The second row of a video is refused, the first one stands."""
    release.listing.append(release.listing[1])
    with pytest.raises(DatasetError, match=r"FileList\.csv: line 5: 0X.*A1: duplicate video"):
        release.read()
    cases, report = release.read(on_bad_case="skip")
    assert len(cases) == 6
    assert len(report.rejected) == 1


def test_missing_videos_are_named_before_any_is_read(release):
    """The number and the first names of missing videos; with `skip` each is a rejected case."""
    for name in NAMES[:2]:
        release.video(name).unlink()
    with pytest.raises(DatasetError, match=f"missing videos .*2 missing: {NAMES[0]}, {NAMES[1]}"):
        release.read()
    cases, report = release.read(on_bad_case="skip")
    assert len(cases) == 2
    assert [item["item"] for item in report.rejected] == NAMES[:2]


def test_a_tracing_whose_name_leaves_the_folder_is_refused(release):
    """A path in place of a name in VolumeTracings.csv is an error with its line."""
    release.tracings += tracing("../../x", ED, 45.0)
    with pytest.raises(DatasetError, match=r"VolumeTracings\.csv: line 128: not a file name .*'\.\./\.\./x'"):
        release.read()
    cases, report = release.read(on_bad_case="skip")
    assert len(cases) == 6
    assert len(report.rejected) == 1


BAD_TABLES = {
    "wrong header": ("VolumeTracings.csv", "FileName,X1,Y1,X2,Y2,Time\n", "wrong header .*Frame.*Time"),
    "columns in another order": ("VolumeTracings.csv", "FileName,Y1,X1,X2,Y2,Frame\n", "wrong header"),
    "header alone": ("VolumeTracings.csv", TRACING_HEADER + "\n", "no rows"),
    "empty table": ("VolumeTracings.csv", "", "wrong header"),
    "a column too many in one line": (
        "VolumeTracings.csv",
        TRACING_HEADER + "\nx.avi,1,2,3,4,5\nx.avi,1,2,3,4,5,6\n",
        "not a CSV .*line 3",
    ),
    "a column too many in all lines": (
        "VolumeTracings.csv",
        TRACING_HEADER + "\nx.avi,1,2,3,4,5,6\nx.avi,1,2,3,4,5,6\n",
        "wrong number of columns|not a CSV",
    ),
    "missing column": ("FileList.csv", FILE_LIST_HEADER.replace(",Split", "") + "\n", "missing columns .*Split"),
    "empty list": ("FileList.csv", "", "missing columns"),
    "list with a header alone": ("FileList.csv", FILE_LIST_HEADER + "\n", "no videos"),
}


@pytest.mark.parametrize("on_bad_case", ["stop", "skip"])
@pytest.mark.parametrize(("file", "content", "message"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_a_bad_table_ends_the_import_with_one_clear_error(release, file, content, message, on_bad_case):
    """A table that cannot be read is an error that names it, even if bad cases are skipped."""
    release.write()
    (release.root / file).write_text(content)
    with pytest.raises(DatasetError, match=f"{file}: .*{message}") as caught:
        list(read_cases(release.root, Options(), ImportReport("echonet", on_bad_case)))
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("file", ["FileList.csv", "VolumeTracings.csv"])
def test_a_table_that_is_not_text_is_one_clear_error(release, file):
    """Bytes that are not UTF-8 are refused, in the header and behind it."""
    release.write()
    for content in (b"\xff\xfe\x00", (release.root / file).read_bytes() + b"\xff\xfe,1,2,3,4,5\n"):
        (release.root / file).write_bytes(content)
        with pytest.raises(DatasetError, match=f"{file}.*not a CSV"):
            list(read_cases(release.root, Options(), ImportReport("echonet")))


@pytest.mark.parametrize("there", ["folder", "nothing"])
def test_a_missing_data_set_says_how_to_get_it(tmp_path, there):
    """What to download, from whom, under which licence, and where to put it."""
    root = tmp_path if there == "folder" else tmp_path / "none"
    with pytest.raises(DatasetError) as caught:
        next(read_cases(root, Options(), ImportReport("echonet")))
    assert HOW_TO_GET in str(caught.value)
    for part in ("Stanford", "Research Use Agreement", "data/raw/echonet", "FileList.csv"):
        assert part in str(caught.value)


def test_an_unknown_option_is_refused():
    """A misspelt choice is not a default."""
    with pytest.raises(ValueError, match="multi_trace"):
        Options(multi_trace="last")


def ventricle(tilt: float, length: float, width: float, base_tilt: float) -> np.ndarray:
    """A ventricle with its apex at the top: an ellipse cut by a straight base, label 1 on (112, 112)."""
    y, x = np.mgrid[:112, :112] - np.array([45.0, 58.0])[:, None, None]
    along, across = x * np.sin(tilt) + y * np.cos(tilt), x * np.cos(tilt) - y * np.sin(tilt)
    inside = (along / length) ** 2 + (across / width) ** 2 < 1
    return (inside & (along < 0.6 * length + np.tan(base_tilt) * across)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(25))
def test_a_traced_mask_comes_back_within_one_boundary_pixel(seed):
    """Tilted, narrow and wide ventricles with oblique bases survive tracing and filling."""
    rng = np.random.default_rng(seed)
    mask = ventricle(rng.uniform(-0.4, 0.4), rng.uniform(25, 40), rng.uniform(10, 18), rng.uniform(-0.25, 0.25)) > 0
    rows = trace(mask)
    assert rows.shape == (21, 4)
    assert deviation(mask, fill_tracing(rows))[0] == 0
    apex_y, base_y = rows[0, 1], rows[0, 3]
    assert apex_y < base_y
    assert (np.diff(rows[1:, 1]) > -0.5).all()


def test_a_mask_that_is_too_small_cannot_be_traced():
    """Without an apex and a base there is nothing to write."""
    mask = np.zeros((112, 112), bool)
    mask[5, 5] = True
    with pytest.raises(ValueError, match="too small"):
        trace(mask)


def video(number: int, **changes: object) -> Video:
    """A video with a speckled picture and two tracings."""
    rng = np.random.default_rng(number)
    frames = np.repeat(np.repeat(rng.integers(0, 256, (5, 28, 28)), 4, 1), 4, 2).astype(np.uint8)
    frames[:, :8], frames[:, 104:] = 0, 255
    traced = {1: ventricle(0.2, 38, 16, 0.1), 4: ventricle(0.2, 30, 12, 0.1)}
    made = Video(video_name(0xC0FFEE + number), frames, traced, ef=60.0, esv=40.0, edv=100.0)
    return replace(made, **changes)


def test_written_videos_come_back(tmp_path):
    """Names, splits, frames, and masks within one boundary pixel; grey values within what JPEG loses."""
    videos = [video(0), video(1, split="TEST"), video(2, split="VAL")]
    assert write_videos(iter(videos), tmp_path) == 3
    report = ImportReport("echonet")
    cases = list(read_cases(tmp_path, Options(), report))
    assert [(case.group_name, case.frame, case.instant) for case in cases] == [
        (made.name, frame, instant) for made in videos for frame, instant in ((1, "ED"), (4, "ES"))
    ]
    for case, made in zip(cases, [made for made in videos for _ in range(2)], strict=True):
        assert np.abs(case.image.astype(int) - made.frames[case.frame]).mean() < 2
        assert (case.image.min(), case.image.max()) == (0, 255)
        assert deviation(made.traced[case.frame] > 0, case.target > 0)[0] == 0
        assert case.split_hint == made.split
    assert report.notes == []


def test_the_same_videos_give_the_same_bytes(tmp_path):
    """No time, version or chance gets into the files."""
    for folder in ("one", "two"):
        write_videos([video(0), video(1)], tmp_path / folder)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_writer_can_be_as_odd_as_the_real_data_set(tmp_path):
    """Untraced large videos, unlisted tracings, and stacked tracings in reversed order."""
    rows = trace(ventricle(0.2, 30, 12, 0.1) > 0)
    videos = [
        video(0, traced={}, frames=np.zeros((2, 768, 1024), np.uint8)),
        video(1, listed=False, frames=np.empty((0, 112, 112), np.uint8)),
        video(2, traced={4: np.concatenate([rows, rows + 1]), 1: ventricle(0.2, 38, 16, 0.1)}),
    ]
    assert write_videos(videos, tmp_path) == 2
    report = ImportReport("echonet", skip_limit=1.0)
    cases = list(read_cases(tmp_path, Options(), report))
    assert [(case.frame, case.instant) for case in cases] == [(4, "ES"), (1, "ED")]
    assert sum(len(names) for names in report.skipped.values()) == 2


def test_cases_are_written_as_videos_and_read_again(tmp_path):
    """The uniform writer keeps groups, frames, instants and masks."""
    write_videos([video(0), video(1)], tmp_path / "one")
    first = list(read_cases(tmp_path / "one", Options(), ImportReport("echonet")))
    assert write_cases(first, tmp_path / "two") == 2
    second = list(read_cases(tmp_path / "two", Options(), ImportReport("echonet")))
    assert [(case.id, case.frame) for case in second] == [(case.id, case.frame) for case in first]
    for case, again in zip(first, second, strict=True):
        assert deviation(case.target > 0, again.target > 0)[0] == 0


def test_names_are_not_padded():
    """A small number has a short name, as in the real data set."""
    assert video_name(0xAB) == "0XAB"


def test_grey_values_are_those_of_a_converting_decoder(release):
    """What the import takes for grey equals each of the three channels that PyAV makes of the same frame."""
    import av

    cases, _ = release.read()
    with av.open(release.video(NAMES[0])) as container:
        channels = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for case in cases[:2]:
        np.testing.assert_array_equal(channels[case.frame], np.repeat(case.image[..., None], 3, axis=2))
