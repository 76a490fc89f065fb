"""How EchoNet-Dynamic looks: the settings of its scanner, and whom it shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labeldropout.case import Case
from labeldropout.data.cohort import _ALL_LABELLED, _PHASE, Cohort, _check_keys, _count, _rng
from labeldropout.data.echonet import writer as echonet_writer
from labeldropout.labels import Instant, Structure, View
from labeldropout.simulation.anatomy import Heart, draw_heart, volumes_ml
from labeldropout.simulation.picture import Examination, annotate, draw_examination, draw_noise, photograph
from labeldropout.simulation.scanner import interpolate
from labeldropout.simulation.speckle import mix_scatterers

_LONG_STUDY = 100
"""Videos from which on one without a tracing is added: the importer may skip at most one in a hundred."""


def contraction(moment: float) -> float:
    """Phase of the heart, 0 end diastole to 1 end systole, at a share of the cycle.

    Ejection takes 0.38 of the cycle; then come rapid filling, rest, and filling by the atrium.
    """
    moments = (0.0, 0.1, 0.2, 0.3, 0.38, 0.44, 0.55, 0.65, 0.85, 1.0)
    phases = (0.0, 0.22, 0.62, 0.92, 1.0, 0.92, 0.42, 0.28, 0.24, 0.0)
    return float(np.interp(moment % 1.0, moments, phases))


def valve_opening(moment: float) -> float:
    """Opening of the valves between atria and ventricles, 0 to 1, at a share of the cycle."""
    moments = (0.0, 0.02, 0.4, 0.5, 0.56, 0.68, 0.8, 0.88, 1.0)
    openings = (0.1, 0.0, 0.0, 1.0, 0.9, 0.35, 0.4, 0.75, 0.1)
    return float(np.interp(moment % 1.0, moments, openings))


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
            # Tissue moves through the picture and takes its speckle along; haze stands still.
            new = draw_noise(examination, rng)
            scatterers, clutter = mix_scatterers(scatterers, new[0], 0.5), mix_scatterers(clutter, new[1], 0.85)
        rounded = round(moment % 1.0, 9) % 1.0
        frames[index] = photograph(examination, contraction(rounded), valve_opening(rounded), scatterers, clutter, rng)
    return frames, at


def _simulate_echonet(settings: dict[str, Any], severity: float, seed: int, root: Path) -> Cohort:
    """EchoNet-Dynamic: one four-chamber video of every patient, the ventricle traced at both instants."""
    _check_keys("echonet", settings, ("videos", "frames"))
    n_videos, n_frames = _count(settings, "videos", 1), _count(settings, "frames", 4)
    acquisition = interpolate("echonet", severity)
    hearts: dict[str, Heart] = {}
    kept: list[Case] = []

    def videos() -> Iterator[echonet_writer.Video]:
        for index in range(n_videos):
            rng = _rng(seed, "echonet", index)
            # Names of 14 to 16 digits, as in the data set; the index keeps them apart.
            name = echonet_writer.video_name((int(rng.integers(2**46, 2**54)) << 10 * int(rng.random() < 0.9)) + index)
            heart = hearts[name] = draw_heart(rng)
            examination = draw_examination(heart, View.A4C, acquisition, rng)
            split = str(rng.choice(("TRAIN", "VAL", "TEST"), p=(0.744, 0.128, 0.128)))
            frames, at = _video(examination, n_frames, rng, reverse=rng.random() < 0.03)
            targets = {instant: annotate(examination, _PHASE[instant]) for instant in Instant}
            edv, esv = (volumes_ml(heart, phase)[Structure.LV] for phase in (0.0, 1.0))
            # Now and then a frame was traced twice, and the first tracing counts.
            traced: dict[int, np.ndarray] = {at[instant]: targets[instant] for instant in Instant}
            if rng.random() < 0.01 or index == 3:
                rows = echonet_writer.trace(targets[Instant.ED] == Structure.LV)
                traced[at[Instant.ED]] = np.concatenate([rows, rows + rng.normal(0, 0.7, rows.shape).round(2)])
            if rng.random() < 0.3:
                traced = dict(reversed(traced.items()))
            kept.extend(
                Case(
                    dataset="echonet",
                    group_name=name,
                    frame=at[instant],
                    image=frames[at[instant]],
                    target=targets[instant],
                    states=_ALL_LABELLED,
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
            # The data set has videos of another size that nobody traced.
            dark = np.zeros((2, 768, 1024), np.uint8)
            yield echonet_writer.Video(echonet_writer.video_name(2**60 + seed), dark, {}, ef=55.0, esv=50.0, edv=110.0)

    echonet_writer.write_videos(videos(), root)
    return Cohort(kept, hearts)
