"""The table of all probes: its columns, and the probes of all models joined."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.analysis.readings import count_trainings, write_with_readings
from labeldropout.analysis.shortcut.domain_probe import FOLDS, PERMUTATIONS
from labeldropout.analysis.study import _DATA
from labeldropout.analysis.typesetting import number, p_value, with_interval
from labeldropout.files import read_table

_METRIC = "{} of telling the domain: of one domain against the others; domain all: {}"

_TEXT = ("seed", "structure", "view", "data")

SHORTCUT = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training, or all: means over seeds",
    "feature": "what the domain is told from: set (which structures are drawn at all, on 0.1 % of the picture or more),"
    " logits (mean centred log-probabilities of all structures at the true pixels of one); share: no probe, only the"
    " share of images in which a structure is drawn",
    "structure": "whose pixels, or what is drawn; empty for the set",
    "view": "view of all images asked about: the one that all data sets have, or of these the one with the most"
    " patients; empty if unknown; all if they have none in common",
    "domain": "data set to be told from the others, or all; one with too few patients for cross-validation is left out"
    " of a question: its rows have no numbers, nor has the row all where fewer than two are left",
    "balanced_accuracy": _METRIC.format("balanced accuracy", "mean recall"),
    "balanced_accuracy_low": "lower end of the 95 % interval, bootstrap over patients within domains, probe kept",
    "balanced_accuracy_high": "upper end",
    "balanced_accuracy_chance": "mean over permutations of the domains among patients, probe fitted anew",
    "balanced_accuracy_p": "share of permutations as good (the study's own counted in), not corrected",
    "auc": _METRIC.format("area under the ROC curve", "mean over domains"),
    "auc_low": "lower end of the 95 % interval",
    "auc_high": "upper end",
    "auc_chance": "mean over permutations",
    "auc_p": "share of permutations as good, not corrected",
    "share_drawn": "share of the domain's images in which the structure is drawn (feature share)",
    "n": "test images of the domain, or of all that take part; for logits those where somebody knows where the"
    " structure is",
    "n_patients": "patients behind them; each counts once",
    **_DATA,
}
"""`probes/<model>.csv` and `tables/shortcut.csv`: one row per seed, feature, structure and domain."""

ALL = "all"


def read_probes(path: Path) -> pd.DataFrame:
    """A table `SHORTCUT`; a seed, a structure or a view is text, empty ones too."""
    return read_table(path, SHORTCUT, _TEXT)


def _metric(row: dict[str, Any], name: str) -> str:
    """A metric with its interval."""
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], 2)


def write_probes(probes: Sequence[Path], output: Path, *, simulated: bool) -> list[Path]:
    """Join the probes of all models in `<output>.csv`, `.md` and `.tex`; return their paths.

    Args:
        probes: Tables `SHORTCUT`, in the order in which they are shown.
        output: Path without extension.
        simulated: Whether the caption must say that the data are simulated.
    """
    table = pd.concat([read_probes(path) for path in probes], ignore_index=True)
    shown = table[(table["seed"] == "all") & (table["domain"] == ALL)]
    trainings = count_trainings(table)
    reading = pd.DataFrame(
        [
            {
                "Model": row["model"],
                "Trainings": trainings[row["model"]],
                "Domain told from": "which structures are drawn"
                if row["feature"] == "set"
                else f"logits at {row['structure']}",
                "View": row["view"],
                "n": row["n"],
                "Balanced accuracy": _metric(row, "balanced_accuracy"),
                "By chance": number(row["balanced_accuracy_chance"], 2),
                "AUC": _metric(row, "auc"),
                "AUC by chance": number(row["auc_chance"], 2),
                "p (AUC)": p_value(row["auc_p"]),
            }
            for row in shown.to_dict("records")
        ]
    )
    caption = (
        "How well the domain can be told from which structures a model draws, and from its logits at the true pixels of"
        " a structure, in images of one view: linear probe, cross-validated over patients; means over seeds; intervals"
        " by bootstrap over patients, not over trainings; chance and p by"
        f" {PERMUTATIONS} permutations of the domains, p not corrected and at least {1 / (PERMUTATIONS + 1):.3f}. A"
        " structure counts as drawn from 0.1 % of the picture on. The left ventricle is labelled everywhere: the logits"
        " there are for comparison, and those of the other structures are among them. A domain with fewer than"
        f" {FOLDS} patients is left out of a question; a dash where fewer than two are left."
    )
    return write_with_readings(table, SHORTCUT, output, caption, reading, simulated=simulated)
