"""What a study needs, before it runs: trainings, steps, hours, memory, disk, bytes moved, jobs.

Counts follow from the configuration and the list of experiments. Hours follow from the images per second of real
optimisation steps on the machine that asks, or from a number measured elsewhere.
"""

import csv
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from labeldropout.configuration import check_columns, read_configuration
from labeldropout.data.catalogue import DATASETS
from labeldropout.devices import choose_device
from labeldropout.files import write_json, write_table
from labeldropout.items import INSTRUMENT_ITEMS, is_of_the_study
from labeldropout.labels import FOREGROUND
from labeldropout.learning.batches import Batches, Cases
from labeldropout.learning.experiments import COLUMNS, Experiment, parse_row
from labeldropout.learning.model import build_model
from labeldropout.learning.resolve import resolve
from labeldropout.learning.train import build_optimiser, train_epoch
from labeldropout.learning.validation import validation_dice
from labeldropout.provenance import device_name

BUDGET_S = 40.0
"""Seconds for the measurement, if one step does not take longer."""


_MAX_STEPS = 50


_PREDICTION_SHARE = 0.01
"""Bytes of a compressed label map per pixel, rounded up: 0.006 to 0.007 in the smoke study."""


_FORWARD_SHARE = 1 / 3
"""Share of the forward pass in a training step, where images/s are given: the way back costs about twice as much."""


@dataclass(frozen=True)
class Speed:
    """How fast a training runs."""

    training: float
    """Images per second of the optimisation loop."""
    validation: float
    """Images per second of the validation after an epoch."""
    how: str
    """On what, and how it was found."""
    peak_bytes: int | None = None
    """Most memory that one training held on the card, its images left out; None where there is no card."""


def read_experiments(path: Path, datasets: Sequence[str]) -> list[Experiment]:
    """The rows of the list that are part of the paper's study; our own experiments are left out.

    Raises:
        ValueError: A column or a cell is not valid; the message names it.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="\t")
        check_columns(list(reader.fieldnames or []), COLUMNS, str(path))
        rows = [parse_row(row, tuple(datasets), str(path)) for row in reader]
    return [row for row in rows if is_of_the_study(row.shown_in)]


def is_simulated(config: Mapping[str, Any], dataset: str) -> bool:
    """Whether a data set of the study is simulated."""
    return config["datasets"][dataset]["raw"] == "simulated"


def images_by_dataset(config: Mapping[str, Any]) -> dict[str, int]:
    """Images of every data set: simulated ones as configured, real ones as their import gives them."""
    counts = {}
    for name, settings in config["datasets"].items():
        if is_simulated(config, name):
            facts = DATASETS[name].facts
            counts[name] = settings["simulate"][facts.UNIT] * facts.IMAGES_PER_UNIT
        else:
            counts[name] = DATASETS[name].facts.IMAGES
    return counts


def _part(config: Mapping[str, Any], names: Sequence[str], part: str) -> int:
    """Images in one part of the split of these data sets."""
    images = images_by_dataset(config)
    return sum(round(images[name] * config["split"]["fractions"][part]) for name in names)


def middle_batch_size(config: Mapping[str, Any]) -> int:
    """The middle one of the batch sizes that the grid search tries: what is assumed for all other trainings."""
    sizes = sorted(config["selection"]["batch_size"])
    return int(sizes[len(sizes) // 2])


def list_trainings(config: Mapping[str, Any], rows: Sequence[Experiment]) -> pd.DataFrame:
    """Counts of every model, and of the candidates of the grid search by batch size; a row may stand for several seeds.

    Returns:
        experiment, model, trainings; then of one training: batch_size, images (of an epoch), validation_images, epochs,
        steps, image_passes.
    """
    by_model = {row.model: row for row in rows}
    searched = by_model.get(config["selection"]["model"])
    if searched is None:
        raise ValueError(f"configuration: selection.model {config['selection']['model']!r} is no row of the list.")
    rates, sizes = config["selection"]["learning_rate"], config["selection"]["batch_size"]
    entries = [("grid", f"candidates, batch {size}", searched, len(rates), size) for size in sizes]
    entries += [(row.experiment, row.model, row, len(row.seeds), middle_batch_size(config)) for row in rows]
    epochs = config["training"]["optimisation"]["epochs"]
    table = []
    for experiment, model, row, n_trainings, batch_size in entries:
        images = _part(config, row.train_on, "training")
        table.append(
            {
                "experiment": experiment,
                "model": model,
                "trainings": n_trainings,
                "batch_size": batch_size,
                "images": images,
                "validation_images": _part(config, row.train_on, "validation"),
                "epochs": epochs,
                "steps": epochs * math.ceil(images / batch_size),
                "image_passes": epochs * images,
            }
        )
    return pd.DataFrame(table)


def add_hours(table: pd.DataFrame, speed: Speed) -> pd.DataFrame:
    """The table of `list_trainings` with `hours` of one training: its steps, and a validation after every epoch."""
    validated = table["validation_images"] * table["epochs"]
    seconds = table["image_passes"] / speed.training + validated / speed.validation
    return table.assign(hours=seconds / 3600)


def count_jobs(config: Mapping[str, Any], rows: Sequence[Experiment], has_drawn_masks: bool) -> dict[str, int]:
    """Jobs by rule, of the rules that run on the nodes of a cluster; before any are grouped.

    Args:
        config: The study.
        rows: Its experiments.
        has_drawn_masks: Whether masks drawn by hand are there, for a study on real data.
    """
    names = list(config["datasets"])
    trees = {(config["severity"], name) for name in names}
    for row in rows:
        severity = config["severity"] if row.severity is None else row.severity
        trees |= {(severity, name) for name in (*row.train_on, *row.evaluated_on)}
    is_observer_simulated = is_simulated(config, config["kit"]["dataset"])
    is_observed = is_observer_simulated or has_drawn_masks
    shown = {item for row in rows for item in row.shown_in} - set(INSTRUMENT_ITEMS)
    shown -= set() if is_observed else {"table_2", "supplementary_figure_1"}
    figures = {item for item in shown if "figure" in item}
    needs_network = any(settings["cone"] == "network" for settings in config["datasets"].values())
    jobs = {
        "simulate": sum(is_simulated(config, name) for _, name in trees),
        "import_dataset": len(trees),
        "train_cone": int(needs_network),
        "segment_cone": len(trees),
        "prepare": len(trees),
        "train_candidate": len(config["selection"]["learning_rate"]) * len(config["selection"]["batch_size"]),
        "train": sum(len(row.seeds) for row in rows),
        "annotation_kit_export": int(is_observed),
        "observe": int(is_observer_simulated),
        "annotation_kit_import": int(is_observed),
        "evaluate": len(rows),
        "compare": len(shown | {"table_1", "tests"}) + ("figure_4" in shown),  # Figure 4 has a list of cases as well
        "claims_table": 1,
        "figures_item": len(figures) + 2,  # and the training curves and the claims
    }
    return {rule: number for rule, number in jobs.items() if number}


def memory_of_network(network: torch.nn.Module, side: int) -> dict[str, int]:
    """Parameters of a network, and the bytes that it keeps for the backward pass of one image, in float32.

    Nothing is computed: the network runs on tensors without content.

    Args:
        network: On any device; it loses its content.
        side: Side of the images.
    """
    hollow = network.to("meta").train()
    own = {tensor.untyped_storage()._cdata for tensor in (*hollow.parameters(), *hollow.buffers())}  # noqa: SLF001 - hollow tensors have no address
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:  # noqa: SLF001 - as above
            kept[storage._cdata] = storage.nbytes()  # noqa: SLF001 - as above
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = hollow(torch.empty(2, 1, side, side, device="meta"))
    del logits
    n_parameters = sum(parameter.numel() for parameter in hollow.parameters())
    return {"parameters": n_parameters, "kept_bytes_per_image": sum(kept.values()) // 2}


def made_up_cases(n: int, size: int, device: torch.device, n_structures: int = len(FOREGROUND)) -> Cases:
    """Noise with square structures, the last of several unannotated in half of the cases: what steps are timed on."""
    rng = np.random.default_rng(0)
    targets = np.zeros((n, size, size), np.uint8)
    for structure in range(1, n_structures + 1):
        targets[:, size // 4 * (structure - 1) : size // 4 * structure, size // 4 : 3 * size // 4] = structure
    annotated = torch.ones(n, 1 + n_structures, dtype=torch.bool)
    if n_structures > 1:
        annotated[n // 2 :, n_structures] = False
    images = torch.from_numpy(rng.integers(0, 256, (n, size, size), np.uint8)).to(device)
    table = pd.DataFrame({"case": [f"case-{i}" for i in range(n)]})
    return Cases(images, torch.from_numpy(targets).to(device), annotated, table)


def measure(settings: Mapping[str, Any], device: torch.device, budget_s: float) -> Speed:
    """Images per second of the real loop (batches, augmentation, loss, backward, step), then of validation.

    One core on a CPU, as the trainings of the workflow. A first step with two images says how long a step takes; if the
    budget does not suffice for a few steps of the configured batch size, smaller batches are timed.

    Args:
        settings: Content of `config.json`.
        device: Where.
        budget_s: Seconds for everything; two steps are taken in any case.
    """
    torch.set_num_threads(1)
    side, structures = settings["grid_size"], settings["structures"]
    model = build_model(dict(settings), 0, device)
    optimiser, schedule = build_optimiser(model, settings["optimisation"], 10**9)

    def seconds_of(n_steps: int, batch_size: int) -> float:
        cases = made_up_cases(n_steps * batch_size, side, device, len(structures))
        batches = Batches(cases, batch_size, settings["augmentation"], None, model.structures, 0)
        started = time.perf_counter()
        train_epoch(model, batches, optimiser, schedule)  # ends with a transfer to the host: a GPU has finished
        return time.perf_counter() - started

    started = time.perf_counter()
    seconds_of(1, 2)  # first use of every kernel
    per_image = seconds_of(1, 2) / 2
    left_s = budget_s - (time.perf_counter() - started)
    batch_size = int(min(settings["optimisation"]["batch_size"], max(2, left_s / 4 // per_image)))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if left_s > 4 * batch_size * per_image:
        per_image = seconds_of(1, batch_size) / batch_size  # this batch size for the first time: not counted
    left_s = budget_s - (time.perf_counter() - started)
    n_steps = int(min(_MAX_STEPS, max(1, 0.8 * left_s // (batch_size * per_image))))
    seconds = seconds_of(n_steps, batch_size)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    cases = made_up_cases(batch_size, side, device, len(structures))
    if device.type == "cuda":
        validation_dice(model, cases)
    began = time.perf_counter()
    validation_dice(model, cases)
    where = device_name() if device.type == "cuda" else f"{device_name()}, one of them used"
    return Speed(
        training=n_steps * batch_size / seconds,
        validation=batch_size / (time.perf_counter() - began),
        how=f"measured: {n_steps} steps with batches of {batch_size} in {seconds:.1f} s on {where}",
        peak_bytes=peak,
    )


def bytes_needed(config: Mapping[str, Any], rows: Sequence[Experiment], n_parameters: int) -> dict[str, int]:
    """Bytes on disc by what they are, and bytes that the trainings read and write in all; estimates."""
    images, side = images_by_dataset(config), config["grid_size"]
    pixels = {}
    for name in images:
        facts = DATASETS[name].facts
        pixels[name] = facts.SIMULATED_PIXELS if is_simulated(config, name) else facts.REAL_PIXELS
    prepared = {name: 2 * side**2 * n for name, n in images.items()}
    table = list_trainings(config, rows)
    n_trainings = int(table["trainings"].sum())
    weights = 4 * n_parameters
    read = sum(prepared[name] for row in rows for name in row.train_on for _ in row.seeds)
    searched = next(row for row in rows if row.model == config["selection"]["model"])
    read += int(table.loc[table["experiment"] == "grid", "trainings"].sum()) * sum(
        prepared[name] for name in searched.train_on
    )
    test_pixels = {name: _part(config, [name], "test") * pixels[name] for name in images}
    predicted = sum(test_pixels[name] * len(row.seeds) for row in rows for name in row.evaluated_on)
    return {
        "stores": sum(2 * pixels[name] * n for name, n in images.items()),
        "cones": sum(pixels[name] * n for name, n in images.items()),
        "prepared": sum(prepared.values()),
        "weights": n_trainings * weights,
        "predictions": round(_PREDICTION_SHARE * predicted),
        "checkpoints_of_a_running_training": 2 * 3 * weights,  # two of them: network, momentum and best network each
        "read_by_trainings": read,
        "largest_training_set": max(
            2 * side**2 * (_part(config, row.train_on, "training") + _part(config, row.train_on, "validation"))
            for row in rows
        ),
    }


def plan_study(
    path: Path, root: Path, device: str, images_per_second: float | None, budget_s: float = BUDGET_S
) -> dict[str, Any]:
    """Everything that a study needs, JSON-able.

    Args:
        path: Configuration, laid over the default one.
        root: Folder of the workflow.
        device: auto, cpu or cuda: where steps are timed.
        images_per_second: Speed of training measured elsewhere; nothing is timed then.
        budget_s: Seconds for the timing.

    Raises:
        ValueError: The configuration or the list of experiments is not valid, or a speed is not positive.
    """
    config = read_configuration(path, root)
    rows = read_experiments(root / config["experiments"], list(config["datasets"]))
    table = list_trainings(config, rows)
    searched = next(row for row in rows if row.model == config["selection"]["model"])
    settings = resolve(
        searched,
        {
            **config["training"],
            "grid_size": config["grid_size"],
            "crop_margin": config["crop_margin"],
            "study_seed": config["seed"],
            "simulated": False,
        },
        {"learning_rate": min(config["selection"]["learning_rate"]), "batch_size": middle_batch_size(config)},
    )
    if images_per_second is None:
        speed = measure(settings, choose_device(device), budget_s)
    elif images_per_second > 0:
        speed = Speed(images_per_second, images_per_second / _FORWARD_SHARE, "given: --images-per-second")
    else:
        raise ValueError(f"--images-per-second: {images_per_second} (expected more than 0).")
    network = memory_of_network(build_model(settings, 0, torch.device("cpu")).network, config["grid_size"])
    drawn = config["kit"]["drawn"]
    jobs = count_jobs(config, rows, has_drawn_masks=bool(drawn) and (root / drawn).is_dir())
    return {
        "study": config["study"],
        "configuration": str(path),
        "grid_size": config["grid_size"],
        "features": config["training"]["network"]["features"],
        "batch_size": middle_batch_size(config),
        "largest_batch_size": max(config["selection"]["batch_size"]),
        "images": images_by_dataset(config),
        "speed": asdict(speed),
        "trainings": add_hours(table, speed).to_dict("records"),
        "network": network,
        "bytes": bytes_needed(config, rows, network["parameters"]),
        "jobs": jobs,
    }


def _range(values: pd.Series, pattern: str) -> str:
    low, high = (format(value, pattern) for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _experiment_lines(trainings: pd.DataFrame) -> list[list[str]]:
    """One line per experiment, and one for the study."""
    lines = [["experiment", "trainings", "images an epoch", "steps of one", "hours of one", "hours"]]
    for name, those in [*trainings.groupby("experiment", sort=False), ("all", trainings)]:
        lines.append(
            [
                str(name),
                str(those["trainings"].sum()),
                _range(those["images"], ",d"),
                _range(those["steps"], ",d"),
                _range(those["hours"], ",.2f"),
                format((those["hours"] * those["trainings"]).sum(), ",.1f"),
            ]
        )
    return lines


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Cells one below the other; the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]


def _size(n_bytes: int) -> str:
    """Bytes in the unit that fits."""
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.1f} MiB"


def describe(plan: Mapping[str, Any]) -> str:
    """The plan in words and tables, for people."""
    trainings, network, of = pd.DataFrame(plan["trainings"]), plan["network"], plan["bytes"]
    speed, jobs, largest = plan["speed"], plan["jobs"], plan["largest_batch_size"]
    steps = int((trainings["steps"] * trainings["trainings"]).sum())
    passes = int((trainings["image_passes"] * trainings["trainings"]).sum())
    kept = network["kept_bytes_per_image"]
    state = 3 * 4 * network["parameters"]
    n_trainings = trainings["trainings"].sum()
    named = ", ".join(f"{name} {n:,}" for name, n in plan["images"].items())
    counted = ", ".join(f"{rule} {n}" for rule, n in jobs.items())
    batch_size, features = plan["batch_size"], "-".join(map(str, plan["features"]))
    measured = []
    if speed["peak_bytes"]:
        measured.append(["  measured on the card, images left out", _size(speed["peak_bytes"])])
    lines = [
        f"Study {plan['study']} ({plan['configuration']}), grid {plan['grid_size']}, features {features}.",
        f"Images: {named}.",
        f"Images/s: {speed['training']:.3g} in training, {speed['validation']:.3g} in validation ({speed['how']}).",
        f"Hours are those of one GPU, or of one core, validation included, with batches of {batch_size} after the grid",
        "search. The cone network and the scores come on top.",
        "",
        *_columns(_experiment_lines(trainings)),
        "",
        f"Optimisation steps: {steps:,}; images passed through: {passes:,}.",
        "",
        "Memory of one training",
    ]
    lines += _columns(
        [
            [f"  {network['parameters']:,} weights, their gradients and momentum (float32)", _size(state)],
            [
                f"  kept for the way back, batches of {batch_size} (float32; about half in bfloat16)",
                _size(batch_size * kept),
            ],
            [f"  the same with batches of {largest}, the largest of the grid search", _size(largest * kept)],
            *measured,
            ["  images and targets on the device, at most", _size(of["largest_training_set"])],
            ["  the same on the host, while they are read", _size(2 * of["largest_training_set"])],
        ]
    )
    lines += ["", "Disk, beside the data sets themselves (estimates)"]
    lines += _columns(
        [
            ["  cases and cones", _size(of["stores"] + of["cones"])],
            ["  prepared arrays", _size(of["prepared"])],
            [f"  weights of {n_trainings} trainings", _size(of["weights"])],
            ["  predictions", _size(of["predictions"])],
            ["  restart state of each running training, at most", _size(of["checkpoints_of_a_running_training"])],
        ]
    )
    lines += ["", "Moved"]
    lines += _columns(
        [
            ["  prepared arrays, read twice by every training (once to hash them)", _size(2 * of["read_by_trainings"])],
            ["  weights written", _size(of["weights"])],
        ]
    )
    lines += ["", f"Jobs on the nodes of a cluster, before short ones are grouped: {sum(jobs.values())} ({counted})."]
    return "\n".join(lines)


def plan(path: Path, root: Path, device: str, images_per_second: float | None, output: Path | None) -> str:
    """Plan a study; the text for people. The output is the table of trainings as .csv, or everything as .json.

    Raises:
        ValueError: The output has another ending, or see `plan_study`.
    """
    if output is not None and output.suffix not in {".csv", ".json"}:
        raise ValueError(f"{output}: expected a name that ends in .csv or .json.")
    content = plan_study(path, root, device, images_per_second)
    if output is not None and output.suffix == ".json":
        write_json(content, output)
    elif output is not None:
        write_table(pd.DataFrame(content["trainings"]), output)
    return describe(content)
