"""The verb `advise`: before any training, what partial labels a study has, and what our results say about them.

Which structure is annotated in which pictures is compared with which data set they come from. Where one follows from
the other, a network can learn from the look of a picture what is drawn in it, and draws nothing elsewhere: the shortcut
that label dropout is made against. What is known of the remedies is read from tables in this repository.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.stats.contingency import association

from labeldropout.analysis.claims.judge import CLAIMS, CLAIMS_TEXT
from labeldropout.analysis.claims.words import cell_words, effect_words
from labeldropout.configuration import read_configuration
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.folder.matching import Pair, find_pairs
from labeldropout.data.folder.options import Options, options_of
from labeldropout.data.folder.table import what_is_said
from labeldropout.files import read_table
from labeldropout.provenance import file_sha256
from labeldropout.running.data_sets import FOLDER, channels_of, formats_of, not_there
from labeldropout.running.study_list import read_list

EVIDENCE = {Path("results"): "the default study, on hearts", Path("results/cells"): "the study on white blood cells"}
"""Results of this repository, and what they are of."""

_CLAIMS = ("C6", "C7", "C8", "C9", "C11", "C13", "C14", "C15", "C16")
"""What is worth knowing before a training, of the claims in a ledger."""


@dataclass(frozen=True)
class Annotated:
    """How often a structure is annotated."""

    structure: str
    datasets: tuple[str, ...]
    n_with: tuple[int, ...]
    """Pictures of each data set in which it is annotated."""
    n_all: tuple[int, ...]
    """Pictures of each data set."""

    @property
    def is_partial(self) -> bool:
        """Whether it is annotated in some pictures and not in all."""
        return 0 < sum(self.n_with) < sum(self.n_all)

    @property
    def confounding(self) -> float:
        """`confounding` of being annotated with the data set; NaN unless it is partly annotated."""
        return confounding(np.array([self.n_with, np.subtract(self.n_all, self.n_with)])) if self.is_partial else np.nan


def confounding(counts: Int[np.ndarray, "2 datasets"]) -> float:
    """Cramér's V of a table: annotated or not, in rows, by data set, in columns.

    Cramér, "Mathematical Methods of Statistics" (1946), chapter 21.

    Returns:
        0 if they have nothing to do with each other, or there is one data set; 1 if one follows from the other.
    """
    filled = counts[:, counts.sum(0) > 0]
    return float(association(filled, method="cramer")) if filled.shape[1] > 1 else 0.0


def _pairs_of(name: str, settings: Mapping[str, Any], root: Path) -> tuple[Path, Options, list[Pair]]:
    """A folder, its options, and its pictures with their masks."""
    raw = root / settings["raw"]
    if not raw.is_dir():
        raise ValueError(not_there(name, settings, FOLDER))
    options = options_of(settings.get("options", {}))
    return raw, options, find_pairs(name, raw, options)


def _of_folder(
    name: str, settings: Mapping[str, Any], root: Path, structures: Sequence[str]
) -> tuple[int, dict[str, int]]:
    """Pictures of a folder, and in how many each structure is annotated; no picture is opened."""
    raw, options, pairs = _pairs_of(name, settings, root)
    for structure in dict(options.values):
        if structure not in structures:
            raise ValueError(
                f"datasets.{name}: values: {structure} (expected structures of the study, {', '.join(structures)})."
            )
    said = what_is_said(name, raw, pairs, options)
    return len(pairs), {one: sum(one in what.structures for what in said.values()) for one in dict(options.values)}


def _say_shared(config: Mapping[str, Any], folders: Sequence[str], root: Path) -> Iterator[str]:
    """Pictures with equal bytes in two folders: the split of each keeps its own copies together, and not these."""
    files: dict[int, list[tuple[str, Path]]] = {}
    for name in folders:
        raw, _, pairs = _pairs_of(name, config["datasets"][name], root)
        for path in (raw / file for pair in pairs for file in pair.images):
            if path.is_file():
                files.setdefault(path.stat().st_size, []).append((name, path))
    by_hash: dict[str, dict[str, Path]] = {}
    for same in files.values():
        if len({name for name, _ in same}) > 1:
            for name, path in same:
                by_hash.setdefault(file_sha256(path), {}).setdefault(name, path)
    shared = [places for places in by_hash.values() if len(places) > 1]
    if shared:
        yield (
            f"{len(shared)} pictures are in two data sets with the same bytes (first:"
            f" {' = '.join(map(str, shared[0].values()))}). One may be trained on and its copy tested: leave one out."
        )


def _of_known(name: str, settings: Mapping[str, Any]) -> tuple[int, dict[str, int]]:
    """The same for a data set of the paper, by what is known of it."""
    facts = DATASETS[name].facts
    n = facts.IMAGES
    if settings["raw"] == "simulated":
        n = settings["simulate"][facts.UNIT] * facts.IMAGES_PER_UNIT
    structures = re.findall(r"\w+", facts.REPORTED["structures"])
    if "keys" in settings.get("options", {}) and not settings["options"]["keys"].get("LV_epi"):
        structures.remove("LVM")  # decision 12: Unity's myocardium needs the key of the epicardial curve
    return n, dict.fromkeys(structures, n)


def count_annotated(config: Mapping[str, Any], datasets: Sequence[str], root: Path) -> list[Annotated]:
    """How often each structure of a study is annotated, before any label is hidden.

    Args:
        config: The whole configuration.
        datasets: Data sets that are used.
        root: Folder of the workflow.

    Raises:
        ValueError: A folder is not there, or does not hold what the configuration says.
    """
    formats = formats_of(config["datasets"])
    structures = [structure["name"] for structure in config["structures"]]
    counts = {}
    for name in datasets:
        settings = config["datasets"][name]
        is_folder = formats[name] == FOLDER
        counts[name] = _of_folder(name, settings, root, structures) if is_folder else _of_known(name, settings)
    return [
        Annotated(
            structure["name"],
            tuple(datasets),
            tuple(counts[name][1].get(structure["name"], 0) for name in datasets),
            tuple(counts[name][0] for name in datasets),
        )
        for structure in config["structures"]
    ]


def _hide(annotated: Sequence[Annotated], cell: str) -> list[Annotated]:
    """The same after hiding what a cell of the list says, such as `LA@unity:1.0`; a share is one of all pictures."""
    hidden = {}
    for part in cell.split("+"):
        structure, _, place = part.partition("@")
        dataset, _, share = place.partition(":")
        hidden[structure, dataset] = share
    found = []
    for one in annotated:
        n_with = dict(zip(one.datasets, one.n_with, strict=True))
        for (structure, dataset), share in hidden.items():
            if structure == one.structure and dataset in n_with:
                n_with[dataset] = round(n_with[dataset] * (1 - float(share)))
            elif structure == one.structure and sum(n_with.values()):  # as many as another data set has, drawn from all
                left = 1 - n_with[share] / sum(n_with.values())
                n_with = {name: round(n * left) for name, n in n_with.items()}
        found.append(Annotated(one.structure, one.datasets, tuple(n_with.values()), one.n_all))
    return found


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _say(annotated: Sequence[Annotated]) -> list[str]:
    """What is annotated where, and which losses that leaves."""
    lines = [["annotated in", *annotated[0].datasets, "confounded"]]
    for one in annotated:
        cells = [f"{n:,} of {of:,}" for n, of in zip(one.n_with, one.n_all, strict=True)]
        lines.append([one.structure, *cells, f"{one.confounding:.2f}" if one.is_partial else "-"])
    said = _columns(lines)
    for one in annotated:
        if not sum(one.n_with):
            said.append(f"{one.structure}: annotated nowhere, so no loss and no label dropout can teach it.")
        elif one.is_partial:
            said += _say_partial(one)
    if not any(one.is_partial for one in annotated):
        said.append("Nothing is partly labelled: the standard loss fits, and label dropout has nothing to mend.")
    return said


def _say_partial(one: Annotated) -> list[str]:
    n_without = sum(one.n_all) - sum(one.n_with)
    tie = (
        "whether it is annotated has nothing to do with the data set: the adaptive loss alone is made for this"
        if one.confounding < 0.1
        else "whether it is annotated follows from the data set: a network can learn to draw it in some only"
        if one.confounding > 0.9
        else "the data set says in part whether it is annotated, and some of its pictures have it"
    )
    return [
        f"{one.structure}: partly labelled; {tie} (Cramér's V {one.confounding:.2f}).",
        f"  standard loss: would teach it as background in {n_without:,} pictures. Not for this.",
        "  adaptive, marginal, marginal_exclusion, adaptive_bce: leave open what was not drawn. They fit.",
        f"  label dropout (dropout_structures {one.structure}): hides it at random where it is drawn. That loosens the",
        "    tie of label and data set; it adds no label where there is none, and does not bridge the domains.",
    ]


def evidence(results: Path, of: str) -> list[str]:
    """What the tables of a study say of the remedies, in sentences with numbers; empty if they are not there.

    Args:
        results: Folder of its results.
        of: What it is.
    """
    ledgers = [path for name in ("claims", "claims_instrument") if (path := results / f"tables/{name}.csv").is_file()]
    if not ledgers:
        return []
    table = pd.concat([read_table(path, CLAIMS, CLAIMS_TEXT) for path in ledgers], ignore_index=True)
    said = [f"In {of} ({', '.join(sorted(table['data'].unique()))} data, {results}/tables):"]
    for name in [name for name in _CLAIMS if (table["claim"] == name).any()]:
        rows = table[table["claim"] == name]
        said.append(f"  {name} {rows['verdict'].iloc[0]}: {rows['statement'].iloc[0]}")
        said += [
            f"     {row.outcome}: {row.comparison}, {cell_words(row)}: {effect_words(row)}, {row.n_seeds} seeds a side"
            for row in rows[rows["effect"].notna()].itertuples()
        ]
    parts = results / "tables/decomposition.csv"
    if parts.is_file():
        lost = pd.read_csv(parts)
        lost = lost[(lost["seed"] == "all") & (lost["part"] != "domain alone")]
        for _, row in lost.iterrows():
            said.append(
                f"  Dice lost by {row['part']}: {row['lost']:.2f} [{row['lost_low']:.2f}, {row['lost_high']:.2f}]"
                f" ({row['structure']} in {row['dataset']})"
            )
    return said


def advise(configuration: Path, root: Path, evidence_of: Mapping[Path, str]) -> str:
    """Advice on a study before it is run.

    Args:
        configuration: The study's configuration, merged over the default one; its list may still be missing.
        root: Folder of the workflow.
        evidence_of: Folders of results that are quoted, and what they are of.

    Raises:
        ValueError: The configuration is not valid, or a folder does not hold what it says.
    """
    config = read_configuration(configuration, root)
    listed = root / config["experiments"]
    rows = read_list(listed) if listed.is_file() else []
    named = {name for row in rows for column in ("train_on", "evaluated_on") for name in row[column].split("+")}
    formats = formats_of(config["datasets"])
    mine = [name for name, form in formats.items() if form == FOLDER]
    datasets = [name for name in formats if name in named] if rows else (mine or list(formats))
    annotated = count_annotated(config, datasets, root)
    for row in rows:
        used = {*row["train_on"].split("+"), *row["evaluated_on"].split("+")}
        channels_of([name for name in datasets if name in used], config["datasets"])
    lines = [f"Study {config['study']} ({configuration}): what is annotated", "", *_say(annotated)]
    if not rows:
        lines.append(f"{config['experiments']}: not there yet, so nothing is said of what its models would hide.")
    lines += _say_shared(config, [name for name in datasets if name in mine], root)
    for cell in dict.fromkeys(row["hidden"] for row in rows if row["hidden"]):
        models = [row["model"] for row in rows if row["hidden"] == cell]
        lines += ["", f"With {cell} hidden in training ({', '.join(models)}):", "", *_say(_hide(annotated, cell))]
    lines += ["", "What our own results say (Dice, with intervals over patients and seeds):"]
    quoted = [line for results, of in evidence_of.items() for line in evidence(root / results, of)]
    return "\n".join([*lines, *(quoted or ["nothing yet: no ledger is there."])])
