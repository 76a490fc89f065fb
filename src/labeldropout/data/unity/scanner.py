"""How Unity Imaging looks: the settings of its scanners, and whom they show."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.data.cohort import _ALL_LABELLED, Cohort, _check_keys, _count, _rng, _still
from labeldropout.data.echonet.scanner import contraction, valve_opening
from labeldropout.data.unity import writer as unity_writer
from labeldropout.labels import View
from labeldropout.simulation.anatomy import Heart, draw_heart
from labeldropout.simulation.picture import annotate, draw_examination
from labeldropout.simulation.scanner import DOMAINS, interpolate

_UNITY_A4C_SHARE = 0.15


# Share of four-chamber stills whose annotator took the right ventricle's wall for the left one's.
_UNITY_OVER_LABELLED_SHARE = 0.2


def over_label(heart: Heart, excess_mm: float) -> Heart:
    """The heart as an annotator sees it who lets the myocardium run over into the right ventricle.

    The wall grows by `excess_mm` on the septal side and by nothing on the other: half as thicker, half as a shift.
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


def _simulate_unity(settings: dict[str, Any], severity: float, seed: int, root: Path) -> Cohort:
    """Unity Imaging: one still of every patient at any moment, mostly two-chamber, all structures drawn."""
    _check_keys("unity", settings, ("images",))
    acquisition = interpolate("unity", severity)
    hearts: dict[str, Heart] = {}
    kept: list[Case] = []

    def cases() -> Iterator[Case]:
        for index in range(_count(settings, "images", 1)):
            rng = _rng(seed, "unity", index)
            group, frame = unity_writer.video_code(seed, index), int(rng.integers(0, 60))
            heart = hearts[group] = draw_heart(rng)
            view = View.A4C if rng.random() < _UNITY_A4C_SHARE else View.A2C
            size = {"rows": int(rng.integers(280, 321)), "columns": int(rng.integers(370, 441))}
            examination = draw_examination(heart, view, replace(acquisition, **size), rng)
            moment = float(rng.uniform())
            phase, opening = contraction(moment), valve_opening(moment)
            excess_mm = float(rng.uniform(6, 11))
            over = view is View.A4C and rng.random() < _UNITY_OVER_LABELLED_SHARE
            name = f"{group}-{frame:04d}.png"
            case = Case(
                dataset="unity",
                group_name=group,
                frame=frame,
                image=_still(examination, phase, opening, rng),
                target=annotate(examination, phase),
                states=_ALL_LABELLED,
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
    unity_writer.write_cases(cases(), root, np.random.default_rng([seed, len(DOMAINS)]))
    return Cohort(kept, hearts)
