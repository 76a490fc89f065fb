"""Our training loop beside those of MONAI, nnU-Net and albumentations, on one machine, in one run.

Every loop of `loops.py` is a process of its own, with its own worker processes. They take turns: while one takes its
steps, all others are stopped by a signal (SIGSTOP), so that no loader fills its queue at another's expense; a machine
that gets slower or faster does so for all. A share is a loop's images/s of a round by those of the bare step in the
same round.

Run: python benchmarks/peers.py [--size 64 256] [--cores 1 2] [--rounds 7] [--steps 20] [--loops ours monai-0]
Packages: those of envs/requirements.lock, and those of benchmarks/requirements-peers.txt where a loop needs them; one
whose package is missing is named and left out. Linux only.
"""

import argparse
import contextlib
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

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
        self.peak_mib = max(self.peak_mib, memory_mib(self.process.pid))
        self.send(signal.SIGSTOP)
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
    """Memory of a process and its workers, pages that they share counted once (proportional set size)."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(one.memory_full_info().pss for one in family) / 2**20


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
        hear(process)
    except BaseException:  # also Ctrl-C: it has a session of its own, and nobody else knows it yet
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    peer = Peer(name, process, time.perf_counter() - began)
    peer.send(signal.SIGSTOP)
    return peer


def child(arguments: argparse.Namespace) -> None:
    """One loop: take the first step, say so, and take as many as each line on standard input asks for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores[0]])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints is no answer
    import torch  # noqa: PLC0415 - its import counts as part of the time to the first step
    from loops import FEATURES, LOOPS, Settings  # noqa: PLC0415

    torch.set_num_threads(arguments.threads)
    if arguments.child in {"bare", "ours"}:
        from labeldropout.devices import keep_freed_memory  # noqa: PLC0415 - as `labeldropout train` does

        keep_freed_memory()
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
    print(json.dumps({"ready": True}), file=answers, flush=True)
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


def spread(values: Sequence[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measure(names: Sequence[str], arguments: argparse.Namespace, size: int, cores: int) -> None:
    """Print the table of one size and number of cores."""
    with started(names, arguments, size, cores) as peers:
        for _ in range(arguments.rounds):
            for peer in peers:
                peer.images_per_s.append(peer.take(arguments.steps))
    bare = next(peer for peer in peers if peer.name == "bare").images_per_s
    print(f"\n{size} px, {cores} {'core' if cores == 1 else 'cores'}, {arguments.threads} threads\n")
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
    from loops import LOOPS, available  # noqa: PLC0415 - a child measures its own import

    from labeldropout.provenance import commit, device_name, versions  # noqa: PLC0415

    wanted = ["bare", *(name for name in arguments.loops or LOOPS if name != "bare")]
    if unknown := sorted(set(wanted) - set(LOOPS)):
        parser.error(f"--loops: {unknown[0]} (expected some of {', '.join(LOOPS)})")
    here = available()
    print(f"{shlex.join(['python', *sys.argv])}\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()[:12]}")
    print(f"{device_name()}, {platform.system()}, torch {versions()['torch']}")
    if missing := [name for name in wanted if name not in here]:
        print(f"not installed, left out: {', '.join(missing)}")
    for size in arguments.size:
        for cores in arguments.cores:
            measure([name for name in wanted if name in here], arguments, size, cores)


if __name__ == "__main__":
    main()
