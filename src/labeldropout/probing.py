"""The verb `probe`: whether a model gives the domain of an image away, by what it draws and by its logits.

The explanation of the paper: where labels are missing in one domain, a network learns to tell the domain, and leaves
out what is never drawn there. If so, the set of structures that it draws, or its logits at the pixels of a missing
structure, tell the domain. Images of different domains look different, and some of that reaches any logit; so the
same probe at the pixels of the left ventricle, which is labelled everywhere, stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from labeldropout.cone import to_grid
from labeldropout.devices import choose_device
from labeldropout.domain_probe import (
    Readout,
    cross_validate,
    draw_folds,
    log_odds,
    permute_domains,
    presence,
    read_out,
    resample_within,
)
from labeldropout.labels import Part, State, Structure
from labeldropout.parts import part_of_cases
from labeldropout.prediction import Model, crop_of, load_model
from labeldropout.published import SHORTCUT
from labeldropout.records import PATIENTS
from labeldropout.store import CaseStore, Prepared, read_prepared, read_table, replacing, write_table
from labeldropout.typesetting import interval, latex, markdown, number, p_value

ALL = "all"
SMALLEST_SHARE = 0.001
"""A structure counts as drawn from this share of the grid on: 4 pixels of 64 x 64, a tenth of a small atrium."""
FLOOR = 1e-12
"""Probabilities below this count as this, before the logarithm."""
PERMUTATIONS = 200


@dataclass(frozen=True)
class Images:
    """Test images of all data sets on the network's grid."""

    pixels: np.ndarray
    """uint8 (N, S, S)."""
    truth: dict[Structure, np.ndarray]
    """bool (N, S, S): where each structure is; nothing where nobody knows."""
    domains: np.ndarray
    """Place of the data set in `names`."""
    patients: np.ndarray
    names: tuple[str, ...]


def _known_masks(prepared: Prepared, row: int, stores: Sequence[CaseStore]) -> dict[Structure, np.ndarray]:
    """Where the structures are: as annotated, else as a further store (the truth, the observer) has it, else empty."""
    facts = prepared.table.iloc[row]
    size = prepared.images.shape[-1]
    masks = {}
    for structure in (Structure.LV, Structure.LVM, Structure.LA):
        masks[structure] = np.zeros((size, size), bool)
        if facts[structure.name] == State.LABELLED:
            masks[structure] = prepared.targets[row] == structure
            continue
        for store in stores:
            places = np.flatnonzero(store.table["case"] == facts["case"])
            if len(places) and store.states(int(places[0]))[structure] is State.LABELLED:
                target = np.asarray(store.target(int(places[0])))
                masks[structure] = to_grid(target, crop_of(facts), size, labels=True) == structure
                break
    return masks


def read_images(prepared: Sequence[Path], split: Path, further: Sequence[Path]) -> Images:
    """Read the test part of all data sets, with the pixels of every structure as far as somebody knows them.

    Args:
        prepared: Prepared arrays, one folder per data set.
        split: Table `PATIENTS`.
        further: Stores that know more than the data sets: the simulator's truth, the observer's masks.

    Raises:
        ValueError: There are fewer than two data sets.
    """
    if len(prepared) < 2:
        raise ValueError(f"{[str(path) for path in prepared]}: one domain (expected at least two to tell apart).")
    patients, stores = read_table(split, PATIENTS), [CaseStore(path) for path in further]
    pixels, masks, domains, names, people = [], [], [], [], []
    for place, folder in enumerate(prepared):
        arrays = read_prepared(folder)
        rows = np.flatnonzero((part_of_cases(arrays.table, patients) == Part.TEST).to_numpy())
        pixels.append(np.asarray(arrays.images[rows]))
        masks += [_known_masks(arrays, int(row), stores) for row in rows]
        domains += [place] * len(rows)
        names.append(str(arrays.table["dataset"].iloc[0]))
        people += [f"{place}/{name}" for name in arrays.table["patient"].iloc[rows]]
    known = {structure: np.stack([of_image[structure] for of_image in masks]) for structure in masks[0]}
    return Images(np.concatenate(pixels), known, np.array(domains), np.array(people), tuple(names))


@dataclass(frozen=True)
class Probe:
    """One question to a model: features of the images that can answer it."""

    feature: str
    """set or logits."""
    structure: str
    """Whose pixels; empty for the set."""
    kept: np.ndarray
    """bool (N,): images that take part."""
    values: np.ndarray
    """float64 (n, F)."""


def probes_of(probability: np.ndarray, structures: Sequence[Structure], images: Images) -> list[Probe]:
    """The set of structures drawn, and the logits at the pixels of each structure.

    Args:
        probability: float32 (N, C, S, S).
        structures: What channels 1, 2, ... are.
        images: The images.
    """
    labels = np.array([Structure.BACKGROUND, *structures])[probability.argmax(1)]
    everyone = np.ones(len(labels), bool)
    found = [Probe("set", "", everyone, presence(labels, [int(s) for s in structures], SMALLEST_SHARE))]
    for structure in structures:
        masks = images.truth[structure]
        kept = masks.any((1, 2))
        if kept.any():
            found.append(Probe("logits", structure.name, kept, log_odds(probability[kept], masks[kept], FLOOR)))
    return found


@dataclass(frozen=True)
class _Design:
    """What is drawn at random for a probe: the same for every seed and model on the same images."""

    folds: np.ndarray
    permuted: list[tuple[np.ndarray, np.ndarray]]
    """Domains dealt out anew, and folds for them."""
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
        """Mean over trainings, patients and permutations being drawn once for all of them."""
        return cls(*(np.mean([getattr(one, name) for one in several], axis=0) for name in ("value", "draws", "chance")))

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """One row per domain, and one for all."""
        low, high = np.quantile(self.draws, [0.025, 0.975], axis=0)
        p = (1 + (self.chance >= self.value - 1e-12).sum(0)) / (1 + len(self.chance))
        chance = self.chance.mean(0)
        return [
            {
                "domain": name,
                **{
                    f"{metric}{ending}": float(numbers[place, column])
                    for column, metric in enumerate(("balanced_accuracy", "auc"))
                    for ending, numbers in (
                        ("", self.value),
                        ("_low", low),
                        ("_high", high),
                        ("_chance", chance),
                        ("_p", p),
                    )
                },
            }
            for place, name in enumerate([*names, ALL])
        ]


def probe_trainings(
    models: Sequence[tuple[str, int, np.ndarray]],
    structures: Sequence[Structure],
    images: Images,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """How well the domain can be told from each training of one model, and over all of them.

    Args:
        models: Name, seed and probabilities (N, C, S, S) of every training.
        structures: What channels 1, 2, ... are.
        images: The images.
        draws: Resampled sets of patients behind an interval.
        seed: Of folds, permutations and resampling.

    Returns:
        `SHORTCUT` without the column `data`.

    Raises:
        ValueError: A domain has too few patients; the message names it.
    """
    questions = [probes_of(probability, structures, images) for _, _, probability in models]
    found = []
    designs: dict[bytes, _Design] = {}
    for place, question in enumerate(questions[0]):
        domains, patients = images.domains[question.kept], images.patients[question.kept]
        there, domains = np.unique(domains, return_inverse=True)
        if len(there) < 2:
            continue
        names = [images.names[index] for index in there]
        if (key := question.kept.tobytes()) not in designs:
            try:
                designs[key] = _Design.draw(domains, patients, draws, seed)
            except ValueError as error:
                raise ValueError(f"{question.feature} {question.structure}: {error}") from error
        design = designs[key]
        outcomes = [_Outcome.of(of_seed[place].values, domains, patients, design) for of_seed in questions]
        everyone = [(str(model[1]), outcome) for model, outcome in zip(models, outcomes, strict=True)]
        for name, outcome in [*everyone, ("all", _Outcome.over_seeds(outcomes))]:
            for row in outcome.rows(names):
                mine = np.ones(len(domains), bool) if row["domain"] == ALL else domains == names.index(row["domain"])
                found.append(
                    {
                        "model": models[0][0],
                        "seed": name,
                        "feature": question.feature,
                        "structure": question.structure,
                        **row,
                        "n": int(mine.sum()),
                        "n_patients": len(set(patients[mine])),
                    }
                )
    return pd.DataFrame([*found, *_shares(models, structures, images)])


def _shares(
    models: Sequence[tuple[str, int, np.ndarray]], structures: Sequence[Structure], images: Images
) -> list[dict[str, Any]]:
    """In what share of a domain's images each structure is drawn: what the probe of the set goes by."""
    found = []
    for channel, structure in enumerate(structures):
        drawn = [presence(probability.argmax(1), [channel + 1], SMALLEST_SHARE)[:, 0] for _, _, probability in models]
        for place, name in enumerate(images.names):
            mine = images.domains == place
            shares = [float(of_seed[mine].mean()) for of_seed in drawn]
            seeds = [str(seed) for _, seed, _ in models]
            found += [
                {
                    "model": models[0][0],
                    "seed": seed,
                    "feature": "share",
                    "structure": structure.name,
                    "domain": name,
                    "share_drawn": share,
                    "n": int(mine.sum()),
                    "n_patients": len(set(images.patients[mine])),
                }
                for seed, share in [*zip(seeds, shares, strict=True), ("all", float(np.mean(shares)))]
            ]
    return found


def probe_model(
    weights: Sequence[Path],
    prepared: Sequence[Path],
    split: Path,
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
        split: Table `PATIENTS`.
        further: Stores that know where unannotated structures are: the truth, else the observer's masks.
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
    answers = [(str(model.config["model"]), model.seed, model.probabilities(images.pixels)) for model in models]
    table = probe_trainings(answers, models[0].structures, images, int(settings["draws"]), int(settings["seed"]))
    columns = {"share_drawn": np.nan, "data": "simulated" if settings["simulated"] else "real"}
    table = table.assign(**{name: value for name, value in columns.items() if name not in table})
    write_table(table, output, SHORTCUT)


def write_probes(probes: Sequence[Path], output: Path, *, simulated: bool) -> list[Path]:
    """Join the probes of all models in `<output>.csv`, `.md` and `.tex`; return their paths.

    Args:
        probes: Tables `SHORTCUT`, in the order in which they are shown.
        output: Path without ending.
        simulated: Whether the caption must say that the data are.
    """
    table = pd.concat([read_table(path, SHORTCUT, ("seed", "structure", "data")) for path in probes], ignore_index=True)
    shown = table[(table["seed"] == "all") & (table["domain"] == ALL)]
    reading = pd.DataFrame(
        [
            {
                "Model": row["model"],
                "Domain told from": "structures drawn" if row["feature"] == "set" else f"logits at {row['structure']}",
                "n": row["n"],
                "Balanced accuracy": f"{number(row['balanced_accuracy'], 2)}"
                f" {interval(row['balanced_accuracy_low'], row['balanced_accuracy_high'], 2)}",
                "By chance": number(row["balanced_accuracy_chance"], 2),
                "AUC": f"{number(row['auc'], 2)} {interval(row['auc_low'], row['auc_high'], 2)}",
                "AUC by chance": number(row["auc_chance"], 2),
                "p": p_value(row["auc_p"]),
            }
            for row in shown.to_dict("records")
        ]
    )
    caption = (
        "How well the domain can be told from what a model draws and from its logits at the pixels of a structure:"
        " linear probe, cross-validated over patients; intervals by bootstrap over patients, chance and p by"
        f" {PERMUTATIONS} permutations of the domains; means over seeds. The left ventricle is labelled everywhere: its"
        " logits show how much of the domain any logit carries."
    )
    caption = f"Simulated data. {caption}" if simulated else caption
    files = [output.with_suffix(ending) for ending in (".csv", ".md", ".tex")]
    write_table(table, files[0], SHORTCUT)
    for path, text in zip(files[1:], (markdown(caption, reading), latex(caption, output.name, reading)), strict=True):
        with replacing(path, "w") as file:
            file.write(text)
    return files
