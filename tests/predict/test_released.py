"""The released model: it comes with the package, and outlines real pictures sensibly."""

import csv
import importlib.resources
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy import ndimage

from labeldropout.heart import Structure
from labeldropout.learning.model import load_model
from labeldropout.predict.outline import RELEASED_WEIGHTS, predict_files
from labeldropout.predict.release import CARD, DATA, SCORES, model_card, release
from labeldropout.provenance import file_sha256
from labeldropout.running.sidecars import weights_metadata

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / "results" / "released"
REAL = ROOT.parent / "shared" / "real"
SHARE_OF_THE_SECTOR = {Structure.LV: (0.10, 0.35), Structure.LVM: (0.03, 0.25), Structure.LA: (0.02, 0.20)}
"""Lowest and highest that an apical four-chamber view of a heart of any size shows: loose."""


def test_the_weights_are_part_of_the_package():
    """The package has them, where `predict` looks for them."""
    with importlib.resources.as_file(importlib.resources.files("labeldropout.predict") / "released") as folder:
        assert (folder / RELEASED_WEIGHTS.name).read_bytes() == RELEASED_WEIGHTS.read_bytes()


def test_the_repository_has_one_copy_of_them():
    """A second copy would be forgotten."""
    listed = subprocess.run(["git", "ls-files", "*.safetensors"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone of the repository")
    assert listed.stdout.split() == [RELEASED_WEIGHTS.relative_to(ROOT).as_posix()]


@pytest.mark.slow
def test_a_wheel_carries_them(tmp_path):
    """Whoever installs a wheel, without a clone, has the same weights."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(tmp_path)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.read(RELEASED_WEIGHTS.relative_to(ROOT / "src").as_posix())
    assert inside == RELEASED_WEIGHTS.read_bytes()


def test_it_outlines_every_structure():
    """The metadata of the weights are enough to use them, and the model knows all three structures."""
    model = load_model(RELEASED_WEIGHTS, torch.device("cpu"))
    assert model.structures == (Structure.LV, Structure.LVM, Structure.LA)
    assert 0 <= float(model.config["crop_margin"]) < 0.5
    blank = np.zeros((1, model.grid_size, model.grid_size), np.uint8)
    assert model.probabilities(blank).sum(1) == pytest.approx(1, abs=1e-4)


def rows(path):
    """Rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def card(**changes):
    """The card of the released weights, with changes to what they carry."""
    trained = weights_metadata(RELEASED_WEIGHTS)
    trained["config"].update(changes)
    return model_card(trained, rows(CARDS / DATA), rows(CARDS / SCORES))


def test_the_card_is_that_of_the_weights_and_the_tables():
    """The committed page is what the program writes from the weights' metadata and the committed tables."""
    assert (CARDS / CARD).read_text(encoding="utf-8") == card(), "run labeldropout release"


def test_the_card_says_what_a_user_must_know():
    """That hearts were simulated, what follows the network, what the model is not for, and every score."""
    text = card()
    for words in ("only simulated hearts", "keeps the largest component", "no medical device"):
        assert words in text
    for row in rows(CARDS / SCORES):
        assert f"| {row['structure']} | {float(row['dice_mean']):.3f} |" in text


def test_the_card_tells_the_training_as_the_weights_have_it():
    """Steps or epochs, label dropout or none, and augmentation in the form of old and new models."""
    now = {"blur_sigma_px": {"probability": 0.2, "range": [0.5, 1.0]}}
    text = card(
        augmentation={"name": "published", "transforms": now},
        label_dropout=None,
        optimisation={"steps": 6000, "epochs": None, "batch_size": 16, "learning_rate": 0.1},
    )
    assert "| blur sigma px 0.5 to 1 with probability 0.2 |" in text
    assert "| label dropout | none |" in text
    assert "| 6000 steps, batches of 16, initial learning rate 0.1 |" in text
    assert "blur sigma px 0.5 to 1;" in card(augmentation={"blur_sigma_px": [0.5, 1], "scale": [1, 1]})
    assert "| augmentation | none |" in card(augmentation=None)


def test_tables_about_other_models_are_refused():
    """A card never shows the scores of another model."""
    with pytest.raises(ValueError, match=r"released.csv and table_1.csv: no row about another, seed 0"):
        card(model="another")


def test_release_puts_weights_card_and_tables_in_their_places(tmp_path):
    """The weights byte for byte, beside nothing else; the card with the tables that it rests on."""
    trained = weights_metadata(RELEASED_WEIGHTS)
    output = tmp_path / "package" / "weights.safetensors"
    release(RELEASED_WEIGHTS, trained, CARDS, output, tmp_path / "card")
    assert output.read_bytes() == RELEASED_WEIGHTS.read_bytes()
    assert sorted(path.name for path in (tmp_path / "card").iterdir()) == sorted([CARD, DATA, SCORES])
    for name in (CARD, DATA, SCORES):
        assert (tmp_path / "card" / name).read_bytes() == (CARDS / name).read_bytes()


def test_release_without_the_tables_changes_nothing(tmp_path):
    """The message says what makes them; the package keeps the weights that it has."""
    with pytest.raises(ValueError, match=r"table_1.csv: no such table .*released --configfile config/released.yaml"):
        release(RELEASED_WEIGHTS, weights_metadata(RELEASED_WEIGHTS), tmp_path, tmp_path / "w", tmp_path / "card")
    assert list(tmp_path.iterdir()) == []


def test_the_record_beside_the_card_names_the_weights():
    """`verify` finds the card, its tables and the package's weights as they were recorded."""
    record = json.loads((CARDS / "README.provenance.json").read_text(encoding="utf-8"))
    name = RELEASED_WEIGHTS.relative_to(ROOT).as_posix()
    assert record["inputs"][name] == file_sha256(RELEASED_WEIGHTS)
    assert record["files"] == {f"results/released/{one}": file_sha256(CARDS / one) for one in (CARD, SCORES, DATA)}
    assert record["target"] == "snakemake released"


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder shared/real is not beside the repository")
@pytest.mark.parametrize("name", ["a4c_single", "a4c_sequence"])
def test_it_outlines_real_pictures_sensibly(tmp_path, name):
    """One region of a plausible size for each structure; the ventricle lies above the atrium, right of the septum.

    Still and clip are one real four-chamber recording that nobody annotated: this shows gross errors and nothing else.
    The lateral wall runs along the edge of the cone there, and the model mostly leaves it out (docs/DIARY.md).
    """
    predict_files([REAL / f"{name}.nii.gz"], None, cone="geometry", cone_network=None, device="cpu", output=tmp_path)
    drawn = np.asarray(nib.load(tmp_path / f"{name}.nii.gz").dataobj).T
    sector = np.asarray(nib.load(REAL / f"{name}_sector_mask.nii.gz").dataobj).T > 0.5
    frames = drawn.reshape(-1, *drawn.shape[-2:])
    n_sector = sector.reshape(-1, *drawn.shape[-2:])[0].sum()
    for frame in frames:
        for structure, (low, high) in SHARE_OF_THE_SECTOR.items():
            assert low < (frame == structure).sum() / n_sector < high, structure
            assert ndimage.label(frame == structure, np.ones((3, 3)))[1] == 1, structure
        row, column = (
            {structure: np.argwhere(frame == structure)[:, axis].mean() for structure in SHARE_OF_THE_SECTOR}
            for axis in (0, 1)
        )
        assert row[Structure.LV] < row[Structure.LA]
        at_middle = np.flatnonzero(frame[round(row[Structure.LV])] == Structure.LVM)
        assert at_middle.min() < column[Structure.LV]
