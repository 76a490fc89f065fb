"""Speckle: random scatterers blurred by a point-spread function.

Fully developed speckle is the magnitude of a complex Gaussian field (Wagner et al., "Statistics of speckle in
ultrasound B-scans", IEEE Trans. Sonics Ultrason. 30 (1983) 156-163). The field is white noise times the amplitude of
the tissue, blurred along and across the beams; in a polar grid the lateral blur of a phased array has a constant angle
and widens away from the focus.
"""

import numpy as np
from jaxtyping import Complex64, Float32
from scipy.ndimage import gaussian_filter1d


def draw_scatterers(shape: tuple[int, int], rng: np.random.Generator) -> Complex64[np.ndarray, "r a"]:
    """Draw white complex Gaussian noise of unit mean power.

    Args:
        shape: (ranges, beams).
        rng: Source of randomness.
    """
    parts = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return parts[0] + 1j * parts[1]


def mix_scatterers(
    old: Complex64[np.ndarray, "r a"], new: Complex64[np.ndarray, "r a"], correlation: float
) -> Complex64[np.ndarray, "r a"]:
    """Scatterers of the next frame of a video: unit mean power, with correlation `correlation` to the previous ones."""
    return np.float32(correlation) * old + np.float32(np.sqrt(1 - correlation**2)) * new


def _kernel_energy(sigma: float) -> float:
    """Sum of the squares of the blur's weights: the share of power that white noise keeps."""
    half = int(4 * sigma + 0.5) + 1
    impulse = np.zeros(2 * half + 1)
    impulse[half] = 1
    return float((gaussian_filter1d(impulse, sigma, mode="constant") ** 2).sum())


def envelope(
    amplitude: Float32[np.ndarray, "r a"],
    scatterers: Complex64[np.ndarray, "r a"],
    axial_sigma: float,
    lateral_sigma: Float32[np.ndarray, " r"],
) -> Float32[np.ndarray, "r a"]:
    """Magnitude of the blurred scatterers; where the amplitude is constant, its square is the mean square.

    Args:
        amplitude: Linear amplitude of the tissue.
        scatterers: Scatterers of unit mean power.
        axial_sigma: Standard deviation of the point-spread function along a beam, in samples.
        lateral_sigma: The same across the beams, in beams, for each range.
    """
    field = amplitude * scatterers
    parts = np.stack([field.real, field.imag])
    parts = gaussian_filter1d(parts, axial_sigma, axis=1, mode="nearest") / np.float32(
        np.sqrt(_kernel_energy(axial_sigma))
    )
    # The blur changes with depth: a narrow and a wide one are mixed row by row.
    narrow, wide = float(lateral_sigma.min()), float(lateral_sigma.max())
    blurred = [
        gaussian_filter1d(parts, sigma, axis=2, mode="nearest") / np.float32(np.sqrt(_kernel_energy(sigma)))
        for sigma in ((narrow, wide) if wide > narrow else (narrow,))
    ]
    if len(blurred) == 1:
        mixed = blurred[0]
    else:
        weight = ((lateral_sigma - narrow) / (wide - narrow))[:, None]
        mixed = (1 - weight) * blurred[0] + weight * blurred[1]
    return np.hypot(mixed[0], mixed[1])
