"""Simulate Unity Imaging: the settings of its scanners, and its patients."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.data.camus.scanner import ACQUISITION as FIRST_ACQUISITION
from labeldropout.data.cohort import ALL_LABELLED, Cohort, check_keys, count, patient_rng, take_still
from labeldropout.data.unity import NAME
from labeldropout.data.unity import writer as unity_writer
from labeldropout.labels import View
from labeldropout.simulation.anatomy import Heart, contraction, draw_heart, valve_opening
from labeldropout.simulation.picture import Examination, annotate, draw_examination
from labeldropout.simulation.scanner import Acquisition, interpolate

STREAM = 1
"""This data set's own stream of random numbers; no other simulated data set may use this number."""

_WRITER_STREAM = 3
"""Stream of the writer's own draws; no data set may use this number either."""

ACQUISITION = Acquisition(
    half_angle_deg=32.0,
    depth_per_lv_length=1.8,
    near_mm=2.0,
    axial_sigma_mm=0.6,
    lateral_sigma_deg=0.8,
    defocus=0.7,
    dynamic_range_db=53.9,
    gain_db=10.8,
    gamma=1.12,
    black_level=0.0,
    attenuation_db_per_cm=0.29,
    edge_drop_db=13.2,
    drop_out_db=3.5,
    shadows=1.2,
    blood_db=-59.3,
    septal_wall_db=-44.2,
    lateral_wall_db=-47.7,
    surroundings_db=-48.2,
    texture_db=5.7,
    specular_db=10.0,
    haze_db=-51.8,
    noise_db=-76.3,
    smoothing_mm=0.5,
    rows=300,
    columns=400,
    spacing_mm=0.0,
    layout="screen",
    overlays="screen",
)
"""Clinical screens of several makers: narrow, deep, hazy, smoothed, flat grey map.

These are means; `vary` spreads them over examinations.
"""

_A4C_SHARE = 0.15

_SIZES = (0.95, 1.1)
"""Smallest and largest screen, as a share of that of the acquisition."""


# Share of four-chamber stills whose annotator mistook the wall of the right ventricle for that of the left.
_OVER_LABELLED_SHARE = 0.2


def over_label(heart: Heart, excess_mm: float) -> Heart:
    """The heart as drawn by an annotator who extends the myocardium into the right ventricle.

    The wall grows by `excess_mm` on the septal side only: half of it as extra thickness, half as a shift.
    """

    def grown(wall: float) -> float:
        return wall + excess_mm / 2

    # The shift is a share of the wall; it is exact at end diastole.
    share = (heart.septal_share * heart.ed.wall + excess_mm / 2) / grown(heart.ed.wall)
    return replace(
        heart,
        ed=replace(heart.ed, wall=grown(heart.ed.wall)),
        es=replace(heart.es, wall=grown(heart.es.wall)),
        septal_share=share,
    )


def draw_sitting(heart: Heart, acquisition: Acquisition, rng: np.random.Generator) -> tuple[View, Examination]:
    """Draw the view, the size of the screen and the examination of one still.

    Args:
        heart: The patient's heart.
        acquisition: Mean settings of the domain.
        rng: Source of randomness.
    """
    view = View.A4C if rng.random() < _A4C_SHARE else View.A2C
    rows, columns = (round(side * rng.uniform(*_SIZES)) for side in (acquisition.rows, acquisition.columns))
    return view, draw_examination(heart, view, replace(acquisition, rows=rows, columns=columns), rng)


def simulate(settings: dict[str, Any], severity: float, seed: int, root: Path) -> Cohort:
    """Simulate Unity Imaging: one still of every patient at any moment, mostly two-chamber, all structures drawn."""
    check_keys(NAME, settings, ("images",))
    acquisition = interpolate(FIRST_ACQUISITION, ACQUISITION, severity)
    hearts: dict[str, Heart] = {}
    kept: list[Case] = []

    def cases() -> Iterator[Case]:
        for index in range(count(settings, "images", 1)):
            rng = patient_rng(seed, STREAM, index)
            group, frame = unity_writer.video_code(seed, index), int(rng.integers(0, 60))
            heart = hearts[group] = draw_heart(rng)
            view, examination = draw_sitting(heart, acquisition, rng)
            moment = float(rng.uniform())
            phase, opening = contraction(moment), valve_opening(moment)
            excess_mm = float(rng.uniform(6, 11))
            over = view is View.A4C and rng.random() < _OVER_LABELLED_SHARE
            name = f"{group}-{frame:04d}.png"
            case = Case(
                dataset=NAME,
                group_name=group,
                frame=frame,
                image=take_still(examination, phase, opening, rng),
                target=annotate(examination, phase),
                states=ALL_LABELLED,
                pixel_spacing_mm=(examination.frame.mm_per_px, examination.frame.mm_per_px),
                view=view,
                instant=None,
                source=unity_writer.image_path(Path(), name).as_posix(),
                source_sha256="",
                flags=("over-labelled",) if over else (),
                split_hint=str(rng.choice(unity_writer.PARTS, p=(0.7, 0.16, 0.14))),
            )
            kept.append(case)
            if over:
                seen = replace(examination, heart=over_label(heart, excess_mm))
                case = replace(case, target=annotate(seen, phase))
            yield case

    # The writer's own draws must not depend on the number of images before them.
    unity_writer.write_cases(cases(), root, np.random.default_rng([seed, _WRITER_STREAM]))
    return Cohort(kept, hearts)
