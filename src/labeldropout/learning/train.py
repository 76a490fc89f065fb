"""Training one model with one seed: from its configuration to weights, history and a record of the run."""

import hashlib
import inspect
import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from tqdm import tqdm

from labeldropout import provenance
from labeldropout.data.parts import read_parts
from labeldropout.devices import choose_device
from labeldropout.files import read_json, replacing, write_json, write_table
from labeldropout.fingerprint import fingerprint
from labeldropout.labels import Part, structures_of
from labeldropout.learning.batches import IGNORED, Batches, Cases, draw_unlabelled_cases, hide_labels, load_cases
from labeldropout.learning.checkpoints import Checkpoints, hold
from labeldropout.learning.duration import duration_of
from labeldropout.learning.experiments import code_choices
from labeldropout.learning.model import Model, build_model, forward
from labeldropout.learning.tables import HISTORY
from labeldropout.learning.validation import summarise_validation, validation_dice
from labeldropout.losses import LOSSES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    weights: dict[str, torch.Tensor]
    """State of the network at the best validation, on the CPU."""
    history: pd.DataFrame
    """Table `HISTORY`."""
    images_per_s: float
    """Training images per second of the optimisation loop; excludes validation and whatever preceded a resumption."""
    resumed_after_step: list[int]
    """The steps that were done at each resumption; empty if nothing interrupted the training."""


@dataclass
class Progress:
    """The state of a training after a validation, apart from network, optimiser, schedule and draws."""

    step: int = 0
    """Number of optimisation steps done."""
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    best_dice: float = -1.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    resumed_after_step: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Engine:
    """Everything that a batch advances."""

    model: Model
    batches: Batches
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler

    def state(self, progress: Progress) -> dict[str, Any]:
        """Everything that the remaining steps depend on."""
        device = self.model.device
        return {
            "network": self.model.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "batches": self.batches.state(),
            "generator": torch.get_rng_state(),
            "generator_of_card": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "progress": vars(progress),
        }

    def restore(self, state: dict[str, Any]) -> Progress:
        """Return to the point at which `state` was called."""
        device = self.model.device
        self.model.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.batches.restore(state["batches"])
        torch.set_rng_state(state["generator"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(state["generator_of_card"], device)
        progress = Progress(**state["progress"])
        progress.resumed_after_step.append(progress.step)
        return progress


def _refuse_non_finite(losses: torch.Tensor, batches: list[np.ndarray], table: pd.DataFrame, done: int) -> None:
    """Stop a training whose loss is no longer finite.

    Args:
        losses: Loss of every batch since the validation before.
        batches: Rows of these batches.
        table: The training cases.
        done: Steps before these.

    Raises:
        ValueError: The loss is not finite; the message names step and cases.
    """
    bad = torch.nonzero(~torch.isfinite(losses)).flatten()
    if len(bad):
        first = int(bad[0])
        cases = ", ".join(table["case"].iloc[batches[first]])
        raise ValueError(
            f"Training: loss is {float(losses[first])} in step {done + first + 1} (expected a finite number);"
            f" cases: {cases}. Lower the learning rate or look at these cases."
        )


def take_steps(
    model: Model,
    batches: Batches,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    n_steps: int,
) -> tuple[torch.Tensor, list[np.ndarray]]:
    """So many optimisation steps, none of which waits for the device: a card always has the next kernels in its queue.

    The loss does not look at values for the same reason; targets come from a table of channels, and `train` looks at
    the losses after each validation.

    Returns:
        Loss of every batch, on the device, and the rows of every batch.
    """
    loss_function = partial(
        LOSSES[model.config["loss"]],
        ignore_index=IGNORED if model.config.get("ignore_hidden") else None,
        validate=False,
    )
    losses, rows = [], []
    model.network.train()
    for _ in range(n_steps):
        batch = batches.draw()
        loss = loss_function(forward(model.network, batch.image), batch.target, batch.annotated)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
        rows.append(batch.rows)
    return torch.stack(losses), rows


def train_steps(
    model: Model,
    batches: Batches,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    n_steps: int,
) -> tuple[torch.Tensor, list[np.ndarray]]:
    """So many optimisation steps, done when this returns.

    Returns:
        Loss of every batch, float64 on the CPU (fetched once, at the end), and the rows of every batch.
    """
    losses, rows = take_steps(model, batches, optimiser, schedule, n_steps)
    return losses.double().cpu(), rows


class SGD(torch.optim.SGD):
    """PyTorch's SGD without its decorators.

    The decorators keep `torch.compile` out of these methods but import the compiler to do so: three seconds of
    processor time at the start of every training, although nothing is compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.SGD.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.SGD.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.SGD.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))
    zero_grad = inspect.unwrap(torch.optim.SGD.zero_grad)


def build_optimiser(
    model: Model, settings: dict[str, Any], n_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """SGD with Nesterov momentum (section 2 of the paper), with polynomial decay of the rate to 0 at `n_steps`."""
    optimiser = SGD(
        model.network.parameters(),
        lr=settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        nesterov=True,
        fused=True,
    )
    return optimiser, torch.optim.lr_scheduler.PolynomialLR(optimiser, n_steps, settings["decay_power"])


def train(
    config: dict[str, Any],
    seed: int,
    training: Cases,
    validation: Cases,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train with SGD, Nesterov momentum and polynomial decay; keep the validation of best Dice.

    Args:
        config: Content of `config.json`.
        seed: Seed of weights, order, augmentation and label dropout.
        training: Training cases, with the labels to be hidden already hidden.
        validation: Validation cases with everything that the data sets annotate.
        device: The device that holds the cases.
        checkpoints: Restart state to resume from, and to write after each validation but the last; None to do without.

    Raises:
        ValueError: The loss is not finite, no validation case can be scored, or the duration is given twice or
            not at all.
    """
    settings = config["optimisation"]
    model = build_model(config, seed, device)
    structures = model.structures
    duration = duration_of(settings, len(training), settings["batch_size"])
    batches = Batches(
        training,
        settings["batch_size"],
        config["augmentation"],
        config["label_dropout"],
        structures,
        seed,
        whole_batches=duration.whole_batches,
    )
    engine = Engine(model, batches, *build_optimiser(model, settings, duration.n_steps))
    progress = Progress()
    if checkpoints and (state := checkpoints.read()):
        progress = engine.restore(state)
        log.warning("resumed after step %d of %d from %s", progress.step, duration.n_steps, checkpoints.path)
    datasets = list(validation.table["dataset"])
    n_images, seconds = 0, 0.0
    remaining = [step for step in duration.validated_after if step > progress.step]
    for step in tqdm(remaining, desc=f"{config['model']} seed {seed}", unit="validation", disable=None):
        learning_rate = engine.schedule.get_last_lr()[0]
        started = time.perf_counter()
        losses, seen = train_steps(model, batches, engine.optimiser, engine.schedule, step - progress.step)
        seconds += time.perf_counter() - started
        n_images += sum(len(part) for part in seen)
        _refuse_non_finite(losses, seen, training.table, progress.step)
        mean_loss = float(np.average(losses.numpy(), weights=[len(part) for part in seen]))
        summary = summarise_validation(validation_dice(model, validation), datasets, structures)
        dice = summary[-1]["dice"]
        if np.isnan(dice):
            raise ValueError("Validation: no case can be scored (expected annotated structures in that part).")
        is_best = dice > progress.best_dice
        if is_best:
            progress.best_dice = dice
            weights = model.network.state_dict()
            progress.best = {
                name: value.cpu().clone(memory_format=torch.contiguous_format) for name, value in weights.items()
            }
        progress.rows += [
            {
                "step": step,
                "learning_rate": learning_rate,
                "loss": mean_loss,
                **row,
                "best": int(is_best),
            }
            for row in summary
        ]
        log.info("step %d: loss %.4f, validation Dice %.4f", step, mean_loss, dice)
        progress.step = step
        if checkpoints and step < duration.n_steps:
            checkpoints.write(engine.state(progress))
    return Trained(
        weights=progress.best,
        history=pd.DataFrame(progress.rows)[list(HISTORY)],
        images_per_s=n_images / seconds,
        resumed_after_step=progress.resumed_after_step,
    )


def input_hashes(config: Path, split: Sequence[Path], prepared: Sequence[Path]) -> dict[str, str]:
    """Hash of every file that a training reads, under names that do not depend on the study's location."""
    files = {"config.json": config, **{f"splits/{path.name}": path for path in split}}
    for folder in prepared:
        for name in ("images.npy", "targets.npy", "pixels.json", "cases.csv"):
            files[f"prepared/{folder.name}/{name}"] = folder / name
    return {name: provenance.file_sha256(path) for name, path in files.items()}


def _instructions() -> tuple[str, str | None]:
    """The instruction set of PyTorch's own kernels, and what oneDNN's are restricted to."""
    return torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA")


def _key(config: dict[str, Any], seed: int, inputs: dict[str, str], device: torch.device, threads: int) -> str:
    """Hash of all that determines the bytes of a training: a checkpoint under another key is another training's."""
    versions = provenance.versions()
    decisive = {
        "config": config,
        "seed": seed,
        "inputs": {name: digest for name, digest in inputs.items() if name != "config.json"},  # its content is above
        "device": device.type,
        "threads": threads,
        "instructions": _instructions(),
        "code": fingerprint(train_model, choices=code_choices(config["loss"], config["network"]["name"])),
        "versions": {name: versions[name] for name in ("python", "torch", "numpy", "monai")},
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]


def train_model(
    config: Path,
    prepared: Sequence[Path],
    split: Sequence[Path],
    seed: int,
    device: str,
    threads: int,
    output: Path,
    benchmark: Path | None,
    checkpoints: Path | None = None,
) -> None:
    """Train a model; write `weights.safetensors`, `history.csv` and `run.json` to the output folder.

    Args:
        config: `config.json` of the model.
        prepared: Folders of prepared arrays, named after their data sets.
        split: Tables `PATIENTS` of these data sets.
        seed: Seed of the training.
        device: auto, cpu or cuda.
        threads: Threads of a CPU training.
        output: Folder `seed-<n>`.
        benchmark: JSON file for the seconds and images/s of this process alone, and the steps after which the
            training was resumed; None to leave it out.
        checkpoints: Folder of restart state, written after each validation; None to do without. With it, a killed
            training resumes after its last validation and ends with the same bytes as an uninterrupted one.
    """
    started = time.perf_counter()
    settings = read_json(config)
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    if chosen.type == "cpu":
        torch.set_deterministic_debug_mode("error")  # like use_deterministic_algorithms, without importing the compiler
        # No result may depend on memory that nobody wrote; filling it would only show that, for 5 % of each step.
        torch.utils.deterministic.fill_uninitialized_memory = False
    folder_by_name = {folder.name: folder for folder in prepared}
    missing = [name for name in settings["train_on"] if name not in folder_by_name]
    if missing:
        raise ValueError(f"{config}: trains on {missing}, but only {sorted(folder_by_name)} were given by --prepared.")
    folders = [folder_by_name[name] for name in settings["train_on"]]
    structures, in_channels = tuple(structures_of(settings["structures"])), settings["channels"]
    patients = read_parts(split)
    training = load_cases(folders, patients, Part.TRAINING, structures, in_channels, chosen)
    validation = load_cases(folders, patients, Part.VALIDATION, structures, in_channels, chosen)
    loses = draw_unlabelled_cases(training.table, settings["hidden"], structures, settings["study_seed"])
    inputs = input_hashes(config, split, folders)
    with ExitStack() as held:
        restart = None
        if checkpoints:
            restart = held.enter_context(hold(checkpoints / _key(settings, seed, inputs, chosen, threads)))
        seen = hide_labels(training, loses, ignore=settings.get("ignore_hidden", False))
        trained = train(settings, seed, seen, validation, chosen, restart)
        record = {
            "model": settings["model"],
            "seed": seed,
            "device": chosen.type,
            "machine": provenance.device_name(),
            "instructions": _instructions(),
            "threads": threads,
            "versions": provenance.versions(),
            "inputs": inputs,
            "n_training_cases": len(training),
            "n_validation_cases": len(validation),
            "best_step": int(trained.history.loc[trained.history["best"] == 1, "step"].max()),
        }
        metadata = {"labeldropout": json.dumps({"config": settings, "seed": seed}, sort_keys=True)}
        with replacing(output / "weights.safetensors") as file:
            file.write(save(trained.weights, metadata))
        write_table(trained.history, output / "history.csv", HISTORY)
        outputs = {name: provenance.file_sha256(output / name) for name in ("weights.safetensors", "history.csv")}
        write_json({**record, "outputs": outputs}, output / "run.json")
        if restart:
            restart.remove()
    if benchmark:
        figures = {
            "seconds": time.perf_counter() - started,
            "images_per_s": trained.images_per_s,
            "resumed_after_step": trained.resumed_after_step,
        }
        write_json({**figures, "device": provenance.device_name(), "commit": provenance.commit()}, benchmark)
