"""Every remedy beside each other, one panel for each place where labels are hidden."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from labeldropout.learning.experiments import ANY
from labeldropout.publication.figures.arms import LOOKS, Look, hiding, kind
from labeldropout.publication.figures.points import counted, draw_column, note, one_per_kind, select
from labeldropout.publication.figures.style import StructureLooks, set_title

_ALL_LOOKS = {
    **LOOKS,
    "marginal_exclusion": Look("Marginal loss with exclusion", "#5B7DB1", "d"),
    "adaptive_bce": Look("Adaptive binary cross-entropy", "#7A3E9D", "p"),
}

_ORDER = (
    *("benchmark", "standard", "adaptive", "single", "pattern", "marginal", "marginal_exclusion", "adaptive_bce"),
    *("oracle", "independent", "without"),
)


@dataclass(frozen=True, order=True)
class _Row:
    """A kind of model, with its probability of label dropout."""

    place: int
    probability: float
    kind: str

    @property
    def title(self) -> str:
        """Its title beside the panels."""
        dropout = f", {100 * self.probability:g} %" if self.probability else ""
        return f"{_ALL_LOOKS[self.kind].title}{dropout}"


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw the Dice score of each hidden structure where it is hidden: one panel per place, one row per way to train.

    Args:
        table: `INSTRUMENT_TABLE` of the item.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: No label is hidden, or two models are of the same kind.
    """
    cells = [cell for cell in table["hidden"].unique() if (found := hiding(cell)) and found.dataset != ANY]
    if not cells:
        raise ValueError("no model has hidden labels (expected at least one).")
    panels = [
        (f"{looks.titles[name]},\n{titles.get(where, where)}", _panel(table, cell, name))
        for cell in cells
        if (hidden := hiding(cell)) and (where := hidden.dataset)
        for name in hidden.structures
    ]
    of_row = {row.title: _ALL_LOOKS[row.kind] for row in sorted({row for _, shown in panels for row in shown["row"]})}
    figure = Figure(figsize=(max(7.4, 2.2 + 2.1 * len(panels)), 1.3 + 0.36 * len(of_row)), layout="constrained")
    drawn = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, shown) in zip(drawn, panels, strict=True):
        draw_column(axes, one_per_kind(shown, "kind"), list(of_row), of_row, intervals=False)
        axes.set_title(title)
        axes.set_xlabel(counted(shown), fontsize=6, color="0.35")
    drawn[0].set_yticks(range(len(of_row)), list(of_row))
    set_title(figure, "Dice score of hidden structures, where they are hidden", simulated=simulated)
    figure.supxlabel(note(pd.concat([shown for _, shown in panels])), fontsize=6, color="0.3")
    return figure


def _panel(table: pd.DataFrame, cell: str, structure: str) -> pd.DataFrame:
    """The scores of a structure in a place where labels are hidden, with the `row` of the figure and its title, `kind`.

    Of the models from which just these labels are hidden; those from which as many are hidden whatever the data set;
    and those without hidden labels that were trained on the same data sets, or on the others alone.
    """
    hidden = hiding(cell)
    if hidden is None:
        raise ValueError("no label is hidden (expected a place).")
    trained_on = frozenset("+".join(table.loc[table["hidden"] == cell, "train_on"]).split("+"))
    at_random = "+".join(f"{name}@{ANY}:{hidden.dataset}" for name in hidden.structures)
    rows = []
    for _, row in table.iterrows():
        names = frozenset(row["train_on"].split("+"))
        if row["hidden"]:
            belongs, what = row["hidden"] in {cell, at_random}, kind(row)
        else:
            belongs = names in {trained_on, trained_on - {hidden.dataset}}
            what = "benchmark" if hidden.dataset in names else "without"
        rows.append(_Row(_ORDER.index(what), float(row["probability"]), what) if belongs else None)
    shown = table.assign(row=rows, kind=[row and row.title for row in rows])[[row is not None for row in rows]]
    return select(shown, hidden.dataset, structure)
