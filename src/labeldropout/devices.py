"""Choosing the processor or graphics card for a computation, and waiting for a turn on it."""

import ctypes
import logging
import os
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    import torch

PATIENCE_S = 600.0
"""How long a training waits for a slot: longer than the handover between two jobs, shorter than a training. If the
profile starts more jobs than there are slots, the job ends with an error."""


VISIBLE = "CUDA_VISIBLE_DEVICES"

_POLL_S, _QUIET_S = 0.2, 5.0

_LISTED = re.compile(r"^\s*(?P<kind>GPU|MIG) .*\(UUID:\s*(?P<uuid>[^)\s]+)\)", re.MULTILINE)

_HOLDER = re.compile(r"(?P<process>\d+) (?P<trainings>\d+)\n")

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Parameters of mallopt(3), from the GNU C library's malloc.h."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Card:
    """A graphics card, or a part of one (MIG)."""

    name: str
    """What `CUDA_VISIBLE_DEVICES` calls it."""
    identity: str
    """Name of its locks: its UUID where that is known, so that a card has the same name on the whole machine."""


@dataclass(frozen=True)
class _Holder:
    process: str
    """Number of the process, or `unknown`."""
    trainings: int
    """How many trainings it lets share the card, itself included."""


@dataclass(frozen=True)
class Slot:
    """A held slot; freed when closed, when the block ends, or when the process ends, however it ends."""

    card: Card
    lock: FileLock

    def close(self) -> None:
        """Free the slot."""
        self.lock.release()

    def __enter__(self) -> "Slot":  # noqa: PYI034 - the tests check methods one by one, where Self means nothing
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listed_cards() -> list[str]:
    """UUIDs of the cards that the driver lists, or of their parts if a card is divided; empty without a driver."""
    try:
        result = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S607 - the one on the path
    except (OSError, subprocess.SubprocessError) as error:
        log.info("No graphics card: nvidia-smi -L: %s", error)
        return []
    found: list[tuple[str, str]] = []
    for match in _LISTED.finditer(result.stdout):
        kind, uuid = match["kind"], match["uuid"]
        if kind == "MIG" and found and found[-1][0] == "GPU":
            found.pop()  # a divided card is used through its parts only
        found.append((kind, uuid))
    return [uuid for _, uuid in found]


def _identity(name: str, listed: Sequence[str]) -> str:
    """UUID of a card given by number, by UUID or by the beginning of a UUID; otherwise the name itself."""
    if name.isdecimal():
        is_divided = any(uuid.startswith("MIG") for uuid in listed)
        return listed[int(name)] if not is_divided and int(name) < len(listed) else name
    beginning = [uuid for uuid in listed if uuid.startswith(name)]
    return beginning[0] if len(beginning) == 1 else name


def visible_cards(environment: Mapping[str, str] = os.environ) -> list[Card]:
    """The cards that this process may choose from: those of `CUDA_VISIBLE_DEVICES` if set, else all.

    As in CUDA, the list ends before the first name that is not a card (such as -1), and an empty variable hides all
    cards.
    """
    listed = _listed_cards()
    if VISIBLE not in environment:
        return [Card(uuid, uuid) for uuid in listed]
    cards = []
    for name in (part.strip() for part in environment[VISIBLE].split(",")):
        if not (name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            break
        cards.append(Card(name, _identity(name, listed)))
    return cards


def lock_folder() -> Path:
    """The folder of the locks in the system's temporary folder; created, or checked to be safe.

    Raises:
        OSError: Something else has its name, or it belongs to another user.
    """
    if not hasattr(os, "getuid"):  # Windows, where the temporary folder is the user's own
        folder = Path(tempfile.gettempdir(), "labeldropout-gpu")
        folder.mkdir(exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir(), f"labeldropout-gpu-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder}: expected a folder for the locks of GPUs, found something else.")
    if found.st_uid != os.getuid():
        raise PermissionError(
            f"{folder}: expected a folder of user {os.getuid()}, found one of user {found.st_uid}."
            " Set TMPDIR to a folder of your own."
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def _sign(trainings: int, descriptor: int) -> None:
    """Write into a locked file which process holds it, and how many trainings it lets share the card."""
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()} {trainings}\n".encode())


def _takes(lock: FileLock) -> bool:
    """Take a lock; False if another process holds it."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _path(folder: Path, card: Card, slot: int) -> Path:
    return folder / f"{quote(card.identity, safe='')}.{slot}.lock"


def _holders(folder: Path, card: Card) -> list[_Holder]:
    """Who holds slots of a card, however many slots they allow on it."""
    holders = []
    for path in sorted(folder.glob(f"{quote(card.identity, safe='')}.*.lock")):
        lock = FileLock(path)
        if _takes(lock):
            lock.release()
            continue
        written = _HOLDER.fullmatch(path.read_text(encoding="ascii", errors="replace"))
        holders.append(_Holder(written["process"], int(written["trainings"])) if written else _Holder("unknown", 1))
    return holders


def _take(folder: Path, cards: Sequence[Card], trainings_per_card: int) -> Slot | str:
    """A slot of the card with the fewest holders; otherwise a text that says who holds the cards.

    Only one process looks at a time: otherwise two could both find a card empty, or one could mistake the other's look
    for a holder. A card is full for this process when it holds as many trainings as this process or one of its holders
    allows, so a process that asked for a card of its own keeps it to itself.
    """
    with FileLock(folder / "choosing.lock"):
        holders = {card: _holders(folder, card) for card in cards}
        free = [
            card
            for card, those in holders.items()
            if len(those) < min([trainings_per_card, *(holder.trainings for holder in those)])
        ]
        if not free:
            return "; ".join(
                f"{card.name} is held by process {', '.join(holder.process for holder in those)}"
                for card, those in holders.items()
            )
        card = min(free, key=lambda card: len(holders[card]))
        locks = (
            FileLock(_path(folder, card, number), on_acquired=partial(_sign, trainings_per_card))
            for number in range(trainings_per_card)
        )
        return Slot(card, next(lock for lock in locks if _takes(lock)))


def hold_free_card(
    cards: Sequence[Card], trainings_per_card: int, patience_s: float, folder: Path | None = None
) -> Slot:
    """Take a slot of the emptiest card; hold the slot for as long as the card is used.

    Args:
        cards: Where to look, in order of preference among equally empty ones.
        trainings_per_card: How many trainings may share a card.
        patience_s: How long to wait for a slot.
        folder: Folder of the locks; default: `lock_folder()`.

    Raises:
        ValueError: There is no card, or no training is allowed on one.
        TimeoutError: No slot became free; the message names the cards and who holds them.
    """
    if not cards or trainings_per_card < 1:
        raise ValueError(
            f"Expected cards and at least one training per GPU, found {len(cards)} cards and {trainings_per_card}."
        )
    where = lock_folder() if folder is None else folder
    started = time.monotonic()
    has_said_so = False
    while True:
        found = _take(where, cards, trainings_per_card)
        if isinstance(found, Slot):
            return found
        waited_s = time.monotonic() - started
        if waited_s >= patience_s:
            break
        if waited_s > _QUIET_S and not has_said_so:
            log.warning("No GPU is free (%s); waiting up to %g s.", found, patience_s)
            has_said_so = True
        time.sleep(_POLL_S)
    raise TimeoutError(
        f"No GPU came free within {patience_s:g} s, with {trainings_per_card} training(s) per GPU"
        f" ({found}). Let the profile start fewer jobs (gpu: number of GPUs times trainings_per_gpu), allow more"
        " trainings per GPU, or end the processes that hold them."
    )


@contextmanager
def granted_device(gpus: int, device: str, trainings_per_card: int) -> Iterator[Card | None]:
    """Let this process see only the card that it may use while the block runs.

    Nothing changes where another system assigns cards (Slurm, recognised by `SLURM_JOB_ID`) or where there are none. A
    process that runs on the CPU (`gpus` is 0, or the device is `cpu`) sees no card at all.

    Args:
        gpus: GPUs that the workflow grants: 0 means CPU.
        device: auto, cpu or cuda.
        trainings_per_card: How many trainings may share a card.

    Yields:
        The card whose slot is held, if any.

    Raises:
        TimeoutError: No slot became free within `PATIENCE_S`.
    """
    before = os.environ.get(VISIBLE)
    slot = None
    if gpus < 1 or device == "cpu":
        os.environ[VISIBLE] = ""
    elif "SLURM_JOB_ID" not in os.environ and (cards := visible_cards()):
        slot = hold_free_card(cards, trainings_per_card, PATIENCE_S)
        os.environ[VISIBLE] = slot.card.name
    try:
        yield slot.card if slot else None
    finally:
        if before is None:
            os.environ.pop(VISIBLE, None)
        else:
            os.environ[VISIBLE] = before
        if slot:
            slot.close()


def choose_device(name: str) -> "torch.device":
    """The device called `auto` (CUDA if there is one), `cpu` or `cuda`.

    Raises:
        ValueError: The name is unknown, or CUDA is requested but not available.
    """
    import torch  # noqa: PLC0415 - a process must see its card alone before it loads torch

    if name not in {"auto", "cpu", "cuda"}:
        raise ValueError(f"device: {name!r} (expected auto, cpu or cuda).")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ValueError("device: cuda (expected a CUDA device, found none). Use auto or cpu.")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, instead of returning it to the system and requesting it again.

    An optimisation step on a CPU allocates and frees the same large arrays every time; with the GNU C library's
    defaults each of them is mapped, filled with zeros by the system and unmapped again. For the default study's network
    this takes 5 to 10 % of the time when it is alone on a machine, and more beside a second training. Results do not
    change.

    Returns:
        Whether the C library has this option: only the GNU one does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        log.info("This C library has no mallopt; freed memory goes back to the system.")
        return False
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 2**26}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
