"""One picture of a whole store of cases, for visual review."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from labeldropout.data.case_store import CaseStore
from labeldropout.drawing import in_colour, resized
from labeldropout.files import replacing
from labeldropout.labels import PALETTE, State

N_CASES = 60


_COLUMNS = 8


_TILE_PX = 240


_LINE_PX = 14


_GAP_PX = 8


_GROUND, _INK, _WARNING = (24, 24, 24), (225, 225, 225), (255, 214, 90)


def sample(flagged: Bool[np.ndarray, " n"], n_cases: int = N_CASES) -> list[int]:
    """Choose the rows of a store to show: flagged cases first, then the others, each spread evenly over the table.

    Args:
        flagged: Whether each case has a flag or a remark.
        n_cases: Maximum number of rows.
    """
    shown = _spread(np.flatnonzero(flagged), n_cases)
    return [*shown, *_spread(np.flatnonzero(~flagged), n_cases - len(shown))]


def _spread(rows: np.ndarray, n: int) -> list[int]:
    if n <= 0 or not len(rows):
        return []
    return [int(row) for row in rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int))]]


def tile(store: CaseStore, index: int) -> UInt8[np.ndarray, "h w 3"]:
    """Image of a case on square pixels, with longer side `_TILE_PX` and the outlines of the drawn structures."""
    image, target = np.asarray(store.image(index)), np.asarray(store.target(index))
    row_mm, column_mm = store.spacing_mm(index) or (1.0, 1.0)
    height, width = image.shape[0] * row_mm, image.shape[1] * column_mm
    scale = _TILE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = in_colour(resized(image, size, Image.Resampling.BOX)).copy()
    labels = np.asarray(Image.fromarray(target).resize(size, Image.Resampling.NEAREST))
    for structure in store.pixels.structures:
        area = labels == structure
        picture[area & ~binary_erosion(area)] = PALETTE[structure - 1]
    return picture


def contact_sheet(
    store: CaseStore, path: Path, n_cases: int = N_CASES, remarks: Mapping[str, str] | None = None
) -> list[str]:
    """Draw a sample of a store as one PNG: each image with outlines, and below it the identifier, view and flags.

    The same store gives the same bytes.

    Args:
        store: The cases.
        path: The picture to write.
        n_cases: Maximum number of cases.
        remarks: Further remarks by identifier of the case, such as a proposal's reasons; they count as flags.

    Returns:
        Identifiers of the cases shown, in order.
    """
    said = [
        " ".join(part for part in (flags, (remarks or {}).get(case, "")) if part)
        for case, flags in zip(store.table["case"], store.table["flags"], strict=True)
    ]
    flagged = np.array([bool(text) for text in said])
    shown = [(tile(store, index), _caption(store, index, said[index])) for index in sample(flagged, n_cases)]
    n_columns = min(_COLUMNS, len(shown))
    lines = [shown[start : start + n_columns] for start in range(0, len(shown), n_columns)]
    heights = [max(picture.shape[0] for picture, _ in line) for line in lines]
    depths = [max(len(caption) for _, caption in line) * _LINE_PX + 2 * _GAP_PX for line in lines]
    head = 3 * _LINE_PX + 2 * _GAP_PX
    cell = _TILE_PX + _GAP_PX
    sheet = Image.new("RGB", (max(n_columns, 3) * cell + _GAP_PX, head + sum(heights) + sum(depths)), _GROUND)
    draw = ImageDraw.Draw(sheet)
    _draw_head(draw, store, len(shown), int(flagged.sum()))
    small, top = _font(11), head
    for line, height, depth in zip(lines, heights, depths, strict=True):
        for column, (picture, caption) in enumerate(line):
            left = _GAP_PX + column * cell
            at = (left + (_TILE_PX - picture.shape[1]) // 2, top + height - picture.shape[0])
            sheet.paste(Image.fromarray(picture), at)
            for place, (text, colour) in enumerate(caption):
                draw.text((left, top + height + 2 + place * _LINE_PX), _fitted(draw, text, small), colour, small)
        top += height + depth
    with replacing(path) as file:
        sheet.save(file, format="PNG")
    return [caption[0][0] for _, caption in shown]


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with Matplotlib, so that it is the same everywhere."""
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _draw_head(draw: ImageDraw.ImageDraw, store: CaseStore, n_shown: int, n_flagged: int) -> None:
    datasets = ", ".join(sorted(store.table["dataset"].unique()))
    title = f"{datasets}: {n_shown} of {len(store)} cases; {n_flagged} flagged, shown first"
    draw.text((_GAP_PX, _GAP_PX), title, _INK, _font(14))
    small = _font(11)
    x, y = float(_GAP_PX), _GAP_PX + 1.6 * _LINE_PX
    for structure in store.pixels.structures:
        colour = PALETTE[structure - 1]
        draw.rectangle((x, y + 3, x + 9, y + 10), colour)
        draw.text((x + 13, y), structure.name, colour, small)
        x += 13 + draw.textlength(f"{structure.name}   ", small)
    draw.text((x, y), "Below each image: case; view, instant, quality; what is not drawn; flags.", _INK, small)


def _caption(store: CaseStore, index: int, flags: str) -> list[tuple[str, tuple[int, int, int]]]:
    row = store.table.iloc[index]
    states = store.states(index)
    undrawn = [f"{s.name} {state}" for s, state in states.items() if state is not State.LABELLED]
    unknown = "view unknown" if store.table["view"].any() else ""  # pictures of no view at all need no such line
    view = " ".join(part for part in (row["view"] or unknown, row["instant"], row["quality"]) if part)
    lines = [(row["case"], _INK), (view, _INK), (", ".join(undrawn), _INK), (flags, _WARNING)]
    return [(text, colour) for text, colour in lines if text]


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text, shortened with an ellipsis if it is wider than a tile."""
    if draw.textlength(text, font) <= _TILE_PX:
        return text
    while text and draw.textlength(f"{text}…", font) > _TILE_PX:
        text = text[:-1]
    return f"{text}…"
