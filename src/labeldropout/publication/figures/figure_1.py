"""Figure 1: models trained on one data set, tested on each of them."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labeldropout.publication.figures.boxes import NOTE, count_of, draw_boxes, one_per_place, over_seeds
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_OWN, _FOREIGN = "#3F8FCB", "#F0C48A"


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw box plots of the Dice score of the structure that all segment: rows are training sets, columns test sets.

    Args:
        table: `FIGURE_TABLE` of experiment 1.
        titles: Title of each data set, in the order in which they are shown.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Two models were trained on the same data set.
    """
    shown = over_seeds(table)
    structure = next(name for name in looks.names if (shown["structure"] == name).any())
    shown = one_per_place(shown[shown["structure"] == structure], "train_on", "dataset")
    trained = by_known_order(shown["train_on"].tolist(), list(titles))
    tested = by_known_order(shown["dataset"].tolist(), list(titles))
    figure = Figure(figsize=(7.4, 0.9 + 0.55 * len(trained) + 0.5), layout="constrained")
    panels = figure.subplots(1, len(tested), sharex=True, sharey=True, squeeze=False)[0]
    for axes, dataset in zip(panels, tested, strict=True):
        rows = shown[shown["dataset"] == dataset].set_index("train_on", drop=False).reindex(trained)
        own = [name == dataset for name in trained]
        draw_boxes(
            axes,
            rows,
            [float(place) for place in range(len(trained))],
            [_OWN if same else _FOREIGN for same in own],
            ["" if same else "////" for same in own],
            0.55,
            "horizontal",
        )
        for position, (_, row) in enumerate(rows.iterrows()):
            if pd.notna(row["n"]):
                axes.text(0.0, position - 0.3, count_of(row), fontsize=6, color="0.35", va="bottom")
        axes.set_title(f"Tested on {titles.get(dataset, dataset)}")
        axes.set_xlabel(f"Dice score, {looks.within_sentence(structure)}")
        axes.set_xlim(-0.02, 1.02)
        axes.grid(visible=True, axis="x")
    panels[0].set_yticks(range(len(trained)), [titles.get(name, name) for name in trained])
    panels[0].set_ylim(len(trained) - 0.5, -0.5)
    panels[0].set_ylabel("Trained on")
    set_title(figure, "Figure 1. Models trained on one data set, tested on each", simulated=simulated)
    figure.supxlabel(f"Plain: same data set; hatched: another. {NOTE}", fontsize=6, color="0.3")
    return figure
