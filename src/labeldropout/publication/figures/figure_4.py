"""Figure 4: the effect of label dropout as a function of its probability, and on pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from labeldropout.publication.figures import panels
from labeldropout.publication.figures.style import ROLE_COLOURS, StructureLooks, role, set_title

_HIDDEN_LINE = {"color": "#B8447E", "marker": "o", "linestyle": "-"}
_MEAN_LINE = {"color": "0.35", "marker": "s", "linestyle": "--"}


def draw(
    table: pd.DataFrame,
    dataset: str,
    title: str,
    rows: Sequence[panels.PictureRow],
    models: Mapping[str, str],
    hidden: str,
    looks: StructureLooks,
    *,
    simulated: bool,
) -> Figure:
    """Draw the Dice score against the probability of label dropout, next to pictures without and with it.

    Args:
        table: `FIGURE_TABLE` of experiment 4.
        dataset: Name of the data set whose label was hidden.
        title: Title of that data set.
        rows: The pictures; without any, only the curves are drawn.
        models: Titles of their models.
        hidden: The structure that is hidden.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.
    """
    width, height = panels.panel_size(rows, models) if rows else (0.9, 0.0)
    figure = Figure(figsize=(4.6 + width, max(4.3, height + 0.2)), layout="constrained")
    left, right = figure.add_gridspec(1, 2, width_ratios=(4.6, width)) if rows else (figure.add_gridspec(1, 1)[0], None)
    curves = figure.add_subplot(left)
    _draw_curves(curves, table[table["dataset"] == dataset], title, hidden, looks)
    handles, labels = curves.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda index: labels[index])
    figure.legend([handles[i] for i in order], [labels[i] for i in order], loc="outside lower left", ncols=2)
    if rows:
        panels.draw_into(panels.panel_grid(right, rows, models), figure, rows, models, looks)
        figure.legend(handles=panels.structure_legend(looks), loc="outside lower right", ncols=min(len(looks.names), 4))
    set_title(figure, f"Figure 4. {looks.titles[hidden]} hidden in {title}: label dropout", simulated=simulated)
    return figure


def _draw_curves(axes: Axes, table: pd.DataFrame, title: str, hidden: str, looks: StructureLooks) -> None:
    is_benchmark = np.array(
        [role(*pair) == "benchmark" for pair in zip(table["model"], table["loss"], strict=True)], dtype=bool
    )
    for structure, look in ((hidden, _HIDDEN_LINE), ("mean", _MEAN_LINE)):
        rows = table[~is_benchmark & (table["structure"] == structure).to_numpy()].sort_values("probability")
        name = looks.titles[structure]
        single = rows[rows["seed"] != "all"]
        rows = rows[rows["seed"] == "all"]
        axes.plot(
            single["probability"] + 0.02,
            single["dice_mean"],
            ".",
            markersize=3,
            color=look["color"],
            alpha=0.45,
            zorder=2,
        )
        axes.errorbar(
            rows["probability"], rows["dice_mean"], rows["dice_sd"], capsize=2.5, markersize=4, label=name, **look
        )
        benchmark = table[
            is_benchmark & (table["structure"] == structure).to_numpy() & (table["seed"] == "all").to_numpy()
        ]
        for mean, spread in zip(benchmark["dice_mean"], benchmark["dice_sd"].fillna(0), strict=True):
            axes.axhspan(mean - spread, mean + spread, color=ROLE_COLOURS["benchmark"], alpha=0.25, linewidth=0)
            axes.axhline(
                mean,
                color=ROLE_COLOURS["benchmark"],
                linestyle=look["linestyle"],
                label=f"{name}, benchmark (all labels)",
            )
        reported = rows[rows["reported"].notna()]
        if len(reported):
            label = f"{name} in the paper (real data)"
            axes.plot(reported["probability"], reported["reported"], "x", color=look["color"], zorder=6, label=label)
    axes.set(
        xlabel="Probability of label dropout",
        ylabel=f"Dice score, {title}",
        xlim=(-0.04, 1.04),
        ylim=(-0.03, 1.02),
        title="Mean and standard deviation over seeds; dots: each seed",
        xticks=np.linspace(0, 1, 6),
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.grid(visible=True, axis="y")
