"""EchoNet-Dynamic: 10,030 four-chamber videos with the left ventricle traced at two instants."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.case import Case, DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.labels import Instant, State, Structure, View

NAME = "echonet"


TITLE = "EchoNet-Dynamic"


LICENCE = (
    "Stanford University Research Use Agreement: registered users only; no part, and nothing derived from it, may be "
    "passed on"
)


CITATION = (
    "D. Ouyang et al., Video-based AI for beat-to-beat assessment of cardiac function, Nature 580, 252-256, 2020, "
    "doi:10.1038/s41586-020-2145-8"
)


HOW_TO_GET = (
    "Download EchoNet-Dynamic (about 7 GB) from Stanford AIMI, linked from https://echonet.github.io/dynamic, after "
    "registering and accepting the Stanford University Research Use Agreement; put the unpacked folder, with Videos/, "
    "FileList.csv and VolumeTracings.csv, at data/raw/echonet, or make data/raw/echonet a symbolic link to it."
)


REPORTED = {"subjects": 10024, "images": 20048, "structures": "LV", "views": "A2C + A4C"}
"""Table 1 of the paper; the data set itself is A4C only."""


PATTERN = (Structure.LV,)
"""Annotated structures. Both others are visible and not annotated: unknown, never absent."""

FOLDER = "EchoNet-Dynamic"
"""Folder of the published archive."""


FRAME_SIZE = 112
"""Height and width of every traced video, in pixels."""


ROWS_PER_TRACING = 21
"""The long axis and 20 chords."""


FILE_LIST_COLUMNS = ("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split")


TRACING_COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")

_COORDINATES = ["X1", "Y1", "X2", "Y2"]


_SPLITS = ("TRAIN", "VAL", "TEST")


_FRAMES_PER_VIDEO = 2


# Less is no ventricle: real ones have hundreds of pixels. Ours; the data set says nothing.
_SMALLEST_AREA_PX = 50


# Points up to 8 px outside the frame are known; one whole frame outside is a mistake. Ours.
_COORDINATE_RANGE = (-FRAME_SIZE, 2 * FRAME_SIZE)


# Marker before the picture data of a JPEG (ITU-T T.81, table B.1).
_START_OF_SCAN = b"\xff\xda"


@dataclass(frozen=True)
class Options:
    """What a user can choose about the import."""

    multi_trace: str = "first"
    """Frames with several tracings, one after the other: `first` takes the first; `drop` skips the frame; `official`
    joins all rows of a frame, whatever their number, as the data set's own loader does (the outline crosses itself)."""
    exclude_file: str | None = None
    """Text file with one video name per line: videos to leave out, such as known wrong tracings."""

    def __post_init__(self) -> None:
        if self.multi_trace not in {"first", "drop", "official"}:
            raise ValueError(
                f"{NAME}: multi_trace: unknown value (expected first, drop or official, found {self.multi_trace!r})."
            )


@dataclass(frozen=True)
class _Listed:
    """What one row of FileList.csv says."""

    name: str
    n_frames: int
    split: str


@dataclass(frozen=True)
class _Tracing:
    """One traced frame."""

    frame: int
    mask: np.ndarray
    flags: tuple[str, ...]


def _wrong(file: object, wrong: str, expected: object, found: object, advice: str = "") -> DatasetError:
    return DatasetError.about(NAME, file, wrong, expected, found, advice)


def fill_tracing(rows: np.ndarray) -> np.ndarray:
    """Fill the outline of a tracing; the raster is cropped at the frame, the points are not.

    Points on the outline are inside. Row 0, the long axis, is no part of the outline.

    Args:
        rows: float (n, 4) with n > 1: X1, Y1, X2, Y2 of the long axis and of the chords from apex to base.

    Returns:
        bool (112, 112).
    """
    from skimage.draw import polygon

    chords = np.rint(rows[1:])
    outline = np.concatenate([chords[:, :2], chords[::-1, 2:]])
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), bool)
    mask[polygon(outline[:, 1], outline[:, 0], mask.shape)] = True
    return mask


def _bare(name: str) -> str:
    """A video's name without spaces around it and without one `.avi`, which only one of the two tables has."""
    stripped = name.strip()
    return stripped[:-4] if stripped.lower().endswith(".avi") else stripped


def _check_name(name: str, where: str) -> None:
    # By its letters, not by where it leads: in a data set under version control, videos may be links to a cache.
    if not name or name in {".", ".."} or any(letter in name for letter in "/\\\0"):
        raise _wrong(where, "not a file name", "a name inside Videos/", repr(name))


def _find(root: Path) -> Path:
    for folder in (root, root / FOLDER):
        if (folder / "FileList.csv").is_file():
            return folder
    raise _wrong(
        root,
        "no EchoNet-Dynamic here",
        f"FileList.csv, or {FOLDER}/FileList.csv",
        "neither" if root.is_dir() else "no such folder",
        HOW_TO_GET,
    )


def _header(path: Path) -> list[str]:
    if not path.is_file():
        raise _wrong(path, "missing file", "a file", "none", HOW_TO_GET)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [column.strip() for column in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(path, "not a CSV", "text in UTF-8", error) from error


def _read_listed(row: Mapping[str, Any], where: str, before: set[str]) -> _Listed:
    if None in row or None in row.values():
        raise _wrong(where, "wrong number of columns", "as many as the header", "another number")
    name = _bare(row["FileName"])
    _check_name(name, where)
    if name in before:
        raise _wrong(where, "duplicate video", "every name once", name)
    text, split = row["NumberOfFrames"].strip(), row["Split"].strip()
    if split not in _SPLITS:
        raise _wrong(where, "unknown Split", "TRAIN, VAL or TEST", repr(split))
    try:
        n_frames = float(text)
    except ValueError as error:
        raise _wrong(where, "NumberOfFrames is no number", "a whole number", repr(text)) from error
    if not n_frames.is_integer():
        raise _wrong(where, "NumberOfFrames is not whole", "a whole number", repr(text))
    before.add(name)
    return _Listed(name, int(n_frames), split)


def _read_file_list(path: Path, report: ImportReport) -> Iterator[_Listed]:
    header = _header(path)
    missing = [column for column in FILE_LIST_COLUMNS if column not in header]
    if missing:
        raise _wrong(path, f"missing columns {missing}", list(FILE_LIST_COLUMNS), header)
    before: set[str] = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, fieldnames=header)
        try:
            for row in islice(reader, 1, None):
                where = f"{path}: line {reader.line_num}"
                report.found += 1
                listed = report.attempt(str(row["FileName"]), _read_listed, row, where, before)
                if listed is not None:
                    yield listed
        except (UnicodeDecodeError, csv.Error) as error:
            raise _wrong(f"{path}: line {reader.line_num}", "not a CSV", "text in UTF-8", error) from error


def _read_tracings(path: Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Table of all rows, cells that are no numbers left as text; and the positions of each video's rows."""
    header = _header(path)
    if header != list(TRACING_COLUMNS):
        raise _wrong(path, "wrong header", list(TRACING_COLUMNS), header)
    try:
        # Blank lines are kept, so that row i stands in line i + 2.
        table = pd.read_csv(
            path,
            encoding="utf-8-sig",
            header=0,
            names=TRACING_COLUMNS,
            dtype={"FileName": "category"},
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
        )
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise _wrong(path, "not a CSV", "six columns of text in UTF-8", str(error).strip()) from error
    if not isinstance(table.index, pd.RangeIndex):
        raise _wrong(path, "wrong number of columns", len(TRACING_COLUMNS), "more in every line")
    if table.empty:
        raise _wrong(path, "no rows", f"{ROWS_PER_TRACING} rows per traced frame", "the header alone")
    file_names = table.pop("FileName").cat
    names = np.array([_bare(str(name)) for name in file_names.categories], object)[file_names.codes]
    return table, pd.Series(names).groupby(names, sort=False).indices


def _to_numbers(table: pd.DataFrame) -> np.ndarray:
    """Coordinates and frame of every row, float (n, 5); NaN where a cell is no number."""
    columns = [pd.to_numeric(table[column], errors="coerce").to_numpy(float) for column in table.columns]
    return np.stack(columns, axis=1)


def _check_numbers(numbers: np.ndarray, rows: np.ndarray, table: pd.DataFrame, path: Path) -> None:
    """Refuse cells that are no coordinates and no frame.

    Raises:
        DatasetError: With the line of the first such cell among these rows.
    """
    low, high = _COORDINATE_RANGE
    frames = numbers[:, -1]
    bad = ~np.isfinite(numbers)
    bad[:, :-1] |= (numbers[:, :-1] < low) | (numbers[:, :-1] > high)
    bad[:, -1] |= (frames != np.floor(frames)) | (frames < 0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        name = table.columns[column]
        expected = "a whole number from 0" if name == "Frame" else f"a number from {low} to {high}"
        found = repr(table.iloc[rows[row], column])
        raise _wrong(f"{path}: line {rows[row] + 2}", f"bad {name}", expected, found)


def _read_tracing(name: str, frame: int, rows: np.ndarray, options: Options, report: ImportReport) -> _Tracing | None:
    """The tracing of one frame; None if it is known-bad, which the report then says."""
    item, flags = f"{name} frame {frame}", []
    if options.multi_trace != "official":
        n_tracings, rest = divmod(len(rows), ROWS_PER_TRACING)
        if rest:
            report.skip(f"number of rows is no multiple of {ROWS_PER_TRACING}", item)
            return None
        if n_tracings > 1 and options.multi_trace == "drop":
            report.skip("several tracings of one frame", item)
            return None
        if n_tracings > 1:
            flags.append("several-tracings")
        rows = rows[:ROWS_PER_TRACING]
    lengths = np.hypot(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1])
    if lengths.argmax() != 0:
        flags.append("axis-not-longest")
    if rows.min() < 0 or rows.max() > FRAME_SIZE:
        flags.append("outside-frame")
    mask = fill_tracing(rows)
    if mask.sum() < _SMALLEST_AREA_PX:
        report.skip(f"fewer than {_SMALLEST_AREA_PX} pixels traced", item)
        return None
    return _Tracing(frame, mask, tuple(flags))


def _instants(tracings: list[_Tracing]) -> list[tuple[Instant | None, tuple[str, ...]]]:
    """Instant and flags of each tracing of a video: by area, never by the order of rows or frames."""
    if len(tracings) != _FRAMES_PER_VIDEO:
        return [(None, ("only-one-frame",)) for _ in tracings]
    first, second = (int(tracing.mask.sum()) for tracing in tracings)
    if first == second:
        return [(None, ("equal-areas",))] * 2
    instants = (Instant.ED, Instant.ES) if first > second else (Instant.ES, Instant.ED)
    return [(instant, ()) for instant in instants]


def _grey(frame: Any, where: str) -> np.ndarray:
    if (frame.height, frame.width) != (FRAME_SIZE, FRAME_SIZE):
        raise _wrong(where, "wrong frame size", (FRAME_SIZE, FRAME_SIZE), (frame.height, frame.width))
    if frame.format.name.startswith("yuvj"):
        # JPEG's luma has the full range: it is the grey value, and each of three equal channels, without conversion.
        luma = frame.planes[0]
        return np.frombuffer(luma, np.uint8).reshape(-1, luma.line_size)[:FRAME_SIZE, :FRAME_SIZE].copy()
    return np.rint(frame.to_ndarray(format="rgb24").mean(axis=2)).astype(np.uint8)


def read_frames(path: Path, wanted: set[int]) -> tuple[dict[int, np.ndarray], int]:
    """Decode some frames of a video, and count all.

    In motion JPEG every packet is one frame by itself, so the other packets are counted and not decoded.

    Args:
        path: The video.
        wanted: Indices of frames, from 0.

    Returns:
        uint8 (112, 112) by index, and the number of frames of the video.

    Raises:
        DatasetError: Not a video, wrong size, damaged, or shorter than wanted.
    """
    import av

    frames: dict[int, np.ndarray] = {}
    n_frames = 0
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise _wrong(path, "no video in the file", "a video stream", "none")
            stream = container.streams.video[0]
            decoder = stream.codec_context
            if (decoder.height, decoder.width) != (FRAME_SIZE, FRAME_SIZE):
                raise _wrong(path, "wrong frame size", (FRAME_SIZE, FRAME_SIZE), (decoder.height, decoder.width))
            if decoder.name != "mjpeg":
                raise _wrong(path, "wrong codec", "mjpeg", decoder.name, "Use the videos as they were published.")
            decoder.thread_count = 1
            decoder.options = {"err_detect": "explode"}
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                if n_frames in wanted:
                    # Without this marker the decoder hands out a picture that it never filled.
                    decoded = decoder.decode(packet) if _START_OF_SCAN in bytes(packet) else []
                    if len(decoded) != 1:
                        raise _wrong(path, f"damaged frame {n_frames}", "one picture", len(decoded))
                    frames[n_frames] = _grey(decoded[0], f"{path}: frame {n_frames}")
                n_frames += 1
    except av.error.FFmpegError as error:
        raise _wrong(path, f"damaged video, at frame {n_frames}", "an AVI with motion JPEG", error.strerror) from error
    beyond = sorted(wanted - frames.keys())
    if beyond:
        raise _wrong(path, f"no frame {beyond[0]}, counted from 0", f"more than {beyond[0]} frames", n_frames)
    return frames, n_frames


def _read_excluded(options: Options) -> set[str]:
    if options.exclude_file is None:
        return set()
    path = Path(options.exclude_file)
    try:
        return {_bare(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, "cannot read exclude_file", "a text file with one name per line", error) from error


@dataclass(frozen=True)
class _Release:
    """The opened data set: where its files are, and its two tables."""

    root: Path
    folder: Path
    listed: list[_Listed]
    tracings: pd.DataFrame
    numbers: np.ndarray
    rows_of: dict[str, np.ndarray]
    options: Options
    report: ImportReport

    @property
    def tracing_file(self) -> Path:
        return self.folder / "VolumeTracings.csv"

    def check_videos(self) -> None:
        """Refuse a release with missing videos before any is read; with `skip`, each is a bad case of its own."""
        missing = [video.name for video in self.listed if not self.path(video).is_file()]
        if missing and self.report.on_bad_case == "stop":
            raise _wrong(
                self.folder / "Videos",
                "missing videos",
                f"all {len(self.listed)} of FileList.csv",
                f"{len(missing)} missing: {', '.join(missing[:5])}",
            )

    def skip_unlisted(self) -> None:
        """Count tracings without a row in FileList.csv, unless that row was refused."""
        known = {video.name for video in self.listed} | {_bare(item["item"]) for item in self.report.rejected}
        for name, rows in self.rows_of.items():
            if name not in known:
                self.report.attempt(name, _check_name, name, f"{self.tracing_file}: line {rows[0] + 2}")
                self.report.skip("tracing without a row in FileList.csv", name)

    def path(self, video: _Listed) -> Path:
        return self.folder / "Videos" / f"{video.name}.avi"

    def tracings_of(self, video: _Listed) -> list[_Tracing]:
        """The usable tracings of a video, in the order of the file."""
        if video.name not in self.rows_of:
            self.report.skip("no tracing", video.name)
            return []
        rows = self.rows_of[video.name]
        numbers = self.numbers[rows]
        _check_numbers(numbers, rows, self.tracings, self.tracing_file)
        frames = list(dict.fromkeys(numbers[:, -1].astype(int).tolist()))
        if len(frames) != _FRAMES_PER_VIDEO:
            self.report.skip(f"traced frames are not {_FRAMES_PER_VIDEO}", video.name)
            return []
        blocks = ((frame, numbers[numbers[:, -1] == frame, :-1]) for frame in frames)
        found = [_read_tracing(video.name, frame, block, self.options, self.report) for frame, block in blocks]
        return [tracing for tracing in found if tracing is not None]

    def cases_of(self, video: _Listed) -> list[Case]:
        """The cases of a video: two, or less if its tracings are known-bad."""
        path = self.path(video)
        if not path.is_file():
            raise _wrong(path, "missing video", "the file that FileList.csv names", "none")
        tracings = self.tracings_of(video)
        if not tracings:
            return []
        frames, n_frames = read_frames(path, {tracing.frame for tracing in tracings})
        source = path.relative_to(self.root).as_posix()
        if n_frames != video.n_frames:
            self.report.note(f"{source}: FileList.csv says {video.n_frames} frames, the video has {n_frames}.")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return [
            Case(
                dataset=NAME,
                group_name=video.name,
                frame=tracing.frame,
                image=frames[tracing.frame],
                target=np.where(tracing.mask, Structure.LV, Structure.BACKGROUND).astype(np.uint8),
                states={Structure.LV: State.LABELLED, Structure.LVM: State.UNKNOWN, Structure.LA: State.UNKNOWN},
                pixel_spacing_mm=None,
                view=View.A4C,
                instant=instant,
                source=source,
                source_sha256=sha256,
                flags=(*tracing.flags, *flags),
                split_hint=video.split,
            )
            for tracing, (instant, flags) in zip(tracings, _instants(tracings), strict=True)
        ]


def _open(root: Path, options: Options, report: ImportReport) -> _Release:
    folder = _find(root)
    listed = list(_read_file_list(folder / "FileList.csv", report))
    if report.found == 0:
        raise _wrong(folder / "FileList.csv", "no videos", "a row per video", "the header alone")
    excluded, names = _read_excluded(options), {video.name for video in listed}
    for name in sorted(excluded):
        report.note(f"{options.exclude_file}: {name} {'left out' if name in names else 'is not in FileList.csv'}.")
    tracings, rows_of = _read_tracings(folder / "VolumeTracings.csv")
    release = _Release(root, folder, listed, tracings, _to_numbers(tracings), rows_of, options, report)
    release.check_videos()
    release.skip_unlisted()
    kept = [video for video in listed if video.name not in excluded]
    return replace(release, listed=kept)


def read_cases(root: Path, options: Options, report: ImportReport) -> Iterator[Case]:
    """Read the traced frames of all videos, in the order of FileList.csv; memory holds one video and the two tables.

    Format: github.com/echonet/dynamic. Known-bad items (no tracing, tracing without a listed video, wrong number of
    rows or frames, hardly any area) are skipped and counted.

    Args:
        root: The folder `EchoNet-Dynamic` or the one above.
        options: What the user chose.
        report: Filled on the way.

    Yields:
        Two cases per video, in the order of VolumeTracings.csv.

    Raises:
        DatasetError: Something is not as the format says.
    """
    release = _open(Path(root), options, report)
    n_videos = n_frames = n_early = 0
    darkest, brightest = 255, 0
    for video in release.listed:
        cases = report.attempt(video.name, release.cases_of, video) or []
        for case in cases:
            darkest, brightest = min(darkest, int(case.image.min())), max(brightest, int(case.image.max()))
            n_early += case.instant == Instant.ED and case.frame == min(other.frame for other in cases)
            yield case
        n_videos += bool(cases)
        n_frames += len(cases)
    report.check("videos in FileList.csv", 10030, report.found)
    report.check("videos used", REPORTED["subjects"], n_videos)
    report.check("frames used", REPORTED["images"], n_frames)
    report.check("darkest and brightest value", "0 and 255", f"{darkest} and {brightest}")
    report.check("end diastole at the lower frame number", "about 99 %", f"{n_early / max(n_videos, 1):.1%}")
