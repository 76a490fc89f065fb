"""The claims as a forest plot: every comparison with its interval and criterion, and the verdicts in words."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.claims.rules import Outcome, Verdict
from labeldropout.analysis.claims.words import cell_words, effect_words, why_undecided
from labeldropout.analysis.typesetting import p_value
from labeldropout.publication.figures.style import set_title

_BLUE, _RED, _OCHRE = "#0072B2", "#D55E00", "#8A6D00"
_REGION, _GREY = "#DDE9D5", "0.35"


_LOOKS = {
    Outcome.HOLDS: {"color": _BLUE, "marker": "o", "markersize": 5.5},
    Outcome.CONTRADICTED: {"color": _RED, "marker": "X", "markersize": 6.5},
    Outcome.OPEN: {"color": _GREY, "marker": "D", "markersize": 4.5},
    Outcome.NOT_TRAINED: {"color": "0.65", "marker": "s", "markersize": 4.5},
}


_VERDICT_COLOURS = {Verdict.REPRODUCED: _BLUE, Verdict.IN_PART: _OCHRE, Verdict.CONTRADICTED: _RED}


# Inches.
_WIDTH = 11.0


_LEFT, _AXES, _GAP = 4.35, 3.6, 0.12


_LINE, _ROW, _STATEMENT, _TICKS, _BETWEEN = 0.125, 0.08, 0.17, 0.34, 0.16


_TOP, _BOTTOM = 0.75, 0.15


_LETTERS, _STATEMENT_LETTERS = 78, 120
"""Letters per line of the comparisons and of the statements."""


def draw(table: pd.DataFrame, title: str, *, simulated: bool) -> Figure:
    """Draw one block per claim: verdict, statement, and its comparisons below one another.

    Args:
        table: `CLAIMS`.
        title: Title of the figure.
        simulated: Whether the title must say that the data are simulated.
    """
    are_grouped = bool((table["unit"] == "patients").any())
    counts = zip(table["n"], table["n_patients"], strict=True)
    table = table.assign(counted=[f"{n} ({patients})" if are_grouped else str(n) for n, patients in counts])
    blocks = [_Block(rows) for _, rows in table.groupby("claim", sort=False)]
    height = _TOP + _BOTTOM + sum(block.height for block in blocks)
    figure = Figure(figsize=(_WIDTH, height))
    top = height - _TOP
    for block in blocks:
        block.draw_into(figure, top, height)
        top -= block.height
    set_title(figure, title, simulated=simulated, y=1 - 0.1 / height)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 1 - 0.26 / height)}
    figure.legend(handles=_legend(are_grouped=are_grouped), ncols=4, fontsize=7.5, **place)
    return figure


class _Block:
    """A claim: its height, and how it is drawn."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = list(rows.itertuples(index=False))
        first = self.rows[0]
        self.verdict = first.verdict
        self.name = first.claim
        self.statement = textwrap.wrap(first.statement, _STATEMENT_LETTERS)
        self.labels = [textwrap.wrap(f"{row.comparison}: {cell_words(row)}", _LETTERS) for row in self.rows]
        self.heights = [_ROW + _LINE * len(lines) for lines in self.labels]
        self.has_axis = any(_is_drawn(row) for row in self.rows)
        self.head = _STATEMENT * (1 + len(self.statement))
        self.height = self.head + sum(self.heights) + (_TICKS if self.has_axis else 0) + _BETWEEN

    def draw_into(self, figure: Figure, top: float, total: float) -> None:
        """Draw the block below `top` (inches from the lower edge) of a figure that is `total` high."""
        colour = _VERDICT_COLOURS.get(self.verdict, _GREY)
        head = {"ha": "left", "va": "top", "transform": figure.transFigure}
        verdict = f"{self.name}: {self.verdict}"
        figure.text(0.1 / _WIDTH, top / total, verdict, color=colour, fontweight="bold", fontsize=9, **head)
        place = (top - _STATEMENT) / total
        figure.text(0.1 / _WIDTH, place, "\n".join(self.statement), fontsize=8, **head)
        below = top - self.head
        size = (_AXES / _WIDTH, sum(self.heights) / total)
        axes = figure.add_axes((_LEFT / _WIDTH, below / total - size[1], *size))
        places, y = [], 0.0
        for height in self.heights:
            places.append(y + height / 2)
            y += height
        axes.set(ylim=(y, 0), yticks=[], xlim=_limits(self.rows))
        axes.spines["left"].set_visible(False)
        for row, place, height, lines in zip(self.rows, places, self.heights, self.labels, strict=True):
            _draw_row(axes, row, place, height, lines)
        if self.has_axis:
            axes.axvline(0, color="0.45", linewidth=0.7, zorder=1)
            axes.grid(visible=True, axis="x")
            axes.set_xlabel(_unit(self.rows), fontsize=7, labelpad=1.5)
            axes.tick_params(axis="x", labelsize=6.5, pad=1.5)
        else:
            axes.set_xticks([])
            axes.spines["bottom"].set_visible(False)


def _is_drawn(row: Any) -> bool:
    """Whether a row can be drawn on the axis: rows that are only shown may be in another unit."""
    return row.outcome in _LOOKS and not math.isnan(row.effect)


def _limits(rows: Sequence[Any]) -> tuple[float, float]:
    """Ends of the axis: every interval, 0 and every bound, with some room."""
    numbers = [0.0]
    for row in rows:
        if _is_drawn(row):
            numbers += [row.effect, row.low, row.high, row.low_95, row.high_95, *KINDS[row.kind].region(row.bound)]
    finite = [value for value in numbers if math.isfinite(value)]
    room = 0.06 * (max(finite) - min(finite)) or 0.05
    return min(finite) - room, max(finite) + room


def _unit(rows: Sequence[Any]) -> str:
    drawn = {row.kind for row in rows if _is_drawn(row)}
    axes = "; ".join(dict.fromkeys(kind.axis for kind in KINDS.values() if kind.name in drawn))
    return axes if "Dice" in axes else f"{axes} (Dice)"


def _draw_row(axes: Axes, row: Any, place: float, height: float, lines: Sequence[str]) -> None:
    beside = axes.get_yaxis_transform()
    left, right = -_GAP / _AXES, 1 + _GAP / _AXES
    is_shown = row.outcome == Outcome.SHOWN
    axes.text(
        left,
        place,
        "\n".join(lines),
        transform=beside,
        ha="right",
        va="center",
        fontsize=7,
        color=_GREY if is_shown else "black",
        linespacing=1.1,
    )
    axes.text(right, place, _result(row), transform=beside, ha="left", va="center", fontsize=7)
    if not _is_drawn(row):
        if not is_shown and (why := why_undecided(row)):
            axes.text(0.01, place, why, transform=beside, fontsize=7, va="center", style="italic", color=_GREY)
        return
    ends = axes.get_xlim()
    low, high = (min(max(value, ends[0]), ends[1]) for value in KINDS[row.kind].region(row.bound))
    axes.fill_betweenx([place - 0.47 * height, place + 0.47 * height], low, high, color=_REGION, linewidth=0, zorder=0)
    look = _LOOKS[row.outcome]
    axes.plot([row.low_95, row.high_95], [place, place], color=look["color"], linewidth=1.0, zorder=3)
    if row.confidence != 0.95:
        axes.plot([row.low, row.high], [place, place], color=look["color"], linewidth=2.8, zorder=3)
    axes.plot([row.effect], [place], linestyle="", markeredgecolor="white", markeredgewidth=0.6, zorder=4, **look)


def _result(row: Any) -> str:
    """The result in words and numbers."""
    if row.outcome == Outcome.NOT_TESTABLE or math.isnan(row.effect):
        return str(row.outcome)
    p = "" if math.isnan(row.p_holm) else f"; p {p_value(row.p_holm)}"
    return f"{row.outcome}: {effect_words(row)}{p}; n {row.counted}"


def _legend(*, are_grouped: bool) -> list[Line2D | Patch]:
    counted = "images (patients)" if are_grouped else "images"
    return [
        *(
            Line2D([], [], linestyle="-", linewidth=1.0, label=f"{outcome}, with 95 % interval", **look)
            for outcome, look in _LOOKS.items()
        ),
        Line2D([], [], color="0.2", linewidth=2.8, label="90 % interval that decides"),
        Patch(color=_REGION, label="where the interval has to lie (tests: and p < level)"),
        Line2D([], [], linestyle="", label=f"p: of these trainings, after Holm; n: {counted}"),
    ]
