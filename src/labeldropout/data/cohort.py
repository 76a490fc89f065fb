"""What all simulated data sets share: patients, their quality, and stills of them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.labels import FOREGROUND, Instant, State
from labeldropout.simulation.anatomy import Heart
from labeldropout.simulation.picture import Examination, draw_noise, photograph
from labeldropout.simulation.scanner import Acquisition

ALL_LABELLED = dict.fromkeys(FOREGROUND, State.LABELLED)
"""States of the structures in the truth."""


PHASE = {Instant.ED: 0.0, Instant.ES: 1.0}
"""Phase of the heart at either instant."""


@dataclass(frozen=True)
class Cohort:
    """What `simulate` makes of one data set before it writes the truth."""

    cases: list[Case]
    """The truth: all structures labelled; `source_sha256` still empty."""
    hearts: dict[str, Heart]
    """By group name."""


def patient_rng(seed: int, stream: int, index: int) -> np.random.Generator:
    """Generator of one patient: the same whatever the number of patients, and another one in every stream.

    Args:
        seed: Of the study.
        stream: The data set's own number, given to no other.
        index: Number of the patient.
    """
    return np.random.default_rng([seed, stream, index])


def count(settings: dict[str, Any], key: str, lowest: int) -> int:
    """A whole number among the settings of a simulation.

    Raises:
        ValueError: It is missing, no whole number, or below `lowest`.
    """
    value = settings.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise ValueError(f"settings.{key}: {value!r} (expected a whole number of at least {lowest}).")
    return value


def check_keys(dataset: str, settings: dict[str, Any], known: tuple[str, ...]) -> None:
    """Refuse settings of a simulation that it does not know.

    Raises:
        ValueError: The first unknown key, and the known ones.
    """
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"settings of {dataset}: unknown key {unknown[0]!r} (expected {', '.join(known)}).")


def take_still(examination: Examination, phase: float, opening: float, rng: np.random.Generator) -> np.ndarray:
    """Picture of one moment with noise of its own: uint8 (H, W)."""
    scatterers, clutter = draw_noise(examination, rng)
    return photograph(examination, phase, opening, scatterers, clutter, rng)


def of_quality(acquisition: Acquisition, quality: str) -> Acquisition:
    """Settings behind a picture of this quality."""
    worse = {"Good": -0.5, "Medium": 0.4, "Poor": 1.4}[quality]
    return replace(
        acquisition,
        drop_out_db=max(acquisition.drop_out_db + 1.5 * worse, 0.2),
        lateral_wall_db=acquisition.lateral_wall_db - 2.5 * worse,
        haze_db=acquisition.haze_db + 2.5 * worse,
        noise_db=acquisition.noise_db + 2.5 * worse,
        shadows=max(acquisition.shadows + 0.6 * worse, 0.0),
    )
