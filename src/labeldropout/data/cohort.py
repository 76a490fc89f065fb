"""Code shared by all simulated data sets: patients, image quality, and stills."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.data.look import Picture
from labeldropout.heart import FOREGROUND
from labeldropout.labels import Instant, State
from labeldropout.simulation.anatomy import Heart
from labeldropout.simulation.picture import Examination, annotate, draw_noise, photograph
from labeldropout.simulation.scanner import Acquisition

ALL_LABELLED = dict.fromkeys(FOREGROUND, State.LABELLED)
"""States of the structures in the truth."""


PHASE = {Instant.ED: 0.0, Instant.ES: 1.0}
"""Phase of the heart at each instant."""


@dataclass(frozen=True)
class Cohort:
    """What a data set's `simulate` returns, before the truth is written."""

    cases: list[Case]
    """The truth: all structures labelled; `source_sha256` still empty."""
    hearts: dict[str, Heart]
    """By group name."""


def patient_rng(seed: int, stream: int, index: int) -> np.random.Generator:
    """Random generator of one patient: independent of the number of patients, and different in every stream.

    Args:
        seed: Seed of the study.
        stream: The data set's own number, which no other data set has.
        index: Number of the patient.
    """
    return np.random.default_rng([seed, stream, index])


def count(settings: dict[str, Any], key: str, lowest: int) -> int:
    """Read a whole number from the settings of a simulation.

    Raises:
        ValueError: It is missing, not a whole number, or below `lowest`.
    """
    value = settings.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise ValueError(f"settings.{key}: {value!r} (expected a whole number of at least {lowest}).")
    return value


def check_keys(dataset: str, settings: dict[str, Any], known: tuple[str, ...]) -> None:
    """Refuse unknown settings of a simulation.

    Raises:
        ValueError: A key is unknown; the message names the first such key and the known ones.
    """
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"settings of {dataset}: unknown key {unknown[0]!r} (expected {', '.join(known)}).")


def take_still(examination: Examination, phase: float, opening: float, rng: np.random.Generator) -> np.ndarray:
    """Picture of one moment with its own noise: uint8 (H, W)."""
    scatterers, clutter = draw_noise(examination, rng)
    return photograph(examination, phase, opening, scatterers, clutter, rng)


def draw_opening(instant: Instant, rng: np.random.Generator) -> float:
    """Opening of the mitral valve in a still of this instant: it closes at end diastole, and is shut at end systole."""
    return float(rng.beta(1, 2)) if instant is Instant.ED else 0.0


def sit(examination: Examination, phase: float, opening: float, rng: np.random.Generator) -> Picture:
    """One still of an examination with all that is known of it, to be measured."""
    frame = examination.frame
    return Picture(
        image=take_still(examination, phase, opening, rng),
        sector=frame.mask,
        labels=annotate(examination, phase),
        spacing_mm=(frame.pixel_aspect * frame.mm_per_px, frame.mm_per_px),
        opening_deg=float(np.rad2deg(2 * frame.cone.half_angle_rad)),
        depth_mm=(frame.cone.far_px - frame.cone.near_px) * frame.mm_per_px,
    )


def of_quality(acquisition: Acquisition, quality: str) -> Acquisition:
    """Scanner settings that give a picture of this quality."""
    worse = {"Good": -0.5, "Medium": 0.4, "Poor": 1.4}[quality]
    return replace(
        acquisition,
        drop_out_db=max(acquisition.drop_out_db + 1.5 * worse, 0.2),
        lateral_wall_db=acquisition.lateral_wall_db - 2.5 * worse,
        haze_db=acquisition.haze_db + 2.5 * worse,
        noise_db=acquisition.noise_db + 2.5 * worse,
        shadows=max(acquisition.shadows + 0.6 * worse, 0.0),
    )
