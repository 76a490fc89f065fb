"""How numbers and tables look to a reader."""

import math

import pandas as pd
import pytest

from labeldropout.analysis.typesetting import (
    NOTHING,
    interval,
    latex,
    markdown,
    mean_and_spread,
    number,
    p_value,
    widths,
)


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(0.8731, False, "0.873"), (0.1, True, "+0.100"), (-0.1, False, "−0.100"), (math.nan, True, NOTHING)],
)
def test_numbers_are_rounded_and_missing_ones_are_dashes(value, signed, text):
    """Three decimals, a true minus sign, and a dash for NaN."""
    assert number(value, signed=signed) == text


def test_what_rounds_to_zero_has_no_sign():
    """A tiny negative difference is not printed as minus zero."""
    assert number(-1e-9, signed=True) == "0.000"
    assert number(-0.4, 0) == "0"


def test_p_values_are_never_printed_as_zero():
    """Small p values are bounds; others have two digits or more."""
    assert [p_value(p) for p in (1e-9, 0.00123, 0.0467, 0.2, 1.0, math.nan)] == [
        "<0.001",
        "0.001",
        "0.047",
        "0.20",
        "1.00",
        NOTHING,
    ]


def test_spreads_and_intervals_are_left_out_where_there_are_none():
    """A mean without an SD stands alone; half an interval is none."""
    assert mean_and_spread(0.873, 0.05) == "0.873 ± 0.050"
    assert mean_and_spread(0.873, math.nan) == "0.873"
    assert interval(-0.1, 0.2, signed=True) == "[−0.100, +0.200]"
    assert interval(math.nan, 0.2) == NOTHING


def test_tables_escape_what_would_break_them():
    """A bar in Markdown and the special characters of LaTeX are text, not markup."""
    table = pd.DataFrame({"a_b": ["50 %", "x|y"], "c": ["<0.001", "0.8 ± 0.1"]})
    assert markdown("Caption.", table).splitlines() == [
        "Caption.",
        "",
        "| a_b | c |",
        "| --- | --- |",
        "| 50 % | <0.001 |",
        r"| x\|y | 0.8 ± 0.1 |",
    ]
    text = latex("95 % interval", "t", table)
    assert r"a\_b & c \\" in text
    assert r"50 \% & $<$0.001 \\" in text
    assert r"0.8 $\pm$ 0.1" in text
    assert r"\caption{95 \% interval}" in text


def test_latex_breaks_long_cells_and_long_tables():
    """A column of long cells has a width, one of short cells none; a table of many lines may run over pages."""
    short = pd.DataFrame({"a": ["x" * 20], "b": ["y" * 21]})
    text = latex("Caption", "t", short)
    assert r"\begin{tabular}{lp{2.9cm}}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    many = latex("Caption", "t", pd.concat([short] * 41))
    assert r"\begin{longtable}{lp{2.9cm}}" in many
    assert many.index(r"\endhead") < many.index("xxx")
    assert many.count("x" * 20) == 41
    assert r"\begin{table}" not in many
    assert widths(short) == [20, 21]
