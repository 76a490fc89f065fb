"""The recipes for other people's frameworks run as they stand, on made-up data."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "docs" / "recipes"
PYTHON = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def environment(**more):
    """Ours, with the package, and with the stand-in for torchvision before everything else."""
    path = os.pathsep.join([str(ROOT / "tests" / "standins"), str(ROOT / "src")])
    home = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": path, "PATH": home, "OMP_NUM_THREADS": "1", **more}


def run(*words, **more):
    """Run a program in a folder, and show its end if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_every_recipe_is_tested():
    """A new recipe gets a test."""
    assert {path.stem for path in RECIPES.glob("*.md")} == {"lightning", "monai", "nnunet", "segmentation_models"}


@pytest.mark.parametrize("name", ["lightning", "monai", "segmentation_models"])
def test_a_recipe_prints_what_it_says(name, tmp_path):
    """The program of the page runs in an empty folder and prints what the page shows."""
    ((program, output),) = PYTHON.findall((RECIPES / f"{name}.md").read_text(encoding="utf-8"))
    assert run(sys.executable, "-c", program, cwd=tmp_path, env=environment()) == output


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory):
    """A trained nnU-Net: folder of the training, and the label sets."""
    root = tmp_path_factory.mktemp("nnunet")
    page = (RECIPES / "nnunet.md").read_text(encoding="utf-8")
    raw = root / "raw" / "Dataset501_Organs"
    description = json.loads(re.search(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    description["label_sets"] = write_pictures(raw)
    description["numTraining"] = len(description["label_sets"])
    (raw / "dataset.json").write_text(json.dumps(description))
    (root / "mine").mkdir()
    (root / "mine" / "short.py").write_text(PYTHON.search(page)[1])
    named = {f"nnUNet_{name}": str(root / name) for name in ("raw", "preprocessed", "results")}
    quiet = {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f", "nnUNet_wandb_enabled": "0", "nnUNet_def_n_proc": "1"}
    commands = re.search(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    commands = commands.replace("nnUNetTrainerLabelDropout", "nnUNetTrainerLabelDropoutShort")
    plan, *train = commands.splitlines()
    shell = {"cwd": root, "env": environment(**named, **quiet)}
    run("bash", "-ec", f"{plan} -npfp 1", **shell)
    shell["env"]["nnUNet_n_proc_DA"] = "0"  # load the pictures in the process that trains
    shrink(root / "preprocessed" / "Dataset501_Organs" / "nnUNetPlans.json")
    train.insert(1, f'export nnUNet_extTrainer="$nnUNet_extTrainer:{root / "mine"}"')
    printed = run("bash", "-ec", "\n".join(train), **shell)
    (trained,) = (root / "results" / "Dataset501_Organs").glob("*/fold_0")
    return trained, description["label_sets"], printed


def write_pictures(raw):
    """Twelve pictures with a bright and a dark organ; the second hospital has never drawn the dark one."""
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    sets, rng = {}, np.random.default_rng(0)
    for number in range(12):
        key = f"{'first' if number % 2 else 'second'}_{number:02d}"
        image, label = rng.integers(90, 110, (40, 40)), np.zeros((40, 40), np.uint8)
        image[6:16, 6:16], label[6:16, 6:16] = 220, 1
        image[22:34, 22:34] = 20
        label[22:34, 22:34] = 2 * (number % 2)
        sets[key] = ["bright", "dark"] if number % 2 else ["bright"]
        Image.fromarray(image.astype(np.uint8)).save(raw / "imagesTr" / f"{key}_0000.png")
        Image.fromarray(label).save(raw / "labelsTr" / f"{key}.png")
    return sets


def shrink(path):
    """Make nnU-Net's plans those of a network that trains in seconds."""
    plans = json.loads(path.read_text())
    planned = plans["configurations"]["2d"]
    planned["batch_size"] = 4
    network = planned["architecture"]["arch_kwargs"]
    stages = network["n_stages"]
    network["features_per_stage"] = [8] * stages
    path.write_text(json.dumps(plans))


def test_nnunet_s_own_command_trains_with_label_sets(nnunet):
    """The commands of the page train a network, with the trainer derived as the page says."""
    folder, _, printed = nnunet
    assert "nnUNetTrainerLabelDropoutShort" in folder.parent.name
    assert (folder / "checkpoint_final.pth").is_file()
    assert "Pseudo dice" in printed


def test_what_nobody_drew_is_no_false_positive_in_nnunet_s_summary(nnunet):
    """In validation/summary.json a structure is NaN where it was not annotated, and the mean is over the others."""
    folder, sets, _ = nnunet
    summary = json.loads((folder / "validation" / "summary.json").read_text())
    dark = []
    for case in summary["metric_per_case"]:
        key = Path(case["prediction_file"]).stem
        metrics = case["metrics"]["2"]
        assert np.isnan(metrics["FP"]) == ("dark" not in sets[key])
        assert not np.isnan(case["metrics"]["1"]["FP"])
        dark.append(metrics["FP"])
    assert np.isnan(dark).any()
    assert summary["mean"]["2"]["FP"] == pytest.approx(np.nanmean(dark))
