"""The folder next to the page: what a page shows is copied or drawn into it."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from labeldropout.files import replacing

_FOLDERS = ("figures", "tables", "overlays", "quality")


_MARK = "labeldropout-report.txt"
"""The file that marks a folder as belonging to a report; no other folder is swept."""


_PICTURE_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """A picture next to the page."""

    source: str
    """Path relative to the page."""
    link: str
    """What a click opens."""
    alternative: str
    width: int
    height: int


@dataclass
class Folder:
    """The folder next to the page; it remembers what was written, so that leftovers of an older page can be removed."""

    root: Path
    written: set[Path] = field(default_factory=set)

    def name(self, path: Path) -> str:
        """The address under which the page names a file of the folder; characters such as # and % are escaped."""
        self.written.add(path)
        return quote(f"{self.root.name}/{path.relative_to(self.root).as_posix()}")

    def mark(self) -> None:
        """Mark the folder as belonging to the page."""
        with replacing(self.root / _MARK, "w") as file:
            file.write(
                f"Made by `labeldropout report` for {self.root.name}.html, which needs it; the next one replaces it.\n"
            )

    def copy(self, source: Path, kind: str) -> str:
        """Copy a file into the folder."""
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
        """Remove files that this page does not name, but only in its own folders."""
        if not (self.root / _MARK).is_file():
            return
        for kind in _FOLDERS:
            for path in (self.root / kind).glob("*"):
                if path.is_file() and path not in self.written:
                    path.unlink()


def folder_of(page: Path, results: Path) -> Folder:
    """Return the folder next to a page.

    Raises:
        ValueError: The page is not `.html`, or its folder would contain the results, or contains files not made by a
            report.
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
