"""The columns of every table that this program writes or reads: name and meaning, with units."""

import difflib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

_STATE = "labelled, absent or unknown"
_CASE = {
    "case": "our identifier of the case",
    "dataset": "data set it comes from",
    "patient": "our identifier of the group that no split divides",
    "view": "A2C, A4C or empty",
    "instant": "ED, ES or empty",
}

CASES = {
    **_CASE,
    "group_name": "the group as the data set names it; never published",
    "frame": "index of the frame in its file, from 0",
    "LV": _STATE,
    "LVM": _STATE,
    "LA": _STATE,
    "offset": "index of the first pixel in images.u8 and targets.u8",
    "height_px": "rows of the stored image",
    "width_px": "columns of the stored image",
    "row_spacing_mm": "height of a pixel in mm; empty if unknown",
    "column_spacing_mm": "width of a pixel in mm; empty if unknown",
    "quality": "image quality in the data set's words",
    "flags": "remarks of the importer, separated by spaces",
    "split_hint": "the part that the data set itself assigns",
    "source": "file of the image below the data set's root; never published",
    "source_sha256": "hash of that file",
}
"""`cases.csv` of a store."""

CONES = {
    "case": "our identifier of the case",
    "method": "network+fit, fit, hull, whole-frame; or geometry for a clean fan on black",
    "apex_row": "row of the virtual apex, in pixels of the image on square pixels; empty without a fit",
    "apex_column": "column of the virtual apex, likewise",
    "half_angle_rad": "half of the opening angle",
    "near_px": "distance from the apex to the first sample, in square pixels",
    "far_px": "distance from the apex to the last sample, in square pixels",
    "box_row": "first row of the cone's box on the stored grid",
    "box_column": "first column of the box",
    "box_height": "rows of the box",
    "box_width": "columns of the box",
    "area_share": "share of the frame that the cone covers",
    "area_ratio": "area of the fitted cone over that of the network's mask; empty without a network",
    "iou": "intersection over union of the fit and the mask or region it was fitted to; empty without a fit",
    "bright_share_outside": "share of the pixels above 15 that lie outside the cone (for geometry they are kept)",
    "label_share_outside": "share of the annotated pixels that lie outside the cone",
    "verdict": "accepted or replaced, and why",
}
"""`cones.csv`: one row per case."""

PREPARED = {
    **_CASE,
    "LV": _STATE,
    "LVM": _STATE,
    "LA": _STATE,
    "crop_row": "first row of the square crop on the stored grid; may be negative (padding)",
    "crop_column": "first column of the crop; may be negative",
    "crop_height": "rows of the crop on the stored grid",
    "crop_width": "columns of the crop",
    "height_px": "rows of the stored image",
    "width_px": "columns of the stored image",
    "row_spacing_mm": "height of a stored pixel in mm; empty if unknown",
    "column_spacing_mm": "width of a stored pixel in mm; empty if unknown",
}
"""`cases.csv` beside the prepared arrays: row i describes images.npy[i] and targets.npy[i]."""

PATIENTS = {
    "dataset": "data set",
    "patient": "our identifier of the group",
    "part": "training, validation or test",
}
"""`splits/patients.csv`: the part of every group."""

HISTORY = {
    "epoch": "from 1",
    "learning_rate": "at the start of this epoch",
    "loss": "mean training loss per case",
    "dataset": "data set of the validation cell; all = mean over cells",
    "structure": "structure of the cell; all = mean over cells",
    "dice": "mean validation Dice on the network's grid",
    "n": "validation cases behind the mean",
    "best": "1 if this epoch is the best so far",
}
"""`history.csv` of a training: one row per epoch and validation cell, and one `all`, `all` row per epoch."""

SCORES = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    **_CASE,
    "structure": "LV, LVM or LA",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "dice": "Dice score on the stored grid; empty if reference and prediction are both empty",
    "hausdorff_distance_95_mm": "larger of the two directed 95th percentiles of surface distances; empty if undefined",
    "hausdorff_distance_95_px": "the same in stored pixels",
    "mean_surface_distance_mm": "mean of the symmetric surface distances; empty if undefined",
    "mean_surface_distance_px": "the same in stored pixels",
    "surface_dice": "share of both surfaces within the tolerance of the other; 0 if one is empty, empty if both are",
    "surface_dice_tolerance": "the tolerance with its unit, such as 2 mm or 4 px",
    "reference_px": "pixels of the structure in the reference",
    "prediction_px": "pixels of the structure in the prediction",
}
"""`scores/<model>.csv`: one row per seed, case and structure that has a reference."""


_DATA = {"data": "simulated or real"}

FIGURE_TABLE = {
    "model": "row of config/experiments.tsv",
    "train_on": "data sets whose training parts were used, joined by +",
    "loss": "loss of the training",
    "probability": "probability of label dropout; 0 without",
    "seed": "seed of the training, or all: means over seeds",
    "dataset": "data set whose test part is scored",
    "structure": "LV, LVM or LA; mean = mean over the structures of an image that have a Dice score",
    "dice_mean": "mean Dice over images; seed all: mean over seeds of those means",
    "dice_sd": "standard deviation (n - 1) over images; seed all: over the seeds' means, empty with one seed",
    "dice_median": "median over images; seed all: of the images' means over seeds, as are the four numbers that follow",
    "dice_q1": "first quartile",
    "dice_q3": "third quartile",
    "dice_whisker_low": "smallest Dice within 1.5 interquartile ranges below the first quartile",
    "dice_whisker_high": "largest Dice within 1.5 interquartile ranges above the third quartile",
    "dice_sd_patients": "standard deviation (n - 1) of the patients' means",
    "n": "images behind the mean",
    "n_patients": "patients behind the mean",
    "n_failures": "images with a Dice score below 0.5 (an empty prediction has 0); seed all: of the means over seeds",
    "n_both_empty": "images left out because reference and prediction are both empty",
    "reported": "the paper's mean; empty if it gives none",
    "reported_sd": "the paper's standard deviation; empty if it gives none",
    **_DATA,
}
"""`tables/figure_<n>.csv` behind figures 1, 3 and 4: one row per model, seed, data set and structure."""

PANEL_TABLE = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "dataset": "data set of the case",
    "case": "our identifier of the case; drawn at random with the study's seed, never chosen by score",
    "structure": "LV, LVM or LA, where the case has a reference; else one row with an empty cell",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "dice": "Dice score of this model, seed, case and structure",
    "position": "row of the panel, from 0",
    **_DATA,
}
"""`tables/<item>.csv` behind figures with pictures."""

TESTS = {
    "family": "comparisons that Holm's correction takes together",
    "comparison": "what is compared, in words",
    "model_a": "row of config/experiments.tsv",
    "model_b": "the model whose gain over model_a is tested",
    "dataset": "data set whose test part is scored",
    "structure": "LV, LVM or LA; mean = mean over the structures of an image",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "unit": "what is paired: image (as the paper) or patient (means over a patient's images)",
    "n": "pairs tested",
    "n_patients": "patients behind the pairs",
    "n_left_out": "pairs without a Dice score under one of the models",
    "n_zero": "pairs with equal Dice after rounding to 1e-9",
    "mean_a": "mean Dice of model_a over the pairs (seeds averaged per image first)",
    "mean_b": "mean Dice of model_b over the pairs",
    "difference": "mean of model_b minus model_a over the pairs",
    "difference_low": "lower end of the 95 % interval, bootstrap over patients",
    "difference_high": "upper end of that interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "seed_sd_a": "standard deviation of model_a's mean over seeds; empty with one seed",
    "seed_sd_b": "the same of model_b",
    "statistic": "Wilcoxon signed-rank statistic",
    "method": "exact or approx distribution, and how zero differences are treated",
    "p": "two-sided p value; empty if nothing could be tested",
    "p_holm": "the same after Holm's correction over the family, per unit",
    "family_size": "p values in the family",
    "rank_biserial": "matched-pairs rank-biserial correlation, -1 to 1; positive: model_b is better",
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
    "LV": "images in which it is labelled",
    "LVM": "images in which it is labelled",
    "LA": "images in which it is labelled",
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
    "structure": "LV, LVM or LA",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "n": "images",
    "n_patients": "patients",
    "n_both_empty": "images left out because reference and prediction are both empty under one of the models",
    "adaptive": "mean Dice without label dropout; seeds averaged per image first",
    "adaptive_sd": "standard deviation (n - 1) over images",
    "adaptive_seed_sd": "standard deviation (n - 1) of the seeds' means; empty with one seed",
    "label_dropout": "mean Dice with label dropout",
    "label_dropout_sd": "standard deviation (n - 1) over images",
    "label_dropout_seed_sd": "standard deviation (n - 1) of the seeds' means; empty with one seed",
    "difference": "label_dropout minus adaptive",
    "difference_low": "lower end of the 95 % interval, bootstrap over patients",
    "difference_high": "upper end of that interval",
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


def check_columns(table: pd.DataFrame, columns: Iterable[str], file: str | Path) -> pd.DataFrame:
    """Return the table if it has exactly these columns, in any order; the result has them in the given order.

    Args:
        table: What was read.
        columns: The names that it must have.
        file: Where it was read, for the message.

    Raises:
        ValueError: A column is missing, or one is unknown; the message names the nearest valid name.
    """
    expected = list(columns)
    missing = [name for name in expected if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in expected]
    if missing or unknown:
        hints = [
            f"{name} (did you mean {near[0]}?)"
            for name in unknown
            if (near := difflib.get_close_matches(name, expected, 1))
        ]
        raise ValueError(
            f"{file}: columns do not fit (missing: {missing or 'none'}, unknown: {unknown or 'none'}"
            f"{'; ' + ', '.join(hints) if hints else ''}; expected: {expected})."
        )
    return table[expected]
