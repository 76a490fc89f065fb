"""The shortcut probe: how well each domain can be inferred from a model's answers."""

import textwrap
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labeldropout.analysis.readings import count_trainings
from labeldropout.heart import Structure
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_Marks = dict[tuple[str, str], dict[str, str]]
"""Marker, colour and words by feature and structure."""

_MARKERS = ("o", "^", "D", "v", "P", "X", "p", "h", "<", ">")


def _marks(looks: StructureLooks) -> _Marks:
    marks = {("set", ""): {"color": "0.35", "marker": "s", "label": "Which structures are drawn"}}
    for place, (structure, colour) in enumerate(looks.colours.items()):
        words = f"Logits at the {looks.within_sentence(structure.name)}"
        marker = _MARKERS[place % len(_MARKERS)]
        marks["logits", structure.name] = {"color": colour, "marker": marker, "label": words}
    return marks


_STEP = 0.19
"""Distance between two marks of one model."""


_LETTERS_PER_INCH = 21
"""Density of the note's text at 6 points."""


def draw(
    table: pd.DataFrame, titles: Mapping[str, str], models: Mapping[str, str], looks: StructureLooks, *, simulated: bool
) -> Figure:
    """Draw the area under the curve with its interval: a panel per domain, a row per model, a mark per feature.

    Args:
        table: `SHORTCUT`.
        titles: Title of each data set, in the order in which they are shown.
        models: Titles of models that have one.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.
    """
    marks = _marks(looks)
    probes = table[table["feature"] != "share"]
    is_left_out = probes["auc"].isna().any()
    shown = list(dict.fromkeys(probes["model"]))
    domains = by_known_order(probes["domain"].tolist(), [*titles, "all"])
    figure = Figure(figsize=(1.9 + 1.75 * len(domains), 1.2 + 0.72 * len(shown)), layout="constrained")
    panels = figure.subplots(1, len(domains), sharex=True, sharey=True, squeeze=False)[0]
    for axes, domain in zip(panels, domains, strict=True):
        _draw_panel(axes, probes[probes["domain"] == domain], shown, marks)
        axes.set_title(
            "Mean over data sets" if domain == "all" else f"{titles.get(domain, domain)}\nagainst the others"
        )
        axes.set_xlim(0.25, 1.02)
        axes.set_xlabel("Area under the ROC curve", fontsize=7)
        axes.grid(visible=True, axis="x")
    panels[0].set_yticks(range(len(shown)), [models.get(name, name) for name in shown])
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    handles = [
        Line2D([], [], linestyle="none", marker=look["marker"], color=look["color"], label=look["label"], markersize=4)
        for look in marks.values()
    ]
    views = {view for view in probes["view"] if view not in {"", "all"}}
    note = f"{' and '.join(sorted(views))} images only. " if views else ""
    note += (
        "Mean over seeds with 95 % interval over patients, not over seeds; dots: each seed; a hollow mark is a single"
        " training; grey line: mean of permuted data sets."
    )
    if Structure.LV.name in looks.names:
        note += f" The {Structure.LV.name} is labelled in all data sets: the logits there are for comparison."
    if is_left_out:
        note += " No mark: too few patients for cross-validation."
    note = textwrap.fill(note, int(_LETTERS_PER_INCH * figure.get_figwidth()))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, title=note, title_fontsize=6)
    set_title(figure, "Shortcut probe: can the data set be told from the model's answer?", simulated=simulated)
    return figure


def _draw_panel(axes: Axes, table: pd.DataFrame, shown: list[str], marks: _Marks) -> None:
    """The marks of one domain."""
    table = table.dropna(subset="auc")
    trainings = count_trainings(table)
    if len(table):
        axes.axvline(float(table.loc[table["seed"] == "all", "auc_chance"].mean()), color="0.55", linewidth=0.9)
    for place, (key, look) in enumerate(marks.items()):
        mine = table[(table["feature"] == key[0]) & (table["structure"] == key[1])]
        shift = (place - (len(marks) - 1) / 2) * _STEP
        for is_whole in (False, True):
            rows = mine[(mine["seed"] == "all") == is_whole]
            heights = [shown.index(model) + shift for model in rows["model"]]
            if not is_whole:
                axes.plot(rows["auc"], heights, ".", markersize=2.5, color=look["color"], alpha=0.5, zorder=2)
                continue
            axes.errorbar(
                rows["auc"],
                heights,
                xerr=[rows["auc"] - rows["auc_low"], rows["auc_high"] - rows["auc"]],
                fmt="none",
                ecolor=look["color"],
                capsize=1.5,
                elinewidth=0.9,
                zorder=3,
            )
            axes.scatter(
                rows["auc"],
                heights,
                s=16,
                marker=look["marker"],
                facecolors=[look["color"] if trainings[model] > 1 else "white" for model in rows["model"]],
                edgecolors=look["color"],
                linewidths=0.9,
                zorder=4,
            )
    for boundary in range(1, len(shown)):
        axes.axhline(boundary - 0.5, color="0.88", linewidth=0.6)
