"""The common style of all figures, and how they are saved: the same table gives the same bytes.

Colours are from Okabe and Ito's palette, which colour-blind readers can distinguish; the models have its versions of
the paper's green, blue and pink, and a hatch and a marker each, so that a figure printed in grey is still readable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from labeldropout.files import replacing
from labeldropout.labels import PALETTE, number_structures

PNG_DPI = 200
"""Also used for the layout: at a lower resolution, hinting makes text narrower than in the final figure."""

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "figure.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "0.88",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "figure.dpi": PNG_DPI,
    "svg.fonttype": "none",
    "svg.hashsalt": "labeldropout",
    "path.simplify": True,
}
"""Matplotlib settings while a figure is drawn and saved."""

MEAN_TITLE = "Mean foreground"
"""Title of the mean over the structures of an image."""


@dataclass(frozen=True)
class StructureLooks:
    """How the structures of a study are shown, in the order of their values."""

    structures: type[IntEnum]
    titles: Mapping[str, str]
    """By name; `mean` is the mean over the structures of an image."""
    colours: Mapping[IntEnum, str]
    """Such as `#E69F00`."""

    @property
    def names(self) -> list[str]:
        """Names of the structures."""
        return list(self.structures.__members__)

    def within_sentence(self, name: str) -> str:
        """The title of a structure inside a sentence: without a capital letter, unless that begins an abbreviation."""
        title = self.titles[name]
        return title if title[:2].isupper() else title[0].lower() + title[1:]


def looks_of(configured: Sequence[Mapping[str, Any]]) -> StructureLooks:
    """How the structures of a study are shown.

    Args:
        configured: Section `structures` of the configuration: `name` and, if given, `title` and `colour` of each.

    Raises:
        ValueError: A name is not valid, or appears twice.
    """
    structures = number_structures([one["name"] for one in configured])
    titles = {one["name"]: one.get("title", one["name"]) for one in configured}
    colours = {
        structure: one.get("colour", "#{:02X}{:02X}{:02X}".format(*PALETTE[structure - 1]))
        for structure, one in zip(structures, configured, strict=True)
    }
    return StructureLooks(structures, {**titles, "mean": MEAN_TITLE}, colours)


ROLE_TITLES = {
    "benchmark": "Benchmark, all labels",
    "standard": "Standard loss",
    "adaptive": "Adaptive loss",
}
"""The three kinds of model that the paper compares, in its order."""


ROLE_COLOURS = {"benchmark": "#3DAA7D", "standard": "#3F8FCB", "adaptive": "#D98BB4"}


ROLE_HATCHES = {"benchmark": "", "standard": "////", "adaptive": "xxxx"}

MODEL_TITLES = {
    "e2-standard-aug": "Standard loss\nwith augmentation",
    "e2-adaptive": "Adaptive loss\nwithout augmentation",
    "e2-adaptive-aug": "Adaptive loss\nwith augmentation",
    "e4b-label-dropout": "Adaptive loss, augmentation\nand label dropout",
    "e4b-pattern": "Adaptive loss, label dropout\nof whole label sets",
    "e4b-marginal": "Marginal loss\nwith augmentation",
}
"""Titles of models with their own column or row; other models are shown under their names."""


def role(model: str, loss: str) -> str:
    """The kind of a model: `benchmark` if its name says so, else its loss.

    Args:
        model: Row of the list of experiments.
        loss: Its loss.
    """
    return "benchmark" if "benchmark" in model.split("-") else loss


def by_known_order(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The distinct names: first the known ones, in their order, then the others as they occur."""
    different = list(dict.fromkeys(names))
    return [name for name in known if name in different] + [name for name in different if name not in known]


def set_title(figure: Figure, title: str, *, simulated: bool, y: float | None = None) -> None:
    """Put a title above the figure, which says whether data are simulated or all are real.

    Args:
        figure: The figure.
        title: Its title.
        simulated: Whether its data are.
        y: Position of the title, as a share of the height; for figures without a layout engine.
    """
    place = {} if y is None else {"y": y}
    figure.suptitle(f"{title} ({'simulated' if simulated else 'real'} data)", fontweight="bold", **place)


def _settle(figure: Figure) -> None:
    """Lay out once and round positions: the layout solver differs from run to run in the last bits."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(number, 6) for number in axes.get_position(original=True).bounds])


def save(figure: Figure, path: Path) -> None:
    """Write `<path>.svg` and `<path>.png`; the same figure gives the same bytes.

    Args:
        figure: What to write.
        path: Path without suffix.
    """
    with mpl.rc_context(STYLE):
        _settle(figure)
        with replacing(path.with_name(f"{path.name}.svg")) as file:
            # In an SVG the dpi applies to embedded pictures; without metadata there is no date and no version.
            figure.savefig(file, format="svg", dpi=PNG_DPI, metadata={"Date": None, "Creator": None})
        with replacing(path.with_name(f"{path.name}.png")) as file:
            figure.savefig(file, format="png", dpi=PNG_DPI, metadata={"Software": None})
