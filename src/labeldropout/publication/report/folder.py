"""The folder beside the page: what a page shows is copied or drawn into it."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from labeldropout.files import replacing

_FOLDERS = ("figures", "tables", "overlays", "quality")


_MARK = "labeldropout-report.txt"
"""The file by which a folder is known to be a report's own; no other is swept."""


_PICTURE_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """A picture beside the page."""

    source: str
    """Relative to the page."""
    link: str
    """What a click opens."""
    alternative: str
    width: int
    height: int


@dataclass
class Folder:
    """The folder beside the page; remembers what was written, so that what an older page left can go."""

    root: Path
    written: set[Path] = field(default_factory=set)

    def name(self, path: Path) -> str:
        """As the page names a file of the folder: an address, so that signs such as # and % are spelled out."""
        self.written.add(path)
        return quote(f"{self.root.name}/{path.relative_to(self.root).as_posix()}")

    def mark(self) -> None:
        """Say in the folder whose it is."""
        with replacing(self.root / _MARK, "w") as file:
            file.write(
                f"Made by `labeldropout report` for {self.root.name}.html, which needs it; the next one replaces it.\n"
            )

    def copy(self, source: Path, kind: str) -> str:
        """Copy a file."""
        path = self.root / kind / source.name
        with replacing(path) as file:
            file.write(source.read_bytes())
        return self.name(path)

    def picture(self, image: Image.Image, kind: str, name: str, *, lossless: bool = False) -> str:
        """Write a picture as WebP; the same pixels give the same bytes."""
        path = self.root / kind / f"{name}.webp"
        with replacing(path) as file:
            image.save(file, format="WEBP", lossless=lossless, quality=_PICTURE_QUALITY, method=4)
        return self.name(path)

    def sweep(self) -> None:
        """Remove what this page does not name, in the folders that are its own."""
        if not (self.root / _MARK).is_file():
            return
        for kind in _FOLDERS:
            for path in (self.root / kind).glob("*"):
                if path.is_file() and path not in self.written:
                    path.unlink()


def folder_of(page: Path, results: Path) -> Folder:
    """The folder beside a page.

    Raises:
        ValueError: The page is no `.html`, or its folder would hold the results, or holds what no report made.
    """
    if page.suffix != ".html":
        raise ValueError(f"{page}: no name of a page (expected one that ends in .html).")
    root = page.with_suffix("")
    if results.resolve().is_relative_to(root.resolve()):
        raise ValueError(
            f"{page}: its pictures would go to {root}, where the results are (expected a folder of its own: choose"
            " another name of the page)."
        )
    is_taken = root.exists() and (not root.is_dir() or any(root.iterdir()))
    if is_taken and not (root / _MARK).is_file():
        raise ValueError(
            f"{root}: holds something that no report made (expected {_MARK} in it, or no such folder: choose another"
            " name of the page, or move the folder away)."
        )
    return Folder(root)
