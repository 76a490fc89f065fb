"""Quality control of the data sets: what was imported, what was skipped, and what the cones look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from labeldropout.analysis.typesetting import number
from labeldropout.files import read_json
from labeldropout.publication.figures.draw import TITLES
from labeldropout.publication.report.folder import Folder, Picture
from labeldropout.publication.report.origin import SIMULATED, Origins, mark
from labeldropout.publication.report.reported import as_float, csv_rows

_SHEET_WIDTH_PX = 1400


@dataclass(frozen=True)
class Imported:
    """Quality control of one data set."""

    title: str
    facts: Sequence[str]
    pictures: Sequence[tuple[str, Picture]]
    kind: str
    """The kind of its images, one of `KINDS`."""

    @property
    def mark(self) -> str:
        """The sentence that states the kind of its images."""
        return mark({self.kind})


def _cone_facts(path: Path) -> list[str]:
    """Facts about the cones of a data set."""
    rows = csv_rows(path)
    verdicts: dict[str, int] = {}
    for row in rows:
        verdict = row["verdict"].partition(" (")[0]
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    agreement = sorted(as_float(row["iou"]) for row in rows if row["iou"])
    lowest = f"; IoU of mask and fit at least {number(agreement[0], 2)}" if agreement else ""
    return [f"Cones: {said}{lowest}."]


def _sheet(path: Path, folder: Folder, name: str, alternative: str) -> Picture:
    with Image.open(path) as image:
        flat = image.convert("RGB")
    if flat.width > _SHEET_WIDTH_PX:
        size = (_SHEET_WIDTH_PX, round(flat.height * _SHEET_WIDTH_PX / flat.width))
        flat = flat.resize(size, Image.Resampling.LANCZOS)
    source = folder.picture(flat, "quality", name)
    return Picture(source, source, alternative, *flat.size)


def _imported(tree: Path, words: str, folder: Folder, origins: Origins) -> list[Imported]:
    """Quality control of the data sets below the results, or below a tree with another domain shift."""
    found = []
    names = [path.parent.name for path in (tree / "cases").glob("*/report.json")]
    for name in sorted(names, key=[*TITLES, *sorted(set(names) - set(TITLES))].index):
        report = read_json(tree / "cases" / name / "report.json")
        title = f"{TITLES.get(name, name)}{words}"
        # Only counts: skipped items are recorded under the data set's own names, which must not be passed on.
        facts = [f"{report['found']} items found, {report['used']} images used, {len(report['rejected'])} rejected."]
        for word, key in (("Skipped", "skipped"), ("Left out", "left_out"), ("Adjusted", "adjusted")):
            facts += [f"{word}, {why}: {len(items)}." for why, items in sorted(report.get(key, {}).items())]
        cones, worst, sheet = (
            tree / "cones" / name / "cones.csv",
            tree / "cones" / name / "worst.png",
            tree / "cases" / name / "contact_sheet.png",
        )
        if cones.is_file():
            facts += _cone_facts(cones)
        prefix = "" if not words else f"{tree.name}-"
        pictures = []
        if sheet.is_file():
            said = f"Contact sheet of {title}: images as the importer read them, with the outlines that are drawn."
            pictures.append(("Contact sheet", _sheet(sheet, folder, f"{prefix}{name}-cases", said)))
        if worst.is_file():
            said = f"The cones of {title} of which the geometric check thought least."
            pictures.append(("Cones that the check liked least", _sheet(worst, folder, f"{prefix}{name}-cones", said)))
        kind = SIMULATED if words else origins.of(name)  # the shift between real data sets cannot be chosen
        found.append(Imported(title, facts, pictures, kind))
    return found


def read_quality(results: Path, folder: Folder, origins: Origins) -> tuple[list[Imported], list[Imported]]:
    """Quality control of the study's own data sets, and of those simulated at other strengths of the domain shift."""
    trees = sorted(results.glob("severity-*"))
    others = [
        imported
        for tree in trees
        for imported in _imported(tree, f", domain shift {tree.name.removeprefix('severity-')}", folder, origins)
    ]
    return _imported(results, "", folder, origins), others
