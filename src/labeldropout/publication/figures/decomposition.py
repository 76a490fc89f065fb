"""What hidden labels cost: the labels that are missing, and the background that stands in their place."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labeldropout.analysis.decomposition import ALL, GAP, IN_PLACE, LOST, MISSING
from labeldropout.publication.figures.arms import LOOKS
from labeldropout.publication.figures.points import counted, has_patients, prepare_dice_axis
from labeldropout.publication.figures.style import StructureLooks, set_title

_COLOURS = {LOST: "0.35", MISSING: "#56B4E9", IN_PLACE: "#B8447E", GAP: "0.7"}

_STEPS = ((MISSING, "oracle"), (IN_PLACE, "adaptive"), (GAP, "without"))
"""The parts that are bars on the left, and the kind of model at whose row each ends."""


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw, on the left, Dice from all labels down to what is left, and, on the right, what each part has cost.

    Args:
        table: `DECOMPOSITION`.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Structures are hidden in several cells, or a part is given twice.
    """
    cells = table[["dataset", "structure"]].drop_duplicates()
    if len(cells) != 1:
        raise ValueError(f"expected one hidden structure in one data set, found {cells.to_numpy().tolist()}.")
    if (twice := table.duplicated(["part", "seed"])).any():
        row = table[twice].iloc[0]
        raise ValueError(f"{row['part']}, seed {row['seed']}: expected once, found in several models.")
    dataset, structure = cells.iloc[0]
    title = titles.get(dataset, dataset)
    parts = dict(list(table.groupby("part", sort=False)))
    figure = Figure(figsize=(7.4, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_models(left, parts, title)
    _draw_parts(right, parts)
    unit = "patients" if has_patients(table) else "images"
    left.set_xlabel(f"Dice score, {looks.within_sentence(structure)}, {title}")
    right.set_xlabel("Dice lost")
    set_title(figure, "What the hidden labels cost, and what the background in their place", simulated=simulated)
    figure.supxlabel(
        f"Large marks: mean over images and seeds; right: with its 95 % interval over {unit} and seeds; dots: each"
        f" seed. {counted(table)}.",
        fontsize=6,
        color="0.3",
    )
    return figure


def _draw_models(axes: Axes, parts: Mapping[str, pd.DataFrame], title: str) -> None:
    """One row per model, each with a bar from the model that it is counted from."""
    words = {"benchmark": "All labels\n(benchmark)", "oracle": f"Hidden in {title},\npixels left out (oracle)"}
    words |= {"adaptive": f"Hidden in {title},\nbackground in their place", "without": "Other data set alone"}
    shown = [(part, kind) for part, kind in _STEPS if part in parts]
    _draw_model(axes, parts[MISSING], "dice_against", 0, "benchmark")
    for position, (part, kind) in enumerate(shown, start=1):
        row = parts[part][parts[part]["seed"] == ALL].iloc[0]
        axes.barh(
            position,
            row["dice_against"] - row["dice"],
            left=row["dice"],
            height=0.34,
            color=_COLOURS[part],
            alpha=0.45,
            zorder=1,
        )
        _draw_model(axes, parts[part], "dice", position, kind)
    axes.set_yticks(range(len(shown) + 1), [words["benchmark"], *(words[kind] for _, kind in shown)])
    axes.set_ylim(len(shown) + 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    prepare_dice_axis(axes)


def _draw_model(axes: Axes, rows: pd.DataFrame, column: str, position: int, kind: str) -> None:
    """Mean of a model and a dot per seed."""
    look = LOOKS[kind]
    overall, seeds = rows[rows["seed"] == ALL], rows[rows["seed"] != ALL]
    style = {"color": look.colour, "markeredgecolor": "0.15", "linestyle": ""}
    axes.plot(overall[column], [position], marker=look.marker, markersize=6, markeredgewidth=0.7, zorder=4, **style)
    if len(seeds) > 1:
        below = [position + 0.3] * len(seeds)
        axes.plot(seeds[column], below, marker=".", markersize=4.5, markeredgewidth=0.3, zorder=3, **style)


def _draw_parts(axes: Axes, parts: Mapping[str, pd.DataFrame]) -> None:
    """One row per part: the loss with its interval, a dot per seed, and the number."""
    words = {
        LOST: "Lost by hiding\nthe labels",
        MISSING: "of it: missing\nlabels",
        IN_PLACE: "of it: background\nin their place",
        GAP: "For comparison:\ndomain alone",
    }
    shown = [part for part in words if part in parts]
    for position, part in enumerate(shown):
        rows = parts[part]
        row, seeds = rows[rows["seed"] == ALL].iloc[0], rows[rows["seed"] != ALL]
        axes.plot([row["lost_low"], row["lost_high"]], [position] * 2, "|-", color=_COLOURS[part], zorder=2)
        look = {"color": _COLOURS[part], "markeredgecolor": "0.15"}
        axes.plot(row["lost"], position, "s", markersize=5.5, markeredgewidth=0.7, zorder=4, **look)
        if len(seeds) > 1:
            below = [position + 0.3] * len(seeds)
            axes.plot(seeds["lost"], below, ".", markersize=4.5, markeredgewidth=0.3, zorder=3, **look)
        text = "n = 0" if pd.isna(row["lost"]) else f"{row['lost']:+.2f}"
        place = axes.get_yaxis_transform()
        axes.text(1.02, position, text, transform=place, fontsize=6.5, color="0.25", va="center")
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [words[part] for part in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")
