"""Draw means with their intervals and a dot per seed, in rows below one another."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from labeldropout.data.catalogue import DATASETS
from labeldropout.publication.figures.arms import Look

_NOTE = (
    "Large marks: mean over images and seeds, with its 95 % interval over patients, not over seeds;"
    " dots: each seed; a hollow mark is a single training."
)


_NOTE_ON_IMAGES = _NOTE.replace("patients", "images")

_PAPER = " Crosses: mean in the paper (real data)."


def has_patients(rows: pd.DataFrame) -> bool:
    """Whether the images behind these rows come from patients, or from other groups of several."""
    return bool(set(rows["dataset"]) & set(DATASETS) or (rows["n"] != rows["n_patients"]).any())


def note(rows: pd.DataFrame) -> str:
    """A note that explains the marks in a figure of these rows."""
    said = _NOTE if has_patients(rows) else _NOTE_ON_IMAGES
    return said + (_PAPER if rows["reported"].notna().any() else "")


def select(table: pd.DataFrame, dataset: str, structure: str) -> pd.DataFrame:
    """The rows of a data set and a structure, with the observer's reference if the data set has none."""
    rows = table[(table["dataset"] == dataset) & (table["structure"] == structure)]
    own = rows[rows["reference"] == "dataset"]
    return rows if own.empty else own


def one_per_kind(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the rows if each combination of these columns belongs to one model.

    Raises:
        ValueError: Two models share a combination; the message names them.
    """
    for place, of_place in rows.groupby(list(columns), sort=False):
        models = of_place["model"].unique()
        if len(models) > 1 or (of_place["seed"] == "all").sum() > 1:
            names = ", ".join(models)
            raise ValueError(f"{', '.join(map(str, place))}: one model expected, found the rows of {names}.")
    return rows


def draw_point(axes: Axes, rows: pd.DataFrame, position: float, look: Look, *, seeds_below: float = 0.27) -> None:
    """Draw the mean of a model with its interval, and a dot per seed where there are several; else a hollow mark.

    Args:
        axes: Axes with Dice along x.
        rows: All rows of one model, data set and structure; without a Dice score nothing is drawn.
        position: Position on the y axis.
        look: Marker and colour.
        seeds_below: How far below the mean the dots are drawn, in the units of `position`.
    """
    seeds, overall = rows[rows["seed"] != "all"], rows[rows["seed"] == "all"]
    overall = overall[overall["dice_mean"].notna()]
    if overall.empty:
        return
    row = overall.iloc[0]
    axes.plot(
        [row["dice_low"], row["dice_high"]],
        [position, position],
        color=look.colour,
        linewidth=1.4,
        marker="|",
        markersize=5.5,
        markeredgewidth=1.2,
        zorder=3,
    )
    axes.plot(
        row["dice_mean"],
        position,
        look.marker,
        markersize=8 if look.marker == "*" else 5.5,
        color=look.colour if len(seeds) > 1 else "white",
        markeredgecolor="0.15" if len(seeds) > 1 else look.colour,
        markeredgewidth=0.7 if len(seeds) > 1 else 1.2,
        zorder=4,
    )
    if len(seeds) > 1:
        axes.plot(
            seeds["dice_mean"],
            [position + seeds_below] * len(seeds),
            ".",
            markersize=4.5,
            color=look.colour,
            markeredgecolor="0.15",
            markeredgewidth=0.3,
            zorder=2,
        )
    if pd.notna(row["reported"]):
        axes.plot(row["reported"], position, "x", color="#B00020", markersize=5, zorder=5)


def write_value(axes: Axes, rows: pd.DataFrame, position: float, *, interval: bool) -> None:
    """Write the mean, and its interval if there is room, right of a model's row."""
    row = rows[rows["seed"] == "all"].iloc[0]
    text = "n = 0"
    if pd.notna(row["dice_mean"]):
        text = f"{row['dice_mean']:.2f}"
        text += f" [{row['dice_low']:.2f}, {row['dice_high']:.2f}]" if interval else ""
    axes.text(
        1.02,
        position,
        text,
        transform=axes.get_yaxis_transform(),
        fontsize=6.5,
        color="0.25",
        va="center",
        ha="left",
    )


def draw_column(
    axes: Axes, table: pd.DataFrame, kinds: Sequence[str], looks: Mapping[str, Look], *, intervals: bool
) -> None:
    """Draw one model per row of the axes.

    Args:
        axes: Axes to draw on.
        table: Rows of one data set and structure, with a column `kind`.
        kinds: The kinds, from the top.
        looks: Look of each kind.
        intervals: Whether to print the ends of the intervals next to the means.
    """
    for position, name in enumerate(kinds):
        rows = table[table["kind"] == name]
        if rows.empty:
            continue
        draw_point(axes, rows, float(position), looks[name])
        write_value(axes, rows, float(position), interval=intervals)
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    prepare_dice_axis(axes)


def prepare_dice_axis(axes: Axes) -> None:
    """Prepare an x axis for Dice from 0 to 1, with a light grid."""
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid(visible=True, axis="x")


def counted(rows: pd.DataFrame) -> str:
    """The number of images and patients behind the means of a panel."""
    overall = rows[rows["seed"] == "all"]
    if overall.empty:
        return ""
    n, n_patients = overall["n"].max(), overall["n_patients"].max()
    return f"n = {n:.0f} images" + (f", {n_patients:.0f} patients" if has_patients(overall) else "")
