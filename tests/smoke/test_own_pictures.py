"""The page on a study of one's own pictures, done as it says: five structures and three channels, and no code."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from workflow_copy import ROOT, Workflow, copy_workflow

PAGE = (ROOT / "docs" / "study" / "own-pictures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
(CONFIGURATION,) = (text for kind, text in BLOCKS if kind == "yaml")
VALUES = (50, 100, 150, 200, 250)
TINY = {
    "device": "cpu",
    "grid_size": 32,
    "training": {"network": {"features": [4, 4, 8, 8, 8, 4]}, "optimisation": {"steps": 6, "validations": 3}},
    "selection": {"steps": None, "learning_rate": [0.1], "batch_size": [8]},
    "split": {"fractions": {"training": 0.5, "validation": 0.25, "test": 0.25}},
    "statistics": {"draws": 50},
}
"""What the test changes, so that it takes minutes."""

pytestmark = pytest.mark.slow


def write_pictures(folder: Path, n_images: int, ground: int, seed: int) -> None:
    """Colour pictures of five discs side by side, each of its own colour, and their masks."""
    rng = np.random.default_rng(seed)
    colours = np.array([(ground, 60, 40), *rng.integers(90, 255, (5, 3))])
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(1, n_images + 1):
        height, width = rng.integers(40, 56, 2)
        rows, columns = np.ogrid[:height, :width]
        number_of = np.zeros((height, width), np.uint8)
        for place in range(5):
            at = rng.uniform(0.3, 0.7) * height, (place + 0.5) / 5 * width
            number_of[(rows - at[0]) ** 2 + (columns - at[1]) ** 2 < rng.uniform(9, 16)] = place + 1
        picture = colours[number_of] + rng.normal(0, 6, (height, width, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"images/{number:03d}.png")
        Image.fromarray(np.array([0, *VALUES], np.uint8)[number_of]).save(folder / f"masks/{number:03d}.png")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A workflow with two folders of pictures, after every command of the page."""
    workflow = copy_workflow(tmp_path_factory.mktemp("own") / "study")
    write_pictures(workflow.root / "pictures" / "scanner_a", 16, 200, 1)
    write_pictures(workflow.root / "pictures" / "scanner_b", 12, 90, 2)
    (workflow.root / "config/mine.yaml").write_text(CONFIGURATION)
    (workflow.root / "config/tiny.yaml").write_text(json.dumps(TINY))
    for command in COMMANDS:
        program, *words = command.split()
        if program == "snakemake":
            words = [
                "2" if word == "all" and words[place - 1] == "--cores" else word for place, word in enumerate(words)
            ]
            words += ["config/tiny.yaml"] if words[-1] == "config/mine.yaml" else []
        result = workflow.run(*words, module=program)
        if words[0] == "draft-list":  # one seed in place of three
            drafted = workflow.root / "config/experiments_mine.tsv"
            drafted.write_text(drafted.read_text().replace("\t0,1,2\t", "\t0\t"))
        assert result.returncode == 0, f"{command}\n{(result.stdout + result.stderr)[-6000:]}"
    return workflow


def test_the_configuration_is_short():
    """A stranger writes at most thirty lines."""
    assert len(CONFIGURATION.splitlines()) <= 30


def test_the_proposal_is_what_the_page_corrects(study):
    """What `inspect` wrote has the folders, patterns and values of the page; only names are different."""
    proposed = yaml.safe_load((study.root / "config/proposed.yaml").read_text())
    mine = yaml.safe_load(CONFIGURATION)
    assert list(proposed["datasets"]) == list(mine["datasets"]) == ["scanner_a", "scanner_b"]
    for name, settings in mine["datasets"].items():
        found = proposed["datasets"][name]
        assert found["options"]["images"] == settings["options"]["images"]
        assert found["options"]["masks"] == settings["options"]["masks"]
        assert sorted(found["options"]["values"].values()) == sorted(settings["options"]["values"].values())
        assert found["options"]["colour"] is settings["options"]["colour"] is True
        assert found["cone"] == "none"


def test_figure_4_and_the_ledgers_are_there(study):
    """Figures and tables name the page's structures, and say that the data are real."""
    results = study.root / "results/mine"
    for name in ("figure_4", "claims", "training_curves", "remedies", "controls", "decomposition", "claims_instrument"):
        assert (results / f"figures/{name}.svg").stat().st_size > 1000, name
    for ledger in ("claims", "claims_instrument"):
        table = pd.read_csv(results / f"tables/{ledger}.csv")
        assert set(table["data"]) == {"real"}
        assert "lesion" in set(table["structure"])
    curves = pd.read_csv(results / "tables/training_curves.csv")
    assert {"disc", "cup", "fovea", "vessel", "lesion"} <= set(curves["structure"])
    assert "simulated" not in (results / "figures/figure_4.svg").read_text()


def test_what_a_model_saw_has_three_channels_and_five_structures(study):
    """Stores say what their pixels mean, and every model was trained on that."""
    store = json.loads((study.root / "results/mine/cases/scanner_a/pixels.json").read_text())
    assert store == {"channels": 3, "structures": {"disc": 1, "cup": 2, "fovea": 3, "vessel": 4, "lesion": 5}}
    config = json.loads((study.root / "results/mine/models/p05/config.json").read_text())
    assert config["channels"] == 3
    assert config["structures"] == store["structures"]
