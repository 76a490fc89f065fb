"""Simulate CAMUS: the settings of its scanner, and its patients."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.data.any_scanner import draw_settings
from labeldropout.data.camus import NAME
from labeldropout.data.camus import writer as camus_writer
from labeldropout.data.cohort import (
    ALL_LABELLED,
    PHASE,
    Cohort,
    check_keys,
    count,
    draw_opening,
    of_quality,
    patient_rng,
    take_still,
)
from labeldropout.heart import Structure
from labeldropout.labels import Instant, View
from labeldropout.simulation.anatomy import Heart, draw_heart, volumes_ml
from labeldropout.simulation.picture import Examination, annotate, draw_examination
from labeldropout.simulation.scanner import Acquisition, interpolate

STREAM = 0
"""This data set's own stream of random numbers; no other simulated data set may use this number."""

ACQUISITION = Acquisition(
    half_angle_deg=38.5,
    depth_per_lv_length=1.72,
    near_mm=4.0,
    axial_sigma_mm=0.4,
    lateral_sigma_deg=0.6,
    defocus=0.4,
    dynamic_range_db=58.5,
    gain_db=2.4,
    gamma=1.12,
    black_level=0.12,
    attenuation_db_per_cm=0.02,
    edge_drop_db=9.0,
    drop_out_db=2.5,
    shadows=0.8,
    blood_db=-45.9,
    septal_wall_db=-27.2,
    lateral_wall_db=-39.4,
    surroundings_db=-34.2,
    texture_db=4.9,
    specular_db=9.0,
    haze_db=-46.6,
    noise_db=-62.9,
    smoothing_mm=0.25,
    rows=0,
    columns=0,
    spacing_mm=0.625,
    layout="box",
    overlays="none",
)
"""Research scans, exported without a screen around them: wide, dark, crisp.

These are means; `vary` spreads them over examinations.
"""

# Annotators continue the shape of a chamber a little outside the sector.
_BEYOND_MM = 1.5


_QUALITIES = (("Good", 0.35), ("Medium", 0.46), ("Poor", 0.19))
"""Shares in the data set: `look.FACTS`."""


_ANY_PIXEL_MM = (0.625, 1.3)
"""Size of a pixel with any scanner: from that of the simulated CAMUS to that of EchoNet's 112 rows."""

_ANY_HALF_ANGLE_DEG = (26.0, 45.0)
"""Half the opening angle with any scanner. Those of the three data sets begin at 32 degrees, but people's own clips may
have narrower cones (29 degrees in a free one), whose edges cut the lateral wall."""


def _own_acquisition(severity: float, _: np.random.Generator) -> Acquisition:
    """The settings of this data set's scanner."""
    return interpolate(ACQUISITION, ACQUISITION, severity)


def _any_acquisition(_: float, rng: np.random.Generator) -> Acquisition:
    """Draw settings between and beyond those of all expected scanners; they know no severity."""
    values = draw_settings(rng) | {
        "half_angle_deg": float(rng.uniform(*_ANY_HALF_ANGLE_DEG)),
        "spacing_mm": float(rng.uniform(*_ANY_PIXEL_MM)),
    }
    return Acquisition(**values, rows=0, columns=0, layout="box", overlays="none")


ACQUISITIONS: dict[str, Callable[[float, np.random.Generator], Acquisition]] = {
    "own": _own_acquisition,
    "any": _any_acquisition,
}
"""How the settings of an examination are found, by the word in the settings of the simulation: `own`, those of the data
set's scanner; `any`, domain randomisation, for a model that is to read other people's pictures."""


def draw_view(
    heart: Heart, view: View, acquisition: Acquisition, rng: np.random.Generator, pixel_aspect: float = 1.0
) -> tuple[str, Examination]:
    """Draw the examination of one view, and the quality that a cardiologist gives it.

    Args:
        heart: The patient's heart.
        view: The plane.
        acquisition: Mean settings of the domain.
        rng: Source of randomness.
        pixel_aspect: Height of a pixel over its width.
    """
    names, shares = zip(*_QUALITIES, strict=True)
    quality = str(rng.choice(names, p=shares))
    return quality, draw_examination(heart, view, of_quality(acquisition, quality), rng, pixel_aspect)


def simulate(settings: dict[str, Any], severity: float, seed: int, root: Path) -> Cohort:
    """Simulate CAMUS: both views at both instants of every patient, with all structures drawn.

    With the setting `acquisition: any` every view is taken with a scanner of its own; only the file format is CAMUS's.
    """
    check_keys(NAME, settings, ("patients", "release", "acquisition"))
    release = settings.get("release", "nifti")
    if release not in {"nifti", "mhd"}:
        raise ValueError(f"settings.release: {release!r} (expected nifti or mhd).")
    word = settings.get("acquisition", "own")
    if word not in ACQUISITIONS:
        raise ValueError(f"settings.acquisition: {word!r} (expected {' or '.join(ACQUISITIONS)}).")
    draw_acquisition = ACQUISITIONS[word]
    hearts: dict[str, Heart] = {}
    cfg: dict[tuple[str, View], dict[str, object]] = {}
    kept: list[Case] = []

    def cases() -> Iterator[Case]:
        for index in range(count(settings, "patients", 1)):
            rng = patient_rng(seed, STREAM, index)
            group = camus_writer.group_name(index + 1, release)
            heart = hearts[group] = draw_heart(rng)
            part = str(rng.choice(("training", "validation", "testing"), p=(0.8, 0.1, 0.1)))
            sex, age = str(rng.choice(("F", "M"))), int(rng.integers(20, 91))
            for view in View:
                # In the MetaImage release, rows are finer than columns.
                aspect = 0.5 if release == "mhd" else 1.0
                quality, examination = draw_view(heart, view, draw_acquisition(severity, rng), rng, aspect)
                cfg[group, view] = _info_entries(heart, release, sex, age, rng)
                for instant in Instant:
                    opening = draw_opening(instant, rng)
                    folder = (
                        f"CAMUS_public/database_nifti/{group}" if release == "nifti" else "/".join(group.split("_"))
                    )
                    stem = f"{group.rpartition('_')[2]}_{'2CH' if view is View.A2C else '4CH'}_{instant}"
                    width = examination.frame.mm_per_px
                    case = Case(
                        dataset=NAME,
                        group_name=group,
                        frame=0,
                        image=take_still(examination, PHASE[instant], opening, rng),
                        target=annotate(examination, PHASE[instant], _BEYOND_MM),
                        states=ALL_LABELLED,
                        pixel_spacing_mm=(aspect * width, width),
                        view=view,
                        instant=instant,
                        source=f"{folder}/{stem}.{'nii.gz' if release == 'nifti' else 'mhd'}",
                        source_sha256="",
                        quality=quality,
                        split_hint=part if release == "nifti" else "",
                    )
                    kept.append(case)
                    yield case

    camus_writer.write_cases(cases(), root, release, cfg)
    return Cohort(kept, hearts)


def _info_entries(heart: Heart, release: str, sex: str, age: int, rng: np.random.Generator) -> dict[str, object]:
    """Entries of an `Info_*.cfg`: frames are numbered from 1, and which instant comes first varies."""
    n_frames = int(rng.integers(14, 26))
    ed, es = (1, n_frames) if rng.random() < 0.8 else (n_frames, 1)
    edv, esv = (volumes_ml(heart, phase)[Structure.LV] for phase in (0.0, 1.0))
    ef = round(100 * (edv - esv) / edv)
    entries: dict[str, object] = {"ED": ed, "ES": es, "NbFrame": n_frames, "Sex": sex, "Age": age}
    if release == "mhd":
        return {**entries, "LVedv": round(edv, 1), "LVesv": round(esv, 1), "LVef": ef}
    return {**entries, "EF": ef, "FrameRate": round(float(rng.uniform(40, 70)), 1)}
