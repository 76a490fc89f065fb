"""Sort the files of an unknown folder into series: files of one kind in one place, such as all masks of a hospital.

Many folders side by side are taken for one place, with the folder's name as the word `{group}`: a patient, perhaps.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

FEWEST = 3
"""Files that make a series."""

MOST_PLACES = 5
"""Folders side by side that are places of their own; more are taken for groups, such as patients."""

GROUP = "{group}"


@dataclass(frozen=True)
class Series:
    """Files in one folder that have the same ending and the same beginning and end of their names."""

    folder: str
    before: str
    """What every name begins with, before the part that differs."""
    after: str
    """What every name ends with, with the ending of the format."""
    names: tuple[str, ...]
    """The part that differs, sorted."""

    @property
    def has_groups(self) -> bool:
        """Whether its names begin with that of a group's folder and a slash."""
        return GROUP in PurePosixPath(self.folder).parts

    @property
    def pattern(self) -> str:
        """Where its files lie, as an option of the import says it."""
        return self.path(f"{GROUP}/{{name}}" if self.has_groups else "{name}")

    @property
    def paths(self) -> list[str]:
        """Its files."""
        return [self.path(name) for name in self.names]

    def path(self, name: str) -> str:
        """The file of a name."""
        group, _, name = name.partition("/") if self.has_groups else ("", "", name)
        folder = self.folder.replace(GROUP, group)
        return (PurePosixPath(folder) / f"{self.before}{name}{self.after}").as_posix()


def _ending(name: str) -> str:
    """The ending of a file's name, with both parts of `.nii.gz`."""
    return "".join(PurePosixPath(name).suffixes[-2:]) if name.endswith(".gz") else PurePosixPath(name).suffix


def _with_groups(folders: Iterable[PurePosixPath]) -> dict[PurePosixPath, tuple[str, str]]:
    """Place of each folder, and its group: empty, unless its name or a parent's is one of many beside each other."""
    folders = list(folders)
    children: dict[PurePosixPath, set[str]] = {}
    for folder in folders:
        for depth, part in enumerate(folder.parts):
            children.setdefault(PurePosixPath(*folder.parts[:depth]), set()).add(part)
    places = {}
    for folder in folders:
        at = next(
            (i for i in range(len(folder.parts)) if len(children[PurePosixPath(*folder.parts[:i])]) > MOST_PLACES), None
        )
        parts = list(folder.parts)
        group = "" if at is None else parts[at]
        if at is not None:
            parts[at] = GROUP
        places[folder] = PurePosixPath(*parts).as_posix(), group
    return places


def _additions(stems: Sequence[str]) -> Counter[str]:
    """What is added to one name to make another, such as `_mask`, and how often."""
    there, found = set(stems), Counter[str]()
    for stem in stems:
        found.update(stem[cut:] for cut in range(1, len(stem)) if stem[:cut] in there)
    return found


def _split(folder: str, ending: str, stems: Sequence[str]) -> list[Series]:
    """The series among files of one folder and ending: one, or two if half of the names are others with an addition."""
    for is_end in (True, False):
        turned = stems if is_end else [stem[::-1] for stem in stems]
        (added, count), *_ = _additions(turned).most_common(1) or [("", 0)]
        if count >= max(FEWEST, len(stems) // 4) and not added.isdigit():
            longer = [stem for stem in turned if stem.endswith(added)]
            shorter = [stem for stem in turned if not stem.endswith(added)]
            back = slice(None) if is_end else slice(None, None, -1)
            first = Series(folder, "", ending, tuple(sorted(stem[back] for stem in shorter)))
            names = tuple(sorted(stem.removesuffix(added)[back] for stem in longer))
            second = Series(folder, "" if is_end else added[::-1], (added if is_end else "") + ending, names)
            return [one for one in (first, second) if len(one.names) >= FEWEST]
    return [Series(folder, "", ending, tuple(sorted(stems)))] if len(stems) >= FEWEST else []


def find_series(files: Iterable[str], endings: Sequence[str]) -> list[Series]:
    """The series among these files.

    Args:
        files: Paths relative to the folder.
        endings: Endings of names that are looked at, in small letters.
    """
    paths = [PurePosixPath(file) for file in sorted(files)]
    paths = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    known = [(path, ending) for path in paths if (ending := _ending(path.name)).lower() in endings]
    places = _with_groups({path.parent for path, _ in known})
    stems: dict[tuple[str, str], list[str]] = {}
    for path, ending in known:
        place, group = places[path.parent]
        stem = path.name.removesuffix(ending)
        stems.setdefault((place, ending), []).append(f"{group}/{stem}" if group else stem)
    return [series for (place, ending), names in stems.items() for series in _split(place, ending, names)]


def partners(pictures: Sequence[Series], masks: Sequence[Series]) -> list[tuple[Series, Series]]:
    """Each series of pictures with the masks that share most of its names, if they share half of them.

    Of several with as many, the one whose folder has the most in common with that of the pictures.
    """
    pairs = []
    for one in pictures:
        names = set(one.names)
        shared = [(len(names & set(mask.names)), _in_common(one.folder, mask.folder), mask) for mask in masks]
        best = max(shared, key=lambda found: found[:2], default=None)
        if best is not None and 2 * best[0] >= len(names):
            pairs.append((one, best[2]))
    return pairs


def _in_common(first: str, second: str) -> int:
    """Characters of two paths that are equal, from the beginning and from the end."""
    pairs = list(zip(first, second, strict=False))
    pairs_back = list(zip(first[::-1], second[::-1], strict=False))
    return sum(next((place for place, (a, b) in enumerate(side) if a != b), len(side)) for side in (pairs, pairs_back))
