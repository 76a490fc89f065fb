"""The command line: its verbs, their logging and their exit status."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from labeldropout import __version__
from labeldropout.cli import analysis, data, learning, predict, publication, running
from labeldropout.cli.flags import Verb

VERBS: dict[str, Verb] = {
    verb.name: verb for room in (data, learning, analysis, publication, predict, running) for verb in room.VERBS
}
"""Every verb, in the order in which data pass through them."""


_EXTRA_OF_VERB = {"predict": "predict"}
_EXTRA_OF_PACKAGE = {"nnunetv2": "nnunet", "pydicom": "predict,dicom"}


def _say_missing(verb: str, package: str) -> None:
    """Say what to install for a verb that needs a package that is not there."""
    extra = _EXTRA_OF_PACKAGE.get(package, _EXTRA_OF_VERB.get(verb, "study"))
    print(
        f"labeldropout {verb}: needs the package {package}, which is not installed (expected the extra {extra}: "
        f"pip install 'labeldropout[{extra}]').",
        file=sys.stderr,
    )


def _granted(arguments: argparse.Namespace) -> AbstractContextManager[Any]:
    """Reserve a graphics card for verbs that use one, for as long as they run; call before torch is imported."""
    if "gpus" not in arguments:
        return nullcontext()
    from labeldropout.devices import granted_device

    return granted_device(arguments.gpus, arguments.device, arguments.trainings_per_gpu)


class _VerbParser(argparse.ArgumentParser):
    """Parser for a verb's flags; if its defaults have `passed_on`, all words go unparsed to another program."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.get_default("passed_on") is None or args in (["-h"], ["--help"]):
            return super().parse_known_args(args, namespace)
        return argparse.Namespace(passed_on=list(args)), []


class _Completion(argparse.Action):
    """Print what a shell needs to complete verbs, flags and files."""

    def __call__(self, parser: argparse.ArgumentParser, *found: Any) -> None:
        try:
            import shtab
        except ModuleNotFoundError:
            parser.error("--print-completion needs shtab: pip install shtab")
        for one in (parser, *_verbs_of(parser).values()):
            for action in one._actions:  # noqa: SLF001 - argparse has no other way to list them
                if action.type is Path:
                    action.complete = shtab.FILE  # type: ignore[attr-defined]
        print(shtab.complete(parser, found[1]))
        parser.exit()


def _verbs_of(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    return next(action.choices for action in top._actions if action.dest == "verb")  # type: ignore[return-value] # noqa: SLF001 - as above


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="labeldropout", description="Partially labelled segmentation, and label dropout."
    )
    top.add_argument("--version", action="version", version=f"labeldropout {__version__}")
    top.add_argument(
        "--print-completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        help="print the completion script of a shell",
    )
    top.add_argument("--verbose", action="store_true", help="also log progress")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_VerbParser)
    for verb in VERBS.values():
        description = f"{verb.summary[0].upper()}{verb.summary[1:]}."
        verb.add_flags(verbs.add_parser(verb.name, help=verb.summary, description=description))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status; for bad input, or without its extra, print one line and return 1."""
    arguments = parser().parse_args(argv)
    arguments.argv = sys.argv[1:] if argv is None else list(argv)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        with _granted(arguments):
            status = VERBS[arguments.verb].run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in {"", "labeldropout"}:
            raise
        _say_missing(arguments.verb, package)
        return 1
    except (ValueError, OSError) as error:
        if arguments.verbose:
            logging.getLogger("labeldropout").exception("failed")
        print(f"labeldropout {arguments.verb}: {_said(error)}", file=sys.stderr)
        return 1
    return status or 0


def _said(error: ValueError | OSError) -> str:
    """The message of an error; of the system's own errors, the file first and no number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
