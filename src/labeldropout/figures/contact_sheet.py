"""One picture of a whole store of cases, to review by eye."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from labeldropout.labels import FOREGROUND, State, Structure
from labeldropout.store import CaseStore, replacing

COLOURS = {Structure.LV: (230, 159, 0), Structure.LVM: (86, 180, 233), Structure.LA: (240, 100, 190)}
"""Outlines; from Okabe and Ito's palette (LA's purple lightened for a dark ground), apart for the colour-blind."""

N_CASES = 60
_COLUMNS = 10
_TILE_PX = 192
_LINE_PX = 14
_LINES = 4
_GAP_PX = 8
_GROUND, _INK, _WARNING = (24, 24, 24), (225, 225, 225), (255, 214, 90)


def sample(store: CaseStore, n_cases: int = N_CASES) -> list[int]:
    """Rows of the store to show: flagged cases first, then the others, each spread evenly over the table."""
    flagged = np.flatnonzero(store.table["flags"].to_numpy() != "")
    plain = np.flatnonzero(store.table["flags"].to_numpy() == "")
    shown = _spread(flagged, n_cases)
    return [*shown, *_spread(plain, n_cases - len(shown))]


def _spread(rows: np.ndarray, n: int) -> list[int]:
    if n <= 0 or not len(rows):
        return []
    return [int(row) for row in rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int))]]


def tile(store: CaseStore, index: int) -> UInt8[np.ndarray, "h w 3"]:
    """Image of a case on square pixels, its longer side `_TILE_PX`, with the outlines of what is drawn."""
    image, target = np.asarray(store.image(index)), np.asarray(store.target(index))
    row_mm, column_mm = store.spacing_mm(index) or (1.0, 1.0)
    height, width = image.shape[0] * row_mm, image.shape[1] * column_mm
    scale = _TILE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX).convert("RGB")).copy()
    labels = np.asarray(Image.fromarray(target).resize(size, Image.Resampling.NEAREST))
    for structure in FOREGROUND:
        area = labels == structure
        picture[area & ~binary_erosion(area)] = COLOURS[structure]
    return picture


def contact_sheet(store: CaseStore, path: Path, n_cases: int = N_CASES) -> list[str]:
    """Draw a sample of a store as one PNG: image with outlines, and below it identifier, view and flags.

    The same store gives the same bytes.

    Args:
        store: The cases.
        path: The picture to write.
        n_cases: Number of cases at most.

    Returns:
        Identifiers of the cases shown, in order.
    """
    rows = sample(store, n_cases)
    n_columns = min(_COLUMNS, len(rows))
    n_rows = -(-len(rows) // n_columns)
    cell_width, cell_height = _TILE_PX + _GAP_PX, _TILE_PX + _LINES * _LINE_PX + _GAP_PX
    head = 2 * _LINE_PX + 2 * _GAP_PX
    width = max(n_columns * cell_width + _GAP_PX, 3 * cell_width)
    sheet = Image.new("RGB", (width, n_rows * cell_height + head), _GROUND)
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(11), ImageFont.load_default(14)
    n_flagged = int((store.table["flags"] != "").sum())
    datasets = ", ".join(sorted(store.table["dataset"].unique()))
    title = f"{datasets}: {len(rows)} of {len(store)} cases; {n_flagged} flagged, shown first"
    draw.text((_GAP_PX, _GAP_PX), title, _INK, large)
    x = float(_GAP_PX)
    for structure in FOREGROUND:
        draw.text((x, _GAP_PX + 1.3 * _LINE_PX), f"— {structure.name}", COLOURS[structure], small)
        x += draw.textlength(f"— {structure.name}   ", small)
    draw.text((x, _GAP_PX + 1.3 * _LINE_PX), "under each image: case; view; what is not drawn; flags", _INK, small)
    for place, index in enumerate(rows):
        left = _GAP_PX + (place % n_columns) * cell_width
        top = head + (place // n_columns) * cell_height
        picture = Image.fromarray(tile(store, index))
        sheet.paste(picture, (left + (_TILE_PX - picture.width) // 2, top + (_TILE_PX - picture.height) // 2))
        for line, (text, colour) in enumerate(_caption(store, index)):
            at = (left, top + _TILE_PX + 2 + line * _LINE_PX)
            draw.text(at, _fitted(draw, text, small), colour, small)
    with replacing(path) as file:
        sheet.save(file, format="PNG")
    return [str(case) for case in store.table["case"].iloc[rows]]


def _caption(store: CaseStore, index: int) -> list[tuple[str, tuple[int, int, int]]]:
    row = store.table.iloc[index]
    states = store.states(index)
    undrawn = [f"{s.name} {state}" for s, state in states.items() if state is not State.LABELLED]
    view = " ".join(part for part in (row["view"] or "view unknown", row["instant"], row["quality"]) if part)
    return [(row["case"], _INK), (view, _INK), (", ".join(undrawn), _INK), (row["flags"], _WARNING)]


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text, cut with an ellipsis where it is wider than a tile."""
    if draw.textlength(text, font) <= _TILE_PX:
        return text
    while text and draw.textlength(f"{text}…", font) > _TILE_PX:
        text = text[:-1]
    return f"{text}…"
