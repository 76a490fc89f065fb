"""Table 1, Table 2 and the paper's tests, beside the paper's numbers."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from labeldropout.analysis.contrasts import Contrast, declared, declared_instrument
from labeldropout.analysis.outcomes import Resampling, correct, outcomes
from labeldropout.analysis.panels import kit_cases
from labeldropout.analysis.statistics import NO_DIFFERENCE
from labeldropout.analysis.study import _DATA, Content, Study, enumerated
from labeldropout.analysis.typesetting import NOTHING, interval, number, p_value
from labeldropout.data.case_store import EACH_STRUCTURE, with_structures
from labeldropout.data.catalogue import DATASETS
from labeldropout.items import Item
from labeldropout.labels import Part, State
from labeldropout.learning.experiments import Experiment

TESTS = {
    "family": "comparisons that Holm's correction takes together",
    "comparison": "what is compared, in words",
    "model_a": "row of config/experiments.tsv",
    "model_b": "the model whose gain over model_a is tested",
    "dataset": "data set whose test part is scored",
    "structure": "name of the structure; mean = mean over the structures of an image",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "unit": "what is paired: image (as the paper) or patient (means over a patient's images)",
    "n": "pairs tested",
    "n_patients": "patients behind the pairs",
    "n_left_out": "pairs without a Dice score under one of the models",
    "n_zero": "pairs with equal Dice after rounding to 1e-9",
    "mean_a": "mean Dice of model_a over the pairs (seeds averaged per image first)",
    "low_a": "lower end of the 95 % interval of mean_a, bootstrap over patients",
    "high_a": "upper end of that interval",
    "sd_a": "standard deviation (n - 1) of model_a over the pairs",
    "sd_patients_a": "standard deviation (n - 1) of model_a's patients' means",
    "median_a": "median of model_a over the pairs",
    "q1_a": "first quartile",
    "q3_a": "third quartile",
    "worst_a": "mean of the worst 5 % of model_a: of the lowest n / 20 scores, rounded up",
    "n_failures_a": "pairs in which model_a has a Dice score below 0.5 (an empty prediction has 0)",
    "mean_b": "mean Dice of model_b over the pairs",
    "low_b": "lower end of the 95 % interval of mean_b, bootstrap over patients",
    "high_b": "upper end of that interval",
    "sd_b": "standard deviation (n - 1) of model_b over the pairs",
    "sd_patients_b": "standard deviation (n - 1) of model_b's patients' means",
    "median_b": "median of model_b over the pairs",
    "q1_b": "first quartile",
    "q3_b": "third quartile",
    "worst_b": "mean of the worst 5 % of model_b: of the lowest n / 20 scores, rounded up",
    "n_failures_b": "pairs in which model_b has a Dice score below 0.5 (an empty prediction has 0)",
    "difference": "mean of model_b minus model_a over the pairs",
    "difference_sd": "standard deviation (n - 1) of the differences",
    "difference_median": "median of the differences",
    "difference_q1": "first quartile",
    "difference_q3": "third quartile",
    "difference_low": "lower end of the 95 % interval, bootstrap over patients",
    "difference_high": "upper end of that interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "n_seeds_a": "trainings of model_a",
    "n_seeds_b": "trainings of model_b",
    "seed_sd_a": "standard deviation of model_a's mean over seeds; empty with one seed",
    "seed_sd_b": "the same of model_b",
    "statistic": "Wilcoxon signed-rank statistic",
    "method": "exact or approx distribution, and how zero differences are treated",
    "p": "two-sided p value; empty if nothing could be tested",
    "p_holm": "the same after Holm's correction over the family, per unit",
    "family_size": "p values in the family",
    "rank_biserial": "matched-pairs rank-biserial correlation, -1 to 1; positive: model_b is better",
    "difference_sd_patients": "standard deviation (n - 1) of the patients' mean differences",
    "detectable_difference": "power note: the smallest true mean difference that a paired t test on as many patients,"
    " with this standard deviation, shows with 80 % power at 5 % two-sided and uncorrected; for n of 20 or more about"
    " 2.8 difference_sd_patients / sqrt(n_patients); empty without spread",
    "equivalence_margin": "Dice margin of no difference; empty where no equivalence is claimed",
    "equivalent": "yes if the 90 % interval lies within the margin, else no; empty where none is claimed",
    "reported": "what the paper says of it",
    **_DATA,
}
"""`tables/tests.csv`: one row per comparison, data set, structure and unit."""

TABLE_1 = {
    "dataset": "data set",
    "title": "its full name",
    "patients": "groups that no split divides: patients, videos or video codes",
    "images": "images used",
    EACH_STRUCTURE: "images in which it is labelled: one column per structure of the study, under its name",
    "views": "views of the images, joined by +",
    "training_patients": "groups in the training part",
    "training_images": "images in the training part",
    "validation_patients": "groups in the validation part",
    "validation_images": "images in the validation part",
    "test_patients": "groups in the test part",
    "test_images": "images in the test part",
    "reported_subjects": "the paper's number of subjects; - where it gives none",
    "reported_images": "the paper's number of images",
    "reported_structures": "the paper's structures, joined by +",
    "reported_views": "the paper's views, joined by +",
    **_DATA,
}
"""`tables/table_1.csv`: one row per data set."""

TABLE_2 = {
    "structure": "name of the structure",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "n": "images",
    "n_patients": "patients",
    "n_both_empty": "images left out because reference and prediction are both empty under one of the models",
    "adaptive": "mean Dice without label dropout; seeds averaged per image first",
    "adaptive_low": "lower end of the 95 % interval of that mean, bootstrap over patients",
    "adaptive_high": "upper end of that interval",
    "adaptive_median": "median over images",
    "adaptive_q1": "first quartile",
    "adaptive_q3": "third quartile",
    "adaptive_worst": "mean of the worst 5 %: of the lowest n / 20 scores, rounded up",
    "adaptive_n_failures": "images with a Dice score below 0.5 (an empty prediction has 0)",
    "adaptive_sd": "standard deviation (n - 1) over images",
    "adaptive_sd_patients": "standard deviation (n - 1) of the patients' means",
    "adaptive_seed_sd": "standard deviation (n - 1) of the seeds' means; empty with one seed",
    "label_dropout": "mean Dice with label dropout",
    "label_dropout_low": "lower end of the 95 % interval of that mean, bootstrap over patients",
    "label_dropout_high": "upper end of that interval",
    "label_dropout_median": "median over images",
    "label_dropout_q1": "first quartile",
    "label_dropout_q3": "third quartile",
    "label_dropout_worst": "mean of the worst 5 %: of the lowest n / 20 scores, rounded up",
    "label_dropout_n_failures": "images with a Dice score below 0.5 (an empty prediction has 0)",
    "label_dropout_sd": "standard deviation (n - 1) over images",
    "label_dropout_sd_patients": "standard deviation (n - 1) of the patients' means",
    "label_dropout_seed_sd": "standard deviation (n - 1) of the seeds' means; empty with one seed",
    "difference": "label_dropout minus adaptive",
    "difference_low": "lower end of the 95 % interval, bootstrap over patients",
    "difference_high": "upper end of that interval",
    "interval": "kind of bootstrap interval of the difference, with its number of draws and its seed",
    "difference_sd_patients": "standard deviation (n - 1) of the patients' mean differences",
    "detectable_difference": "power note, as in `tables/tests.csv`: smallest true mean difference that these patients"
    " show with 80 % power at 5 % two-sided",
    "relative_gain": "difference over adaptive; empty if that is 0",
    "p_image": "Wilcoxon signed-rank test per image, two-sided",
    "p_image_holm": "the same after Holm's correction over the three structures",
    "p_patient": "Wilcoxon signed-rank test on patient means, two-sided",
    "p_patient_holm": "the same after Holm's correction over the three structures",
    "method": "exact or approx distribution of the test per image, and how zero differences are treated",
    "rank_biserial": "matched-pairs rank-biserial correlation per image",
    "reported_adaptive": "the paper's mean without label dropout",
    "reported_label_dropout": "the paper's mean with label dropout",
    "reported_difference": "the paper's difference",
    "reported_relative_gain": "the paper's relative gain",
    **_DATA,
}
"""`tables/table_2.csv`: one row per structure."""

_OF_ARM = {
    "": "mean",
    "_seed_sd": "seed_sd",
    **{f"_{name}": name for name in ("low", "high", "median", "q1", "q3", "worst", "n_failures", "sd", "sd_patients")},
}
"""Columns of a model in Table 2 (after its name), and the columns of the tests that they repeat (before the side)."""

_OF_DIFFERENCE = (
    *("difference", "difference_low", "difference_high", "interval"),
    *("difference_sd_patients", "detectable_difference"),
)


def _words(text: object) -> str:
    """Lists in the data sets' modules, joined by +."""
    parts = [str(part) for part in text] if isinstance(text, list | tuple) else re.split(r"[,+]", str(text or "-"))
    return "+".join(part.strip() for part in parts)


_THESE_TRAININGS = (
    "Intervals and p speak of other patients and of these very trainings: the chance between trainings is not in them."
)
"""Said under every table whose tests do not resample seeds."""


def table_1(study: Study, item: Item) -> Content:
    """Images and patients by data set and part, beside the paper's counts."""
    structures = study.structures[:-1]
    rows = []
    for name in dict.fromkeys(study.cases["dataset"]):
        cases = study.cases[study.cases["dataset"] == name]
        facts = DATASETS[name].facts if name in DATASETS else None
        reported = facts.REPORTED if facts else dict.fromkeys(("subjects", "images", "structures", "views"))
        by_part = {part: cases[cases["part"] == part] for part in Part}
        rows.append(
            {
                "dataset": name,
                "title": facts.TITLE if facts else name,
                "patients": cases["patient"].nunique(),
                "images": len(cases),
                **{one: int((cases[one] == State.LABELLED).sum()) for one in structures},
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
                "data": study.data_of(name),
            }
        )
    columns = with_structures(TABLE_1, structures)
    table = pd.DataFrame(rows, columns=list(columns))
    reading = pd.DataFrame(
        [
            {
                "Data set": row.dataset,
                "Patients (paper)": f"{row.patients} ({row.reported_subjects})",
                "Images (paper)": f"{row.images} ({row.reported_images})",
                **{one: str(getattr(row, one)) for one in structures},
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
    how = "A patient is a group that no split divides: a patient, a video or a video code."
    if study.settings["unit"] == "images":
        how = "Every image is a group of its own for the split; images of equal bytes share one."
        reading = reading.drop(columns=[name for name in reading if "atients" in name])
    return Content(table, columns, f"{item.numbers.format(structures=enumerated(structures))} {how}", reading)


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
        for structure in study.structures[:-1]:
            # The observer draws what the data set does not label.
            mine = on_kit.loc[on_kit["structure"] == structure, "reference"]
            if mine.empty:
                continue
            reference = "dataset" if (mine == "dataset").any() else "observer"
            words = "label dropout against none, annotation kit"
            contrast = Contrast("table 2", words, *arms, dataset, structure, reference)
            rows += outcomes(study, contrast, resampling, cases)
    return correct(rows)


def table_2(study: Study, item: Item) -> Content:
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
                "data": study.data_of(image["dataset"]),
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
    how = (
        "seeds averaged per image; intervals by bootstrap over patients; p of Wilcoxon's signed-rank test,"
        " in brackets after Holm's correction over the structures; n: images; r: rank-biserial correlation per image;"
        " detectable: the smallest true mean difference that so many patients show with 80 % power at 5 %, uncorrected."
    )
    return Content(table, TABLE_2, f"{item.numbers} {how} {_THESE_TRAININGS}", reading)


def _where(dataset: str, structure: str, reference: str) -> str:
    """A cell in words, naming its reference where that is not the data set's own."""
    return f"{dataset} {structure}" + (f" ({reference})" if reference != "dataset" else "")


def _remarks(equivalent: str, reported: str) -> str:
    """What a test of equivalence shows, and what the paper reports."""
    shown = {"yes": "equivalent", "no": "not shown equivalent"}.get(equivalent, "")
    said = f"paper: {reported}" if reported else ""
    return "; ".join(filter(None, [shown, said])) or NOTHING


def _tests(rows: list[dict[str, Any]], what: str) -> Content:
    """The table of tests; its rounded version has one line per comparison, with both units side by side."""
    table = pd.DataFrame(rows, columns=list(TESTS))
    units = [table[table["unit"] == unit].itertuples() for unit in ("image", "patient")]
    lines = [
        {
            "Family": image.family,
            "Comparison": image.comparison,
            "Tested on": _where(image.dataset, image.structure, image.reference),
            "n (patients)": f"{image.n} ({image.n_patients})",
            "Trainings": f"{image.n_seeds_b}, {image.n_seeds_a}",
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
        f" equivalent = the 90 % interval lies within ±{NO_DIFFERENCE:g}; n: images; trainings: seeds of the"
        " model named first and of the other; r: rank-biserial correlation, per image."
    )
    return Content(table, TESTS, f"{what} {how} {_THESE_TRAININGS}", reading)


def _outcomes(study: Study, contrasts: Sequence[Contrast]) -> list[dict[str, Any]]:
    """Outcomes of declared comparisons, corrected."""
    resampling = Resampling(study.settings["statistics"])
    return correct([row for contrast in contrasts for row in outcomes(study, contrast, resampling)])


def tests(study: Study, item: Item) -> Content:
    """Every declared comparison of the paper's study with its tests, and those of Table 2."""
    rows = _outcomes(study, declared(study))
    arms = _arms(study.experiments)
    drawn = study.scores.loc[study.scores["reference"] == "observer", "model"]
    if arms is not None and {arm.model for arm in arms} <= set(drawn):
        narrowed = replace(study, experiments=arms)
        rows += [{key: row[key] for key in TESTS} for row in _table_2_rows(narrowed, arms)]
    return _tests(rows, item.numbers)


def tests_instrument(study: Study, item: Item) -> Content:
    """Every declared comparison of our own experiments with its tests."""
    return _tests(_outcomes(study, declared_instrument(study)), item.numbers)
