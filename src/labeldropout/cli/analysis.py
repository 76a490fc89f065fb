"""Verbs from scores to tables: flags only."""

import argparse
from pathlib import Path

from labeldropout.cli.flags import Verb, add_device_flags, add_paths, add_split_flag, at_least, device_of, json_object
from labeldropout.cli.tracing import write_sidecar
from labeldropout.items import ITEMS

_RESAMPLING = ("statistics.draws", "statistics.seed")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configs", type=Path, nargs="*", default=[], help="config.json of these models")
    parser.add_argument("--seeds", nargs="*", default=[], help="seeds of each of them, as in the list: 0,1,2")
    parser.add_argument(
        "--shown-in", nargs="*", default=[], help="items that show each of them, as in the list: figure_4+controls"
    )


def _cells(arguments: argparse.Namespace) -> dict[str, dict[str, str]]:
    """Seeds and items by model, for a sidecar."""
    models = [path.parent.name for path in arguments.configs]
    return {
        "seeds": dict(zip(models, arguments.seeds, strict=True)),
        "shown_in": dict(zip(models, arguments.shown_in, strict=True)),
    }


def _compare_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--item",
        required=True,
        help=f"one of {', '.join(name for name, item in ITEMS.items() if item.is_compared)}",
    )
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores of the models of this item")
    _add_models(parser)
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="stores of cases")
    parser.add_argument(
        "--settings",
        type=json_object(*_RESAMPLING, "kit", "seed", "severity", "simulated", "real", "structures"),
        required=True,
        help="statistics, kit, seed, severity, simulated: JSON",
    )
    add_split_flag(parser)
    add_paths(parser, "reported", "output")


def compare(arguments: argparse.Namespace) -> None:
    """Verb `compare`."""
    from labeldropout.analysis.compare import compare
    from labeldropout.running.sidecars import files_of, models_in_tables, sidecar_of

    compare(
        item=arguments.item,
        scores=arguments.scores,
        configs=arguments.configs,
        seeds=arguments.seeds,
        shown_in=arguments.shown_in,
        cases=arguments.cases,
        split=arguments.split,
        reported=arguments.reported,
        settings=arguments.settings,
        output=arguments.output,
    )
    files = [arguments.output.with_suffix(ending) for ending in (".csv", ".md", ".tex")]
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[
            *arguments.scores,
            *arguments.configs,
            *files_of(arguments.cases, ["cases.csv"]),
            *arguments.split,
            arguments.reported,
        ],
        settings={"item": arguments.item, "settings": arguments.settings, **_cells(arguments)},
        models=models_in_tables(arguments.scores),
        simulated=bool(arguments.settings["simulated"]),
        target=ITEMS[arguments.item].target,
    )


def _claims_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", choices=("study", "instrument"), required=True, help="whose claims are judged")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores of every model that has any")
    _add_models(parser)
    parser.add_argument(
        "--settings",
        type=json_object(*_RESAMPLING, "simulated", "real", "datasets", "structures"),
        required=True,
        help="what the tables need to know of the study, as JSON",
    )
    add_split_flag(parser)
    add_paths(parser, "claims", "reported", "soundness", "output")


def claims(arguments: argparse.Namespace) -> None:
    """Verb `claims`."""
    from labeldropout.analysis.claims.judge import judge_claims
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    judge_claims(
        claims=arguments.claims,
        part=arguments.part,
        scores=arguments.scores,
        configs=arguments.configs,
        seeds=arguments.seeds,
        shown_in=arguments.shown_in,
        split=arguments.split,
        reported=arguments.reported,
        soundness=arguments.soundness,
        settings=arguments.settings,
        output=arguments.output,
    )
    files = [arguments.output.with_suffix(ending) for ending in (".csv", ".md", ".tex")]
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[
            arguments.claims,
            *arguments.scores,
            *arguments.configs,
            *arguments.split,
            arguments.reported,
            arguments.soundness,
        ],
        settings={"part": arguments.part, "settings": arguments.settings, **_cells(arguments)},
        models=models_in_tables(arguments.scores),
        simulated=bool(arguments.settings["simulated"]),
        target=arguments.output.stem,
    )


def _biomarkers_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    measure = actions.add_parser("measure", help="measure every test patient of one model")
    measure.add_argument("--model", required=True, help="its row in the list of experiments")
    measure.add_argument("--structures", nargs="+", required=True, help="what it segments: LV, LVM, LA")
    measure.add_argument("--cases", type=Path, nargs="+", required=True, help="stores of cases, one per data set")
    measure.add_argument(
        "--truth", type=Path, nargs="*", default=[], help="stores of the simulator's masks, with hearts.csv"
    )
    add_paths(measure, "predictions", "output")
    agree = actions.add_parser("agree", help="compare the measurements of all models with reference and truth")
    agree.add_argument("--measured", type=Path, nargs="+", required=True, help="outputs of measure, one per model")
    agree.add_argument("--output", type=Path, required=True, help="path of the table, with or without suffix")
    for action in (measure, agree):
        action.add_argument("--simulated", choices=("yes", "no"), required=True)


def biomarkers(arguments: argparse.Namespace) -> None:
    """Verb `biomarkers`."""
    from labeldropout.analysis.biomarkers.agree import write_agreement
    from labeldropout.analysis.biomarkers.measure import measure_model
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    simulated = arguments.simulated == "yes"
    if arguments.action == "measure":
        measure_model(
            arguments.model,
            arguments.predictions,
            arguments.cases,
            arguments.truth,
            arguments.structures,
            arguments.output,
            simulated=simulated,
        )
        return
    files = write_agreement(arguments.measured, arguments.output.with_suffix(""), simulated=simulated)
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=arguments.measured,
        settings={"simulated": simulated},
        models=models_in_tables(arguments.measured),
        simulated=simulated,
        target="biomarkers",
    )


def _probe_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    ask = actions.add_parser("ask", help="infer the domain from the answers of one model")
    ask.add_argument("--weights", type=Path, nargs="+", required=True, help="weights.safetensors of every seed")
    ask.add_argument("--prepared", type=Path, nargs="+", required=True, help="prepared arrays, one per data set")
    ask.add_argument(
        "--further", type=Path, nargs="*", default=[], help="stores that know unannotated structures: truth or observer"
    )
    ask.add_argument(
        "--settings",
        type=json_object("draws", "seed", "simulated"),
        required=True,
        help="draws, seed and simulated, as JSON",
    )
    add_device_flags(ask)
    ask.add_argument("--threads", type=at_least(1), default=1)
    add_split_flag(ask)
    add_paths(ask, "output")
    join = actions.add_parser("join", help="put the probes of all models into one table")
    join.add_argument("--probes", type=Path, nargs="+", required=True, help="outputs of ask, one per model")
    join.add_argument("--simulated", choices=("yes", "no"), required=True)
    join.add_argument("--output", type=Path, required=True, help="path of the table, with or without suffix")


def probe(arguments: argparse.Namespace) -> None:
    """Verb `probe`."""
    from labeldropout.analysis.shortcut.probe import probe_model
    from labeldropout.analysis.shortcut.table import write_probes
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    if arguments.action == "ask":
        probe_model(
            weights=arguments.weights,
            prepared=arguments.prepared,
            split=arguments.split,
            further=arguments.further,
            settings=arguments.settings,
            device=device_of(arguments),
            threads=arguments.threads,
            output=arguments.output,
        )
        return
    simulated = arguments.simulated == "yes"
    files = write_probes(arguments.probes, arguments.output.with_suffix(""), simulated=simulated)
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=arguments.probes,
        settings={"simulated": simulated},
        models=models_in_tables(arguments.probes),
        simulated=simulated,
        target="shortcut",
    )


def _summarise_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    join = actions.add_parser("histories", help="join the histories of all trainings in one table")
    join.add_argument("--histories", type=Path, nargs="+", required=True, help="<model>/seed-<n>/history.csv")
    join.add_argument("--real", nargs="*", default=[], help="data sets that are not simulated")
    collect = actions.add_parser("tables", help="collect the main numbers in one small JSON")
    collect.add_argument("--tables", type=Path, nargs="*", default=[], help="tables behind figures, and Table 2")
    collect.add_argument("--selected", type=Path, required=True, help="output of select-hyperparameters")
    for action in (join, collect):
        action.add_argument("--simulated", choices=("yes", "no"), required=True)
        add_paths(action, "output")


def summarise(arguments: argparse.Namespace) -> None:
    """Verb `summarise`."""
    from labeldropout.analysis.summarise import TRAINING_CURVES, join_histories, main_numbers
    from labeldropout.files import write_json, write_table
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    simulated = arguments.simulated == "yes"
    if arguments.action == "histories":
        inputs = arguments.histories
        write_table(join_histories(inputs, simulated=simulated, real=arguments.real), arguments.output, TRAINING_CURVES)
        models = models_in_tables([arguments.output])
    else:
        inputs = [*arguments.tables, arguments.selected]
        write_json(main_numbers(arguments.tables, arguments.selected, simulated=simulated), arguments.output)
        models = models_in_tables(arguments.tables)
    write_sidecar(
        arguments,
        sidecar_of(arguments.output),
        files=[arguments.output],
        inputs=inputs,
        settings={"simulated": simulated},
        models=models,
        simulated=simulated,
        target=f"summarise_{arguments.action}",
    )


def _compare_machines_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scores", type=Path, nargs=2, required=True, help="folders of scores of the first and of the second machine"
    )
    parser.add_argument(
        "--fully-labelled", nargs="+", required=True, help="models that were trained with every label: e4-benchmark"
    )
    parser.add_argument("--claims", type=Path, nargs=2, default=[], help="claims.csv of both machines")
    parser.add_argument(
        "--settings",
        type=json_object(*_RESAMPLING, "simulated"),
        required=True,
        help="statistics and simulated, as JSON",
    )
    add_paths(parser, "output")


def compare_machines(arguments: argparse.Namespace) -> None:
    """Verb `compare-machines`."""
    from labeldropout.analysis.compare_machines import compare_machines
    from labeldropout.running.sidecars import files_of, models_in_tables, sidecar_of

    files = compare_machines(
        scores=arguments.scores,
        fully_labelled=arguments.fully_labelled,
        claims=arguments.claims,
        settings=arguments.settings,
        output=arguments.output,
    )
    models = models_in_tables([files[0]])
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[*files_of(arguments.scores, [f"{model}.csv" for model in models]), *arguments.claims],
        settings={"settings": arguments.settings, "fully_labelled": arguments.fully_labelled},
        models=models,
        simulated=bool(arguments.settings["simulated"]),
        target="machines",
    )


def _soundness_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--histories", type=Path, nargs="+", required=True, help="<model>/seed-<n>/history.csv")
    parser.add_argument("--configs", type=Path, nargs="+", required=True, help="config.json of these models")
    parser.add_argument("--severity", type=float, required=True, help="domain shift of the study's simulated data")
    parser.add_argument("--simulated", choices=("yes", "no"), required=True)
    parser.add_argument("--output", type=Path, required=True, help="path of the table, with or without suffix")


def soundness(arguments: argparse.Namespace) -> None:
    """Verb `soundness`."""
    from labeldropout.analysis.soundness import write_soundness
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    simulated = arguments.simulated == "yes"
    files = write_soundness(
        arguments.histories,
        arguments.configs,
        arguments.output.with_suffix(""),
        severity=arguments.severity,
        simulated=simulated,
    )
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[*arguments.histories, *arguments.configs],
        settings={"severity": arguments.severity, "simulated": simulated},
        models=models_in_tables(files[:1]),
        simulated=simulated,
        target=arguments.output.stem,
    )


def _long_short_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--simulated", choices=("yes", "no"), required=True)
    add_paths(parser, "short", "long", "output")


def long_short(arguments: argparse.Namespace) -> None:
    """Verb `long-short`."""
    from labeldropout.analysis.lengths import write_lengths
    from labeldropout.running.sidecars import models_in_tables, sidecar_of

    simulated = arguments.simulated == "yes"
    inputs = [arguments.short, arguments.long]
    files = write_lengths(*inputs, arguments.output.with_suffix(""), simulated=simulated)
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=inputs,
        settings={"simulated": simulated},
        models=models_in_tables(files[:1]),
        simulated=simulated,
        target="long_short",
    )


def _put_ledger_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=Path(), help="root of the repository; default: the current folder")


def put_ledger(arguments: argparse.Namespace) -> None:
    """Verb `put-ledger`."""
    from labeldropout.analysis.claims.put_ledger import put_ledger

    put_ledger(arguments.root)


VERBS = (
    Verb("compare", "make the table behind a figure, a table of the paper, or the tests", _compare_flags, compare),
    Verb("claims", "judge the claims by rules fixed in advance", _claims_flags, claims),
    Verb(
        "biomarkers",
        "measure volumes and ejection fractions from masks, and how well they agree",
        _biomarkers_flags,
        biomarkers,
    ),
    Verb("probe", "measure how well the domain can be inferred from a model's answers", _probe_flags, probe),
    Verb(
        "summarise",
        "put all training curves into one table, or the main numbers into one file",
        _summarise_flags,
        summarise,
    ),
    Verb(
        "soundness",
        "judge by the validation scores whether every training came to its end",
        _soundness_flags,
        soundness,
    ),
    Verb("long-short", "put two lengths of training side by side", _long_short_flags, long_short),
    Verb(
        "compare-machines",
        "hold the scores and verdicts of the same study on two machines against each other",
        _compare_machines_flags,
        compare_machines,
    ),
    Verb(
        "put-ledger",
        "put the results of the claims into README.md and their pages",
        _put_ledger_flags,
        put_ledger,
    ),
)
