"""Write sidecars for the outputs of verbs."""

import argparse
from pathlib import Path
from typing import Any


def write_sidecar(arguments: argparse.Namespace, sidecar: Path, **facts: Any) -> None:
    """Write the sidecar of an output that a verb has just made; see `sidecars.describe` for the facts."""
    from labeldropout.files import write_json
    from labeldropout.running.sidecars import describe

    write_json(describe(command=["labeldropout", *arguments.argv], **facts), sidecar)
