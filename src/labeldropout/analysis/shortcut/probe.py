"""The verb `probe`: whether a model gives away the domain of an image, by what it draws and by its logits.

The paper's explanation is that where labels are missing in one domain, a network learns to recognise the domain and
leaves out what is never drawn there. If so, the set of structures that it draws, or its logits at the pixels of a
missing structure, reveal the domain. Images of different domains look different, and some of that reaches any logit; so
the same probe at the pixels of the left ventricle, which is labelled everywhere, serves as a comparison. It is not a
control: its logits are those of all structures, the missing one among them.

Data sets differ in their views, too, and a view changes what is seen; so only images of one view are asked about, one
that all data sets have.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from labeldropout.analysis.shortcut.domain_probe import (
    PERMUTATIONS,
    Readout,
    cross_validate,
    draw_folds,
    large_enough,
    log_odds,
    permute_domains,
    presence,
    read_out,
    resample_within,
)
from labeldropout.analysis.shortcut.table import ALL, SHORTCUT
from labeldropout.data.case_store import CaseStore
from labeldropout.data.crop import to_grid
from labeldropout.data.parts import part_of_cases, read_parts
from labeldropout.data.prepared import Prepared, read_prepared
from labeldropout.devices import choose_device
from labeldropout.files import write_table
from labeldropout.labels import Part, State
from labeldropout.learning.model import BATCH_SIZE, Model, crop_of, load_model

SMALLEST_SHARE = 0.001
"""Smallest share of the grid that counts as drawn: 5 pixels of 64 x 64, a tenth of a small atrium."""


FLOOR = 1e-12
"""Probabilities are raised to at least this before the logarithm."""


_METRICS = ("balanced_accuracy", "auc")


_ENDINGS = ("", "_low", "_high", "_chance", "_p")


_NO_NUMBERS = {f"{metric}{ending}": np.nan for metric in _METRICS for ending in _ENDINGS}


@dataclass(frozen=True)
class Images:
    """Test images of all data sets on the network's grid."""

    pixels: np.ndarray
    """uint8 (N, S, S), or (N, S, S, K) of K channels."""
    truth: dict[IntEnum, np.ndarray]
    """bool (N, S, S): where each structure is; empty where this is unknown."""
    domains: np.ndarray
    """Place of the data set in `names`."""
    patients: np.ndarray
    names: tuple[str, ...]
    view: str
    """The view of all images, empty if unknown; `all` where the data sets share none."""

    def select(self, kept: np.ndarray, view: str) -> "Images":
        """Some of the images: bool (N,)."""
        truth = {structure: masks[kept] for structure, masks in self.truth.items()}
        return Images(self.pixels[kept], truth, self.domains[kept], self.patients[kept], self.names, view)


def shared_view(views: np.ndarray, domains: np.ndarray, patients: np.ndarray) -> str | None:
    """The view that all domains have: of several, the one with the most patients where it has the fewest.

    Args:
        views: View of every image; an empty text counts as a view.
        domains: Domain of every image.
        patients: The patient of every image.

    Returns:
        The view; None if the domains have none in common.
    """
    people = pd.DataFrame({"view": views, "domain": domains, "patient": patients}).drop_duplicates()
    fewest = pd.crosstab(people["view"], people["domain"]).min(axis=1)
    return str(fewest.idxmax()) if fewest.max() else None


def _known_masks(prepared: Prepared, row: int, stores: Sequence[CaseStore]) -> dict[IntEnum, np.ndarray]:
    """Where the structures are: as annotated, else as in a further store (the truth, the observer), else empty."""
    facts = prepared.table.iloc[row]
    size = prepared.images.shape[1]
    masks = {}
    for structure in prepared.pixels.structures:
        masks[structure] = np.zeros((size, size), bool)
        if facts[structure.name] == State.LABELLED:
            masks[structure] = prepared.targets[row] == structure
            continue
        for store in stores:
            places = np.flatnonzero(store.table["case"] == facts["case"])
            if len(places) and store.states(int(places[0])).get(structure) is State.LABELLED:
                target = np.asarray(store.target(int(places[0])))
                masks[structure] = to_grid(target, crop_of(facts), size, labels=True) == structure
                break
    return masks


def read_images(prepared: Sequence[Path], split: Sequence[Path], further: Sequence[Path]) -> Images:
    """Read the test part of all data sets in one view, with the pixels of every structure as far as they are known.

    Args:
        prepared: Prepared arrays, one folder per data set.
        split: Tables `PATIENTS` of these data sets.
        further: Stores that hold more than the data sets: the simulator's truth, the observer's masks.

    Raises:
        ValueError: There are fewer than two data sets.
    """
    if len(prepared) < 2:
        raise ValueError(f"{[str(path) for path in prepared]}: one domain (expected at least two to tell apart).")
    patients, stores = read_parts(split), [CaseStore(path) for path in further]
    pixels, masks, domains, names, people, views = [], [], [], [], [], []
    for place, folder in enumerate(prepared):
        arrays = read_prepared(folder)
        rows = np.flatnonzero((part_of_cases(arrays.table, patients) == Part.TEST).to_numpy())
        pixels.append(np.asarray(arrays.images[rows]))
        masks += [_known_masks(arrays, int(row), stores) for row in rows]
        domains += [place] * len(rows)
        names.append(str(arrays.table["dataset"].iloc[0]))
        people += [f"{place}/{name}" for name in arrays.table["patient"].iloc[rows]]
        views += arrays.table["view"].iloc[rows].tolist()
    known = {structure: np.stack([of_image[structure] for of_image in masks]) for structure in masks[0]}
    images = Images(np.concatenate(pixels), known, np.array(domains), np.array(people), tuple(names), ALL)
    view = shared_view(np.array(views), images.domains, images.patients)
    return images if view is None else images.select(np.array(views) == view, view)


@dataclass(frozen=True)
class Answers:
    """What the probe keeps of a training's answers: features of every image, but no probabilities."""

    model: str
    seed: int
    structures: tuple[IntEnum, ...]
    """What channels 1, 2, ... are."""
    drawn: np.ndarray
    """float64 (N, C - 1): 1 where a structure is drawn, else 0."""
    logits: dict[IntEnum, np.ndarray]
    """float64 (N, C): mean centred log-probabilities at a structure's pixels; NaN where its place is unknown."""

    @classmethod
    def of(
        cls,
        model: str,
        seed: int,
        structures: Sequence[IntEnum],
        batches: Iterable[np.ndarray],
        images: Images,
    ) -> "Answers":
        """Turn probabilities into features batch by batch, as those of a whole test part may not fit into memory.

        Args:
            model: Row of the list of experiments.
            seed: Of the training.
            structures: What channels 1, 2, ... are.
            batches: Probabilities, float32 (n, C, S, S), of all images in their order.
            images: The images.
        """
        total = len(images.domains)
        drawn = np.zeros((total, len(structures)))
        logits = {structure: np.full((total, 1 + len(structures)), np.nan) for structure in structures}
        start = 0
        for probability in batches:
            batch = slice(start, start + len(probability))
            start = batch.stop
            drawn[batch] = presence(probability.argmax(1), range(1, 1 + len(structures)), SMALLEST_SHARE)
            for structure in structures:
                masks = images.truth[structure][batch]
                known = masks.any((1, 2))
                if known.any():
                    logits[structure][batch][known] = log_odds(probability[known], masks[known], FLOOR)
        return cls(model, seed, tuple(structures), drawn, logits)


@dataclass(frozen=True)
class _Question:
    """One question to a model: features of the images that can answer it."""

    feature: str
    """set or logits."""
    structure: str
    """Whose pixels; empty for the set."""
    kept: np.ndarray
    """bool (N,): images that can answer."""
    features: list[np.ndarray]
    """float64 (N, F) of every training."""


def _questions(answers: Sequence[Answers], images: Images) -> list[_Question]:
    """The set of structures drawn, and the logits at the pixels of each structure that is known somewhere."""
    found = [_Question("set", "", np.ones(len(images.domains), bool), [one.drawn for one in answers])]
    for structure in answers[0].structures:
        kept = images.truth[structure].any((1, 2))
        if kept.any():
            found.append(_Question("logits", structure.name, kept, [one.logits[structure] for one in answers]))
    return found


@dataclass(frozen=True)
class _Design:
    """What is drawn at random for a probe: the same for every seed and model on the same images."""

    folds: np.ndarray
    permuted: list[tuple[np.ndarray, np.ndarray]]
    """Permuted domains, and folds for them."""
    counts: np.ndarray
    """Resampled patients."""

    @classmethod
    def draw(cls, domains: np.ndarray, patients: np.ndarray, draws: int, seed: int) -> "_Design":
        rng = np.random.default_rng(seed)
        folds = draw_folds(domains, patients, rng)
        permuted = []
        for _ in range(PERMUTATIONS):
            dealt = permute_domains(domains, patients, rng)
            permuted.append((dealt, draw_folds(dealt, patients, rng)))
        _, first = np.unique(patients, return_index=True)
        return cls(folds, permuted, resample_within(domains[first], draws, rng))


def _metrics(readout: Readout, counts: np.ndarray) -> np.ndarray:
    """Balanced accuracy and area: (draws, domains + 1, 2)."""
    found = readout.metrics(counts)
    return np.stack([found["accuracy"], found["auc"]], axis=-1)


@dataclass(frozen=True)
class _Outcome:
    """Metrics of one probe and training; the last axes are (domains + 1, 2)."""

    value: np.ndarray
    draws: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, domains: np.ndarray, patients: np.ndarray, design: _Design) -> "_Outcome":
        readout = read_out(cross_validate(values, domains, design.folds), domains, patients)
        once = np.ones((1, len(readout.patient_domains)))
        chance = [
            _metrics(read_out(cross_validate(values, dealt, folds), dealt, patients), once)[0]
            for dealt, folds in design.permuted
        ]
        return cls(_metrics(readout, once)[0], _metrics(readout, design.counts), np.stack(chance))

    @classmethod
    def over_seeds(cls, several: Sequence["_Outcome"]) -> "_Outcome":
        """Mean over trainings; patients and permutations are drawn once for all of them."""
        return cls(*(np.mean([getattr(one, name) for one in several], axis=0) for name in ("value", "draws", "chance")))

    def rows(self) -> list[dict[str, float]]:
        """Numbers for each domain, and last for all domains."""
        low, high = np.quantile(self.draws, [0.025, 0.975], axis=0)
        p = (1 + (self.chance >= self.value - 1e-12).sum(0)) / (1 + len(self.chance))
        parts = dict(zip(_ENDINGS, (self.value, low, high, self.chance.mean(0), p), strict=True))
        return [
            {
                f"{metric}{ending}": float(numbers[place, column])
                for column, metric in enumerate(_METRICS)
                for ending, numbers in parts.items()
            }
            for place in range(len(self.value))
        ]


def probe_trainings(answers: Sequence[Answers], images: Images, draws: int, seed: int) -> pd.DataFrame:
    """How well the domain can be told from each training of one model, and over all of them.

    A domain with fewer than `FOLDS` patients is left out of a question: its rows have no numbers, and neither has the
    row for all domains if fewer than two are left.

    Args:
        answers: Of every training of the model.
        images: The images.
        draws: Resampled sets of patients behind an interval.
        seed: Of folds, permutations and resampling.

    Returns:
        `SHORTCUT` without the column `data`.
    """
    found = []
    designs: dict[bytes, _Design] = {}
    for question in _questions(answers, images):
        asked = question.kept.copy()
        asked[asked] = large_enough(images.domains[asked], images.patients[asked])
        large, domains = np.unique(images.domains[asked], return_inverse=True)
        if len(large) < 2:
            asked[:] = False
        patients = images.patients[asked]
        outcomes: dict[str, _Outcome] = {}
        if asked.any():
            if (key := asked.tobytes()) not in designs:
                designs[key] = _Design.draw(domains, patients, draws, seed)
            several = [_Outcome.of(features[asked], domains, patients, designs[key]) for features in question.features]
            outcomes = {str(one.seed): outcome for one, outcome in zip(answers, several, strict=True)}
            outcomes["all"] = _Outcome.over_seeds(several)
        for name in (*(str(one.seed) for one in answers), "all"):
            numbers = dict(zip([*large, ALL], outcomes[name].rows(), strict=True)) if outcomes else {}
            for domain in (*np.unique(images.domains[question.kept]), ALL):
                mine = asked if domain == ALL else question.kept & (images.domains == domain)
                found.append(
                    {
                        "model": answers[0].model,
                        "seed": name,
                        "feature": question.feature,
                        "structure": question.structure,
                        "view": images.view,
                        "domain": ALL if domain == ALL else images.names[domain],
                        **numbers.get(domain, _NO_NUMBERS),
                        "n": int(mine.sum()),
                        "n_patients": len(set(images.patients[mine])),
                    }
                )
    return pd.DataFrame([*found, *_shares(answers, images)])


def _shares(answers: Sequence[Answers], images: Images) -> list[dict[str, Any]]:
    """In what share of a domain's images each structure is drawn: what the probe of the set is based on."""
    found = []
    for channel, structure in enumerate(answers[0].structures):
        for place in np.unique(images.domains):
            mine = images.domains == place
            shares = {str(one.seed): float(one.drawn[mine, channel].mean()) for one in answers}
            shares["all"] = float(np.mean(list(shares.values())))
            found += [
                {
                    "model": answers[0].model,
                    "seed": seed,
                    "feature": "share",
                    "structure": structure.name,
                    "view": images.view,
                    "domain": images.names[place],
                    "share_drawn": share,
                    "n": int(mine.sum()),
                    "n_patients": len(set(images.patients[mine])),
                }
                for seed, share in shares.items()
            ]
    return found


def _batches(model: Model, pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Probabilities of a few images at a time."""
    for start in range(0, len(pixels), BATCH_SIZE):
        yield model.probabilities(pixels[start : start + BATCH_SIZE])


def probe_model(
    weights: Sequence[Path],
    prepared: Sequence[Path],
    split: Sequence[Path],
    further: Sequence[Path],
    settings: dict[str, Any],
    device: str,
    threads: int,
    output: Path,
) -> None:
    """Probe every training of one model, from files to a table `SHORTCUT`.

    Args:
        weights: `weights.safetensors` of every seed.
        prepared: Prepared arrays, one folder per data set.
        split: Tables `PATIENTS` of these data sets.
        further: Stores that show unannotated structures: the truth, or else the observer's masks.
        settings: `draws` and `seed` of the resampling, and `simulated`.
        device: auto, cpu or cuda.
        threads: Threads on a CPU.
        output: The table.

    Raises:
        ValueError: The trainings segment different structures, or the data do not fit.
    """
    torch.set_num_threads(threads)
    images = read_images(prepared, split, further)
    models: list[Model] = [load_model(path, choose_device(device)) for path in weights]
    if len({model.structures for model in models}) != 1:
        raise ValueError(f"{[str(path) for path in weights]}: trainings of different structures (expected one model).")
    answers = [
        Answers.of(str(model.config["model"]), model.seed, model.structures, _batches(model, images.pixels), images)
        for model in models
    ]
    table = probe_trainings(answers, images, int(settings["draws"]), int(settings["seed"]))
    columns = {"share_drawn": np.nan, "data": "simulated" if settings["simulated"] else "real"}
    table = table.assign(**{name: value for name, value in columns.items() if name not in table})
    write_table(table, output, SHORTCUT)
