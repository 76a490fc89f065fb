"""From declared claims and the scores of a study to one row per comparison, with its outcome."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.claims.declared import PARTS, Claim, Comparison, Declared, read_claims, words_of
from labeldropout.analysis.claims.kinds import KINDS, Form, Numbers, effects_in_words, joined, kinds_in_words
from labeldropout.analysis.claims.ledger import caption_of, ledger, typeset
from labeldropout.analysis.claims.rules import Outcome, is_met, smallest_p, verdict, why_not_testable
from labeldropout.analysis.outcomes import Resampling
from labeldropout.analysis.panels import kit_cases
from labeldropout.analysis.statistics import (
    Interval,
    group_means,
    holm,
    paired_wilcoxon,
    resample_patients,
    standard_deviation,
)
from labeldropout.analysis.study import (
    _DATA,
    Study,
    cell_of,
    per_image,
    read_cases,
    read_models,
    read_reported,
    read_scores,
)
from labeldropout.analysis.typesetting import latex, markdown
from labeldropout.data.parts import named, read_parts
from labeldropout.files import replacing, write_table
from labeldropout.labels import Part

CLAIMS = {
    "claim": "C1 to C13, as in config/claims.yaml",
    "statement": "what is claimed",
    "where": "who says it",
    "verdict": "of the claim: reproduced, not reproduced, not testable on these data",
    "kind": f"rule: {kinds_in_words()}",
    "comparison": "what is compared, in words",
    "models": "rows of config/experiments.tsv: sides separated by a semicolon, models averaged per image joined by +",
    "dataset": "data set whose test part is scored",
    "structure": "LV, LVM or LA; mean = mean over the structures of an image",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "images": "all test images, or those of the annotation kit",
    "holds": "of the comparison: yes, no, not testable, shown",
    "why": "why it cannot be tested; else empty",
    "effect": effects_in_words(),
    "low": "lower end of the interval that the comparison is judged by, bootstrap over patients",
    "high": "upper end of that interval",
    "confidence": "coverage of that interval",
    "low_95": "lower end of the 95 % interval",
    "high_95": "upper end of the 95 % interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "bound": "margin or limit of the rule; empty where a p decides",
    "mean_better": "mean Dice of the first of two sides over the images",
    "mean_worse": "mean Dice of the second",
    "n_seeds_better": "seeds of the first of two sides of one model each; 0 for other comparisons",
    "n_seeds_worse": "of the second",
    "seed_sd_better": "standard deviation (n - 1) over seeds of the first side's mean Dice; empty with one seed",
    "seed_sd_worse": "of the second side's",
    "n": "images scored under all models of the comparison; seeds averaged per image first",
    "n_patients": "patients behind them",
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

CLAIMS_TEXT = ("statement", "where", "why", "method", "interval", "reported", "data")
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


def _scored(study: Study, comparison: Comparison) -> tuple[pd.DataFrame, int]:
    """Dice of every side (columns 0, 1, ...) by patient and case, where all have one; and how many images lack one.

    Raises:
        LookupError: A model is missing, or has no score here; the message says which.
    """
    models = list(dict.fromkeys(name for names in comparison.sides for name in names))
    rows = {one.model: one for one in study.experiments}
    if missing := [name for name in models if name not in rows]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LookupError(f"no row {missing[0]}{others} in the list of experiments")
    cell = cell_of(study.images, comparison.dataset, comparison.structure, comparison.reference)
    cell = cell[cell["model"].isin(models)]
    if comparison.images == "kit":
        try:
            kit = kit_cases(replace(study, experiments=tuple(rows[name] for name in models)))
        except ValueError as error:
            raise LookupError("no masks drawn by an observer") from error
        cell = cell[cell["case"].isin(set(kit["case"]))]
    if absent := [name for name in models if name not in set(cell["model"])]:
        whose = "" if comparison.reference == "dataset" else " by the observer's masks"
        raise LookupError(f"{joined(absent)}: {comparison.structure} of {comparison.dataset} not scored{whose}")
    by_model = {name: rows.set_index(["patient", "case"])["dice"] for name, rows in cell.groupby("model")}
    wide = pd.concat(by_model, axis=1).sort_index()
    sides = pd.DataFrame(
        {place: wide[list(names)].mean(axis=1, skipna=False) for place, names in enumerate(comparison.sides)}
    )
    complete = sides.dropna()
    return complete, len(sides) - len(complete)


def _estimate(comparison: Comparison, complete: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """Effect, intervals and tests of a comparison."""
    kind = comparison.kind
    sides = np.ascontiguousarray(complete.to_numpy(float).T)
    patients = complete.index.get_level_values("patient").to_numpy()
    confidences = list(dict.fromkeys([kind.confidence, 0.95]))
    tests: dict[str, Any] = {}
    if kind.of_means:
        n_patients = len(set(patients))
        rng = np.random.default_rng(resampling.seed)
        counts = resample_patients(n_patients, resampling.draws if n_patients else 1, rng)
        effect, intervals = kind.of_means(sides, patients, counts, confidences)
    else:
        values = kind.per_image(sides)
        effect = float(values.mean()) if values.size else math.nan
        intervals = [resampling.interval(values, patients, confidence) for confidence in confidences]
        if kind.has_test:
            of_patients = group_means(values, patients)
            by_image, by_patient = (paired_wilcoxon(np.zeros_like(one), one) for one in (values, of_patients))
            tests = {
                "p_image": by_image.p,
                "p_patient": by_patient.p,
                "method": by_patient.method,
                "rank_biserial": by_patient.rank_biserial,
            }
    means = sides.mean(axis=1) if sides.size and comparison.is_paired else (math.nan, math.nan)
    return {
        "effect": effect,
        **_ends(intervals[0], "low", "high"),
        **_ends(intervals[-1], "low_95", "high_95"),
        "interval": resampling.words(intervals[0]),
        "mean_better": means[0],
        "mean_worse": means[1],
        **tests,
    }


def _over_seeds(study: Study, comparison: Comparison, cases: Collection[str]) -> dict[str, float | int]:
    """Number of seeds of both sides, and the standard deviation of their mean Dice over these images."""
    if not comparison.is_paired or any(len(names) > 1 for names in comparison.sides):
        return {}
    found: dict[str, float | int] = {}
    for side, (name,) in zip(("better", "worse"), comparison.sides, strict=True):
        cell = cell_of(study.scores, comparison.dataset, comparison.structure, comparison.reference)
        own = cell[(cell["model"] == name) & cell["case"].isin(cases)]
        means = own.groupby("seed")["dice"].mean().to_numpy(float)
        found |= {f"n_seeds_{side}": len(means), f"seed_sd_{side}": standard_deviation(means)}
    return found


def _severities(study: Study, comparison: Comparison) -> list[float]:
    """Domain shift of every pair of a trend; NaN where it has no single one."""
    by_model = {one.model: one for one in study.experiments}
    found = [{study.severity_of(by_model[name]) for name in names} for names in comparison.sides]
    pairs = [one | other for one, other in zip(found[::2], found[1::2], strict=True)]
    return [pair.pop() if len(pair) == 1 else math.nan for pair in pairs]


def _rise_evenly(severities: Sequence[float]) -> bool:
    steps = np.diff(severities)
    return bool((steps > 0).all() and np.allclose(steps, steps[0]))


def _ends(found: Interval, low: str, high: str) -> dict[str, float]:
    return {low: found.low, high: found.high}


def _row(
    study: Study, declared: Declared, claim: Claim, comparison: Comparison, resampling: Resampling
) -> dict[str, Any]:
    """One row of the table; if the comparison is judged, before its outcome and Holm's correction."""
    bound = declared.bound(comparison.kind)
    row: dict[str, Any] = dict.fromkeys(CLAIMS, math.nan)
    row |= dict.fromkeys(("why", "method"), "") | {"interval": "none"}
    row |= dict.fromkeys(("n", "n_patients", "n_left_out", "n_seeds_better", "n_seeds_worse"), 0)
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
        "data": study.data,
    }
    try:
        complete, left_out = _scored(study, comparison)
    except LookupError as error:
        row["why"] = str(error)
        return row
    n_patients = complete.index.get_level_values("patient").nunique()
    row |= {"n": len(complete), "n_patients": n_patients, "n_left_out": left_out}
    row |= _estimate(comparison, complete, resampling)
    row |= _over_seeds(study, comparison, set(complete.index.get_level_values("case")))
    row["why"] = why_not_testable(
        comparison.kind, row["effect"], row["low"], row["high"], n_patients, declared.fewest_patients
    )
    if comparison.kind.form is Form.PAIRS and not _rise_evenly(found := _severities(study, comparison)):
        row["why"] = f"severities {', '.join(f'{one:g}' for one in found)} (expected to rise in equal steps)"
    return row


def _judge(rows: list[dict[str, Any]], declared: Declared) -> None:
    """Correct the p values of one claim's comparisons, and say which hold and what follows."""
    family = [row for row in rows if KINDS[row["kind"]].is_decided_by_p and not row["why"]]
    # Holm's correction multiplies the smallest p of a family by its size, and no other p comes out below that one.
    best = len(family) * min((smallest_p(row["n_patients"]) for row in family), default=0)
    for row in family:
        if (reach := max(best, smallest_p(row["n_patients"]))) >= declared.level:
            row["why"] = f"{row['n_patients']} patients: p after Holm could not come below {reach:.2g}"
    for row, adjusted in zip(family, holm([row["p_patient"] for row in family]), strict=True):
        row |= {"p_holm": adjusted, "family_size": len(family)}
    for row in rows:
        kind = KINDS[row["kind"]]
        if kind.is_shown:
            row["holds"] = Outcome.SHOWN
        elif row["why"]:
            row["holds"] = Outcome.NOT_TESTABLE
        else:
            numbers = {key: row[key] for key in ("effect", "low", "high", "p_holm", "rank_biserial", "bound")}
            row["holds"] = Outcome.YES if is_met(kind, Numbers(**numbers, level=declared.level)) else Outcome.NO
    found = verdict([row["holds"] for row in rows])
    for row in rows:
        row |= {"verdict": found.value, "holds": row["holds"].value}


def judged(study: Study, declared: Declared, part: str) -> pd.DataFrame:
    """Return the table of the claims of a part: one row per comparison and per number that is only shown.

    Args:
        study: Scores and the paper's numbers.
        declared: All claims.
        part: One of `PARTS`.
    """
    resampling = Resampling(study.settings["statistics"])
    rows = []
    for claim in declared.claims:
        if claim.part == part:
            mine = [_row(study, declared, claim, one, resampling) for one in (*claim.comparisons, *claim.shows)]
            _judge(mine, declared)
            rows += mine
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
        settings: `statistics` (draws, seed), `simulated`, `severity`.
        output: Path of the table, with or without its extension.

    Raises:
        ValueError: An input does not fit; the message says which and what was expected.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r} (expected one of {', '.join(PARTS)}).")
    declared = read_claims(claims)
    rows = read_models(configs, seeds, shown_in)
    found = read_scores(scores, rows)
    _check_parts(found, split)
    study = Study(rows, found, per_image(found), read_cases([], split), read_reported(reported), settings)
    table = judged(study, declared, part)
    caption = caption_of(declared, part, simulated=bool(settings["simulated"]))
    write_table(table, output.with_suffix(".csv"), CLAIMS)
    for suffix, text in (
        (".md", markdown(caption, ledger(table))),
        (".tex", latex(caption, output.stem, typeset(table))),
    ):
        with replacing(output.with_suffix(suffix), "w") as file:
            file.write(text)
