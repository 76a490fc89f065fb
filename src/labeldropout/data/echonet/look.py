"""How EchoNet-Dynamic looks: facts of the real pictures, and simulated pictures to hold against them."""

from collections.abc import Iterator

from labeldropout.data.cohort import PHASE, draw_opening, patient_rng, sit
from labeldropout.data.echonet.scanner import STREAM
from labeldropout.data.look import Fact, Facts, Picture
from labeldropout.labels import Instant, View
from labeldropout.simulation.anatomy import draw_heart
from labeldropout.simulation.picture import draw_examination
from labeldropout.simulation.scanner import Acquisition

_P = "published pixel statistics; two sources agree"
_C = "nine short public clips of the project, lossy"
_FORMAT = "the release"

FACTS: Facts = {
    "frame_mean": Fact(32.8, _P),
    "frame_sd": Fact(50.0, _P),
    "above_mean": Fact(70.0, _C),
    "above_sd": Fact(54.0, _C),
    "above_q10": Fact(14.0, _C),
    "above_q50": Fact(54.0, _C),
    "above_q90": Fact(152.0, _C),
    "lv_mean": Fact("dark", _C),
    "opening_deg": Fact("wide", _C),
    "frame_rows": Fact((112.0, 112.0), _FORMAT),
    "frame_columns": Fact((112.0, 112.0), _FORMAT),
    "views": Fact("A4C", _FORMAT),
    "quality": Fact("mixed makers", _C),
    "scanner": Fact("several", _C),
}


LEFT_ALONE = ("black_level", "axial_sigma_mm", "lateral_sigma_deg")
"""Settings on which these facts say nothing."""


def pictures(acquisition: Acquisition, n: int, seed: int) -> Iterator[Picture]:
    """Simulated frames, each of another patient, at end diastole and end systole in turn.

    Args:
        acquisition: Mean settings of the domain.
        n: How many.
        seed: The same seed gives the same patients, poses and noise whatever the settings.
    """
    for index in range(n):
        rng = patient_rng(seed, STREAM, index)
        examination = draw_examination(draw_heart(rng), View.A4C, acquisition, rng)
        instant = tuple(Instant)[index % 2]
        yield sit(examination, PHASE[instant], draw_opening(instant, rng), rng)
