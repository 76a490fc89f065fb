"""The report: one page and a folder beside it, from whatever results of a study are there."""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from PIL import Image

from labeldropout import drawing as overlays
from labeldropout.analysis.claims.verdicts import LEDGERS, read_ledger, verdict_counts
from labeldropout.analysis.typesetting import interval, mean_and_spread, number, p_value
from labeldropout.data.case_store import CaseStore
from labeldropout.files import read_json, read_table, replacing
from labeldropout.labels import COLOURS, FOREGROUND, is_annotated
from labeldropout.learning.evaluate import SCORES
from labeldropout.learning.predictions import read_predictions
from labeldropout.provenance import file_sha256
from labeldropout.publication.figures.alternative_texts import ALTERNATIVE_TEXTS
from labeldropout.publication.figures.draw import TITLES
from labeldropout.running.sidecars import ENDING, relative, sidecar_of
from labeldropout.running.verify import ALARMING, Finding, summarise, tree_of, verify

_FOLDERS = ("figures", "tables", "overlays", "quality")


_MARK = "labeldropout-report.txt"
"""The file by which a folder is known to be a report's own; no other is swept."""


_PICTURE_QUALITY = 80


_SHEET_WIDTH_PX = 1400


_MOST_FINDINGS = 40


_MOST_ROWS = 200
"""Of a table that has no version for readers."""


@dataclass(frozen=True)
class Item:
    """A figure or table that a study may have."""

    name: str
    """Of the files in `figures` and `tables`, and of Snakemake's target."""
    title: str
    caption: str = ""
    rule: str = ""
    """What `snakemake` is asked for, where that is not its name."""

    @property
    def target(self) -> str:
        """What `snakemake` is asked for to make it."""
        return self.rule or self.name


PAPER_FIGURES = (
    Item(
        "figure_1",
        "Figure 1: trained on one data set, tested on all",
        "Dice of the left ventricular cavity. On the diagonal: the data set that the network was trained on.",
    ),
    Item(
        "figure_2",
        "Figure 2: three models trained on all data sets",
        "Test cases drawn at random: standard loss, adaptive loss, adaptive loss with augmentation.",
    ),
    Item(
        "figure_3",
        "Figure 3: labels missing within one data set",
        "The myocardium is hidden in a share of the training cases of one data set, so that there is no domain shift.",
    ),
    Item(
        "figure_4",
        "Figure 4: label dropout",
        "The left atrium is hidden in the whole second data set; Dice there over the probability of label dropout.",
    ),
    Item(
        "figure_5",
        "Figure 5: label dropout with all data sets",
        "Test cases drawn at random, without and with label dropout.",
    ),
    Item(
        "supplementary_figure_1",
        "Supplementary Figure 1: the observer's images",
        "Images on which an observer drew every structure, and the predictions without and with label dropout.",
    ),
)


OWN_FIGURES = (
    Item(
        "controls",
        "Experiment 5: what would settle the explanation",
        "The same data, loss and share of hidden labels, but hidden whatever the domain; and one data set alone.",
    ),
    Item(
        "dose_response",
        "Experiment 6: dose and response",
        "The hidden structure over the strength of the domain shift.",
    ),
    Item(
        "losses",
        "Experiment 7: losses for partial labels",
        "Each loss with and without label dropout; one or two structures missing, across domains and within one.",
    ),
    Item("architectures", "Experiment 8: other networks", "Label dropout in other architectures."),
    Item(
        "label_sets",
        "Experiment 4b again: several missing structures",
        "Label dropout by label sets and the marginal loss beside the paper's cure.",
    ),
    Item(
        "shortcut",
        "Experiment 9: a probe of the shortcut",
        "How well the domain can be told from what a model predicts.",
    ),
)


PAPER_TABLES = (
    Item("table_1", "Table 1: the data sets", "Images and patients by data set and part."),
    Item("table_2", "Table 2: label dropout against the observer's masks", "Mean Dice without and with label dropout."),
    Item("tests", "The paper's tests, and more", "Every paired test, per image as in the paper, and per patient."),
)


OWN_TABLES = (
    Item("tests_instrument", "Tests of our own experiments", "Every paired test of experiments 5 to 8 and 4b."),
)


BIOMARKERS = (
    Item("biomarkers", "Biomarkers", "What clinicians read off the masks, predicted against reference."),
    Item(
        "biomarkers_patients",
        "Biomarkers of each patient",
        "Fractions and biplane volumes under the first training of each model.",
        "biomarkers",
    ),
)


TRAINING = (
    Item(
        "training_curves",
        "Training curves",
        "Validation Dice and training loss by epoch; the best epoch is the one kept.",
    ),
    Item("grid", "Grid search", "Initial learning rates and batch sizes that were tried; one pair serves all."),
)


CLAIMS_FIGURES = (Item("claims", "The claims at a glance"), Item("claims_instrument", "Our own claims"))


_KNOWN = {
    item.name for part in (PAPER_FIGURES, OWN_FIGURES, PAPER_TABLES, OWN_TABLES, BIOMARKERS, TRAINING) for item in part
}


_ELSEWHERE = set(LEDGERS)


SIMULATED, REAL, UNKNOWN = KINDS = ("simulated", "real", "unknown")
"""What data are, as tables, sidecars and configurations say; unknown where nothing does."""


_PANELS = {"figure_2": "figure_2", "figure_4": "figure_4_cases", "figure_5": "figure_5"}


_PANELS |= {"supplementary_figure_1": "supplementary_figure_1"}
"""Tables of the cases that figures show as pictures."""


def mark(kinds: Collection[str]) -> str:
    """Return the sentence that says what data are."""
    if UNKNOWN in kinds or not kinds:
        return "Not recorded whether these data are simulated."
    return {(SIMULATED,): "Simulated data.", (REAL,): "Real data."}.get(tuple(kinds), "Simulated and real data.")


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


@dataclass(frozen=True)
class Table:
    """A table as text."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    link: str
    """The full numbers, relative to the page."""


@dataclass(frozen=True)
class Beside:
    """A number of the paper and ours."""

    what: str
    paper: str
    ours: str
    difference: str = ""
    shares: tuple[float, float] | None = None
    """Paper's and our Dice, to be drawn as bars."""


@dataclass(frozen=True)
class Shown:
    """What there is of an item; nothing of it if it was not made."""

    item: Item
    kinds: frozenset[str] = frozenset()
    """What its data are, of `KINDS`."""
    picture: Picture | None = None
    table: Table | None = None
    beside: Sequence[Beside] = ()

    @property
    def is_missing(self) -> bool:
        """Whether there is neither picture nor table."""
        return self.picture is None and self.table is None

    @property
    def mark(self) -> str:
        """Says what its data are."""
        return mark(self.kinds)

    @property
    def is_of_paper(self) -> bool:
        """Whether the paper has this figure."""
        return self.item in PAPER_FIGURES

    @property
    def is_simulated(self) -> bool:
        """Whether all its data are known to be."""
        return self.kinds == {SIMULATED}


@dataclass(frozen=True)
class Overlay:
    """A case of the browser."""

    picture: Picture
    dataset: str
    model: str
    quality: str
    caption: str
    kind: str
    """What the image is, of `KINDS`."""

    @property
    def mark(self) -> str:
        """Says what the image is."""
        return mark({self.kind})


@dataclass(frozen=True)
class Imported:
    """Quality control of one data set."""

    title: str
    facts: Sequence[str]
    pictures: Sequence[tuple[str, Picture]]
    kind: str
    """What its images are, of `KINDS`."""

    @property
    def mark(self) -> str:
        """Says what its images are."""
        return mark({self.kind})


@dataclass
class _Folder:
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


def _folder_of(page: Path, results: Path) -> _Folder:
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
    return _Folder(root)


def read_markdown(path: Path) -> tuple[str, list[str], list[list[str]]]:
    """Caption, header and rows of a table that `typesetting.markdown` wrote.

    Raises:
        ValueError: It is no such table; the message names the file.
    """
    caption, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    lines = [line for line in body.splitlines() if line]
    if len(lines) < 2 or not all(line.startswith("| ") and line.endswith(" |") for line in (lines[0], *lines[2:])):
        raise ValueError(f"{path}: no table in Markdown (expected a caption, an empty line, then lines from | to |).")
    cells = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in (lines[0], *lines[2:])
    ]
    return caption, cells[0], cells[1:]


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _float(cell: str | None) -> float:
    return float(cell) if cell else float("nan")


def _from_csv(path: Path) -> tuple[str, list[str], list[list[str]]]:
    """A table that has no version for readers: numbers rounded."""
    rows = _csv_rows(path)
    header = list(rows[0]) if rows else []
    if len(rows) > _MOST_ROWS:
        return f"{len(rows)} rows.", [], []

    def cell(text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return text
        return text if len(text) <= 6 else number(value, 4)

    return "", header, [[cell(row[name]) for name in header] for row in rows]


def _reported_dice(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    """Rows of `FIGURE_TABLE` for which the paper has a number."""
    kept = list(rows)
    of_seeds: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in kept:
        if row["seed"] != "all":
            of_seeds.setdefault((row["model"], row["dataset"], row["structure"]), []).append(row)
    found = []
    for row in kept:
        if row["seed"] != "all" or not row["reported"]:
            continue
        ours, paper = _float(row["dice_mean"]), _float(row["reported"])
        seeds = of_seeds.get((row["model"], row["dataset"], row["structure"]), [])
        spread = _float(seeds[0]["dice_sd"] if len(seeds) == 1 else row["dice_sd"])
        is_number = ours == ours  # noqa: PLR0124 - NaN differs from itself
        found.append(
            Beside(
                f"{row['model']}: {row['structure']}, {TITLES.get(row['dataset'], row['dataset'])}",
                mean_and_spread(paper, _float(row["reported_sd"])),
                mean_and_spread(ours, spread),
                number(ours - paper, signed=True),
                (paper, ours) if is_number else None,
            )
        )
    return found


def _reported_table_2(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    found = []
    for row in rows:
        for measure, words in (("adaptive", "without label dropout"), ("label_dropout", "with label dropout")):
            if row[f"reported_{measure}"] and row[measure]:
                paper, ours = float(row[f"reported_{measure}"]), float(row[measure])
                what = f"{row['structure']} {words}"
                difference = number(ours - paper, signed=True)
                found.append(Beside(what, number(paper), number(ours), difference, (paper, ours)))
        if row["reported_difference"] and row["difference"]:
            ends = interval(_float(row["difference_low"]), _float(row["difference_high"]), signed=True)
            ours_text = f"{number(float(row['difference']), signed=True)} {ends}"
            paper_text = number(float(row["reported_difference"]), signed=True)
            found.append(Beside(f"{row['structure']}: gain", paper_text, ours_text))
        if row["reported_relative_gain"] and row["relative_gain"]:
            paper_text, ours_text = (
                f"{number(100 * float(row[name]), 0)} %" for name in ("reported_relative_gain", "relative_gain")
            )
            found.append(Beside(f"{row['structure']}: relative gain", paper_text, ours_text))
    return found


def _reported_tests(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    return [
        Beside(
            f"{row['comparison']}: {row['structure']}, {TITLES.get(row['dataset'], row['dataset'])}, per {row['unit']}",
            row["reported"],
            f"{number(_float(row['difference']), signed=True)}"
            f" {interval(_float(row['difference_low']), _float(row['difference_high']), signed=True)},"
            f" p after Holm {p_value(_float(row['p_holm']))}",
        )
        for row in rows
        if row["reported"]
    ]


def _reported_table_1(rows: Iterable[Mapping[str, str]]) -> list[Beside]:
    return [
        Beside(f"{TITLES.get(row['dataset'], row['dataset'])}: {what}", row[f"reported_{name}"], row[ours])
        for row in rows
        for what, name, ours in (("subjects", "subjects", "patients"), ("images", "images", "images"))
    ]


_REPORTED = {
    "figure_1": _reported_dice,
    "figure_3": _reported_dice,
    "figure_4": _reported_dice,
    "table_1": _reported_table_1,
    "table_2": _reported_table_2,
    "tests": _reported_tests,
}


def _kinds_in(table: Path) -> set[str]:
    """What the rows of a table say of their data."""
    with table.open(newline="", encoding="utf-8") as file:
        return {row["data"] for row in csv.DictReader(file) if row.get("data")}


def _kinds_of(name: str, results: Path) -> frozenset[str]:
    """What the data of an item are: every row of its table is asked, and the sidecars of table and figure."""
    table = results / "tables" / f"{name}.csv"
    found = _kinds_in(table) if table.is_file() else set()
    for path in (sidecar_of(results / kind / f"{name}.csv") for kind in ("tables", "figures")):
        content = read_json(path) if path.is_file() else {}
        if isinstance(content, dict) and content.get("data"):
            found.add(str(content["data"]))
    return frozenset(kind if kind in KINDS else UNKNOWN for kind in found or {UNKNOWN})


@dataclass(frozen=True)
class _Origins:
    """Which data sets are simulated, from what lies below the results."""

    made: frozenset[str]
    """Data sets of which the simulator left something."""
    of_models: Sequence[Mapping[str, Any]]
    """Configurations of all models."""

    def of(self, dataset: str, model: Mapping[str, Any] = MappingProxyType({})) -> str:
        """One of `KINDS`, for the images of a data set; under a model, if its configuration is given.

        A model's `simulated` says that any of its data sets is, so it is not enough where others were simulated.
        """
        if model.get("simulated") is False:
            return REAL
        said = {
            config.get("simulated")
            for config in self.of_models
            if dataset in (*config.get("train_on", ()), *config.get("evaluated_on", ()))
        }
        if False in said:
            return REAL
        if dataset in self.made or (said == {True} and not self.made):
            return SIMULATED
        return UNKNOWN


def _origins(results: Path) -> _Origins:
    made = {path.parent.name for path in results.glob("raw/*/SIMULATED.txt")}
    made |= {path.parent.name for path in results.glob("truth/*/cases.csv")}
    configs = [read_json(path) for path in sorted(results.glob("models/*/config.json"))]
    return _Origins(frozenset(made), configs)


def _show(item: Item, results: Path, folder: _Folder, origins: _Origins) -> Shown:
    """What the results have of an item; files that the page shows are put beside it."""
    png, svg = (results / "figures" / f"{item.name}.{ending}" for ending in ("png", "svg"))
    picture = None
    if png.is_file():
        with Image.open(png) as image:
            source = folder.picture(image.convert("RGB"), "figures", item.name, lossless=True)
            size = image.size
        link = folder.copy(svg, "figures") if svg.is_file() else source
        alternative = ALTERNATIVE_TEXTS.get(item.name, f"{item.title}.")
        picture = Picture(source, link, alternative, *size)
    kinds = _kinds_of(item.name, results)
    panels = results / "tables" / f"{_PANELS.get(item.name, '')}.csv"
    if picture and panels.is_file():  # a table of a study in which any data set is simulated calls all of them so
        kinds = frozenset(origins.of(row.get("dataset", "")) for row in _csv_rows(panels)) or kinds
    numbers, readers = (results / "tables" / f"{item.name}.{ending}" for ending in ("csv", "md"))
    if not numbers.is_file():
        return Shown(item, kinds, picture)
    link = folder.copy(numbers, "tables")
    if item.name == "training_curves":  # thousands of rows, of which the figure says all
        return Shown(item, kinds, picture, Table("One row per training, epoch and validation cell.", [], [], link))
    caption, header, rows = read_markdown(readers) if readers.is_file() else _from_csv(numbers)
    beside = _REPORTED[item.name](_csv_rows(numbers)) if item.name in _REPORTED else []
    return Shown(item, kinds, picture, Table(caption, header, rows, link), beside)


def _others(results: Path) -> list[Item]:
    """Tables and figures that no list above names."""
    names = {path.stem for path in (results / "tables").glob("*.csv")}
    names |= {path.stem for path in (results / "figures").glob("*.png")}
    unnamed = sorted(names - _KNOWN - _ELSEWHERE - {"figure_4_cases"})
    return [Item(name, name.replace("_", " ").capitalize()) for name in unnamed]


def describe_model(config: Mapping[str, Any]) -> str:
    """One line on what a model is, from its `config.json`."""
    names = [TITLES.get(name, name) for name in config["train_on"]]
    hidden = [
        f"{part['structure']} hidden in "
        + (f"{100 * part['share']:g} % of " if part.get("share") not in {None, 1.0} else "")
        + ("all data sets alike" if part["dataset"] == "any" else TITLES.get(part["dataset"], part["dataset"]))
        for part in config.get("hidden") or []
    ]
    dropout = config.get("label_dropout")
    severity = config.get("severity")
    return "; ".join(
        [
            f"Experiment {config['experiment']}",
            "trained on " + " + ".join(names),
            *hidden,
            f"{config['loss'].replace('_', ' ')} loss",
            "augmentation" if config.get("augmentation") else "no augmentation",
            *([f"label dropout {100 * dropout['probability']:g} % ({dropout['mode']})"] if dropout else []),
            *([config["network"]["name"]] if config["network"]["name"] != "basic_unet" else []),
            *([f"domain shift {severity:g}"] if severity is not None else []),
        ]
    )


@dataclass(frozen=True)
class _Model:
    """A model of which there may be pictures."""

    name: str
    config: Mapping[str, Any]
    """Empty if it is not here."""
    inputs: Mapping[str, str]
    """Hash by name of all that its scores were made from; empty if that was not recorded."""
    trained_on: Mapping[str, str]
    """The same of its first training, by names below its tree."""


def _inputs_in(path: Path) -> Mapping[str, str]:
    content = read_json(path) if path.is_file() else {}
    found = content.get("inputs") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}


def _model(results: Path, name: str) -> _Model:
    folder = results / "models" / name
    runs = sorted(folder.glob("seed-*/run.json"))
    return _Model(
        name,
        read_json(folder / "config.json") if (folder / "config.json").is_file() else {},
        _inputs_in(sidecar_of(results / "scores" / f"{name}.csv")),
        _inputs_in(runs[0]) if runs else {},
    )


def _tree(model: _Model, dataset: str, sha256: Callable[[str], str | None]) -> str | None:
    """Folder below the results in which a model's cases of a data set lie; None if they are not known to be here."""
    store, prepared = f"cases/{dataset}/images.u8", f"prepared/{dataset}/images.npy"
    scored = [value for name, value in model.inputs.items() if name.endswith(f"/{store}")]
    recorded = {store: scored[0] if scored else None, prepared: model.trained_on.get(prepared)}
    return tree_of(model.config.get("severity"), recorded, sha256)


def _drawn(chosen: pd.DataFrame, store: CaseStore, maps: Mapping[str, np.ndarray], seed: int) -> list[Image.Image]:
    """The pictures of chosen cases.

    Raises:
        ValueError: A case is not in the store or was not predicted, or prediction and case do not fit together.
    """
    rows = {case: row for row, case in enumerate(store.table["case"])}
    found = []
    for case in chosen["case"].astype(str):
        row, name = rows.get(case), f"seed-{seed}/{case}"
        if row is None or name not in maps:
            raise ValueError(f"{case} was scored, and is not among the {'cases' if row is None else 'predictions'}.")
        annotated = [structure for structure, state in store.states(row).items() if is_annotated(state)]
        spacing = store.spacing_mm(row) or (1.0, 1.0)
        image, target = np.asarray(store.image(row)), np.asarray(store.target(row))
        try:
            found.append(overlays.draw(image, target, annotated, maps[name], spacing[0] / spacing[1]))
        except ValueError as error:
            raise ValueError(f"{case}: {error}") from error
    return found


@dataclass
class _Browser:
    """The pictures of the browser, and why some are not there."""

    results: Path
    folder: _Folder
    origins: _Origins
    shown: list[Overlay] = field(default_factory=list)
    left_out: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Models by data set and reason."""

    def __post_init__(self) -> None:
        self._sha256 = cache(lambda name: file_sha256(path) if (path := self.results / name).is_file() else None)

    def _leave_out(self, model: _Model, dataset: str, reason: str) -> None:
        self.left_out.setdefault((TITLES.get(dataset, dataset), reason), []).append(model.name)

    def add(self, name: str) -> None:
        """Best, median and worst test image of every data set under the first training of a model."""
        model = _model(self.results, name)
        path = self.results / "scores" / f"{name}.csv"
        scores = read_table(path, SCORES, ("structure", "reference", "view", "instant"))
        maps = read_predictions(self.results / "predictions" / f"{name}.npz")
        seed = int(scores["seed"].min())
        own = scores[(scores["seed"] == seed) & (scores["reference"] == "dataset")]
        for dataset, chosen in overlays.choose(scores, seed).groupby("dataset", sort=False):
            tree = _tree(model, str(dataset), self._sha256)
            if tree is None:
                severity = model.config["severity"]
                reason = f"the images at domain shift {severity:g} that were scored are not among these results."
                self._leave_out(model, str(dataset), reason)
                continue
            place = self.results / f"{tree}cases" / str(dataset)
            if not (place / "cases.csv").is_file():
                self._leave_out(model, str(dataset), "its cases are not among these results.")
                continue
            store = CaseStore(place)
            try:
                drawn = _drawn(chosen, store, maps, seed)
            except ValueError as error:
                self._leave_out(model, str(dataset), str(error))
                continue
            for choice, picture in zip(chosen.itertuples(), drawn, strict=True):
                kind = SIMULATED if tree else self.origins.of(str(dataset), model.config)
                self._show(model, choice, picture, own[own["case"] == choice.case], kind)

    def _show(self, model: _Model, choice: Any, drawn: Image.Image, scores: pd.DataFrame, kind: str) -> None:
        by_structure = dict(zip(scores["structure"], scores["dice"], strict=True))
        words = ", ".join(
            f"{structure.name} {number(by_structure.get(structure.name), 2)}"
            for structure in FOREGROUND
            if structure.name in by_structure
        )
        source = self.folder.picture(drawn, "overlays", f"{model.name}-{choice.dataset}-{choice.quality}")
        title = TITLES.get(str(choice.dataset), str(choice.dataset))
        alternative = (
            f"{choice.quality.capitalize()} test image of {title} under {model.name}, {choice.case}:"
            f" reference on the left, prediction on the right; Dice {words}."
        )
        said = f". {describe_model(model.config)}" if model.config else ""
        picture = Picture(source, source, alternative, *drawn.size)
        self.shown.append(
            Overlay(picture, title, model.name, str(choice.quality), f"{choice.case}. Dice: {words}{said}", kind)
        )


def _browser(results: Path, folder: _Folder, origins: _Origins) -> _Browser:
    """Pictures for every model whose predictions and scores are here."""
    browser = _Browser(results, folder, origins)
    for path in sorted((results / "predictions").glob("*.npz")):
        if (results / "scores" / f"{path.stem}.csv").is_file():
            browser.add(path.stem)
    return browser


def _cone_facts(path: Path) -> list[str]:
    """What there is to say of the cones of a data set."""
    rows = _csv_rows(path)
    verdicts: dict[str, int] = {}
    for row in rows:
        verdict = row["verdict"].partition(" (")[0]
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    agreement = sorted(_float(row["iou"]) for row in rows if row["iou"])
    lowest = f"; IoU of mask and fit at least {number(agreement[0], 2)}" if agreement else ""
    return [f"Cones: {said}{lowest}."]


def _sheet(path: Path, folder: _Folder, name: str, alternative: str) -> Picture:
    with Image.open(path) as image:
        flat = image.convert("RGB")
    if flat.width > _SHEET_WIDTH_PX:
        size = (_SHEET_WIDTH_PX, round(flat.height * _SHEET_WIDTH_PX / flat.width))
        flat = flat.resize(size, Image.Resampling.LANCZOS)
    source = folder.picture(flat, "quality", name)
    return Picture(source, source, alternative, *flat.size)


def _imported(tree: Path, words: str, folder: _Folder, origins: _Origins) -> list[Imported]:
    """Quality control of the data sets below the results, or below one tree of another domain shift."""
    found = []
    names = [path.parent.name for path in (tree / "cases").glob("*/report.json")]
    for name in sorted(names, key=[*TITLES, *sorted(set(names) - set(TITLES))].index):
        report = read_json(tree / "cases" / name / "report.json")
        title = f"{TITLES.get(name, name)}{words}"
        # Counts alone: what was skipped is recorded under the data set's own names, which are not for passing on.
        facts = [f"{report['found']} items found, {report['used']} images used, {len(report['rejected'])} rejected."]
        facts += [f"Skipped, {why}: {len(items)}." for why, items in sorted(report["skipped"].items())]
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
        kind = SIMULATED if words else origins.of(name)  # nobody can choose how far real data sets lie apart
        found.append(Imported(title, facts, pictures, kind))
    return found


def _quality(results: Path, folder: _Folder, origins: _Origins) -> tuple[list[Imported], list[Imported]]:
    """Of the study's own data sets, and of those simulated at other strengths of the domain shift."""
    trees = sorted(results.glob("severity-*"))
    others = [
        imported
        for tree in trees
        for imported in _imported(tree, f", domain shift {tree.name.removeprefix('severity-')}", folder, origins)
    ]
    return _imported(results, "", folder, origins), others


def _sidecars(results: Path) -> list[dict[str, Any]]:
    """What stands beside every published table and figure: name, target, commit, models, command."""
    found = []
    for kind in ("figures", "tables", "released"):
        for path in sorted((results / kind).glob(f"*{ENDING}")):
            content = read_json(path)
            found.append(
                {
                    "name": f"{kind}/{path.name.removesuffix(ENDING)}",
                    "target": content["target"],
                    "commit": content["commit"][:12] + ("+changes" if content["commit"].endswith("+changes") else ""),
                    "data": content["data"],
                    "models": len(content["models"]),
                    "settings": content["settings_sha256"][:12],
                    "sha256": {Path(name).name: value[:12] for name, value in content["files"].items()},
                }
            )
    return found


def _judged(results: Path, root: Path) -> tuple[str, list[Finding], int, bool]:
    """What `verify` says: its line, the findings worth showing, how many more there are, and whether all is well."""
    findings = verify(results, root)
    noted = [finding for finding in findings if finding.state != "as recorded"]
    is_alarming = any(finding.state in ALARMING for finding in findings)
    return summarise(findings), noted[:_MOST_FINDINGS], max(0, len(noted) - _MOST_FINDINGS), is_alarming


def environment() -> Environment:
    """The templates of this package; a name that a template does not know is an error."""
    return Environment(
        loader=PackageLoader("labeldropout", "publication"),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def build_report(results: Path, root: Path, page: Path) -> None:
    """Write the page, and the folder beside it that has its name; the same results give the same bytes.

    Whatever is not there is said to be missing in its place. Page and folder together are all that a reader needs.

    Args:
        results: Folder of a study's results.
        root: Root of the workflow, to which the names in sidecars are relative.
        page: The page to write.

    Raises:
        ValueError: There is no such folder, or a file in it cannot be read, or the page would take the place of
            something else; the message names it.
    """
    if not results.is_dir():
        raise ValueError(f"{results}: no such folder (expected the results of a study).")
    folder = _folder_of(page, results)
    record_path = results / "run_record.json"
    record = read_json(record_path) if record_path.is_file() else None
    ledger = read_ledger(results / "tables")
    sidecars = _sidecars(results)
    folder.mark()
    origins = _origins(results)
    quality, other_trees = _quality(results, folder, origins)
    browser = _browser(results, folder, origins)
    line, findings, n_more, is_alarming = _judged(results, root)

    def shown(items: Iterable[Item]) -> list[Shown]:
        return [_show(item, results, folder, origins) for item in items]

    ledger_kinds = {
        kind for name in LEDGERS for kind in _kinds_of(name, results) if (results / "tables" / f"{name}.csv").is_file()
    }
    claims_figures = [one for one in shown(CLAIMS_FIGURES) if one.picture]
    paper_figures, own_figures, biomarkers, training = map(shown, (PAPER_FIGURES, OWN_FIGURES, BIOMARKERS, TRAINING))
    tables = shown((*PAPER_TABLES, *OWN_TABLES, *_others(results)))
    items = [*claims_figures, *paper_figures, *own_figures, *tables, *biomarkers, *training]
    pictures = [*browser.shown, *(one for one in (*quality, *other_trees) if one.pictures)]
    kinds = ledger_kinds.union(*(one.kinds for one in items if not one.is_missing), (one.kind for one in pictures))
    content = {
        "study": record["study"] if record else relative(results, root),
        "has_simulated": SIMULATED in kinds,
        "is_simulated": kinds == {SIMULATED},
        "is_real": kinds == {REAL},
        "shows_patients": any(one.kind != SIMULATED for one in pictures)
        or any(one.picture and one.item.name in _PANELS and not one.is_simulated for one in items),
        "claims_mark": mark(ledger_kinds),
        "claims": ledger,
        "verdicts": verdict_counts(ledger),
        "ledger_links": {
            name: folder.copy(path, "tables")
            for name in LEDGERS
            if (path := results / "tables" / f"{name}.csv").is_file()
        },
        "missing_ledgers": [
            (name, words)
            for name, words in zip(LEDGERS, ("The paper’s claims", "Claims that our own experiments test"), strict=True)
            if not (results / "tables" / f"{name}.csv").is_file()
        ],
        "claims_figures": claims_figures,
        "paper_figures": paper_figures,
        "own_figures": own_figures,
        "tables": tables,
        "biomarkers": biomarkers,
        "overlays": browser.shown,
        "overlays_left_out": browser.left_out,
        "overlay_datasets": list(dict.fromkeys(one.dataset for one in browser.shown)),
        "overlay_models": list(dict.fromkeys(one.model for one in browser.shown)),
        "qualities": overlays.QUALITIES,
        "structures": [(structure.name, "#{:02x}{:02x}{:02x}".format(*COLOURS[structure])) for structure in FOREGROUND],
        "quality": quality,
        "other_trees": other_trees,
        "training": training,
        "record": record,
        "sidecars": sidecars,
        "verified": line,
        "findings": findings,
        "n_more_findings": n_more,
        "is_alarming": is_alarming,
    }
    text = environment().get_template("report/report.html.jinja").render(content)
    with replacing(page, "w") as file:
        file.write(text)
    folder.sweep()
