"""Restart state of a training on disc: written beside, checked when read, held by one process at a time.

A checkpoint is one line with a SHA-256, then a safetensors file of which it is the hash: the tensors, and everything
else as JSON in the metadata. Nothing in it is ever unpickled.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from labeldropout.files import replacing

log = logging.getLogger(__name__)

EXIT_STOPPED = 75
"""Exit status of a training that was told to stop and can be resumed: EX_TEMPFAIL of sysexits(3), "try again"."""


_TITLE = b"labeldropout checkpoint, sha256 "


_WAIT_S = 0.2


class StoppedError(Exception):
    """A signal asked the training to stop; the message says where it stopped and how it goes on."""


@dataclass
class Stop:
    """Whether a signal asked this process to stop."""

    by: str | None = None
    """Name of the signal; None as long as none came."""

    def __bool__(self) -> bool:
        return self.by is not None


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Note SIGTERM (preemption, a time limit) and the first SIGINT (Ctrl-C), so that the work ends where it can go on.

    A second SIGINT ends at once. To be used in the main thread; the handlers of before are put back.
    """
    stop = Stop()

    def note(number: int, _frame: object) -> None:
        stop.by = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Pace:
    """Where restart state is kept and how often it is written: after so many epochs or minutes, the first counts."""

    folder: Path
    """A folder for every training will be made in it."""
    epochs: int
    minutes: float


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds."""

    state: dict[str, Any]
    """JSON."""
    tensors: dict[str, Tensor]
    """Read ones lie on the CPU with the strides that they had: sums over another layout may differ in the last bit."""


def _packed(checkpoint: Checkpoint, key: str) -> bytes:
    """A safetensors file."""
    tensors = checkpoint.tensors
    strides = {name: value.stride() for name, value in tensors.items()}
    content = {"key": key, "state": checkpoint.state, "strides": strides}
    plain = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    return save(plain, {"labeldropout": json.dumps(content)})


def _unpacked(file: bytes, key: str) -> Checkpoint:
    """The content of a file.

    Raises:
        ValueError: Damaged, or of another training.
    """
    head, _, packed = file.partition(b"\n")
    if head != _TITLE + hashlib.sha256(packed).hexdigest().encode():
        raise ValueError("its checksum is wrong: damaged, or cut short")
    header = json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])
    content = json.loads(header["__metadata__"]["labeldropout"])
    if content["key"] != key:
        raise ValueError(f"it belongs to another training ({content['key']})")
    tensors = {
        name: torch.empty_strided(value.shape, content["strides"][name], dtype=value.dtype).copy_(value)
        for name, value in load(packed).items()
    }
    return Checkpoint(content["state"], tensors)


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder outlast a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass
class Checkpoints:
    """The restart state of one training: the current file and the one before; made by `hold`."""

    folder: Path
    pace: Pace
    stop: Stop
    _before: Path | None = None
    _epochs: int = 0
    _written: float = field(default_factory=time.monotonic)

    def read(self) -> tuple[Path, Checkpoint] | None:
        """The newest usable file; the log names those that are not, and says so if that means to start anew."""
        found = sorted(self.folder.glob("*.checkpoint"), reverse=True)
        for path in found:
            try:
                checkpoint = _unpacked(path.read_bytes(), self.folder.name)
            except (ValueError, OSError) as error:
                log.warning("%s: checkpoint not used (%s).", path, error)
            else:
                self._before = path
                return path, checkpoint
        if found:
            log.warning("%s: no usable checkpoint; the training starts anew.", self.folder)
        return None

    def is_due(self, *, after_epoch: bool) -> bool:
        """Whether it is time to write; to be asked once after every batch, and once after every epoch."""
        self._epochs += after_epoch
        return self._epochs >= self.pace.epochs or time.monotonic() - self._written >= 60 * self.pace.minutes

    def write(self, name: str, content: Checkpoint) -> bool:
        """Write restart state; keep the file of before, remove all others.

        Args:
            name: Later state has a name that sorts behind.
            content: What `read` shall give.

        Returns:
            Whether it was written. A full disc is no reason to stop a training: the log says so, the file of before
            stays valid and the next attempt is made at the usual time.
        """
        path = self.folder / f"{name}.checkpoint"
        packed = _packed(content, self.folder.name)
        try:
            with replacing(path) as file:
                file.write(_TITLE + hashlib.sha256(packed).hexdigest().encode() + b"\n")
                file.write(packed)
            _sync_folder(self.folder)
            for other in set(self.folder.glob("*.checkpoint")) - {path, self._before}:
                other.unlink()
        except OSError as error:
            log.warning("%s: checkpoint not written (%s); the training goes on.", path, error)
            return False
        finally:
            self._epochs, self._written = 0, time.monotonic()
        self._before = path
        return True

    def remove(self) -> None:
        """Remove the folder: the training is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file; not if the holder before us removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _open_lock(path: Path, stop: Callable[[], bool]) -> int:
    """Open and lock a file, made if missing; wait for whoever holds it.

    Raises:
        StoppedError: Told to stop while waiting.
    """
    is_waiting = False
    while not stop():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the holder before us removed the folder at this moment
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same_file(descriptor, path):
                return descriptor
        except BlockingIOError:
            if not is_waiting:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                log.warning("%s: this training is being run by %s; waiting for its end.", path.parent, holder)
                is_waiting = True
            time.sleep(_WAIT_S)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise StoppedError("stopped while waiting for another process that runs this training; nothing was begun.")


@contextmanager
def hold(key: str, pace: Pace, stop: Stop) -> Iterator[Checkpoints]:
    """Hold the folder of one training: a second process of the same training waits here until the first is gone.

    The kernel frees the lock when its process ends, however it ends, so that what a killed workflow left running never
    writes beside its successor.

    Args:
        key: Hash of all that decides what the training gives; names the folder.
        pace: Where and how often.
        stop: Set by a signal.

    Raises:
        StoppedError: Told to stop while waiting.
    """
    folder = pace.folder / key
    descriptor = _open_lock(folder / "lock", lambda: bool(stop))
    try:
        with suppress(OSError):  # a full disc: who holds it is for people to read, the lock holds without
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        for debris in folder.glob(".*.part"):  # of a process that was killed while it wrote
            debris.unlink()
        yield Checkpoints(folder, pace, stop)
    finally:
        os.close(descriptor)
