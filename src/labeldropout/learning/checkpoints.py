"""Restart state of a training on disc: written atomically, checked when read, held by one process at a time."""

import io
import logging
import os
import pickle
import shutil
import socket
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from labeldropout.files import replacing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoints:
    """The restart state of one training; made by `hold`."""

    folder: Path
    """Its name is the training's key."""

    @property
    def path(self) -> Path:
        """The file with the restart state; missing until the first validation is done."""
        return self.folder / "checkpoint.pt"

    def read(self) -> dict[str, Any] | None:
        """The last state written, with its tensors on the CPU; None if there is none, or none usable (which is logged).

        torch does not verify checksums when reading, so a flipped bit would go unnoticed; this method verifies those of
        the ZIP archive that `torch.save` writes.
        """
        if not self.path.exists():
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:
                damaged = archive.testzip()
            if damaged:
                reason = f"{damaged} in it has a wrong checksum"
            else:
                content = torch.load(self.path, map_location="cpu", weights_only=True)
                if isinstance(content, dict) and content.get("key") == self.folder.name:
                    return content["state"]
                reason = "it belongs to another training"
        except (OSError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
        log.warning("%s: unusable checkpoint (%s); the training starts from the beginning.", self.path, reason)
        return None

    def write(self, state: dict[str, Any]) -> None:
        """Replace the restart state.

        A full disc does not stop a training: the error is logged, and the previous file stays valid.

        Args:
            state: What `read` will return: tensors and plain Python values, nested in lists and dictionaries.
        """
        content = io.BytesIO()
        torch.save({"key": self.folder.name, "state": state}, content)
        try:
            with replacing(self.path) as file:
                file.write(content.getbuffer())
        except OSError as error:
            log.warning("%s: checkpoint not written (%s); the training continues.", self.path, error)

    def remove(self) -> None:
        """Remove the folder and its lock: the training is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # some systems cannot remove an open file
            _lock_path(self.folder).unlink()


def _lock_path(folder: Path) -> Path:
    """The lock file of a folder: beside the folder, because a finished training removes the folder."""
    return folder.with_name(f"{folder.name}.lock")


def _sign(descriptor: int) -> None:
    """Write the name of its holder into a locked file."""
    with suppress(OSError):  # on a full disc, people cannot read the name, but the lock holds
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _holder(path: Path) -> str:
    """Who holds a lock, as far as its file can be read."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
    return "another process"


@contextmanager
def hold(folder: Path) -> Iterator[Checkpoints]:
    """Hold the folder of one training; a second process of the same training waits here until the first has ended.

    The kernel frees the lock when the process ends, however it ends, so a process that a killed workflow left running
    never writes alongside its successor.

    Args:
        folder: Created if missing; its name is the hash of everything that determines the training's result.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = _lock_path(folder)
    lock = FileLock(path, on_acquired=_sign)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.warning("%s: %s is running this training; waiting for it to end.", folder, _holder(path))
        lock.acquire()
    try:
        folder.mkdir(exist_ok=True)
        for debris in folder.glob(".*.part"):  # left by a process that was killed while writing
            debris.unlink()
        yield Checkpoints(folder)
    finally:
        lock.release()
