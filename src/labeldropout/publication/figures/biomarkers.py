"""Biomarkers: differences between prediction and reference against the reference, one column per model.

This is Bland and Altman's plot with the reference itself on the horizontal axis: the two measurements are not of equal
standing (Krouwer, Stat Med 27 (2008) 778-780), and a prediction far off would make an axis of means unreadable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labeldropout.heart import Structure
from labeldropout.publication.figures.style import StructureLooks, by_known_order, set_title

_REACH = 0.95
"""The vertical axis shows this share of a row's differences; the others appear as triangles at its edge."""


_FURTHER = 1.3
"""The axis is extended to show limits of agreement up to this many times as far out."""


_LARGEST_FRACTION = 100.0
"""Limit of the axis for fractions in percent: if the initial volume is nearly zero, a fraction has no bound."""


@dataclass(frozen=True)
class _Line:
    """A row of the figure."""

    dataset: str
    measure: str
    instant: str
    against: str
    label: str

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table for this line."""
        mine = (table["dataset"] == self.dataset) & (table["measure"] == self.measure)
        return table[mine & (table["instant"] == self.instant)]


def _lines(patients: pd.DataFrame, titles: Mapping[str, str]) -> list[_Line]:
    """The lines shown: ejection fraction, end-diastolic volume, and the atrium where only the truth has it."""
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


def _title(lines: list[_Line]) -> str:
    """What is subtracted from the predictions, as stated by each row."""
    against = list(dict.fromkeys(line.against for line in lines))
    where = ", as each row says" if len(against) > 1 else ""
    return f"Biomarkers: prediction minus {' or '.join(against)}{where}; first seed of each model"


def _note(shown: list[str], models: list[str]) -> str:
    """Which models are shown, and where the others are."""
    others = len(models) - len(shown)
    beyond = "Lines, and the first numbers above a panel, are over all patients, also those beyond the axis."
    if not others:
        return beyond
    return (
        f"{beyond}\nShown, of {len(models)} models, those tested in the most rows: {', '.join(shown)};"
        f" {others} more {'stands' if others == 1 else 'stand'} in the table biomarkers."
    )


def _shown_models(patients: pd.DataFrame, lines: list[_Line]) -> list[str]:
    """Models with a number in most rows, so that the columns can be read side by side."""
    has = {model: sum(line.of(of_model).size > 0 for line in lines) for model, of_model in patients.groupby("model")}
    return [model for model in dict.fromkeys(patients["model"]) if has[model] == max(has.values())]


def draw(
    patients: pd.DataFrame,
    agreement: pd.DataFrame,
    titles: Mapping[str, str],
    models: Mapping[str, str],
    looks: StructureLooks,
    *,
    simulated: bool,
) -> Figure:
    """Draw Bland-Altman plots: rows are measures and data sets, columns are models; one seed of each.

    Args:
        patients: `BIOMARKERS` of all models.
        agreement: `BIOMARKER_AGREEMENT`.
        titles: Title of each data set, in the order in which they are shown.
        models: Titles of models that have one.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.

    Raises:
        ValueError: There is nothing to show.
    """
    patients = patients[patients["seed"] == patients.groupby("model")["seed"].transform("min")]
    lines = _lines(patients, titles)
    if not lines:
        raise ValueError("biomarkers: no ejection fraction with a reference (expected patients with ED and ES).")
    shown = _shown_models(patients, lines)
    figure = Figure(figsize=(1.3 + 1.9 * len(shown), 1.2 + 1.8 * len(lines)), layout="constrained")
    panels = figure.subplots(len(lines), len(shown), sharex="row", sharey="row", squeeze=False)
    for row, line in zip(panels, lines, strict=True):
        mine = line.of(patients[patients["model"].isin(shown)])
        differences = np.abs(mine["prediction"] - mine[line.against]).dropna()
        # Even without differences the axis needs a height.
        reach = 1.35 * float(np.quantile(differences, _REACH)) if differences.any() else 1.0
        limits = line.of(agreement[agreement["model"].isin(shown) & (agreement["masks"] == "all")])
        limits = limits[limits["against"] == line.against][["limit_low", "limit_high"]].abs().to_numpy(float)
        # Limits slightly beyond should be visible; those far beyond would squeeze the points together.
        reach = max(reach, 1.05 * float(limits[limits < _FURTHER * reach].max(initial=0)))
        reach = min(reach, _LARGEST_FRACTION) if line.instant == "ED+ES" else reach
        for axes, model in zip(row, shown, strict=True):
            of_model = mine[mine["model"] == model]
            _draw_points(axes, of_model, line, reach, looks)
            rows = line.of(agreement[agreement["model"] == model])
            rows = rows[rows["against"] == line.against]
            of_seed = rows["seed"] == str(of_model["seed"].iloc[0])
            _draw_limits(axes, rows[of_seed & (rows["measured"] == "prediction")])
            for found in _rows(rows[rows["measured"] == "true_masks"], "all"):
                axes.axhline(found["bias"], color="#B00020", linewidth=1.0, linestyle=":", zorder=2)
            axes.set_ylim(-reach, reach)
            axes.grid(visible=True, axis="y")
        row[0].set_ylabel(line.label, fontsize=7)
        row[len(shown) // 2].set_xlabel(f"{line.against.capitalize()}", fontsize=7)
    for axes, model in zip(panels[0], shown, strict=True):
        # Above the numbers, which are the panel's title, since all titles of a panel are at the same height.
        axes.annotate(
            models.get(model, model), (0.5, 1), (0, 24), "axes fraction", "offset points", fontsize=7.5, ha="center"
        )
    set_title(figure, _title(lines), simulated=simulated)
    note = _note(shown, patients["model"].unique().tolist())
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4, title=note, title_fontsize=6)
    return figure


def _draw_points(axes: Axes, table: pd.DataFrame, line: _Line, reach: float, looks: StructureLooks) -> None:
    """One point per patient; hollow if a mask is implausible, a triangle at the edge if outside the axis."""
    difference = (table["prediction"] - table[line.against]).to_numpy(float)
    across = table[line.against].to_numpy(float)
    reasons = ["implausible_prediction"] + ["implausible_reference"] * (line.against == "reference")
    doubtful = table[reasons].ne("").any(axis=1).to_numpy()
    colour = looks.colours[Structure.LV if line.measure.startswith("lv") else Structure.LA]
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


def _rows(table: pd.DataFrame, masks: str) -> list[dict[str, Any]]:
    return table[table["masks"] == masks].to_dict("records")


def _words(found: Mapping[str, Any]) -> str:
    """Bias with its interval and limits of agreement, if defined; for a subset of the masks, without the interval."""
    if not found["n"]:
        return "none"
    interval = f" [{found['bias_low']:+.1f}, {found['bias_high']:+.1f}]"
    limits = f", limits {found['limit_low']:+.1f} to {found['limit_high']:+.1f}"
    if found["masks"] != "all":
        return f"n = {found['n']:.0f}, bias {found['bias']:+.1f}{limits if found['n'] > 1 else ''}"
    return f"bias {found['bias']:+.1f}{interval + limits if found['n'] > 1 else ''}"


def _draw_limits(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw bias and limits of agreement with their intervals, from the table; for plausible masks only, in words."""
    axes.axhline(0, color="0.6", linewidth=0.8)
    plausible = "".join(f"\nplausible: {_words(found)}" for found in _rows(rows, "plausible"))
    for found in _rows(rows, "all"):
        missing = f", {found['n_missing']:.0f} undefined" if found["n_missing"] else ""
        doubtful = f", {found['n_implausible']:.0f} implausible" if found["n_implausible"] else ""
        numbers = f"\n{_words(found)}" if found["n"] else ""
        # Unlike a text, a title does not make the layout narrow the panels.
        axes.set_title(
            f"n = {found['n']:.0f}{missing}{doubtful}{numbers}{plausible if found['n_implausible'] else ''}",
            loc="left",
            fontsize=5,
            pad=2,
        )
        if not found["n"]:
            axes.text(
                0.5, 0.62, "nothing could be measured", transform=axes.transAxes, fontsize=7, ha="center", color="0.3"
            )
            continue
        for name, style in (("bias", "-"), ("limit_low", "--"), ("limit_high", "--")):
            axes.axhline(found[name], color="0.1", linewidth=1.0, linestyle=style, zorder=2)
            axes.axhspan(found[f"{name}_low"], found[f"{name}_high"], color="0.1", alpha=0.10, linewidth=0)


def _legend() -> list[Line2D]:
    look = {"linestyle": "none", "markersize": 4, "color": "0.3"}
    return [
        Line2D([], [], marker="o", label="patient", **look),
        Line2D([], [], marker="o", markerfacecolor="none", label="implausible mask", **look),
        Line2D([], [], marker="^", label="beyond the axis", **look),
        Line2D([], [], color="0.1", linewidth=1.0, label="bias; dashed: limits of agreement; grey: 95 % intervals"),
        Line2D([], [], color="#B00020", linewidth=1.0, linestyle=":", label="bias of the true masks (plane, formula)"),
    ]
