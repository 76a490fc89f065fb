"""Which processor a computation runs on."""

import torch


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
