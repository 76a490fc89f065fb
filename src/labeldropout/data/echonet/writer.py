"""Write EchoNet-Dynamic's own format: MJPEG videos, `FileList.csv` and `VolumeTracings.csv`."""

import csv
import io
import itertools
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from operator import attrgetter
from pathlib import Path

import numpy as np

from labeldropout.case import Case
from labeldropout.data.echonet import FRAME_SIZE
from labeldropout.data.echonet.tables import (
    FILE_LIST_COLUMNS,
    FOLDER,
    ROWS_PER_TRACING,
    TRACING_COLUMNS,
    fill_tracing,
)
from labeldropout.files import replacing
from labeldropout.heart import Structure

# The tracing runs just outside the centres of the outermost pixels, as fill_tracing counts points on it as inside.
_LEVEL = 0.75


# Values to try: the slope with which corners of the base are sought, and the share of the base that each wall follows.
_CORNER_SLOPES = (1.0, 0.5, 2.0)


_BASE_SHARES = (0.0, 0.15, 0.3, 0.45)


@dataclass(frozen=True)
class Video:
    """One video and its two tracings, as stored in the three places of the data set."""

    name: str
    """Without `.avi`; see `video_name`."""
    frames: np.ndarray
    """uint8 (T, H, W), grey; H = W = 112 except in videos without a tracing. If T = 0, no video is written."""
    traced: Mapping[int, np.ndarray]
    """Frame index -> mask of the left ventricle, bool or label map (112, 112); or the rows of the file themselves,
    float (n, 4): X1, Y1, X2, Y2. In the order of the file."""
    ef: float
    """Ejection fraction in percent."""
    esv: float
    """Volume at end systole in ml."""
    edv: float
    """Volume at end diastole in ml."""
    fps: int = 50
    """Frames per second."""
    split: str = "TRAIN"
    """TRAIN, VAL or TEST."""
    listed: bool = True
    """Whether FileList.csv has a row for it; in the real data set, one tracing lacks such a row."""


def video_name(number: int) -> str:
    """Name of a video: `0X` and the hexadecimal digits of a 64-bit number, not padded with zeros."""
    return f"0X{number:X}"


def encode_mjpeg(frames: np.ndarray, fps: int) -> bytes:
    """Bytes of an AVI with motion JPEG that decodes to three equal channels; the same frames give the same bytes.

    Args:
        frames: uint8 (T, H, W), grey, H and W even.
        fps: Frames per second.
    """
    import av

    n_frames, height, width = frames.shape
    file = io.BytesIO()
    # bitexact keeps version strings out of the file; one thread fixes the order of work.
    with av.open(file, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            "mjpeg", rate=Fraction(fps), options={"qmin": "2", "qmax": "2", "flags": "+bitexact"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        stream.codec_context.thread_count = 1
        neutral = np.full((height // 2, width), 128, np.uint8)
        for index in range(n_frames):
            # Full-range luma and neutral colour, passed as planes, so that no conversion can compress the range.
            planes = np.concatenate([frames[index], neutral])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuvj420p")))
        container.mux(stream.encode(None))
    return file.getvalue()


def _along(path: np.ndarray, n: int, first: float) -> np.ndarray:
    """`n` points of a polyline (m, 2), evenly spaced by length; the first is `first` steps after the beginning."""
    lengths = np.concatenate([[0.0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
    step = lengths[-1] / (n - 1 + first)
    at = step * (first + np.arange(n))
    return np.stack([np.interp(at, lengths, path[:, axis]) for axis in range(2)], axis=1)


def _tracing(outline: np.ndarray, axis: np.ndarray, corner_slope: float, base_share: float) -> np.ndarray:
    """Rows of one tracing from the closed outline (m, 2) as (x, y) and a unit vector from apex to base."""
    across = np.array([axis[1], -axis[0]])
    corners = [int(np.argmax(outline @ (axis + side * corner_slope * across))) for side in (-1, 1)]
    middle = outline[corners].mean(axis=0)
    apex = int(np.argmax(np.hypot(*(outline - middle).T)))
    # Going one way round from the apex meets one corner first; going the other way meets the other.
    turned = np.roll(outline, -apex, axis=0)
    there, back = sorted((corner - apex) % len(outline) for corner in corners)
    extra = round(base_share * (back - there))
    closed = np.concatenate([turned, turned[:1]])
    walls = [closed[: there + extra + 1], closed[back - extra :][::-1]]
    chords = np.concatenate([_along(wall, ROWS_PER_TRACING - 1, first=0.5) for wall in walls], axis=1)
    return np.concatenate([[[*outline[apex], *middle]], chords])


def deviation(mask: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Number of pixels in only one of two masks: those beyond one boundary pixel, and all of them.

    Args:
        mask: bool (H, W).
        other: bool (H, W).
    """
    from scipy.ndimage import binary_dilation

    around = np.ones((3, 3), bool)
    beyond = (mask & ~binary_dilation(other, around)) | (other & ~binary_dilation(mask, around))
    return int(beyond.sum()), int((mask != other).sum())


def trace(mask: np.ndarray) -> np.ndarray:
    """Rows of a tracing that `fill_tracing` turns back into the mask, to within one boundary pixel.

    Row 0 is the long axis from the apex to the middle of the mitral valve; rows 1 to 20 join points of the two walls,
    from the apex to the base. The apex is taken to be at the top, as in an apical view.

    Args:
        mask: bool (112, 112), the left ventricle as one piece without holes.

    Returns:
        float (21, 4): X1, Y1, X2, Y2 in pixels, rounded to eight decimals.

    Raises:
        ValueError: The mask is too small to have an apex and a base.
    """
    from skimage.measure import find_contours

    outlines = find_contours(np.pad(mask, 1).astype(float), _LEVEL)
    if mask.sum() < ROWS_PER_TRACING or not outlines:
        raise ValueError(f"mask too small to trace (expected at least {ROWS_PER_TRACING} pixels, found {mask.sum()}).")
    outline = max(outlines, key=len)[:-1, ::-1] - 1.0
    longest = np.linalg.eigh(np.cov(outline.T))[1][:, 1]
    axes = (np.array([0.0, 1.0]), longest * np.where(longest[1] < 0, -1.0, 1.0))
    best, best_error = np.empty((0, 4)), (np.inf, np.inf)
    for base_share, axis, slope in itertools.product(_BASE_SHARES, axes, _CORNER_SLOPES):
        rows = _tracing(outline, axis, slope, base_share).round(8)
        error = deviation(mask, fill_tracing(rows))
        if error < best_error:
            best, best_error = rows, error
        if error[0] == 0:
            break
    return best


def _rows(video: Video, frame: int) -> np.ndarray:
    traced = np.asarray(video.traced[frame])
    if traced.shape == (FRAME_SIZE, FRAME_SIZE):
        return trace(traced == Structure.LV)
    if traced.ndim == 2 and traced.shape[1] == 4:
        return traced
    raise ValueError(
        f"{video.name}: frame {frame}: neither mask nor rows (expected ({FRAME_SIZE}, {FRAME_SIZE}) or (n, 4), "
        f"found {traced.shape})."
    )


def write_videos(videos: Iterable[Video], root: Path) -> int:
    """Stream videos into `root/EchoNet-Dynamic`, holding one video in memory at a time.

    Args:
        videos: In the order of both tables.
        root: Parent folder of `EchoNet-Dynamic`; made if missing.

    Returns:
        Number of video files.
    """
    folder = Path(root) / FOLDER
    n_videos = 0
    with ExitStack() as stack:
        # The tables appear only when all videos are written.
        listing, tracings = (
            csv.writer(stack.enter_context(replacing(folder / name, "w")), lineterminator="\n")
            for name in ("FileList.csv", "VolumeTracings.csv")
        )
        listing.writerow(FILE_LIST_COLUMNS)
        tracings.writerow(TRACING_COLUMNS)
        for video in videos:
            n_frames, height, width = video.frames.shape
            if n_frames:
                with replacing(folder / "Videos" / f"{video.name}.avi") as file:
                    file.write(encode_mjpeg(video.frames, video.fps))
                n_videos += 1
            if video.listed:
                numbers = (float(video.ef), float(video.esv), float(video.edv))
                listing.writerow([video.name, *numbers, height, width, video.fps, n_frames, video.split])
            for frame in video.traced:
                for row in _rows(video, frame).tolist():
                    tracings.writerow([f"{video.name}.avi", *row, frame])
    return n_videos


def _volume(rows: np.ndarray) -> float:
    """Volume of a tracing by the method of disks, in px³: the data set has no spacing."""
    axis, *widths = np.hypot(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1])
    return float(np.pi / 4 * np.square(widths).sum() * axis / len(widths))


def write_cases(cases: Iterable[Case], root: Path) -> int:
    """Write one video per group of cases; each image is placed at its frame and held until the next one.

    The volumes of FileList.csv are those of the masks in thousands of px³.

    Args:
        cases: Images of 112 x 112; the cases of a group are consecutive.
        root: Parent folder of `EchoNet-Dynamic`.

    Returns:
        Number of video files.
    """
    return write_videos((_video(list(group)) for _, group in itertools.groupby(cases, attrgetter("group_name"))), root)


def _video(cases: list[Case]) -> Video:
    ordered = sorted(cases, key=attrgetter("frame"))
    frames = np.empty((ordered[-1].frame + 1, *ordered[0].image.shape), np.uint8)
    for case in ordered:
        frames[0 if case is ordered[0] else case.frame :] = case.image
    traced = {case.frame: trace(case.target == Structure.LV) for case in ordered}
    volumes = [_volume(rows) / 1000 for rows in traced.values()]
    esv, edv = min(volumes), max(volumes)
    return Video(
        name=ordered[0].group_name,
        frames=frames,
        traced=traced,
        ef=100 * (edv - esv) / edv,
        esv=esv,
        edv=edv,
        split=ordered[0].split_hint or "TRAIN",
    )
