"""Controls: is the damage due to missing labels, or to their being missing in one domain?"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labeldropout.publication.figures.arms import LOOKS, kind, where_hidden
from labeldropout.publication.figures.points import counted, draw_column, note, one_per_kind, select
from labeldropout.publication.figures.style import StructureLooks, set_title

_ORDER = ("benchmark", "adaptive", "single", "oracle", "independent", "without")


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the Dice score of the hidden structure, in the data set where it is hidden, for six ways to train.

    Args:
        table: `INSTRUMENT_TABLE` of experiment 5.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: Labels are hidden in no data set or in several, or two models are of the same kind.
    """
    hidden = where_hidden(table)
    structure, title = hidden.structures[0], titles.get(hidden.dataset, hidden.dataset)
    shown = select(table, hidden.dataset, structure)
    trained_without = [hidden.dataset not in names.split("+") for names in shown["train_on"]]
    shown = shown.assign(kind=[kind(row) for _, row in shown.iterrows()])
    shown.loc[trained_without, "kind"] = "without"
    shown = one_per_kind(shown, "kind")
    kinds = [name for name in _ORDER if (shown["kind"] == name).any()]
    figure = Figure(figsize=(7.4, 1.45 + 0.42 * len(kinds)), layout="constrained")
    axes = figure.subplots()
    draw_column(axes, shown, kinds, LOOKS, intervals=True)
    others = " and ".join(titles.get(name, name) for name in _others(shown))
    probability = shown.loc[shown["kind"] == "single", "probability"].max()
    words = {
        "benchmark": "All labels\n(benchmark)",
        "adaptive": f"Hidden in all of {title},\nno label dropout",
        "single": f"Hidden in all of {title},\n{100 * probability:g} % label dropout",
        "oracle": f"Hidden in all of {title},\npixels left out (oracle)",
        "independent": "As many hidden,\nwhatever the data set",
        "without": f"{others} alone\n(plain domain gap)",
    }
    axes.set_yticks(range(len(kinds)), [words[name] for name in kinds])
    axes.set_xlabel(f"Dice score, {looks.within_sentence(structure)}, {title} ({counted(shown)})")
    if "independent" in kinds:
        axes.set_title(
            "If the tie of a label to a data set does the damage, the star lies with the square;\n"
            "if the number of missing labels does it, with the circle. The star also has labels in the other data set.",
            fontsize=7.5,
            loc="left",
        )
    set_title(figure, "What would settle the explanation: hide labels whatever the data set", simulated=simulated)
    figure.supxlabel(note(shown), fontsize=6, color="0.3")
    return figure


def _others(shown: pd.DataFrame) -> list[str]:
    """The data sets of the model that was trained without the one shown."""
    names = shown.loc[shown["kind"] == "without", "train_on"]
    return [] if names.empty else names.iloc[0].split("+")
