"""Which processor a computation runs on, and how it holds its memory."""

import ctypes
import logging

import torch

_LOG = logging.getLogger(__name__)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Parameters of mallopt(3), from the GNU C library's malloc.h."""


def choose_device(name: str) -> torch.device:
    """The device called `auto` (CUDA if there is one), `cpu` or `cuda`.

    Raises:
        ValueError: Another name, or CUDA asked for where there is none.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise ValueError(f"device: {name!r} (expected auto, cpu or cuda).")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ValueError("device: cuda (expected a CUDA device, found none). Use auto or cpu.")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, in place of giving it back to the system and asking anew.

    An optimisation step on a CPU allocates and frees the same large arrays every time; with the GNU C library's
    defaults each of them is mapped, filled with zeros by the system and unmapped again: 5 to 10 % of the time of the
    default study's network alone on a machine, more beside a second training. Results do not change.

    Returns:
        Whether the C library has this switch: only the GNU one does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        _LOG.info("This C library has no mallopt; freed memory goes back to the system.")
        return False
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 2**26}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
