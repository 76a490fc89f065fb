"""Table 1, Table 2 and the paper's tests, beside the paper's numbers."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from labeldropout.comparison.contrasts import Contrast, declared, declared_instrument
from labeldropout.comparison.outcomes import Resampling, correct, outcomes
from labeldropout.comparison.panels import kit_cases
from labeldropout.comparison.study import Content, Study
from labeldropout.datasets import DATASETS
from labeldropout.experiments import Experiment
from labeldropout.labels import FOREGROUND, Part, State
from labeldropout.published import TABLE_1, TABLE_2, TESTS
from labeldropout.statistics import NO_DIFFERENCE
from labeldropout.typesetting import NOTHING, interval, number, p_value

_OF_ARM = {
    "": "mean",
    "_seed_sd": "seed_sd",
    **{f"_{name}": name for name in ("low", "high", "median", "q1", "q3", "worst", "n_failures", "sd", "sd_patients")},
}
"""Columns of a model in Table 2, after its name, and those of the tests that they repeat, before the side."""

_OF_DIFFERENCE = (
    *("difference", "difference_low", "difference_high", "interval"),
    *("difference_sd_patients", "detectable_difference"),
)


def _words(text: object) -> str:
    """Lists in the data sets' modules, joined by +."""
    parts = [str(part) for part in text] if isinstance(text, list | tuple) else re.split(r"[,+]", str(text or "-"))
    return "+".join(part.strip() for part in parts)


def table_1(study: Study) -> Content:
    """Images and patients by data set and part, beside the paper's counts."""
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


def _arms(experiments: Sequence[Experiment]) -> tuple[Experiment, Experiment] | None:
    """The models of Table 2: without and with label dropout."""
    shown = [one for one in experiments if "table_2" in one.shown_in]
    without = [one for one in shown if not one.dropout_probability]
    with_dropout = [one for one in shown if one.dropout_probability]
    return (without[0], with_dropout[0]) if len(without) == len(with_dropout) == 1 else None


def _table_2_rows(study: Study, arms: tuple[Experiment, Experiment]) -> list[dict[str, Any]]:
    """Outcomes per structure on the kit's images, corrected over the three structures."""
    kit = kit_cases(study)
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
            rows += outcomes(study, contrast, resampling, cases)
    return correct(rows)


def table_2(study: Study) -> Content:
    """Dice on the images of the annotation kit, without and with label dropout.

    Raises:
        ValueError: The item does not have exactly one model of each kind.
    """
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
                **{
                    f"{arm}{of_arm}": image[f"{column}_{side}"]
                    for arm, side in (("adaptive", "a"), ("label_dropout", "b"))
                    for of_arm, column in _OF_ARM.items()
                },
                **{name: image[name] for name in _OF_DIFFERENCE},
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
                "Structure": f"{row.structure} ({row.reference})" if row.reference != "dataset" else row.structure,
                "n (patients)": f"{row.n} ({row.n_patients})",
                "Adaptive": f"{number(row.adaptive)} ({number(row.reported_adaptive)})",
                "Label dropout": f"{number(row.label_dropout)} ({number(row.reported_label_dropout)})",
                "Difference [95 %]": (
                    f"{number(row.difference, signed=True)}"
                    f" {interval(row.difference_low, row.difference_high, signed=True)}"
                    f" ({number(row.reported_difference, signed=True)})"
                ),
                "Gain, %": (
                    f"{number(100 * row.relative_gain, 0, signed=True)}"
                    f" ({number(100 * row.reported_relative_gain, 0, signed=True)})"
                ),
                "p per image": f"{p_value(row.p_image)} ({p_value(row.p_image_holm)})",
                "p per patient": f"{p_value(row.p_patient)} ({p_value(row.p_patient_holm)})",
                "r": number(row.rank_biserial, 2),
                "Detectable": number(row.detectable_difference),
            }
            for row in table.itertuples()
        ]
    )
    what = (
        "Table 2: mean Dice on the images of the annotation kit, without and with label dropout, the paper's numbers in"
        " brackets; seeds averaged per image; intervals by bootstrap over patients; p of Wilcoxon's signed-rank test,"
        " in brackets after Holm's correction over the structures; n: images; r: rank-biserial correlation per image;"
        " detectable: the smallest true mean difference that so many patients show with 80 % power at 5 %, uncorrected."
    )
    return Content(table, TABLE_2, what, reading)


def _where(dataset: str, structure: str, reference: str) -> str:
    """A cell in words; whose reference is said where it is not the data set's own."""
    return f"{dataset} {structure}" + (f" ({reference})" if reference != "dataset" else "")


def _remarks(equivalent: str, reported: str) -> str:
    """What a test of equivalence shows, and what the paper says."""
    shown = {"yes": "equivalent", "no": "not shown equivalent"}.get(equivalent, "")
    said = f"paper: {reported}" if reported else ""
    return "; ".join(filter(None, [shown, said])) or NOTHING


def _tests(rows: list[dict[str, Any]], what: str) -> Content:
    """The table of tests; its reading has one line per comparison, both units side by side."""
    table = pd.DataFrame(rows, columns=list(TESTS))
    units = [table[table["unit"] == unit].itertuples() for unit in ("image", "patient")]
    lines = [
        {
            "Family": image.family,
            "Comparison": image.comparison,
            "Tested on": _where(image.dataset, image.structure, image.reference),
            "n (patients)": f"{image.n} ({image.n_patients})",
            "Difference [95 %]": (
                f"{number(image.difference, signed=True)}"
                f" {interval(image.difference_low, image.difference_high, signed=True)}"
            ),
            "p per image": f"{p_value(image.p)} ({p_value(image.p_holm)})",
            "p per patient": f"{p_value(patient.p)} ({p_value(patient.p_holm)})",
            "r": number(image.rank_biserial, 2),
            "Detectable": number(image.detectable_difference),
            "Remarks": _remarks(image.equivalent, image.reported),
        }
        for image, patient in zip(*units, strict=True)
    ]
    reading = pd.DataFrame(lines, columns=None if rows else ["Family", "Comparison"])
    how = (
        "Wilcoxon's signed-rank test, two-sided, per image (as the paper) and on patient means, p in brackets after"
        " Holm's correction within a family and unit; seeds averaged per image; intervals by bootstrap over patients;"
        " detectable = the smallest true mean difference that so many patients show at 80 % power and 5 %, uncorrected;"
        f" equivalent = the 90 % interval lies within ±{NO_DIFFERENCE:g}; n: images; r: rank-biserial correlation, per"
        " image."
    )
    return Content(table, TESTS, f"{what} {how}", reading)


def _outcomes(study: Study, contrasts: Sequence[Contrast]) -> list[dict[str, Any]]:
    """Outcomes of declared comparisons, corrected."""
    resampling = Resampling(study.settings["statistics"])
    return correct([row for contrast in contrasts for row in outcomes(study, contrast, resampling)])


def tests(study: Study) -> Content:
    """Every declared comparison of the paper's study with its tests, and those of Table 2."""
    rows = _outcomes(study, declared(study))
    arms = _arms(study.experiments)
    drawn = study.scores.loc[study.scores["reference"] == "observer", "model"]
    if arms is not None and {arm.model for arm in arms} <= set(drawn):
        narrowed = replace(study, experiments=arms)
        rows += [{key: row[key] for key in TESTS} for row in _table_2_rows(narrowed, arms)]
    return _tests(rows, "Paired tests of the paper's experiments:")


def tests_instrument(study: Study) -> Content:
    """Every declared comparison of our own experiments with its tests."""
    return _tests(_outcomes(study, declared_instrument(study)), "Paired tests of our own experiments:")
