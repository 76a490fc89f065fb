"""Look at a heart through a probe: a scanner's settings, three domains of them, and the picture that results.

The values of the domains were chosen by eye for realism, never for what a training makes of them. Native to a domain,
at every severity, are the size of its pictures and what its scanners burn into them; severity moves the rest.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from jaxtyping import Complex64, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter1d, zoom

from labeldropout.cone import Cone, cone_mask
from labeldropout.labels import View
from labeldropout.scan_conversion import pixel_positions, to_image
from labeldropout.simulation.anatomy import Heart, Pose, Tissue, draw_pose, label_map, tissue_map
from labeldropout.simulation.speckle import draw_scatterers, envelope

Overlays = Literal["none", "screen", "noise"]
"""What lies outside the cone: nothing; what a scanner's screen shows; the faint noise that compression leaves."""
Layout = Literal["box", "screen", "square"]
"""How the cone lies in the picture: the picture is its box; somewhere on a screen; as large as a square allows."""


@dataclass(frozen=True)
class Acquisition:
    """Settings of a scanner and its picture; levels in dB, 0 dB being the echo of the pericardium."""

    half_angle_deg: float
    """Half of the opening angle of the cone."""
    depth_per_lv_length: float
    """Depth of the picture over the length of the left ventricle at end diastole."""
    near_mm: float
    """From the virtual apex to the first sample."""
    axial_sigma_mm: float
    """Point-spread function along a beam."""
    lateral_sigma_deg: float
    """Point-spread function across the beams, in the focus."""
    defocus: float
    """How much wider the latter is at the ends of a beam, as a share."""
    dynamic_range_db: float
    gain_db: float
    gamma: float
    """Exponent of the grey map: above 1 darkens the middle."""
    attenuation_db_per_cm: float
    """What the scanner's depth compensation leaves."""
    edge_drop_db: float
    """Loss at the sides of the cone."""
    drop_out_db: float
    """Standard deviation of the loss from beam to beam."""
    shadows: float
    """Mean number of shadows of ribs and lung."""
    blood_db: float
    septal_wall_db: float
    lateral_wall_db: float
    surroundings_db: float
    texture_db: float
    """Standard deviation of slow changes within tissue."""
    specular_db: float
    """Gain of borders that face the probe over borders along the beam."""
    haze_db: float
    """Level of the reverberation that veils the cavity near the probe; decays with depth."""
    noise_db: float
    """Level of electronic noise at the first sample; grows with depth."""
    smoothing_mm: float
    """Blur of the finished echo, as scanners smooth their pictures."""
    rows: int
    """Height of the picture in pixels; for the layout `box` it follows from the depth and this is 0."""
    columns: int
    """Width of the picture, likewise."""
    spacing_mm: float
    """Size of a pixel for the layout `box`; elsewhere it follows from the depth and this is 0."""
    layout: Layout
    overlays: Overlays


NATIVE = ("rows", "columns", "spacing_mm", "layout", "overlays")
"""Fields that belong to a domain at every severity."""

DOMAINS = {
    # Research scans, exported without a screen around them: wide, dark, crisp.
    "camus": Acquisition(
        half_angle_deg=39.0,
        depth_per_lv_length=1.7,
        near_mm=4.0,
        axial_sigma_mm=0.45,
        lateral_sigma_deg=0.6,
        defocus=0.4,
        dynamic_range_db=58.0,
        gain_db=0.0,
        gamma=1.25,
        attenuation_db_per_cm=0.35,
        edge_drop_db=9.0,
        drop_out_db=2.5,
        shadows=0.8,
        blood_db=-43.0,
        septal_wall_db=-24.0,
        lateral_wall_db=-31.0,
        surroundings_db=-34.0,
        texture_db=4.5,
        specular_db=9.0,
        haze_db=-40.0,
        noise_db=-62.0,
        smoothing_mm=0.25,
        rows=0,
        columns=0,
        spacing_mm=0.625,
        layout="box",
        overlays="none",
    ),
    # Clinical screens of several makers: narrow, deep, hazy, smoothed, flat grey map.
    "unity": Acquisition(
        half_angle_deg=32.0,
        depth_per_lv_length=1.8,
        near_mm=2.0,
        axial_sigma_mm=0.6,
        lateral_sigma_deg=0.8,
        defocus=0.7,
        dynamic_range_db=66.0,
        gain_db=1.0,
        gamma=1.0,
        attenuation_db_per_cm=0.6,
        edge_drop_db=8.0,
        drop_out_db=3.5,
        shadows=1.2,
        blood_db=-47.0,
        septal_wall_db=-27.0,
        lateral_wall_db=-38.0,
        surroundings_db=-38.0,
        texture_db=5.0,
        specular_db=12.0,
        haze_db=-36.0,
        noise_db=-66.0,
        smoothing_mm=0.5,
        rows=300,
        columns=400,
        spacing_mm=0.0,
        layout="screen",
        overlays="screen",
    ),
    # Videos shrunk to 112 x 112: very wide, shallow, high contrast, coarse.
    "echonet": Acquisition(
        half_angle_deg=45.0,
        depth_per_lv_length=1.6,
        near_mm=1.0,
        axial_sigma_mm=0.65,
        lateral_sigma_deg=0.8,
        defocus=0.5,
        dynamic_range_db=50.0,
        gain_db=-1.0,
        gamma=1.35,
        attenuation_db_per_cm=0.2,
        edge_drop_db=10.0,
        drop_out_db=4.0,
        shadows=1.5,
        blood_db=-42.0,
        septal_wall_db=-20.0,
        lateral_wall_db=-27.0,
        surroundings_db=-31.0,
        texture_db=4.5,
        specular_db=10.0,
        haze_db=-36.0,
        noise_db=-52.0,
        smoothing_mm=0.5,
        rows=112,
        columns=112,
        spacing_mm=0.0,
        layout="square",
        overlays="noise",
    ),
}
"""Each domain's own values, as means; `vary` spreads them over images."""

FIRST_DOMAIN = "camus"

_SPREAD = {
    "half_angle_deg": 2.0,
    "depth_per_lv_length": 0.09,
    "near_mm": 0.8,
    "axial_sigma_mm": 0.08,
    "lateral_sigma_deg": 0.1,
    "defocus": 0.15,
    "dynamic_range_db": 4.0,
    "gain_db": 3.5,
    "gamma": 0.1,
    "attenuation_db_per_cm": 0.25,
    "edge_drop_db": 2.0,
    "drop_out_db": 0.8,
    "shadows": 0.4,
    "blood_db": 3.0,
    "septal_wall_db": 3.0,
    "lateral_wall_db": 3.5,
    "surroundings_db": 3.5,
    "texture_db": 1.0,
    "specular_db": 2.5,
    "haze_db": 4.5,
    "noise_db": 3.0,
    "smoothing_mm": 0.1,
}
_FLOOR = {
    "half_angle_deg": 24.0,
    "depth_per_lv_length": 1.4,
    "near_mm": 0.3,
    "axial_sigma_mm": 0.3,
    "lateral_sigma_deg": 0.4,
    "defocus": 0.0,
    "dynamic_range_db": 35.0,
    "gamma": 0.6,
    "attenuation_db_per_cm": -0.3,
    "edge_drop_db": 0.0,
    "drop_out_db": 0.2,
    "shadows": 0.0,
    "texture_db": 1.0,
    "specular_db": 0.0,
    "smoothing_mm": 0.0,
}


def interpolate(domain: str, severity: float) -> Acquisition:
    """Mean settings of a domain at a severity of the shift: those of the first domain at 0, its own at 1.

    Args:
        domain: Key of `DOMAINS`.
        severity: 0 to 1.

    Raises:
        ValueError: Unknown domain, or a severity outside 0 to 1.
    """
    if domain not in DOMAINS:
        raise ValueError(f"Unknown domain {domain!r} (expected one of {', '.join(DOMAINS)}).")
    if not 0 <= severity <= 1:
        raise ValueError(f"Severity {severity} (expected 0 to 1).")
    first, own = DOMAINS[FIRST_DOMAIN], DOMAINS[domain]
    moved = {
        name: (1 - severity) * getattr(first, name) + severity * getattr(own, name)
        for name in (field.name for field in fields(Acquisition))
        if name not in NATIVE
    }
    return replace(own, **moved)


def vary(acquisition: Acquisition, rng: np.random.Generator) -> Acquisition:
    """Draw the settings of one examination around the means of its domain."""
    drawn = {}
    for name, spread in _SPREAD.items():
        value = getattr(acquisition, name) + spread * float(np.clip(rng.normal(), -2, 2))
        drawn[name] = max(value, _FLOOR.get(name, -np.inf))
    return replace(acquisition, **drawn)


@dataclass(frozen=True)
class Frame:
    """How a cone lies in a picture."""

    cone: Cone
    """In square pixels of the picture's width."""
    shape: tuple[int, int]
    mm_per_px: float
    """Width of a pixel; its height too, times `pixel_aspect`."""
    pixel_aspect: float = 1.0
    """Height of a pixel over its width."""

    @property
    def mask(self) -> np.ndarray:
        """Whether each pixel lies in the cone: bool (H, W)."""
        row, column = pixel_positions(self.shape, self.pixel_aspect)
        if self.pixel_aspect == 1:
            return cone_mask(self.cone, self.shape)
        radius = np.hypot(row - self.cone.apex_row, column - self.cone.apex_column)
        angle = np.abs(np.arctan2(column - self.cone.apex_column, row - self.cone.apex_row))
        return (radius >= self.cone.near_px) & (radius <= self.cone.far_px) & (angle <= self.cone.half_angle_rad)

    @property
    def positions_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth (H, 1) and lateral position (1, W) of the pixels from the virtual apex, in mm."""
        row, column = pixel_positions(self.shape, self.pixel_aspect)
        return (row - self.cone.apex_row) * self.mm_per_px, (column - self.cone.apex_column) * self.mm_per_px


def draw_frame(
    acquisition: Acquisition, lv_length_mm: float, rng: np.random.Generator, pixel_aspect: float = 1.0
) -> Frame:
    """Draw how the cone lies in the picture.

    Args:
        acquisition: Settings of the examination.
        lv_length_mm: Length of the left ventricle at end diastole, which sets the depth.
        rng: Source of randomness.
        pixel_aspect: Height of a pixel over its width.
    """
    half_angle = float(np.deg2rad(acquisition.half_angle_deg))
    near_mm = acquisition.near_mm
    far_mm = near_mm + acquisition.depth_per_lv_length * lv_length_mm
    # The box of the cone, from the virtual apex: the first sample's arc begins lower at the sides.
    top_mm, half_width_mm = near_mm * np.cos(half_angle), far_mm * np.sin(half_angle)
    if acquisition.layout == "box":
        mm_per_px = acquisition.spacing_mm
        margin = rng.integers(1, 9, size=4)
        rows = int(np.ceil((far_mm - top_mm) / mm_per_px)) + int(margin[:2].sum())
        columns = int(np.ceil(2 * half_width_mm / mm_per_px)) + int(margin[2:].sum())
        apex_row = float(margin[0]) - top_mm / mm_per_px
        apex_column = float(margin[2]) + half_width_mm / mm_per_px
    else:
        rows, columns = acquisition.rows, acquisition.columns
        if acquisition.layout == "square":
            # The depth fills the height; wide cones lose their corners at the sides.
            height, width = rows - rng.uniform(4, 9), np.inf
        else:
            height, width = rows * rng.uniform(0.8, 0.94), columns * rng.uniform(0.86, 0.96)
        mm_per_px = float(max((far_mm - top_mm) / height, 2 * half_width_mm / width))
        spare_rows = rows - (far_mm - top_mm) / mm_per_px
        spare_columns = columns - 2 * half_width_mm / mm_per_px
        apex_row = spare_rows * rng.uniform(0.3, 0.6) - top_mm / mm_per_px
        apex_column = columns / 2 - 0.5 + max(spare_columns, 0.05 * columns) * rng.uniform(-0.25, 0.25)
    cone = Cone(apex_row, apex_column, half_angle, near_mm / mm_per_px, far_mm / mm_per_px)
    return Frame(cone, (round(rows / pixel_aspect), columns), mm_per_px, pixel_aspect)


def _field(shape: tuple[int, int], coarse: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of mean 0 and standard deviation about 1: float32 (R, A)."""
    knots = rng.standard_normal(coarse, dtype=np.float32)
    factors = (shape[0] / coarse[0], shape[1] / coarse[1])
    smooth = zoom(knots, factors, order=2, mode="nearest", grid_mode=True)[: shape[0], : shape[1]]
    return smooth / max(float(smooth.std()), 1e-3)


@dataclass(frozen=True)
class Artefacts:
    """What one examination does to the echo, the same in all frames of a video; float32, in dB."""

    level: Float32[np.ndarray, " tissues"]
    """Mean echo of each `Tissue`."""
    texture: Float32[np.ndarray, "r a"]
    """Slow changes within tissue."""
    patches: Float32[np.ndarray, "r a"]
    """Faster ones, which break lines."""
    loss: Float32[np.ndarray, "r a"]
    """Attenuation, drop-out and shadows: negative."""
    haze: Float32[np.ndarray, "r a"]
    """Reverberation near the probe and noise, added to the echo."""


def draw_artefacts(
    acquisition: Acquisition, radius_mm: Float32[np.ndarray, " r"], n_beams: int, rng: np.random.Generator
) -> Artefacts:
    """Draw what the examination does to the echo.

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
    # Echoes fade towards the sides of the cone, on one side more than on the other.
    sides = np.where(beam < 0, rng.uniform(0.4, 1.4), rng.uniform(0.4, 1.4)).astype(np.float32)
    loss = loss - np.float32(acquisition.edge_drop_db) * sides * np.abs(beam) ** 3 * (0.3 + 1.2 * depth / depth[-1, 0])
    knots = rng.standard_normal((1, 9), dtype=np.float32)
    drop = zoom(np.repeat(knots, 2, axis=0), (1, n_beams / 9), order=2, mode="nearest", grid_mode=True)[:1, :n_beams]
    loss = loss - np.float32(acquisition.drop_out_db) * np.maximum(drop, -0.5)
    for _ in range(rng.poisson(acquisition.shadows)):
        # Ribs and lung stand at the sides more often than in the middle.
        centre = np.sign(rng.uniform(-1, 1)) * rng.uniform(0.25, 1.05)
        width, start, strength = rng.uniform(0.05, 0.16), rng.uniform(0, 0.5) * depth[-1, 0], rng.uniform(6, 18)
        onset = 1 / (1 + np.exp(-np.clip((depth - start) / 4, -30, 30)))
        loss = loss - np.float32(strength) * np.exp(-(((beam - centre) / width) ** 2)).astype(np.float32) * onset
    reach = rng.uniform(16, 45)
    near = acquisition.haze_db + 4 * np.exp(-depth / 4) - 12 * (depth / reach) + 2.5 * _field(shape, (8, 6), rng)
    noise = acquisition.noise_db + 0.08 * depth + 0 * beam
    haze = 10 * np.log10(10 ** (near / 10) + 10 ** (noise / 10))
    return Artefacts(level, texture.astype(np.float32), patches, loss.astype(np.float32), haze.astype(np.float32))


# Depth at which lateral millimetres are counted in beams: the middle of a ventricle.
_MIDDLE_MM = 70.0
# How much of the slow and of the fast changes each tissue takes, in the order of `Tissue`.
_TEXTURE = np.array([2.0, 0.3, 0.3, 0.9, 1.1, 1.0, 1.0, 0.7, 1.0, 1.0, 1.4], np.float32)
_PATCHES = np.array([0.5, 0.0, 0.0, 0.4, 0.6, 1.0, 0.6, 0.9, 0.8, 1.1, 0.8], np.float32)


def _facing(
    level: Float32[np.ndarray, "r a"], radius_mm: Float32[np.ndarray, " r"], beam_rad: float
) -> Float32[np.ndarray, "r a"]:
    """How much a border faces the probe: +0.5 across the beam, -0.5 along it, 0 where there is no border."""
    along = np.gradient(level, float(radius_mm[1] - radius_mm[0]), axis=0)
    across = np.gradient(level, beam_rad, axis=1) / np.maximum(radius_mm, 5)[:, None]
    parts = [gaussian_filter1d(gaussian_filter1d(part**2, 2.0, axis=0), 1.5, axis=1) for part in (along, across)]
    # Below about 1 dB per mm there is no border worth the name.
    return ((parts[0] - parts[1]) / (2 * (parts[0] + parts[1] + 1.0))).astype(np.float32)


def echo(
    tissue: UInt8[np.ndarray, "r a"],
    acquisition: Acquisition,
    artefacts: Artefacts,
    radius_mm: Float32[np.ndarray, " r"],
    scatterers: Complex64[np.ndarray, "r a"],
    clutter: Complex64[np.ndarray, "r a"],
) -> Float32[np.ndarray, "r a"]:
    """Grey values 0 to 1 of every range and beam: speckle, losses, haze, log compression, grey map.

    Args:
        tissue: Values of `Tissue`.
        acquisition: Settings of the examination.
        artefacts: What it does to the echo.
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
    # No border between tissues is as sharp as a drawn one.
    soft = gaussian_filter1d(decibel, 0.6 / range_mm, axis=0, mode="nearest")
    soft = gaussian_filter1d(soft, 0.6 / (_MIDDLE_MM * np.deg2rad(beam_deg)), axis=1, mode="nearest")
    decibel = soft + _TEXTURE[tissue] * artefacts.texture + _PATCHES[tissue] * artefacts.patches
    decibel += np.float32(acquisition.specular_db) * _facing(soft, radius_mm, float(np.deg2rad(beam_deg)))
    amplitude = np.exp((decibel + artefacts.loss) * np.float32(np.log(10) / 20)).astype(np.float32)
    heart = envelope(amplitude, scatterers, axial, lateral)
    veil = np.exp(artefacts.haze * np.float32(np.log(10) / 20)).astype(np.float32)
    # Haze is what many reflections left: broader speckle than the heart's.
    heart = np.hypot(heart, envelope(veil, clutter, 1.5 * axial, 1.4 * lateral))
    if acquisition.smoothing_mm > 0:
        heart = gaussian_filter1d(heart, max(acquisition.smoothing_mm / range_mm, 1e-3), axis=0, mode="nearest")
        heart = gaussian_filter1d(heart, max(0.6 * acquisition.smoothing_mm, 1e-3) / beam_deg, axis=1, mode="nearest")
    decibel = np.float32(20) * np.log10(heart + np.float32(1e-6)) + np.float32(acquisition.gain_db)
    grey = np.clip(1 + decibel / np.float32(acquisition.dynamic_range_db), 0, 1)
    return grey ** np.float32(acquisition.gamma)


@dataclass(frozen=True)
class Examination:
    """A probe on a patient: everything that is the same in all frames of a video."""

    heart: Heart
    pose: Pose
    acquisition: Acquisition
    frame: Frame
    artefacts: Artefacts
    overlay: UInt8[np.ndarray, "h w"]
    """Grey values burnt in; 0 where nothing is."""
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
        frame: Where the cone lies; drawn if None.
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
    """The picture at one moment.

    Args:
        examination: Probe and patient.
        phase: 0 end diastole, 1 end systole.
        opening: Of the valves between atria and ventricles: 0 closed, 1 wide open.
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
        beyond_mm: How far annotators draw on beyond the cone.
    """
    frame = examination.frame
    labels = label_map(examination.heart, examination.pose, phase, *frame.positions_mm)
    margin = beyond_mm / frame.mm_per_px
    if margin == 0:
        seen = frame.mask
    else:
        # A cone whose sides lie `margin` further out has its apex that much higher.
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
    """Faint specks outside the cone, as compression leaves them."""
    specks = rng.random(image.shape) < 0.02
    faint = np.where(specks, rng.integers(1, 7, image.shape), 0).astype(np.uint8)
    return np.where(image == 0, faint, image)


def draw_overlay(overlays: Overlays, frame: Frame, rng: np.random.Generator) -> UInt8[np.ndarray, "h w"]:
    """Draw what a scanner burns into the picture: grey values, 0 where nothing is.

    Args:
        overlays: The kind.
        frame: The cone in the picture; marks stand beside it, and the trace may cross its lower edge.
        rng: Source of randomness.
    """
    height, width = frame.shape
    picture = Image.new("L", (width, height))
    if overlays != "screen":
        return np.asarray(picture)
    draw = ImageDraw.Draw(picture)
    small = ImageFont.load_default(size=max(7, round(height * rng.uniform(0.028, 0.04))))
    bright = int(rng.integers(120, 256))
    if rng.random() < 0.75:
        _draw_trace(draw, height, width, rng)
    if rng.random() < 0.85:
        _draw_ruler(draw, frame, bright, small, rng)
    if rng.random() < 0.7:
        left, top = int(width * rng.uniform(0.01, 0.05)), int(height * rng.uniform(0.05, 0.25))
        bar_width, bar_height = int(width * rng.uniform(0.015, 0.03)), int(height * rng.uniform(0.15, 0.35))
        for step in range(bar_height):
            shade = int(255 * (1 - step / bar_height))
            draw.line([(left, top + step), (left + bar_width, top + step)], fill=shade)
    _draw_text(draw, frame, bright, small, rng)
    return np.array(picture)


def _draw_ruler(
    draw: ImageDraw.ImageDraw, frame: Frame, shade: int, font: ImageFont.FreeTypeFont, rng: np.random.Generator
) -> None:
    """Draw a mark every centimetre of depth at one side, longer and perhaps with a number every five."""
    height, width = frame.shape
    column = int(width * rng.uniform(0.95, 0.985)) if rng.random() < 0.7 else int(width * rng.uniform(0.02, 0.06))
    numbers = rng.random() < 0.8
    for centimetre in range(int(height * frame.mm_per_px / 10) + 1):
        row = frame.cone.apex_row + frame.cone.near_px + centimetre * 10 / frame.mm_per_px
        length = 5 if centimetre % 5 == 0 else 2
        draw.line([(column, row), (column + length, row)], fill=shade)
        if centimetre % 5 == 0 and centimetre and numbers:
            draw.text((column - 14, row - 4), str(centimetre), fill=shade, font=font)


def _draw_text(
    draw: ImageDraw.ImageDraw, frame: Frame, shade: int, font: ImageFont.FreeTypeFont, rng: np.random.Generator
) -> None:
    """Draw settings in a corner, a mark beside the top of the cone, the heart rate below."""
    height, width = frame.shape
    if rng.random() < 0.8:
        words = ("Adult Echo", "S5-1", "M5S", "TIS 0.8 MI 1.3", "FR 50Hz", "17cm", "2D", "62%", "C 50", "P Low", "HGen")
        top = int(height * rng.uniform(0.01, 0.05))
        left = int(width * (rng.uniform(0.01, 0.12) if rng.random() < 0.7 else rng.uniform(0.72, 0.84)))
        for line in range(int(rng.integers(1, 6))):
            draw.text((left, top + line * font.size * 1.15), str(rng.choice(words)), fill=shade, font=font)
    if rng.random() < 0.7:
        row = frame.cone.apex_row + height * rng.uniform(-0.01, 0.03)
        column = frame.cone.apex_column + width * rng.uniform(0.02, 0.05)
        draw.text((column, row), str(rng.choice(("V", "P", "oo", "M", "+"))), fill=shade, font=font)
    if rng.random() < 0.5:
        draw.text((width * rng.uniform(0.78, 0.9), height * rng.uniform(0.88, 0.95)), "72 bpm", fill=shade, font=font)


def _draw_trace(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    """Draw an electrocardiogram along the lower border."""
    base = height * rng.uniform(0.86, 0.97)
    amplitude = height * rng.uniform(0.03, 0.1)
    period = width * rng.uniform(0.25, 0.6)
    time = np.arange(int(width * rng.uniform(0, 0.15)), int(width * rng.uniform(0.8, 1.0)))
    share = ((time + rng.uniform(0, period)) % period) / period
    waves = ((0.18, 0.03, 0.12), (0.29, 0.008, -0.15), (0.31, 0.011, 1.0), (0.335, 0.01, -0.25), (0.55, 0.05, 0.25))
    signal = sum(size * np.exp(-0.5 * ((share - centre) / spread) ** 2) for centre, spread, size in waves)
    points = list(zip(time.tolist(), (base - amplitude * signal).tolist(), strict=True))
    draw.line(points, fill=int(rng.integers(110, 230)), width=int(rng.integers(1, 3)))
