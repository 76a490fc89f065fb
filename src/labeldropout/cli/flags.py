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


def json_object(*required: str) -> Callable[[str], dict[str, Any]]:
    """The parser of a flag that takes settings by name, as JSON.

    Args:
        required: Names that must be there; `statistics.draws` is `draws` in `statistics`.
    """

    def parse(text: str) -> dict[str, Any]:
        try:
            settings = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
        if not isinstance(settings, dict):
            found = f"{type(settings).__name__} {text[:40]}"
            raise argparse.ArgumentTypeError(f'expected settings by name, such as {{"seed": 1}}, found {found}')
        missing = [name for name in required if not _has(settings, name)]
        if missing:
            found = ", ".join(settings) or "none"
            raise argparse.ArgumentTypeError(f"settings are missing: {', '.join(missing)} (found: {found})")
        return settings

    return parse


def named_structures(text: str) -> list[dict[str, Any]]:
    """The parser of a flag that takes the section `structures` of a configuration, as JSON."""
    try:
        structures = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(structures, list) or not structures or not all(_has(one, "name") for one in structures):
        raise argparse.ArgumentTypeError(f'expected a list such as [{{"name": "LV"}}], found {text[:40]}')
    return structures


def add_structures_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag for the structures of the study."""
    parser.add_argument(
        "--structures",
        type=named_structures,
        required=True,
        help="section structures of the configuration, as JSON: name, title and colour of each",
    )


def _has(settings: Any, name: str) -> bool:
    first, _, rest = name.partition(".")
    return isinstance(settings, dict) and first in settings and (not rest or _has(settings[first], rest))


def at_least(lowest: int) -> Callable[[str], int]:
    """The parser of a flag that takes a whole number which is not smaller."""

    def parse(text: str) -> int:
        if not text.strip().lstrip("-").isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"expected a whole number from {lowest}, found {text!r}")
        return int(text)

    return parse


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
    parser.add_argument("--gpus", type=at_least(0), default=1, help="0 forces the CPU")
    parser.add_argument(
        "--trainings-per-gpu", type=at_least(1), default=1, help="how many processes may share a graphics card"
    )


def device_of(arguments: argparse.Namespace) -> str:
    """Return the device requested by these flags."""
    return "cpu" if arguments.gpus == 0 else str(arguments.device)
