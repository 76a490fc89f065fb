"""How far augmentation stands in for label dropout."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labeldropout.learning.experiments import AUGMENTATIONS
from labeldropout.publication.figures.arms import LOOKS, kind, where_hidden
from labeldropout.publication.figures.points import counted, draw_column, note, one_per_kind, select
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_TITLES = {
    "none": "No augmentation",
    "published": "nnU-Net's default",
    "strong": "Strong, on every image",
}

_ORDER = ("benchmark", "adaptive", "single", "marginal")


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the Dice score of the hidden structure, one panel per augmentation and one row per remedy.

    Args:
        table: `INSTRUMENT_TABLE` of experiment 10.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Labels are hidden in no data set or in several, or two models share a place.
    """
    hidden = where_hidden(table)
    structure, title = hidden.structures[0], titles.get(hidden.dataset, hidden.dataset)
    shown = select(table, hidden.dataset, structure)
    shown = shown.assign(what=[kind(row) for _, row in shown.iterrows()])
    shown["kind"] = [f"{row.what} {row.probability:g}" for row in shown.itertuples()]
    shown = one_per_kind(shown, "augmentation", "kind")
    first = shown.drop_duplicates("kind").sort_values("probability")
    place = by_known_order(first["what"].tolist(), _ORDER)
    rows = sorted(first.itertuples(), key=lambda row: (place.index(row.what), row.probability))
    of_kind = {row.kind: LOOKS[row.what] for row in rows}
    augmentations = by_known_order(shown["augmentation"].tolist(), AUGMENTATIONS)
    figure = Figure(figsize=(7.4, 1.4 + 0.4 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(augmentations), sharex=True, sharey=True, squeeze=False)[0]
    for axes, augmentation in zip(panels, augmentations, strict=True):
        draw_column(axes, shown[shown["augmentation"] == augmentation], list(of_kind), of_kind, intervals=False)
        axes.set_title(_TITLES.get(augmentation, augmentation))
    words = {"benchmark": "All labels\n(benchmark)", "adaptive": "Adaptive loss", "marginal": "Marginal loss"}
    dropout = "Adaptive loss,\n{:g} % label dropout"
    labels = [
        dropout.format(100 * row.probability) if row.what == "single" else words.get(row.what, LOOKS[row.what].title)
        for row in rows
    ]
    panels[0].set_yticks(range(len(rows)), labels)
    panels[len(panels) // 2].set_xlabel(f"Dice score, {looks.within_sentence(structure)}, {title} ({counted(shown)})")
    set_title(figure, f"{looks.titles[structure]} hidden in {title}: three augmentations", simulated=simulated)
    figure.supxlabel(note(shown), fontsize=6, color="0.3")
    return figure
