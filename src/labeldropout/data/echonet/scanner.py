"""Simulate EchoNet-Dynamic: the settings of its scanner, and its patients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.data.camus.scanner import ACQUISITION as FIRST_ACQUISITION
from labeldropout.data.cohort import ALL_LABELLED, PHASE, Cohort, check_keys, count, patient_rng
from labeldropout.data.echonet import NAME
from labeldropout.data.echonet import writer as echonet_writer
from labeldropout.heart import Structure
from labeldropout.labels import Instant, View
from labeldropout.simulation.anatomy import Heart, contraction, draw_heart, valve_opening, volumes_ml
from labeldropout.simulation.picture import Examination, annotate, draw_examination, draw_noise, photograph
from labeldropout.simulation.scanner import Acquisition, interpolate
from labeldropout.simulation.speckle import mix_scatterers

STREAM = 2
"""This data set's own stream of random numbers; no other simulated data set may use this number."""

ACQUISITION = Acquisition(
    half_angle_deg=45.0,
    depth_per_lv_length=1.6,
    near_mm=1.0,
    axial_sigma_mm=0.65,
    lateral_sigma_deg=0.8,
    defocus=0.5,
    dynamic_range_db=48.5,
    gain_db=3.8,
    gamma=1.24,
    black_level=0.0,
    attenuation_db_per_cm=0.14,
    edge_drop_db=11.5,
    drop_out_db=4.0,
    shadows=1.5,
    blood_db=-45.6,
    septal_wall_db=-25.1,
    lateral_wall_db=-30.8,
    surroundings_db=-31.5,
    texture_db=5.1,
    specular_db=10.0,
    haze_db=-42.1,
    noise_db=-63.7,
    smoothing_mm=0.5,
    rows=112,
    columns=112,
    spacing_mm=0.0,
    layout="square",
    overlays="noise",
)
"""Videos shrunk to 112 x 112: very wide, shallow, high contrast, coarse.

These are means; `vary` spreads them over examinations.
"""

_LONG_STUDY = 100
"""Number of videos from which one without a tracing is added: the importer may skip at most one in a hundred."""


def _video(
    examination: Examination, n_frames: int, rng: np.random.Generator, reverse: bool
) -> tuple[np.ndarray, dict[Instant, int]]:
    """Frames of about one beat, and the frames of end diastole and end systole.

    Args:
        examination: Probe and patient.
        n_frames: At least 4.
        rng: Source of randomness.
        reverse: Whether end systole comes first.
    """
    first = int(rng.integers(0, 2))
    systole, diastole = max(1, round(0.4 * n_frames)), max(2, round(0.6 * n_frames))
    if reverse:
        at = {Instant.ES: first, Instant.ED: min(first + diastole, n_frames - 1)}
        moments = 0.38 + (np.arange(n_frames) - first) * 0.62 / (at[Instant.ED] - first)
    else:
        at = {Instant.ED: first, Instant.ES: first + systole}
        moments = (np.arange(n_frames) - first) * 0.38 / systole
    scatterers, clutter = draw_noise(examination, rng)
    frames = np.empty((n_frames, *examination.frame.shape), np.uint8)
    for index, moment in enumerate(moments.tolist()):
        if index:
            # Tissue moves through the picture and carries its speckle along; haze stays still.
            new = draw_noise(examination, rng)
            scatterers, clutter = mix_scatterers(scatterers, new[0], 0.5), mix_scatterers(clutter, new[1], 0.85)
        rounded = round(moment % 1.0, 9) % 1.0
        frames[index] = photograph(examination, contraction(rounded), valve_opening(rounded), scatterers, clutter, rng)
    return frames, at


def simulate(settings: dict[str, Any], severity: float, seed: int, root: Path) -> Cohort:
    """Simulate EchoNet-Dynamic: one four-chamber video of every patient, the ventricle traced at both instants."""
    check_keys(NAME, settings, ("videos", "frames"))
    n_videos, n_frames = count(settings, "videos", 1), count(settings, "frames", 4)
    acquisition = interpolate(FIRST_ACQUISITION, ACQUISITION, severity)
    hearts: dict[str, Heart] = {}
    kept: list[Case] = []

    def videos() -> Iterator[echonet_writer.Video]:
        for index in range(n_videos):
            rng = patient_rng(seed, STREAM, index)
            # Names of 14 to 16 digits, as in the data set; the index keeps them apart.
            name = echonet_writer.video_name((int(rng.integers(2**46, 2**54)) << 10 * int(rng.random() < 0.9)) + index)
            heart = hearts[name] = draw_heart(rng)
            examination = draw_examination(heart, View.A4C, acquisition, rng)
            split = str(rng.choice(("TRAIN", "VAL", "TEST"), p=(0.744, 0.128, 0.128)))
            frames, at = _video(examination, n_frames, rng, reverse=rng.random() < 0.03)
            targets = {instant: annotate(examination, PHASE[instant]) for instant in Instant}
            edv, esv = (volumes_ml(heart, phase)[Structure.LV] for phase in (0.0, 1.0))
            # Occasionally a frame was traced twice, and the first tracing counts.
            traced: dict[int, np.ndarray] = {at[instant]: targets[instant] for instant in Instant}
            if rng.random() < 0.01 or index == 3:
                rows = echonet_writer.trace(targets[Instant.ED] == Structure.LV)
                traced[at[Instant.ED]] = np.concatenate([rows, rows + rng.normal(0, 0.7, rows.shape).round(2)])
            if rng.random() < 0.3:
                traced = dict(reversed(traced.items()))
            kept.extend(
                Case(
                    dataset=NAME,
                    group_name=name,
                    frame=at[instant],
                    image=frames[at[instant]],
                    target=targets[instant],
                    states=ALL_LABELLED,
                    pixel_spacing_mm=None,
                    view=View.A4C,
                    instant=instant,
                    source=f"EchoNet-Dynamic/Videos/{name}.avi",
                    source_sha256="",
                    split_hint=split,
                )
                for instant in Instant
            )
            yield echonet_writer.Video(
                name, frames, traced, ef=100 * (edv - esv) / edv, esv=esv, edv=edv, fps=20, split=split
            )
        if n_videos >= _LONG_STUDY:
            # The data set has untraced videos of another size.
            dark = np.zeros((2, 768, 1024), np.uint8)
            yield echonet_writer.Video(echonet_writer.video_name(2**60 + seed), dark, {}, ef=55.0, esv=50.0, edv=110.0)

    echonet_writer.write_videos(videos(), root)
    return Cohort(kept, hearts)
