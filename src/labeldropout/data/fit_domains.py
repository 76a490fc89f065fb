"""The verb `fit-domains`: search the settings of a simulated scanner, or show its pictures beside the facts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from labeldropout.data.domains import DOMAINS, RANGES, Domain, fit, look_of, rows
from labeldropout.data.look import Picture
from labeldropout.files import replacing
from labeldropout.messages import did_you_mean
from labeldropout.simulation.scanner import Acquisition

_COLUMNS = 6
_TILE_PX = 150
_SHOWN = 24

_HEADER = ("cell", "real", "simulated", "within the tolerance", "source")

_INTRODUCTION = """# Real beside simulated

Written by `labeldropout fit-domains show`; do not edit. Grey levels are 0 to 255, "sector" means the pixels inside the
cone, and each simulated number is measured on {n_images} simulated pictures of different patients at severity 1
(seed {seed}). A value in a range agrees if it lies in it; other tolerances are those of `labeldropout.data.look`:
8 grey levels for means, quantiles and pixel SDs, 0.03 for shares, 0.1 for the contrast, 5 degrees for angles, and a
third of the real value for the rest. Cells without a verdict are printed only. A test holds the verdicts.

The settings of each simulated scanner were searched once with `labeldropout fit-domains search`, by least squares over
these cells, with the same patients and noise at every point tried; no result of a training had a part in it. What the
facts leave open stays near the middle of its range:

{ranges}

The facts on Unity do not quite agree with one another: its share of dark pixels and what is known of the others imply a
mean of 50 and an SD of 57 in the sector, where 45 and 50 were measured. The fit keeps to what they imply, and other
patients of the same domain may therefore leave the tolerance by chance.

## What still gives the simulated pictures away

Seen on the sheets below, beside a free real four-chamber clip:

- atria, above all the right one, are even rings, where real walls fade along the beam and between the atria;
- closed leaflets are one unbroken line from hinge to hinge, of the same thickness throughout;
- blood has the same grain from wall to wall; real haze is smooth near the probe;
- the surroundings are blotches of speckle without the layers of lung, liver and chest wall;
- dark sectors hold pixels of exactly 0, where four of five dark pixels of the real clip are 1 to 7;
- the atrium may be darker or brighter than the ventricle right from the valve on, where real haze changes slowly.
"""


def _domain(name: str) -> Domain:
    if name not in DOMAINS:
        raise ValueError(
            f"Unknown domain {name!r} (expected one of {', '.join(DOMAINS)}). {did_you_mean(name, DOMAINS)}".rstrip()
        )
    return DOMAINS[name]


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *lines))


def _settings(domain: Domain, found: Acquisition) -> str:
    return "\n".join(f"    {name}={getattr(found, name):.2f}," for name in RANGES if name in domain.searched)


def search(
    name: str, n_images: int, seed: int, evaluations: int, say: Callable[[str], None], only: Sequence[str] = ()
) -> None:
    """Search the settings of one domain; say every point tried, the settings found, and real beside simulated.

    Args:
        name: Key in `DOMAINS`.
        n_images: Number of pictures at every point.
        seed: Seed of their patients; the table at the end is measured on as many other patients.
        evaluations: Most points tried, not counting those of the derivatives.
        say: Receives the lines.
        only: The settings to search, if not all on which the domain's facts say something.

    Raises:
        ValueError: The domain is unknown, or a setting is not searched in it.
    """
    domain = _domain(name)
    unknown = sorted(set(only) - set(domain.searched))
    if unknown:
        raise ValueError(f"{name}: setting {unknown[0]!r} (expected {', '.join(domain.searched)}).")
    if only:
        domain = replace(domain, searched=tuple(one for one in domain.searched if one in only))
    found = fit(domain, n_images, seed, evaluations, say)
    say(_settings(domain, found))
    say(_table(_HEADER, rows(domain, look_of(domain, found, n_images, seed + 1))))


def show(n_images: int, seed: int, page: Path) -> None:
    """Measure every domain with its present settings; write the page and, beside it, a sheet of pictures of each.

    Args:
        n_images: Number of pictures of each domain.
        seed: Seed of their patients.
        page: The Markdown file; the sheets are `<stem>-<domain>.png` in its folder.
    """
    ranges = _table(
        ("setting", "range", "measured from", "why"),
        [
            [f"`{name}`", f"{one.low:g} to {one.high:g}", one.above and f"`{one.above}`", one.why]
            for name, one in RANGES.items()
        ],
    )
    parts = [_INTRODUCTION.format(n_images=n_images, seed=seed, ranges=ranges)]
    for name, domain in DOMAINS.items():
        sheet = page.with_name(f"{page.stem}-{name}.png")
        pictures = list(domain.pictures(domain.acquisition, _SHOWN, seed))
        with replacing(sheet) as file:
            Image.fromarray(contact_sheet(pictures)).save(file, format="PNG", optimize=True)
        table = _table(_HEADER, rows(domain, look_of(domain, domain.acquisition, n_images, seed)))
        parts.append(f"## {name}\n\n{table}\n\n![{_SHOWN} simulated pictures of {name}]({sheet.name})\n")
    with replacing(page, "w") as file:
        file.write("\n".join(parts))


def contact_sheet(pictures: Sequence[Picture]) -> UInt8[np.ndarray, "h w"]:
    """Pictures side by side, each cut to the box of its cone.

    Args:
        pictures: At least one, each with its sector.
    """
    sheet = Image.new("L", (_COLUMNS * _TILE_PX, -(-len(pictures) // _COLUMNS) * _TILE_PX))
    for index, picture in enumerate(pictures):
        rows_in, columns_in = (np.flatnonzero(picture.sector.any(axis=axis)) for axis in (1, 0))
        box = picture.image[rows_in[0] : rows_in[-1] + 1, columns_in[0] : columns_in[-1] + 1]
        scale = _TILE_PX / max(box.shape)
        size = (max(1, round(box.shape[1] * scale)), max(1, round(box.shape[0] * scale)))
        tile = Image.fromarray(box).resize(size, Image.Resampling.BILINEAR)
        left = index % _COLUMNS * _TILE_PX + (_TILE_PX - size[0]) // 2
        sheet.paste(tile, (left, index // _COLUMNS * _TILE_PX))
    return np.asarray(sheet)
