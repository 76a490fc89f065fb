"""Import EchoNet-Dynamic from its own files: the traced frames of every video."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.case import Case
from labeldropout.data.echonet import FRAME_SIZE, NAME, REPORTED
from labeldropout.data.echonet.tables import (
    FRAMES_PER_VIDEO,
    Listed,
    Options,
    Tracing,
    bare,
    check_name,
    check_numbers,
    error_in,
    find_folder,
    read_file_list,
    read_tracing,
    read_tracings,
    tell_instants,
    to_numbers,
)
from labeldropout.data.import_report import ImportReport
from labeldropout.data.picture_files import refuse_blank
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View

# Marker before the picture data of a JPEG (ITU-T T.81, table B.1).
_START_OF_SCAN = b"\xff\xda"


def _grey(frame: Any, where: str) -> np.ndarray:
    if (frame.height, frame.width) != (FRAME_SIZE, FRAME_SIZE):
        raise error_in(where, "wrong frame size", (FRAME_SIZE, FRAME_SIZE), (frame.height, frame.width))
    if frame.format.name.startswith("yuvj"):
        # JPEG's luma is full range: it equals the grey value, or each of three equal channels, without conversion.
        luma = frame.planes[0]
        return np.frombuffer(luma, np.uint8).reshape(-1, luma.line_size)[:FRAME_SIZE, :FRAME_SIZE].copy()
    return np.rint(frame.to_ndarray(format="rgb24").mean(axis=2)).astype(np.uint8)


@dataclass(frozen=True)
class Frames:
    """Some frames of a video, and what it says of itself."""

    by_index: dict[int, np.ndarray]
    """uint8 (112, 112) by index from 0."""
    n_frames: int
    """Frames in the video."""
    n_declared: int
    """Frames according to its header; 0 if the header does not say."""
    pixel_aspect: Fraction
    """Width over height with which a pixel is to be shown."""


def _refuse_cut(path: Path) -> None:
    """Refuse a file that is shorter than its own header says; its last frames would be missing (RIFF, 1991)."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise error_in(path, "cannot be read", "a file", error.strerror) from error
    declared = int.from_bytes(start[4:8], "little") + 8
    found = path.stat().st_size
    if start[:4] == b"RIFF" and declared > found:
        raise error_in(path, "damaged video, cut short", f"{declared} bytes, as its header says", f"{found} bytes")


def _decoder(path: Path, stream: Any) -> Any:
    """The decoder of a stream that is as published.

    Raises:
        DatasetError: The size or the codec is another one.
    """
    decoder, advice = stream.codec_context, "Use the videos as they were published."
    if decoder is None:
        raise error_in(path, "wrong codec", "mjpeg", "one that is not known here", advice)
    if (decoder.height, decoder.width) != (FRAME_SIZE, FRAME_SIZE):
        raise error_in(path, "wrong frame size", (FRAME_SIZE, FRAME_SIZE), (decoder.height, decoder.width))
    if decoder.name != "mjpeg":
        raise error_in(path, "wrong codec", "mjpeg", decoder.name, advice)
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}
    return decoder


def read_frames(path: Path, wanted: set[int]) -> Frames:
    """Decode some frames of a video, and count all frames.

    In motion JPEG every packet is a complete frame, so the other packets are counted but not decoded.

    Args:
        path: The video.
        wanted: Indices of frames, from 0.

    Raises:
        DatasetError: The file is not a video, has another size or codec, is damaged or cut short, or is too short.
    """
    import av

    _refuse_cut(path)
    frames: dict[int, np.ndarray] = {}
    n_frames = 0
    try:
        with av.open(path, metadata_errors="ignore") as container:
            if not container.streams.video:
                raise error_in(path, "no video in the file", "a video stream", "none")
            stream = container.streams.video[0]
            decoder = _decoder(path, stream)
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                if n_frames in wanted:
                    # Without this marker the decoder returns a picture that it never filled.
                    decoded = decoder.decode(packet) if _START_OF_SCAN in bytes(packet) else []
                    if len(decoded) != 1:
                        raise error_in(path, f"damaged frame {n_frames}", "one picture", len(decoded))
                    frames[n_frames] = _grey(decoded[0], f"{path}: frame {n_frames}")
                n_frames += 1
            found = Frames(frames, n_frames, stream.frames, stream.sample_aspect_ratio or Fraction(1))
    except av.error.FFmpegError as error:
        raise error_in(
            path, f"damaged video, at frame {n_frames}", "an AVI with motion JPEG", error.strerror
        ) from error
    if n_frames < found.n_declared:
        raise error_in(path, "damaged video, cut short", f"{found.n_declared} frames, as its header says", n_frames)
    beyond = sorted(wanted - frames.keys())
    if beyond:
        raise error_in(path, f"no frame {beyond[0]}, counted from 0", f"more than {beyond[0]} frames", n_frames)
    return found


def _read_excluded(options: Options) -> set[str]:
    if options.exclude_file is None:
        return set()
    path = Path(options.exclude_file)
    try:
        return {bare(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise error_in(path, "cannot read exclude_file", "a text file with one name per line", error) from error


@dataclass(frozen=True)
class _Release:
    """The opened data set: where its files are, and its two tables."""

    root: Path
    folder: Path
    listed: list[Listed]
    tracings: pd.DataFrame
    numbers: np.ndarray
    rows_of: dict[str, np.ndarray]
    options: Options
    report: ImportReport

    @property
    def tracing_file(self) -> Path:
        return self.folder / "VolumeTracings.csv"

    def check_videos(self) -> None:
        """Refuse a release with missing videos before reading any; with `skip`, each is a separate bad case."""
        missing = [video.name for video in self.listed if not self.path(video).is_file()]
        if missing and self.report.on_bad_case == "stop":
            raise error_in(
                self.folder / "Videos",
                "missing videos",
                f"all {len(self.listed)} of FileList.csv",
                f"{len(missing)} missing: {', '.join(missing[:5])}",
            )

    def skip_unlisted(self) -> None:
        """Count tracings without a row in FileList.csv, unless that row was refused."""
        known = {video.name for video in self.listed} | {bare(item["item"]) for item in self.report.rejected}
        for name, rows in self.rows_of.items():
            if name not in known:
                self.report.attempt(name, check_name, name, f"{self.tracing_file}: line {rows[0] + 2}")
                self.report.skip("tracing without a row in FileList.csv", name)

    def path(self, video: Listed) -> Path:
        return self.folder / "Videos" / f"{video.name}.avi"

    def tracings_of(self, video: Listed) -> list[Tracing]:
        """The usable tracings of a video, in the order of the file."""
        if video.name not in self.rows_of:
            self.report.skip("no tracing", video.name)
            return []
        rows = self.rows_of[video.name]
        numbers = self.numbers[rows]
        check_numbers(video.name, numbers, rows, self.tracings, self.tracing_file)
        frames = list(dict.fromkeys(numbers[:, -1].astype(int).tolist()))
        if len(frames) != FRAMES_PER_VIDEO:
            self.report.skip(f"traced frames are not {FRAMES_PER_VIDEO}", video.name)
            return []
        blocks = ((frame, numbers[numbers[:, -1] == frame, :-1]) for frame in frames)
        found = [read_tracing(video.name, frame, block, self.options, self.report) for frame, block in blocks]
        return [tracing for tracing in found if tracing is not None]

    def cases_of(self, video: Listed) -> list[Case]:
        """The cases of a video: two, or fewer if its tracings are known-bad."""
        path = self.path(video)
        if not path.is_file():
            raise error_in(path, "missing video", "the file that FileList.csv names", "none")
        tracings = self.tracings_of(video)
        if not tracings:
            return []
        frames = read_frames(path, {tracing.frame for tracing in tracings})
        for index, frame in frames.by_index.items():
            refuse_blank(frame, NAME, f"{path}: frame {index}")
        source = path.relative_to(self.root).as_posix()
        n_frames = frames.n_frames
        if n_frames != video.n_frames:
            self.report.note(f"{source}: FileList.csv says {video.n_frames} frames, the video has {n_frames}.")
        if 0 < frames.n_declared < n_frames:
            self.report.note(f"{source}: the video's header says {frames.n_declared} frames, it has {n_frames}.")
        if frames.pixel_aspect != 1:
            self.report.adjust("pixels taken for square although the video says otherwise", video.name)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return [
            Case(
                dataset=NAME,
                group_name=video.name,
                frame=tracing.frame,
                image=frames.by_index[tracing.frame],
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
            for tracing, (instant, flags) in zip(tracings, tell_instants(tracings), strict=True)
        ]


def _open(root: Path, options: Options, report: ImportReport) -> _Release:
    folder = find_folder(root)
    listed = list(read_file_list(folder / "FileList.csv", report))
    if report.found == 0:
        raise error_in(folder / "FileList.csv", "no videos", "a row per video", "the header alone")
    excluded, names = _read_excluded(options), {video.name for video in listed}
    for name in sorted(excluded):
        report.note(f"{options.exclude_file}: {name} {'left out' if name in names else 'is not in FileList.csv'}.")
    tracings, rows_of = read_tracings(folder / "VolumeTracings.csv")
    release = _Release(root, folder, listed, tracings, to_numbers(tracings), rows_of, options, report)
    release.check_videos()
    release.skip_unlisted()
    kept = [video for video in listed if video.name not in excluded]
    return replace(release, listed=kept)


def read_cases(root: Path, options: Options, report: ImportReport) -> Iterator[Case]:
    """Read the traced frames of all videos, in the order of FileList.csv, with one video and both tables in memory.

    Format: github.com/echonet/dynamic. Known-bad items (no tracing, tracing without a listed video, wrong number of
    rows or frames, hardly any area) are skipped and counted.

    Args:
        root: The folder `EchoNet-Dynamic` or its parent.
        options: Options of the import.
        report: Filled during the import.

    Yields:
        Two cases per video, in the order of VolumeTracings.csv.

    Raises:
        DatasetError: Something does not follow the format.
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
