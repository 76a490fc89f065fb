"""Choosing the initial learning rate and batch size of all models by the validation scores of the grid search."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.files import read_json, read_table
from labeldropout.learning.tables import HISTORY


def select(candidates: Sequence[Path], seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The candidate with the best validation Dice (decision 9); a single candidate is chosen untrained.

    Args:
        candidates: Folders with `config.json` and, unless there is only one, `seed-<n>/history.csv`.
        seed: The n.

    Returns:
        A row per candidate (learning_rate, batch_size, dice, step, selected), best first, and the values chosen. Ties
        go to the lower learning rate, then to the smaller batch. The Dice of a single candidate is NaN or None.
    """
    if len(candidates) == 1:
        settings = read_json(candidates[0] / "config.json")["optimisation"]
        values = {name: settings[name] for name in ("learning_rate", "batch_size")}
        return pd.DataFrame([{**values, "dice": math.nan, "step": 0, "selected": 1}]), {**values, "dice": None}
    rows = []
    for folder in candidates:
        settings = read_json(folder / "config.json")["optimisation"]
        history = read_table(folder / f"seed-{seed}" / "history.csv", HISTORY)
        best = history[(history["dataset"] == "all") & (history["best"] == 1)].iloc[-1]
        rows.append(
            {
                "learning_rate": settings["learning_rate"],
                "batch_size": settings["batch_size"],
                "dice": float(best["dice"]),
                "step": int(best["step"]),
            }
        )
    table = pd.DataFrame(rows).sort_values(
        ["dice", "learning_rate", "batch_size"], ascending=[False, True, True], ignore_index=True
    )
    table["selected"] = (table.index == 0).astype(int)
    first = table.iloc[0]
    return table, {
        "learning_rate": float(first["learning_rate"]),
        "batch_size": int(first["batch_size"]),
        "dice": float(first["dice"]),
    }
