"""Verbs from prepared arrays to weights and scores: flags only."""

import argparse
from pathlib import Path

from labeldropout.cli.flags import Verb, add_device_flags, add_paths, add_split_flag, at_least, device_of, json_object
from labeldropout.cli.tracing import write_sidecar


def _resolve_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--row", type=json_object(), required=True, help="filled cells of the row, as JSON")
    parser.add_argument(
        "--settings",
        type=json_object(
            "datasets",
            "structures",
            "channels",
            "augmentation",
            "network",
            "optimisation",
            "grid_size",
            "crop_margin",
            "study_seed",
            "simulated",
        ),
        required=True,
        help="settings shared by all models, as JSON",
    )
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--selected", type=Path, help="output of select-hyperparameters")
    choice.add_argument(
        "--candidate",
        type=json_object("learning_rate", "batch_size"),
        help="learning_rate and batch_size to try, as JSON",
    )
    add_paths(parser, "config")


def resolve(arguments: argparse.Namespace) -> None:
    """Verb `resolve`."""
    from labeldropout.files import read_json, write_json
    from labeldropout.labels import structures_of
    from labeldropout.learning.experiments import parse_row
    from labeldropout.learning.resolve import resolve

    experiment = parse_row(
        arguments.row, tuple(arguments.settings["datasets"]), structures_of(arguments.settings["structures"])
    )
    chosen = arguments.candidate or {
        key: value for key, value in read_json(arguments.selected).items() if key in {"learning_rate", "batch_size"}
    }
    write_json(resolve(experiment, arguments.settings, chosen), arguments.config)


def _select_hyperparameters_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--candidates",
        type=Path,
        nargs="+",
        required=True,
        help="folders with config.json and, unless there is only one, seed-<n>/history.csv",
    )
    parser.add_argument("--seed", type=at_least(0), required=True)
    add_paths(parser, "output", "table")


def select_hyperparameters(arguments: argparse.Namespace) -> None:
    """Verb `select-hyperparameters`."""
    from labeldropout.files import read_json, write_json, write_table
    from labeldropout.learning.select_hyperparameters import select
    from labeldropout.running.sidecars import sidecar_of

    table, selected = select(arguments.candidates, arguments.seed)
    write_table(table, arguments.table)
    write_json(selected, arguments.output)
    configs = [folder / "config.json" for folder in arguments.candidates]
    settings = [read_json(path) for path in configs]
    trained = arguments.candidates if len(arguments.candidates) > 1 else []
    histories = [folder / f"seed-{arguments.seed}" / "history.csv" for folder in trained]
    write_sidecar(
        arguments,
        sidecar_of(arguments.table),
        files=[arguments.table, arguments.output],
        inputs=configs + histories,
        settings={"seed": arguments.seed},
        models={content["model"]: [arguments.seed] for content in settings},
        simulated=any(content["simulated"] for content in settings),
        target="grid",
    )


def _train_flags(parser: argparse.ArgumentParser) -> None:
    add_paths(parser, "config", "output")
    add_split_flag(parser)
    parser.add_argument(
        "--prepared", type=Path, nargs="+", required=True, help="folders of prepared arrays, one per data set"
    )
    parser.add_argument("--seed", type=at_least(0), required=True)
    add_device_flags(parser)
    parser.add_argument("--threads", type=at_least(1), default=1)
    parser.add_argument("--benchmark", type=Path, help="where to write seconds and images/s, as JSON")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        help="folder of restart state, written after each validation: the same command resumes a training that was"
        " killed; default: none",
    )


def train(arguments: argparse.Namespace) -> None:
    """Verb `train`."""
    from labeldropout.devices import keep_freed_memory
    from labeldropout.learning.train import train_model

    keep_freed_memory()
    train_model(
        config=arguments.config,
        prepared=arguments.prepared,
        split=arguments.split,
        seed=arguments.seed,
        device=device_of(arguments),
        threads=arguments.threads,
        output=arguments.output,
        benchmark=arguments.benchmark,
        checkpoints=arguments.checkpoints,
    )


def _evaluate_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.safetensors of every seed")
    parser.add_argument("--cases", type=Path, nargs="+", required=True, help="stores of cases, one per data set")
    parser.add_argument("--prepared", type=Path, nargs="+", required=True, help="prepared arrays, in the same order")
    parser.add_argument("--observed", type=Path, help="store of the annotation kit's drawn masks")
    parser.add_argument(
        "--settings",
        type=json_object("surface_tolerance_mm", "surface_tolerance_px"),
        required=True,
        help="surface_tolerance_mm and _px, as JSON",
    )
    add_device_flags(parser)
    parser.add_argument("--threads", type=at_least(1), default=1)
    add_split_flag(parser)
    add_paths(parser, "scores", "predictions")


def evaluate(arguments: argparse.Namespace) -> None:
    """Verb `evaluate`."""
    from labeldropout.learning.evaluate import evaluate_model
    from labeldropout.running.sidecars import PREPARED, STORE, files_of, relative, sidecar_of, weights_metadata

    evaluate_model(
        weights=arguments.weights,
        cases=arguments.cases,
        prepared=arguments.prepared,
        split=arguments.split,
        observed=arguments.observed,
        settings=arguments.settings,
        device=device_of(arguments),
        threads=arguments.threads,
        scores=arguments.scores,
        predictions=arguments.predictions,
    )
    trained = [weights_metadata(path) for path in arguments.weights]
    stores = [*arguments.cases, *([arguments.observed] if arguments.observed else [])]
    write_sidecar(
        arguments,
        sidecar_of(arguments.scores),
        files=[arguments.scores, arguments.predictions],
        inputs=[
            *arguments.weights,
            *files_of(stores, STORE),
            *files_of(arguments.prepared, PREPARED),
            *arguments.split,
        ],
        settings=arguments.settings,
        models={trained[0]["config"]["model"]: [content["seed"] for content in trained]},
        simulated=any(content["config"]["simulated"] for content in trained),
        target=relative(arguments.scores),
    )


VERBS = (
    Verb("resolve", "write out every setting of one model", _resolve_flags, resolve),
    Verb(
        "select-hyperparameters",
        "choose initial learning rate and batch size by validation Dice",
        _select_hyperparameters_flags,
        select_hyperparameters,
    ),
    Verb("train", "train one model with one seed", _train_flags, train),
    Verb("evaluate", "predict and score all test sets of one model", _evaluate_flags, evaluate),
)
