"""How Unity Imaging looks: facts of the real pictures, and simulated pictures to hold against them."""

from collections.abc import Iterator

from labeldropout.data.cohort import patient_rng, sit
from labeldropout.data.look import Fact, Facts, Picture
from labeldropout.data.unity.scanner import STREAM, draw_sitting
from labeldropout.simulation.anatomy import contraction, draw_heart, valve_opening
from labeldropout.simulation.scanner import Acquisition

_B = "nine web pictures of the same group's later sets, an indication only"
_FORMAT = "the release"

FACTS: Facts = {
    "sector_mean": Fact(45.0, _B),
    "sector_sd": Fact(50.0, _B),
    "sector_dark": Fact(0.27, _B),
    "above_mean": Fact(68.0, _B),
    "above_sd": Fact(56.0, _B),
    "above_q10": Fact(15.0, _B),
    "above_q50": Fact(50.0, _B),
    "above_q90": Fact(154.0, _B),
    "lv_mean": Fact("near black", _B),
    "sector_share": Fact((0.21, 0.39), _B, tested=False),
    "depth_mm": Fact((120.0, 190.0), _B),
    "frame_rows": Fact((300.0, 768.0), _FORMAT),
    "frame_columns": Fact((400.0, 1024.0), _FORMAT),
    "views": Fact("mostly A2C", _FORMAT),
    "quality": Fact("mixed makers and ages", _FORMAT),
    "scanner": Fact("GE Vivid, Philips iE33 and others", _FORMAT),
}


LEFT_ALONE = ("black_level", "axial_sigma_mm", "lateral_sigma_deg")
"""Settings on which these facts say nothing."""


def pictures(acquisition: Acquisition, n: int, seed: int) -> Iterator[Picture]:
    """Simulated stills, each of another patient at any moment.

    Args:
        acquisition: Mean settings of the domain.
        n: How many.
        seed: The same seed gives the same patients, poses and noise whatever the settings.
    """
    for index in range(n):
        rng = patient_rng(seed, STREAM, index)
        heart = draw_heart(rng)
        _, examination = draw_sitting(heart, acquisition, rng)
        moment = float(rng.uniform())
        yield sit(examination, contraction(moment), valve_opening(moment), rng)
