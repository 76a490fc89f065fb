"""The released model: it comes with the package, and outlines real pictures sensibly."""

import importlib.resources
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

from labeldropout.labels import Structure
from labeldropout.learning.model import load_model
from labeldropout.predict.outline import RELEASED_WEIGHTS, predict_files

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"
SHARE_OF_THE_SECTOR = {Structure.LV: (0.10, 0.35), Structure.LVM: (0.05, 0.25), Structure.LA: (0.02, 0.20)}
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


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder shared/real is not beside the repository")
@pytest.mark.parametrize("name", ["a4c_single", "a4c_sequence"])
def test_it_outlines_real_pictures_sensibly(tmp_path, name):
    """One region of a plausible size for each structure; the ventricle lies above the atrium, its wall on both sides.

    Still and clip are one real four-chamber recording that nobody annotated: this shows gross errors and nothing else.
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
        assert at_middle.min() < column[Structure.LV] < at_middle.max()
