"""Tables for people: rounded cells, Markdown and LaTeX; the full numbers stay in the CSV."""

import math
from collections.abc import Sequence

import pandas as pd

NOTHING = "–"
"""Cell without a number."""

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
    """Return a number with this many decimals; NaN and None give a dash, minus is a minus sign.

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


def latex(caption: str, label: str, table: pd.DataFrame) -> str:
    """Return a LaTeX table; needs the package booktabs.

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
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
            r"\toprule",
            line(list(table.columns)),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
