"""Figure 3: partial labels without a domain shift."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labeldropout.publication.figures.boxes import NOTE, count_of, draw_boxes, one_per_place, over_seeds
from labeldropout.publication.figures.style import (
    ROLE_COLOURS,
    ROLE_HATCHES,
    ROLE_TITLES,
    StructureLooks,
    by_known_order,
    role,
    set_title,
)

_WIDTH = 0.24


def draw(table: pd.DataFrame, hidden: str, looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw box plots of the Dice score, per structure and overall, for benchmark, standard and adaptive loss.

    Args:
        table: `FIGURE_TABLE` of experiment 3.
        hidden: The structure that is hidden in a share of the cases.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Two models are of the same kind, or there are several data sets.
    """
    shown = over_seeds(table)
    shown = shown.assign(role=[role(*pair) for pair in zip(shown["model"], shown["loss"], strict=True)])
    shown = one_per_place(shown, "role", "structure")
    roles = by_known_order(shown["role"].tolist(), list(ROLE_TITLES))
    structures = by_known_order(shown["structure"].tolist(), [*looks.names, "mean"])
    figure = Figure(figsize=(7.4, 3.8), layout="constrained")
    axes = figure.subplots()
    legend = []
    for index, name in enumerate(roles):
        rows = shown[shown["role"] == name].set_index("structure", drop=False).reindex(structures)
        shift = (index - (len(roles) - 1) / 2) * (_WIDTH + 0.04)
        positions = [place + shift for place in range(len(structures))]
        colour, hatch = ROLE_COLOURS.get(name, "0.7"), ROLE_HATCHES.get(name, "xxxx")
        draw_boxes(axes, rows, positions, [colour] * len(rows), [hatch] * len(rows), _WIDTH, orientation="vertical")
        for position, (_, row) in zip(positions, rows.iterrows(), strict=True):
            if pd.notna(row["reported"]):
                axes.plot(position, row["reported"], marker="x", color="#B00020", markersize=5, zorder=6)
            if pd.notna(row["n"]):
                axes.text(
                    position,
                    -0.015,
                    count_of(row).replace(", ", "\n"),
                    fontsize=5.5,
                    color="0.35",
                    ha="center",
                    va="top",
                )
        legend.append(Patch(facecolor=colour, edgecolor="0.15", hatch=hatch, label=_label(name, rows)))
    if shown["reported"].notna().any():
        legend.append(Line2D([], [], marker="x", linestyle="", color="#B00020", label="Mean in the paper (real data)"))
    axes.set_xticks(range(len(structures)), [looks.titles[name] for name in structures])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Dice score")
    axes.set_ylim(-0.09, 1.02)
    axes.set_xlim(-0.5, len(structures) - 0.5)
    axes.grid(visible=True, axis="y")
    figure.legend(handles=legend, loc="outside lower center", ncols=2)
    title = f"Figure 3. {looks.titles[hidden]} hidden in a share of the cases, one data set"
    set_title(figure, title, simulated=simulated)
    axes.set_xlabel(NOTE, fontsize=6, color="0.3", labelpad=6)
    return figure


def _label(name: str, rows: pd.DataFrame) -> str:
    """Title of a kind of model, with its mean foreground Dice from the table."""
    title = ROLE_TITLES.get(name, name)
    if "mean" not in rows.index or pd.isna(rows.loc["mean", "dice_mean"]):
        return title
    return f"{title}: mean foreground {rows.loc['mean', 'dice_mean']:.3f}"
