"""Columns of the tables that training and evaluation write, for code that reads them without loading a network."""

from labeldropout.data.case_store import _CASE

SCORES = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    **_CASE,
    "structure": "name of the structure",
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

HISTORY = {
    "step": "optimisation steps done at this validation",
    "learning_rate": "at the first step after the validation before",
    "loss": "mean training loss per case since the validation before",
    "dataset": "data set of the validation cell; all = mean over cells",
    "structure": "structure of the cell; all = mean over cells",
    "dice": "mean validation Dice on the network's grid",
    "n": "validation cases behind the mean",
    "best": "1 if this validation is the best so far",
}
"""`history.csv` of a training: one row per validation and cell, and one `all`, `all` row per validation."""
