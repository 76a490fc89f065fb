"""The table of all probes: its columns, and the probes of all models joined."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from labeldropout.analysis.readings import write_with_readings
from labeldropout.analysis.shortcut.domain_probe import FOLDS, PERMUTATIONS
from labeldropout.analysis.study import _DATA
from labeldropout.analysis.typesetting import interval, number, p_value
from labeldropout.files import read_table

_METRIC = "{} of telling the domain: of one domain against the others; domain all: {}"

SHORTCUT = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training, or all: means over seeds",
    "feature": "what the domain is told from: set (structures drawn), logits (mean centred log-probabilities at the"
    " pixels of a structure); share: no probe, only the share of images in which a structure is drawn",
    "structure": "whose pixels, or what is drawn; empty for the set",
    "domain": "data set to be told from the others, or all; one with too few patients for cross-validation is left out"
    " of a question: its rows have no numbers, nor has the row all where fewer than two are left",
    "balanced_accuracy": _METRIC.format("balanced accuracy", "mean recall"),
    "balanced_accuracy_low": "lower end of the 95 % interval, bootstrap over patients within domains, probe kept",
    "balanced_accuracy_high": "upper end",
    "balanced_accuracy_chance": "mean over permutations of the domains among patients, probe fitted anew",
    "balanced_accuracy_p": "share of permutations as good (the study's own counted in)",
    "auc": _METRIC.format("area under the ROC curve", "mean over domains"),
    "auc_low": "lower end of the 95 % interval",
    "auc_high": "upper end",
    "auc_chance": "mean over permutations",
    "auc_p": "share of permutations as good",
    "share_drawn": "share of the domain's images in which the structure is drawn (feature share)",
    "n": "test images of the domain, or of all that take part; for logits those where somebody knows where the"
    " structure is",
    "n_patients": "patients behind them; each counts once",
    **_DATA,
}
"""`probes/<model>.csv` and `tables/shortcut.csv`: one row per seed, feature, structure and domain."""

ALL = "all"


def _with_interval(row: dict[str, Any], metric: str) -> str:
    """A number with its interval, or one dash for both."""
    text = number(row[metric], 2)
    return text if math.isnan(row[metric]) else f"{text} {interval(row[f'{metric}_low'], row[f'{metric}_high'], 2)}"


def write_probes(probes: Sequence[Path], output: Path, *, simulated: bool) -> list[Path]:
    """Join the probes of all models in `<output>.csv`, `.md` and `.tex`; return their paths.

    Args:
        probes: Tables `SHORTCUT`, in the order in which they are shown.
        output: Path without extension.
        simulated: Whether the caption must say that the data are simulated.
    """
    table = pd.concat([read_table(path, SHORTCUT, ("seed", "structure", "data")) for path in probes], ignore_index=True)
    shown = table[(table["seed"] == "all") & (table["domain"] == ALL)]
    reading = pd.DataFrame(
        [
            {
                "Model": row["model"],
                "Domain told from": "structures drawn" if row["feature"] == "set" else f"logits at {row['structure']}",
                "n": row["n"],
                "Balanced accuracy": _with_interval(row, "balanced_accuracy"),
                "By chance": number(row["balanced_accuracy_chance"], 2),
                "AUC": _with_interval(row, "auc"),
                "AUC by chance": number(row["auc_chance"], 2),
                "p": p_value(row["auc_p"]),
            }
            for row in shown.to_dict("records")
        ]
    )
    caption = (
        "How well the domain can be told from what a model draws and from its logits at the pixels of a structure:"
        " linear probe, cross-validated over patients; intervals by bootstrap over patients, chance and p by"
        f" {PERMUTATIONS} permutations of the domains; means over seeds. The left ventricle is labelled everywhere: its"
        f" logits show how much of the domain any logit carries. A domain with fewer than {FOLDS} patients is left out"
        " of a question; a dash where fewer than two are left."
    )
    return write_with_readings(table, SHORTCUT, output, caption, reading, simulated=simulated)
