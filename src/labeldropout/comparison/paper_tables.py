"""Table 1, Table 2 and the paper's tests, beside the paper's numbers."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from labeldropout.comparison.contrasts import Contrast, declared
from labeldropout.comparison.outcomes import Resampling, correct, outcomes, paired
from labeldropout.comparison.panels import kit_cases
from labeldropout.comparison.study import Content, Study
from labeldropout.datasets import DATASETS
from labeldropout.experiments import Experiment
from labeldropout.labels import FOREGROUND, Part, State
from labeldropout.published import TABLE_1, TABLE_2, TESTS
from labeldropout.statistics import NO_DIFFERENCE, standard_deviation
from labeldropout.typesetting import NOTHING, interval, number, p_value


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
            for row in outcomes(study, contrast, resampling, cases):
                images = paired(study, contrast, cases).dropna()
                sds = {f"sd_{side}": standard_deviation(images[f"dice_{side}"].to_numpy(float)) for side in "ab"}
                rows.append({**row, **sds})
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


def tests(study: Study) -> Content:
    """Every declared comparison with its tests, and those of Table 2."""
    resampling = Resampling(study.settings["statistics"])
    rows = correct([row for contrast in declared(study) for row in outcomes(study, contrast, resampling)])
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
