"""Verbs from tables to publications: flags only."""

import argparse
from pathlib import Path

from labeldropout.cli.flags import Verb, add_structures_flag
from labeldropout.cli.tracing import write_sidecar
from labeldropout.items import figures as catalogued


def _figures_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--item", required=True, help=f"one of {', '.join(item.name for item in catalogued())}")
    parser.add_argument("--table", type=Path, nargs="+", required=True, help="the table or tables behind the figure")
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="stores of cases, for pictures")
    parser.add_argument("--predictions", type=Path, nargs="*", default=[], help="predictions, for pictures")
    parser.add_argument("--simulated", choices=("yes", "no"), required=True)
    add_structures_flag(parser)
    parser.add_argument("--hidden", default="", help="what is hidden from the models of the figure, as in LA@unity:1.0")
    parser.add_argument("--output", type=Path, required=True, help="path without suffix; .svg and .png are written")


def figures(arguments: argparse.Namespace) -> None:
    """Verb `figures`."""
    from labeldropout.publication.figures.draw import draw_figure
    from labeldropout.running.sidecars import STORE, files_of, models_in_tables, sidecar_of

    draw_figure(
        item=arguments.item,
        tables=arguments.table,
        cases=arguments.cases,
        predictions=arguments.predictions,
        simulated=arguments.simulated == "yes",
        structures=arguments.structures,
        hidden=arguments.hidden,
        output=arguments.output,
    )
    files = [arguments.output.with_suffix(ending) for ending in (".svg", ".png")]
    write_sidecar(
        arguments,
        sidecar_of(files[0]),
        files=files,
        inputs=[*arguments.table, *files_of(arguments.cases, STORE), *arguments.predictions],
        settings={
            "item": arguments.item,
            "simulated": arguments.simulated == "yes",
            "structures": arguments.structures,
            "hidden": arguments.hidden,
        },
        models=models_in_tables(arguments.table),
        simulated=arguments.simulated == "yes",
        target=arguments.item,
    )


def _report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the workflow; default: the current folder")
    parser.add_argument("--output", type=Path, help="the page; default: report.html in the folder of the results")


def report(arguments: argparse.Namespace) -> None:
    """Verb `report`."""
    from labeldropout.publication.report.page import build_report

    page = arguments.output or arguments.results / "report.html"
    build_report(arguments.results, arguments.root, page)
    print(page)


def _write_up_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config/config.yaml"),
        help="configuration of the study, merged over the default one",
    )
    parser.add_argument(
        "--output", type=Path, help="Markdown file (default for the default study: docs/reproduction.md)"
    )


def write_up(arguments: argparse.Namespace) -> None:
    """Verb `write-up`."""
    from labeldropout.publication.write_up import write_up

    is_default = (arguments.results, arguments.config) == (Path("results"), Path("config/config.yaml"))
    if arguments.output is None and not is_default:
        raise ValueError("--output: missing (expected, as docs/reproduction.md is about the default study).")
    write_up(arguments.results, arguments.config, arguments.output or Path("docs/reproduction.md"))


VERBS = (
    Verb("figures", "draw one figure from its table", _figures_flags, figures),
    Verb(
        "report", "put all results of a study on one page, with a folder of pictures next to it", _report_flags, report
    ),
    Verb(
        "write-up", "write what became of the paper, with every number taken from the tables", _write_up_flags, write_up
    ),
)
