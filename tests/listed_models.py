"""Models as the rules hand them to the tables: `config.json` files, and two cells of the list for each."""

from pathlib import Path

from labeldropout.files import write_json
from labeldropout.heart import STRUCTURES
from labeldropout.learning.experiments import parse_row
from labeldropout.learning.resolve import resolve

DATASETS = ("camus", "unity", "echonet")
SETTINGS = {
    "augmentation": {"published": {}, "strong": {}},
    "network": {"features": [4, 4]},
    "optimisation": {"steps": 4, "epochs": None, "validations": 2},
    "grid_size": 32,
    "crop_margin": 0.02,
    "channels": 1,
    "study_seed": 7,
    "simulated": True,
}


def listed_models(folder: Path, rows: list[dict[str, str]]) -> dict[str, list]:
    """Write the settings of these rows below a folder; the arguments by which tables are told of the models."""
    models = [parse_row(row, DATASETS, STRUCTURES) for row in rows]
    paths = [folder / "models" / model.model / "config.json" for model in models]
    for model, path in zip(models, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(resolve(model, SETTINGS, {}), path)
    return {
        "configs": paths,
        "seeds": [row["seeds"] for row in rows],
        "shown_in": [row.get("shown_in", "") for row in rows],
    }
