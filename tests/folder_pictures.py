"""Made-up cells of two laboratories, laid out as a folder of anybody's pictures: colour pictures, grey masks."""

from pathlib import Path

import numpy as np
from PIL import Image

VALUES = {"nucleus": 255, "cytoplasm": 128}


def cell(
    rng: np.random.Generator, height: int, width: int, ground: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3) of a disc in a disc on a coloured ground, with noise, and its mask (H, W)."""
    row, column = rng.uniform(0.4, 0.6, 2) * (height, width)
    distance = np.hypot(*np.ogrid[-row : height - row, -column : width - column])[:height, :width]
    radius = rng.uniform(0.28, 0.38) * min(height, width)
    mask = np.where(distance < 0.6 * radius, 255, np.where(distance < radius, 128, 0)).astype(np.uint8)
    colours = np.array([ground, (190, 150, 200), (90, 40, 140)])
    picture = colours[np.searchsorted([128, 255], mask, side="right")] + rng.normal(0, 8, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8), mask


def write_laboratory(
    root: Path, folder: str, n_images: int, ground: tuple[int, int, int], seed: int, side: int | None = None
) -> None:
    """Write `<folder>/001.bmp` (24 bits) and `<folder>/001.png` and so on; sizes differ unless `side` is given."""
    rng = np.random.default_rng(seed)
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(1, n_images + 1):
        height, width = (side, side) if side else rng.integers(40, 60, 2)
        picture, mask = cell(rng, int(height), int(width), ground)
        Image.fromarray(picture).save(root / folder / f"{number:03d}.bmp")
        Image.fromarray(mask).save(root / folder / f"{number:03d}.png")


def write_laboratories(root: Path, n_images: tuple[int, int] = (12, 10)) -> None:
    """Two laboratories, yellow and purple; the first has a copy, the second a mask with stray values."""
    write_laboratory(root, "Dataset 1", n_images[0], (230, 220, 150), 1)
    write_laboratory(root, "Dataset 2", n_images[1], (200, 160, 220), 2, side=64)
    for ending in ("bmp", "png"):
        (root / f"Dataset 1/003.{ending}").write_bytes((root / f"Dataset 1/002.{ending}").read_bytes())
    stray = np.asarray(Image.open(root / "Dataset 2/004.png")).copy()
    stray[0, :4] = (63, 64, 191, 192)
    Image.fromarray(stray).save(root / "Dataset 2/004.png")
