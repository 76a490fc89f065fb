"""The browser of pictures: the best, median and worst test image of every model and data set."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageColor

from labeldropout import drawing as overlays
from labeldropout.analysis.typesetting import number
from labeldropout.data.case_store import CaseStore
from labeldropout.files import read_json, read_table
from labeldropout.labels import PALETTE, is_annotated
from labeldropout.learning.predictions import read_predictions
from labeldropout.learning.tables import SCORES
from labeldropout.provenance import file_sha256
from labeldropout.publication.figures.draw import TITLES
from labeldropout.publication.report.folder import Folder, Picture
from labeldropout.publication.report.origin import SIMULATED, Origins, mark
from labeldropout.running.sidecars import sidecar_of
from labeldropout.running.verify import tree_of

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class Overlay:
    """A case shown in the browser."""

    picture: Picture
    dataset: str
    model: str
    quality: str
    caption: str
    kind: str
    """The kind of the image, one of `KINDS`."""

    @property
    def mark(self) -> str:
        """The sentence that states the kind of the image."""
        return mark({self.kind})


def describe_model(config: Mapping[str, Any]) -> str:
    """Describe a model in one line, from its `config.json`."""
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
            f"{config['augmentation']['name']} augmentation" if config.get("augmentation") else "no augmentation",
            *([f"label dropout {100 * dropout['probability']:g} % ({dropout['mode']})"] if dropout else []),
            *([config["network"]["name"]] if config["network"]["name"] != "basic_unet" else []),
            *([f"domain shift {severity:g}"] if severity is not None else []),
        ]
    )


@dataclass(frozen=True)
class _Model:
    """A model for which there may be pictures."""

    name: str
    config: Mapping[str, Any]
    """Empty if it is missing."""
    inputs: Mapping[str, str]
    """Hash by name of everything that its scores were made from; empty if not recorded."""
    trained_on: Mapping[str, str]
    """The same for its first training, by names below its tree."""


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
    """Folder below the results that contains a model's cases of a data set; None if not known to be present."""
    store, prepared = f"cases/{dataset}/images.u8", f"prepared/{dataset}/images.npy"
    scored = [value for name, value in model.inputs.items() if name.endswith(f"/{store}")]
    recorded = {store: scored[0] if scored else None, prepared: model.trained_on.get(prepared)}
    return tree_of(model.config.get("severity"), recorded, sha256)


def _drawn(
    chosen: pd.DataFrame,
    store: CaseStore,
    maps: Mapping[str, np.ndarray],
    seed: int,
    colours: Mapping[IntEnum, Colour],
) -> list[Image.Image]:
    """The pictures of chosen cases.

    Raises:
        ValueError: A case is not in the store or was not predicted, or its prediction does not match it.
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
            found.append(overlays.draw(image, target, annotated, maps[name], spacing[0] / spacing[1], colours))
        except ValueError as error:
            raise ValueError(f"{case}: {error}") from error
    return found


@dataclass
class Browser:
    """The pictures of the browser, and why some are missing."""

    results: Path
    folder: Folder
    origins: Origins
    colours: dict[str, Colour] = field(default_factory=dict)
    """By name of a structure: as configured, and of those that are shown."""
    shown: list[Overlay] = field(default_factory=list)
    left_out: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Models by data set and reason."""

    def __post_init__(self) -> None:
        self._sha256 = cache(lambda name: file_sha256(path) if (path := self.results / name).is_file() else None)

    def _leave_out(self, model: _Model, dataset: str, reason: str) -> None:
        self.left_out.setdefault((TITLES.get(dataset, dataset), reason), []).append(model.name)

    def add(self, name: str) -> None:
        """Add the best, median and worst test image of every data set for the first training of a model."""
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
                drawn = _drawn(chosen, store, maps, seed, self._colours_in(store))
            except ValueError as error:
                self._leave_out(model, str(dataset), str(error))
                continue
            for choice, picture in zip(chosen.itertuples(), drawn, strict=True):
                kind = SIMULATED if tree else self.origins.of(str(dataset), model.config)
                scored = own[own["case"] == choice.case]
                self._show(model, choice, picture, scored, kind, store.pixels.structures.__members__)

    def _colours_in(self, store: CaseStore) -> dict[IntEnum, Colour]:
        """The colours of the structures of a store; those that are configured, else the usual ones."""
        for structure in store.pixels.structures:
            self.colours.setdefault(structure.name, PALETTE[structure - 1])
        return {structure: self.colours[structure.name] for structure in store.pixels.structures}

    def _show(
        self,
        model: _Model,
        choice: Any,
        drawn: Image.Image,
        scores: pd.DataFrame,
        kind: str,
        structures: Iterable[str],
    ) -> None:
        by_structure = dict(zip(scores["structure"], scores["dice"], strict=True))
        words = ", ".join(f"{name} {number(by_structure.get(name), 2)}" for name in structures if name in by_structure)
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


def browse(results: Path, folder: Folder, origins: Origins, configured: Iterable[Mapping[str, str]] = ()) -> Browser:
    """Draw pictures for every model whose predictions and scores are available.

    Args:
        results: Folder of a study's results.
        folder: Where pictures are put.
        origins: What is simulated.
        configured: The study's structures as its configuration names them, with a colour or without.
    """
    colours = {one["name"]: ImageColor.getrgb(one["colour"]) for one in configured if "colour" in one}
    browser = Browser(results, folder, origins, colours)
    for path in sorted((results / "predictions").glob("*.npz")):
        if (results / "scores" / f"{path.stem}.csv").is_file():
            browser.add(path.stem)
    return browser
