"""Verbs for running a study on a machine: flags only."""

import argparse
from pathlib import Path

from labeldropout.cli.flags import Verb, add_paths, add_structures_flag


def _run_record_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, help="name of the study")
    add_structures_flag(parser)
    add_paths(parser, "benchmarks", "output")


def run_record(arguments: argparse.Namespace) -> None:
    """Verb `run-record`."""
    from labeldropout.files import write_json
    from labeldropout.running.run_record import run_record

    write_json(run_record(arguments.benchmarks, arguments.study, arguments.structures), arguments.output)


def _verify_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the workflow; default: the current folder")
    parser.add_argument(
        "--against",
        type=Path,
        help="compare the tables with those of another run's results instead: same bytes, same to 3 digits, or not",
    )
    parser.add_argument("--output", type=Path, help="also write the list as CSV")


def verify(arguments: argparse.Namespace) -> int:
    """Verb `verify`."""
    from labeldropout.running.same_tables import AGREEMENTS, ALARMING_AGREEMENTS, verify_against
    from labeldropout.running.verify import ALARMING, STATES, summarise, verify, write_findings

    if arguments.against:
        findings = verify_against(arguments.results, arguments.against)
        states, alarming = AGREEMENTS, ALARMING_AGREEMENTS
    else:
        findings = verify(arguments.results, arguments.root)
        states, alarming = STATES, ALARMING
    for finding in findings:
        print(f"{finding.state:<16} {finding.file}{f': {finding.detail}' if finding.detail else ''}")
    print(summarise(findings, states))
    if arguments.output:
        write_findings(findings, arguments.output)
    return int(any(finding.state in alarming for finding in findings))


def _reproduce_flags(parser: argparse.ArgumentParser) -> None:
    parser.usage = "labeldropout reproduce [any arguments of snakemake]"
    parser.set_defaults(passed_on=[])


def reproduce(arguments: argparse.Namespace) -> None:
    """Verb `reproduce`."""
    from labeldropout.running.reproduce import reproduce

    reproduce(Path.cwd(), arguments.passed_on)


def _plan_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.yaml"), help="configuration, merged over the default one"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda: where optimisation steps are timed")
    parser.add_argument("--images-per-second", type=float, help="training speed measured elsewhere; skips the timing")
    parser.add_argument("--output", type=Path, help="also write the trainings as .csv, or everything as .json")


def plan(arguments: argparse.Namespace) -> None:
    """Verb `plan`."""
    from labeldropout.devices import keep_freed_memory
    from labeldropout.running.plan import plan

    keep_freed_memory()
    print(plan(arguments.config, Path(), arguments.device, arguments.images_per_second, arguments.output))


def _advise_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="configuration of the study, merged over the default one")


def advise(arguments: argparse.Namespace) -> None:
    """Verb `advise`."""
    from labeldropout.running.advise import EVIDENCE, advise

    print(advise(arguments.config, Path(), EVIDENCE))


def _draft_list_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="configuration of your own, with your folders")
    parser.add_argument("--hide", required=True, help="what is hidden where, as in cytoplasm@laboratory_2")


def draft_list(arguments: argparse.Namespace) -> None:
    """Verb `draft-list`."""
    from labeldropout.running.draft_list import draft_list

    for path in draft_list(arguments.config, Path(), arguments.hide):
        print(path)


VERBS = (
    Verb(
        "run-record", "record what machine a study ran on, and how long its rules took", _run_record_flags, run_record
    ),
    Verb(
        "verify", "check whether every result, and what it was made from, is still as recorded", _verify_flags, verify
    ),
    Verb(
        "reproduce",
        "run the study in this folder, whatever happened to its last run",
        _reproduce_flags,
        reproduce,
    ),
    Verb(
        "advise",
        "before any training: what is partly labelled, how confounded it is, and what may mend it",
        _advise_flags,
        advise,
    ),
    Verb("draft-list", "write a list of experiments and claims for folders of your own", _draft_list_flags, draft_list),
    Verb("plan", "estimate what a study needs: trainings, hours, memory, disk", _plan_flags, plan),
)
