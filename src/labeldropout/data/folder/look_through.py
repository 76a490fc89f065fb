"""Look through an unknown folder: which files are pictures, which are their masks, and what is in them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from labeldropout.case import DatasetError
from labeldropout.data.folder.matching import files_below
from labeldropout.data.folder.pictures import MEDICAL, RASTER, read_image, read_values
from labeldropout.data.folder.series import Series, find_series, partners

_SAMPLE = 12
"""Files of a series that are opened to tell pictures from masks."""

_MOST_VALUES = 21
"""Values of a mask that are not stray, at most: 20 structures and the background."""

_STRAY_SHARE = 0.001
"""Values on fewer of all pixels are taken for stray ones, unless no value has more."""

_SMALL_BUT_COMMON = 0.05
"""Share of masks from which on a rare value is a small structure, if there are few values at all: blur leaves many."""


@dataclass
class Found:
    """A series of pictures with its masks, and what is in them."""

    pictures: Series
    masks: Series
    n_colour: int = 0
    """Pictures with channels that differ."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """(rows, columns) of every picture."""
    values: Counter[int] = field(default_factory=Counter)
    """Pixels with each value in the masks."""
    masks_with: Counter[frozenset[int]] = field(default_factory=Counter)
    """Masks with each set of values."""
    problems: list[str] = field(default_factory=list)
    """What the import would refuse, as sentences."""

    @property
    def names(self) -> list[str]:
        """Names of which there are a picture and a mask."""
        return sorted(set(self.pictures.names) & set(self.masks.names))

    def n_masks_with(self, value: int) -> int:
        """Masks in which a value is."""
        return sum(n for values, n in self.masks_with.items() if value in values)

    def n_masks_beyond(self, known: Collection[int]) -> int:
        """Masks that have other values than these."""
        return sum(n for values, n in self.masks_with.items() if not values <= set(known))

    @property
    def n_pixels(self) -> int:
        """Pixels of all masks."""
        return self.values.total()


def _is_mask(root: Path, series: Series) -> bool | None:
    """Whether the files of a series are masks: one channel with few values. None if none can be read."""
    verdicts = []
    for path in series.paths[:: max(1, len(series.names) // _SAMPLE)][:_SAMPLE]:
        try:
            values = read_values(series.folder, root / path)
        except DatasetError:
            verdicts += [False] if _is_image(root / path) else []
            continue
        _, counts = np.unique(values, return_counts=True)
        frequent = np.sort(counts)[::-1][:_MOST_VALUES].sum()
        verdicts.append(bool(frequent >= 0.98 * values.size and len(counts) <= 3 * _MOST_VALUES))
    return sum(verdicts) > len(verdicts) / 2 if verdicts else None


def _is_image(path: Path) -> bool:
    try:
        read_image("", path, colour=True)
    except DatasetError:
        return False
    return True


def _first_error(root: Path, series: Sequence[Series], kinds: Mapping[Series, bool | None]) -> str:
    """Why a file can be read neither as picture nor as mask, as sentences after a blank; empty if all can."""
    path = next((root / one.paths[0] for one in series if kinds[one] is None), None)
    said = ""
    for kind, read in (("picture", partial(read_image, colour=True)), ("mask", read_values)) if path else ():
        try:
            read("", path)
        except DatasetError as error:
            said += f" As a {kind}, {error}"
    return said


def _open(root: Path, found: Found) -> Found:
    """Open every picture and mask of a pair of series."""
    for name in found.names:
        image_file, mask_file = (root / series.path(name) for series in (found.pictures, found.masks))
        try:
            image = read_image(root.name, image_file, colour=True)
            mask = read_values(root.name, mask_file)
        except DatasetError as error:
            found.problems.append(str(error))
            continue
        found.n_colour += not image.was_grey
        found.sizes.append(image.values.shape[:2])
        if found.sizes[-1] != mask.shape:
            found.problems.append(f"{mask_file}: mask and image differ in size ({mask.shape}, {found.sizes[-1]}).")
            continue
        values, counts = np.unique(mask, return_counts=True)
        found.values.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        found.masks_with[frozenset(values.tolist())] += 1
    for what, lonely in (
        ("pictures have no mask", set(found.pictures.names) - set(found.masks.names)),
        ("masks have no picture", set(found.masks.names) - set(found.pictures.names)),
    ):
        if lonely:
            found.problems.append(f"{found.pictures.pattern}: {len(lonely)} {what} (first: {min(lonely)}).")
    return found


def look_through(root: Path) -> list[Found]:
    """Find pictures with masks of the same names below a folder, and open all of them.

    Raises:
        ValueError: There is no folder, no picture in a known format, or none has masks.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: {'a file' if root.exists() else 'nothing there'} (expected a folder of pictures).")
    files = [path.relative_to(root).as_posix() for path in files_below(root)]
    series = find_series(files, (*RASTER, *MEDICAL))
    if not series:
        expected = ", ".join((*RASTER, *MEDICAL))
        raise ValueError(f"{root}: no three pictures of one kind ({expected}) among {len(files)} files.")
    kinds = {one: _is_mask(root, one) for one in series}
    pairs = partners(
        [one for one, is_mask in kinds.items() if is_mask is False], [one for one, is_mask in kinds.items() if is_mask]
    )
    if not pairs:
        words = {True: "masks", False: "pictures", None: "unreadable files"}
        seen = "; ".join(f"{one.pattern}: {len(one.names)} {words[kinds[one]]}" for one in series)
        raise ValueError(
            f"{root}: no pictures with masks of the same names (found {seen})."
            f" A mask has one channel of at most 8 bits, and few values.{_first_error(root, series, kinds)}"
        )
    return [_open(root, Found(*pair)) for pair in pairs]


def background_of(founds: Sequence[Found]) -> int:
    """The value that stands for no structure: 0, or the most frequent one."""
    total = sum((found.values for found in founds), Counter[int]())
    return 0 if 0 in total or not total else total.most_common(1)[0][0]


def structures_in(founds: Sequence[Found]) -> list[int]:
    """The values that stand for structures, in all folders together; rare ones are taken for stray.

    A small organ is on few pixels of many masks: where no more values occur than a study may have structures, those
    count, too. It is easier to see one structure too many in a proposal than one too few.
    """
    total = sum((found.values for found in founds), Counter[int]())
    background = background_of(founds)
    n_masks = sum(found.masks_with.total() for found in founds)

    def is_structure(value: int, n_pixels: int) -> bool:
        n_with = sum(found.n_masks_with(value) for found in founds)
        is_common = len(total) <= _MOST_VALUES and n_with > 1 and n_with >= _SMALL_BUT_COMMON * n_masks
        return n_pixels >= _STRAY_SHARE * total.total() or is_common

    frequent = [value for value, n in total.items() if value != background and is_structure(value, n)]
    return sorted(frequent or set(total) - {background})
