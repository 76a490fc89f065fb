"""The tables behind figures and tables, the panels' cases, and the tests; beside the paper's numbers."""

import difflib
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from labeldropout.datasets import DATASETS
from labeldropout.experiments import Experiment, parse_row
from labeldropout.labels import FOREGROUND, Part, State
from labeldropout.records import CASES, FIGURE_TABLE, PANEL_TABLE, PATIENTS, SCORES, TABLE_1, TABLE_2, TESTS
from labeldropout.statistics import (
    NO_DIFFERENCE,
    Interval,
    bootstrap_mean,
    group_means,
    holm,
    is_equivalent,
    paired_wilcoxon,
    resample_patients,
    standard_deviation,
    summarise,
)
from labeldropout.store import read_table, replacing, write_table
from labeldropout.typesetting import NOTHING, interval, latex, markdown, mean_and_spread, number, p_value

MEAN = "mean"
"""Structure of the rows that hold the mean over the structures of an image."""
FIGURE_4_CASES = 3
"""Images shown in Fig. 4 (ii); ours, the paper does not say."""
SHOWN_PROBABILITY = 0.5
"""Probability of label dropout whose predictions the paper shows and, we take it, tests."""
KEPT_COUNTS = 4
"""Resampling counts kept in memory; each has draws times patients numbers."""

_STRUCTURES = (*(structure.name for structure in FOREGROUND), MEAN)
_CELL = ["dataset", "structure", "reference"]
_REPORTED = ("item", "model", "against", "dataset", "structure", "measure", "value", "sd", "text", "where")
_SCORE_TEXT = (
    *("model", "case", "dataset", "patient", "view", "instant", "structure", "reference", "surface_dice_tolerance"),
)
_CASE_TEXT = ("view", "instant", "group_name", "quality", "flags", "split_hint", "source")


@dataclass(frozen=True)
class Study:
    """What a table is made from."""

    experiments: tuple[Experiment, ...]
    """Models of the item, in the order of the list."""
    scores: pd.DataFrame
    """`SCORES` of these models in a fixed order, with rows for the mean over structures."""
    images: pd.DataFrame
    """The same averaged over seeds, from `per_image`."""
    cases: pd.DataFrame
    """`CASES` of all stores with the column `part`, sorted by case within a data set."""
    reported: pd.DataFrame
    """The paper's numbers."""
    settings: dict[str, Any]

    @property
    def data(self) -> str:
        """What the column `data` says."""
        return "simulated" if self.settings["simulated"] else "real"

    def reported_value(self, column: str = "value", **where: str) -> Any:
        """The paper's number for these cells; NaN, or empty for the column `text`, if it gives none."""
        table = self.reported
        for key, wanted in where.items():
            table = table[table[key] == wanted]
        found = table[column].tolist()
        return found[0] if found else ("" if column == "text" else math.nan)


@dataclass(frozen=True)
class Content:
    """A finished table."""

    table: pd.DataFrame
    """Full numbers."""
    columns: dict[str, str]
    """Record that the table keeps to."""
    caption: str
    reading: pd.DataFrame
    """The same numbers as text, rounded."""


def read_reported(path: Path) -> pd.DataFrame:
    """Read the paper's numbers: one row per entry, empty text and NaN where an entry has no such key.

    Raises:
        ValueError: An entry has an unknown key, or two entries speak of the same number; the message names it.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({error}).") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: expected a list of entries, found {type(entries).__name__}.")
    for place, entry in enumerate(entries, 1):
        for key in entry:
            if key not in _REPORTED:
                near = difflib.get_close_matches(str(key), _REPORTED, 1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ValueError(f"{path}: entry {place}: unknown key {key!r} (expected of {_REPORTED}).{hint}")
    table = pd.DataFrame(entries, columns=list(_REPORTED))
    numbers = ["value", "sd"]
    table[numbers] = table[numbers].astype(float)
    words = [name for name in _REPORTED if name not in numbers]
    table[words] = table[words].astype(object).fillna("").astype(str)
    keys = ["item", "model", "against", "dataset", "structure", "measure"]
    if table.duplicated(keys).any():
        raise ValueError(f"{path}: two entries for {table.loc[table.duplicated(keys), keys].iloc[0].to_dict()}.")
    return table


def read_scores(paths: Iterable[Path], experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Read the scores of these models in a fixed order, whatever the order of files and rows.

    Rows with structure `mean` are added for models of several structures: the mean over the structures of an image
    that have a score against the data set's own reference.

    Raises:
        ValueError: Columns are unknown, a model or a seed is missing, or a score is given twice or not for all seeds.
    """
    tables = [read_table(path, SCORES, _SCORE_TEXT) for path in paths]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SCORES))
    known = {experiment.model: experiment for experiment in experiments}
    if others := sorted(set(table["model"]) - set(known)):
        raise ValueError(f"scores of {others[0]!r}, which is no model of this item (expected of {list(known)}).")
    for experiment in experiments:
        found = sorted({int(seed) for seed in table.loc[table["model"] == experiment.model, "seed"]})
        if found != sorted(experiment.seeds):
            raise ValueError(f"scores of {experiment.model}: seeds {found} (expected {sorted(experiment.seeds)}).")
    keys = ["model", "dataset", "patient", "case", "structure", "reference"]
    table = table.sort_values([*keys, "seed"], ignore_index=True)
    if (twice := table.duplicated([*keys, "seed"])).any():
        raise ValueError(f"scores: given twice: {table.loc[twice, [*keys, 'seed']].iloc[0].to_dict()}.")
    seeds = table.groupby(keys, sort=False)["seed"].transform("size")
    wanted = table["model"].map({name: len(experiment.seeds) for name, experiment in known.items()})
    if (torn := seeds != wanted).any():
        raise ValueError(f"scores: not given for all seeds: {table.loc[torn, keys].iloc[0].to_dict()}.")
    several = [name for name, experiment in known.items() if len(experiment.structures) > 1]
    own = table[(table["reference"] == "dataset") & table["model"].isin(several)]
    means = own.groupby(["model", "seed", "dataset", "patient", "case"], as_index=False, sort=True)["dice"].mean()
    return pd.concat([table, means.assign(structure=MEAN, reference="dataset")], ignore_index=True)


def read_cases(stores: Iterable[Path], split: Path) -> pd.DataFrame:
    """Read the tables of all stores with the part of every case; sorted by case within a data set.

    Raises:
        ValueError: A patient has no part.
    """
    patients = read_table(split, PATIENTS)
    tables = []
    for store in stores:
        table = read_table(Path(store) / "cases.csv", CASES, _CASE_TEXT).sort_values("case", ignore_index=True)
        table = table.merge(patients, on=["dataset", "patient"], how="left", validate="many_to_one")
        if (lost := table["part"].isna()).any():
            raise ValueError(f"{split}: no part for patient {table.loc[lost, 'patient'].iloc[0]} of {store}.")
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*CASES, "part"])


def per_image(scores: pd.DataFrame) -> pd.DataFrame:
    """Dice of every image under every model, averaged over the model's seeds (those with a score).

    Returns:
        Columns model, dataset, structure, reference, patient, case, dice; sorted by them.
    """
    return scores.groupby(["model", *_CELL, "patient", "case"], as_index=False, sort=True)["dice"].mean()


def _cell(table: pd.DataFrame, dataset: str, structure: str, reference: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["structure"] == structure) & (table["reference"] == reference)]


def _figure_rows(study: Study, item: str) -> Iterator[dict[str, Any]]:
    for experiment in study.experiments:
        own = study.scores[study.scores["model"] == experiment.model]
        averaged = study.images[study.images["model"] == experiment.model]
        for dataset in experiment.evaluated_on:
            for structure in _STRUCTURES:
                cell = _cell(own, dataset, structure, "dataset")
                if cell.empty:
                    continue
                images = _cell(averaged, dataset, structure, "dataset")
                of_seeds = {seed: cell[cell["seed"] == seed] for seed in experiment.seeds}
                means = np.array([summarise(rows["dice"].to_numpy(float)).mean for rows in of_seeds.values()])
                where = {"item": item, "model": experiment.model, "dataset": dataset, "structure": structure}
                for seed, rows in {**of_seeds, "all": images}.items():
                    values, patients = rows["dice"].to_numpy(float), rows["patient"].to_numpy()
                    summary, of_patients = summarise(values), group_means(values, patients)
                    over_seeds = seed == "all"
                    yield {
                        "model": experiment.model,
                        "train_on": "+".join(experiment.train_on),
                        "loss": experiment.loss,
                        "probability": experiment.dropout_probability,
                        "seed": seed,
                        "dataset": dataset,
                        "structure": structure,
                        "dice_mean": float(means.mean()) if over_seeds else summary.mean,
                        "dice_sd": standard_deviation(means) if over_seeds else summary.sd,
                        "dice_median": summary.median,
                        "dice_q1": summary.q1,
                        "dice_q3": summary.q3,
                        "dice_whisker_low": summary.whisker_low,
                        "dice_whisker_high": summary.whisker_high,
                        "dice_sd_patients": standard_deviation(of_patients),
                        "n": summary.n,
                        "n_patients": of_patients.size,
                        "n_failures": summary.n_failures,
                        "n_both_empty": summary.n_missing,
                        "reported": study.reported_value(**where, measure="dice"),
                        "reported_sd": study.reported_value("sd", **where, measure="dice"),
                        "data": study.data,
                    }


def _figure(study: Study, item: str, what: str) -> Content:
    table = pd.DataFrame(list(_figure_rows(study, item)), columns=list(FIGURE_TABLE))
    reading = []
    for experiment in study.experiments:
        rows = table[table["model"] == experiment.model]
        single = len(experiment.seeds) == 1
        shown = rows[rows["seed"] == (experiment.seeds[0] if single else "all")]
        reading += [
            {
                "Model": row.model,
                "Trained on": row.train_on,
                "Tested on": row.dataset,
                "Structure": row.structure,
                "Dice, mean ± SD": mean_and_spread(row.dice_mean, row.dice_sd),
                "SD over": "images" if single else f"{len(experiment.seeds)} seeds",
                "Median [quartiles]": f"{number(row.dice_median)} {interval(row.dice_q1, row.dice_q3)}",
                "Images (patients)": f"{row.n} ({row.n_patients})",
                "Dice < 0.5": str(row.n_failures),
                "Both empty": str(row.n_both_empty),
                "Paper": mean_and_spread(row.reported, row.reported_sd),
            }
            for row in shown.itertuples()
        ]
    return Content(table, FIGURE_TABLE, what, pd.DataFrame(reading))


def _draw(names: Sequence[str], k: int, seed: int, word: str) -> list[str]:
    """Some of the names at random, in any order of them; the word makes draws for several data sets independent."""
    key = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    pool = sorted(names)
    chosen = np.random.default_rng([seed, key]).permutation(len(pool))[:k]
    return [pool[index] for index in chosen]


def _test_cases(study: Study, dataset: str) -> list[str]:
    cases = study.cases[(study.cases["dataset"] == dataset) & (study.cases["part"] == Part.TEST)]
    if cases.empty:
        raise ValueError(f"no test case of {dataset} among the stores of this item.")
    return cases["case"].tolist()


def _kit_cases(study: Study) -> pd.DataFrame:
    """Data set and case of the images on which the observer drew, as far as all models are scored on them."""
    mine = study.scores["model"].isin([experiment.model for experiment in study.experiments])
    drawn = study.scores[mine & (study.scores["reference"] == "observer")]
    models = drawn.groupby(["dataset", "case"], as_index=False, sort=True)["model"].nunique()
    kit = models.loc[models["model"] == len(study.experiments), ["dataset", "case"]]
    if kit.empty:
        raise ValueError(
            "no scores against the observer's masks (reference observer) that all models of this item share:"
            f" {[experiment.model for experiment in study.experiments]}. Evaluate them with the drawn annotation kit."
        )
    return kit


def _panel(study: Study, chosen: Sequence[tuple[str, str]], experiments: Sequence[Experiment], what: str) -> Content:
    rows = []
    for position, (dataset, case) in enumerate(chosen):
        for experiment in experiments:
            seed = min(experiment.seeds)
            mine = (study.scores["model"] == experiment.model) & (study.scores["seed"] == seed)
            scores = study.scores[mine & (study.scores["case"] == case) & (study.scores["structure"] != MEAN)]
            scored = {row.structure: row for row in scores.itertuples()}
            found = [scored[name] for name in _STRUCTURES if name in scored]
            for structure, reference, dice in [(row.structure, row.reference, row.dice) for row in found] or [
                ("", "", math.nan)
            ]:
                rows.append(
                    {
                        "model": experiment.model,
                        "seed": seed,
                        "dataset": dataset,
                        "case": case,
                        "structure": structure,
                        "reference": reference,
                        "dice": dice,
                        "position": position,
                        "data": study.data,
                    }
                )
    table = pd.DataFrame(rows, columns=list(PANEL_TABLE))
    reading = pd.DataFrame(
        {
            "Row": [str(row.position + 1) for row in table.itertuples()],
            "Case": table["case"],
            "Model": table["model"],
            "Structure": table["structure"].replace("", NOTHING),
            "Reference": table["reference"].replace("", NOTHING),
            "Dice": [number(row.dice) for row in table.itertuples()],
        }
    )
    return Content(table, PANEL_TABLE, what, reading)


def _one_case_per_dataset(study: Study, what: str) -> Content:
    names = dict.fromkeys(name for experiment in study.experiments for name in experiment.evaluated_on)
    seed = study.settings["seed"]
    chosen = [(name, _draw(_test_cases(study, name), 1, seed, name)[0]) for name in names]
    return _panel(study, chosen, study.experiments, what)


def _nearest_to_shown(experiments: Sequence[Experiment]) -> Experiment | None:
    """The model with label dropout whose probability is nearest to the one that the paper shows."""
    dropping = [experiment for experiment in experiments if experiment.dropout_probability > 0]
    return min(dropping, key=lambda one: abs(one.dropout_probability - SHOWN_PROBABILITY), default=None)


def _figure_4_cases(study: Study) -> Content:
    without = next((one for one in study.experiments if one.hidden and not one.dropout_probability), None)
    with_dropout = _nearest_to_shown(study.experiments)
    if without is None or with_dropout is None:
        raise ValueError("figure_4_cases needs a model with hidden labels without label dropout, and one with it.")
    dataset = without.hidden[0].dataset
    cases = _draw(_test_cases(study, dataset), FIGURE_4_CASES, study.settings["seed"], dataset)
    what = (
        "Cases of Figure 4 (ii): test images drawn at random, without label dropout and with"
        f" p = {with_dropout.dropout_probability:g}."
    )
    return _panel(study, [(dataset, case) for case in cases], (without, with_dropout), what)


def _supplementary_figure_1(study: Study) -> Content:
    kit = _kit_cases(study)
    chosen = []
    for dataset in sorted(set(kit["dataset"])):
        names = kit.loc[kit["dataset"] == dataset, "case"].tolist()
        shown = _draw(names, study.settings["kit"]["shown"], study.settings["seed"], dataset)
        chosen += [(dataset, case) for case in shown]
    what = "Cases of Supplementary Figure 1: drawn at random from the images on which the observer drew."
    return _panel(study, chosen, study.experiments, what)


def _words(text: object) -> str:
    """Lists in the data sets' modules, joined by +."""
    parts = [str(part) for part in text] if isinstance(text, list | tuple) else re.split(r"[,+]", str(text or "-"))
    return "+".join(part.strip() for part in parts)


def _table_1(study: Study) -> Content:
    rows = []
    for name in dict.fromkeys(study.cases["dataset"]):
        cases = study.cases[study.cases["dataset"] == name]
        reported = DATASETS[name].REPORTED
        by_part = {part: cases[cases["part"] == part] for part in Part}
        rows.append(
            {
                "dataset": name,
                "title": DATASETS[name].TITLE,
                "patients": cases["patient"].nunique(),
                "images": len(cases),
                **{one.name: int((cases[one.name] == State.LABELLED).sum()) for one in FOREGROUND},
                "views": "+".join(sorted(set(cases["view"]) - {""})) or "-",
                **{
                    key: value
                    for part, mine in by_part.items()
                    for key, value in (
                        (f"{part}_patients", mine["patient"].nunique()),
                        (f"{part}_images", len(mine)),
                    )
                },
                "reported_subjects": _words(reported["subjects"]),
                "reported_images": _words(reported["images"]),
                "reported_structures": _words(reported["structures"]),
                "reported_views": _words(reported["views"]),
                "data": study.data,
            }
        )
    table = pd.DataFrame(rows, columns=list(TABLE_1))
    reading = pd.DataFrame(
        [
            {
                "Data set": row.dataset,
                "Patients (paper)": f"{row.patients} ({row.reported_subjects})",
                "Images (paper)": f"{row.images} ({row.reported_images})",
                "LV": str(row.LV),
                "LVM": str(row.LVM),
                "LA": str(row.LA),
                "Structures in the paper": row.reported_structures.replace("+", ", "),
                "Views (paper)": f"{row.views} ({row.reported_views})".replace("+", ", "),
                "Training, validation, test images": (
                    f"{row.training_images}, {row.validation_images}, {row.test_images}"
                ),
                "Training, validation, test patients": (
                    f"{row.training_patients}, {row.validation_patients}, {row.test_patients}"
                ),
            }
            for row in table.itertuples()
        ]
    )
    what = (
        "Table 1: images by data set; under LV, LVM and LA the images in which it is labelled."
        " A patient is a group that no split divides: a patient, a video or a video code."
    )
    return Content(table, TABLE_1, what, reading)


@dataclass(frozen=True)
class Contrast:
    """A comparison declared before the results are seen."""

    family: str
    words: str
    a: Experiment
    b: Experiment
    dataset: str
    structure: str
    reference: str = "dataset"
    margin: float = math.nan
    """Equivalence is tested with this margin, where the claim is that nothing differs."""


def _cells(study: Study, a: Experiment, b: Experiment, *, means: bool) -> list[tuple[str, str, str]]:
    """Data set, structure and reference of the cells that both models are scored on."""
    cells = [
        {tuple(cell) for cell in study.scores.loc[study.scores["model"] == one.model, _CELL].to_numpy()}
        for one in (a, b)
    ]
    shared = cells[0] & cells[1]
    return [
        (dataset, structure, reference)
        for dataset in b.evaluated_on
        for structure in _STRUCTURES
        for reference in ("dataset", "observer")
        if (dataset, structure, reference) in shared and (means or structure != MEAN)
    ]


def _experiment_1(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "1"]
    for intra in models:
        for cross in models:
            if len(intra.train_on) == 1 and intra.train_on[0] not in cross.train_on:
                dataset = intra.train_on[0]
                words = f"trained on {dataset} against trained on {'+'.join(cross.train_on)}"
                for cell in _cells(study, cross, intra, means=False):
                    if cell[0] == dataset:
                        yield Contrast("experiment 1", words, cross, intra, *cell)


def _augmented(one: Experiment) -> str:
    return f"{one.loss} loss {'with' if one.augmentation else 'without'} augmentation"


def _experiment_2(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "2"]
    order = sorted(models, key=lambda one: (one.loss != "standard", one.augmentation))
    for place, a in enumerate(order):
        for b in order[place + 1 :]:
            for cell in _cells(study, a, b, means=False):
                yield Contrast(f"experiment 2: {cell[0]}", f"{_augmented(b)} against {_augmented(a)}", a, b, *cell)


def _experiment_3(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "3"]
    benchmarks = [one for one in models if not one.hidden]
    standards = [one for one in models if one.hidden and one.loss == "standard"]
    others = [one for one in models if one.hidden and one.loss != "standard"]
    pairs = [
        *((a, b, f"{b.loss} against standard loss", math.nan) for a in standards for b in others),
        *((a, b, f"{b.loss} loss against benchmark", NO_DIFFERENCE) for a in benchmarks for b in others),
        *((a, b, "standard loss against benchmark", math.nan) for a in benchmarks for b in standards),
    ]
    for a, b, words, margin in pairs:
        for cell in _cells(study, a, b, means=True):
            yield Contrast("experiment 3", words, a, b, *cell, margin)


def _experiment_4(study: Study) -> Iterator[Contrast]:
    models = [one for one in study.experiments if one.experiment == "4"]
    without = next((one for one in models if one.hidden and not one.dropout_probability), None)
    if without is None:
        return
    hidden = {(item.dataset, item.structure.name) for item in without.hidden}
    for b in models:
        if b is without:
            continue
        words = f"label dropout p = {b.dropout_probability:g}" if b.hidden else "benchmark"
        for cell in _cells(study, without, b, means=False):
            if cell[:2] in hidden:
                yield Contrast("experiment 4: hidden structure", f"{words} against p = 0", without, b, *cell)
    shown = _nearest_to_shown(models)
    if shown is not None:
        words = f"label dropout p = {shown.dropout_probability:g} against p = 0"
        for cell in _cells(study, without, shown, means=False):
            if cell[:2] not in hidden:
                yield Contrast("experiment 4: other structures", words, without, shown, *cell, NO_DIFFERENCE)


def _experiment_4b(study: Study) -> Iterator[Contrast]:
    for b in [one for one in study.experiments if one.experiment == "4b" and one.dropout_probability]:
        for a in study.experiments:
            same = (a.train_on, a.loss, a.augmentation) == (b.train_on, b.loss, b.augmentation)
            if same and a.experiment in {"2", "4b"} and not a.dropout_probability:
                for cell in _cells(study, a, b, means=False):
                    if cell[2] == "dataset":
                        words = "label dropout against none, all test images"
                        yield Contrast("experiment 4b: all test images", words, a, b, *cell)


def _paired(study: Study, contrast: Contrast, cases: Iterable[str] | None = None) -> pd.DataFrame:
    """The images of a cell under both models: columns patient, case, dice_a, dice_b; NaN where one has no score."""
    cell = _cell(study.images, contrast.dataset, contrast.structure, contrast.reference)
    sides = [cell[cell["model"] == one.model] for one in (contrast.a, contrast.b)]
    keys = ["patient", "case"]
    pairs = sides[0][[*keys, "dice"]].merge(
        sides[1][[*keys, "dice"]], on=keys, how="outer", suffixes=("_a", "_b"), validate="one_to_one"
    )
    if cases is not None:
        pairs = pairs[pairs["case"].isin(set(cases))]
    return pairs.sort_values(keys, ignore_index=True)


def _seed_means(study: Study, model: Experiment, contrast: Contrast, cases: Iterable[str]) -> np.ndarray:
    """Mean Dice over these images, seed by seed."""
    own = study.scores[(study.scores["model"] == model.model) & study.scores["case"].isin(set(cases))]
    cell = _cell(own, contrast.dataset, contrast.structure, contrast.reference)
    return np.array([summarise(cell.loc[cell["seed"] == seed, "dice"].to_numpy(float)).mean for seed in model.seeds])


class Resampling:
    """Counts of resampled patients: the same for every comparison of as many patients."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.draws, self.seed = int(settings["draws"]), int(settings["seed"])
        self._counts: dict[int, np.ndarray] = {}

    def interval(self, values: np.ndarray, patients: np.ndarray, confidence: float) -> Interval:
        """Interval for the mean of the values, patients being resampled."""
        n = len(set(patients[~np.isnan(values)]))
        if n and n not in self._counts:
            while len(self._counts) >= KEPT_COUNTS:
                self._counts.pop(next(iter(self._counts)))
            self._counts[n] = resample_patients(n, self.draws, np.random.default_rng(self.seed))
        return bootstrap_mean(values, patients, self._counts.get(n, np.zeros((1, 0), np.int32)), confidence)

    def words(self, found: Interval) -> str:
        """What kind of interval it is."""
        return "none" if found.kind == "none" else f"{found.kind}, {self.draws} draws over patients, seed {self.seed}"


def _outcomes(
    study: Study, contrast: Contrast, resampling: Resampling, cases: Iterable[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Both rows of a comparison, per image and per patient, Holm's correction still to come."""
    pairs = _paired(study, contrast, cases)
    complete = pairs[pairs[["dice_a", "dice_b"]].notna().all(axis=1)]
    patients = complete["patient"].to_numpy()
    spreads = [
        standard_deviation(_seed_means(study, one, contrast, complete["case"])) for one in (contrast.a, contrast.b)
    ]
    where = {"model": contrast.b.model, "against": contrast.a.model}
    where |= {"dataset": contrast.dataset, "structure": contrast.structure}
    for unit in ("image", "patient"):
        a, b = (complete[side].to_numpy(float) for side in ("dice_a", "dice_b"))
        groups = patients
        if unit == "patient":
            a, b, groups = group_means(a, patients), group_means(b, patients), np.unique(patients.astype(str))
        test = paired_wilcoxon(a, b)
        found = resampling.interval(b - a, groups, 0.95)
        margin = contrast.margin
        inside = "" if math.isnan(margin) else is_equivalent(resampling.interval(b - a, groups, 0.90), margin)
        lost = pairs["patient"].nunique() - len(set(patients)) if unit == "patient" else len(pairs) - len(complete)
        yield {
            "family": contrast.family,
            "comparison": contrast.words,
            "model_a": contrast.a.model,
            "model_b": contrast.b.model,
            "dataset": contrast.dataset,
            "structure": contrast.structure,
            "reference": contrast.reference,
            "unit": unit,
            "n": test.n,
            "n_patients": len(set(patients)),
            "n_left_out": lost,
            "n_zero": test.n_zero,
            "mean_a": summarise(a).mean,
            "mean_b": summarise(b).mean,
            "difference": summarise(b - a).mean,
            "difference_low": found.low,
            "difference_high": found.high,
            "interval": resampling.words(found),
            "seed_sd_a": spreads[0],
            "seed_sd_b": spreads[1],
            "statistic": test.statistic,
            "method": test.method,
            "p": test.p,
            "rank_biserial": test.rank_biserial,
            "equivalence_margin": margin,
            "equivalent": inside if inside == "" else "yes" if inside else "no",
            "reported": study.reported_value("text", item="tests", measure="p", **where),
            "data": study.data,
        }


def _correct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add Holm's correction within every family and unit."""
    for key in dict.fromkeys((row["family"], row["unit"]) for row in rows):
        family = [row for row in rows if (row["family"], row["unit"]) == key]
        size = sum(not math.isnan(row["p"]) for row in family)
        for row, adjusted in zip(family, holm([row["p"] for row in family]), strict=True):
            row.update(p_holm=adjusted, family_size=size)
    return rows


def _arms(experiments: Sequence[Experiment]) -> tuple[Experiment, Experiment] | None:
    """The models of Table 2: without and with label dropout."""
    shown = [one for one in experiments if "table_2" in one.shown_in]
    without = [one for one in shown if not one.dropout_probability]
    with_dropout = [one for one in shown if one.dropout_probability]
    return (without[0], with_dropout[0]) if len(without) == len(with_dropout) == 1 else None


def _table_2_rows(study: Study, arms: tuple[Experiment, Experiment]) -> list[dict[str, Any]]:
    """Outcomes per structure on the kit's images, corrected over the three structures."""
    kit = _kit_cases(study)
    resampling = Resampling(study.settings["statistics"])
    rows: list[dict[str, Any]] = []
    for dataset in sorted(set(kit["dataset"])):
        cases = kit.loc[kit["dataset"] == dataset, "case"].tolist()
        on_kit = study.scores[study.scores["case"].isin(set(cases))]
        for structure in FOREGROUND:
            # The observer draws what the data set does not label.
            mine = on_kit.loc[on_kit["structure"] == structure.name, "reference"]
            if mine.empty:
                continue
            reference = "dataset" if (mine == "dataset").any() else "observer"
            words = "label dropout against none, annotation kit"
            contrast = Contrast("table 2", words, *arms, dataset, structure.name, reference)
            for row in _outcomes(study, contrast, resampling, cases):
                images = _paired(study, contrast, cases).dropna()
                sds = {f"sd_{side}": standard_deviation(images[f"dice_{side}"].to_numpy(float)) for side in "ab"}
                rows.append({**row, **sds})
    return _correct(rows)


def _table_2(study: Study) -> Content:
    arms = _arms(study.experiments)
    if arms is None:
        raise ValueError(
            "table_2 compares one model without and one with label dropout"
            f" (found {[experiment.model for experiment in study.experiments]})."
        )
    outcomes = _table_2_rows(study, arms)
    rows = []
    for image, patient in zip(outcomes[::2], outcomes[1::2], strict=True):
        where = {"item": "table_2", "dataset": image["dataset"], "structure": image["structure"]}
        of_arms = [study.reported_value(**where, model=arm.model, measure="dice") for arm in arms]
        both = {**where, "model": arms[1].model, "against": arms[0].model}
        rows.append(
            {
                "structure": image["structure"],
                "reference": image["reference"],
                "n": image["n"],
                "n_patients": image["n_patients"],
                "n_both_empty": image["n_left_out"],
                "adaptive": image["mean_a"],
                "adaptive_sd": image["sd_a"],
                "adaptive_seed_sd": image["seed_sd_a"],
                "label_dropout": image["mean_b"],
                "label_dropout_sd": image["sd_b"],
                "label_dropout_seed_sd": image["seed_sd_b"],
                "difference": image["difference"],
                "difference_low": image["difference_low"],
                "difference_high": image["difference_high"],
                "relative_gain": image["difference"] / image["mean_a"] if image["mean_a"] else math.nan,
                "p_image": image["p"],
                "p_image_holm": image["p_holm"],
                "p_patient": patient["p"],
                "p_patient_holm": patient["p_holm"],
                "method": image["method"],
                "rank_biserial": image["rank_biserial"],
                "reported_adaptive": of_arms[0],
                "reported_label_dropout": of_arms[1],
                "reported_difference": study.reported_value(**both, measure="difference"),
                "reported_relative_gain": study.reported_value(**both, measure="relative_gain"),
                "data": study.data,
            }
        )
    table = pd.DataFrame(rows, columns=list(TABLE_2))
    reading = pd.DataFrame(
        [
            {
                "Structure": row.structure,
                "Reference": row.reference,
                "Images (patients)": f"{row.n} ({row.n_patients})",
                "Adaptive (paper)": f"{number(row.adaptive)} ({number(row.reported_adaptive)})",
                "Label dropout (paper)": f"{number(row.label_dropout)} ({number(row.reported_label_dropout)})",
                "Difference [95 %] (paper)": (
                    f"{number(row.difference, signed=True)}"
                    f" {interval(row.difference_low, row.difference_high, signed=True)}"
                    f" ({number(row.reported_difference, signed=True)})"
                ),
                "Gain in % (paper)": (
                    f"{number(100 * row.relative_gain, 0, signed=True)}"
                    f" ({number(100 * row.reported_relative_gain, 0, signed=True)})"
                ),
                "p, image (Holm)": f"{p_value(row.p_image)} ({p_value(row.p_image_holm)})",
                "p, patient (Holm)": f"{p_value(row.p_patient)} ({p_value(row.p_patient_holm)})",
                "Rank-biserial": number(row.rank_biserial, 2),
            }
            for row in table.itertuples()
        ]
    )
    what = (
        "Table 2: mean Dice on the images of the annotation kit, without and with label dropout; seeds averaged per"
        " image; intervals by bootstrap over patients; Wilcoxon's signed-rank test."
    )
    return Content(table, TABLE_2, what, reading)


def _tests(study: Study) -> Content:
    resampling = Resampling(study.settings["statistics"])
    declared: list[Contrast] = []
    for declare in (_experiment_1, _experiment_2, _experiment_3, _experiment_4, _experiment_4b):
        declared += declare(study)
    rows = _correct([row for contrast in declared for row in _outcomes(study, contrast, resampling)])
    arms = _arms(study.experiments)
    drawn = study.scores.loc[study.scores["reference"] == "observer", "model"]
    if arms is not None and {arm.model for arm in arms} <= set(drawn):
        narrowed = replace(study, experiments=arms)
        rows += [{key: row[key] for key in TESTS} for row in _table_2_rows(narrowed, arms)]
    table = pd.DataFrame(rows, columns=list(TESTS))
    reading = pd.DataFrame(
        [
            {
                "Family": row.family,
                "Comparison": row.comparison,
                "Tested on": row.dataset,
                "Structure": row.structure,
                "Unit": row.unit,
                "n": str(row.n),
                "Difference [95 %]": (
                    f"{number(row.difference, signed=True)}"
                    f" {interval(row.difference_low, row.difference_high, signed=True)}"
                ),
                "p": p_value(row.p),
                "p, Holm": p_value(row.p_holm),
                "Rank-biserial": number(row.rank_biserial, 2),
                "Equivalent": row.equivalent or NOTHING,
                "Paper": row.reported or NOTHING,
            }
            for row in table.itertuples()
        ],
        columns=None if rows else ["Family", "Comparison"],
    )
    what = (
        "Paired tests: Wilcoxon's signed-rank test, two-sided, per image (as the paper) and on patient means; seeds"
        " averaged per image; Holm's correction within a family and unit; intervals by bootstrap over patients;"
        f" equivalent = the 90 % interval lies within ±{NO_DIFFERENCE:g}."
    )
    return Content(table, TESTS, what, reading)


ITEMS: dict[str, Callable[[Study], Content]] = {
    "table_1": _table_1,
    "figure_1": lambda study: _figure(
        study, "figure_1", "Numbers of Figure 1: LV, trained and tested on each data set."
    ),
    "figure_2": lambda study: _one_case_per_dataset(
        study, "Cases of Figure 2: one test image per data set, drawn at random."
    ),
    "figure_3": lambda study: _figure(
        study, "figure_3", "Numbers of Figure 3: trained on one data set with half of one label hidden."
    ),
    "figure_4": lambda study: _figure(
        study, "figure_4", "Numbers of Figure 4 (i): probabilities of label dropout; the CSV has every seed."
    ),
    "figure_4_cases": _figure_4_cases,
    "figure_5": lambda study: _one_case_per_dataset(
        study, "Cases of Figure 5: one test image per data set, drawn at random; the same as in Figure 2."
    ),
    "supplementary_figure_1": _supplementary_figure_1,
    "table_2": _table_2,
    "tests": _tests,
}
"""What `compare` can make."""


def compare(
    item: str,
    scores: Sequence[Path],
    experiments: Sequence[dict[str, str]],
    cases: Sequence[Path],
    split: Path,
    reported: Path,
    settings: dict[str, Any],
    output: Path,
) -> None:
    """Make one table: full numbers as CSV, rounded ones as Markdown and LaTeX beside it.

    Args:
        item: Key of `ITEMS`.
        scores: `scores/<model>.csv` of the item's models.
        experiments: Rows of these models: filled cells by column.
        cases: Stores of cases.
        split: `patients.csv`.
        reported: The paper's numbers, `config/reported.yaml`.
        settings: `statistics` (draws, seed), `kit` (shown), `seed` of the study, `simulated`.
        output: Path of the table, with or without its ending.

    Raises:
        ValueError: The item is unknown, or an input does not fit; the message says which and what was expected.
    """
    if item not in ITEMS:
        near = difflib.get_close_matches(item, ITEMS, 1)
        raise ValueError(
            f"unknown item {item!r} (expected one of {', '.join(ITEMS)})."
            + (f" Did you mean {near[0]}?" if near else "")
        )
    # The rows were checked against the configuration's data sets when the list was read; here they only name them.
    cells = [row.get(column, "") for row in experiments for column in ("train_on", "evaluated_on")]
    names = tuple(dict.fromkeys(name.strip() for cell in cells for name in cell.split("+") if name.strip()))
    rows = tuple(parse_row(row, names) for row in experiments)
    if not rows and item not in {"table_1", "tests"}:
        raise ValueError(f"{item}: no model is shown in it (column shown_in of the list of experiments).")
    table = read_scores(scores, rows)
    study = Study(rows, table, per_image(table), read_cases(cases, split), read_reported(reported), settings)
    content = ITEMS[item](study)
    caption = f"Simulated data. {content.caption}" if settings["simulated"] else content.caption
    write_table(content.table, output.with_suffix(".csv"), content.columns)
    for suffix, text in (
        (".md", markdown(caption, content.reading)),
        (".tex", latex(caption, item, content.reading)),
    ):
        with replacing(output.with_suffix(suffix), "w") as file:
            file.write(text)
