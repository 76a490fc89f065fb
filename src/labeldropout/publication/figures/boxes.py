"""Draw box plots from the quantiles in a table."""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes

NOTE = (
    "Boxes: quartiles and median; whiskers: within 1.5 interquartile ranges; diamonds: mean; n: images, ▼: of these"
    " below a Dice of 0.5."
)


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that summarise all seeds of a model."""
    return table[table["seed"] == "all"]


def one_per_place(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the table if each combination of these columns, the place of one box, occurs once.

    Raises:
        ValueError: A combination occurs more than once; the message names it and its models.
    """
    twice = table[table.duplicated(list(columns), keep=False)]
    if len(twice):
        place = ", ".join(str(twice.iloc[0][column]) for column in columns)
        raise ValueError(f"{place}: one box expected, found those of {', '.join(twice['model'].unique())}.")
    return table


def draw_boxes(
    axes: Axes,
    rows: pd.DataFrame,
    positions: Sequence[float],
    colours: Sequence[str],
    hatches: Sequence[str],
    width: float,
    orientation: Literal["horizontal", "vertical"],
) -> None:
    """Draw a box with its mean for each row; a row without a Dice score leaves its place empty.

    Args:
        axes: Axes to draw on.
        rows: Rows of `FIGURE_TABLE`.
        positions: Place of each box on the axis of categories.
        colours: Fill of each box.
        hatches: Hatch of each box.
        width: Width of the boxes, in the units of `positions`.
        orientation: Orientation of the boxes.
    """
    places = zip(rows.to_dict("records"), positions, colours, hatches, strict=True)
    for row, position, colour, hatch in places:
        if pd.isna(row["dice_median"]):
            continue
        drawn = axes.bxp(
            [_statistics(row)],
            positions=[position],
            widths=width,
            orientation=orientation,
            showmeans=True,
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": colour, "edgecolor": "0.15", "linewidth": 0.8, "hatch": hatch},
            medianprops={"color": "0.1", "linewidth": 1.4},
            whiskerprops={"color": "0.15", "linewidth": 0.8},
            capprops={"color": "0.15", "linewidth": 0.8},
            meanprops={
                "marker": "D",
                "markersize": 4,
                "markerfacecolor": "white",
                "markeredgecolor": "0.1",
                "markeredgewidth": 0.8,
            },
        )
        for mean in drawn["means"]:
            mean.set_zorder(5)


def count_of(row: pd.Series) -> str:
    """How many images a box stands for, and how many of them failed."""
    if row["n"] == 0:
        return "n = 0"
    failures = f", ▼{row['n_failures']:.0f}" if row["n_failures"] else ""
    return f"n = {row['n']:.0f}{failures}"


def _statistics(row: dict[str, Any]) -> dict[str, Any]:
    """A row as statistics for `Axes.bxp`."""
    return {
        "med": row["dice_median"],
        "q1": row["dice_q1"],
        "q3": row["dice_q3"],
        "whislo": row["dice_whisker_low"],
        "whishi": row["dice_whisker_high"],
        "mean": row["dice_mean"],
        "fliers": [],
    }
