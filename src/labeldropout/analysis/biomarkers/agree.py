"""How biomarkers of predicted masks agree with those of reference masks and with the truth."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labeldropout.analysis.biomarkers.agreement import WORDS, Agreement, agree, over_seeds
from labeldropout.analysis.biomarkers.chambers import REASONS
from labeldropout.analysis.biomarkers.measure import _KEYS, _MEASURE, _TEXT, BIOMARKERS, SOURCES
from labeldropout.analysis.readings import count_trainings, write_with_readings
from labeldropout.analysis.study import _DATA
from labeldropout.analysis.typesetting import NOTHING, interval, number, with_interval
from labeldropout.files import read_table, write_table

BIOMARKER_AGREEMENT = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training, or all: means over seeds; the intervals are over patients, not over trainings",
    "dataset": "data set of the patients",
    **_MEASURE,
    "measured": "prediction; or reference, true_masks: what plane and formula alone make of the annotator's masks, or"
    " of the simulator's, of this model's images",
    "against": "reference (masks of the same images) or truth (the simulated heart in three dimensions)",
    "masks": "all, or plausible: patients with an implausible mask on either side left out (row only if there are any)",
    "n": "patients with a number on both sides; seed all: the smallest over seeds",
    "n_missing": "patients without a number on one side, such as a fraction of an empty chamber; seed all: mean over"
    " seeds",
    "n_implausible": "patients with an implausible mask on either side; seed all: mean over seeds",
    "n_empty": "of these, patients with an empty mask; a patient may have several reasons",
    "n_too_small": "patients with a mask too small for any chamber",
    "n_several_components": "patients with a mask in several pieces, specks not counted",
    "n_cut_by_the_border": "patients with a mask that touches the edge of the image",
    "n_no_apex": "patients with a ventricle as wide as a chamber at its end nearer to the probe",
    "mean": "mean of what is held against, in the unit",
    "bias": "mean difference, measured minus against; seed all: empty if it is for one seed, like all that follow",
    "bias_low": "lower end of its 95 % interval",
    "bias_high": "upper end",
    "bias_sd": "standard deviation (n - 1) of the bias over seeds; empty for one",
    "sd": "standard deviation (n - 1) of the differences; seed all: of any training, within and between them",
    "limit_low": "lower limit of agreement, bias - 1.96 sd",
    "limit_low_low": "lower end of its 95 % interval",
    "limit_low_high": "upper end",
    "limit_high": "upper limit of agreement, bias + 1.96 sd",
    "limit_high_low": "lower end of its 95 % interval",
    "limit_high_high": "upper end",
    "mae": "mean absolute difference",
    "mae_low": "lower end of its 95 % interval",
    "mae_high": "upper end",
    "correlation": "Pearson correlation",
    "correlation_low": "lower end of its 95 % interval",
    "correlation_high": "upper end",
    "interval": "how the intervals are made",
    **_DATA,
}
"""`tables/biomarkers.csv`: one row per model, seed, data set, measure and comparison; of single-plane volumes and areas
only seed all, for size."""


def read_biomarkers(path: Path) -> pd.DataFrame:
    """A table `BIOMARKERS`, with its reasons as text."""
    return read_table(path, BIOMARKERS, _TEXT)


def _numbers(found: Agreement) -> dict[str, Any]:
    """An agreement in the columns of the table."""
    (low, high), (low_interval, high_interval) = found.limits, found.limit_intervals
    return {
        "n": found.n,
        "mean": found.mean,
        "bias": found.bias,
        "bias_low": found.bias_interval[0],
        "bias_high": found.bias_interval[1],
        "bias_sd": found.bias_sd,
        "sd": found.total_sd,
        "limit_low": low,
        "limit_low_low": low_interval[0],
        "limit_low_high": low_interval[1],
        "limit_high": high,
        "limit_high_low": high_interval[0],
        "limit_high_high": high_interval[1],
        "mae": found.mae,
        "mae_low": found.mae_interval[0],
        "mae_high": found.mae_interval[1],
        "correlation": found.correlation,
        "correlation_low": found.correlation_interval[0],
        "correlation_high": found.correlation_interval[1],
        "interval": WORDS if found.n > 1 else "none",
    }


def _column(reason: str) -> str:
    """The column that counts a reason, such as `n_too_small`."""
    return f"n_{reason.replace(' ', '_')}"


def _counts(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, int]:
    """Patients of one seed with an implausible mask in any of these columns, in total and for every reason."""
    given = [set().union(*(cell.split("; ") for cell in cells)) for cells in table[list(columns)].to_numpy()]
    return {
        "n_implausible": sum(reasons != {""} for reasons in given),
        **{_column(reason): sum(reason in reasons for reasons in given) for reason in REASONS},
    }


def _compare(table: pd.DataFrame, measured: str, against: str) -> Iterator[dict[str, Any]]:
    """Rows of one measure of one model: each seed and all, all masks and, if some are not, the plausible ones."""
    seeds = sorted(int(seed) for seed in table["seed"].unique())
    if measured != "prediction":
        # Masks that are no predictions are the same under every seed.
        seeds = seeds[:1]
    sides = [f"implausible_{side}" for side in (measured, against) if side != "truth"]
    doubtful = table[sides].ne("").any(axis=1)
    counts = [_counts(table[table["seed"] == seed], sides) for seed in seeds]
    of_all = {name: float(np.mean([of_seed[name] for of_seed in counts])) for name in counts[0]}
    for masks, kept in (("all", table), ("plausible", table[~doubtful])):
        if masks == "plausible" and not doubtful.any():
            continue
        rows = [kept[kept["seed"] == seed] for seed in seeds]
        found = [agree(of_seed[measured].to_numpy(float), of_seed[against].to_numpy(float)) for of_seed in rows]
        missing = [len(of_seed) - one.n for of_seed, one in zip(rows, found, strict=True)]
        per_seed = zip(map(str, seeds), found, counts, missing, strict=True)
        whole = ("all", over_seeds(found), of_all, float(np.mean(missing)))
        for seed, one, of_seed, n_missing in [*per_seed, whole] if measured == "prediction" else [whole]:
            yield {"seed": seed, "masks": masks, "n_missing": n_missing, **of_seed, **_numbers(one)}


def agreement_table(biomarkers: pd.DataFrame) -> pd.DataFrame:
    """How predictions agree with the references and the truth, and both kinds of given masks with the truth.

    Args:
        biomarkers: Tables `BIOMARKERS` of all models, one below the other.

    Returns:
        `BIOMARKER_AGREEMENT`; no rows where there is nothing to compare with, or no annotation to compare with the
        truth. A model for which nothing could be measured keeps its rows, with patients undefined and no other number.
    """
    found = []
    cell = ["model", "dataset", *_KEYS, "data"]
    pairs = (("prediction", "reference"), *((source, "truth") for source in SOURCES))
    for values, table in biomarkers.groupby(cell, sort=False):
        for measured, against in pairs:
            if table[against].notna().any() and (measured == "prediction" or table[measured].notna().any()):
                fixed = {**dict(zip(cell, values, strict=True)), "measured": measured, "against": against}
                rows = ({**fixed, **row} for row in _compare(table, measured, against))
                found += [row for row in rows if row["seed"] == "all" or row["measure"] in _READ]
    return pd.DataFrame(found, columns=list(BIOMARKER_AGREEMENT))


_NO_READER = (
    " References are simulated without a reader's error; reference masks and true masks against the truth show what"
    " plane, sector and formula alone do."
)


_READ = (
    "lv_ejection_fraction_biplane",
    "lv_ejection_fraction_discs",
    "lv_volume_biplane",
    "la_volume_biplane",
    "la_emptying_fraction_biplane",
    "la_emptying_fraction_discs",
)


_GIVEN = {"reference": "reference masks", "true_masks": "true masks"}
"""Masks that are no model's."""


def _implausible(row: Mapping[str, Any]) -> str:
    """How many patients have an implausible mask, and why, the commonest reason first."""
    counts = {reason: row[_column(reason)] for reason in REASONS if row[_column(reason)]}
    why = "; ".join(f"{reason} {number(counts[reason], 1)}" for reason in sorted(counts, key=counts.get, reverse=True))
    return number(row["n_implausible"], 1) + (f" ({why})" if why else "")


_SAME = ("model", "seed", "dataset", *_KEYS, "measured", "against")


def _bias(row: Mapping[str, Any]) -> str:
    """A bias with its interval."""
    return with_interval(row["bias"], row["bias_low"], row["bias_high"], 1, signed=True)


def _is_new(shown: pd.DataFrame) -> pd.Series:
    """Whether a row says something new: the simulator's masks do where there is no reference."""
    cell = ["dataset", *_KEYS]
    with_reference = shown.loc[shown["measured"] == "reference", cell].apply(tuple, axis=1)
    return (shown["measured"] != "true_masks") | ~shown[cell].apply(tuple, axis=1).isin(set(with_reference))


def _reading(table: pd.DataFrame) -> pd.DataFrame:
    """Fractions and biplane volumes over all seeds, rounded; single-plane volumes only without two planes."""
    shown = table[table["measure"].isin(_READ) & (table["seed"] == "all")]
    by_two_planes = shown["dataset"] + shown["measure"]
    other = shown["dataset"] + shown["measure"].str.replace("_discs", "_biplane")
    shown = shown[(other == by_two_planes) | ~other.isin(set(by_two_planes))]
    shown = shown[_is_new(shown)]
    of_plausible = {tuple(row[name] for name in _SAME): row for row in _records(shown, "plausible")}
    trainings = count_trainings(table)
    is_model = shown["measured"] == "prediction"
    # All models of a data set share its test images and their masks: one row shows what the formula does.
    return pd.DataFrame(
        [
            {
                "Model": row["model"] if row["measured"] == "prediction" else _GIVEN[row["measured"]],
                "Trainings": trainings[row["model"]] if row["measured"] == "prediction" else NOTHING,
                "Data set": row["dataset"],
                "Measure": f"{row['measure'].replace('_', ' ')} {row['instant']} ({row['unit']})",
                "Against": row["against"],
                "n": row["n"],
                "Undefined": number(row["n_missing"], 1),
                "Implausible": _implausible(row),
                "Bias": _bias(row),
                "SD over trainings": number(row["bias_sd"], 1),
                "Bias, plausible masks": _bias(of_plausible.get(tuple(row[name] for name in _SAME), row)),
                "Limits of agreement": interval(row["limit_low"], row["limit_high"], 1, signed=True),
                "MAE": with_interval(row["mae"], row["mae_low"], row["mae_high"], 1),
                "r": with_interval(row["correlation"], row["correlation_low"], row["correlation_high"], 2),
            }
            for row in _records(pd.concat([shown[~is_model], shown[is_model]]), "all")
        ]
    ).drop_duplicates()


def _records(table: pd.DataFrame, masks: str) -> list[dict[str, Any]]:
    """The rows of all masks, or of plausible ones."""
    return table[table["masks"] == masks].to_dict("records")


def write_agreement(biomarkers: Sequence[Path], output: Path, *, simulated: bool) -> list[Path]:
    """Write `<output>.csv`, `.md` and `.tex` (`BIOMARKER_AGREEMENT`) and `<output>_patients.csv`; return their paths.

    The patients' table has what a plot shows: fractions and biplane volumes for the first seed of each model. The rest
    is in the tables that are read.

    Args:
        biomarkers: Tables `BIOMARKERS`, one per model, in the order in which they are shown.
        output: Path without extension.
        simulated: Whether the caption must say that the data are simulated.
    """
    patients = pd.concat([read_biomarkers(path) for path in biomarkers], ignore_index=True)
    table = agreement_table(patients)
    caption = (
        "Biomarkers over patients, means over trainings, with 95 % intervals over patients, not over trainings; limits"
        " of agreement are those of any one training. A dash where a training has no number. Plausible masks are of"
        " other patients under every model, so models are not to be ranked by them. Whether a model is trained is said"
        f" in the table of soundness.{_NO_READER if simulated else ''} The CSV has the other measures, and every"
        " training of these."
    )
    listed = output.with_name(f"{output.name}_patients.csv")
    files = write_with_readings(table, BIOMARKER_AGREEMENT, output, caption, _reading(table), simulated=simulated)
    is_first = patients["seed"] == patients.groupby("model")["seed"].transform("min")
    write_table(patients[patients["measure"].isin(_READ) & is_first], listed, BIOMARKERS)
    return [*files, listed]
