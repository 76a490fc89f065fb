"""Draw a heart in three dimensions, in millimetres, and cut it along apical planes.

Axes of the heart: z along the long axis of the left ventricle, 0 in the mitral plane, positive towards the apex,
negative in the atria; x from the septum (negative) to the lateral wall (positive); y at right angles to both. The left
ventricle is a stack of ellipses along a bowed centre line: an ellipsoid truncated by the mitral plane, so that its
volume has a closed form and bowing does not change it (Cavalieri).

Adult ranges: Lang et al., "Recommendations for cardiac chamber quantification by echocardiography in adults", JASE
28 (2015) 1-39, widened towards dilated, failing and thick-walled hearts, which clinical data sets are full of.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8
from scipy.optimize import brentq

from labeldropout.labels import Structure, View


class Tissue(IntEnum):
    """What a point scatters like; the index into a table of echogenicities."""

    SURROUNDINGS = 0
    """Lung, chest wall, liver: everything far beyond the pericardium."""
    BLOOD = 1
    """Left ventricle and left atrium."""
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


@dataclass(frozen=True)
class Chambers:
    """Sizes at one instant; unit: mm."""

    lv_length: float
    """Mitral plane to the apex of the cavity."""
    lv_radius: float
    """Geometric mean of the two half axes of the widest cross-section of the cavity."""
    wall: float
    """Mean thickness of the myocardium at the widest cross-section."""
    la_half_length: float
    """Half axis of the left atrium along z."""
    la_radius: float
    """Geometric mean of the other two half axes of the left atrium."""
    right_scale: float
    """Size of the right heart over its size at end diastole; no unit."""


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
    """Half axis of the cavity along x over the mean one."""
    bow: tuple[float, float]
    """Largest shift (x, y) of the centre line of the left ventricle, halfway between apex and base."""
    sway: tuple[float, float]
    """Amplitude (x, y) of one full wave of the centre line between apex and base."""
    wall_wave: float
    """Share of the wall by which one full wave shifts the cavity in it: thicker here, thinner there."""
    septal_share: float
    """Septum thicker than the mean wall by this share, lateral wall thinner by it."""
    apex_wall: float
    """Thickness of the wall at the apex over that at the widest cross-section."""
    la_depth: float
    """Distance of the centre of the left atrium from the mitral plane over its half length."""
    la_slant: tuple[float, float]
    """Shift (x, y) of the centre line of the left atrium per mm of distance from the mitral plane."""
    la_ellipticity: float
    """Half axis of the left atrium along x over the mean one."""
    right_width: float
    """Half axis of the right ventricle along x."""
    right_reach: float
    """Height of the apex of the right ventricle as a share of the left one's length."""
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
    """Mean thickness of the tissue just outside it."""
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
    """Where the picture cuts the heart; mm in the picture from the virtual apex of the cone, and rad."""

    view: View
    apex_row: float
    """Depth of the apex of the left ventricular cavity."""
    apex_column: float
    tilt: float
    """Angle of the long axis in the picture; positive: the base lies to the right of the apex."""
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
    """Half axis above it, mm."""
    lower: float
    """Half axis below it, mm; larger than `widest`, so that the mitral plane truncates."""
    bluntness: float

    def level(
        self, radius_squared: Float[np.ndarray, "*s"], height: Float[np.ndarray, "*s"]
    ) -> Float[np.ndarray, "*s"]:
        """Below 1 inside, 1 on the surface, and growing outwards."""
        above = height - np.float32(self.widest)
        upper = np.maximum(above, 0) * np.float32(1 / self.upper)
        lower = np.minimum(above, 0) * np.float32(1 / self.lower)
        return radius_squared * np.float32(1 / self.radius**2) + upper ** np.float32(self.bluntness) + lower**2

    @property
    def volume_ml(self) -> float:
        """Closed form: the area of a cross-section is pi radius^2 (1 - share of the half axis ^ exponent)."""
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

    These are the volumes of the same solids that `label_map` cuts, papillary muscles counted as cavity.

    Args:
        heart: The heart.
        phase: 0 end diastole, 1 end systole.
        n_slices: Slices of each solid.
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
    """Draw an adult heart: end-diastolic volume, ejection fraction and shape first, lengths from them.

    The myocardium keeps its volume from end diastole to end systole (muscle is nearly incompressible), which gives the
    thickening of the wall. Failing ventricles are drawn larger and rounder.
    """
    ejection_fraction = _clipped_normal(rng, 0.53, 0.12, 0.18, 0.76)
    dilation = 1 + 1.1 * max(0.0, 0.5 - ejection_fraction)
    ed_volume_ml = _clipped_normal(rng, 108 * dilation, 26.0, 50.0, 260.0)
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
    es_la_radius = _clipped_normal(rng, 21.5 + 8 * max(0.0, 0.5 - ejection_fraction), 2.8, 16.0, 31.0)
    es_la_half_length = es_la_radius * rng.uniform(1.05, 1.45)
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
    """Draw where the probe stands: over the apex, more or less, and pointing along the long axis, more or less.

    Args:
        view: The plane.
        near_mm: Distance from the virtual apex of the cone to the first sample.
        half_angle_rad: Half of the opening angle of the cone; wide cones tolerate more shift.
        rng: Source of randomness.
    """
    apex_row = near_mm + rng.uniform(11, 27)
    reach = apex_row * float(np.tan(half_angle_rad))
    return Pose(
        view=view,
        apex_row=apex_row,
        apex_column=_clipped_normal(rng, 0.0 if view is View.A2C else 2.0, 5.0, -0.6 * reach, 0.6 * reach),
        # In A4C the septum is steered to the middle of the cone, and the left heart lies to its right.
        tilt=np.deg2rad(_clipped_normal(rng, 1.0 if view is View.A2C else 4.0, 6.0, -13.0, 15.0)),
        offset=rng.normal(0, 1.5),
        slope=np.deg2rad(rng.normal(0, 2.5)),
    )


@dataclass(frozen=True)
class _Place:
    """Points of a plane in the heart's axes, float32."""

    height: Float[np.ndarray, "*s"]
    x: Float[np.ndarray, "*s"]
    y: Float[np.ndarray, "*s"]
    lateral: Float[np.ndarray, "*s"]
    """In the plane, at right angles to the long axis; negative on the left."""


def _rotation(heart: Heart, view: View) -> float:
    return heart.two_chamber_angle if view is View.A2C else 0.0


def _locate(
    heart: Heart, now: Chambers, pose: Pose, row_mm: Float[np.ndarray, "..."], column_mm: Float[np.ndarray, "..."]
) -> _Place:
    row = np.asarray(row_mm, np.float32) - np.float32(pose.apex_row)
    column = np.asarray(column_mm, np.float32) - np.float32(pose.apex_column)
    cos, sin = np.float32(np.cos(pose.tilt)), np.float32(np.sin(pose.tilt))
    along, lateral = row * cos + column * sin, column * cos - row * sin
    elevation = np.float32(pose.offset) + along * np.float32(np.tan(pose.slope))
    angle = _rotation(heart, pose.view)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return _Place(
        np.float32(now.lv_length) - along, lateral * cos - elevation * sin, lateral * sin + elevation * cos, lateral
    )


@dataclass(frozen=True)
class _Levels:
    """Level functions of the left heart: below 1 inside."""

    endocardium: Float[np.ndarray, "*s"]
    epicardium: Float[np.ndarray, "*s"]
    la: Float[np.ndarray, "*s"]


def _levels(heart: Heart, now: Chambers, place: _Place) -> _Levels:
    share = np.clip(place.height * np.float32(1 / now.lv_length), 0, 1)
    bow, sway = 4 * share * (1 - share), np.sin(np.float32(2 * np.pi) * share)
    x = place.x - np.float32(heart.bow[0]) * bow - np.float32(heart.sway[0]) * sway
    y = place.y - np.float32(heart.bow[1]) * bow - np.float32(heart.sway[1]) * sway
    stretch = np.float32(heart.ellipticity)
    inner = x - np.float32(heart.wall_wave * now.wall) * sway
    endocardium = _endocardium(heart, now).level((inner / stretch) ** 2 + (y * stretch) ** 2, place.height)
    shifted = x + np.float32(heart.septal_share * now.wall)
    epicardium = _epicardium(heart, now).level((shifted / stretch) ** 2 + (y * stretch) ** 2, place.height)
    below = np.minimum(place.height, 0)
    stretch = np.float32(heart.la_ellipticity)
    x = (place.x + np.float32(heart.la_slant[0]) * below) / stretch
    y = (place.y + np.float32(heart.la_slant[1]) * below) * stretch
    la = (x**2 + y**2) * np.float32(1 / now.la_radius**2)
    la += (place.height * np.float32(1 / now.la_half_length) + np.float32(heart.la_depth)) ** 2
    return _Levels(endocardium, epicardium, la)


def _paint_labels(place: _Place, levels: _Levels) -> UInt8[np.ndarray, "*s"]:
    ventricle = place.height >= 0
    labels = np.zeros(place.height.shape, np.uint8)
    labels[ventricle & (levels.epicardium <= 1)] = Structure.LVM
    labels[ventricle & (levels.endocardium <= 1)] = Structure.LV
    labels[~ventricle & (levels.la <= 1)] = Structure.LA
    return labels


def label_map(
    heart: Heart, pose: Pose, phase: float, row_mm: Float[np.ndarray, "..."], column_mm: Float[np.ndarray, "..."]
) -> UInt8[np.ndarray, "..."]:
    """Pixel values of `Structure` as an annotator draws them: smooth borders, papillary muscles inside the cavity.

    Args:
        heart: The heart.
        pose: The plane.
        phase: 0 end diastole, 1 end systole.
        row_mm: Depth of each point from the virtual apex of the cone; broadcast against `column_mm`.
        column_mm: Lateral position of each point.
    """
    now = heart.at(phase)
    place = _locate(heart, now, pose, row_mm, column_mm)
    return _paint_labels(place, _levels(heart, now, place))


def _segment_distance(
    x: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"], start: tuple[float, float], end: tuple[float, float]
) -> Float[np.ndarray, " n"]:
    """Distance from each point (x, z) to a segment, in mm."""
    along = (end[0] - start[0], end[1] - start[1])
    length_squared = max(along[0] ** 2 + along[1] ** 2, 1e-6)
    share = np.clip(((x - start[0]) * along[0] + (z - start[1]) * along[1]) / length_squared, 0, 1)
    return np.hypot(x - start[0] - share * along[0], z - start[1] - share * along[1])


def _leaflet(hinge: float, meeting: tuple[float, float], length: float, opening: float) -> list[tuple[float, float]]:
    """Hinge, belly and tip of a leaflet, in the plane: closed at `opening` 0, along the wall at 1."""
    inwards = np.sign(meeting[0] - hinge) or 1.0
    closed = np.arctan2(meeting[1], abs(meeting[0] - hinge) + 1e-6)
    angle = closed + opening * (np.deg2rad(80) - closed)
    tip = (hinge + inwards * length * np.cos(angle), length * np.sin(angle))
    # Closed leaflets belly towards the atrium, open ones towards the wall.
    normal = -1.5 + 3.0 * opening
    belly = (
        0.5 * (hinge + tip[0]) - inwards * normal * np.sin(angle),
        0.5 * tip[1] + normal * np.cos(angle),
    )
    return [(hinge, 0.0), belly, tip]


def _paint_valve(
    tissue: UInt8[np.ndarray, "*s"], place: _Place, hinges: tuple[float, float], shape: tuple[float, float, float]
) -> None:
    """Paint leaflets and ring into `tissue`.

    Args:
        tissue: Changed in place.
        place: Points; heights are measured from the valve's plane.
        hinges: Lateral positions of the two hinges in the plane.
        shape: Share of the left leaflet, tenting in mm, opening 0 to 1.
    """
    share, tenting, opening = shape
    width = hinges[1] - hinges[0]
    near = (
        (place.height > -6) & (place.height < width) & (place.lateral > hinges[0] - 7) & (place.lateral < hinges[1] + 7)
    )
    x, z = place.lateral[near], place.height[near]
    meeting = (hinges[0] + share * width, tenting)
    # Leaflets are a little longer than what they cover.
    lengths = (1.08 * float(np.hypot(share * width, tenting)), 1.08 * float(np.hypot((1 - share) * width, tenting)))
    distance = np.full(x.shape, np.inf)
    for hinge, length in zip(hinges, lengths, strict=True):
        points = _leaflet(hinge, meeting, length, opening)
        for start, end in pairwise(points):
            distance = np.minimum(distance, _segment_distance(x, z, start, end))
    painted = tissue[near]
    painted[distance < 0.9] = Tissue.VALVE
    for hinge, outwards in zip(hinges, (-1, 1), strict=True):
        ring = np.hypot(x - hinge - outwards * 2.2, (z + 1.5) * 0.8) < 3.0
        painted[ring & (painted != Tissue.BLOOD) & (painted != Tissue.RIGHT_BLOOD)] = Tissue.ANNULUS
    tissue[near] = painted


def _plane_hinges(heart: Heart, now: Chambers, pose: Pose) -> tuple[float, float] | None:
    """Lateral positions where the plane cuts the mitral annulus; None if it misses."""
    lateral = np.linspace(-60, 60, 481, dtype=np.float32)
    elevation = np.float32(pose.offset + now.lv_length * np.tan(pose.slope))
    angle = _rotation(heart, pose.view)
    x = lateral * np.float32(np.cos(angle)) - elevation * np.float32(np.sin(angle))
    y = lateral * np.float32(np.sin(angle)) + elevation * np.float32(np.cos(angle))
    place = _Place(np.zeros_like(lateral), x, y, lateral)
    inside = np.flatnonzero(_levels(heart, now, place).endocardium <= 1)
    return (float(lateral[inside[0]]), float(lateral[inside[-1]])) if inside.size > 1 else None


def _paint_right_heart(
    tissue: UInt8[np.ndarray, "*s"], heart: Heart, now: Chambers, place: _Place, opening: float
) -> None:
    """Paint right ventricle, right atrium and their walls around what the left heart leaves free."""
    wall = np.float32(heart.right_wall)
    width = heart.right_width * now.right_scale
    left = np.float32(now.lv_radius + now.wall * (1 + heart.septal_share))
    height = place.height - np.float32(heart.tricuspid_shift)
    reach = heart.right_reach * now.lv_length - heart.tricuspid_shift
    # The ventricle wraps around the septum: its axis lies on the septal surface of the left ventricle.
    x, up = place.x + np.float32(0.72 * left), np.maximum(height, 0) * np.float32(1 / reach)
    half = np.float32(width + 0.28 * left)
    slim = np.float32(1.1 * width + 8)
    level = (x / half) ** 2 + (place.y / slim) ** 2 + up**2
    shell = (x / (half + wall)) ** 2 + (place.y / (slim + wall)) ** 2 + (up * np.float32(reach / (reach + wall))) ** 2
    line = np.float32(heart.pericardium)
    outer = (x / (half + wall + line)) ** 2 + (place.y / (slim + wall + line)) ** 2 + up**2
    radius = np.float32(heart.right_atrium_radius / max(now.right_scale, 0.7) ** 0.5)
    centre = -np.float32(now.lv_radius * heart.annulus + heart.right_atrium_radius + 3)
    atrium = ((place.x - centre) ** 2 + place.y**2 + ((height + 0.7 * radius) / 1.15) ** 2) / radius**2
    atrium_wall = atrium * (radius / (radius + wall)) ** 2
    atrium_line = atrium * (radius / (radius + wall + line)) ** 2
    free = (tissue == Tissue.SURROUNDINGS) | (tissue == Tissue.FAT)
    above = height >= 0
    fat = 1 + heart.fat / (half + wall)
    for condition, value in (
        (above & (outer <= fat) | ~above & (atrium_line <= fat), Tissue.FAT),
        (above & (outer <= 1) | ~above & (atrium_line <= 1), Tissue.PERICARDIUM),
        (above & (shell <= 1) | ~above & (atrium_wall <= 1), Tissue.THIN_WALL),
        (above & (level <= 1) | ~above & (atrium <= 1), Tissue.RIGHT_BLOOD),
    ):
        tissue[free & condition] = value
    hinge = float(-left + 0.5)
    hinges = (max(float(centre - radius * 0.85), hinge - 2 * width), hinge - 3)
    if hinges[1] - hinges[0] > 10:
        _paint_valve(tissue, _Place(height, place.x, place.y, place.lateral), hinges, (0.6, 3.0, opening))


def _paint_veins(tissue: UInt8[np.ndarray, "*s"], heart: Heart, now: Chambers, place: _Place, levels: _Levels) -> None:
    """Open the wall of the left atrium where pulmonary veins enter, on the far side from the valve."""
    outside = (place.height < 0) & (levels.la > 1) & (levels.la <= (1 + 13 / now.la_radius) ** 2)
    down = -place.height[outside] - np.float32(heart.la_depth * now.la_half_length)
    angle = np.arctan2(place.lateral[outside], down)
    painted = tissue[outside]
    for centre, half_width in heart.veins:
        painted[np.abs(angle - np.float32(centre)) < np.float32(half_width)] = Tissue.BLOOD
    tissue[outside] = painted


def tissue_map(
    heart: Heart,
    pose: Pose,
    phase: float,
    opening: float,
    row_mm: Float[np.ndarray, "..."],
    column_mm: Float[np.ndarray, "..."],
) -> UInt8[np.ndarray, "..."]:
    """Values of `Tissue` at points of the plane: the heart as sound meets it.

    Args:
        heart: The heart.
        pose: The plane.
        phase: 0 end diastole, 1 end systole.
        opening: Of the valves between atria and ventricles: 0 closed, 1 wide open.
        row_mm: Depth of each point from the virtual apex of the cone; broadcast against `column_mm`.
        column_mm: Lateral position of each point.
    """
    now = heart.at(phase)
    place = _locate(heart, now, pose, row_mm, column_mm)
    levels = _levels(heart, now, place)
    ventricle = place.height >= 0
    tissue = np.full(place.height.shape, Tissue.SURROUNDINGS, np.uint8)
    # Levels are squared distances in units of the radius, so a shell of `thickness` mm ends at this level.
    line = (1 + heart.pericardium / (now.lv_radius + now.wall)) ** 2
    atrial_wall = (1 + heart.right_wall / now.la_radius) ** 2
    atrial_line = (1 + (heart.right_wall + heart.pericardium) / now.la_radius) ** 2
    free_side = place.x > np.float32(-0.5 * now.lv_radius)
    share = place.height * np.float32(1 / now.lv_length)
    rough = np.zeros_like(share)
    for amplitude, waves, shift in heart.roughness:
        rough += np.float32(amplitude) * np.sin(np.float32(waves) * share + np.sign(place.lateral) + np.float32(shift))
    # Fat is ragged outwards.
    fat = np.maximum(np.float32(heart.fat) * (1 + np.float32(0.5) * rough), 0)
    radius = np.float32(now.lv_radius + now.wall + heart.pericardium)
    tissue[ventricle & (levels.epicardium <= (1 + fat / radius) ** 2)] = Tissue.FAT
    radius = np.float32(now.la_radius + heart.right_wall + heart.pericardium)
    tissue[~ventricle & (levels.la <= (1 + fat / radius) ** 2)] = Tissue.FAT
    tissue[ventricle & (levels.epicardium <= line) & free_side] = Tissue.PERICARDIUM
    tissue[~ventricle & (levels.la <= atrial_line) & free_side] = Tissue.PERICARDIUM
    tissue[~ventricle & (levels.la <= atrial_wall)] = Tissue.THIN_WALL
    muscle = ventricle & (levels.epicardium <= 1)
    tissue[muscle] = np.where(place.lateral < 0, np.uint8(Tissue.SEPTAL_WALL), np.uint8(Tissue.LATERAL_WALL))[muscle]
    tissue[~ventricle & (levels.la <= 1)] = Tissue.BLOOD
    _paint_veins(tissue, heart, now, place, levels)

    # Trabeculae grow towards the apex and project into the cavity only.
    rough = np.abs(rough) * np.clip(share * 2 - 0.3, 0.1, 1)
    cavity = ventricle & (levels.endocardium <= 1)
    smooth = levels.endocardium <= (1 - rough * np.float32(1 / now.lv_radius)) ** 2
    tissue[cavity] = np.where(smooth, np.uint8(Tissue.BLOOD), np.uint8(Tissue.PAPILLARY))[cavity]
    for azimuth, height, thickness in heart.papillary:
        distance = 0.74 * now.lv_radius
        blob = (place.x - np.float32(distance * np.cos(azimuth))) ** 2
        blob += (place.y - np.float32(distance * np.sin(azimuth))) ** 2
        blob = blob * np.float32(1 / thickness**2) + ((share - np.float32(height)) / np.float32(0.16)) ** 2
        tissue[cavity & (blob <= 1)] = Tissue.PAPILLARY
    if pose.view is View.A4C:
        _paint_right_heart(tissue, heart, now, place, opening)
    hinges = _plane_hinges(heart, now, pose)
    if hinges is not None:
        _paint_valve(tissue, place, hinges, (heart.anterior_leaflet, heart.tenting, opening))
    return tissue
