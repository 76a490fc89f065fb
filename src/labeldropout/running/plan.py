"""What a study will need, estimated before it runs: trainings, steps, hours, memory, disk, bytes moved.

Counts follow from the configuration and the list of experiments. Hours follow from the images per second of real
optimisation steps on this machine, or from a speed measured elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from labeldropout.configuration import read_configuration
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.folder.matching import find_pairs
from labeldropout.data.folder.options import options_of
from labeldropout.devices import choose_device
from labeldropout.files import write_json, write_table
from labeldropout.learning.duration import duration_of
from labeldropout.learning.model import build_model
from labeldropout.learning.resolve import resolve
from labeldropout.running.data_sets import FOLDER
from labeldropout.running.speed import BUDGET_S, Speed, measure
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import StudyPlan

_PREDICTION_SHARE = 0.01
"""Bytes of a compressed label map per pixel, rounded up: 0.006 to 0.007 in the smoke study."""


_FORWARD_SHARE = 1 / 3
"""Share of the forward pass in a training step, used if images/s are given: the backward pass costs about twice as
much."""


def images_by_dataset(study: StudyPlan) -> dict[str, int]:
    """Images of every data set: for simulated ones as configured, for real ones as their import gives them."""
    counts = {}
    for name in study.datasets:
        facts = DATASETS[study.formats[name]].facts
        if name in study.simulated:
            counts[name] = study.config["datasets"][name]["simulate"][facts.UNIT] * facts.IMAGES_PER_UNIT
        else:
            counts[name] = _in_folder(study, name) or facts.IMAGES
    return counts


def _in_folder(study: StudyPlan, name: str) -> int:
    """Pictures of a data set that is a folder; 0 if it is none, or is not there yet."""
    settings = study.config["datasets"][name]
    raw = study.root / settings["raw"]
    if study.formats[name] != FOLDER or not raw.is_dir():
        return 0
    return len(find_pairs(name, raw, options_of(settings.get("options", {}))))


def _part(study: StudyPlan, names: Sequence[str], part: str) -> int:
    """Images in one part of the split of these data sets."""
    images = images_by_dataset(study)
    return sum(round(images[name] * study.config["split"]["fractions"][part]) for name in names)


def middle_batch_size(config: Mapping[str, Any]) -> int:
    """The middle one of the batch sizes that the grid search tries, assumed for all other trainings."""
    sizes = sorted(config["selection"]["batch_size"])
    return int(sizes[len(sizes) // 2])


def list_trainings(study: StudyPlan) -> pd.DataFrame:
    """Counts for every model, and for the grid search's candidates by batch size; a row may stand for several seeds.

    Returns:
        experiment, model, trainings; then for one training: batch_size, images (of a pass), validation_images,
        validations, steps, image_passes.
    """
    config = study.config
    searched = study.experiments[study.searched]
    rates, sizes = config["selection"]["learning_rate"], config["selection"]["batch_size"]
    rows = [study.experiments[model] for model in study.study_models]
    sizes = sizes if study.trained_candidates else []
    entries = [("grid", f"candidates, batch {size}", searched, len(rates), size) for size in sizes]
    entries += [(row.experiment, row.model, row, len(row.seeds), middle_batch_size(config)) for row in rows]
    search = config["selection"]["steps"]
    of_search = {"steps": search, "epochs": None} if search else {}
    table = []
    for experiment, model, row, n_trainings, batch_size in entries:
        images = _part(study, row.train_on, "training")
        optimisation = config["training"]["optimisation"] | (of_search if experiment == "grid" else {})
        duration = duration_of(optimisation, images, batch_size)
        passed = duration.n_steps * batch_size if duration.whole_batches else optimisation["epochs"] * images
        table.append(
            {
                "experiment": experiment,
                "model": model,
                "trainings": n_trainings,
                "batch_size": batch_size,
                "images": images,
                "validation_images": _part(study, row.train_on, "validation"),
                "validations": len(duration.validated_after),
                "steps": duration.n_steps,
                "image_passes": passed,
            }
        )
    return pd.DataFrame(table)


def add_hours(table: pd.DataFrame, speed: Speed) -> pd.DataFrame:
    """The table of `list_trainings` with `hours` of one training: its steps and its validations."""
    validated = table["validation_images"] * table["validations"]
    seconds = table["image_passes"] / speed.training + validated / speed.validation
    return table.assign(hours=seconds / 3600)


def memory_of_network(network: torch.nn.Module, side: int, channels: int) -> dict[str, int]:
    """Parameters of a network, and the bytes that it keeps for the backward pass of one image, in float32.

    Nothing is computed: the network runs on tensors without data.

    Args:
        network: The network, on any device; it loses its weights.
        side: Side of the images.
        channels: Channels of the images.
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
        logits = hollow(torch.empty(2, channels, side, side, device="meta"))
    del logits
    n_parameters = sum(parameter.numel() for parameter in hollow.parameters())
    return {"parameters": n_parameters, "kept_bytes_per_image": sum(kept.values()) // 2}


def bytes_needed(study: StudyPlan, n_parameters: int) -> dict[str, int]:
    """Estimated bytes on disc by kind, and bytes that the trainings read and write in total."""
    images, side = images_by_dataset(study), study.config["grid_size"]
    pixels = {}
    for name in images:
        facts = DATASETS[study.formats[name]].facts
        pixels[name] = facts.SIMULATED_PIXELS if name in study.simulated else facts.REAL_PIXELS
    prepared = {name: 2 * side**2 * n for name, n in images.items()}
    rows = [study.experiments[model] for model in study.study_models]
    n_trainings = len(study.trained_candidates) + len(study.trainings)
    weights = 4 * n_parameters
    read = sum(prepared[name] for row in rows for name in row.train_on for _ in row.seeds)
    read += len(study.trained_candidates) * sum(prepared[name] for name in study.experiments[study.searched].train_on)
    test_pixels = {name: _part(study, [name], "test") * pixels[name] for name in images}
    predicted = sum(test_pixels[name] * len(row.seeds) for row in rows for name in row.evaluated_on)
    return {
        "stores": sum(2 * pixels[name] * n for name, n in images.items()),
        "cones": sum(pixels[name] * n for name, n in images.items()),
        "prepared": sum(prepared.values()),
        "weights": n_trainings * weights,
        "predictions": round(_PREDICTION_SHARE * predicted),
        "checkpoints_of_a_running_training": 2 * 3 * weights,  # two of: network, momentum and best network
        "read_by_trainings": read,
        "largest_training_set": max(
            2 * side**2 * (_part(study, row.train_on, "training") + _part(study, row.train_on, "validation"))
            for row in rows
        ),
    }


def plan_study(
    path: Path, root: Path, device: str, images_per_second: float | None, budget_s: float = BUDGET_S
) -> dict[str, Any]:
    """Everything that a study needs, as JSON-compatible values.

    Args:
        path: Configuration, merged over the default one.
        root: Folder of the workflow.
        device: auto, cpu or cuda: where steps are timed.
        images_per_second: Speed of training measured elsewhere; if given, nothing is timed.
        budget_s: Seconds for the timing.

    Raises:
        ValueError: The configuration or the list of experiments is not valid, or a speed is not positive.
    """
    config = read_configuration(path, root)
    study = StudyPlan(config, read_list(root / config["experiments"]), root)
    settings = resolve(
        study.experiments[study.searched],
        json.loads(study.model_settings(study.searched)),
        {"learning_rate": min(config["selection"]["learning_rate"]), "batch_size": middle_batch_size(config)},
    )
    if images_per_second is None:
        speed = measure(settings, choose_device(device), budget_s)
    elif images_per_second > 0:
        speed = Speed(images_per_second, images_per_second / _FORWARD_SHARE, "given: --images-per-second")
    else:
        raise ValueError(f"--images-per-second: {images_per_second} (expected more than 0).")
    network = memory_of_network(
        build_model(settings, 0, torch.device("cpu")).network, config["grid_size"], settings["channels"]
    )
    return {
        "study": config["study"],
        "configuration": str(path),
        "grid_size": config["grid_size"],
        "features": config["training"]["network"]["features"],
        "batch_size": middle_batch_size(config),
        "largest_batch_size": max(config["selection"]["batch_size"]),
        "images": images_by_dataset(study),
        "speed": asdict(speed),
        "trainings": add_hours(list_trainings(study), speed).to_dict("records"),
        "network": network,
        "bytes": bytes_needed(study, network["parameters"]),
    }


def _range(values: pd.Series, pattern: str) -> str:
    low, high = (format(value, pattern) for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _experiment_lines(trainings: pd.DataFrame) -> list[list[str]]:
    """One line per experiment, and one for the whole study."""
    lines = [["experiment", "trainings", "images a pass", "steps of one", "hours of one", "hours"]]
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
    """Lines of aligned cells: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]


def _size(n_bytes: int) -> str:
    """Bytes in a suitable unit."""
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.1f} MiB"


def describe(plan: Mapping[str, Any]) -> str:
    """The plan in words and tables, for people."""
    trainings, network, of = pd.DataFrame(plan["trainings"]), plan["network"], plan["bytes"]
    speed, largest = plan["speed"], plan["largest_batch_size"]
    steps = int((trainings["steps"] * trainings["trainings"]).sum())
    passes = int((trainings["image_passes"] * trainings["trainings"]).sum())
    kept = network["kept_bytes_per_image"]
    state = 3 * 4 * network["parameters"]
    n_trainings = trainings["trainings"].sum()
    named = ", ".join(f"{name} {n:,}" for name, n in plan["images"].items())
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
    lines += ["", f"Jobs by rule: snakemake -n -q rules --configfile {plan['configuration']}"]
    return "\n".join(lines)


def plan(path: Path, root: Path, device: str, images_per_second: float | None, output: Path | None) -> str:
    """Plan a study and return a text; the output is the table of trainings as .csv, or everything as .json.

    Raises:
        ValueError: The output has another extension, or see `plan_study`.
    """
    if output is not None and output.suffix not in {".csv", ".json"}:
        raise ValueError(f"{output}: expected a name that ends in .csv or .json.")
    content = plan_study(path, root, device, images_per_second)
    if output is not None and output.suffix == ".json":
        write_json(content, output)
    elif output is not None:
        write_table(pd.DataFrame(content["trainings"]), output)
    return describe(content)
