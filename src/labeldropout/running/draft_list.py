"""The verb `draft-list`: a list of experiments and claims for somebody's own data sets, to begin with.

One structure is hidden in one data set that has its labels, as the left atrium is in the paper's experiment 4. What
that costs, and what each remedy gives back, can then be scored against the labels that were hidden.
"""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from labeldropout.configuration import read_configuration
from labeldropout.files import replacing
from labeldropout.learning.experiments import ANY, COLUMNS, ORACLE
from labeldropout.messages import did_you_mean
from labeldropout.running.data_sets import FOLDER, formats_of

SEEDS = "0,1,2"
"""As few as a claim needs (`fewest_seeds` of the claims)."""

_RULES = {"level": 0.05, "margin": 0.02, "limit": 0.5, "fewest_patients": 6, "fewest_seeds": 3}
"""As in config/claims.yaml."""

_HIDDEN_MODELS = (
    ("p00", "4", "figure_4+controls+decomposition+remedies", "adaptive", ""),
    ("p01", "4", "figure_4+remedies", "adaptive", "0.1"),
    ("p05", "4", "figure_4+controls+remedies", "adaptive", "0.5"),
    ("p10", "4", "figure_4", "adaptive", "1.0"),
    ("marginal", "7", "remedies", "marginal", ""),
    ("adaptive_bce", "7", "remedies", "adaptive_bce", ""),
    ("oracle", "5", "controls+decomposition+remedies", ORACLE, ""),
)
"""Model, experiment, where it is shown, loss and probability of label dropout of those whose labels are hidden."""


Annotated = Mapping[str, Collection[str]]
"""What is annotated in each data set."""


def draft_rows(structures: Sequence[str], annotated: Annotated, structure: str, dataset: str) -> list[dict[str, str]]:
    """Rows of a list of experiments.

    Args:
        structures: All that is segmented.
        annotated: What of it is annotated in all that is trained and tested on.
        structure: What is hidden.
        dataset: Where.
    """
    datasets = list(annotated)
    common = {
        "structures": "+".join(structures),
        "augmentation": "published",
        "network": "basic_unet",
        "seeds": SEEDS,
        "evaluated_on": "+".join(datasets),
        "train_on": "+".join(datasets),
    }
    others = [name for name in datasets if name != dataset]
    everything = "figure_4+controls+decomposition+remedies"
    rows = [
        {
            "model": "benchmark",
            "experiment": "4",
            "shown_in": everything,
            "loss": _loss_of(structures, annotated, datasets),
        }
    ]
    for model, experiment, shown_in, loss, probability in _HIDDEN_MODELS:
        dropout = {"dropout_structures": structure, "dropout_probability": probability, "dropout_mode": "single"}
        cells = {"model": model, "experiment": experiment, "shown_in": shown_in, "loss": loss}
        rows.append(cells | {"hidden": f"{structure}@{dataset}:1.0"} | (dropout if probability else {}))
    of_controls = {"experiment": "5", "shown_in": "controls+remedies"}
    rows.append({"model": "random", "loss": "adaptive", "hidden": f"{structure}@{ANY}:{dataset}"} | of_controls)
    alone = {"model": "without", "loss": _loss_of(structures, annotated, others), "train_on": "+".join(others)}
    rows.append(alone | of_controls | {"shown_in": "controls+decomposition+remedies"})
    return [{column: (common | row).get(column, "") for column in COLUMNS} for row in rows]


def _loss_of(structures: Sequence[str], annotated: Annotated, datasets: Sequence[str]) -> str:
    """The loss of a model from which nothing is hidden: the standard one only where nothing is missing anyway."""
    return "standard" if all(set(structures) <= set(annotated[name]) for name in datasets) else "adaptive"


def draft_claims(structures: Sequence[str], annotated: Annotated, structure: str, dataset: str) -> dict[str, Any]:
    """The paper's claims on label dropout, and ours on its cause, for these rows; arguments as for `draft_rows`."""
    here = {"dataset": dataset, "structure": structure}

    def superior(better: str, worse: str = "p00") -> dict[str, Any]:
        """One model is better than another where labels are hidden."""
        return {"kind": "superior", "better": [better], "worse": [worse], **here}

    others = [
        {"kind": "not_worse", "better": ["p05"], "worse": ["p00"], "dataset": place, "structure": name}
        for place in annotated
        for name in structures
        if name != structure and name in annotated[place]
    ]
    claims = {
        "C6": (
            "Label dropout improves the structure that is missing in one domain.",
            f"hiding outlines at random in training helps to find {structure} in {dataset}, where nobody drew it",
            "figure_4",
            "study",
            [superior("p01"), superior("p05")],
        ),
        "C8": (
            "With 100 % of label dropout the structure is never learned.",
            f"a network that is never shown {structure} does not find it",
            "figure_4",
            "study",
            [{"kind": "below", "models": ["p10"], **here}],
        ),
        "C9": (
            "The structures that are labelled everywhere do not suffer from label dropout.",
            f"hiding outlines of {structure} does no harm to what else is outlined",
            "figure_4",
            "study",
            others,
        ),
        "C11": (
            "If a label's presence does not depend on the domain, the adaptive loss works across domains.",
            "missing outlines do no harm as long as it is left to chance which pictures lack them",
            "controls",
            "instrument",
            [superior("random"), {"kind": "not_worse", "better": ["random"], "worse": ["benchmark"], **here}],
        ),
        "C14": (
            "The harm comes from the background in place of the label, not from the missing label.",
            f"what harms is that {structure} is taught as background in {dataset}, not that it was not drawn there",
            "controls",
            "instrument",
            [superior("oracle"), superior("without")],
        ),
    }
    return _RULES | {
        "claims": {
            name: {
                "statement": statement,
                "plain": plain,
                "where": "as in config/claims.yaml, there on hearts",
                "item": item,
                "part": part,
                "reported": "on hearts only",
                "comparisons": comparisons,
            }
            for name, (statement, plain, item, part, comparisons) in claims.items()
            if comparisons
        }
    }


def _place(hide: str, structures: Sequence[str], datasets: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Structure and data set of `cytoplasm@laboratory_2`.

    Raises:
        ValueError: They are not those of the configuration, or cannot be hidden.
    """
    if not datasets:
        raise ValueError(f"datasets: none with format: {FOLDER} (expected two or more folders of your own).")
    structure, _, dataset = hide.partition("@")
    for what, name, valid in (("structure", structure, structures), ("data set", dataset, list(datasets))):
        if name not in valid:
            near = did_you_mean(name, valid)
            expected = f"STRUCTURE@DATASET with a {what} of {', '.join(valid)}"
            raise ValueError(f"--hide: {hide!r} (expected {expected}). {near}".rstrip())
    if len(datasets) < 2:
        raise ValueError(f"datasets: only {dataset} (expected two or more: a shortcut needs another domain).")
    annotated = {name: structure in _annotated_in(settings) for name, settings in datasets.items()}
    if not annotated[dataset]:
        raise ValueError(
            f"datasets.{dataset}: {structure} is not annotated there (expected a data set with labels of it: what is"
            " not there cannot be hidden, nor scored)."
        )
    if sum(annotated.values()) < 2:
        raise ValueError(
            f"datasets: {structure} is annotated in {dataset} alone (expected labels of it in another one, too: hidden"
            " there, it would be learned nowhere)."
        )
    return structure, dataset


def _annotated_in(settings: Mapping[str, Any]) -> Collection[str]:
    """What is annotated in the pictures of a folder; a table may say less of single ones."""
    options = settings.get("options", {})
    annotated = options.get("annotated", "all")
    return options.get("values", {}) if annotated == "all" else annotated


def draft_list(configuration: Path, root: Path, hide: str) -> list[Path]:
    """Write the list of experiments and the claims that a configuration names.

    Args:
        configuration: It names its files, its structures and its folders.
        root: Folder of the workflow.
        hide: What is hidden, such as `cytoplasm@laboratory_2`.

    Returns:
        The files that were written.

    Raises:
        ValueError: A file is there already, or what is to be hidden is not there.
    """
    config = read_configuration(configuration, root)
    formats = formats_of(config["datasets"])
    datasets = {name: settings for name, settings in config["datasets"].items() if formats[name] == FOLDER}
    structures = [one["name"] for one in config["structures"]]
    place = _place(hide, structures, datasets)
    annotated = {name: _annotated_in(settings) for name, settings in datasets.items()}
    files = {
        root / config["experiments"]: _as_tsv(draft_rows(structures, annotated, *place)),
        root / config["claims"]: yaml.safe_dump(
            draft_claims(structures, annotated, *place), sort_keys=False, width=110
        ),
    }
    for path in files:
        if path.exists():
            raise ValueError(f"{path}: there already (expected the name of a new file in {configuration}).")
    for path, text in files.items():
        with replacing(path, "w") as file:
            file.write(text)
    return list(files)


def _as_tsv(rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
