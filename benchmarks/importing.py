"""How fast EchoNet-Dynamic's videos are imported and prepared beside the bare decoding, and whether memory grows.

Run: python benchmarks/importing.py [--videos 200] [--frames 176]
The videos are random pictures, written by the project's own writer; the table goes to standard output.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.echonet.importer import read_cases
from labeldropout.data.echonet.tables import Options
from labeldropout.data.echonet.writer import Video, video_name, write_videos
from labeldropout.data.import_report import ImportReport
from labeldropout.data.prepare import prepare
from labeldropout.data.segment_cone import segment_cones


def videos(n: int, n_frames: int) -> Iterator[Video]:
    """Videos of a speckled sector with two ellipses as ventricles."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:112, :112] - 56
    sector = np.abs(x) < 0.6 * (y + 56)
    traced = {index: ((x / width) ** 2 + (y / 30) ** 2 < 1) & (y < 20) for index, width in ((5, 16), (15, 12))}
    for number in range(n):
        speckle = np.repeat(rng.integers(0, 200, (n_frames, 112, 56)), 2, axis=2)
        frames = np.where(sector, speckle, 0).astype(np.uint8)
        yield Video(video_name(number), frames, traced, ef=60.0, esv=40.0, edv=100.0)


def decode_bare(root: Path) -> int:
    """Decode the frames that the import takes, and nothing else; their number."""
    n_frames = 0
    for path in sorted(root.rglob("*.avi")):
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for index, packet in enumerate(container.demux(stream)):
                if index in {5, 15}:
                    n_frames += len([frame.to_ndarray(format="gray") for frame in stream.codec_context.decode(packet)])
    return n_frames


def store(root: Path, directory: Path) -> int:
    """Import into a store; the number of cases."""
    report = ImportReport("echonet")
    return write_cases(read_cases(root, Options(), report), directory, report)


def prepare_store(directory: Path) -> int:
    """Crop a store to its cones and resize it to the default study's grid; the number of cases."""
    cases = CaseStore(directory)
    prepare(cases, directory / "cones", 64, 0.02, directory / "prepared")
    return len(cases)


def store_alone(root: Path, directory: Path, queue: multiprocessing.Queue) -> None:
    """Import, find the cones by geometry and prepare in a process of its own; send its peak memory in MiB."""
    store(root, directory)
    segment_cones(CaseStore(directory), "geometry", None, "cpu", directory / "cones")
    prepare_store(directory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queue.put(peak / (2**20 if sys.platform == "darwin" else 2**10))


def peak_mib(root: Path, directory: Path) -> float:
    """Peak memory of importing and preparing one data set in a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=store_alone, args=(root, directory, queue))
    process.start()
    peak = queue.get()
    process.join()
    return peak


def timed(function: Callable[..., int], *arguments: Path) -> tuple[int, float, float]:
    """What a function returns, the seconds it took by the clock, and those of the processor (a busy machine)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--frames", type=int, default=176, help="per video; the real mean is 176")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        write_videos(videos(arguments.videos, arguments.frames), small)
        write_videos(videos(4 * arguments.videos, arguments.frames), large)
        # Once before: the files are in the machine's cache and the libraries are loaded for both.
        decode_bare(small)
        store(small, Path(folder) / "warm")
        n_cases, *bare = timed(decode_bare, small)
        n_imported, *importing = timed(store, small, Path(folder) / "timed")
        if n_imported != n_cases:
            raise ValueError(f"decoded {n_cases} frames, imported {n_imported}")
        segment_cones(CaseStore(Path(folder) / "timed"), "geometry", None, "cpu", Path(folder) / "timed" / "cones")
        _, *preparing = timed(prepare_store, Path(folder) / "timed")
        peaks = [peak_mib(root, Path(folder) / f"store-{root.name}") for root in (small, large)]
        sizes = [
            sum(path.stat().st_size for path in CaseStore(Path(folder) / f"store-{root.name}").directory.glob("*.u8"))
            / 2**20
            for root in (small, large)
        ]
    print(f"{n_cases} cases of {arguments.videos} videos with {arguments.frames} frames of 112 x 112\n")
    print("| what | cases/s | ms per case | processor ms per case |")
    print("|---|---|---|---|")
    for what, (wall, cpu) in (
        ("bare decoding of the same frames", bare),
        ("import into a store", importing),
        ("prepare", preparing),
    ):
        print(f"| {what} | {n_cases / wall:.0f} | {1000 * wall / n_cases:.2f} | {1000 * cpu / n_cases:.2f} |")
    print(f"| import's share of the bare speed | | {bare[0] / importing[0]:.2f} | {bare[1] / importing[1]:.2f} |\n")
    print("| videos | pixels stored | peak memory of the process |")
    print("|---|---|---|")
    for n, size, peak in zip((arguments.videos, 4 * arguments.videos), sizes, peaks, strict=True):
        print(f"| {n} | {size:.1f} MiB | {peak:.0f} MiB |")


if __name__ == "__main__":
    main()
