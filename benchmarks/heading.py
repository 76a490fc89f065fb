"""What the tables of this folder's programs share: the lines above them, and how a share is written."""

import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from scipy.stats import quantile_test

from labeldropout.provenance import commit, device_name

ROOT = Path(__file__).resolve().parents[1]


def state() -> str:
    """The commit in 12 digits, with `+changes` if tracked files of the package or of this folder differ."""
    found, plus, _ = commit(ROOT).partition("+")
    if found == "unknown":
        return found
    call = ["git", "status", "--porcelain", "--untracked-files=no", "--", "benchmarks"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return f"{found[:12]}{'+changes' if plus or done.stdout else ''}"


def heading() -> str:
    """Command, time, commit and machine, with the instruction set of PyTorch if that is loaded."""
    torch = sys.modules.get("torch")
    library = f", torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}" if torch else ""
    return (
        f"{shlex.join(['python', *sys.argv])}\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {state()}\n"
        f"{device_name()}{library}"
    )


def spread(values: Sequence[float]) -> str:
    """Median and its 95 % interval; with fewer than six values, which have none, the least and the most."""
    is_few = len(values) < 6
    low, high = (min(values), max(values)) if is_few else quantile_test(values, p=0.5).confidence_interval(0.95)
    return f"{statistics.median(values):.2f} ({low:.2f} to {high:.2f})"
