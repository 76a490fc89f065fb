"""Biomarkers: differences between prediction and reference over the reference, one column per model.

Bland and Altman's plot with the reference itself on the horizontal axis: it is no second measurement of equal standing
(Krouwer, Stat Med 27 (2008) 778-780), and a prediction far off would spread the axis of means beyond reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labeldropout.figures.style import STRUCTURE_COLOURS, by_known_order, set_title
from labeldropout.labels import Structure

_REACH = 0.95
"""The vertical axis shows this share of a row's differences; the others stand as triangles at its edge."""
_LARGEST_FRACTION = 100.0
"""And no more than this of a fraction in percent: emptied from nearly nothing, it has no bound."""


@dataclass(frozen=True)
class _Line:
    """A row of the figure."""

    dataset: str
    measure: str
    instant: str
    against: str
    label: str

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that speak of it."""
        mine = (table["dataset"] == self.dataset) & (table["measure"] == self.measure)
        return table[mine & (table["instant"] == self.instant)]


def _lines(patients: pd.DataFrame, titles: Mapping[str, str]) -> list[_Line]:
    """What is shown: ejection fraction, end-diastolic volume, and the atrium where only the truth knows it."""
    lines = []
    known = {
        key: of_key[["reference", "truth"]].notna().any()
        for key, of_key in patients.groupby(["dataset", "measure", "instant"], sort=False)
    }
    datasets = by_known_order(patients["dataset"].tolist(), list(titles))
    for name, instant, label in (
        ("lv_ejection_fraction", "ED+ES", "LV ejection fraction (%)"),
        ("lv_volume", "ED", "LV end-diastolic volume (ml)"),
        ("la_emptying_fraction", "ED+ES", "LA emptying fraction (%)"),
    ):
        for dataset in datasets:
            for method in ("biplane", "discs"):
                there = known.get((dataset, f"{name}_{method}", instant))
                if there is None:
                    continue
                is_atrium = name.startswith("la_")
                if (there["truth"] and not there["reference"]) if is_atrium else there["reference"]:
                    against = "truth" if is_atrium else "reference"
                    words = f"{titles.get(dataset, dataset)}\n{label}\n{method}, minus {against}"
                    lines.append(_Line(dataset, f"{name}_{method}", instant, against, words))
                    break
    return lines


def _shown_models(patients: pd.DataFrame, lines: list[_Line]) -> list[str]:
    """Models with a number in most rows, so that the columns can be read side by side."""
    has = {model: sum(line.of(of_model).size > 0 for line in lines) for model, of_model in patients.groupby("model")}
    return [model for model in dict.fromkeys(patients["model"]) if has[model] == max(has.values())]


def draw(
    patients: pd.DataFrame,
    agreement: pd.DataFrame,
    titles: Mapping[str, str],
    models: Mapping[str, str],
    *,
    simulated: bool,
) -> Figure:
    """Bland-Altman plots: rows are measures and data sets, columns are models; one seed of each.

    Args:
        patients: `BIOMARKERS` of all models.
        agreement: `BIOMARKER_AGREEMENT`.
        titles: Title of each data set, in the order in which they are shown.
        models: Titles of models that have one.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: There is nothing to show.
    """
    patients = patients[patients["seed"] == patients.groupby("model")["seed"].transform("min")]
    lines = _lines(patients, titles)
    if not lines:
        raise ValueError("biomarkers: no ejection fraction with a reference (expected patients with ED and ES).")
    shown = _shown_models(patients, lines)
    figure = Figure(figsize=(1.3 + 1.75 * len(shown), 1.2 + 1.8 * len(lines)), layout="constrained")
    panels = figure.subplots(len(lines), len(shown), sharex="row", sharey="row", squeeze=False)
    for row, line in zip(panels, lines, strict=True):
        mine = line.of(patients[patients["model"].isin(shown)])
        differences = np.abs(mine["prediction"] - mine[line.against]).dropna()
        # Without any difference the axis still needs a height.
        reach = 1.35 * float(np.quantile(differences, _REACH)) if differences.any() else 1.0
        reach = min(reach, _LARGEST_FRACTION) if line.instant == "ED+ES" else reach
        for axes, model in zip(row, shown, strict=True):
            of_model = mine[mine["model"] == model]
            _draw_points(axes, of_model, line, reach)
            rows = line.of(agreement[(agreement["model"] == model) & (agreement["measured"] == "prediction")])
            rows = rows[(rows["against"] == line.against) & (rows["masks"] == "all")]
            _draw_limits(axes, rows[rows["seed"] == str(of_model["seed"].iloc[0])])
            axes.set_ylim(-reach, reach)
            axes.grid(visible=True, axis="y")
        row[0].set_ylabel(line.label, fontsize=7)
        row[len(shown) // 2].set_xlabel(f"{line.against.capitalize()}", fontsize=7)
    for axes, model in zip(panels[0], shown, strict=True):
        axes.set_title(models.get(model, model), fontsize=7.5, pad=20)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=2)
    set_title(figure, "Biomarkers: prediction minus reference, first seed of each model", simulated=simulated)
    return figure


def _draw_points(axes: Axes, table: pd.DataFrame, line: _Line, reach: float) -> None:
    """One point per patient; hollow if a mask is implausible, a triangle at the edge if it lies beyond."""
    difference = (table["prediction"] - table[line.against]).to_numpy(float)
    across = table[line.against].to_numpy(float)
    reasons = ["implausible_prediction"] + ["implausible_reference"] * (line.against == "reference")
    doubtful = table[reasons].ne("").any(axis=1).to_numpy()
    colour = STRUCTURE_COLOURS[Structure.LV if line.measure.startswith("lv") else Structure.LA]
    beyond = np.abs(difference) > reach
    for is_doubtful in (False, True):
        face = "none" if is_doubtful else colour
        for marker, kept, height in (
            ("o", ~beyond, difference),
            ("^", beyond & (difference > 0), np.full(len(table), 0.95 * reach)),
            ("v", beyond & (difference < 0), np.full(len(table), -0.95 * reach)),
        ):
            mine = kept & (doubtful == is_doubtful)
            axes.plot(
                across[mine],
                height[mine],
                marker,
                markersize=3.5,
                markerfacecolor=face,
                markeredgecolor=colour if is_doubtful else "0.25",
                markeredgewidth=0.8 if is_doubtful else 0.3,
                zorder=3,
            )


def _draw_limits(axes: Axes, rows: pd.DataFrame) -> None:
    """Bias and limits of agreement with their intervals, from the table."""
    axes.axhline(0, color="0.6", linewidth=0.8)
    for found in rows.to_dict("records"):
        for name, style in (("bias", "-"), ("limit_low", "--"), ("limit_high", "--")):
            axes.axhline(found[name], color="0.1", linewidth=1.0, linestyle=style, zorder=2)
            axes.axhspan(found[f"{name}_low"], found[f"{name}_high"], color="0.1", alpha=0.10, linewidth=0)
        missing = f", {found['n_missing']:.0f} undefined" if found["n_missing"] else ""
        doubtful = f", {found['n_implausible']:.0f} implausible" if found["n_implausible"] else ""
        axes.text(
            0.0,
            1.02,
            f"n = {found['n']:.0f}{missing}{doubtful}\n"
            f"bias {found['bias']:+.1f} [{found['bias_low']:+.1f}, {found['bias_high']:+.1f}],"
            f" limits {found['limit_low']:+.1f} to {found['limit_high']:+.1f}",
            transform=axes.transAxes,
            fontsize=5,
            va="bottom",
        )


def _legend() -> list[Line2D]:
    look = {"linestyle": "none", "markersize": 4, "color": "0.3"}
    return [
        Line2D([], [], marker="o", label="patient", **look),
        Line2D([], [], marker="o", markerfacecolor="none", label="implausible mask", **look),
        Line2D([], [], marker="^", label="beyond the axis", **look),
        Line2D([], [], color="0.1", linewidth=1.0, label="bias; dashed: limits of agreement; grey: 95 % intervals"),
    ]
