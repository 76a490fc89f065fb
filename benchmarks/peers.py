"""Our training loop beside those of MONAI, nnU-Net and albumentations, on one machine, in one run.

Every loop of `loops.py` is a process of its own, with its own worker processes. They take turns: while one takes its
steps, all others are stopped by a signal (SIGSTOP), so that no loader fills its queue at another's expense; a machine
that gets slower or faster does so for all. A share is a loop's images/s of a round by those of the bare step in the
same round. Memory is that of a process and its workers at the end of a turn; all loops keep the memory that they free,
so it is their peak. Seconds to the first step run from the start of the process; what is done once for all trainings
(nnU-Net's store of preprocessed cases) is not counted.

Run: python benchmarks/peers.py [--size 64 256] [--cores 1 2] [--rounds 7] [--steps 20] [--loops ours monai-0]
Packages: those of envs/requirements.lock, and those of benchmarks/requirements-peers.txt where a loop needs them; one
whose package is missing is named and left out. Linux only.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("monai", "nnunetv2", "batchgeneratorsv2", "albumentations", "opencv-python-headless")
"""Whose versions stand above the tables."""
WARM_UP = 2
"""Steps at the beginning of a turn that are not counted: the queue of a loader may be full then."""


@dataclass
class Peer:
    """A loop in a process of its own, and what was measured of it."""

    name: str
    process: subprocess.Popen
    seconds_to_first_step: float
    images_per_s: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    def send(self, number: int) -> None:
        """Signal the process and its workers."""
        os.killpg(self.process.pid, number)

    def take(self, steps: int) -> float:
        """Let it take so many steps, alone; returns images/s."""
        self.send(signal.SIGCONT)
        answer = ask(self.process, {"steps": steps})
        self.send(signal.SIGSTOP)  # before its memory is read: meanwhile its loader would fill a queue
        self.peak_mib = max(self.peak_mib, memory_mib(self.process.pid))
        return answer["images"] / answer["seconds"]


def ask(process: subprocess.Popen, question: dict[str, Any]) -> dict[str, Any]:
    """Send one line of JSON and read one.

    Raises:
        RuntimeError: The process ended; its own message stands above.
    """
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return hear(process)


def hear(process: subprocess.Popen) -> dict[str, Any]:
    """The next line of JSON of a process.

    Raises:
        RuntimeError: The process ended.
    """
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{shlex.join(process.args)}: ended with status {process.wait()} (see its message above).")
    return json.loads(line)


def memory_mib(pid: int) -> float:
    """Memory of a process and its workers, pages that they share counted once.

    Pages of files (libraries) are those of the member that has most of them: their proportional share would depend on
    how many other loops run the same libraries at the time.
    """
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    pages = [(kib_of(one.pid, "smaps_rollup"), kib_of(one.pid, "status")) for one in family]
    own = sum(proportional["Pss_Anon"] + proportional["Pss_Shmem"] for proportional, _ in pages)
    return (own + max(resident["RssFile"] for _, resident in pages)) / 2**10


def kib_of(pid: int, file: str) -> dict[str, int]:
    """The numbers in KiB that Linux has of a process in a file of /proc."""
    fields = (line.split() for line in Path("/proc", str(pid), file).read_text(encoding="utf-8").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in fields if words[-1:] == ["kB"]}


def version_of(package: str) -> str:
    """Version of a package, or that there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def start(name: str, arguments: argparse.Namespace, size: int, cores: int, folder: Path) -> Peer:
    """Start a loop and stop it after its first step."""
    folder.mkdir(parents=True)
    command = [sys.executable, __file__, "--child", name, "--size", str(size), "--cores", str(cores)]
    for flag in ("batch_size", "images", "threads", "features"):
        command += [f"--{flag.replace('_', '-')}", str(getattr(arguments, flag))]
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - this file
        [*command, "--folder", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        answer = hear(process)
    except BaseException:  # also Ctrl-C: it has a session of its own, and nobody else knows it yet
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    peer = Peer(name, process, time.perf_counter() - began - answer["aside"])
    peer.send(signal.SIGSTOP)
    return peer


def child(arguments: argparse.Namespace) -> None:
    """One loop: take the first step, say so, and take as many as each line on standard input asks for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores[0]])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints is no answer
    import torch  # noqa: PLC0415 - its import counts as part of the time to the first step
    from loops import FEATURES, LOOPS, Settings  # noqa: PLC0415

    from labeldropout.devices import keep_freed_memory  # noqa: PLC0415

    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # in every loop, though only `labeldropout train` does it: it is no merit of a loader
    if arguments.child == "ours":  # as `labeldropout train` does
        torch.set_deterministic_debug_mode("error")
        torch.utils.deterministic.fill_uninitialized_memory = False
    settings = Settings(
        arguments.size[0],
        FEATURES[arguments.features],
        arguments.batch_size,
        arguments.images,
        torch.device("cpu"),
        arguments.folder,
    )
    loop = LOOPS[arguments.child](settings)
    loop(1)
    print(json.dumps({"aside": sum(settings.aside)}), file=answers, flush=True)
    for line in sys.stdin:
        steps = json.loads(line)["steps"]
        loop(WARM_UP)
        began = time.perf_counter()
        loop(steps)
        seconds = time.perf_counter() - began
        print(json.dumps({"images": steps * arguments.batch_size, "seconds": seconds}), file=answers, flush=True)
    os._exit(0)  # workers of loaders are daemons; some wait for ever when asked politely


@contextlib.contextmanager
def started(names: Sequence[str], arguments: argparse.Namespace, size: int, cores: int) -> Iterator[list[Peer]]:
    """The loops, each stopped after its first step; ended together with their workers."""
    peers: list[Peer] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in names:
                print(f"starting {name}, {size} px, {cores} cores", file=sys.stderr)
                peers.append(start(name, arguments, size, cores, Path(folder, name)))
            yield peers
        finally:
            for peer in peers:
                with contextlib.suppress(ProcessLookupError):
                    peer.send(signal.SIGKILL)
                peer.process.wait()


def measure(names: Sequence[str], arguments: argparse.Namespace, size: int, cores: int) -> None:
    """Print the table of one size and number of cores."""
    from heading import spread  # noqa: PLC0415 - a child measures its own imports

    with started(names, arguments, size, cores) as peers:
        for _ in range(arguments.rounds):
            for peer in peers:
                peer.images_per_s.append(peer.take(arguments.steps))
    bare = next(peer for peer in peers if peer.name == "bare").images_per_s
    print(f"\n{size} px, {cores} {'core' if cores == 1 else 'cores'}, threads of PyTorch: {arguments.threads}\n")
    print(
        "| loop | images/s | share of the bare step | memory MiB | s to first step |\n| --- | --- | --- | --- | --- |"
    )
    for peer in peers:
        shares = [one / other for one, other in zip(peer.images_per_s, bare, strict=True)]
        print(
            f"| {peer.name} | {statistics.median(peer.images_per_s):.0f} | {spread(shares)} | {peer.peak_mib:.0f}"
            f" | {peer.seconds_to_first_step:.1f} |",
            flush=True,
        )


def main() -> None:
    """Measure every pair of size and cores that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--size", type=int, nargs="+", default=[64, 256], help="sides of the pictures, pixels")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="cores that a loop and its workers share")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch in the training process")
    parser.add_argument("--features", default="default", choices=("default", "paper"), help="width of the network")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--images", type=int, default=160, help="pictures in the data set")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every loop")
    parser.add_argument("--steps", type=int, default=20, help="optimisation steps of a turn")
    parser.add_argument("--loops", nargs="+", help="some of the loops; default: all; the bare step is always there")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the loops have to be ended
    from heading import heading  # noqa: PLC0415 - a child measures its own imports
    from loops import LOOPS, available  # noqa: PLC0415

    wanted = ["bare", *(name for name in arguments.loops or LOOPS if name != "bare")]
    if unknown := sorted(set(wanted) - set(LOOPS)):
        parser.error(f"--loops: {unknown[0]} (expected some of {', '.join(LOOPS)})")
    here = available()
    print(heading())
    print(", ".join(f"{name} {version_of(name)}" for name in PACKAGES), flush=True)
    if missing := [name for name in wanted if name not in here]:
        print(f"not installed, left out: {', '.join(missing)}")
    for size in arguments.size:
        for cores in arguments.cores:
            measure([name for name in wanted if name in here], arguments, size, cores)


if __name__ == "__main__":
    main()
