"""Whether every training learned what it was shown: the table that the claims read."""

SOUNDNESS = {
    "model": "row of config/experiments.tsv",
    "seed": "of the training; all = the model over all its seeds",
    "severity": "domain shift of the simulated data; empty where data are real",
    "dataset": "data set of the cell; all = all cells",
    "structure": "structure of the cell; all = all cells",
    "dice": "validation Dice of the selected weights",
    "highest": "highest validation Dice of any model of experiments 1 to 4b in this cell",
    "highest_model": "model that reached it",
    "limit": "0.9 of the highest",
    "verdict": "trained, not trained, not shown or exempt",
    "why": "for a model over all its seeds: the seeds, cells, values and limits that fail, in one sentence",
}
"""`tables/soundness.csv` and `tables/soundness_instrument.csv`: one row per model, seed and cell, and one per model."""
