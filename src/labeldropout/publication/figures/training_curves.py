"""Loss and validation Dice over the epochs of every training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from labeldropout.publication.figures.style import set_title

_DICE, _LOSS = "#20639B", "0.6"


_COLUMNS = 6


def draw(histories: Mapping[str, Mapping[int, pd.DataFrame]], *, simulated: bool) -> Figure:
    """Draw small multiples: one per model, with one line per seed.

    Args:
        histories: Rows of `TRAINING_CURVES` by model and seed, in the order in which they are shown.
        simulated: Whether the title must say that the data are simulated.
    """
    n_columns = min(_COLUMNS, len(histories))
    n_rows = -(-len(histories) // n_columns)
    figure = Figure(figsize=(max(5.5, 2.0 * n_columns), 1.0 + 1.45 * n_rows), layout="constrained")
    cells = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    largest = max(_overall(table)["loss"].max() for seeds in histories.values() for table in seeds.values())
    for index, (axes, (model, seeds)) in enumerate(zip(cells, histories.items(), strict=False)):
        losses = axes.twinx()
        axes.set_zorder(losses.get_zorder() + 1)
        axes.patch.set_visible(False)
        for table in seeds.values():
            rows = _overall(table)
            losses.plot(rows["epoch"], rows["loss"], color=_LOSS, linewidth=0.9, linestyle="--")
            axes.plot(rows["epoch"], rows["dice"], color=_DICE, linewidth=1.0)
            kept = rows[rows["best"] == 1].tail(1)
            axes.plot(kept["epoch"], kept["dice"], "o", color=_DICE, markersize=3.5, markerfacecolor="white")
        axes.set_title(model, fontsize=7.5)
        axes.set_ylim(0, 1)
        axes.grid(visible=True, axis="y")
        losses.set_ylim(0, 1.05 * largest if np.isfinite(largest) and largest > 0 else 1)
        losses.spines["right"].set_visible(True)
        losses.tick_params(labelright=(index + 1) % n_columns == 0, labelsize=6.5)
    for axes in cells[len(histories) :]:
        axes.remove()
    # The last axes of each column show the epoch numbers, even above an empty cell.
    for axes in cells[max(0, len(histories) - n_columns) : len(histories)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axes in cells[: len(histories) : n_columns]:
        axes.set_ylabel("Dice")
    figure.legend(
        handles=[
            Line2D([], [], color=_DICE, label="mean validation Dice (left), one line per seed"),
            Line2D([], [], color=_DICE, marker="o", markerfacecolor="white", linestyle="", label="epoch kept"),
            Line2D([], [], color=_LOSS, linestyle="--", label="training loss in nats (right)"),
        ],
        loc="outside lower center",
        ncols=3,
    )
    set_title(figure, "Training curves", simulated=simulated)
    return figure


def _overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the mean over all validation cells, by epoch."""
    return table[(table["dataset"] == "all") & (table["structure"] == "all")].sort_values("epoch")
