"""The verb `split`: assign a part to every patient, and check that no patient is in two."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.data.catalogue import DATASETS
from labeldropout.data.parts import PATIENTS, read_parts
from labeldropout.labels import Part

_LOG = logging.getLogger(__name__)


_MIN_GROUPS = 10


_OFFICIAL_FOLD = re.compile(r"official:(\d+)")


def _kept_parts(path: Path, dataset: str) -> dict[str, Part]:
    """Read earlier parts of a data set's patients from one table, or from a folder with a table per data set."""
    file = path / f"{dataset}.csv" if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        _LOG.warning("%s: no parts are kept, since there is no %s.", dataset, file)
        return {}
    table = read_parts([file])
    mine = table[table["dataset"] == dataset]
    return {patient: Part(part) for patient, part in zip(mine["patient"], mine["part"], strict=True)}


def _fractions(settings: Mapping[str, Any]) -> dict[Part, float]:
    given = settings.get("fractions")
    if not isinstance(given, Mapping) or set(given) != set(Part):
        raise ValueError(f"split.fractions: expected {', '.join(Part)} (found {given}).")
    fractions = {part: float(given[part]) for part in Part}
    if not all(fraction > 0 for fraction in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"split.fractions: expected positive numbers with sum 1 (found {dict(given)}).")
    return fractions


def _groups(cases: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """One row per patient, sorted: `patient`, `group_name`, `split_hint`.

    Raises:
        ValueError: The data set puts cases of one patient into different parts, or has too few patients.
    """
    groups = cases[["patient", "group_name", "split_hint"]].drop_duplicates().sort_values("patient")
    torn = groups[groups.duplicated("patient", keep=False)]
    if len(torn):
        row = torn.iloc[0]
        hints = ", ".join(repr(hint) for hint in torn[torn["patient"] == row["patient"]]["split_hint"])
        raise ValueError(
            f"{dataset}: {row['group_name']}: the cases of one group are listed in several parts "
            f"(expected one, found {hints})."
        )
    if len(groups) < _MIN_GROUPS:
        raise ValueError(f"{dataset}: too few groups to split (expected at least {_MIN_GROUPS}, found {len(groups)}).")
    return groups.reset_index(drop=True)


def _units(cases: pd.DataFrame) -> dict[str, str]:
    """Return the first patient of each patient's unit: patients who share a file of the same content are one unit."""
    leader = {patient: patient for patient in sorted(cases["patient"].unique())}

    def first(patient: str) -> str:
        while leader[patient] != patient:
            patient = leader[patient]
        return patient

    for _, patients in cases.groupby("source_sha256")["patient"]:
        firsts = sorted({first(patient) for patient in patients})
        for other in firsts[1:]:
            leader[other] = firsts[0]
    return {patient: first(patient) for patient in leader}


def _random_parts(
    patients: Sequence[str],
    units: Mapping[str, str],
    fractions: Mapping[Part, float],
    kept: Mapping[str, Part],
    rng: np.random.Generator,
) -> dict[str, Part]:
    """Draw parts at random: each new unit, in shuffled order, goes to the part that lacks the most patients.

    If no parts are kept, this gives the fractions to within one unit. With kept patients it comes as close to them as
    the new patients allow, and never moves a kept one.
    """
    parts = {patient: kept[patient] for patient in patients if patient in kept}
    members: dict[str, list[str]] = {}
    for patient in patients:
        members.setdefault(units[patient], []).append(patient)
    missing = {part: fractions[part] * len(patients) for part in Part}
    for part in parts.values():
        missing[part] -= 1
    for unit in rng.permutation(sorted(members)):
        new = [patient for patient in members[unit] if patient not in parts]
        settled = [parts[patient] for patient in members[unit] if patient in parts]
        part = settled[0] if settled else max(Part, key=missing.__getitem__)
        parts.update(dict.fromkeys(new, part))
        missing[part] -= len(new)
    return parts


def _listed_parts(groups: pd.DataFrame, words: Mapping[str, Part], dataset: str) -> dict[str, Part]:
    wrong = groups[~groups["split_hint"].isin(list(words))]
    if len(wrong):
        row = wrong.iloc[0]
        raise ValueError(
            f"{dataset}: {row['group_name']}: no part in the data set's own lists (expected one of {', '.join(words)}, "
            f"found {row['split_hint']!r}; {len(wrong)} such groups)."
        )
    return {row.patient: words[row.split_hint] for row in groups.itertuples()}


def _official_parts(
    groups: pd.DataFrame, source: str, dataset: str, root: Path | None, kept: Mapping[str, Part]
) -> dict[str, Part]:
    known = DATASETS.get(dataset, DATASETS["folder"])
    fold = _OFFICIAL_FOLD.fullmatch(source)
    if fold and known.fold_parts:
        parts = known.fold_parts(groups, int(fold[1]), root)
    elif source in known.listed_parts:
        parts = _listed_parts(groups, known.listed_parts[source], dataset)
    else:
        valid = ["random", *known.listed_parts, *(["official: and the number of a fold"] if known.fold_parts else [])]
        raise ValueError(f"split.source.{dataset}: unknown value {source!r} (expected one of {', '.join(valid)}).")
    moved = [patient for patient, part in parts.items() if kept.get(patient, part) != part]
    if moved:
        raise ValueError(
            f"{dataset}: patient {moved[0]}: the kept split says {kept[moved[0]]}, {source} says {parts[moved[0]]} "
            f"({len(moved)} such patients). Remove split.keep, or use split.source random."
        )
    return parts


def _one_dataset(
    cases: pd.DataFrame,
    dataset: str,
    settings: Mapping[str, Any],
    kept: Mapping[str, Part],
    seed: int,
    root: Path | None,
) -> dict[str, Part]:
    groups = _groups(cases, dataset)
    source = str(settings["source"].get(dataset, ""))
    if not source:
        raise ValueError(f"split.source: no entry for {dataset} (found {settings['source']}).")
    units = _units(cases)
    if source == "random":
        rng = np.random.default_rng([seed, *dataset.encode()])
        parts = _random_parts(list(groups["patient"]), units, _fractions(settings), kept, rng)
    else:
        parts = _official_parts(groups, source, dataset, root, kept)
    for patient, unit in units.items():
        if parts[patient] is not parts[unit]:
            _LOG.warning("%s: %s and %s share a file and are in different parts.", dataset, unit, patient)
    for part in Part:
        if part not in parts.values():
            raise ValueError(
                f"{dataset}: no group in the {part} part (expected at least one of {len(groups)}; source {source})."
            )
    return parts


def split(
    tables: Sequence[pd.DataFrame], settings: Mapping[str, Any], seed: int, roots: Mapping[str, Path] | None = None
) -> pd.DataFrame:
    """Return the part of every patient (`PATIENTS`), sorted by data set and patient.

    A data set's parts depend on its own cases, the settings and the seed, but not on other data sets.

    Args:
        tables: `cases.csv` of every store.
        settings: `fractions` (training, validation, test; sum 1), `source` by data set (`random`; `official:1` to
            `official:10` or `shipped` for CAMUS; `official` for EchoNet and Unity), and `keep` (path of an earlier
            table, or of a folder of such tables, whose patients keep their parts; or None).
        seed: Seed of the random parts.
        roots: Native roots; if that of CAMUS has `listSubGroups`, an official fold is compared with it.

    Raises:
        ValueError: A setting is unknown, a group is in two parts, a data set has fewer than ten groups or an empty
            part, an official part is missing or contradicts the kept one, or folds are requested for the older CAMUS.
    """
    unknown = set(settings) - {"fractions", "source", "keep"}
    if unknown or not isinstance(settings.get("source"), Mapping):
        raise ValueError(f"split: expected fractions, source by data set, and keep (found {sorted(settings)}).")
    keep = settings.get("keep")
    if keep is not None and not isinstance(keep, str):
        raise ValueError(f"split.keep: expected the path of an earlier table, or null (found {keep!r}).")
    by_dataset: dict[str, pd.DataFrame] = {}
    for table in tables:
        for name, cases in table.groupby("dataset"):
            if name in by_dataset:
                raise ValueError(f"split: data set {name} is in two tables.")
            by_dataset[str(name)] = cases
    rows = []
    for name in sorted(by_dataset):
        kept = _kept_parts(Path(keep), name) if keep else {}
        parts = _one_dataset(by_dataset[name], name, settings, kept, seed, (roots or {}).get(name))
        rows += [{"dataset": name, "patient": patient, "part": part.value} for patient, part in sorted(parts.items())]
    return pd.DataFrame(rows, columns=list(PATIENTS))
