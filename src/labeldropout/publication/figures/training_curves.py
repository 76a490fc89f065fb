"""Validation Dice of every (data set, structure) cell over the optimisation steps, one panel per model."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from labeldropout.analysis.soundness import ALL, NOT_SHOWN, NOT_TRAINED
from labeldropout.publication.figures.style import StructureLooks, set_title

_HIDDEN = "#CC3311"
_KEPT = "0.35"
_LINES = ("-", ":", "-.")
"""By data set, in the order of their titles."""
_COLUMNS = 5


def _draw_cell(axes: Axes, of_cell: pd.DataFrame, line: str, colour: str, *, is_hidden: bool) -> None:
    """Mean over the seeds; of a hidden cell every seed as well, because there the seeds differ."""
    if is_hidden:
        for _, of_seed in of_cell.groupby("seed", sort=False):
            axes.plot(of_seed["step"], of_seed["dice"], color=colour, linewidth=0.5, alpha=0.6, linestyle="--")
    mean = of_cell.groupby("step", sort=True)["dice"].mean()
    axes.plot(
        mean.index, mean, color=colour, linewidth=1.6 if is_hidden else 1.0, linestyle="--" if is_hidden else line
    )


def _draw_model(
    axes: Axes, curves: pd.DataFrame, hidden: set[tuple[str, str]], lines: Mapping[str, str], looks: StructureLooks
) -> None:
    cells = curves[curves["dataset"] != ALL].groupby(["dataset", "structure"], sort=False)
    for cell, of_cell in sorted(cells, key=lambda item: item[0] in hidden):  # hidden ones on top
        is_hidden = cell in hidden
        colour = _HIDDEN if is_hidden else looks.colours[looks.structures[cell[1]]]
        _draw_cell(axes, of_cell, lines[cell[0]], colour, is_hidden=is_hidden)
    overall = curves[(curves["dataset"] == ALL) & (curves["best"] == 1)]
    kept = overall.groupby("seed")["step"].max()
    axes.plot(kept, [0.02] * len(kept), "|", color=_KEPT, markersize=5)


def _legend(figure: Figure, lines: Mapping[str, str], titles: Mapping[str, str], looks: StructureLooks) -> None:
    figure.legend(
        handles=[
            *(
                Line2D([], [], color=colour, label=looks.titles[structure.name])
                for structure, colour in looks.colours.items()
            ),
            *(
                Line2D([], [], color="0.3", linestyle=line, linewidth=1.0, label=titles.get(dataset, dataset))
                for dataset, line in lines.items()
            ),
            Line2D([], [], color=_HIDDEN, linestyle="--", linewidth=1.6, label="not shown to the model (thin: seeds)"),
            Line2D([], [], color=_KEPT, marker="|", linestyle="", label="step kept, by seed"),
        ],
        loc="outside lower center",
        ncols=4,
    )


def draw(
    curves: pd.DataFrame, soundness: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool
) -> Figure:
    """Draw small multiples: one panel per model, one line per cell.

    Args:
        curves: Table `TRAINING_CURVES`; models are shown in its order.
        soundness: Table `SOUNDNESS` of these models: what they were not shown, and whether they are trained.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: A model has no verdict.
    """
    models = list(dict.fromkeys(curves["model"]))
    verdicts = soundness[soundness["seed"] == ALL].set_index("model")["verdict"]
    if missing := [model for model in models if model not in verdicts.index]:
        raise ValueError(f"no verdict on {missing[0]} (expected one on each of {len(models)} models).")
    present = set(curves["dataset"]) - {ALL}
    order = [name for name in titles if name in present] + sorted(present - set(titles))
    lines = {dataset: _LINES[number % len(_LINES)] for number, dataset in enumerate(order)}
    unseen = soundness[soundness["verdict"] == NOT_SHOWN]
    n_columns = min(_COLUMNS, len(models))
    n_rows = -(-len(models) // n_columns)
    figure = Figure(figsize=(max(6.5, 2.1 * n_columns), 1.3 + 1.55 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, model in zip(panels, models, strict=False):
        of_model = unseen[unseen["model"] == model]
        hidden = set(zip(of_model["dataset"], of_model["structure"], strict=True))
        _draw_model(axes, curves[curves["model"] == model], hidden, lines, looks)
        failed = verdicts[model] == NOT_TRAINED
        axes.set_title(
            f"{model}\n{NOT_TRAINED}" if failed else model, fontsize=7.5, color=_HIDDEN if failed else "black"
        )
        axes.set_ylim(0, 1)
        axes.grid(visible=True, axis="y")
    for axes in panels[len(models) :]:
        axes.remove()
    # The last axes of each column show the steps, even above an empty place.
    for axes in panels[max(0, len(models) - n_columns) : len(models)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Optimisation step")
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    for axes in panels[: len(models) : n_columns]:
        axes.set_ylabel("Validation Dice")
    _legend(figure, lines, titles, looks)
    set_title(figure, "Training curves", simulated=simulated)
    return figure
