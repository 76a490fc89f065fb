"""Draw a heart in three dimensions, in millimetres, and cut it along apical planes.

Axes of the heart: z along the long axis of the left ventricle, 0 in the mitral plane, positive towards the apex,
negative in the atria; x from the septum (negative) to the lateral wall (positive); y at right angles to both. The left
ventricle is a stack of ellipses along a bowed centre line: an ellipsoid truncated by the mitral plane, so that its
volume has a closed form and bowing does not change it (Cavalieri).

Adult ranges: Lang et al., "Recommendations for cardiac chamber quantification by echocardiography in adults", JASE
28 (2015) 1-39, widened towards dilated, failing and thick-walled hearts, which are common in clinical data sets.
"""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from labeldropout.heart import Structure
from labeldropout.labels import View


class Tissue(IntEnum):
    """Tissue type of a point, which determines how it scatters; an index into a table of echogenicities."""

    SURROUNDINGS = 0
    """Lung, chest wall, liver: everything far beyond the pericardium."""
    BLOOD = 1
    """Left ventricle."""
    RIGHT_BLOOD = 2
    """Right ventricle and right atrium."""
    SEPTAL_WALL = 3
    """Myocardium on the left of the picture: septum in A4C, inferior wall in A2C."""
    LATERAL_WALL = 4
    """Myocardium on the right of the picture: lateral wall in A4C, anterior wall in A2C."""
    THIN_WALL = 5
    """Walls of the atria and of the right ventricle."""
    PAPILLARY = 6
    """Papillary muscles and trabeculae."""
    VALVE = 7
    """Leaflets."""
    ANNULUS = 8
    """Fibrous ring around the valves, with the fat beside it."""
    PERICARDIUM = 9
    """The bright line around the heart."""
    FAT = 10
    """Fat and connective tissue just outside it."""
    ATRIAL_BLOOD = 11
    """Left atrium and pulmonary veins, where clutter differs from that in the ventricle."""


@dataclass(frozen=True)
class Chambers:
    """Sizes at one instant; unit: mm."""

    lv_length: float
    """Mitral plane to the apex of the cavity."""
    lv_radius: float
    """Geometric mean of the two semi-axes of the widest cross-section of the cavity."""
    wall: float
    """Mean thickness of the myocardium at the widest cross-section."""
    la_half_length: float
    """Semi-axis of the left atrium along z."""
    la_radius: float
    """Geometric mean of the other two semi-axes of the left atrium."""
    right_scale: float
    """Size of the right heart relative to end diastole; no unit."""


@dataclass(frozen=True)
class Heart:
    """One heart; lengths in mm, shares without unit, angles in rad."""

    ed: Chambers
    es: Chambers
    widest: float
    """Height of the widest cross-section of the left ventricle, as a share of its length."""
    annulus: float
    """Radius of the cavity in the mitral plane over the largest one."""
    bluntness: float
    """Exponent of the apical profile: 2 is an ellipse, less is more pointed."""
    ellipticity: float
    """Semi-axis of the cavity along x over the mean one."""
    bow: tuple[float, float]
    """Largest shift (x, y) of the centre line of the left ventricle, halfway between apex and base."""
    sway: tuple[float, float]
    """Amplitude (x, y) of one full wave of the centre line between apex and base."""
    wall_wave: float
    """Share of the wall by which one full wave shifts the cavity in it, making it thicker here and thinner there."""
    septal_share: float
    """Share by which the septum is thicker, and the lateral wall thinner, than the mean wall."""
    apex_wall: float
    """Thickness of the wall at the apex over that at the widest cross-section."""
    la_depth: float
    """Distance of the centre of the left atrium from the mitral plane over its half length."""
    la_slant: tuple[float, float]
    """Shift (x, y) of the centre line of the left atrium per mm of distance from the mitral plane."""
    la_ellipticity: float
    """Semi-axis of the left atrium along x over the mean one."""
    right_width: float
    """Semi-axis of the right ventricle along x."""
    right_reach: float
    """Height of the apex of the right ventricle as a share of the length of the left one."""
    right_atrium_radius: float
    right_wall: float
    """Thickness of the walls of the right heart and of the atria."""
    tricuspid_shift: float
    """Height of the tricuspid plane above the mitral plane."""
    papillary: tuple[tuple[float, float, float], ...]
    """Per papillary muscle: azimuth from +x towards +y, height as a share of the length, thickness in mm."""
    anterior_leaflet: float
    """Share of the annulus that the leaflet on the septal side covers."""
    tenting: float
    """Height of the closed leaflets' meeting point above the mitral plane."""
    roughness: tuple[tuple[float, float, float], ...]
    """Trabeculae: amplitude in mm, waves along the length, phase."""
    pericardium: float
    """Thickness of the bright line."""
    fat: float
    """Mean thickness of the tissue just outside that line."""
    veins: tuple[tuple[float, float], ...]
    """Pulmonary veins in the plane: angle from straight down at the centre of the left atrium, and half width."""
    two_chamber_angle: float
    """Rotation of the two-chamber plane about the long axis, from the four-chamber plane."""

    def at(self, phase: float) -> Chambers:
        """Sizes between end diastole (phase 0) and end systole (phase 1), linear in every length."""
        mixed = {
            field.name: (1 - phase) * getattr(self.ed, field.name) + phase * getattr(self.es, field.name)
            for field in fields(Chambers)
        }
        return Chambers(**mixed)


@dataclass(frozen=True)
class Pose:
    """Where the picture cuts the heart; in mm from the virtual apex of the cone, and in rad."""

    view: View
    apex_row: float
    """Depth of the apex of the left ventricular cavity."""
    apex_column: float
    tilt: float
    """Angle of the long axis in the picture; positive if the base is to the right of the apex."""
    offset: float
    """Distance of the plane from the apex, out of the plane."""
    slope: float
    """Angle between the plane and the long axis: foreshortening."""


@dataclass(frozen=True)
class _Shell:
    """A truncated ellipsoid above the mitral plane: level 1 is its surface."""

    radius: float
    widest: float
    """Height of the widest cross-section, mm."""
    upper: float
    """Semi-axis above it, mm."""
    lower: float
    """Semi-axis below it, mm; larger than `widest`, so that the mitral plane truncates the ellipsoid."""
    bluntness: float

    def level(
        self, radius_squared: Float[np.ndarray, "*s"], height: Float[np.ndarray, "*s"]
    ) -> Float[np.ndarray, "*s"]:
        """Level function: below 1 inside, 1 on the surface, growing outwards."""
        above = height - np.float32(self.widest)
        upper = np.maximum(above, 0) * np.float32(1 / self.upper)
        lower = np.minimum(above, 0) * np.float32(1 / self.lower)
        return radius_squared * np.float32(1 / self.radius**2) + upper ** np.float32(self.bluntness) + lower**2

    @property
    def volume_ml(self) -> float:
        """Closed form: the area of a cross-section is pi radius^2 (1 - share of the semi-axis ^ exponent)."""
        upper = self.upper * self.bluntness / (self.bluntness + 1)
        lower = self.widest - self.widest**3 / (3 * self.lower**2)
        return float(np.pi * self.radius**2 * (upper + lower) / 1000)

    def area_mm2(self, height: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Area of the cross-section at each height; 0 beyond the apex and below the mitral plane."""
        level = self.level(np.zeros_like(height), height)
        return np.where((height >= 0) & (level < 1), np.pi * self.radius**2 * (1 - level), 0.0)


def _endocardium(heart: Heart, now: Chambers) -> _Shell:
    widest = heart.widest * now.lv_length
    return _Shell(
        now.lv_radius,
        widest,
        now.lv_length - widest,
        widest / float(np.sqrt(1 - heart.annulus**2)),
        heart.bluntness,
    )


def _epicardium(heart: Heart, now: Chambers) -> _Shell:
    widest = heart.widest * now.lv_length
    radius = now.lv_radius + now.wall
    # The wall is a little thinner at the base than at the widest cross-section.
    annulus = (heart.annulus * now.lv_radius + 0.85 * now.wall) / radius
    return _Shell(
        radius,
        widest,
        now.lv_length - widest + heart.apex_wall * now.wall,
        widest / float(np.sqrt(1 - annulus**2)),
        heart.bluntness,
    )


def _la_area_mm2(heart: Heart, now: Chambers, height: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    share = height / now.la_half_length + heart.la_depth
    return np.where(height <= 0, np.pi * now.la_radius**2 * np.maximum(1 - share**2, 0), 0.0)


def volumes_ml(heart: Heart, phase: float, n_slices: int = 4000) -> dict[Structure, float]:
    """Volumes of cavity, myocardium and left atrium: areas of cross-sections, summed (midpoint rule).

    These are the volumes of the same solids that `label_map` cuts, counting papillary muscles as cavity.

    Args:
        heart: The heart.
        phase: 0 end diastole, 1 end systole.
        n_slices: Number of slices of each solid.
    """
    now = heart.at(phase)
    endocardium, epicardium = _endocardium(heart, now), _epicardium(heart, now)
    midpoints = (np.arange(n_slices) + 0.5) / n_slices

    def solid(shell: _Shell) -> float:
        top = shell.widest + shell.upper
        return float(shell.area_mm2(top * midpoints).sum() * top / n_slices / 1000)

    la_length = now.la_half_length * (1 + heart.la_depth)
    la = float(_la_area_mm2(heart, now, -la_length * midpoints).sum() * la_length / n_slices / 1000)
    cavity = solid(endocardium)
    return {Structure.LV: cavity, Structure.LVM: solid(epicardium) - cavity, Structure.LA: la}


def _clipped_normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(mean, sd), low, high))


def draw_heart(rng: np.random.Generator) -> Heart:
    """Draw an adult heart: first end-diastolic volume, ejection fraction and shape, then lengths derived from them.

    The myocardium keeps its volume from end diastole to end systole (muscle is nearly incompressible), which
    determines how much the wall thickens. Failing ventricles are drawn larger and rounder.
    """
    ejection_fraction = _clipped_normal(rng, 0.53, 0.12, 0.18, 0.76)
    dilation = 1 + 1.1 * max(0.0, 0.5 - ejection_fraction)
    ed_volume_ml = _clipped_normal(rng, 108 * dilation, 30.0, 50.0, 260.0)
    shape = {
        "widest": rng.uniform(0.26, 0.44),
        "annulus": rng.uniform(0.70, 0.90),
        "bluntness": rng.uniform(1.75, 2.7),
    }
    filling = (1 - shape["widest"]) * shape["bluntness"] / (shape["bluntness"] + 1)
    filling += shape["widest"] * (1 - (1 - shape["annulus"] ** 2) / 3)
    # Length over diameter: about 1.8 in health, lower in dilated hearts.
    slenderness = _clipped_normal(rng, 1.85 - 0.5 * max(0.0, 0.5 - ejection_fraction), 0.15, 1.35, 2.3)
    ed_radius = (ed_volume_ml * 1000 / (2 * np.pi * slenderness * filling)) ** (1 / 3)
    ed_length = 2 * slenderness * ed_radius
    # Longitudinal shortening is about a quarter of the ejection fraction; the rest is radial.
    es_length = ed_length * (1 - rng.uniform(0.2, 0.32) * ejection_fraction)
    es_radius = ed_radius * float(np.sqrt((1 - ejection_fraction) * ed_length / es_length))
    ed_wall = _clipped_normal(rng, 9.0, 1.8, 6.0, 15.0)
    es_la_radius = _clipped_normal(rng, 22.5 + 8 * max(0.0, 0.5 - ejection_fraction), 3.2, 16.0, 32.0)
    # Mean volume about 63 ml: Lang's upper normal limit of 34 ml/m2 on a body of 1.9 m2, as in a clinic's patients.
    es_la_half_length = es_la_radius * rng.uniform(1.1, 1.5)
    la_emptying = rng.uniform(0.78, 0.95)
    right_scale = rng.uniform(0.78, 0.92)
    ed = Chambers(ed_length, ed_radius, ed_wall, es_la_half_length * la_emptying, es_la_radius * la_emptying, 1.0)
    draft = Heart(
        ed=ed,
        es=ed,
        **shape,
        ellipticity=rng.uniform(0.94, 1.06),
        bow=(rng.normal(0, 2.5), rng.normal(0, 2.5)),
        sway=(rng.normal(0, 1.2), rng.normal(0, 1.2)),
        wall_wave=float(np.clip(rng.normal(0, 0.1), -0.2, 0.2)),
        septal_share=rng.uniform(-0.15, 0.25),
        apex_wall=rng.uniform(0.55, 0.95),
        la_depth=rng.uniform(0.62, 0.8),
        la_slant=(rng.normal(0.03, 0.12), rng.normal(0, 0.1)),
        la_ellipticity=rng.uniform(0.9, 1.1),
        right_width=_clipped_normal(rng, 27.0, 5.0, 17.0, 42.0),
        right_reach=rng.uniform(0.6, 0.88),
        right_atrium_radius=_clipped_normal(rng, 21.0, 3.5, 14.0, 32.0),
        right_wall=rng.uniform(2.2, 4.0),
        tricuspid_shift=rng.uniform(2, 8),
        papillary=(
            (np.deg2rad(rng.uniform(15, 65)), rng.uniform(0.35, 0.55), rng.uniform(3.5, 6.5)),
            (np.deg2rad(rng.uniform(-125, -80)), rng.uniform(0.35, 0.55), rng.uniform(3.5, 6.5)),
        ),
        anterior_leaflet=rng.uniform(0.5, 0.66),
        tenting=rng.uniform(0, 7),
        roughness=tuple((rng.uniform(0.1, 0.7), rng.uniform(4, 16), rng.uniform(0, 2 * np.pi)) for _ in range(4)),
        pericardium=rng.uniform(1.0, 2.6),
        fat=rng.uniform(3, 11),
        veins=tuple((sign * rng.uniform(0.5, 1.3), rng.uniform(0.06, 0.2)) for sign in (-1, 1)),
        two_chamber_angle=np.deg2rad(rng.uniform(65, 95)),
    )
    muscle = _epicardium(draft, ed).volume_ml - _endocardium(draft, ed).volume_ml

    def too_much(wall: float) -> float:
        es = Chambers(es_length, es_radius, wall, es_la_half_length, es_la_radius, right_scale)
        return _epicardium(draft, es).volume_ml - _endocardium(draft, es).volume_ml - muscle

    es_wall = float(brentq(too_much, 0.5 * ed_wall, 4 * ed_wall))
    es = Chambers(es_length, es_radius, es_wall, es_la_half_length, es_la_radius, right_scale)
    values = {field.name: getattr(draft, field.name) for field in fields(Heart)}
    return Heart(**{**values, "es": es})


def draw_pose(view: View, near_mm: float, half_angle_rad: float, rng: np.random.Generator) -> Pose:
    """Draw the position of the probe: roughly over the apex, and pointing roughly along the long axis.

    Args:
        view: The plane.
        near_mm: Distance from the virtual apex of the cone to the first sample.
        half_angle_rad: Half the opening angle of the cone; wide cones tolerate more shift.
        rng: Source of randomness.
    """
    apex_row = near_mm + rng.uniform(11, 27)
    reach = apex_row * float(np.tan(half_angle_rad))
    return Pose(
        view=view,
        apex_row=apex_row,
        apex_column=_clipped_normal(rng, 0.0 if view is View.A2C else 2.0, 5.0, -0.6 * reach, 0.6 * reach),
        # In A4C the septum is placed in the middle of the cone, with the left heart to its right.
        tilt=np.deg2rad(_clipped_normal(rng, 1.0 if view is View.A2C else 4.0, 6.0, -13.0, 15.0)),
        offset=rng.normal(0, 1.5),
        slope=np.deg2rad(rng.normal(0, 2.5)),
    )


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
