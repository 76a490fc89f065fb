"""The structure that is missing in one domain, against the shift between the domains."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labeldropout.publication.figures.arms import LOOKS, kind, where_hidden
from labeldropout.publication.figures.points import counted, one_per_kind, select
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_ORDER = ("benchmark", "adaptive", "single", "marginal")


_STEP = 0.009
"""Offset between the lines, so that their bars do not hide each other."""


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the mean and SD over seeds of the hidden structure's Dice score, with one line per kind of model.

    Args:
        table: `INSTRUMENT_TABLE` of experiment 6.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Labels are hidden in no data set or in several, two models share a place, or no severity is known.
    """
    if table["severity"].isna().any():
        model = table.loc[table["severity"].isna(), "model"].iloc[0]
        raise ValueError(f"severity of {model} is unknown (expected simulated data).")
    hidden = where_hidden(table)
    structure, title = hidden.structures[0], titles.get(hidden.dataset, hidden.dataset)
    shown = select(table, hidden.dataset, structure)
    shown = one_per_kind(shown.assign(kind=[kind(row) for _, row in shown.iterrows()]), "kind", "severity")
    kinds = by_known_order(shown["kind"].tolist(), _ORDER)
    figure = Figure(figsize=(7.4, 3.9), layout="constrained")
    axes = figure.subplots()
    for own in shown["study_severity"].dropna().unique():
        axes.axvline(own, color="0.9", linewidth=16, zorder=0)
        axes.text(own, 1.03, "severity of this study", fontsize=6.5, color="0.4", ha="center", va="bottom")
    for index, name in enumerate(kinds):
        look = LOOKS[name]
        rows = shown[shown["kind"] == name].sort_values("severity")
        shift = (index - (len(kinds) - 1) / 2) * _STEP
        overall, seeds = rows[rows["seed"] == "all"], rows[rows["seed"] != "all"]
        axes.plot(
            seeds["severity"] + shift,
            seeds["dice_mean"],
            ".",
            markersize=4.5,
            color=look.colour,
            markeredgecolor="0.15",
            markeredgewidth=0.3,
            zorder=4,
        )
        axes.errorbar(
            overall["severity"] + shift,
            overall["dice_mean"],
            overall["dice_sd"],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            markersize=5,
            markeredgecolor="0.15",
            markeredgewidth=0.5,
            capsize=2.5,
            label=look.title,
            zorder=3,
        )
    axes.set(
        xlabel="Severity of the domain shift (0: both data sets look alike)",
        ylabel=f"Dice score, {looks.within_sentence(structure)}, {title}",
        xlim=(-0.04, 1.04),
        ylim=(-0.03, 1.02),
        xticks=np.unique(shown["severity"]),
    )
    axes.grid(visible=True, axis="y")
    figure.legend(loc="outside lower center", ncols=len(kinds))
    set_title(figure, f"{looks.titles[structure]} hidden in {title}: Dice over domain shift", simulated=simulated)
    axes.set_title(
        f"Mean and standard deviation over seeds; dots: each seed; {counted(shown)}",
        fontsize=7.5,
        loc="left",
        pad=14,
    )
    return figure
