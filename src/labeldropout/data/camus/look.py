"""How CAMUS looks: facts of the real pictures, and simulated pictures to hold against them."""

from collections.abc import Iterator

from labeldropout.data.camus.scanner import STREAM, draw_view
from labeldropout.data.cohort import PHASE, draw_opening, patient_rng, sit
from labeldropout.data.look import Fact, Facts, Picture
from labeldropout.labels import Instant, View
from labeldropout.simulation.anatomy import draw_heart
from labeldropout.simulation.scanner import Acquisition

_A = "32 real stills of 15 test patients"
_MM = 0.308
"""Pixel size of the release, in mm: sizes and lags were counted in such pixels."""

FACTS: Facts = {
    "frame_mean": Fact(53.0, _A),
    "frame_sd": Fact(60.0, _A),
    "sector_mean": Fact(100.0, _A),
    "sector_sd": Fact(45.0, _A),
    "sector_dark": Fact(0.00, _A),
    "sector_q05": Fact(43.0, _A),
    "sector_q10": Fact(50.0, _A),
    "sector_q25": Fact(65.0, _A),
    "sector_q50": Fact(90.0, _A),
    "sector_q75": Fact(127.0, _A),
    "sector_q90": Fact(165.0, _A),
    "sector_q95": Fact(186.0, _A),
    "sector_between": Fact(13.0, _A),
    "lv_mean": Fact(72.0, _A),
    "lv_between": Fact(18.0, _A),
    "lv_within": Fact(26.0, _A),
    "la_mean": Fact(84.0, _A),
    "la_between": Fact(27.0, _A),
    "ring_mean": Fact(112.0, _A),
    "ring_between": Fact(16.0, _A),
    "cnr": Fact(0.50, _A),
    "lv_share": Fact(0.17, _A),
    "lv_share_between": Fact(0.07, _A),
    "la_share": Fact(0.11, _A),
    "la_share_between": Fact(0.04, _A),
    "sector_share": Fact(0.54, _A),
    "opening_deg": Fact((75.0, 79.0), _A),
    "depth_mm": Fact((111.0, 170.0), _A),
    "frame_height_mm": Fact((360 * _MM, 552 * _MM), _A),
    "frame_width_mm": Fact((440 * _MM, 669 * _MM), _A),
    "lag_rows_mm": Fact(2.4 * _MM, _A),
    "lag_columns_mm": Fact(3.8 * _MM, _A),
    "views": Fact("A2C, A4C", _A),
    "quality": Fact("good 35 %, medium 46 %, poor 19 %", _A),
    "scanner": Fact("one: GE Vivid E95", _A),
}
"""The published pixel statistics of the whole data set, 49.2 and 56.6 for the whole frame, are close to `_A`'s."""


LEFT_ALONE = ("edge_drop_db", "specular_db")
"""Settings on which these facts say nothing."""


def pictures(acquisition: Acquisition, n: int, seed: int) -> Iterator[Picture]:
    """Simulated stills, each of another patient: both views and both instants in turn.

    Args:
        acquisition: Mean settings of the domain.
        n: How many; a multiple of 4 has as many of each view and instant.
        seed: The same seed gives the same patients, poses and noise whatever the settings.
    """
    for index in range(n):
        rng = patient_rng(seed, STREAM, index)
        heart = draw_heart(rng)
        _, examination = draw_view(heart, tuple(View)[index % 2], acquisition, rng)
        instant = tuple(Instant)[index // 2 % 2]
        yield sit(examination, PHASE[instant], draw_opening(instant, rng), rng)
