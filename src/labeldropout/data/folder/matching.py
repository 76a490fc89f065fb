"""Find the pictures of a folder and the mask of each by two patterns with the same words in braces."""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from labeldropout.case import DatasetError
from labeldropout.data.folder.options import Options
from labeldropout.data.folder.pictures import MEDICAL, RASTER

_PART = re.compile(r"\{(\w+)\}|(\*)")


@dataclass(frozen=True)
class Pair:
    """What the patterns say about one picture."""

    words: dict[str, str]
    """Text of each word in braces, composed (`composed`)."""
    images: tuple[Path, ...]
    """Files below the root that are its picture; one, in a folder without mistakes."""
    masks: tuple[Path, ...]
    """Files that are its mask; one, in a folder without mistakes."""

    @property
    def name(self) -> str:
        """Its words, joined: unique in the folder."""
        return "/".join(self.words.values())


def composed(text: str) -> str:
    """The text with every accent in one character with its letter (Unicode NFC); some systems store two."""
    return unicodedata.normalize("NFC", text)


def files_below(folder: Path) -> Iterator[Path]:
    """Files below a folder; links are followed, also those that lead nowhere, and hidden names are passed over."""
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        status = Path(here).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here, name) for name in files if not name.startswith("."))


def _regular(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern; a word that occurs again stands for the same text."""
    pattern = PurePosixPath(pattern).as_posix()  # without ./ and doubled slashes
    seen: set[str] = set()
    text, end = "", 0
    for part in _PART.finditer(pattern):
        word = part[1]
        text += re.escape(pattern[end : part.start()])
        text += "[^/]*" if word is None else f"(?P={word})" if word in seen else f"(?P<{word}>[^/]+)"
        seen.add(word)
        end = part.end()
    return re.compile(text + re.escape(pattern[end:]))


def _files(root: Path, *patterns: str) -> Iterator[str]:
    """Files that may fit a pattern, relative to the root and sorted; folders that no pattern names are not read."""
    tops = set()
    for pattern in patterns:
        fixed = Path(pattern).parts[:-1]
        variable = next((i for i, part in enumerate(fixed) if _PART.search(part)), len(fixed))
        tops.add(root.joinpath(*fixed[:variable]))
    found = {path.relative_to(root).as_posix() for top in tops for path in files_below(top)}
    return iter(sorted(found))


def find_pairs(dataset: str, root: Path, options: Options) -> list[Pair]:
    """Every picture and mask that the patterns find, sorted by name.

    A file that fits both patterns (`{name}.png` and `{name}_mask.png`) belongs to the one with more letters.

    Args:
        dataset: Name of the data set, for messages.
        root: The folder.
        options: The patterns.

    Raises:
        DatasetError: No file fits a pattern.
    """
    patterns = {"images": options.images, "masks": options.masks}
    order = sorted(patterns, key=lambda kind: -len(_PART.sub("", patterns[kind])))
    regulars = {kind: _regular(patterns[kind]) for kind in order}
    found: dict[str, dict[tuple[str, ...], list[Path]]] = {"images": {}, "masks": {}}
    n_files = 0
    for file in _files(root, *patterns.values()):
        n_files += 1
        for kind in order:
            if match := regulars[kind].fullmatch(file):
                key = tuple(composed(match[word]) for word in options.names)
                found[kind].setdefault(key, []).append(Path(file))
                break
    for kind, files in found.items():
        if not files:
            raise DatasetError.about(
                dataset,
                root,
                f"no file fits option {kind}",
                patterns[kind],
                f"{n_files} other files" if n_files else "no file at all",
                "Capital letters count; labeldropout inspect proposes patterns.",
            )
    keys = sorted({*found["images"], *found["masks"]})
    return [
        Pair(
            dict(zip(options.names, key, strict=True)),
            tuple(found["images"].get(key, ())),
            tuple(found["masks"].get(key, ())),
        )
        for key in keys
    ]


def passed_over(root: Path, options: Options, pairs: Sequence[Pair]) -> list[str]:
    """Files in a known format that lie where the patterns look, and fit neither.

    Args:
        root: The folder.
        options: The patterns.
        pairs: What fits them.
    """
    fitting = {file.as_posix() for pair in pairs for file in (*pair.images, *pair.masks)}
    files = _files(root, options.images, options.masks)
    return [file for file in files if file.lower().endswith((*RASTER, *MEDICAL)) and file not in fitting]
