"""Flags shared by several verbs, and the definition of a verb."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Verb:
    """One command of the command line."""

    name: str
    summary: str
    """The summary shown by `--help`."""
    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    """The function that runs it; the exit status is 0 if it returns None."""


def json_value(text: str) -> Any:
    """Parse the value of a flag given as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error


def add_paths(parser: argparse.ArgumentParser, *names: str, required: bool = True) -> None:
    """Add flags that take one path each."""
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=required)


def add_split_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag for the tables with the parts of all patients."""
    parser.add_argument("--split", type=Path, nargs="+", required=True, help="outputs of split, one per data set")


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of verbs that may use a graphics card."""
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--gpus", type=int, default=1, help="0 forces the CPU")
    parser.add_argument("--trainings-per-gpu", type=int, default=1, help="how many processes may share a graphics card")


def device_of(arguments: argparse.Namespace) -> str:
    """Return the device requested by these flags."""
    return "cpu" if arguments.gpus == 0 else str(arguments.device)
