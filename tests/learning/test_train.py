"""Training from files to files."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from labeldropout.files import read_table
from labeldropout.heart import FOREGROUND
from labeldropout.learning.model import load_model
from labeldropout.learning.tables import HISTORY
from labeldropout.learning.train import SGD, train_model
from labeldropout.learning.validation import summarise_validation

CPU = torch.device("cpu")


def run(study, name="out", seed=0, **changes):
    """Train the small model; return its folder."""
    output = study.root / name
    train_model(
        config=study.config(**changes),
        prepared=[study.prepared("first"), study.prepared("second")],
        split=[study.split],
        seed=seed,
        device="cpu",
        threads=1,
        output=output,
        benchmark=study.root / f"{name}.json",
    )
    return output


@pytest.fixture(autouse=True)
def _restore_determinism():
    yield
    torch.use_deterministic_algorithms(mode=False)


def optimisation(study, **changes):
    """The small model's optimisation with changes."""
    return {**json.loads(study.config().read_text())["optimisation"], **changes}


def test_the_same_seed_gives_the_same_bytes(small_study):
    """Weights, history and record of a CPU training are the same bit for bit; another seed gives other weights."""
    dropout = {"structures": ["LA"], "probability": 0.5, "mode": "single"}
    first = run(small_study, "a", label_dropout=dropout)
    second = run(small_study, "b", label_dropout=dropout)
    other = run(small_study, "c", seed=1, label_dropout=dropout)
    for name in ("weights.safetensors", "history.csv", "run.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()


def test_a_training_learns(small_study):
    """Twelve epochs on bright discs find myocardium in both data sets."""
    output = run(small_study, optimisation=optimisation(small_study, epochs=12))
    history = read_table(output / "history.csv", HISTORY)
    last = history[(history["step"] == 12 * 6) & (history["structure"] == "LVM")]
    assert (last["dice"] > 0.7).all()
    losses = history[history["dataset"] == "all"]["loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[0]


@pytest.mark.parametrize("loss", ["standard", "adaptive", "marginal", "marginal_exclusion", "adaptive_bce"])
def test_every_loss_trains(small_study, loss):
    """Each loss of the list runs through the same switch and leaves a model that loads."""
    model = load_model(run(small_study, loss=loss) / "weights.safetensors", CPU)
    probabilities = model.probabilities(np.zeros((2, 32, 32), np.uint8))
    assert probabilities.shape == (2, 4, 32, 32)
    assert np.isfinite(probabilities).all()


def test_hidden_labels_are_hidden_from_training_only(small_study):
    """Validation keeps what the data set annotates, so the history scores the atrium that no training case shows."""
    output = run(small_study, hidden=[{"structure": "LA", "dataset": "first", "share": 1.0}])
    history = read_table(output / "history.csv", HISTORY)
    cells = set(zip(history["dataset"], history["structure"], strict=True))
    assert ("first", "LA") in cells
    assert ("second", "LA") not in cells


def test_the_best_validation_is_the_one_kept(small_study):
    """`best` marks each new maximum of the mean over cells, earliest first, and the record names the last of them."""
    output = run(small_study, optimisation=optimisation(small_study, epochs=5))
    history = read_table(output / "history.csv", HISTORY)
    means = history[history["dataset"] == "all"]
    record = json.loads((output / "run.json").read_text())
    assert record["best_step"] == means["step"].iloc[means["dice"].to_numpy().argmax()]
    assert record["instructions"] == [torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA")]
    assert set(record["inputs"]) >= {"config.json", "splits/patients.csv", "prepared/first/images.npy"}


def test_no_data_set_outweighs_another_in_the_choice_of_weights():
    """The mean is over (data set, structure) cells, not over cases; undefined scores are left out and counted."""
    dice = np.array([[1.0, np.nan, np.nan]] * 9 + [[0.0, 0.5, np.nan]])
    rows = summarise_validation(dice, ["many"] * 9 + ["few"], FOREGROUND)
    assert rows[-1] == {"dataset": "all", "structure": "all", "dice": pytest.approx(0.5), "n": 11}
    assert pd.DataFrame(rows).set_index(["dataset", "structure"]).loc[("many", "LV"), "n"] == 9


def test_a_loss_that_is_no_number_stops_with_step_and_cases(small_study):
    """A learning rate of 1e30 ends with one message that names where, and leaves no weights."""
    with pytest.raises(ValueError, match=r"loss is (nan|inf) in step \d.*cases: (first|second)-") as error:
        run(small_study, optimisation=optimisation(small_study, learning_rate=1e30))
    assert "Lower the learning rate" in str(error.value)
    assert not (small_study.root / "out" / "weights.safetensors").exists()


def test_a_data_set_that_was_not_given_is_named(small_study):
    """A model that trains on data not handed over is refused with both lists."""
    with pytest.raises(ValueError, match=r"trains on \['third'\].*\['first', 'second'\]"):
        run(small_study, train_on=["third"])


def test_the_optimiser_steps_like_pytorchs_own():
    """SGD without decorators gives the same bytes, keeps no graph, and can be saved and restored."""
    results = []
    for kind in (torch.optim.SGD, SGD):
        weights = torch.linspace(-1, 1, 7).requires_grad_()
        optimiser = kind([weights], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
        for _ in range(5):
            optimiser.zero_grad(set_to_none=True)
            (weights**4).sum().backward()
            optimiser.step()
            optimiser.load_state_dict(optimiser.state_dict())
        momentum = optimiser.state_dict()["state"][0]["momentum_buffer"]
        assert not momentum.requires_grad
        results.append((weights.detach(), momentum))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_a_training_loads_no_more_than_it_needs(small_study):
    """PyTorch's compiler and what it needs take seconds to import, and nothing is compiled; MONAI's extras likewise."""
    arguments = ["train", "--device", "cpu", "--seed", "0", "--output", str(small_study.root / "out")]
    arguments += ["--checkpoints", str(small_study.root / "scratch")]
    arguments += ["--config", str(small_study.config()), "--split", str(small_study.split), "--prepared"]
    arguments += [str(small_study.prepared(name)) for name in ("first", "second")]
    program = f"""
import sys
from labeldropout.cli.main import main
status = main({arguments!r})
print(status, {{name.split(".")[0] for name in sys.modules}} & {{"sympy", "matplotlib", "sklearn", "torchvision"}})
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "0 set()\n"
