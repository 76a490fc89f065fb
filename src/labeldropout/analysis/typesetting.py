"""Tables for people: rounded cells, Markdown and LaTeX; the full numbers stay in the CSV."""

import math
from collections.abc import Sequence

import pandas as pd

NOTHING = "–"
"""Cell without a number."""

WIDEST = 20
"""Characters of a LaTeX column; longer cells are broken into lines."""


LONG = 40
"""Most lines of a LaTeX table that must stay on one page."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "–": "--",
    "−": "$-$",
    "\u202f": r"\,",
}


def number(value: float | None, decimals: int = 3, *, signed: bool = False) -> str:
    """Return a number with this many decimals; NaN and None give a dash, and minus is a true minus sign.

    Args:
        value: What to print.
        decimals: Digits after the point.
        signed: Whether a number above 0 carries a plus sign.
    """
    if value is None or math.isnan(value):
        return NOTHING
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if not text.strip("+-0."):  # rounded to 0: without a sign
        text = text.lstrip("+-")
    return text.replace("-", "−")


def mean_and_spread(mean: float, spread: float, decimals: int = 3) -> str:
    """Return `mean ± spread`, or the mean alone where there is no spread."""
    if math.isnan(mean) or math.isnan(spread):
        return number(mean, decimals)
    return f"{number(mean, decimals)} ± {number(spread, decimals)}"


def interval(low: float, high: float, decimals: int = 3, *, signed: bool = False) -> str:
    """Return `[low, high]`, or a dash where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"[{number(low, decimals, signed=signed)}, {number(high, decimals, signed=signed)}]"


def with_interval(value: float, low: float, high: float, decimals: int = 3, *, signed: bool = False) -> str:
    """Return `value [low, high]`; the value alone where there is no interval, and one dash where there is neither."""
    text = number(value, decimals, signed=signed)
    return text if math.isnan(low) or math.isnan(high) else f"{text} {interval(low, high, decimals, signed=signed)}"


def p_value(p: float) -> str:
    """Return a p value with two significant digits, `<0.001` below that."""
    if math.isnan(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def markdown(caption: str, table: pd.DataFrame) -> str:
    """Return a caption, an empty line and a table in Markdown.

    Args:
        caption: First line.
        table: Cells as text.
    """

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"

    rows = [line(list(table.columns)), "|" + " --- |" * len(table.columns)]
    rows += [line(row) for row in table.itertuples(index=False, name=None)]
    return "\n".join([caption, "", *rows, ""])


def widths(table: pd.DataFrame) -> list[int]:
    """Return the characters of each column's longest cell, its title included.

    Args:
        table: Cells as text.
    """
    return [max(len(str(cell)) for cell in (name, *table[name])) for name in table.columns]


def latex(caption: str, label: str, table: pd.DataFrame) -> str:
    """Return a LaTeX table in small type that fits a landscape page; needs the packages booktabs and longtable.

    Args:
        caption: Its caption.
        label: Its label, after `tab:`.
        table: Cells as text.
    """

    def escape(cell: object) -> str:
        return "".join(_LATEX.get(character, character) for character in str(cell))

    def line(cells: Sequence[object]) -> str:
        return " & ".join(escape(cell) for cell in cells) + r" \\"

    body = [line(row) for row in table.itertuples(index=False, name=None)]
    columns = "".join(r"p{2.9cm}" if width > WIDEST else "l" for width in widths(table))
    title, name = rf"\caption{{{escape(caption)}}}", rf"\label{{tab:{label}}}"
    head = [r"\toprule", line(list(table.columns)), r"\midrule"]
    small = [r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"]
    if len(body) > LONG:
        inside = [title + name + r" \\", *head, r"\endhead", r"\bottomrule", r"\endfoot", *body]
        lines = [
            r"\begingroup",
            *small,
            rf"\begin{{longtable}}{{{columns}}}",
            *inside,
            r"\end{longtable}",
            r"\endgroup",
        ]
    else:
        inside = [rf"\begin{{tabular}}{{{columns}}}", *head, *body, r"\bottomrule", r"\end{tabular}"]
        lines = [r"\begin{table}", *small, title, name, *inside, r"\end{table}"]
    return "\n".join([*lines, ""])
