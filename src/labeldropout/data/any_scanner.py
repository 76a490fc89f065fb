"""Settings of any scanner: between those of the expected scanners, and a little beyond."""

import numpy as np

RANGES = {
    "half_angle_deg": (32.0, 45.0),
    "depth_per_lv_length": (1.6, 1.8),
    "near_mm": (1.0, 4.0),
    "axial_sigma_mm": (0.4, 0.65),
    "lateral_sigma_deg": (0.6, 0.8),
    "defocus": (0.4, 0.7),
    "dynamic_range_db": (48.0, 66.0),
    "gain_db": (1.0, 11.0),
    "gamma": (1.0, 1.35),
    "black_level": (0.0, 0.12),
    "attenuation_db_per_cm": (0.0, 0.6),
    "edge_drop_db": (8.0, 15.0),
    "drop_out_db": (2.5, 4.0),
    "shadows": (0.8, 1.5),
    "blood_db": (-49.0, -40.0),
    "septal_wall_db": (-34.0, -20.0),
    "lateral_wall_db": (-38.0, -26.0),
    "surroundings_db": (-38.0, -27.0),
    "texture_db": (4.5, 5.7),
    "specular_db": (9.0, 12.0),
    "haze_db": (-45.0, -36.0),
    "noise_db": (-67.0, -52.0),
    "smoothing_mm": (0.25, 0.5),
    "spacing_mm": (0.0, 0.625),
}
"""Lowest and highest mean of each setting among the expected scanners, in the order of the draws.

Levels of `AFTER_GAIN` are those after the gain, since a scanner with low levels has a high gain.

The values are written out so that a new data set does not retrain the cone network; a test fails when one lies outside.
"""

AFTER_GAIN = ("blood_db", "septal_wall_db", "lateral_wall_db", "surroundings_db", "haze_db", "noise_db")

BEYOND = 0.15
"""How far drawn settings extend beyond each end, as a share of the range."""


def draw_settings(rng: np.random.Generator) -> dict[str, float]:
    """Draw every number of an `Acquisition` anywhere in its range and a little beyond, each independently."""
    values = {}
    for name, (low, high) in RANGES.items():
        spread = high - low
        values[name] = float(rng.uniform(low - BEYOND * spread, high + BEYOND * spread))
    for name in AFTER_GAIN:
        values[name] -= values["gain_db"]
    return values
