"""Verbs from raw files to prepared arrays: flags only."""

import argparse
import functools
from pathlib import Path

from labeldropout.cli.flags import Verb, add_device_flags, add_paths, at_least, device_of, json_object


def _simulate_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="a data set of the catalogue, such as camus")
    parser.add_argument("--settings", type=json_object(), required=True, help="sizes, as JSON")
    parser.add_argument("--severity", type=float, required=True, help="severity of the domain shift, 0 to 1")
    parser.add_argument("--seed", type=at_least(0), required=True)
    add_paths(parser, "root", "truth")


def simulate(arguments: argparse.Namespace) -> None:
    """Verb `simulate`."""
    from labeldropout.data.simulate import simulate

    simulate(arguments.dataset, arguments.settings, arguments.severity, arguments.seed, arguments.root, arguments.truth)


def _fit_domains_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    searching = actions.add_parser("search", help="search the settings of one simulated scanner, and print them")
    searching.add_argument("--dataset", required=True, help="a data set that can be simulated, such as camus")
    searching.add_argument(
        "--evaluations", type=at_least(1), required=True, help="most points tried, without derivatives"
    )
    searching.add_argument("--only", nargs="+", default=(), help="settings to search; default: all that have facts")
    showing = actions.add_parser("show", help="write the page of real beside simulated, with sheets of pictures")
    add_paths(showing, "page")
    for action in (searching, showing):
        action.add_argument(
            "--images", type=at_least(1), required=True, help="pictures of each domain, each of another patient"
        )
        action.add_argument("--seed", type=at_least(0), required=True)


def fit_domains(arguments: argparse.Namespace) -> None:
    """Verb `fit-domains`."""
    from labeldropout.data.fit_domains import search, show

    if arguments.action == "search":
        say = functools.partial(print, flush=True)
        search(arguments.dataset, arguments.images, arguments.seed, arguments.evaluations, say, arguments.only)
    else:
        show(arguments.images, arguments.seed, arguments.page)


def _import_dataset_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="name of the data set, such as camus")
    parser.add_argument("--format", default="", help="a data set of the catalogue, such as folder; default: the name")
    add_paths(parser, "root", "output")
    parser.add_argument("--options", type=json_object(), default={}, help="options of the data set's importer, as JSON")
    parser.add_argument(
        "--structures",
        nargs="+",
        metavar="NAME",
        help="structures of the study, in the order of their values 1, 2, ...; default: those of the data set",
    )
    parser.add_argument("--curation", type=Path, help="list of the images to use, if the data set has one")
    parser.add_argument("--on-bad-case", choices=("stop", "skip"), default="stop")


def import_dataset(arguments: argparse.Namespace) -> None:
    """Verb `import-dataset`."""
    from labeldropout.data.import_dataset import import_dataset
    from labeldropout.labels import number_structures

    import_dataset(
        arguments.name,
        arguments.root,
        arguments.output,
        arguments.options,
        arguments.on_bad_case,
        arguments.curation,
        arguments.format,
        number_structures(arguments.structures) if arguments.structures else None,
    )


def _inspect_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of pictures and masks")
    parser.add_argument(
        "--output", type=Path, default=Path("config/mine.yaml"), help="configuration to write, to be corrected"
    )


def inspect(arguments: argparse.Namespace) -> None:
    """Verb `inspect`."""
    from labeldropout.data.folder.inspect import inspect

    for path in inspect(arguments.folder, arguments.output):
        print(path)


def _train_cone_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings",
        type=json_object("images", "grid_size", "features", "epochs", "iterations", "batch_size"),
        required=True,
        help="section cone_network of the configuration, as JSON",
    )
    parser.add_argument("--seed", type=at_least(0), required=True)
    add_device_flags(parser)
    add_paths(parser, "output")


def train_cone(arguments: argparse.Namespace) -> None:
    """Verb `train-cone`."""
    from labeldropout.data.cone_network import train_cone_network
    from labeldropout.devices import keep_freed_memory

    keep_freed_memory()
    train_cone_network(arguments.settings, arguments.seed, device_of(arguments), arguments.output)


def _segment_cone_flags(parser: argparse.ArgumentParser) -> None:
    add_paths(parser, "cases", "output")
    parser.add_argument("--method", choices=("network", "geometry", "none"), required=True)
    parser.add_argument("--network", type=Path, help="output of train-cone; required for the method network")
    add_device_flags(parser)


def segment_cone(arguments: argparse.Namespace) -> None:
    """Verb `segment-cone`."""
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.segment_cone import segment_cones

    segment_cones(
        CaseStore(arguments.cases), arguments.method, arguments.network, device_of(arguments), arguments.output
    )


def _prepare_flags(parser: argparse.ArgumentParser) -> None:
    add_paths(parser, "cases", "cones", "output")
    parser.add_argument("--grid-size", type=at_least(1), required=True, help="side of the network's grid")
    parser.add_argument(
        "--margin", type=float, required=True, help="margin around the cone's box, as a share of its longer side"
    )


def prepare(arguments: argparse.Namespace) -> None:
    """Verb `prepare`."""
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.prepare import prepare

    prepare(CaseStore(arguments.cases), arguments.cones, arguments.grid_size, arguments.margin, arguments.output)


def _split_flags(parser: argparse.ArgumentParser) -> None:
    add_paths(parser, "cases")
    parser.add_argument(
        "--settings", type=json_object("source"), required=True, help="section split of the configuration, as JSON"
    )
    parser.add_argument("--seed", type=at_least(0), required=True)
    parser.add_argument(
        "--root", type=json_object(), default={}, help="native root of each data set, for its official lists, as JSON"
    )
    add_paths(parser, "output")


def split(arguments: argparse.Namespace) -> None:
    """Verb `split`."""
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.parts import PATIENTS
    from labeldropout.data.split import split
    from labeldropout.files import write_table

    roots = {name: Path(root) for name, root in arguments.root.items()}
    table = split([CaseStore(arguments.cases).table], arguments.settings, arguments.seed, roots)
    write_table(table, arguments.output, PATIENTS)


def _annotation_kit_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    export = actions.add_parser("export", help="write test images for an observer to draw on")
    add_paths(export, "cases", "split", "output")
    export.add_argument("--images", type=at_least(1), required=True)
    export.add_argument("--seed", type=at_least(0), required=True)
    take = actions.add_parser("import", help="read the drawn masks into a store of cases")
    add_paths(take, "cases", "kit", "drawn", "output")


def annotation_kit(arguments: argparse.Namespace) -> None:
    """Verb `annotation-kit`."""
    from labeldropout.data.annotation_kit import export_kit, import_kit
    from labeldropout.data.case_store import CaseStore

    store = CaseStore(arguments.cases)
    if arguments.action == "export":
        export_kit(store, arguments.split, arguments.images, arguments.seed, arguments.output)
    else:
        import_kit(store, arguments.kit, arguments.drawn, arguments.output)


def _observe_flags(parser: argparse.ArgumentParser) -> None:
    add_paths(parser, "kit", "truth", "drawn")
    parser.add_argument("--seed", type=at_least(0), required=True)


def observe(arguments: argparse.Namespace) -> None:
    """Verb `observe`."""
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.observe import observe

    observe(arguments.kit, CaseStore(arguments.truth), arguments.seed, arguments.drawn)


VERBS = (
    Verb("inspect", "propose a configuration for a folder of pictures and masks of your own", _inspect_flags, inspect),
    Verb(
        "fit-domains",
        "search the settings of the simulated scanners, and show their pictures beside the facts",
        _fit_domains_flags,
        fit_domains,
    ),
    Verb("simulate", "write a simulated data set in the data set's own format", _simulate_flags, simulate),
    Verb(
        "import-dataset",
        "read a data set from its own format into a store of cases",
        _import_dataset_flags,
        import_dataset,
    ),
    Verb(
        "train-cone", "train the nnU-Net that finds the cone, on simulated acquisitions", _train_cone_flags, train_cone
    ),
    Verb("segment-cone", "find the cone of every case", _segment_cone_flags, segment_cone),
    Verb("prepare", "crop to the cone and resize to the network's grid", _prepare_flags, prepare),
    Verb("split", "assign every patient to training, validation or test", _split_flags, split),
    Verb(
        "annotation-kit",
        "export images for an observer, or import the drawn masks",
        _annotation_kit_flags,
        annotation_kit,
    ),
    Verb("observe", "let the simulated observer draw on the annotation kit", _observe_flags, observe),
)
