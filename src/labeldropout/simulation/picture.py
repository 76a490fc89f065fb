"""Take pictures of a heart with a probe: the frame, its echoes, and the resulting picture."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float32, UInt8
from scipy.ndimage import gaussian_filter1d, zoom

from labeldropout.cone import Cone
from labeldropout.labels import View
from labeldropout.simulation.anatomy import Heart, Pose, Tissue, draw_pose
from labeldropout.simulation.overlay import draw_overlay
from labeldropout.simulation.planes import label_map, tissue_map
from labeldropout.simulation.scan_conversion import to_image
from labeldropout.simulation.scanner import Acquisition, Frame, _field, draw_frame, vary
from labeldropout.simulation.speckle import draw_scatterers, envelope


@dataclass(frozen=True)
class Artefacts:
    """Effects of one examination on the echo, the same in all frames of a video; float32, in dB."""

    level: Float32[np.ndarray, " tissues"]
    """Mean echo of each `Tissue`."""
    texture: Float32[np.ndarray, "r a"]
    """Slow variations within tissue."""
    patches: Float32[np.ndarray, "r a"]
    """Faster variations, which break lines."""
    loss: Float32[np.ndarray, "r a"]
    """Attenuation, drop-out and shadows: negative."""
    haze: Float32[np.ndarray, "r a"]
    """Reverberation near the probe and noise, added to the echo."""


def draw_artefacts(
    acquisition: Acquisition, radius_mm: Float32[np.ndarray, " r"], n_beams: int, rng: np.random.Generator
) -> Artefacts:
    """Draw the effects of an examination on the echo.

    Args:
        acquisition: Settings of the examination.
        radius_mm: Distance of each range from the virtual apex.
        n_beams: Number of beams.
        rng: Source of randomness.
    """
    shape = (len(radius_mm), n_beams)
    depth = (radius_mm - radius_mm[0])[:, None]
    beam = np.linspace(-1, 1, n_beams, dtype=np.float32)[None, :]
    level = np.zeros(len(Tissue), np.float32)
    level[Tissue.SURROUNDINGS] = acquisition.surroundings_db
    level[Tissue.BLOOD] = acquisition.blood_db
    level[Tissue.RIGHT_BLOOD] = acquisition.blood_db + rng.normal(-2, 2)
    level[Tissue.ATRIAL_BLOOD] = acquisition.blood_db + rng.normal(0, 5)
    level[Tissue.SEPTAL_WALL] = acquisition.septal_wall_db
    level[Tissue.LATERAL_WALL] = acquisition.lateral_wall_db
    level[Tissue.THIN_WALL] = 0.5 * (acquisition.septal_wall_db + acquisition.lateral_wall_db) + rng.normal(2, 2)
    level[Tissue.PAPILLARY] = acquisition.lateral_wall_db + rng.normal(1, 2)
    level[Tissue.VALVE] = rng.normal(-16, 3)
    level[Tissue.ANNULUS] = rng.normal(-13, 3)
    level[Tissue.PERICARDIUM] = rng.normal(-9, 3)
    level[Tissue.FAT] = acquisition.surroundings_db + rng.normal(13, 3)

    texture = _field(shape, (6, 5), rng) + 0.6 * _field(shape, (24, 14), rng)
    texture *= np.float32(acquisition.texture_db / np.sqrt(1.36))
    patches = np.float32(acquisition.texture_db) * _field(shape, (52, 34), rng)

    loss = -np.float32(acquisition.attenuation_db_per_cm / 10) * depth
    # In front of the focus echoes are weak, and borders that face the probe do not stand out.
    loss = loss - np.float32(rng.uniform(4, 16)) * np.exp(-depth / np.float32(rng.uniform(7, 16)))
    # Echoes fade towards the sides of the cone, more on one side than on the other.
    sides = np.where(beam < 0, rng.uniform(0.4, 1.4), rng.uniform(0.4, 1.4)).astype(np.float32)
    loss = loss - np.float32(acquisition.edge_drop_db) * sides * np.abs(beam) ** 3 * (0.3 + 1.2 * depth / depth[-1, 0])
    knots = rng.standard_normal((1, 9), dtype=np.float32)
    drop = zoom(np.repeat(knots, 2, axis=0), (1, n_beams / 9), order=2, mode="nearest", grid_mode=True)[:1, :n_beams]
    loss = loss - np.float32(acquisition.drop_out_db) * np.maximum(drop, -0.5)
    for _ in range(rng.poisson(acquisition.shadows)):
        # Ribs and lung are at the sides more often than in the middle.
        centre = np.sign(rng.uniform(-1, 1)) * rng.uniform(0.25, 1.05)
        width, start, strength = rng.uniform(0.05, 0.16), rng.uniform(0, 0.5) * depth[-1, 0], rng.uniform(6, 18)
        onset = 1 / (1 + np.exp(-np.clip((depth - start) / 4, -30, 30)))
        loss = loss - np.float32(strength) * np.exp(-(((beam - centre) / width) ** 2)).astype(np.float32) * onset
    reach = rng.uniform(16, 45)
    near = acquisition.haze_db + 4 * np.exp(-depth / 4) - 12 * (depth / reach) + 2.5 * _field(shape, (8, 6), rng)
    noise = acquisition.noise_db + 0.08 * depth + 0 * beam
    haze = 10 * np.log10(10 ** (near / 10) + 10 ** (noise / 10))
    return Artefacts(level, texture.astype(np.float32), patches, loss.astype(np.float32), haze.astype(np.float32))


# Depth at which lateral millimetres are converted to beams: the middle of a ventricle.
_MIDDLE_MM = 70.0


# How much of the slow and of the fast variations applies to each tissue, in the order of `Tissue`.
_TEXTURE = np.array([2.0, 0.3, 0.3, 0.9, 1.1, 1.0, 1.0, 0.7, 1.0, 1.0, 1.4, 0.3], np.float32)


_PATCHES = np.array([0.5, 0.0, 0.0, 0.4, 0.6, 1.0, 0.6, 1.6, 1.0, 1.2, 0.8, 0.0], np.float32)


def _facing(
    level: Float32[np.ndarray, "r a"], radius_mm: Float32[np.ndarray, " r"], beam_rad: float
) -> Float32[np.ndarray, "r a"]:
    """How much a border faces the probe: +0.5 across the beam, -0.5 along it, 0 where there is no border."""
    along = np.gradient(level, float(radius_mm[1] - radius_mm[0]), axis=0)
    across = np.gradient(level, beam_rad, axis=1) / np.maximum(radius_mm, 5)[:, None]
    parts = [gaussian_filter1d(gaussian_filter1d(part**2, 2.0, axis=0), 1.5, axis=1) for part in (along, across)]
    # Below about 1 dB per mm there is no real border.
    return ((parts[0] - parts[1]) / (2 * (parts[0] + parts[1] + 1.0))).astype(np.float32)


def echo(
    tissue: UInt8[np.ndarray, "r a"],
    acquisition: Acquisition,
    artefacts: Artefacts,
    radius_mm: Float32[np.ndarray, " r"],
    scatterers: Complex64[np.ndarray, "r a"],
    clutter: Complex64[np.ndarray, "r a"],
) -> Float32[np.ndarray, "r a"]:
    """Grey values 0 to 1 for every range and beam: speckle, losses, haze, log compression, grey map.

    Args:
        tissue: Values of `Tissue`.
        acquisition: Settings of the examination.
        artefacts: Effects of the examination on the echo.
        radius_mm: Distance of each range from the virtual apex.
        scatterers: Unit noise that the tissue turns into speckle.
        clutter: Unit noise that haze and electronics turn into clutter.
    """
    n_beams = tissue.shape[1]
    range_mm = float(radius_mm[1] - radius_mm[0])
    beam_deg = 2 * acquisition.half_angle_deg / (n_beams - 1)
    axial = max(acquisition.axial_sigma_mm / range_mm, 0.3)
    share = (radius_mm - radius_mm[0]) / (radius_mm[-1] - radius_mm[0])
    lateral = acquisition.lateral_sigma_deg / beam_deg * (1 + acquisition.defocus * np.abs(share - 0.45) / 0.55)
    lateral = np.maximum(lateral, 0.3).astype(np.float32)

    decibel = artefacts.level[tissue]
    # Borders between tissues are never as sharp as drawn ones.
    soft = gaussian_filter1d(decibel, 0.6 / range_mm, axis=0, mode="nearest")
    soft = gaussian_filter1d(soft, 0.6 / (_MIDDLE_MM * np.deg2rad(beam_deg)), axis=1, mode="nearest")
    decibel = soft + _TEXTURE[tissue] * artefacts.texture + _PATCHES[tissue] * artefacts.patches
    decibel += np.float32(acquisition.specular_db) * _facing(soft, radius_mm, float(np.deg2rad(beam_deg)))
    amplitude = np.exp((decibel + artefacts.loss) * np.float32(np.log(10) / 20)).astype(np.float32)
    heart = envelope(amplitude, scatterers, axial, lateral)
    veil = np.exp(artefacts.haze * np.float32(np.log(10) / 20)).astype(np.float32)
    # Haze comes from multiple reflections: its speckle is broader than the heart's.
    heart = np.hypot(heart, envelope(veil, clutter, 1.5 * axial, 1.4 * lateral))
    if acquisition.smoothing_mm > 0:
        heart = gaussian_filter1d(heart, max(acquisition.smoothing_mm / range_mm, 1e-3), axis=0, mode="nearest")
        heart = gaussian_filter1d(heart, max(0.6 * acquisition.smoothing_mm, 1e-3) / beam_deg, axis=1, mode="nearest")
    decibel = np.float32(20) * np.log10(heart + np.float32(1e-6)) + np.float32(acquisition.gain_db)
    grey = np.clip(1 + decibel / np.float32(acquisition.dynamic_range_db), 0, 1)
    black = np.float32(acquisition.black_level)
    return black + (1 - black) * grey ** np.float32(acquisition.gamma)


@dataclass(frozen=True)
class Examination:
    """A probe on a patient: everything that stays the same in all frames of a video."""

    heart: Heart
    pose: Pose
    acquisition: Acquisition
    frame: Frame
    artefacts: Artefacts
    overlay: UInt8[np.ndarray, "h w"]
    """Burnt-in grey values; 0 where there are none."""
    n_ranges: int
    n_beams: int

    @property
    def radius_mm(self) -> Float32[np.ndarray, " r"]:
        """Distance of each range from the virtual apex."""
        near, far = self.frame.cone.near_px, self.frame.cone.far_px
        return (np.linspace(near, far, self.n_ranges) * self.frame.mm_per_px).astype(np.float32)


def draw_examination(
    heart: Heart,
    view: View,
    acquisition: Acquisition,
    rng: np.random.Generator,
    pixel_aspect: float = 1.0,
    frame: Frame | None = None,
) -> Examination:
    """Draw one examination of a heart.

    Args:
        heart: The patient's heart.
        view: The plane.
        acquisition: Mean settings of the domain.
        rng: Source of randomness.
        pixel_aspect: Height of a pixel over its width.
        frame: Position of the cone; drawn if None.
    """
    settings = vary(acquisition, rng)
    if frame is None:
        frame = draw_frame(settings, heart.ed.lv_length, rng, pixel_aspect)
    else:
        settings = replace(settings, half_angle_deg=float(np.rad2deg(frame.cone.half_angle_rad)))
    # Coarse pictures need fewer samples.
    n_ranges = int(np.clip(1.15 * (frame.cone.far_px - frame.cone.near_px), 144, 320))
    n_beams = int(np.clip(2.2 * settings.half_angle_deg * (1 if n_ranges > 200 else 0.8), 64, 200))
    radius_mm = np.linspace(frame.cone.near_px, frame.cone.far_px, n_ranges) * frame.mm_per_px
    return Examination(
        heart=heart,
        pose=draw_pose(view, settings.near_mm, frame.cone.half_angle_rad, rng),
        acquisition=settings,
        frame=frame,
        artefacts=draw_artefacts(settings, radius_mm.astype(np.float32), n_beams, rng),
        overlay=draw_overlay(settings.overlays, frame, rng),
        n_ranges=n_ranges,
        n_beams=n_beams,
    )


def photograph(
    examination: Examination,
    phase: float,
    opening: float,
    scatterers: Complex64[np.ndarray, "r a"],
    clutter: Complex64[np.ndarray, "r a"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "h w"]:
    """Take the picture at one moment.

    Args:
        examination: Probe and patient.
        phase: 0 end diastole, 1 end systole.
        opening: Opening of the valves between atria and ventricles: 0 closed, 1 wide open.
        scatterers: Unit noise (`n_ranges`, `n_beams`) for the tissue.
        clutter: Unit noise of the same shape for haze and electronics.
        rng: Source of randomness for what the file format adds.
    """
    radius = examination.radius_mm
    angle = np.linspace(-1, 1, examination.n_beams, dtype=np.float32) * np.float32(
        examination.frame.cone.half_angle_rad
    )
    rows, columns = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    tissue = tissue_map(examination.heart, examination.pose, phase, opening, rows, columns)
    grey = echo(tissue, examination.acquisition, examination.artefacts, radius, scatterers, clutter)
    frame = examination.frame
    image = np.rint(255 * to_image(grey, frame.cone, frame.shape, frame.pixel_aspect)).astype(np.uint8)
    if examination.acquisition.overlays == "noise":
        image = _add_noise(image, rng)
    return np.maximum(image, examination.overlay)


def draw_noise(
    examination: Examination, rng: np.random.Generator
) -> tuple[Complex64[np.ndarray, "r a"], Complex64[np.ndarray, "r a"]]:
    """Draw scatterers and clutter of one frame."""
    shape = (examination.n_ranges, examination.n_beams)
    return draw_scatterers(shape, rng), draw_scatterers(shape, rng)


def annotate(examination: Examination, phase: float, beyond_mm: float = 0.0) -> UInt8[np.ndarray, "h w"]:
    """Pixel values of `Structure` in the picture, as an annotator draws them.

    Args:
        examination: Probe and patient.
        phase: 0 end diastole, 1 end systole.
        beyond_mm: How far annotators continue drawing outside the cone.
    """
    frame = examination.frame
    labels = label_map(examination.heart, examination.pose, phase, *frame.positions_mm)
    margin = beyond_mm / frame.mm_per_px
    if margin == 0:
        seen = frame.mask
    else:
        # A cone whose sides are `margin` further out has its apex this much higher.
        up = margin / np.sin(frame.cone.half_angle_rad)
        wider = Cone(
            frame.cone.apex_row - up,
            frame.cone.apex_column,
            frame.cone.half_angle_rad,
            max(frame.cone.near_px + up - margin, 0.0),
            frame.cone.far_px + up + margin,
        )
        seen = replace(frame, cone=wider).mask
    labels[~seen] = 0
    return labels


def _add_noise(image: UInt8[np.ndarray, "h w"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w"]:
    """Add faint specks outside the cone, like those left by compression."""
    specks = rng.random(image.shape) < 0.02
    faint = np.where(specks, rng.integers(1, 7, image.shape), 0).astype(np.uint8)
    return np.where(image == 0, faint, image)
