"""Simulate a data set: patients, examinations, annotations with each data set's quirks, written in its own format."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.case import Case, stable_id
from labeldropout.cone import Cone, cone_mask
from labeldropout.datasets.report import ImportReport
from labeldropout.datasets.writers import camus as camus_writer
from labeldropout.datasets.writers import echonet as echonet_writer
from labeldropout.datasets.writers import unity as unity_writer
from labeldropout.labels import FOREGROUND, Instant, State, Structure, View
from labeldropout.simulation.acquisition import (
    DOMAINS,
    Acquisition,
    Examination,
    Frame,
    annotate,
    draw_examination,
    draw_noise,
    interpolate,
    photograph,
)
from labeldropout.simulation.anatomy import Heart, draw_heart, volumes_ml
from labeldropout.simulation.speckle import mix_scatterers
from labeldropout.store import write_cases, write_table

MANIFEST = {
    "file": "path below the data set's root",
    "bytes": "size of the file",
    "sha256": "hash of the file",
}
"""`manifest.csv` beside the native files; the last file to appear."""

HEARTS = {
    "patient": "our identifier of the group",
    "group_name": "the group as the data set names it",
    **{
        f"{structure.name}_{instant}_ml": f"volume of {structure.name} at {instant} in ml"
        for structure in FOREGROUND
        for instant in Instant
    },
    "ef_percent": "ejection fraction of the left ventricle in percent",
}
"""`hearts.csv` in the truth store: the volumes of the simulated solids."""

_MARK = "SIMULATED.txt"
"""File that says that a folder was written by `simulate` and may be replaced by it."""

_ALL_LABELLED = dict.fromkeys(FOREGROUND, State.LABELLED)
_PHASE = {Instant.ED: 0.0, Instant.ES: 1.0}
# Annotators follow the shape of a chamber a little beyond the sector.
_CAMUS_BEYOND_MM = 1.5
_CAMUS_QUALITIES = (("Good", 0.5), ("Medium", 0.37), ("Poor", 0.13))
_UNITY_A4C_SHARE = 0.15
# Share of four-chamber stills whose annotator took the right ventricle's wall for the left one's.
_UNITY_OVER_LABELLED_SHARE = 0.2
_LONG_STUDY = 100
"""Videos from which on one without a tracing is added: the importer may skip at most one in a hundred."""


@dataclass(frozen=True)
class Cohort:
    """What `simulate` makes of one data set before it writes the truth."""

    cases: list[Case]
    """The truth: all structures labelled; `source_sha256` still empty."""
    hearts: dict[str, Heart]
    """By group name."""


def _rng(seed: int, dataset: str, index: int) -> np.random.Generator:
    """Generator of one patient: the same whatever the number of patients, and another one in every data set."""
    return np.random.default_rng([seed, list(DOMAINS).index(dataset), index])


def _count(settings: dict[str, Any], key: str, lowest: int) -> int:
    value = settings.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise ValueError(f"settings.{key}: {value!r} (expected a whole number of at least {lowest}).")
    return value


def _check_keys(dataset: str, settings: dict[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"settings of {dataset}: unknown key {unknown[0]!r} (expected {', '.join(known)}).")


def _still(examination: Examination, phase: float, opening: float, rng: np.random.Generator) -> np.ndarray:
    """Picture of one moment with noise of its own: uint8 (H, W)."""
    scatterers, clutter = draw_noise(examination, rng)
    return photograph(examination, phase, opening, scatterers, clutter, rng)


def _of_quality(acquisition: Acquisition, quality: str) -> Acquisition:
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


def _simulate_camus(settings: dict[str, Any], severity: float, seed: int, root: Path) -> Cohort:
    """CAMUS: both views at both instants of every patient, all structures drawn."""
    _check_keys("camus", settings, ("patients", "release"))
    release = settings.get("release", "nifti")
    if release not in {"nifti", "mhd"}:
        raise ValueError(f"settings.release: {release!r} (expected nifti or mhd).")
    acquisition = interpolate("camus", severity)
    hearts: dict[str, Heart] = {}
    cfg: dict[tuple[str, View], dict[str, object]] = {}
    kept: list[Case] = []

    def cases() -> Iterator[Case]:
        for index in range(_count(settings, "patients", 1)):
            rng = _rng(seed, "camus", index)
            group = camus_writer.group_name(index + 1, release)
            heart = hearts[group] = draw_heart(rng)
            part = str(rng.choice(("training", "validation", "testing"), p=(0.8, 0.1, 0.1)))
            sex, age = str(rng.choice(("F", "M"))), int(rng.integers(20, 91))
            for view in View:
                names, shares = zip(*_CAMUS_QUALITIES, strict=True)
                quality = str(rng.choice(names, p=shares))
                # The MetaImage release has finer rows than columns.
                aspect = 0.5 if release == "mhd" else 1.0
                examination = draw_examination(heart, view, _of_quality(acquisition, quality), rng, aspect)
                cfg[group, view] = _camus_entries(heart, release, sex, age, rng)
                for instant in Instant:
                    opening = float(rng.beta(1, 2)) if instant is Instant.ED else 0.0
                    folder = (
                        f"CAMUS_public/database_nifti/{group}" if release == "nifti" else "/".join(group.split("_"))
                    )
                    stem = f"{group.rpartition('_')[2]}_{'2CH' if view is View.A2C else '4CH'}_{instant}"
                    width = examination.frame.mm_per_px
                    case = Case(
                        dataset="camus",
                        group_name=group,
                        frame=0,
                        image=_still(examination, _PHASE[instant], opening, rng),
                        target=annotate(examination, _PHASE[instant], _CAMUS_BEYOND_MM),
                        states=_ALL_LABELLED,
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


def _camus_entries(heart: Heart, release: str, sex: str, age: int, rng: np.random.Generator) -> dict[str, object]:
    """Entries of an `Info_*.cfg`: frame numbers from 1, and which instant comes first differs."""
    n_frames = int(rng.integers(14, 26))
    ed, es = (1, n_frames) if rng.random() < 0.8 else (n_frames, 1)
    edv, esv = (volumes_ml(heart, phase)[Structure.LV] for phase in (0.0, 1.0))
    ef = round(100 * (edv - esv) / edv)
    entries: dict[str, object] = {"ED": ed, "ES": es, "NbFrame": n_frames, "Sex": sex, "Age": age}
    if release == "mhd":
        return {**entries, "LVedv": round(edv, 1), "LVesv": round(esv, 1), "LVef": ef}
    return {**entries, "EF": ef, "FrameRate": round(float(rng.uniform(40, 70)), 1)}


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


_SIMULATORS: dict[str, Callable[[dict[str, Any], float, int, Path], Cohort]] = {
    "camus": _simulate_camus,
    "unity": _simulate_unity,
    "echonet": _simulate_echonet,
}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_truth(cohort: Cohort, dataset: str, root: Path, truth: Path) -> None:
    hashes: dict[str, str] = {}
    for case in cohort.cases:
        if case.source not in hashes:
            hashes[case.source] = _sha256(root / case.source)
    report = ImportReport(dataset, found=len(cohort.cases))
    write_cases((replace(case, source_sha256=hashes[case.source]) for case in cohort.cases), truth, report)
    rows = []
    for group, heart in cohort.hearts.items():
        volumes = {instant: volumes_ml(heart, phase) for instant, phase in _PHASE.items()}
        edv, esv = (volumes[instant][Structure.LV] for instant in (Instant.ED, Instant.ES))
        rows.append(
            {
                "patient": stable_id(dataset, group),
                "group_name": group,
                **{
                    f"{structure.name}_{instant}_ml": volumes[instant][structure]
                    for structure in FOREGROUND
                    for instant in Instant
                },
                "ef_percent": 100 * (edv - esv) / edv,
            }
        )
    write_table(pd.DataFrame(rows), truth / "hearts.csv", HEARTS)


def _write_manifest(root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and path != root / "manifest.csv")
    rows = [
        {"file": path.relative_to(root).as_posix(), "bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in files
    ]
    write_table(pd.DataFrame(rows), root / "manifest.csv", MANIFEST)


def simulate(dataset: str, settings: dict[str, Any], severity: float, seed: int, root: Path, truth: Path) -> None:
    """Write a simulated data set in its own format, and the truth about it.

    A patient depends on the seed, the data set and the patient's number alone: more patients leave the first ones as
    they are, and severity changes how a heart is seen, never the heart.

    Args:
        dataset: camus, unity or echonet.
        settings: camus {patients, release}, unity {images}, echonet {videos, frames}.
        severity: Of the domain shift, 0 to 1.
        seed: Of the study.
        root: Folder for the native files and `manifest.csv`; made if missing. An earlier simulation in it, finished or
            not, is replaced; anything else is refused.
        truth: Folder for the store of true cases and `hearts.csv`.

    Raises:
        ValueError: Unknown data set or setting, or `root` holds files that no simulation wrote.
    """
    if dataset not in _SIMULATORS:
        raise ValueError(f"Unknown data set {dataset!r} (expected one of {', '.join(_SIMULATORS)}).")
    root, truth = Path(root), Path(truth)
    _clear(root)
    cohort = _SIMULATORS[dataset](settings, severity, seed, root)
    _write_truth(cohort, dataset, root, truth)
    _write_manifest(root)


def _clear(root: Path) -> None:
    """Make an empty folder with the mark of a simulation, in place of an earlier simulation if there is one.

    Raises:
        ValueError: The folder holds files and not the mark.
    """
    mark = root / _MARK
    if root.is_dir() and any(root.iterdir()):
        if not mark.is_file():
            raise ValueError(
                f"{root}: holds files that no simulation wrote (expected an empty folder, or {_MARK} in it)."
                " Name another folder."
            )
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    mark.write_text("Simulated data: no person was examined. This folder is replaced by the next simulation.\n")


def _any_acquisition(rng: np.random.Generator) -> Acquisition:
    """Settings anywhere between and around the domains, each number by itself."""
    values = {}
    for name in DOMAINS["camus"].__dataclass_fields__:
        found = [getattr(domain, name) for domain in DOMAINS.values()]
        if all(isinstance(value, float) for value in found):
            spread = max(found) - min(found)
            values[name] = float(rng.uniform(min(found) - 0.15 * spread, max(found) + 0.15 * spread))
    kind = str(rng.choice(("screen", "noise", "none"), p=(0.6, 0.2, 0.2)))
    return replace(DOMAINS["unity"], **values, overlays=kind)


def _any_cone(shape: tuple[int, int], rng: np.random.Generator) -> Cone:
    """A cone of any opening and place that shows at least a seventh of the picture, cut at its borders or not."""
    height, width = shape
    for _ in range(100):
        half_angle = float(np.deg2rad(rng.uniform(24, 52)))
        far = float(min(height * rng.uniform(0.7, 1.12), width * rng.uniform(0.45, 1.15) / (2 * np.sin(half_angle))))
        near = far * float(rng.choice((rng.uniform(0, 0.04), rng.uniform(0.02, 0.22)), p=(0.75, 0.25)))
        top = near * np.cos(half_angle)
        apex_row = height * rng.uniform(-0.04, 0.16) - top
        apex_column = width * (0.5 + rng.normal(0, 0.06)) - 0.5
        cone = Cone(float(apex_row), float(apex_column), half_angle, near, far)
        if cone_mask(cone, shape).mean() > 1 / 7:
            return cone
    raise ValueError(f"No cone fits a picture of shape {shape}.")


def cone_examples(n: int, shape: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield simulated pictures with the exact mask of their cone, for a network that finds cones.

    Openings, depths, places, appearances and overlays vary far more widely than in any one data set.

    Args:
        n: How many.
        shape: (rows, columns) of the pictures.
        rng: Source of randomness.

    Yields:
        uint8 (H, W) and bool (H, W).
    """
    # Small pictures are drawn larger and shrunk, as a network's grid is: letters and lines become faint.
    factor = max(1, round(300 / max(shape)))
    large = (shape[0] * factor, shape[1] * factor)
    for _ in range(n):
        heart, acquisition = draw_heart(rng), _any_acquisition(rng)
        cone = _any_cone(large, rng)
        depth_mm = acquisition.depth_per_lv_length * heart.ed.lv_length
        frame = Frame(cone, large, depth_mm / (cone.far_px - cone.near_px))
        view = View.A4C if rng.random() < 0.5 else View.A2C
        examination = draw_examination(heart, view, acquisition, rng, frame=frame)
        image = _still(examination, float(rng.uniform()), float(rng.uniform()), rng)
        if factor > 1:
            image = np.rint(image.reshape(shape[0], factor, shape[1], factor).mean(axis=(1, 3))).astype(np.uint8)
        shift = (factor - 1) / 2
        small = Cone(
            (cone.apex_row - shift) / factor,
            (cone.apex_column - shift) / factor,
            cone.half_angle_rad,
            cone.near_px / factor,
            cone.far_px / factor,
        )
        yield image, cone_mask(small, shape)
