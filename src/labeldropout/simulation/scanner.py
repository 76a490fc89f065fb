"""The settings of a scanner, which differ between domains and between examinations."""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from scipy.ndimage import zoom

from labeldropout.cone import Cone, is_within
from labeldropout.simulation.scan_conversion import pixel_positions

Overlays = Literal["none", "screen", "noise"]
"""What is outside the cone: nothing; what a scanner's screen shows; or the faint noise left by compression."""


Layout = Literal["box", "screen", "square"]
"""Position of the cone: filling the picture as its box; somewhere on a screen; or as large as a square allows."""


@dataclass(frozen=True)
class Acquisition:
    """Settings of a scanner and its picture; levels in dB, 0 dB being the echo of the pericardium."""

    half_angle_deg: float
    """Half the opening angle of the cone."""
    depth_per_lv_length: float
    """Depth of the picture, as a multiple of the length of the left ventricle at end diastole."""
    near_mm: float
    """From the virtual apex to the first sample."""
    axial_sigma_mm: float
    """Point-spread function along a beam."""
    lateral_sigma_deg: float
    """Point-spread function across the beams, at the focus."""
    defocus: float
    """How much wider the lateral point-spread function is at the ends of a beam, as a share."""
    dynamic_range_db: float
    gain_db: float
    gamma: float
    """Exponent of the grey map: above 1 darkens the middle."""
    black_level: float
    """Grey value, 0 to 1, that the grey map gives to no echo: above 0 blacks are lifted."""
    attenuation_db_per_cm: float
    """Loss left over by the scanner's depth compensation."""
    edge_drop_db: float
    """Loss at the sides of the cone."""
    drop_out_db: float
    """Standard deviation of the loss from beam to beam."""
    shadows: float
    """Mean number of shadows of ribs and lung."""
    blood_db: float
    septal_wall_db: float
    lateral_wall_db: float
    surroundings_db: float
    texture_db: float
    """Standard deviation of slow variations within tissue."""
    specular_db: float
    """Gain of borders that face the probe relative to borders along the beam."""
    haze_db: float
    """Level of the reverberation that obscures the cavity near the probe; decays with depth."""
    noise_db: float
    """Level of electronic noise at the first sample; grows with depth."""
    smoothing_mm: float
    """Blur of the finished echo, since scanners smooth their pictures."""
    rows: int
    """Height of the picture in pixels; 0 for the layout `box`, where it follows from the depth."""
    columns: int
    """Width of the picture in pixels; likewise 0 for the layout `box`."""
    spacing_mm: float
    """Size of a pixel for the layout `box`; 0 for other layouts, where it follows from the depth."""
    layout: Layout
    overlays: Overlays


NATIVE = ("rows", "columns", "spacing_mm", "layout", "overlays")
"""Fields that belong to a domain at every severity."""


_SPREAD = {
    "half_angle_deg": 2.0,
    "depth_per_lv_length": 0.14,
    "near_mm": 0.8,
    "axial_sigma_mm": 0.08,
    "lateral_sigma_deg": 0.1,
    "defocus": 0.15,
    "dynamic_range_db": 3.0,
    "gain_db": 2.0,
    "gamma": 0.1,
    "black_level": 0.0,
    "attenuation_db_per_cm": 0.25,
    "edge_drop_db": 2.0,
    "drop_out_db": 0.8,
    "shadows": 0.4,
    "blood_db": 3.0,
    "septal_wall_db": 3.0,
    "lateral_wall_db": 3.5,
    "surroundings_db": 2.5,
    "texture_db": 1.0,
    "specular_db": 2.5,
    "haze_db": 4.5,
    "noise_db": 3.0,
    "smoothing_mm": 0.1,
}


_FLOOR = {
    "half_angle_deg": 24.0,
    "depth_per_lv_length": 1.4,
    "near_mm": 0.3,
    "axial_sigma_mm": 0.3,
    "lateral_sigma_deg": 0.4,
    "defocus": 0.0,
    "dynamic_range_db": 35.0,
    "gamma": 0.6,
    "black_level": 0.0,
    "attenuation_db_per_cm": -0.3,
    "edge_drop_db": 0.0,
    "drop_out_db": 0.2,
    "shadows": 0.0,
    "texture_db": 1.0,
    "specular_db": 0.0,
    "smoothing_mm": 0.0,
}


def interpolate(first: Acquisition, own: Acquisition, severity: float) -> Acquisition:
    """Mean settings of a domain at a severity of the shift: those of the first domain at 0, its own at 1.

    Args:
        first: Settings of the domain from which the shift is measured.
        own: The domain's own mean settings; `vary` spreads them over images.
        severity: 0 to 1.

    Raises:
        ValueError: The severity is not within 0 to 1.
    """
    if not 0 <= severity <= 1:
        raise ValueError(f"Severity {severity} (expected 0 to 1).")
    moved = {
        name: (1 - severity) * getattr(first, name) + severity * getattr(own, name)
        for name in (field.name for field in fields(Acquisition))
        if name not in NATIVE
    }
    return replace(own, **moved)


def vary(acquisition: Acquisition, rng: np.random.Generator) -> Acquisition:
    """Draw the settings of one examination around the means of its domain."""
    drawn = {}
    for name, spread in _SPREAD.items():
        value = getattr(acquisition, name) + spread * float(np.clip(rng.normal(), -2, 2))
        drawn[name] = max(value, _FLOOR.get(name, -np.inf))
    return replace(acquisition, **drawn)


@dataclass(frozen=True)
class Frame:
    """Position of a cone in a picture."""

    cone: Cone
    """In square pixels of the picture's width."""
    shape: tuple[int, int]
    mm_per_px: float
    """Width of a pixel; its height is this times `pixel_aspect`."""
    pixel_aspect: float = 1.0
    """Height of a pixel over its width."""

    @property
    def mask(self) -> np.ndarray:
        """Whether each pixel lies in the cone: bool (H, W)."""
        return is_within(self.cone, *pixel_positions(self.shape, self.pixel_aspect))

    @property
    def positions_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth (H, 1) and lateral position (1, W) of the pixels from the virtual apex, in mm."""
        row, column = pixel_positions(self.shape, self.pixel_aspect)
        return (row - self.cone.apex_row) * self.mm_per_px, (column - self.cone.apex_column) * self.mm_per_px


def draw_frame(
    acquisition: Acquisition, lv_length_mm: float, rng: np.random.Generator, pixel_aspect: float = 1.0
) -> Frame:
    """Draw the position of the cone in the picture.

    Args:
        acquisition: Settings of the examination.
        lv_length_mm: Length of the left ventricle at end diastole, which sets the depth.
        rng: Source of randomness.
        pixel_aspect: Height of a pixel over its width.
    """
    half_angle = float(np.deg2rad(acquisition.half_angle_deg))
    near_mm = acquisition.near_mm
    far_mm = near_mm + acquisition.depth_per_lv_length * lv_length_mm
    # The box of the cone, measured from the virtual apex: the first sample's arc begins lower at the sides.
    top_mm, half_width_mm = near_mm * np.cos(half_angle), far_mm * np.sin(half_angle)
    if acquisition.layout == "box":
        mm_per_px = acquisition.spacing_mm
        margin = rng.integers(0, 5, size=4)
        rows = int(np.ceil((far_mm - top_mm) / mm_per_px)) + int(margin[:2].sum())
        columns = int(np.ceil(2 * half_width_mm / mm_per_px)) + int(margin[2:].sum())
        apex_row = float(margin[0]) - top_mm / mm_per_px
        apex_column = float(margin[2]) + half_width_mm / mm_per_px
    else:
        rows, columns = acquisition.rows, acquisition.columns
        if acquisition.layout == "square":
            # The depth fills the height, so wide cones lose their corners at the sides.
            height, width = rows - rng.uniform(4, 9), np.inf
        else:
            height, width = rows * rng.uniform(0.8, 0.94), columns * rng.uniform(0.86, 0.96)
        mm_per_px = float(max((far_mm - top_mm) / height, 2 * half_width_mm / width))
        spare_rows = rows - (far_mm - top_mm) / mm_per_px
        spare_columns = columns - 2 * half_width_mm / mm_per_px
        apex_row = spare_rows * rng.uniform(0.3, 0.6) - top_mm / mm_per_px
        apex_column = columns / 2 - 0.5 + max(spare_columns, 0.05 * columns) * rng.uniform(-0.25, 0.25)
    cone = Cone(apex_row, apex_column, half_angle, near_mm / mm_per_px, far_mm / mm_per_px)
    return Frame(cone, (round(rows / pixel_aspect), columns), mm_per_px, pixel_aspect)


def _field(shape: tuple[int, int], coarse: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of mean 0 and standard deviation about 1: float32 (R, A)."""
    knots = rng.standard_normal(coarse, dtype=np.float32)
    factors = (shape[0] / coarse[0], shape[1] / coarse[1])
    smooth = zoom(knots, factors, order=2, mode="nearest", grid_mode=True)[: shape[0], : shape[1]]
    return smooth / max(float(smooth.std()), 1e-3)
