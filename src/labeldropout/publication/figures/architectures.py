"""Label dropout with other networks."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labeldropout.publication.figures.arms import LOOKS, kind, where_hidden
from labeldropout.publication.figures.points import counted, draw_column, note, one_per_kind, select
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_TITLES = {"basic_unet": "U-Net", "attention_unet": "Attention U-Net", "swin_unetr": "SwinUNETR (transformer)"}


_ORDER = ("benchmark", "adaptive", "single")


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the Dice score of the hidden structure, one panel per network: all labels, without and with label dropout.

    Args:
        table: `INSTRUMENT_TABLE` of experiment 8.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Labels are hidden in no data set or in several, or two models share a place.
    """
    hidden = where_hidden(table)
    structure, title = hidden.structures[0], titles.get(hidden.dataset, hidden.dataset)
    shown = select(table, hidden.dataset, structure)
    shown = one_per_kind(shown.assign(kind=[kind(row) for _, row in shown.iterrows()]), "network", "kind")
    networks = by_known_order(shown["network"].tolist(), list(_TITLES))
    kinds = by_known_order(shown["kind"].tolist(), _ORDER)
    figure = Figure(figsize=(7.4, 1.35 + 0.4 * len(kinds)), layout="constrained")
    panels = figure.subplots(1, len(networks), sharex=True, sharey=True, squeeze=False)[0]
    for axes, network in zip(panels, networks, strict=True):
        draw_column(axes, shown[shown["network"] == network], kinds, LOOKS, intervals=False)
        axes.set_title(_TITLES.get(network, network))
    probability = shown.loc[shown["kind"] == "single", "probability"].max()
    words = {
        "benchmark": "All labels\n(benchmark)",
        "adaptive": f"Hidden in {title},\nno label dropout",
        "single": f"Hidden in {title},\n{100 * probability:g} % label dropout",
    }
    panels[0].set_yticks(range(len(kinds)), [words.get(name, LOOKS[name].title) for name in kinds])
    panels[len(panels) // 2].set_xlabel(f"Dice score, {looks.within_sentence(structure)}, {title} ({counted(shown)})")
    set_title(figure, "Label dropout in other networks", simulated=simulated)
    figure.supxlabel(note(shown), fontsize=6, color="0.3")
    return figure
