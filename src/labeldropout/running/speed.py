"""How fast a training runs on this machine, timed on real optimisation steps with made-up images."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from labeldropout.learning.batches import Batches, Cases
from labeldropout.learning.model import build_model
from labeldropout.learning.train import build_optimiser, train_steps
from labeldropout.learning.validation import validation_dice
from labeldropout.provenance import device_name

BUDGET_S = 40.0
"""Seconds for the measurement, unless a single step takes longer."""


_MAX_STEPS = 50


@dataclass(frozen=True)
class Speed:
    """How fast a training runs."""

    training: float
    """Images per second of the optimisation loop."""
    validation: float
    """Images per second of a validation."""
    how: str
    """On what, and how, it was measured."""
    peak_bytes: int | None = None
    """Peak memory of one training on the card, without its images; None without a card."""


def made_up_cases(n: int, size: int, device: torch.device, n_structures: int = 3, n_channels: int = 1) -> Cases:
    """Noise with square structures, for timing; the last of several structures is unannotated in half of the cases."""
    rng = np.random.default_rng(0)
    targets = np.zeros((n, size, size), np.uint8)
    for structure in range(1, n_structures + 1):
        targets[:, size // 4 * (structure - 1) : size // 4 * structure, size // 4 : 3 * size // 4] = structure
    annotated = torch.ones(n, 1 + n_structures, dtype=torch.bool)
    if n_structures > 1:
        annotated[n // 2 :, n_structures] = False
    images = torch.from_numpy(rng.integers(0, 256, (n, n_channels, size, size), np.uint8)).to(device)
    table = pd.DataFrame({"case": [f"case-{i}" for i in range(n)]})
    return Cases(images, torch.from_numpy(targets).to(device), annotated, table)


def measure(settings: Mapping[str, Any], device: torch.device, budget_s: float) -> Speed:
    """Images per second of the real loop (batches, augmentation, loss, backward, step), then of validation.

    On a CPU it uses one core, as the trainings of the workflow do. A first step with two images shows how long a step
    takes; if the budget is too small for a few steps of the configured batch size, smaller batches are timed.

    Args:
        settings: Content of `config.json`.
        device: The device to time.
        budget_s: Seconds for everything; two steps are taken in any case.
    """
    torch.set_num_threads(1)
    side, structures = settings["grid_size"], settings["structures"]
    model = build_model(dict(settings), 0, device)
    optimiser, schedule = build_optimiser(model, settings["optimisation"], 10**9)

    def seconds_of(n_steps: int, batch_size: int) -> float:
        cases = made_up_cases(n_steps * batch_size, side, device, len(structures), settings["channels"])
        batches = Batches(cases, batch_size, settings["augmentation"], None, model.structures, 0, whole_batches=True)
        started = time.perf_counter()
        train_steps(model, batches, optimiser, schedule, n_steps)  # ends with a transfer to the host: a GPU is done
        return time.perf_counter() - started

    started = time.perf_counter()
    seconds_of(1, 2)  # first use of every kernel
    per_image = seconds_of(1, 2) / 2
    left_s = budget_s - (time.perf_counter() - started)
    batch_size = int(min(settings["optimisation"]["batch_size"], max(2, left_s / 4 // per_image)))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if left_s > 4 * batch_size * per_image:
        per_image = seconds_of(1, batch_size) / batch_size  # the first step of this batch size: not counted
    left_s = budget_s - (time.perf_counter() - started)
    n_steps = int(min(_MAX_STEPS, max(1, 0.8 * left_s // (batch_size * per_image))))
    seconds = seconds_of(n_steps, batch_size)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    cases = made_up_cases(batch_size, side, device, len(structures), settings["channels"])
    if device.type == "cuda":
        validation_dice(model, cases)
    began = time.perf_counter()
    validation_dice(model, cases)
    where = device_name() if device.type == "cuda" else f"{device_name()}, one of them used"
    return Speed(
        training=n_steps * batch_size / seconds,
        validation=batch_size / (time.perf_counter() - began),
        how=f"measured: {n_steps} steps with batches of {batch_size} in {seconds:.1f} s on {where}",
        peak_bytes=peak,
    )
