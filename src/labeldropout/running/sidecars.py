"""Sidecars: files beside a result that record from what, and by which command and settings, it was made.

They contain no times: the same command on the same inputs at the same commit gives the same sidecar.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labeldropout import provenance

ENDING = ".provenance.json"


STORE = ("cases.csv", "images.u8", "pixels.json", "targets.u8")
"""Files that are read from a store of cases."""


PREPARED = ("cases.csv", "images.npy", "pixels.json", "targets.npy")
"""Files that are read from prepared arrays."""


SHORT = 2000
"""Most characters of JSON for settings to be kept beside their hash."""


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of a file lies: beside it, `<stem>.provenance.json`."""
    return path.with_name(path.stem + ENDING)


def files_of(folders: Iterable[Path], names: Iterable[str]) -> list[Path]:
    """The files of these names in every folder."""
    kept = tuple(names)
    return [folder / name for folder in folders for name in kept]


def relative(path: str | Path, root: Path = Path()) -> str:
    """A path as seen from the root of the workflow, which is the working directory; links are not followed."""
    return Path(os.path.relpath(path, root)).as_posix()


def canonical_sha256(settings: Any) -> str:
    """Hash of settings that does not depend on the order of keys or on spaces."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def models_in_tables(tables: Iterable[Path]) -> dict[str, list[int]]:
    """Seeds by model, from the rows of tables with a column `model`; a table without one adds nothing."""
    seeds: dict[str, set[int]] = {}
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row.get("model"):
                    of_model = seeds.setdefault(row["model"], set())
                    if (row.get("seed") or "").isdigit():
                        of_model.add(int(row["seed"]))
    return {model: sorted(of_model) for model, of_model in sorted(seeds.items())}


def weights_metadata(path: Path) -> dict[str, Any]:
    """The configuration and the seed (keys `config`, `seed`) that a weights file carries; no tensor is read.

    Raises:
        ValueError: The file holds no weights of this program; the message names it.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - `verify` does without it

    try:
        with safe_open(path, "numpy") as file:
            content = json.loads((file.metadata() or {})["labeldropout"])
        return {"config": content["config"], "seed": content["seed"]}
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ValueError(
            f"{path}: no weights of this program (expected configuration and seed in the header)."
        ) from error


def describe(
    *,
    files: Iterable[Path],
    inputs: Iterable[Path],
    settings: Mapping[str, Any],
    models: Mapping[str, Sequence[int]],
    simulated: bool,
    command: Sequence[str],
    target: str,
) -> dict[str, Any]:
    """The content of a sidecar.

    Args:
        files: Results that it describes.
        inputs: Files that they were made from.
        settings: The part of the configuration that determined them.
        models: Seeds by model, for the models that they show.
        simulated: Whether the data are simulated.
        command: The command line that made them, word by word.
        target: The Snakemake target that makes them again.
    """
    text = json.dumps(settings, sort_keys=True)
    return {
        "files": {relative(path): provenance.file_sha256(path) for path in files},
        "inputs": {relative(path): provenance.file_sha256(path) for path in inputs},
        "models": {model: list(seeds) for model, seeds in models.items()},
        "data": "simulated" if simulated else "real",
        "settings_sha256": canonical_sha256(settings),
        **({"settings": dict(settings)} if len(text) <= SHORT else {}),
        "command": [relative(word) if Path(word).is_absolute() else word for word in command],
        "target": f"snakemake {target}",
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }
