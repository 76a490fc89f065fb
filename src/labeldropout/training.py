"""Training one model with one seed: from its configuration to weights, history and a record of the run."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from tqdm import tqdm

from labeldropout import provenance
from labeldropout.batches import Batches, Cases, draw_unlabelled_cases, hide_labels, load_cases
from labeldropout.devices import choose_device
from labeldropout.labels import Part, Structure
from labeldropout.losses import LOSSES, predict_labels
from labeldropout.prediction import BATCH_SIZE, Model, build_model, forward
from labeldropout.records import HISTORY, PATIENTS
from labeldropout.store import read_json, read_table, replacing, write_json, write_table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    weights: dict[str, torch.Tensor]
    """State of the network at the best epoch, on the CPU."""
    history: pd.DataFrame
    """Table `HISTORY`."""
    images_per_s: float
    """Training images per second of the optimisation loop, validation excluded."""


@torch.inference_mode()
def validation_dice(model: Model, cases: Cases) -> np.ndarray:
    """Dice of every validation case and structure on the network's grid.

    Returns:
        float64 (N, C - 1); NaN where the structure is not annotated or reference and prediction are both empty.
    """
    model.network.eval()
    n_structures = len(model.structures)
    scores = []
    for start in range(0, len(cases), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        logits = forward(model.network, cases.images[part].unsqueeze(1).float() / 255)
        prediction = predict_labels(logits, model.config["loss"])
        channels = torch.arange(1, n_structures + 1, device=logits.device)[:, None, None]
        predicted = prediction[:, None] == channels
        reference = cases.targets[part][:, None] == channels
        both = (predicted & reference).sum((2, 3))
        total = predicted.sum((2, 3)) + reference.sum((2, 3))
        scores.append((2 * both.double() / total).cpu())
    dice = torch.cat(scores).numpy()
    dice[~cases.annotated.numpy()[:, 1:]] = np.nan
    return dice


def summarise_validation(
    dice: np.ndarray, datasets: Sequence[str], structures: Sequence[Structure]
) -> list[dict[str, Any]]:
    """Mean Dice per (data set, structure) cell, and over the cells (decision 8: no data set outweighs another).

    Args:
        dice: float (N, C - 1) with NaN where undefined.
        datasets: Data set of each case.
        structures: Channel order.

    Returns:
        Rows with dataset, structure, dice and n; the last is the mean over cells, under the name "all".
    """
    of_case = np.asarray(datasets)
    rows = []
    for dataset in dict.fromkeys(datasets):
        for column, structure in enumerate(structures):
            values = dice[of_case == dataset, column]
            values = values[~np.isnan(values)]
            if len(values):
                rows.append(
                    {"dataset": dataset, "structure": structure.name, "dice": float(values.mean()), "n": len(values)}
                )
    mean = float(np.mean([row["dice"] for row in rows])) if rows else float("nan")
    rows.append({"dataset": "all", "structure": "all", "dice": mean, "n": int((~np.isnan(dice)).sum())})
    return rows


def _refuse_non_finite(losses: torch.Tensor, batches: list[np.ndarray], table: pd.DataFrame, epoch: int) -> None:
    """Stop a training whose loss is no number any more.

    Raises:
        ValueError: Names epoch, batch and cases.
    """
    bad = torch.nonzero(~torch.isfinite(losses)).flatten()
    if len(bad):
        first = int(bad[0])
        cases = ", ".join(table["case"].iloc[batches[first]])
        raise ValueError(
            f"Training: loss is {float(losses[first])} in epoch {epoch}, batch {first + 1} (expected a finite number);"
            f" cases: {cases}. Lower the learning rate or look at these cases."
        )


def train_epoch(
    model: Model, batches: Batches, optimiser: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler
) -> tuple[torch.Tensor, list[np.ndarray]]:
    """One pass over the training cases.

    Returns:
        Loss of every batch, float64 on the CPU (fetched once, so that a GPU never waits), and the rows of every batch.
    """
    loss_function = LOSSES[model.config["loss"]]
    model.network.train()
    losses, seen = [], []
    for batch in batches:
        loss = loss_function(forward(model.network, batch.image), batch.target, batch.annotated)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
        seen.append(batch.rows)
    return torch.stack(losses).double().cpu(), seen


def build_optimiser(
    model: Model, settings: dict[str, Any], n_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """SGD with Nesterov momentum (section 2 of the paper), its rate decaying as a polynomial to 0 after `n_steps`."""
    optimiser = torch.optim.SGD(
        model.network.parameters(),
        lr=settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        nesterov=True,
    )
    return optimiser, torch.optim.lr_scheduler.PolynomialLR(optimiser, n_steps, settings["decay_power"])


def train(config: dict[str, Any], seed: int, training: Cases, validation: Cases, device: torch.device) -> Trained:
    """Train with SGD, Nesterov momentum and polynomial decay; keep the epoch of best validation Dice.

    Args:
        config: Content of `config.json`.
        seed: Seed of weights, order, augmentation and label dropout.
        training: Training cases, hidden labels already hidden.
        validation: Validation cases with all that the data sets annotate.
        device: Where the cases lie.

    Raises:
        ValueError: The loss is no finite number, or no validation case can be scored.
    """
    settings = config["optimisation"]
    model = build_model(config, seed, device)
    structures = model.structures
    batches = Batches(
        training, settings["batch_size"], config["augmentation"], config["label_dropout"], structures, seed
    )
    optimiser, schedule = build_optimiser(model, settings, settings["epochs"] * len(batches))
    datasets = list(validation.table["dataset"])
    best, best_dice, rows, seconds = None, -1.0, [], 0.0
    epochs = range(1, settings["epochs"] + 1)
    for epoch in tqdm(epochs, desc=f"{config['model']} seed {seed}", unit="epoch", disable=None):
        learning_rate = schedule.get_last_lr()[0]
        started = time.perf_counter()
        losses, seen = train_epoch(model, batches, optimiser, schedule)
        seconds += time.perf_counter() - started
        _refuse_non_finite(losses, seen, training.table, epoch)
        mean_loss = float(np.average(losses.numpy(), weights=[len(part) for part in seen]))
        summary = summarise_validation(validation_dice(model, validation), datasets, structures)
        dice = summary[-1]["dice"]
        if np.isnan(dice):
            raise ValueError("Validation: no case can be scored (expected annotated structures in that part).")
        is_best = dice > best_dice
        if is_best:
            best_dice = dice
            weights = model.network.state_dict()
            best = {name: value.cpu().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}
        rows += [
            {"epoch": epoch, "learning_rate": learning_rate, "loss": mean_loss, **row, "best": int(is_best)}
            for row in summary
        ]
        log.info("epoch %d: loss %.4f, validation Dice %.4f", epoch, mean_loss, dice)
    return Trained(best, pd.DataFrame(rows)[list(HISTORY)], settings["epochs"] * len(training) / seconds)


def _hashes(config: Path, split: Path, prepared: Sequence[Path]) -> dict[str, str]:
    """Hash of every file that a training reads, under names that do not depend on where the study lies."""
    files = {"config.json": config, "splits/patients.csv": split}
    for folder in prepared:
        for name in ("images.npy", "targets.npy", "cases.csv"):
            files[f"prepared/{folder.name}/{name}"] = folder / name
    return {name: provenance.file_sha256(path) for name, path in files.items()}


def train_model(
    config: Path,
    prepared: Sequence[Path],
    split: Path,
    seed: int,
    device: str,
    threads: int,
    output: Path,
    benchmark: Path | None,
) -> None:
    """Train from files to files: `weights.safetensors`, `history.csv` and `run.json` in the output folder.

    Args:
        config: `config.json` of the model.
        prepared: Folders of prepared arrays, named like their data sets.
        split: Table `PATIENTS`.
        seed: Seed of the training.
        device: auto, cpu or cuda.
        threads: Threads of a CPU training.
        output: Folder `seed-<n>`.
        benchmark: JSON for seconds and images/s; None to leave it out.
    """
    started = time.perf_counter()
    settings = read_json(config)
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    if chosen.type == "cpu":
        torch.use_deterministic_algorithms(mode=True)
    folder_by_name = {folder.name: folder for folder in prepared}
    missing = [name for name in settings["train_on"] if name not in folder_by_name]
    if missing:
        raise ValueError(f"{config}: trains on {missing}, but only {sorted(folder_by_name)} were given by --prepared.")
    folders = [folder_by_name[name] for name in settings["train_on"]]
    structures = [Structure[name] for name in settings["structures"]]
    patients = read_table(split, PATIENTS)
    training = load_cases(folders, patients, Part.TRAINING, structures, chosen)
    validation = load_cases(folders, patients, Part.VALIDATION, structures, chosen)
    loses = draw_unlabelled_cases(training.table, settings["hidden"], structures, settings["study_seed"])
    trained = train(settings, seed, hide_labels(training, loses), validation, chosen)
    metadata = {"labeldropout": json.dumps({"config": settings, "seed": seed}, sort_keys=True)}
    with replacing(output / "weights.safetensors") as file:
        file.write(save(trained.weights, metadata))
    write_table(trained.history, output / "history.csv", HISTORY)
    record = {
        "model": settings["model"],
        "seed": seed,
        "device": chosen.type,
        "machine": provenance.device_name(),
        "threads": threads,
        "versions": provenance.versions(),
        "inputs": _hashes(config, split, folders),
        "n_training_cases": len(training),
        "n_validation_cases": len(validation),
        "best_epoch": int(trained.history.loc[trained.history["best"] == 1, "epoch"].max()),
    }
    write_json(record, output / "run.json")
    if benchmark:
        figures = {"seconds": time.perf_counter() - started, "images_per_s": trained.images_per_s}
        write_json({**figures, "device": provenance.device_name(), "commit": provenance.commit()}, benchmark)
