"""Draw what a scanner writes over its pictures: rulers, text, an ECG trace."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from labeldropout.simulation.scanner import Frame, Overlays


def draw_overlay(overlays: Overlays, frame: Frame, rng: np.random.Generator) -> UInt8[np.ndarray, "h w"]:
    """Draw what a scanner burns into the picture: grey values, 0 where there is nothing.

    Args:
        overlays: The kind of overlay.
        frame: The cone in the picture; marks are placed beside it, and the trace may cross its lower edge.
        rng: Source of randomness.
    """
    height, width = frame.shape
    picture = Image.new("L", (width, height))
    if overlays != "screen":
        return np.asarray(picture)
    draw = ImageDraw.Draw(picture)
    small = ImageFont.load_default(size=max(7, round(height * rng.uniform(0.028, 0.04))))
    bright = int(rng.integers(120, 256))
    if rng.random() < 0.75:
        _draw_trace(draw, height, width, rng)
    if rng.random() < 0.85:
        _draw_ruler(draw, frame, bright, small, rng)
    if rng.random() < 0.7:
        left, top = int(width * rng.uniform(0.01, 0.05)), int(height * rng.uniform(0.05, 0.25))
        bar_width, bar_height = int(width * rng.uniform(0.015, 0.03)), int(height * rng.uniform(0.15, 0.35))
        for step in range(bar_height):
            shade = int(255 * (1 - step / bar_height))
            draw.line([(left, top + step), (left + bar_width, top + step)], fill=shade)
    _draw_text(draw, frame, bright, small, rng)
    return np.array(picture)


def _draw_ruler(
    draw: ImageDraw.ImageDraw, frame: Frame, shade: int, font: ImageFont.FreeTypeFont, rng: np.random.Generator
) -> None:
    """Draw a mark at every centimetre of depth on one side; every fifth is longer and may have a number."""
    height, width = frame.shape
    column = int(width * rng.uniform(0.95, 0.985)) if rng.random() < 0.7 else int(width * rng.uniform(0.02, 0.06))
    numbers = rng.random() < 0.8
    for centimetre in range(int(height * frame.mm_per_px / 10) + 1):
        row = frame.cone.apex_row + frame.cone.near_px + centimetre * 10 / frame.mm_per_px
        length = 5 if centimetre % 5 == 0 else 2
        draw.line([(column, row), (column + length, row)], fill=shade)
        if centimetre % 5 == 0 and centimetre and numbers:
            draw.text((column - 14, row - 4), str(centimetre), fill=shade, font=font)


def _draw_text(
    draw: ImageDraw.ImageDraw, frame: Frame, shade: int, font: ImageFont.FreeTypeFont, rng: np.random.Generator
) -> None:
    """Draw settings in a corner, a mark beside the top of the cone, and the heart rate below."""
    height, width = frame.shape
    if rng.random() < 0.8:
        words = ("Adult Echo", "S5-1", "M5S", "TIS 0.8 MI 1.3", "FR 50Hz", "17cm", "2D", "62%", "C 50", "P Low", "HGen")
        top = int(height * rng.uniform(0.01, 0.05))
        left = int(width * (rng.uniform(0.01, 0.12) if rng.random() < 0.7 else rng.uniform(0.72, 0.84)))
        for line in range(int(rng.integers(1, 6))):
            draw.text((left, top + line * font.size * 1.15), str(rng.choice(words)), fill=shade, font=font)
    if rng.random() < 0.7:
        row = frame.cone.apex_row + height * rng.uniform(-0.01, 0.03)
        column = frame.cone.apex_column + width * rng.uniform(0.02, 0.05)
        draw.text((column, row), str(rng.choice(("V", "P", "oo", "M", "+"))), fill=shade, font=font)
    if rng.random() < 0.5:
        draw.text((width * rng.uniform(0.78, 0.9), height * rng.uniform(0.88, 0.95)), "72 bpm", fill=shade, font=font)


def _draw_trace(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    """Draw an electrocardiogram along the lower border."""
    base = height * rng.uniform(0.86, 0.97)
    amplitude = height * rng.uniform(0.03, 0.1)
    period = width * rng.uniform(0.25, 0.6)
    time = np.arange(int(width * rng.uniform(0, 0.15)), int(width * rng.uniform(0.8, 1.0)))
    share = ((time + rng.uniform(0, period)) % period) / period
    waves = ((0.18, 0.03, 0.12), (0.29, 0.008, -0.15), (0.31, 0.011, 1.0), (0.335, 0.01, -0.25), (0.55, 0.05, 0.25))
    signal = sum(size * np.exp(-0.5 * ((share - centre) / spread) ** 2) for centre, spread, size in waves)
    points = list(zip(time.tolist(), (base - amplitude * signal).tolist(), strict=True))
    draw.line(points, fill=int(rng.integers(110, 230)), width=int(rng.integers(1, 3)))
