"""Pictures: image, reference and predictions side by side (Figures 2, 4 (ii), 5 and Supplementary Figure 1)."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase, SubplotSpec
from matplotlib.patches import Patch

from labeldropout.drawing import in_colour
from labeldropout.publication.figures.style import StructureLooks, set_title

_LONGEST_SIDE_PX = 200
"""A picture is an inch and a half wide: more pixels would only make the file larger."""


CELL_INCH = 1.55

_LETTERS = 34
"""Letters of the smallest text beside each other below a picture."""

_TIE = "\u00a0"
"""A space at which no line ends."""


@dataclass(frozen=True)
class PictureRow:
    """One case of a panel."""

    title: str
    """Shown to the left of the image."""
    image: UInt8[np.ndarray, "h w *channels"]
    reference: UInt8[np.ndarray, "h w"]
    """Label map of the reference."""
    annotated: tuple[IntEnum, ...]
    """Structures that the reference covers."""
    predictions: Mapping[str, UInt8[np.ndarray, "h w"]]
    """Label map by model."""
    dice_scores: Mapping[str, Mapping[IntEnum, float]]
    """Scores by model and structure, from the table; NaN or missing if there is none."""
    pixel_aspect: float
    """Height over width of a pixel."""


def draw(
    rows: Sequence[PictureRow], models: Mapping[str, str], title: str, looks: StructureLooks, *, simulated: bool
) -> Figure:
    """Draw a panel: rows are cases; columns are image, reference and the models.

    Args:
        rows: The cases, from the top.
        models: Title of each model, in the order of the columns.
        title: Title of the figure.
        looks: How structures are shown.
        simulated: Whether the title must say that the data are simulated.
    """
    figure = Figure(figsize=panel_size(rows, models), layout="constrained")
    draw_into(
        figure.add_gridspec(len(rows), 2 + len(models), height_ratios=_heights(rows)), figure, rows, models, looks
    )
    figure.legend(handles=structure_legend(looks), loc="outside lower center", ncols=min(len(looks.names), 6))
    set_title(figure, title, simulated=simulated)
    return figure


def panel_size(rows: Sequence[PictureRow], models: Mapping[str, str]) -> tuple[float, float]:
    """Width and height of a panel in inches."""
    return 0.45 + (2 + len(models)) * CELL_INCH, 0.95 + sum(_heights(rows)) + 0.2 * len(rows)


def panel_grid(place: SubplotSpec, rows: Sequence[PictureRow], models: Mapping[str, str]) -> GridSpecBase:
    """The grid of a panel inside one place of a figure's grid."""
    return place.subgridspec(len(rows), 2 + len(models), height_ratios=_heights(rows))


def _heights(rows: Sequence[PictureRow]) -> list[float]:
    """Heights of the pictures in inches; all are equally wide."""
    return [CELL_INCH * row.pixel_aspect * row.image.shape[0] / row.image.shape[1] for row in rows]


def draw_into(
    grid: GridSpecBase,
    figure: Figure,
    rows: Sequence[PictureRow],
    models: Mapping[str, str],
    looks: StructureLooks,
) -> None:
    """Draw a panel into a grid of a figure.

    Args:
        grid: A row for each case, a column for the image, the reference and each model.
        figure: The figure that the grid divides.
        rows: The cases, from the top.
        models: Title of each model, in the order of the columns.
        looks: How structures are shown.
    """
    cells = [[figure.add_subplot(grid[line, column]) for column in range(2 + len(models))] for line in range(len(rows))]
    for axes, title in zip(cells[0], ("Image", "Reference", *models.values()), strict=True):
        axes.set_title(title, fontsize=7.5)
    for line, row in zip(cells, rows, strict=True):
        _show(line[0], row, None, looks)
        line[0].set_ylabel(row.title, fontsize=7.5)
        _show(line[1], row, row.reference, looks)
        line[1].set_xlabel(_drawn(row, looks), fontsize=6, labelpad=2)
        for axes, model in zip(line[2:], models, strict=True):
            _show(axes, row, row.predictions[model], looks)
            axes.set_xlabel(_scores(row.dice_scores.get(model, {}), looks), fontsize=6, labelpad=2)


def structure_legend(looks: StructureLooks) -> list[Patch]:
    """Entries for a legend of the structures."""
    return [
        Patch(facecolor=(*to_rgb(colour), 0.3), edgecolor=colour, label=looks.titles[structure.name])
        for structure, colour in looks.colours.items()
    ]


def _drawn(row: PictureRow, looks: StructureLooks) -> str:
    missing = [structure.name for structure in looks.structures if structure not in row.annotated]
    return _wrapped(f"not annotated: {', '.join(missing)}" if missing else "all annotated")


def _wrapped(text: str) -> str:
    """The text in lines as wide as a picture."""
    return textwrap.fill(text, _LETTERS, break_long_words=False)


def _scores(scores: Mapping[IntEnum, float], looks: StructureLooks) -> str:
    words = ", ".join(
        f"{structure.name} {scores[structure]:.2f}"
        if structure in scores and not np.isnan(scores[structure])
        else f"{structure.name} –"
        for structure in looks.structures
    )
    # A name stays on the line of its score.
    return _wrapped(f"Dice: {words.replace(' ', _TIE).replace(f',{_TIE}', ', ')}").replace(_TIE, " ")


def _show(axes: Axes, row: PictureRow, labels: np.ndarray | None, looks: StructureLooks) -> None:
    """Show the image with the outline and a tint of every structure over it."""
    factor = -(-max(row.image.shape[:2]) // _LONGEST_SIDE_PX)
    channels = [row.image] if row.image.ndim == 2 else list(np.moveaxis(row.image, 2, 0))
    reduced = [_reduced(channel, factor) for channel in channels]
    image = reduced[0] if len(reduced) == 1 else in_colour(np.stack(reduced, axis=2))
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="none", aspect=row.pixel_aspect)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if labels is None:
        return
    labels = labels[factor // 2 :: factor, factor // 2 :: factor]
    tint = np.zeros((*labels.shape, 4), np.uint8)
    for structure, colour in looks.colours.items():
        tint[labels == structure] = [*(round(255 * part) for part in to_rgb(colour)), 48]
    axes.imshow(tint, interpolation="none", aspect=row.pixel_aspect)
    # Of two outlines on the same border, the one whose name comes first in the alphabet is on top.
    for structure in sorted(looks.structures, key=lambda one: one.name, reverse=True):
        mask = labels == structure
        if mask.any():
            # There is nothing beyond the edge, so the outline closes there.
            padded = np.pad(mask.astype(np.float64), 1)
            rows, columns = (np.arange(-1, side + 1) for side in mask.shape)
            axes.contour(columns, rows, padded, levels=[0.5], colors=[looks.colours[structure]], linewidths=1.0)
    axes.set_xlim(-0.5, labels.shape[1] - 0.5)
    axes.set_ylim(labels.shape[0] - 0.5, -0.5)


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """The image with blocks of pixels replaced by their mean, including incomplete blocks at the end."""
    height, width = (-(-side // factor) * factor for side in image.shape)
    whole = np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1])), mode="edge")
    blocks = whole.reshape(height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)
