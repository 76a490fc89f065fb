"""The columns of the table behind the training curves."""

TRAINING_CURVES = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "epoch": "from 1",
    "dataset": "data set of the validation cell; all = mean over cells",
    "structure": "structure of the cell; all = mean over cells",
    "loss": "mean training loss per case",
    "learning_rate": "at the start of this epoch",
    "dice": "mean validation Dice on the network's grid",
    "best": "1 if this epoch is the best so far",
    "data": "simulated or real",
}
"""`tables/training_curves.csv`: the histories of all trainings, one row per training, epoch and validation cell."""
