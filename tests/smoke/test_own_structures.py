"""A study of five structures in colour pictures: what the smoke study makes of hearts, by configuration alone."""

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors import safe_open
from workflow_copy import copy_workflow

pytestmark = pytest.mark.slow

STRUCTURES = ("disc", "ring", "square", "bar", "dot")
COLOURS = np.array(
    [(40, 40, 60), (220, 60, 60), (60, 200, 60), (60, 60, 220), (220, 220, 60), (200, 60, 200)], np.float64
)


def folder(where):
    """The data set in one of the folders, as the configuration describes it."""
    values = {name: 10 * (place + 1) for place, name in enumerate(STRUCTURES)}
    options = {"images": f"{where}/{{name}}.png", "masks": f"{where}/{{name}}_m.png", "values": values, "colour": True}
    return {"format": "folder", "raw": "data/raw/shapes", "options": options, "cone": "none"}


STUDY = {
    "study": "shapes",
    "experiments": "config/experiments_shapes.tsv",
    "claims": "config/claims_shapes.yaml",
    "structures": [{"name": name, "title": f"The {name}"} for name in STRUCTURES],
    "datasets": {where: folder(where) for where in ("north", "south")},
    "selection": {"model": "benchmark"},
}  # fmt: skip
ALL = "+".join(STRUCTURES)
WITHIN = {"experiment": "3", "shown_in": "figure_3", "train_on": "north", "evaluated_on": "north"}
ROWS = [
    {"model": "alone", "experiment": "1", "shown_in": "figure_1", "train_on": "north", "structures": "disc"},
    {"model": "plain", "experiment": "2", "shown_in": "figure_2", "loss": "standard"},
    {"model": "whole", "experiment": "2", "shown_in": "figure_2+figure_5+shortcut"},
    WITHIN | {"model": "within-benchmark"},
    WITHIN | {"model": "within", "hidden": "square@north:0.5"},
    {"model": "benchmark", "shown_in": "figure_4+controls+losses+remedies"},
    {"model": "p00", "shown_in": "figure_4+controls+losses+remedies", "hidden": "dot@south:1.0"},
    {
        "model": "p05", "shown_in": "figure_4+losses+remedies", "hidden": "dot@south:1.0", "dropout_structures": "dot",
        "dropout_probability": "0.5", "dropout_mode": "single",
    },
    {"model": "random", "experiment": "5", "shown_in": "controls+remedies", "hidden": "dot@any:south"},
]  # fmt: skip
USUAL = {
    "experiment": "4", "train_on": "north+south", "structures": ALL, "loss": "adaptive", "augmentation": "published",
    "network": "basic_unet", "seeds": "0", "evaluated_on": "north+south",
}  # fmt: skip
CLAIM = {
    "statement": "Label dropout improves the dot.",
    "plain": "hiding outlines at random helps with the dot",
    "where": "ours",
    "item": "figure_4",
    "part": "study",
    "comparisons": [{"kind": "superior", "better": ["p05"], "worse": ["p00"], "dataset": "south", "structure": "dot"}],
}


def draw(rng, side=40):
    """A picture (H, W, 3) with five shapes at slightly different places, and its mask with the values of the folder."""
    row, column = np.indices((side, side)) + rng.integers(-2, 3, (2, 1, 1))
    radius = np.hypot(row - 14, column - 14)
    mask = np.zeros((side, side), np.uint8)
    mask[radius < 11] = 20
    mask[radius < 7] = 10
    mask[(row > 5) & (row < 15) & (column > 27) & (column < 37)] = 30
    mask[(row > 28) & (row < 33) & (column > 4) & (column < 24)] = 40
    mask[np.hypot(row - 28, column - 31) < 5] = 50
    return COLOURS[mask // 10] + rng.normal(0, 12, (side, side, 3)), mask


def write_pictures(root):
    """Two hospitals with ten patients of two pictures each; the second sees everything through a blue glass."""
    for seed, (where, glass) in enumerate({"north": (1, 1, 1), "south": (0.6, 0.7, 1)}.items()):
        rng = np.random.default_rng(seed)
        (root / where).mkdir(parents=True)
        for number in range(12):
            picture, mask = draw(rng)
            Image.fromarray((picture * glass).clip(0, 255).astype(np.uint8)).save(root / where / f"{number:02d}.png")
            Image.fromarray(mask).save(root / where / f"{number:02d}_m.png")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The finished study, with our own experiments and the report."""
    workflow = copy_workflow(tmp_path_factory.mktemp("shapes") / "study")
    write_pictures(workflow.root / "data" / "raw" / "shapes")
    config = workflow.root / "config"
    (config / "shapes.yaml").write_text(yaml.safe_dump(STUDY))
    rules = {"level": 0.05, "margin": 0.02, "limit": 0.5, "fewest_patients": 6, "fewest_seeds": 3}
    own = CLAIM | {"part": "instrument", "item": "remedies"}
    (config / "claims_shapes.yaml").write_text(yaml.safe_dump(rules | {"claims": {"C1": CLAIM, "C2": own}}))
    columns = (config / "experiments_smoke.tsv").read_text().split("\n")[0].split("\t")
    with (config / "experiments_shapes.tsv").open("w", newline="") as file:
        table = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(dict.fromkeys(columns, "") | USUAL | row for row in ROWS)
    for target in ("all", "instrument"):
        workflow.finish(target, "--configfile", "config/smoke.yaml", "config/shapes.yaml")
    made = workflow.run("report", "--results", "results/smoke", module="labeldropout")
    assert made.returncode == 0, made.stderr
    return workflow.root / "results" / "smoke"


def rows_of(study, name):
    """The rows of a table."""
    with (study / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def texts_of(study, name):
    """The text of a figure."""
    return (study / "figures" / f"{name}.svg").read_text()


def test_every_table_speaks_of_the_study_s_structures_and_of_real_data(study):
    """No name of a heart is left, every structure has a score, and the made-up pictures count as real ones."""
    figure_4 = rows_of(study, "figure_4")
    assert {row["structure"] for row in figure_4} == {*STRUCTURES, "mean"}
    assert {row["data"] for row in figure_4} == {"real"}
    (north, south) = rows_of(study, "table_1")
    assert [north[name] for name in STRUCTURES] == ["12"] * 5
    assert (south["dataset"], south["patients"], south["reported_images"]) == ("south", "12", "-")
    (claim,) = rows_of(study, "claims")
    assert (claim["structure"], claim["data"]) == ("dot", "real")
    written = "".join(path.read_text() for path in sorted((study / "tables").glob("*.md")))
    assert "LVM" not in written
    assert "Simulated" not in written


def test_the_unit_is_an_image_where_nobody_has_said_who_belongs_together(study):
    """Tables do not speak of patients if every picture is a group of its own."""
    for name in ("table_1", "tests", "figure_4", "claims"):
        assert "patient" not in (study / "tables" / f"{name}.md").read_text().lower(), name


def test_every_figure_is_drawn_with_the_study_s_titles(study):
    """Figures name what is hidden from the list of experiments, and structures by their titles."""
    for name in ("figure_1", "figure_2", "figure_3", "figure_4", "figure_5", "training_curves", "claims"):
        assert (study / "figures" / f"{name}.png").stat().st_size > 1000
    assert "Figure 3. The square hidden in a share of the cases" in texts_of(study, "figure_3")
    assert "Figure 4. The dot hidden in south" in texts_of(study, "figure_4")
    for name in ("controls", "losses", "remedies"):
        assert "the dot" in texts_of(study, name).lower()
    for name in ("figure_2", "training_curves"):
        assert all(f"The {structure}" in texts_of(study, name) for structure in STRUCTURES)
    assert "simulated" not in texts_of(study, "figure_4")


def test_weights_say_what_they_are_for(study):
    """Structures with their values, and the channels of the pictures, are in the metadata."""
    with safe_open(study / "models" / "p05" / "seed-0" / "weights.safetensors", "pt") as file:
        config = json.loads(file.metadata()["labeldropout"])["config"]
    assert config["structures"] == {name: place for place, name in enumerate(STRUCTURES, start=1)}
    assert config["channels"] == 3


def test_nothing_is_drawn_by_an_observer(study):
    """The study has no use for the masks of one, so that none is asked for."""
    assert not (study / "annotation").exists()


def test_the_report_shows_the_structures(study):
    """One page for any study, with overlays."""
    page = (study / "report.html").read_text()
    assert all(f"</span> {name}" in page for name in STRUCTURES)
    assert "dot 0." in page or "dot 1." in page
