"""What is ours in nnU-Net's numbers; the training itself is in test_recipes.py."""

import math
import subprocess
import sys
from pathlib import Path

import torch

from labeldropout.integrations.nnunet import TRAINERS, _counts, leave_out_unknown
from labeldropout.label_sets import LabelSets

NAN = math.nan
SETS = LabelSets(("background", "bright", "dark"), {"a": ["bright", "dark"], "b": ["bright"]})


def test_the_pseudo_dice_counts_what_was_annotated():
    """Worked by hand: in the second case structure 2 is unknown, and an ignored pixel counts nowhere."""
    prediction = torch.tensor([[[1, 1, 2, 2]], [[1, 2, 2, 2]]])
    target = torch.tensor([[[[1, 0, 2, 1]]], [[[1, 0, 0, 3]]]], dtype=torch.int16)
    positive, false_positive, false_negative = _counts(prediction, target, SETS(SETS), 3)
    assert positive.tolist() == [2, 1]
    assert false_positive.tolist() == [1, 1]
    assert false_negative.tolist() == [1, 0]


def test_the_summary_leaves_out_what_is_unknown():
    """A structure is NaN where nobody drew it; the means are those of the other cases."""
    cases = [
        {"prediction_file": f"somewhere/{key}.nii.gz", "metrics": {label: {"Dice": dice, "FP": 4} for label in (1, 2)}}
        for key, dice in (("a", 0.8), ("b", 0.4))
    ]
    mean = {label: {"Dice": 0.6, "FP": 4} for label in (1, 2)}
    summary = {"metric_per_case": cases, "mean": mean, "foreground_mean": {"Dice": 0.6, "FP": 4}}
    leave_out_unknown(summary, SETS, ".nii.gz")
    assert math.isnan(cases[1]["metrics"][2]["Dice"])
    assert cases[1]["metrics"][1]["Dice"] == 0.4
    assert {label: round(means["Dice"], 6) for label, means in mean.items()} == {1: 0.6, 2: 0.8}
    assert round(summary["foreground_mean"]["Dice"], 6) == 0.7


def test_the_folder_for_nnunet_has_our_trainer_alone():
    """The folder is put first on the path by nnU-Net's search: nothing in it may shadow another package."""
    assert sorted(path.name for path in TRAINERS.glob("*.py")) == ["__init__.py", "label_dropout_trainer.py"]
    done = subprocess.run(
        [sys.executable, "-m", "labeldropout.integrations.nnunet"], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == TRAINERS
