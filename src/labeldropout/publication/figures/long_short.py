"""The same models after two lengths of training: does a shortcut grow or fade?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labeldropout.publication.figures.arms import LOOKS, Look, hiding, kind
from labeldropout.publication.figures.points import counted, one_per_kind
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_ORDER = ("benchmark", "adaptive", "single", "marginal")

_SHIFT = 0.03
"""Offset between the lines as a share of the range of steps, so that their bars do not hide each other."""


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the Dice score of the structures that lack labels over steps, one panel per data set and structure.

    Args:
        table: `LONG_SHORT`.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: No structure lacks labels, or two models share a place.
    """
    panels = list(_panels(table, looks.names))
    if not panels:
        raise ValueError("no structure lacks labels (expected hidden labels, or masks that an observer drew).")
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    handles: dict[str, object] = {}
    for axes, (dataset, structure, rows) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True
    ):
        handles |= _draw_panel(axes, rows, sorted(set(table.loc[table["probability"] > 0, "probability"])))
        by_observer = " (observer)" if (rows["reference"] == "observer").all() else ""
        axes.set_title(f"{looks.titles[structure]}\n{titles.get(dataset, dataset)}{by_observer}", fontsize=7.5)
        axes.set_xlabel(f"Optimisation steps\n{counted(rows)}")
    figure.axes[0].set(ylabel="Dice score", ylim=(-0.03, 1.02))
    order = [name for first in _ORDER for name in sorted(handles) if name.split(" ")[0] == first]
    figure.legend(
        [handles[name] for name in order],
        [handles[name].get_label() for name in order],
        loc="outside lower center",
        ncols=min(3, len(order)),
        title="Mean and standard deviation over trainings; a thin line joins the two trainings of one seed",
        title_fontproperties={"size": 6.5},
    )
    set_title(figure, "A longer training: does the shortcut grow or fade?", simulated=simulated)
    return figure


def _panels(table: pd.DataFrame, structures: Sequence[str]) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Data set, structure and rows: where labels are hidden, then where only an observer has drawn."""
    with_hidden = table[table["hidden"] != ""]
    found = dict.fromkeys(
        (hidden.dataset, structure)
        for cell in with_hidden["hidden"].unique()
        if (hidden := hiding(cell))
        for structure in hidden.structures
    )
    for dataset, structure in found:
        trained = set(with_hidden["train_on"])
        rows = _cell(table[table["train_on"].isin(trained)], dataset, structure, "dataset")
        yield dataset, structure, rows
    observed = table[table["reference"] == "observer"]
    for dataset in observed["dataset"].unique():
        for structure in structures:
            rows = _cell(table, dataset, structure, "observer")
            if not rows.empty and _cell(table, dataset, structure, "dataset").empty:
                # These models have no hidden labels: the data set itself lacks them.
                kinds = [row["dropout_mode"] or row["loss"] for _, row in rows.iterrows()]
                yield dataset, structure, rows.assign(kind=kinds)


def _cell(table: pd.DataFrame, dataset: str, structure: str, reference: str) -> pd.DataFrame:
    wanted = (table["dataset"] == dataset) & (table["structure"] == structure) & (table["reference"] == reference)
    rows = table[wanted]
    return rows.assign(kind=[kind(row) for _, row in rows.iterrows()])


def _look(name: str, probability: float, probabilities: list[float]) -> Look:
    """The look of a kind; label dropout with several probabilities has a line each."""
    if name != "single":
        return LOOKS[name]
    lines = (":", "-.", "--", "-")
    return replace(
        LOOKS[name],
        title=f"Adaptive loss, {100 * probability:g} % label dropout",
        line=lines[probabilities.index(probability) % len(lines)],
    )


def _draw_panel(axes: Axes, rows: pd.DataFrame, probabilities: list[float]) -> dict[str, object]:
    """One line per model, and a thin one per seed; returns a handle for the legend by kind and probability."""
    rows = one_per_kind(rows, "kind", "probability", "study")
    models = rows.drop_duplicates("model")
    kinds = by_known_order(models["kind"].tolist(), _ORDER)
    models = sorted(models.itertuples(), key=lambda row: (kinds.index(row.kind), row.probability))
    steps = sorted(rows["steps"].unique())
    handles = {}
    for index, model in enumerate(models):
        look = _look(model.kind, model.probability, probabilities)
        shift = (index - (len(models) - 1) / 2) * _SHIFT * (steps[-1] - steps[0])
        of_model = rows[rows["model"] == model.model].sort_values("steps")
        overall, seeds = of_model[of_model["seed"] == "all"], of_model[of_model["seed"] != "all"]
        edge = {"color": look.colour, "markeredgecolor": "0.15"}
        for _, of_seed in seeds.groupby("seed"):
            axes.plot(
                of_seed["steps"] + shift,
                of_seed["dice_mean"],
                ".-",
                markersize=4.5,
                markeredgewidth=0.3,
                linewidth=0.5,
                zorder=4,
                **edge,
            )
        handles[f"{model.kind} {model.probability:g}"] = axes.errorbar(
            overall["steps"] + shift,
            overall["dice_mean"],
            overall["dice_sd"],
            marker=look.marker,
            linestyle=look.line,
            markersize=5,
            markeredgewidth=0.5,
            capsize=2.5,
            label=look.title,
            zorder=3,
            **edge,
        )
    axes.set_xticks(steps)
    axes.set_xlim(steps[0] - 0.15 * (steps[-1] - steps[0]), steps[-1] + 0.15 * (steps[-1] - steps[0]))
    axes.grid(visible=True, axis="y")
    return handles
