"""The command line: paths, logging, seeds and devices; everything else happens in the verbs' modules."""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

Handler = Callable[[argparse.Namespace], int | None]


VERBS: dict[str, tuple[str, Handler, Callable[[argparse.ArgumentParser], None]]] = {}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error


def _path(parser: argparse.ArgumentParser, *names: str, required: bool = True) -> None:
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=required)


def _device_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--gpus", type=int, default=1, help="0 forces the CPU")
    parser.add_argument("--trainings-per-gpu", type=int, default=1, help="how many processes may share a graphics card")


def _device(arguments: argparse.Namespace) -> str:
    return "cpu" if arguments.gpus == 0 else str(arguments.device)


def _granted(arguments: argparse.Namespace) -> AbstractContextManager[Any]:
    """The graphics card of the verbs that use one, for as long as they run; before torch is imported."""
    if "gpus" not in arguments:
        return nullcontext()
    from labeldropout.devices import granted_device

    return granted_device(arguments.gpus, arguments.device, arguments.trainings_per_gpu)


def _verb(
    name: str, summary: str, arguments: Callable[[argparse.ArgumentParser], None]
) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        VERBS[name] = (summary, handler, arguments)
        return handler

    return keep


def _trace(arguments: argparse.Namespace, sidecar: Path, **facts: Any) -> None:
    """Write the sidecar of what a verb just made; see `sidecars.describe` for the facts."""
    from labeldropout.files import write_json
    from labeldropout.running.sidecars import describe

    write_json(describe(command=["labeldropout", *arguments.argv], **facts), sidecar)


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="camus, unity or echonet")
    parser.add_argument("--settings", type=_json, required=True, help="sizes, as JSON")
    parser.add_argument("--severity", type=float, required=True, help="of the domain shift, 0 to 1")
    parser.add_argument("--seed", type=int, required=True)
    _path(parser, "root", "truth")


@_verb("simulate", "write a simulated data set in the data set's own format", _simulate_arguments)
def _simulate(arguments: argparse.Namespace) -> None:
    from labeldropout.data.simulate import simulate

    simulate(arguments.dataset, arguments.settings, arguments.severity, arguments.seed, arguments.root, arguments.truth)


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="camus, unity or echonet")
    _path(parser, "root", "output")
    parser.add_argument("--options", type=_json, default={}, help="options of the data set's importer, as JSON")
    parser.add_argument("--curation", type=Path, help="unity_curation.csv (Unity only)")
    parser.add_argument("--on-bad-case", choices=("stop", "skip"), default="stop")


@_verb("import-dataset", "read a data set from its own format into a store of cases", _import_arguments)
def _import(arguments: argparse.Namespace) -> None:
    from labeldropout.data.import_dataset import import_dataset

    import_dataset(
        arguments.name, arguments.root, arguments.output, arguments.options, arguments.on_bad_case, arguments.curation
    )


def _train_cone_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings", type=_json, required=True, help="section cone_network of the configuration, as JSON"
    )
    parser.add_argument("--seed", type=int, required=True)
    _device_flags(parser)
    _path(parser, "output")


@_verb("train-cone", "train the nnU-Net that finds the cone, on simulated acquisitions", _train_cone_arguments)
def _train_cone(arguments: argparse.Namespace) -> None:
    from labeldropout.data.cone_network import train_cone_network
    from labeldropout.devices import keep_freed_memory

    keep_freed_memory()
    train_cone_network(arguments.settings, arguments.seed, _device(arguments), arguments.output)


def _segment_cone_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser, "cases", "output")
    parser.add_argument("--method", choices=("network", "geometry"), required=True)
    parser.add_argument("--network", type=Path, help="output of train-cone; needed by the method network")
    _device_flags(parser)


@_verb("segment-cone", "find the cone of every case", _segment_cone_arguments)
def _segment_cone(arguments: argparse.Namespace) -> None:
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.segment_cone import segment_cones

    segment_cones(CaseStore(arguments.cases), arguments.method, arguments.network, _device(arguments), arguments.output)


def _prepare_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser, "cases", "cones", "output")
    parser.add_argument("--grid-size", type=int, required=True, help="side of the network's grid")
    parser.add_argument(
        "--margin", type=float, required=True, help="margin around the cone's box, as a share of its longer side"
    )


@_verb("prepare", "crop to the cone and resize to the network's grid", _prepare_arguments)
def _prepare(arguments: argparse.Namespace) -> None:
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.prepare import prepare

    prepare(CaseStore(arguments.cases), arguments.cones, arguments.grid_size, arguments.margin, arguments.output)


def _split_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", type=Path, nargs="+", required=True, help="stores of cases")
    parser.add_argument("--settings", type=_json, required=True, help="section split of the configuration, as JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--root", type=_json, default={}, help="native roots by data set, for official lists, as JSON")
    _path(parser, "output")


@_verb("split", "assign every patient to training, validation or test", _split_arguments)
def _split(arguments: argparse.Namespace) -> None:
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.parts import PATIENTS
    from labeldropout.data.split import split
    from labeldropout.files import write_table

    roots = {name: Path(root) for name, root in arguments.root.items()}
    table = split([CaseStore(path).table for path in arguments.cases], arguments.settings, arguments.seed, roots)
    write_table(table, arguments.output, PATIENTS)


def _resolve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--row", type=_json, required=True, help="filled cells of the row, as JSON")
    parser.add_argument("--settings", type=_json, required=True, help="settings shared by all models, as JSON")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--selected", type=Path, help="outcome of select-hyperparameters")
    choice.add_argument("--candidate", type=_json, help="learning_rate and batch_size to try, as JSON")
    _path(parser, "config")


@_verb("resolve", "write out every setting of one model", _resolve_arguments)
def _resolve(arguments: argparse.Namespace) -> None:
    from labeldropout.files import read_json, write_json
    from labeldropout.learning.experiments import parse_row
    from labeldropout.learning.resolve import resolve

    experiment = parse_row(arguments.row, tuple(arguments.settings["datasets"]))
    chosen = arguments.candidate or {
        key: value for key, value in read_json(arguments.selected).items() if key in {"learning_rate", "batch_size"}
    }
    write_json(resolve(experiment, arguments.settings, chosen), arguments.config)


def _select_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--candidates", type=Path, nargs="+", required=True, help="folders with config.json and seed-<n>/history.csv"
    )
    parser.add_argument("--seed", type=int, required=True)
    _path(parser, "output", "table")


@_verb("select-hyperparameters", "choose initial learning rate and batch size by validation Dice", _select_arguments)
def _select(arguments: argparse.Namespace) -> None:
    from labeldropout.files import read_json, write_json, write_table
    from labeldropout.learning.select_hyperparameters import select
    from labeldropout.running.sidecars import sidecar_of

    table, selected = select(arguments.candidates, arguments.seed)
    write_table(table, arguments.table)
    write_json(selected, arguments.output)
    configs = [folder / "config.json" for folder in arguments.candidates]
    settings = [read_json(path) for path in configs]
    _trace(
        arguments,
        sidecar_of(arguments.table),
        files=[arguments.table, arguments.output],
        inputs=configs + [folder / f"seed-{arguments.seed}" / "history.csv" for folder in arguments.candidates],
        settings={"seed": arguments.seed},
        models={content["model"]: [arguments.seed] for content in settings},
        simulated=any(content["simulated"] for content in settings),
        target="grid",
    )


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser, "config", "split", "output")
    parser.add_argument(
        "--prepared", type=Path, nargs="+", required=True, help="folders of prepared arrays, one per data set"
    )
    parser.add_argument("--seed", type=int, required=True)
    _device_flags(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--benchmark", type=Path, help="where to write seconds and images/s, as JSON")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        help="folder of restart state, from which the same command goes on after a kill; with it, SIGTERM and Ctrl-C"
        " end the training after the batch, with exit status 75; default: none",
    )
    parser.add_argument("--checkpoint-epochs", type=int, help="with --checkpoints: write it after so many epochs,")
    parser.add_argument("--checkpoint-minutes", type=float, help="or minutes, whichever comes first")


@_verb("train", "train one model with one seed", _train_arguments)
def _train(arguments: argparse.Namespace) -> int:
    from labeldropout.devices import keep_freed_memory
    from labeldropout.learning.checkpoints import EXIT_STOPPED, Pace, StoppedError
    from labeldropout.learning.train import train_model

    keep_freed_memory()
    pace = None
    if arguments.checkpoints:
        if arguments.checkpoint_epochs is None or arguments.checkpoint_minutes is None:
            raise ValueError("--checkpoints needs --checkpoint-epochs and --checkpoint-minutes.")
        pace = Pace(arguments.checkpoints, arguments.checkpoint_epochs, arguments.checkpoint_minutes)
    try:
        train_model(
            config=arguments.config,
            prepared=arguments.prepared,
            split=arguments.split,
            seed=arguments.seed,
            device=_device(arguments),
            threads=arguments.threads,
            output=arguments.output,
            benchmark=arguments.benchmark,
            pace=pace,
        )
    except StoppedError as stopped:
        print(f"labeldropout train: {stopped}", file=sys.stderr)
        return EXIT_STOPPED
    return 0


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.safetensors of every seed")
    parser.add_argument("--cases", type=Path, nargs="+", required=True, help="stores of cases, one per data set")
    parser.add_argument("--prepared", type=Path, nargs="+", required=True, help="prepared arrays, in the same order")
    parser.add_argument("--observed", type=Path, help="store of the annotation kit's drawn masks")
    parser.add_argument("--settings", type=_json, required=True, help="surface_tolerance_mm and _px, as JSON")
    _device_flags(parser)
    parser.add_argument("--threads", type=int, default=1)
    _path(parser, "split", "scores", "predictions")


@_verb("evaluate", "predict and score all test sets of one model", _evaluate_arguments)
def _evaluate(arguments: argparse.Namespace) -> None:
    from labeldropout.learning.evaluate import evaluate_model
    from labeldropout.running.sidecars import PREPARED, STORE, files_of, relative, sidecar_of, weights_metadata

    evaluate_model(
        weights=arguments.weights,
        cases=arguments.cases,
        prepared=arguments.prepared,
        split=arguments.split,
        observed=arguments.observed,
        settings=arguments.settings,
        device=_device(arguments),
        threads=arguments.threads,
        scores=arguments.scores,
        predictions=arguments.predictions,
    )
    trained = [weights_metadata(path) for path in arguments.weights]
    stores = [*arguments.cases, *([arguments.observed] if arguments.observed else [])]
    _trace(
        arguments,
        sidecar_of(arguments.scores),
        files=[arguments.scores, arguments.predictions],
        inputs=[
            *arguments.weights,
            *files_of(stores, STORE),
            *files_of(arguments.prepared, PREPARED),
            arguments.split,
        ],
        settings=arguments.settings,
        models={trained[0]["config"]["model"]: [content["seed"] for content in trained]},
        simulated=any(content["config"]["simulated"] for content in trained),
        target=relative(arguments.scores),
    )


def _kit_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    export = actions.add_parser("export", help="write test images for an observer to draw on")
    _path(export, "cases", "split", "output")
    export.add_argument("--images", type=int, required=True)
    export.add_argument("--seed", type=int, required=True)
    take = actions.add_parser("import", help="read the drawn masks into a store of cases")
    _path(take, "cases", "kit", "drawn", "output")


@_verb("annotation-kit", "export images for an observer, or import the drawn masks", _kit_arguments)
def _kit(arguments: argparse.Namespace) -> None:
    from labeldropout.data.annotation_kit import export_kit, import_kit
    from labeldropout.data.case_store import CaseStore

    store = CaseStore(arguments.cases)
    if arguments.action == "export":
        export_kit(store, arguments.split, arguments.images, arguments.seed, arguments.output)
    else:
        import_kit(store, arguments.kit, arguments.drawn, arguments.output)


def _observe_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser, "kit", "truth", "drawn")
    parser.add_argument("--seed", type=int, required=True)


@_verb("observe", "let the simulated observer draw on the annotation kit", _observe_arguments)
def _observe(arguments: argparse.Namespace) -> None:
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.observe import observe

    observe(arguments.kit, CaseStore(arguments.truth), arguments.seed, arguments.drawn)


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--item",
        required=True,
        help="figure_1 to figure_5, supplementary_figure_1, table_1, table_2 or tests; of our own experiments controls,"
        " dose_response, losses, architectures, label_sets or tests_instrument",
    )
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores of the models of this item")
    parser.add_argument("--experiments", type=_json, default=[], help="rows of these models, as JSON")
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="stores of cases")
    parser.add_argument(
        "--settings", type=_json, required=True, help="statistics, kit, seed, severity, simulated: JSON"
    )
    _path(parser, "split", "reported", "output")


@_verb("compare", "make the table behind a figure, a table of the paper or the tests", _compare_arguments)
def _compare(arguments: argparse.Namespace) -> None:
    from labeldropout.analysis.compare import compare
    from labeldropout.running.sidecars import files_of, models_in_tables, sidecar_of

    compare(
        item=arguments.item,
        scores=arguments.scores,
        experiments=arguments.experiments,
        cases=arguments.cases,
        split=arguments.split,
        reported=arguments.reported,
        settings=arguments.settings,
        output=arguments.output,
    )
    files = [arguments.output.with_suffix(ending) for ending in (".csv", ".md", ".tex")]
    _trace(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[*arguments.scores, *files_of(arguments.cases, ["cases.csv"]), arguments.split, arguments.reported],
        settings={"item": arguments.item, "settings": arguments.settings, "experiments": arguments.experiments},
        models=models_in_tables(arguments.scores),
        simulated=bool(arguments.settings["simulated"]),
        target=arguments.item.removesuffix("_cases"),
    )


def _claims_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", choices=("study", "instrument"), required=True, help="whose claims are judged")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores of every model that has some")
    parser.add_argument("--experiments", type=_json, default=[], help="rows of these models, as JSON")
    parser.add_argument("--settings", type=_json, required=True, help="statistics and simulated, as JSON")
    _path(parser, "claims", "split", "reported", "output")


@_verb("claims", "judge the claims by rules that were fixed before", _claims_arguments)
def _claims(arguments: argparse.Namespace) -> None:
    from labeldropout.analysis.claims.judge import judge_claims
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    judge_claims(
        claims=arguments.claims,
        part=arguments.part,
        scores=arguments.scores,
        experiments=arguments.experiments,
        split=arguments.split,
        reported=arguments.reported,
        settings=arguments.settings,
        output=arguments.output,
    )
    files = [arguments.output.with_suffix(ending) for ending in (".csv", ".md", ".tex")]
    _trace(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[arguments.claims, *arguments.scores, arguments.split, arguments.reported],
        settings={"part": arguments.part, "settings": arguments.settings, "experiments": arguments.experiments},
        models=models_in_tables(arguments.scores),
        simulated=bool(arguments.settings["simulated"]),
        target=arguments.output.stem,
    )


def _put_ledger_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ledger", type=Path, nargs="+", required=True, help="claims.md, and claims_instrument.md")
    parser.add_argument("--file", type=Path, default=Path("README.md"), help="text with the two marks")


@_verb("put-ledger", "put the ledger of the claims between its two marks in a text", _put_ledger_arguments)
def _put_ledger(arguments: argparse.Namespace) -> None:
    from labeldropout.analysis.claims.ledger import put_ledger

    put_ledger(arguments.file, arguments.ledger)


def _biomarkers_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    measure = actions.add_parser("measure", help="measure every test patient of one model")
    measure.add_argument("--model", required=True, help="its row in the list of experiments")
    measure.add_argument("--structures", nargs="+", required=True, help="what it segments: LV, LVM, LA")
    measure.add_argument("--cases", type=Path, nargs="+", required=True, help="stores of cases, one per data set")
    measure.add_argument("--hearts", type=Path, nargs="*", default=[], help="hearts.csv of the simulated data sets")
    _path(measure, "predictions", "output")
    agree = actions.add_parser("agree", help="compare the measurements of all models with reference and truth")
    agree.add_argument("--measured", type=Path, nargs="+", required=True, help="outputs of measure, one per model")
    agree.add_argument("--output", type=Path, required=True, help="path of the table, with or without ending")
    for action in (measure, agree):
        action.add_argument("--simulated", choices=("yes", "no"), required=True)


@_verb("biomarkers", "volumes and ejection fractions from masks, and how they agree", _biomarkers_arguments)
def _biomarkers(arguments: argparse.Namespace) -> None:
    from labeldropout.analysis.biomarkers.agree import write_agreement
    from labeldropout.analysis.biomarkers.measure import measure_model
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    simulated = arguments.simulated == "yes"
    if arguments.action == "measure":
        measure_model(
            arguments.model,
            arguments.predictions,
            arguments.cases,
            arguments.hearts,
            arguments.structures,
            arguments.output,
            simulated=simulated,
        )
        return
    files = write_agreement(arguments.measured, arguments.output.with_suffix(""), simulated=simulated)
    _trace(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=arguments.measured,
        settings={"simulated": simulated},
        models=models_in_tables(arguments.measured),
        simulated=simulated,
        target="biomarkers",
    )


def _probe_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    ask = actions.add_parser("ask", help="tell the domain from the answers of one model")
    ask.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.safetensors of every seed")
    ask.add_argument("--prepared", type=Path, nargs="+", required=True, help="prepared arrays, one per data set")
    ask.add_argument(
        "--further", type=Path, nargs="*", default=[], help="stores that know unannotated structures: truth or observer"
    )
    ask.add_argument("--settings", type=_json, required=True, help="draws, seed and simulated, as JSON")
    _device_flags(ask)
    ask.add_argument("--threads", type=int, default=1)
    _path(ask, "split", "output")
    join = actions.add_parser("join", help="put the probes of all models into one table")
    join.add_argument("--probes", type=Path, nargs="+", required=True, help="outputs of ask, one per model")
    join.add_argument("--simulated", choices=("yes", "no"), required=True)
    join.add_argument("--output", type=Path, required=True, help="path of the table, with or without ending")


@_verb("probe", "how well the domain can be told from what a model answers", _probe_arguments)
def _probe(arguments: argparse.Namespace) -> None:
    from labeldropout.analysis.shortcut.probe import probe_model, write_probes
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    if arguments.action == "ask":
        probe_model(
            weights=arguments.weights,
            prepared=arguments.prepared,
            split=arguments.split,
            further=arguments.further,
            settings=arguments.settings,
            device=_device(arguments),
            threads=arguments.threads,
            output=arguments.output,
        )
        return
    simulated = arguments.simulated == "yes"
    files = write_probes(arguments.probes, arguments.output.with_suffix(""), simulated=simulated)
    _trace(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=arguments.probes,
        settings={"simulated": simulated},
        models=models_in_tables(arguments.probes),
        simulated=simulated,
        target="shortcut",
    )


def _figures_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--item", required=True, help="figure_1 to figure_5, supplementary_figure_1 or training_curves")
    parser.add_argument("--table", type=Path, nargs="+", required=True, help="the table or tables behind the figure")
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="stores of cases, for pictures")
    parser.add_argument("--predictions", type=Path, nargs="*", default=[], help="predictions, for pictures")
    parser.add_argument("--simulated", choices=("yes", "no"), required=True)
    parser.add_argument("--output", type=Path, required=True, help="path without ending; .svg and .png are written")


@_verb("figures", "draw one figure from its table", _figures_arguments)
def _figures(arguments: argparse.Namespace) -> None:
    from labeldropout.publication.figures.draw import draw_figure
    from labeldropout.running.sidecars import STORE, files_of, models_in_tables, sidecar_of

    draw_figure(
        item=arguments.item,
        tables=arguments.table,
        cases=arguments.cases,
        predictions=arguments.predictions,
        simulated=arguments.simulated == "yes",
        output=arguments.output,
    )
    files = [arguments.output.with_suffix(ending) for ending in (".svg", ".png")]
    _trace(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[*arguments.table, *files_of(arguments.cases, STORE), *arguments.predictions],
        settings={"item": arguments.item, "simulated": arguments.simulated == "yes"},
        models=models_in_tables(arguments.table),
        simulated=arguments.simulated == "yes",
        target=arguments.item,
    )


def _summarise_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    join = actions.add_parser("histories", help="join the histories of all trainings in one table")
    join.add_argument("--histories", type=Path, nargs="+", required=True, help="<model>/seed-<n>/history.csv")
    collect = actions.add_parser("tables", help="collect the main numbers in one small JSON")
    collect.add_argument("--tables", type=Path, nargs="*", default=[], help="tables behind figures, and Table 2")
    collect.add_argument("--selected", type=Path, required=True, help="outcome of select-hyperparameters")
    for action in (join, collect):
        action.add_argument("--simulated", choices=("yes", "no"), required=True)
        _path(action, "output")


@_verb("summarise", "put all training curves into one table, or the main numbers into one file", _summarise_arguments)
def _summarise(arguments: argparse.Namespace) -> None:
    from labeldropout.analysis.summarise import TRAINING_CURVES, join_histories, main_numbers
    from labeldropout.files import write_json, write_table
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    simulated = arguments.simulated == "yes"
    if arguments.action == "histories":
        inputs = arguments.histories
        write_table(join_histories(inputs, simulated=simulated), arguments.output, TRAINING_CURVES)
        models = models_in_tables([arguments.output])
    else:
        inputs = [*arguments.tables, arguments.selected]
        write_json(main_numbers(arguments.tables, arguments.selected, simulated=simulated), arguments.output)
        models = models_in_tables(arguments.tables)
    _trace(
        arguments,
        sidecar_of(arguments.output),
        files=[arguments.output],
        inputs=inputs,
        settings={"simulated": simulated},
        models=models,
        simulated=simulated,
        target=f"summarise_{arguments.action}",
    )


def _run_record_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--files", type=Path, nargs="+", required=True, help="results to hash")
    _path(parser, "benchmarks", "output")


@_verb("run-record", "write down what a study ran on, and the hash of every result", _run_record_arguments)
def _run_record(arguments: argparse.Namespace) -> None:
    from labeldropout.files import write_json
    from labeldropout.provenance import run_record

    write_json(run_record(arguments.files, arguments.benchmarks, arguments.study), arguments.output)


def _release_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser, "weights", "output")


@_verb("release", "publish the weights of one model", _release_arguments)
def _release(arguments: argparse.Namespace) -> None:
    from labeldropout.predict.release import release
    from labeldropout.running.sidecars import sidecar_of, weights_metadata

    release(arguments.weights, arguments.output)
    trained = weights_metadata(arguments.output)
    _trace(
        arguments,
        sidecar_of(arguments.output),
        files=[arguments.output],
        inputs=[arguments.weights],
        settings=trained,
        models={trained["config"]["model"]: [trained["seed"]]},
        simulated=bool(trained["config"]["simulated"]),
        target="release",
    )


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the workflow; default: where you are")
    parser.add_argument("--output", type=Path, help="write the list as CSV too")


@_verb("verify", "tell whether every result, and what it was made from, is what was recorded", _verify_arguments)
def _verify(arguments: argparse.Namespace) -> int:
    from labeldropout.running.verify import ALARMING, summarise, verify, write_findings

    findings = verify(arguments.results, arguments.root)
    for finding in findings:
        print(f"{finding.state:<15} {finding.file}{f': {finding.detail}' if finding.detail else ''}")
    print(summarise(findings))
    if arguments.output:
        write_findings(findings, arguments.output)
    return int(any(finding.state in ALARMING for finding in findings))


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the workflow; default: where you are")
    parser.add_argument("--output", type=Path, help="the page; default: report.html in the folder of the results")


@_verb("report", "put all that a study has on one page, with a folder of pictures beside it", _report_arguments)
def _report(arguments: argparse.Namespace) -> None:
    from labeldropout.publication.report.page import build_report

    build_report(arguments.results, arguments.root, arguments.output or arguments.results / "report.html")


def _write_up_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.yaml"), help="the study's, laid over the default one"
    )
    parser.add_argument("--output", type=Path, default=Path("docs/reproduction.md"), help="Markdown file")


@_verb("write-up", "write what became of the paper, every number taken from the tables", _write_up_arguments)
def _write_up(arguments: argparse.Namespace) -> None:
    from labeldropout.publication.write_up import write_up

    write_up(arguments.results, arguments.config, arguments.output)


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", help="images, videos or folders: NIfTI, MHD, PNG, AVI, MP4")
    parser.add_argument("--weights", type=Path, help="weights.safetensors; default: the released model")
    parser.add_argument(
        "--cone", choices=("geometry", "network", "none"), default="geometry", help="how the cone is found"
    )
    parser.add_argument("--cone-network", type=Path, help="output of train-cone, for --cone network")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    _path(parser, "output")


@_verb("predict", "outline the structures in your own images and videos", _predict_arguments)
def _predict(arguments: argparse.Namespace) -> None:
    from labeldropout.predict.outline import predict_files

    predict_files(
        arguments.inputs,
        weights=arguments.weights,
        cone=arguments.cone,
        cone_network=arguments.cone_network,
        device=arguments.device,
        output=arguments.output,
    )


def _reproduce_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "labeldropout reproduce [any arguments of snakemake]"
    parser.set_defaults(passed_on=[])


@_verb("reproduce", "run the study of this folder, after whatever happened to the last run of it", _reproduce_arguments)
def _reproduce(arguments: argparse.Namespace) -> None:
    from labeldropout.running.reproduce import reproduce

    reproduce(Path.cwd(), arguments.passed_on)


class _VerbParser(argparse.ArgumentParser):
    """A verb's flags; a verb whose defaults have `passed_on` gets every word as it is, for another program."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.get_default("passed_on") is None or args in (["-h"], ["--help"]):
            return super().parse_known_args(args, namespace)
        return argparse.Namespace(passed_on=list(args)), []


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.yaml"), help="configuration, laid over the default one"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda: where optimisation steps are timed")
    parser.add_argument(
        "--images-per-second", type=float, help="speed of training, measured elsewhere; nothing is timed then"
    )
    parser.add_argument("--output", type=Path, help="also write the trainings as .csv, or everything as .json")


@_verb("plan", "say what a study needs: hours, memory, disk, jobs", _plan_arguments)
def _plan(arguments: argparse.Namespace) -> None:
    from labeldropout.devices import keep_freed_memory
    from labeldropout.running.plan import plan

    keep_freed_memory()
    print(plan(arguments.config, Path(), arguments.device, arguments.images_per_second, arguments.output))


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="labeldropout", description="Partially labelled segmentation, and label dropout."
    )
    top.add_argument("--verbose", action="store_true", help="also say what went well")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_VerbParser)
    for name, (summary, _, arguments) in VERBS.items():
        arguments(verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status; a bad input ends with 1 and one line that says what is wrong."""
    arguments = parser().parse_args(argv)
    arguments.argv = sys.argv[1:] if argv is None else list(argv)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        with _granted(arguments):
            status = VERBS[arguments.verb][1](arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, OSError) as error:
        if arguments.verbose:
            logging.getLogger("labeldropout").exception("failed")
        print(f"labeldropout {arguments.verb}: {error}", file=sys.stderr)
        return 1
    return status or 0
