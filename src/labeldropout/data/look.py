"""How a data set looks: the numbers that are known of the real pictures, measured on any pictures.

All grey levels are 0 to 255, and "sector" means the pixels inside the cone. Every picture has the same weight, whatever
its size. A cell that no picture allows (no label map, no sector) is NaN.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import distance_transform_edt, gaussian_filter

from labeldropout.heart import Structure

DARK = 8
"""Grey level that splits the pixels of a sector into those without and those with an echo."""

RING_MM = (1.0, 8.0)
"""Distance from the cavity at which wall is measured: beyond the border's blur, within an adult wall."""

_CNR_BINS = 64
_SLOW_MM = 3.0
_LONGEST_LAG_MM = 8.0

Kind = Literal["level", "share", "between", "within", "pixel SD", "CNR", "lag", "angle", "size", "word"]

TOLERANCE: dict[str, tuple[float, float]] = {
    "level": (8.0, 0.0),
    "share": (0.03, 0.0),
    "between": (0.0, 1 / 3),
    "within": (0.0, 1 / 3),
    "pixel SD": (8.0, 0.0),
    "CNR": (0.1, 0.0),
    "lag": (0.0, 1 / 3),
    "angle": (5.0, 0.0),
}
"""By kind of cell: how far a simulated value may be from the real one, absolutely, and as a share of the real one."""


@dataclass(frozen=True)
class Cell:
    """One number of a data set's look."""

    title: str
    kind: Kind
    decimals: int


CELLS: dict[str, Cell] = {
    "frame_mean": Cell("whole frame, mean", "level", 0),
    "frame_sd": Cell("whole frame, SD", "pixel SD", 0),
    "sector_mean": Cell("sector, mean", "level", 0),
    "sector_sd": Cell("sector, SD", "pixel SD", 0),
    "sector_dark": Cell(f"sector, share below {DARK}", "share", 2),
    **{f"sector_q{q:02d}": Cell(f"sector, quantile {q} %", "level", 0) for q in (5, 10, 25, 50, 75, 90, 95)},
    "above_mean": Cell(f"pixels above {DARK}, mean", "level", 0),
    "above_sd": Cell(f"pixels above {DARK}, SD", "pixel SD", 0),
    **{f"above_q{q:02d}": Cell(f"pixels above {DARK}, quantile {q} %", "level", 0) for q in (10, 50, 90)},
    "sector_between": Cell("sector's mean, SD between frames", "between", 0),
    "lv_mean": Cell("LV blood, mean", "level", 0),
    "lv_between": Cell("LV blood, SD between frames", "between", 0),
    "lv_within": Cell("LV blood, SD within", "within", 0),
    "la_mean": Cell("left atrium, mean", "level", 0),
    "la_between": Cell("left atrium, SD between frames", "between", 0),
    "ring_mean": Cell("ring 1-8 mm around the LV cavity, mean", "level", 0),
    "ring_between": Cell("ring 1-8 mm around the LV cavity, SD between frames", "between", 0),
    "cnr": Cell("generalised CNR blood / ring", "CNR", 2),
    "lv_share": Cell("LV, share of the sector", "share", 2),
    "lv_share_between": Cell("LV, share of the sector, SD between frames", "between", 3),
    "la_share": Cell("LA, share of the sector", "share", 2),
    "la_share_between": Cell("LA, share of the sector, SD between frames", "between", 3),
    "sector_share": Cell("sector, share of the frame", "share", 2),
    "opening_deg": Cell("opening angle, deg", "angle", 0),
    "depth_mm": Cell("depth, mm", "size", 0),
    "frame_rows": Cell("frame, rows", "size", 0),
    "frame_columns": Cell("frame, columns", "size", 0),
    "frame_height_mm": Cell("frame, height in mm", "size", 0),
    "frame_width_mm": Cell("frame, width in mm", "size", 0),
    "lag_rows_mm": Cell("speckle in the cavity, lag along rows, mm", "lag", 2),
    "lag_columns_mm": Cell("speckle in the cavity, lag along columns, mm", "lag", 2),
    "views": Cell("views", "word", 0),
    "quality": Cell("quality", "word", 0),
    "scanner": Cell("scanner", "word", 0),
}
"""Every cell of the table of facts, in its order. Those of kind `word` are printed and not measured."""


@dataclass(frozen=True)
class Fact:
    """What is known of one cell of a real data set."""

    value: float | tuple[float, float] | str
    """A number, a range in which the mean lies, or words."""
    source: str
    tested: bool = True
    """Whether a simulated value has to agree; words never have to."""

    def residual(self, name: str, simulated: float) -> float:
        """Distance from the fact in units of the tolerance: within -1 to 1 if the two agree; 0 within a range.

        Args:
            name: Key in `CELLS`.
            simulated: The value to hold against the fact.
        """
        if isinstance(self.value, str):
            return 0.0
        if isinstance(self.value, tuple):
            low, high = self.value
            outside = min(simulated - low, 0.0) + max(simulated - high, 0.0)
            return outside / ((high - low) / 2 or 1.0) + float(np.sign(outside))
        return (simulated - self.value) / tolerance(name, self.value)


def tolerance(name: str, value: float) -> float:
    """How far a simulated number may be from the real `value` of the cell `name`."""
    absolute, relative = TOLERANCE[CELLS[name].kind]
    return absolute + relative * abs(value)


def agrees(name: str, fact: Fact, simulated: float) -> bool:
    """Whether a simulated number is within the tolerance of the cell `name`, or in the fact's range."""
    return abs(fact.residual(name, simulated)) <= 1


Facts = Mapping[str, Fact]
"""By key in `CELLS`."""


@dataclass(frozen=True)
class Picture:
    """One picture to measure."""

    image: UInt8[np.ndarray, "h w"]
    sector: Bool[np.ndarray, "h w"] | None
    """Pixels inside the cone; None where they are not known."""
    labels: UInt8[np.ndarray, "h w"] | None
    """Values of `Structure`; None where nothing is drawn."""
    spacing_mm: tuple[float, float]
    """Row and column; NaN where unknown."""
    opening_deg: float
    """Angle between the two sides of the cone; NaN where unknown."""
    depth_mm: float
    """From the first to the last sample; NaN where unknown."""


Look = dict[str, float]
"""Value of every measured cell; NaN where it cannot be measured."""


def measure(pictures: Sequence[Picture], names: Collection[str] = CELLS) -> Look:
    """Measure cells.

    Args:
        pictures: At least one.
        names: Keys of `CELLS`; those of kind `word` are passed over.
    """
    spreads = {f"{name.removesuffix('_mean')}_between": name for name in _SPREAD_OVER}
    every = {
        name: np.array([one(picture) for picture in pictures])
        for name, one in _OF_ONE.items()
        if name in names or any(spread in names for spread, of in spreads.items() if of == name)
    }
    look = {name: _mean(values) for name, values in every.items()}
    look |= {spread: _sd(every[name]) for spread, name in spreads.items() if name in every}
    frame = _histogram(pictures, lambda picture: np.ones(picture.image.shape, bool))
    sector = _histogram(pictures, lambda picture: picture.sector)
    above = np.where(np.arange(256) > DARK, sector, 0.0)
    look |= {"frame_mean": _moments(frame)[0], "frame_sd": _moments(frame)[1]}
    look |= {"sector_sd": _moments(sector)[1], "sector_dark": float(sector[:DARK].sum() / sector.sum())}
    look |= dict(zip(("above_mean", "above_sd"), _moments(above), strict=True))
    for name in CELLS:
        if "_q" in name:
            look[name] = _quantile(sector if name.startswith("sector") else above, int(name[-2:]) / 100)
    return {name: look[name] for name in CELLS if name in names and name in look}


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _sd(values: Float[np.ndarray, " n"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if known.size > 1 else float("nan")


def _histogram(
    pictures: Sequence[Picture], where: Callable[[Picture], Bool[np.ndarray, "h w"] | None]
) -> Float[np.ndarray, "256"]:
    """Sum of the pictures' shares of pixels at each grey level; NaN if none has any."""
    counts = [
        np.bincount(picture.image[mask], minlength=256) / mask.sum()
        for picture in pictures
        if (mask := where(picture)) is not None and mask.any()
    ]
    return np.sum(counts, axis=0) if counts else np.full(256, np.nan)


def _moments(histogram: Float[np.ndarray, "256"]) -> tuple[float, float]:
    """Mean and standard deviation."""
    weight, level = histogram / histogram.sum(), np.arange(256)
    mean = float((weight * level).sum())
    return mean, float(np.sqrt((weight * (level - mean) ** 2).sum()))


def _quantile(histogram: Float[np.ndarray, "256"], share: float) -> float:
    total = np.cumsum(histogram)
    return float(np.searchsorted(total, share * total[-1])) if np.isfinite(total[-1]) else float("nan")


def _level(picture: Picture, mask: Bool[np.ndarray, "h w"] | None) -> float:
    return float(picture.image[mask].mean()) if mask is not None and mask.any() else float("nan")


def _structure(picture: Picture, structure: Structure) -> Bool[np.ndarray, "h w"] | None:
    """Pixels of a structure that lie in the sector."""
    if picture.labels is None or picture.sector is None:
        return None
    return (picture.labels == structure) & picture.sector


def _share(picture: Picture, structure: Structure) -> float:
    mask = _structure(picture, structure)
    return float("nan") if mask is None else float(mask.sum() / picture.sector.sum())


def ring(picture: Picture) -> Bool[np.ndarray, "h w"] | None:
    """Pixels of the sector that are `RING_MM` away from the cavity of the left ventricle, whatever lies there."""
    cavity = _structure(picture, Structure.LV)
    if cavity is None or not cavity.any() or np.isnan(picture.spacing_mm).any():
        return None
    distance = distance_transform_edt(~cavity, sampling=picture.spacing_mm)
    return (distance >= RING_MM[0]) & (distance <= RING_MM[1]) & picture.sector


def generalised_cnr(first: UInt8[np.ndarray, " n"], second: UInt8[np.ndarray, " m"]) -> float:
    """Generalised contrast-to-noise ratio: 1 minus the overlap of two distributions of grey levels, 0 to 1.

    Rodriguez-Molares et al., "The generalized contrast-to-noise ratio: a formal definition for lesion detectability",
    IEEE Trans. Ultrason. Ferroelectr. Freq. Control 67 (2020) 745-759, equation 13.

    Args:
        first: Grey levels of one region.
        second: Those of the other.
    """
    shares = [np.histogram(values, bins=_CNR_BINS, range=(0, 256))[0] / values.size for values in (first, second)]
    return float(1 - np.minimum(*shares).sum())


def _cnr(picture: Picture) -> float:
    around = ring(picture)
    if around is None or not around.any():
        return float("nan")
    return generalised_cnr(picture.image[_structure(picture, Structure.LV)], picture.image[around])


def _within(picture: Picture) -> float:
    mask = _structure(picture, Structure.LV)
    return float(picture.image[mask].std()) if mask is not None and mask.any() else float("nan")


def speckle_lag_mm(picture: Picture, axis: int) -> float:
    """First distance at which the speckle's autocorrelation in the cavity falls below one half, in mm.

    Measured 3 mm inside the border of the cavity, on what a Gaussian blur of 3 mm leaves over, so that slow shading
    counts as no correlation; between two lags it is interpolated.

    Args:
        picture: The picture.
        axis: 0 along rows (from row to row), 1 along columns.

    Returns:
        NaN where no cavity is drawn or the spacing is unknown.
    """
    cavity = _structure(picture, Structure.LV)
    if cavity is None or np.isnan(picture.spacing_mm).any():
        return float("nan")
    inner = distance_transform_edt(cavity, sampling=picture.spacing_mm) > _SLOW_MM
    if inner.sum() < 100:
        return float("nan")
    sigma = [_SLOW_MM / spacing for spacing in picture.spacing_mm]
    weight = np.maximum(gaussian_filter(cavity.astype(np.float64), sigma), 1e-6)
    slow = gaussian_filter(np.where(cavity, picture.image, 0).astype(np.float64), sigma) / weight
    rest = np.moveaxis(np.where(inner, picture.image - slow, 0.0), axis, 0)
    seen = np.moveaxis(inner, axis, 0)
    spacing, before = picture.spacing_mm[axis], 1.0
    power = (rest**2).sum() / seen.sum()
    for lag in range(1, min(int(_LONGEST_LAG_MM / spacing) + 1, rest.shape[0])):
        pairs = (seen[lag:] & seen[:-lag]).sum()
        if not pairs or not power:
            break
        now = float((rest[lag:] * rest[:-lag]).sum() / pairs / power)
        if now < 0.5:
            return (lag - 1 + (before - 0.5) / (before - now)) * spacing
        before = now
    return float("nan")


_OF_ONE: dict[str, Callable[[Picture], float]] = {
    "sector_mean": lambda picture: _level(picture, picture.sector),
    "lv_mean": lambda picture: _level(picture, _structure(picture, Structure.LV)),
    "lv_within": _within,
    "la_mean": lambda picture: _level(picture, _structure(picture, Structure.LA)),
    "ring_mean": lambda picture: _level(picture, ring(picture)),
    "cnr": _cnr,
    "lv_share": lambda picture: _share(picture, Structure.LV),
    "la_share": lambda picture: _share(picture, Structure.LA),
    "sector_share": lambda picture: float("nan") if picture.sector is None else float(picture.sector.mean()),
    "opening_deg": lambda picture: picture.opening_deg,
    "depth_mm": lambda picture: picture.depth_mm,
    "frame_rows": lambda picture: float(picture.image.shape[0]),
    "frame_columns": lambda picture: float(picture.image.shape[1]),
    "frame_height_mm": lambda picture: picture.image.shape[0] * picture.spacing_mm[0],
    "frame_width_mm": lambda picture: picture.image.shape[1] * picture.spacing_mm[1],
    "lag_rows_mm": lambda picture: speckle_lag_mm(picture, 0),
    "lag_columns_mm": lambda picture: speckle_lag_mm(picture, 1),
}
"""Measured picture by picture; the cell is the mean over pictures."""

_SPREAD_OVER = ("sector_mean", "lv_mean", "la_mean", "ring_mean", "lv_share", "la_share")
"""Cells of one picture whose standard deviation between pictures is a cell too."""
