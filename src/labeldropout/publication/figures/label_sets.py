"""Three data sets, one of which lacks several structures: what helps there?"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labeldropout.publication.figures.arms import LOOKS, remedy
from labeldropout.publication.figures.points import counted, draw_column, note, one_per_kind, select
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_ORDER = ("standard", "adaptive", "single", "pattern", "marginal")


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the Dice score in the data set that lacks labels: one panel per structure, with every remedy.

    Args:
        table: `INSTRUMENT_TABLE` of experiment 4b.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: The observer drew on no data set or on several, or two models share a place.
    """
    drawn_on = table.loc[table["reference"] != "dataset", "dataset"].unique()
    if len(drawn_on) != 1:
        raise ValueError(f"expected an observer's scores in one data set, found {sorted(drawn_on)}.")
    dataset = drawn_on[0]
    title = titles.get(dataset, dataset)
    shown = table.assign(kind=[remedy(row) for _, row in table.iterrows()])
    kinds = by_known_order(shown["kind"].tolist(), _ORDER)
    structures = looks.names
    figure = Figure(figsize=(7.4, 1.4 + 0.36 * len(kinds)), layout="constrained")
    panels = figure.subplots(1, len(structures), sharex=True, sharey=True, squeeze=False)[0]
    for axes, structure in zip(panels, structures, strict=True):
        rows = one_per_kind(select(shown, dataset, structure), "kind")
        draw_column(axes, rows, kinds, LOOKS, intervals=False)
        by_observer = (rows["reference"] != "dataset").any()
        axes.set_title(f"{looks.titles[structure]}\n({'drawn by the observer' if by_observer else 'its own labels'})")
        axes.set_xlabel(counted(rows), fontsize=6, color="0.35")
    panels[0].set_yticks(range(len(kinds)), [LOOKS[name].title for name in kinds])
    own = shown.loc[(shown["dataset"] == dataset) & (shown["reference"] == "dataset"), "structure"]
    labelled = " and ".join(looks.titles[name] for name in structures if name in set(own))
    set_title(figure, f"{title} labels the {labelled} only: what helps the other structures", simulated=simulated)
    figure.supxlabel(f"Dice score. {note(shown)}", fontsize=6, color="0.3")
    return figure
