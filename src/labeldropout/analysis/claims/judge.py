"""From declared claims and the scores of a study to one row per comparison, with its outcome."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.claims.declared import PARTS, Claim, Comparison, Declared, Known, read_claims, words_of
from labeldropout.analysis.claims.kinds import KINDS, Form, Numbers, effects_in_words, kinds_in_words
from labeldropout.analysis.claims.ledger import caption_of, ledger, typeset
from labeldropout.analysis.claims.rules import Outcome, outcome, smallest_p, verdict, why_not_testable
from labeldropout.analysis.claims.scored import Compared, scored
from labeldropout.analysis.claims.sentences import sentence
from labeldropout.analysis.crossed import crossed_interval
from labeldropout.analysis.outcomes import Resampling
from labeldropout.analysis.readings import in_units, reading_in_units, write_with_readings
from labeldropout.analysis.soundness import ALL, NOT_TRAINED, SOUNDNESS
from labeldropout.analysis.statistics import group_means, holm, paired_wilcoxon, standard_deviation
from labeldropout.analysis.study import _DATA, Study, per_image, read_cases, read_models, read_reported, read_scores
from labeldropout.data.parts import named, read_parts
from labeldropout.files import read_table
from labeldropout.labels import Part

CLAIMS = {
    "claim": "C1 to C14, as in config/claims.yaml",
    "statement": "what is claimed",
    "where": "who says it",
    "verdict": "of the claim: reproduced, in part, open, contradicted, not trained, not testable",
    "sentence": "the verdict on the claim in one sentence without numbers of tests",
    "kind": f"rule: {kinds_in_words()}",
    "comparison": "what is compared, in words",
    "models": "rows of config/experiments.tsv: sides separated by a semicolon, models averaged per image joined by +",
    "dataset": "data set whose test part is scored",
    "structure": "name of the structure; mean = mean over the structures of an image",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "images": "all test images, or those of the annotation kit",
    "outcome": "of the comparison: holds, contradicted, open, not testable, not trained, shown",
    "why": "why it cannot be tested; else empty",
    "not_trained": "which of its models had not learned what they were shown: cells, values, limits; else empty",
    "few_not_trained": "models of which single seeds, fewer than a third, had not; they are part of every mean",
    "effect": effects_in_words(),
    "low": "lower end of the interval that the comparison is judged by, bootstrap over patients and seeds",
    "high": "upper end of that interval",
    "confidence": "coverage of that interval",
    "could_show": "half the width of that interval, (high - low) / 2: an effect had to lie this far from 0, or from its"
    " margin or limit, to be told from it; empty with too few seeds",
    "low_95": "lower end of the 95 % interval",
    "high_95": "upper end of the 95 % interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "bound": "margin or limit of the rule; empty where it has none",
    "mean_better": "mean Dice of the first of two sides over the images",
    "mean_worse": "mean Dice of the second",
    "n_seeds": "fewest seeds of any of its models",
    "n_seeds_better": "seeds of the first of two sides of one model each; 0 for other comparisons",
    "n_seeds_worse": "of the second",
    "seed_sd_better": "standard deviation (n - 1) over seeds of the first side's mean Dice; empty with one seed",
    "seed_sd_worse": "of the second side's",
    "n": "images scored under all models of the comparison; seeds averaged per image first",
    "n_patients": "patients behind them",
    "unit": "what intervals and tests draw: patients, or images where no group of pictures is declared",
    "n_left_out": "images without a Dice score under one of the models",
    "p_image": "Wilcoxon signed-rank test per image, two-sided, as the paper has it; not used for the verdict",
    "p_patient": "the same on patients' means",
    "p_holm": "p_patient after Holm's correction over the claim's comparisons that a p decides; else empty",
    "family_size": "p values in that family",
    "method": "distribution of the test on patients' means, and how zero differences are treated",
    "rank_biserial": "matched-pairs rank-biserial correlation of the patients' means, -1 to 1; positive: as claimed",
    "reported": "what the paper says of it",
    "target": "command that rebuilds what is judged",
    **_DATA,
}
"""`tables/claims.csv` and `tables/claims_instrument.csv`: one row per comparison."""

CLAIMS_TEXT = (
    "statement",
    "where",
    "sentence",
    "why",
    "not_trained",
    "few_not_trained",
    "unit",
    "method",
    "interval",
    "reported",
    "data",
)
"""Columns of `CLAIMS` that are text even where all cells are empty."""


def reported_of(study: Study, claim: Claim, comparison: Comparison) -> str:
    """Return what the paper reports on a comparison: the numbers of `config/reported.yaml`, or the claim's words."""
    table = study.reported
    where = {"dataset": comparison.dataset, "structure": comparison.structure}
    mine = table[table["item"].isin([claim.item, "tests"])]
    for column, wanted in where.items():
        mine = mine[mine[column] == wanted]
    means = {row.model: row.text for row in mine.itertuples() if row.measure == "dice" and not row.against and row.text}
    singles = [names[0] for names in comparison.sides if len(names) == 1]
    texts = [means[name] for name in singles if name in means]
    found: list[str] = []
    if comparison.is_paired and len(singles) == 2:
        both = mine[(mine["model"] == singles[0]) & (mine["against"] == singles[1])]
        others = {row.measure: row.text for row in both.itertuples()}
        if comparison.kind.reported_as:
            return others.get(comparison.kind.reported_as) or claim.reported
        if len(texts) == 2:
            found.append(" against ".join(texts))
        elif texts:
            found.append(next(f"{name}: {means[name]}" for name in singles if name in means))
        found += [others[measure] for measure in ("difference", "p") if others.get(measure)]
    else:
        found += dict.fromkeys(texts)
    return "; ".join(found) or claim.reported


def _estimate(comparison: Comparison, found: Compared, resampling: Resampling) -> dict[str, Any]:
    """Effect, intervals and tests of a comparison; nothing without an image."""
    kind = comparison.kind
    if not found.patients.size:
        return {}
    drawn = resampling.draw_means(found, comparison.sides)
    judged, usual = (
        crossed_interval(drawn, kind.estimate, confidence, is_largest=kind.is_largest)
        for confidence in (kind.confidence, 0.95)
    )
    row: dict[str, Any] = {
        "effect": float(kind.estimate(drawn.means[:, None])[0]),
        "low": judged.low,
        "high": judged.high,
        "low_95": usual.low,
        "high_95": usual.high,
        "interval": resampling.words(judged, "patients and seeds"),
    }
    if comparison.is_paired:
        row |= {"mean_better": drawn.means[0], "mean_worse": drawn.means[1]}
    if kind.has_test:
        values = kind.estimate(found.sides)
        by_image, by_patient = (
            paired_wilcoxon(np.zeros_like(one), one) for one in (values, group_means(values, found.patients))
        )
        row |= {
            "p_image": by_image.p,
            "p_patient": by_patient.p,
            "method": by_patient.method,
            "rank_biserial": by_patient.rank_biserial,
        }
    return row


def _over_seeds(comparison: Comparison, found: Compared) -> dict[str, float | int]:
    """Number of seeds of both sides, and the standard deviation of their mean Dice."""
    if not comparison.is_paired or any(len(names) > 1 for names in comparison.sides):
        return {}
    row: dict[str, float | int] = {}
    for side, (name,) in zip(("better", "worse"), comparison.sides, strict=True):
        means = found.models[name].mean(axis=1) if found.patients.size else np.zeros(0)
        row |= {f"n_seeds_{side}": len(means), f"seed_sd_{side}": standard_deviation(means)}
    return row


def _severities(study: Study, comparison: Comparison) -> list[float]:
    """Domain shift of every pair of a trend; NaN where it has no single one."""
    by_model = {one.model: one for one in study.experiments}
    found = [{study.severity_of(by_model[name]) for name in names} for names in comparison.sides]
    pairs = [one | other for one, other in zip(found[::2], found[1::2], strict=True)]
    return [pair.pop() if len(pair) == 1 else math.nan for pair in pairs]


def _rise_evenly(severities: Sequence[float]) -> bool:
    steps = np.diff(severities)
    return bool((steps > 0).all() and np.allclose(steps, steps[0]))


def _row(
    study: Study, declared: Declared, claim: Claim, comparison: Comparison, resampling: Resampling
) -> dict[str, Any]:
    """One row of the table; if the comparison is judged, before its outcome and Holm's correction."""
    bound = declared.bound(comparison.kind)
    row: dict[str, Any] = dict.fromkeys(CLAIMS, math.nan)
    row |= dict.fromkeys(("why", "not_trained", "few_not_trained", "method"), "") | {"interval": "none"}
    row |= dict.fromkeys(("n", "n_patients", "n_left_out", "n_seeds", "n_seeds_better", "n_seeds_worse"), 0)
    row |= {
        "claim": claim.name,
        "statement": claim.statement,
        "where": claim.where,
        "kind": comparison.kind.name,
        "comparison": words_of(comparison, bound),
        "models": "; ".join("+".join(names) for names in comparison.sides),
        "dataset": comparison.dataset,
        "structure": comparison.structure,
        "reference": comparison.reference,
        "images": comparison.images,
        "confidence": comparison.kind.confidence,
        "bound": bound,
        "reported": reported_of(study, claim, comparison),
        "target": f"snakemake {claim.item}",
        "data": study.data_of(comparison.dataset),
    }
    try:
        found = scored(study, comparison)
    except LookupError as error:
        row["why"] = str(error)
        return row
    row |= {"n": found.patients.size, "n_patients": found.n_patients, "n_left_out": found.n_left_out}
    row["n_seeds"] = min(len(one.seeds) for one in study.experiments if one.model in comparison.models)
    row |= _estimate(comparison, found, resampling)
    row |= _over_seeds(comparison, found)
    if row["n_seeds"] >= declared.fewest_seeds:
        row["could_show"] = (row["high"] - row["low"]) / 2
    row["why"] = why_not_testable(row["effect"], row["low"], row["high"], found.n_patients, declared.fewest_patients)
    if comparison.kind.form is Form.PAIRS and not _rise_evenly(rises := _severities(study, comparison)):
        row["why"] = f"severities {', '.join(f'{one:g}' for one in rises)} (expected to rise in equal steps)"
    return row


def outcomes_of(rows: Sequence[dict[str, Any]], declared: Declared) -> list[Outcome]:
    """Return the outcomes of one claim's comparisons, which follow from the other cells of their rows alone.

    Args:
        rows: Rows of `CLAIMS` with all but their outcome, sentence and verdict.
        declared: The numbers by which they are judged.
    """
    names = ("effect", "low", "high", "p_holm", "rank_biserial", "bound")
    return [
        outcome(
            KINDS[row["kind"]],
            Numbers(**{name: row[name] for name in names}, level=declared.level),
            why=row["why"],
            not_trained=row["not_trained"],
            n_seeds=row["n_seeds"],
            fewest_seeds=declared.fewest_seeds,
        )
        for row in rows
    ]


def _correct(rows: Sequence[dict[str, Any]], level: float) -> None:
    """Correct the p values of one claim's comparisons, and say which of them could never come below the level."""
    family = [row for row in rows if KINDS[row["kind"]].is_decided_by_p and not row["why"]]
    # Holm's correction multiplies the smallest p of a family by its size, and no other p comes out below that one.
    best = len(family) * min((smallest_p(row["n_patients"]) for row in family), default=0)
    for row in family:
        if (reach := max(best, smallest_p(row["n_patients"]))) >= level:
            row["why"] = f"{row['n_patients']} patients: p after Holm could not come below {reach:.2g}"
    for row, adjusted in zip(family, holm([row["p_patient"] for row in family]), strict=True):
        row |= {"p_holm": adjusted, "family_size": len(family)}


def _training(comparison: Comparison, soundness: pd.DataFrame, where: Path) -> dict[str, str]:
    """Which models of a comparison are not trained, or not with every seed, and why; empty if all are."""
    if missing := [name for name in comparison.models if name not in soundness.index]:
        raise ValueError(f"{where}: {missing[0]}: no row with seed all (expected one for every model).")
    mine = soundness.loc[list(comparison.models)]
    mine = mine[mine["why"] != ""]
    is_not = mine["verdict"] == NOT_TRAINED
    return {
        column: "; ".join(f"{row.Index}: {row.why}" for row in rows.itertuples())
        for column, rows in (("not_trained", mine[is_not]), ("few_not_trained", mine[~is_not]))
    }


def read_models_soundness(path: Path) -> pd.DataFrame:
    """The verdict and its reason of every model of a table `SOUNDNESS`; by model.

    Raises:
        ValueError: The file is not such a table, or a model has two rows for all its seeds or no reason.
    """
    table = read_table(path, SOUNDNESS, ("model", "seed", "dataset", "structure", "highest_model", "verdict", "why"))
    table = table[table["seed"] == ALL].set_index("model")
    if (twice := table.index.duplicated()).any():
        raise ValueError(f"{path}: {table.index[twice][0]}: two rows with seed all (expected one).")
    if (dumb := (table["verdict"] == NOT_TRAINED) & (table["why"] == "")).any():
        raise ValueError(f"{path}: {table.index[dumb][0]}: not trained, and why is empty (expected the reason).")
    return table[["verdict", "why"]]


def judged(study: Study, declared: Declared, part: str, soundness: Path) -> pd.DataFrame:
    """Return the table of the claims of a part: one row per comparison and per number that is only shown.

    Args:
        study: Scores and the paper's numbers.
        declared: All claims.
        part: One of `PARTS`.
        soundness: Table `SOUNDNESS` of the models.

    Raises:
        ValueError: The table of soundness does not fit, or lacks a model that was scored.
    """
    resampling = Resampling(study.settings["statistics"])
    training = read_models_soundness(soundness)
    rows = []
    for claim in (one for one in declared.claims if one.part == part):
        comparisons = (*claim.comparisons, *claim.shows)
        mine = [_row(study, declared, claim, comparison, resampling) for comparison in comparisons]
        for row, comparison in zip(mine, comparisons, strict=True):
            if row["n"]:
                row.update(_training(comparison, training, soundness))
        _correct(mine, declared.level)
        found = outcomes_of(mine, declared)
        for row, one in zip(mine, found, strict=True):
            row["outcome"] = one.value
        of_claim = {"verdict": verdict(found).value, "sentence": sentence(claim, mine, verdict(found))}
        of_claim["unit"] = study.settings["unit"]
        rows += [row | of_claim for row in mine]
    return pd.DataFrame(rows, columns=list(CLAIMS))


def _check_parts(scores: pd.DataFrame, split: Sequence[Path]) -> None:
    """Refuse scores of patients that a model may have seen."""
    patients = read_parts(split)
    tested = set(map(tuple, patients.loc[patients["part"] == Part.TEST, ["dataset", "patient"]].to_numpy()))
    scored = set(map(tuple, scores[["dataset", "patient"]].drop_duplicates().to_numpy()))
    if strangers := sorted(scored - tested):
        raise ValueError(
            f"{named(split)}: {strangers[0][1]} of {strangers[0][0]} was scored and is not in the test part."
        )


def judge_claims(
    *,
    claims: Path,
    part: str,
    scores: Sequence[Path],
    configs: Sequence[Path],
    seeds: Sequence[str],
    shown_in: Sequence[str],
    split: Sequence[Path],
    reported: Path,
    soundness: Path,
    settings: dict[str, Any],
    output: Path,
) -> None:
    """Judge the claims of a part: full numbers as CSV, the ledger as Markdown, every comparison as LaTeX.

    Args:
        claims: The declared claims, `config/claims.yaml`.
        part: One of `PARTS`.
        scores: `scores/<model>.csv`.
        configs: `config.json` of the ledger's models.
        seeds: Their cells `seeds` in the list of experiments, in the same order.
        shown_in: Their cells `shown_in`, likewise.
        split: Tables `PATIENTS` of all data sets that were scored.
        reported: The paper's numbers, `config/reported.yaml`.
        soundness: Table `SOUNDNESS` of these models: which of them are trained.
        settings: `statistics` (draws, seed), `severity`, `simulated`, `real` (the data sets that are not),
            `datasets` and `structures` that claims may name, and `unit`: what intervals draw, patients or images.
        output: Path of the table, with or without its extension.

    Raises:
        ValueError: An input does not fit; the message says which and what was expected.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r} (expected one of {', '.join(PARTS)}).")
    declared = read_claims(claims, Known(tuple(settings["datasets"]), tuple(settings["structures"])))
    rows = read_models(configs, seeds, shown_in)
    found = read_scores(scores, rows)
    _check_parts(found, split)
    study = Study(rows, found, per_image(found), read_cases([], split), read_reported(reported), settings)
    table, unit = judged(study, declared, part, soundness), settings["unit"]
    write_with_readings(
        table,
        CLAIMS,
        output,
        in_units(caption_of(declared, part, claims), unit),
        reading_in_units(ledger(table), unit),
        simulated=bool(settings["simulated"]),
        reading_in_latex=reading_in_units(typeset(table), unit),
    )
