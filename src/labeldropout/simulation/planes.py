"""Cut a heart along an apical plane to get its label map and tissues."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8

from labeldropout.heart import Structure
from labeldropout.labels import View
from labeldropout.simulation.anatomy import Chambers, Heart, Pose, Tissue, _endocardium, _epicardium


@dataclass(frozen=True)
class _Place:
    """Points of a plane in the coordinates of the heart, float32."""

    height: Float[np.ndarray, "*s"]
    x: Float[np.ndarray, "*s"]
    y: Float[np.ndarray, "*s"]
    lateral: Float[np.ndarray, "*s"]
    """Position in the plane, at right angles to the long axis; negative on the left."""


_BLOOD = (Tissue.BLOOD, Tissue.RIGHT_BLOOD, Tissue.ATRIAL_BLOOD)


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
    """Level functions of the left heart; below 1 inside."""

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
    """Hinge, belly and tip of a leaflet in the plane: closed at `opening` 0, along the wall at 1."""
    inwards = np.sign(meeting[0] - hinge) or 1.0
    closed = np.arctan2(meeting[1], abs(meeting[0] - hinge) + 1e-6)
    angle = closed + opening * (np.deg2rad(80) - closed)
    tip = (hinge + inwards * length * np.cos(angle), length * np.sin(angle))
    # Closed leaflets bulge towards the atrium, open ones towards the wall.
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
        place: Points, with heights measured from the valve's plane.
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
    # Leaflets are a little longer than the gap they cover.
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
        painted[ring & ~np.isin(painted, _BLOOD)] = Tissue.ANNULUS
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
    """Paint right ventricle, right atrium and their walls where the left heart leaves room."""
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
        painted[np.abs(angle - np.float32(centre)) < np.float32(half_width)] = Tissue.ATRIAL_BLOOD
    tissue[outside] = painted


def tissue_map(
    heart: Heart,
    pose: Pose,
    phase: float,
    opening: float,
    row_mm: Float[np.ndarray, "..."],
    column_mm: Float[np.ndarray, "..."],
) -> UInt8[np.ndarray, "..."]:
    """Values of `Tissue` at points of the plane: the heart as sound encounters it.

    Args:
        heart: The heart.
        pose: The plane.
        phase: 0 end diastole, 1 end systole.
        opening: Opening of the valves between atria and ventricles: 0 closed, 1 wide open.
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
    # The outer edge of the fat is ragged.
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
    tissue[~ventricle & (levels.la <= 1)] = Tissue.ATRIAL_BLOOD
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
