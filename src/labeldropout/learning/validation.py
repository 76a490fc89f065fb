"""Dice of validation cases on the network's grid, per data set and structure."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import torch

from labeldropout.learning.batches import Cases
from labeldropout.learning.model import BATCH_SIZE, Model, forward
from labeldropout.losses import predict_labels


@torch.inference_mode()
def validation_dice(model: Model, cases: Cases) -> np.ndarray:
    """Dice of every validation case and structure on the network's grid.

    Returns:
        float64 (N, C - 1); NaN where the structure is not annotated or reference and prediction are both empty.
    """
    model.network.eval()
    n_structures = len(model.structures)
    scores = []
    for start in range(0, len(cases), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        logits = forward(model.network, cases.images[part].float() / 255)
        prediction = predict_labels(logits, model.config["loss"])
        channels = torch.arange(1, n_structures + 1, device=logits.device)[:, None, None]
        predicted = prediction[:, None] == channels
        reference = cases.targets[part][:, None] == channels
        both = (predicted & reference).sum((2, 3))
        total = predicted.sum((2, 3)) + reference.sum((2, 3))
        scores.append(2 * both.double() / total)
    dice = torch.cat(scores).cpu().numpy()  # fetched once, so that a card never waits
    dice[~cases.annotated.numpy()[:, 1:]] = np.nan
    return dice


def summarise_validation(
    dice: np.ndarray, datasets: Sequence[str], structures: Sequence[IntEnum]
) -> list[dict[str, Any]]:
    """Mean Dice per (data set, structure) cell, and over the cells (decision 8: no data set outweighs another).

    Args:
        dice: float (N, C - 1) with NaN where undefined.
        datasets: Data set of each case.
        structures: Channel order.

    Returns:
        Rows with dataset, structure, dice and n; the last is the mean over cells, under the name "all".
    """
    of_case = np.asarray(datasets)
    rows = []
    for dataset in dict.fromkeys(datasets):
        for column, structure in enumerate(structures):
            values = dice[of_case == dataset, column]
            values = values[~np.isnan(values)]
            if len(values):
                rows.append(
                    {"dataset": dataset, "structure": structure.name, "dice": float(values.mean()), "n": len(values)}
                )
    mean = float(np.mean([row["dice"] for row in rows])) if rows else float("nan")
    rows.append({"dataset": "all", "structure": "all", "dice": mean, "n": int((~np.isnan(dice)).sum())})
    return rows
