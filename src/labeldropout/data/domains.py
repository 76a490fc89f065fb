"""The simulated domains and the search of their settings: pictures that look as the facts of the real data sets say.

The settings found are written into `data/<name>/scanner.py` by hand, once. Nothing here knows a network or a score.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from labeldropout.data.camus import look as camus_look
from labeldropout.data.camus import scanner as camus_scanner
from labeldropout.data.echonet import look as echonet_look
from labeldropout.data.echonet import scanner as echonet_scanner
from labeldropout.data.look import CELLS, Facts, Look, Picture, agrees, measure
from labeldropout.data.unity import look as unity_look
from labeldropout.data.unity import scanner as unity_scanner
from labeldropout.simulation.scanner import Acquisition


@dataclass(frozen=True)
class Range:
    """Where a setting may lie."""

    low: float
    high: float
    why: str
    above: str = ""
    """The setting from which the range is measured; empty for an absolute range."""


RANGES: dict[str, Range] = {
    "gain_db": Range(-10.0, 16.0, "the operator's knob, and what 0 dB means is ours"),
    "dynamic_range_db": Range(45.0, 80.0, "what consoles offer"),
    "gamma": Range(0.7, 2.2, "grey maps, from one that lifts the middle to a hard one"),
    "black_level": Range(0.0, 0.2, "grey of no echo, where a map lifts the blacks"),
    "attenuation_db_per_cm": Range(-0.3, 0.9, "left over by depth compensation, which may also do too much"),
    "edge_drop_db": Range(6.0, 20.0, "narrower aperture and worse contact at the sides"),
    "blood_db": Range(-62.0, -36.0, "harmonic pictures show blood as nothing, clutter shows it as grey"),
    "septal_wall_db": Range(
        8.0, 26.0, "muscle scatters about 20 dB more than blood at 3 MHz; clutter fills the gap", "blood_db"
    ),
    "lateral_wall_db": Range(4.0, 22.0, "the same, less what fibres along the beam do not return", "blood_db"),
    "surroundings_db": Range(4.0, 22.0, "lung and chest wall: between blood and muscle", "blood_db"),
    "haze_db": Range(-6.0, 14.0, "reverberation near the probe: below or well above blood", "blood_db"),
    "noise_db": Range(-30.0, 0.0, "of the electronics at the first sample: never above blood", "blood_db"),
    "texture_db": Range(3.0, 6.5, "slow variation within a tissue; ours"),
    "specular_db": Range(6.0, 14.0, "borders that face the probe against borders along the beam; ours"),
    "axial_sigma_mm": Range(0.3, 0.8, "one to two periods of 1.7 to 3.4 MHz"),
    "lateral_sigma_deg": Range(0.4, 1.2, "wavelength over an aperture of 15 to 25 mm, there and back"),
}
"""The settings that may be searched, in the order in which they are set."""

_PULL = 0.5
"""Weight of a setting's distance from the middle of its range (1 at either end) beside one tolerance of a fact."""

_STEP = 0.04
"""Step of the numerical derivative as a share of a range: pictures change in jumps of one grey level."""


@dataclass(frozen=True)
class Domain:
    """A simulated data set, and how it should look."""

    acquisition: Acquisition
    facts: Facts
    searched: tuple[str, ...]
    """Settings in `RANGES` on which the facts say something; the others stay."""
    pictures: Callable[[Acquisition, int, int], Iterator[Picture]]


def _domain(scanner: ModuleType, look: ModuleType) -> Domain:
    searched = tuple(name for name in RANGES if name not in look.LEFT_ALONE)
    return Domain(scanner.ACQUISITION, look.FACTS, searched, look.pictures)


DOMAINS: dict[str, Domain] = {
    "camus": _domain(camus_scanner, camus_look),
    "unity": _domain(unity_scanner, unity_look),
    "echonet": _domain(echonet_scanner, echonet_look),
}


def settings_at(start: Acquisition, searched: tuple[str, ...], share: Float[np.ndarray, " p"]) -> Acquisition:
    """Settings at a point of the searched box.

    Args:
        start: The settings that are not searched.
        searched: Keys of `RANGES`, in their order there.
        share: Where each lies in its range, 0 to 1.
    """
    place = dict(zip(searched, share.tolist(), strict=True))
    found = start
    for name, within in RANGES.items():
        if name in place:
            base = getattr(found, within.above) if within.above else 0.0
            found = replace(found, **{name: base + within.low + place[name] * (within.high - within.low)})
    return found


def share_of(acquisition: Acquisition, searched: tuple[str, ...]) -> Float[np.ndarray, " p"]:
    """The reverse of `settings_at`; settings outside their range are moved to its end."""
    shares = []
    for name in searched:
        within = RANGES[name]
        base = getattr(acquisition, within.above) if within.above else 0.0
        shares.append((getattr(acquisition, name) - base - within.low) / (within.high - within.low))
    return np.clip(shares, 0.0, 1.0)


def look_of(domain: Domain, acquisition: Acquisition, n_images: int, seed: int) -> Look:
    """Measure the cells of a domain's facts on simulated pictures.

    Args:
        domain: The domain.
        acquisition: Mean settings.
        n_images: Number of pictures, each of another patient.
        seed: Seed of the patients; the same seed gives the same patients under all settings.
    """
    return measure(list(domain.pictures(acquisition, n_images, seed)), domain.facts)


def fit(domain: Domain, n_images: int, seed: int, evaluations: int, say: Callable[[str], None]) -> Acquisition:
    """Search the settings whose pictures are nearest to the facts, in units of their tolerances.

    Least squares over all cells that are tested, with the same patients and noise at every point (common random
    numbers), so that the difference of two points is that of their settings. What the facts leave open stays near the
    middle of its range.

    Args:
        domain: The domain; the search starts at its present settings.
        n_images: Number of pictures at every point.
        seed: Seed of the patients.
        evaluations: Most points tried, not counting those of the derivatives.
        say: Receives a line for every point tried.
    """
    tested = [name for name, fact in domain.facts.items() if fact.tested and not isinstance(fact.value, str)]

    def residuals(share: Float[np.ndarray, " p"]) -> Float[np.ndarray, " r"]:
        look = look_of(domain, settings_at(domain.acquisition, domain.searched, share), n_images, seed)
        cells = np.array([domain.facts[name].residual(name, look[name]) for name in tested])
        say(f"sum of squares {float((cells**2).sum()):.2f}, farthest {float(np.abs(cells).max()):.2f} tolerances")
        return np.concatenate([cells, _PULL * (2 * share - 1)])

    start = np.clip(share_of(domain.acquisition, domain.searched), 0.02, 0.98)
    found = least_squares(residuals, start, bounds=(0.0, 1.0), diff_step=_STEP, x_scale=1.0, max_nfev=evaluations)
    return settings_at(domain.acquisition, domain.searched, found.x)


def rows(domain: Domain, look: Mapping[str, float]) -> list[tuple[str, str, str, str, str]]:
    """Real beside simulated, a row per cell: what, real, simulated, whether they agree, source.

    Args:
        domain: The domain.
        look: Measured on its simulated pictures.
    """
    listed = []
    for name, cell in CELLS.items():
        if name not in domain.facts:
            continue
        fact, simulated = domain.facts[name], look.get(name, float("nan"))
        if isinstance(fact.value, tuple):
            real = " to ".join(f"{end:.{cell.decimals}f}" for end in fact.value)
        else:
            real = fact.value if isinstance(fact.value, str) else f"{fact.value:.{cell.decimals}f}"
        tested = fact.tested and not isinstance(fact.value, str)
        verdict = ("yes" if agrees(name, fact, simulated) else "no") if tested else ""
        shown = "" if np.isnan(simulated) else f"{simulated:.{cell.decimals}f}"
        listed.append((cell.title, real, shown, verdict, fact.source))
    return listed
