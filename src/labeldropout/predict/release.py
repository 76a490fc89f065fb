"""The verb `release`: put a model into the package, where `predict` takes it from, and write its model card."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from labeldropout.analysis.typesetting import number
from labeldropout.files import replacing
from labeldropout.learning.model import load_model
from labeldropout.publication.figures.draw import TITLES
from labeldropout.publication.templates import environment

TEMPLATE = "model_card.md.jinja"
CARD = "README.md"
DATA, SCORES = "table_1.csv", "released.csv"
"""Tables of the model's study on which the card rests; the card's folder keeps a copy."""


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _augmentation(settings: Mapping[str, Any] | None) -> str:
    """The ranges of the augmentation in words; models of an earlier version have a range alone for each kind."""
    if not settings:
        return "none"
    kinds = settings.get("transforms", settings)
    words = []
    for name, one in kinds.items():
        low, high = one["range"] if isinstance(one, Mapping) else one
        often = f" with probability {one['probability']:g}" if isinstance(one, Mapping) else ""
        words.append(f"{name.replace('_', ' ')} {low:g} to {high:g}{often}")
    return "; ".join(words)


def _duration(optimisation: Mapping[str, Any]) -> str:
    """How long a training was, in the unit in which it was counted."""
    unit = "steps" if optimisation.get("steps") else "epochs"
    return f"{optimisation[unit]} {unit}"


def model_card(
    trained: Mapping[str, Any], data: Sequence[Mapping[str, str]], scores: Sequence[Mapping[str, str]]
) -> str:
    """The model card in Markdown; the same weights and tables give the same text.

    Args:
        trained: The `config` and the `seed` that the weights carry.
        data: Rows of `TABLE_1` of the model's study; those that it was not trained on are left out.
        scores: Rows of `FIGURE_TABLE` of the model; those of its other seeds are left out.

    Raises:
        ValueError: No row is about the model.
    """
    config, seed = trained["config"], trained["seed"]
    own = [row for row in scores if (row["model"], row["seed"]) == (config["model"], str(seed))]
    datasets = [row for row in data if row["dataset"] in config["train_on"]]
    if not own or not datasets:
        raise ValueError(
            f"{SCORES} and {DATA}: no row about {config['model']}, seed {seed}, trained on"
            f" {' and '.join(config['train_on'])} (expected the tables of the study that trained it)."
        )
    templates = environment()
    templates.filters |= {
        "dice": lambda cell: number(float(cell) if cell else math.nan),
        "words": lambda name: name.replace("_", " "),
    }
    return templates.get_template(TEMPLATE).render(
        config=config,
        seed=seed,
        is_simulated=config["simulated"],
        augmentation=_augmentation(config["augmentation"]),
        duration=_duration(config["optimisation"]),
        datasets=datasets,
        scores=own,
        titles=TITLES,
    )


def release(weights: Path, trained: Mapping[str, Any], tables: Path, output: Path, card: Path) -> None:
    """Copy a model's weights to where `predict` finds them, after loading them once, and write the model card.

    Args:
        weights: weights.safetensors of a training.
        trained: The `config` and the `seed` that they carry.
        tables: Folder with the tables `DATA` and `SCORES` of the model's study.
        output: Where the package has its weights.
        card: Folder for the card and copies of both tables.

    Raises:
        ValueError: The weights are not a model of this program, or a table is missing or about other models.
    """
    load_model(weights, torch.device("cpu"))
    for name in (DATA, SCORES):
        if not (tables / name).is_file():
            raise ValueError(
                f"{tables / name}: no such table (expected what `snakemake released --configfile config/released.yaml`"
                " makes)."
            )
    content = {path: (tables / path).read_bytes() for path in (DATA, SCORES)}
    text = model_card(trained, _rows(tables / DATA), _rows(tables / SCORES))
    for path, written in (
        (output, weights.read_bytes()),
        *((card / name, copied) for name, copied in content.items()),
        (card / CARD, text.encode()),
    ):
        with replacing(path) as file:
            file.write(written)
