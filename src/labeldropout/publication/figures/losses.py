"""Losses for partial labels, each without and with label dropout, across domains and within one."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labeldropout.learning.experiments import LOSS_NAMES
from labeldropout.publication.figures.arms import LOOKS, hiding, kind
from labeldropout.publication.figures.points import counted, draw_point, note, one_per_kind, prepare_dice_axis, select
from labeldropout.publication.figures.style import ROLE_COLOURS, StructureLooks, set_title

_LOSS_TITLES = {
    "standard": "Standard",
    "adaptive": "Adaptive",
    "marginal": "Marginal",
    "marginal_exclusion": "Marginal\n+ exclusion",
    "adaptive_bce": "Adaptive\nBCE",
}


_MODES = {
    "": (LOOKS["adaptive"], "without label dropout"),
    "single": (LOOKS["single"], "label dropout of one structure"),
    "pattern": (LOOKS["pattern"], "label dropout of whole label sets"),
}
"""Marker and wording for each mode of label dropout, whatever the loss."""


_STEP = 0.25


@dataclass(frozen=True, order=True)
class _Setting:
    """Where labels are missing, and which."""

    trained_on_one: bool
    n_missing: int
    train_on: str
    dataset: str
    structures: tuple[str, ...]


def draw(table: pd.DataFrame, titles: Mapping[str, str], looks: StructureLooks, *, simulated: bool) -> Figure:
    """Draw one panel per setting and missing structure: losses in rows, label dropout as markers, benchmark as a line.

    Args:
        table: `INSTRUMENT_TABLE` of experiment 7.
        titles: Title of each data set.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: A cell cannot be read, two models share a place, or no label is hidden in any model.
    """
    by_cells = {cells: _setting(*cells) for cells in set(zip(table["train_on"], table["hidden"], strict=True))}
    settings = sorted({setting for setting in by_cells.values() if setting})
    if not settings:
        raise ValueError("no model has hidden labels (expected at least one setting).")
    places = [
        (setting, structure) for setting in settings for structure in looks.names if structure in setting.structures
    ]
    lines = [line for one in (False, True) if (line := [p for p in places if p[0].trained_on_one is one])]
    n_columns = max(len(line) for line in lines)
    figure = Figure(figsize=(7.4, 1.1 + 2.6 * len(lines)), layout="constrained")
    cells = figure.subplots(len(lines), n_columns, sharex=True, sharey=True, squeeze=False)
    losses = [name for name in LOSS_NAMES if (table.loc[table["hidden"] != "", "loss"] == name).any()]
    for line, of_line in zip(cells, lines, strict=True):
        for axes in line[len(of_line) :]:
            axes.remove()
        for axes, (setting, structure) in zip(line, of_line, strict=False):
            of_setting = [
                by_cells[cell] in {setting, None} and cell[0] == setting.train_on
                for cell in zip(table["train_on"], table["hidden"], strict=True)
            ]
            rows = select(table[of_setting], setting.dataset, structure)
            _draw_panel(axes, rows, losses)
            axes.set_title(_title(setting, structure, looks), fontsize=7.5)
            axes.set_xlabel(counted(rows), fontsize=6, color="0.35")
            axes.tick_params(labelbottom=True)
        line[0].set_yticks(range(len(losses)), [_LOSS_TITLES[name] for name in losses])
        line[0].set_ylabel(_where(of_line[0][0], titles), fontweight="bold")
    cells[0][0].set_ylim(len(losses) - 0.45, -0.55)
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, markeredgecolor="0.15", markeredgewidth=0.7, label=words)
        for mode, (look, words) in _MODES.items()
        if ((table["hidden"] != "") & (table["dropout_mode"] == mode)).any()
    ]
    handles.append(Line2D([], [], color=ROLE_COLOURS["benchmark"], label="benchmark (all labels), its interval"))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2,
        title=f"Dice score. {note(table)}",
        title_fontproperties={"size": 6},
    )
    set_title(figure, "Losses for partial labels: Dice score of the missing structures", simulated=simulated)
    return figure


def _setting(train_on: str, cell: str) -> _Setting | None:
    """The setting of a model; None if nothing is hidden."""
    hidden = hiding(cell)
    if hidden is None:
        return None
    return _Setting("+" not in train_on, len(hidden.structures), train_on, hidden.dataset, hidden.structures)


def _where(setting: _Setting, titles: Mapping[str, str]) -> str:
    """Whether labels are missing in one of several domains, or in a share of the cases of a single domain."""
    title = titles.get(setting.dataset, setting.dataset)
    return f"Within a domain\n({title})" if setting.trained_on_one else f"Across domains\n({title})"


def _title(setting: _Setting, structure: str, looks: StructureLooks) -> str:
    """Which structure is shown, and which are missing."""
    missing = "and".join(f" {name} " for name in looks.names if name in setting.structures).strip()
    return f"{looks.titles[structure]} ({missing} missing)"


def _draw_panel(axes: Axes, rows: pd.DataFrame, losses: list[str]) -> None:
    rows = rows.assign(kind=[kind(row) for _, row in rows.iterrows()])
    rows = one_per_kind(rows, "hidden", "loss", "dropout_mode")
    benchmark = rows[(rows["kind"] == "benchmark") & (rows["seed"] == "all") & rows["dice_mean"].notna()]
    for _, row in benchmark.iterrows():
        axes.axvspan(row["dice_low"], row["dice_high"], color=ROLE_COLOURS["benchmark"], alpha=0.25, linewidth=0)
        axes.axvline(row["dice_mean"], color=ROLE_COLOURS["benchmark"], linewidth=1.4)
    with_hidden = rows[rows["hidden"] != ""]
    for position, loss in enumerate(losses):
        of_loss = with_hidden[with_hidden["loss"] == loss]
        modes = [mode for mode in _MODES if (of_loss["dropout_mode"] == mode).any()]
        for index, mode in enumerate(modes):
            place = position + (index - (len(modes) - 1) / 2) * _STEP
            draw_point(axes, of_loss[of_loss["dropout_mode"] == mode], place, _MODES[mode][0], seeds_below=0.12)
    for position in range(1, len(losses)):
        axes.axhline(position - 0.5, color="0.9", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    prepare_dice_axis(axes)
