"""Small studies of the workflow for `growth.py` and `instruction_sets.py`: written into a folder, and made."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]


def read_yaml(path: Path) -> dict[str, Any]:
    """A configuration file as it stands, without what it overrides."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def read_rows(path: str) -> pd.DataFrame:
    """A list of experiments, all of it text."""
    return pd.read_csv(ROOT / path, sep="\t", dtype=str, keep_default_na=False)


def write_study(folder: Path, config: Mapping[str, Any], rows: pd.DataFrame) -> None:
    """Write the study's configuration and list into its folder, with its results below it.

    Args:
        folder: Relative to the root of the workflow.
        config: Overrides of the default configuration.
        rows: Its list of experiments.
    """
    (ROOT / folder).mkdir(parents=True)
    own = {
        "study": "-".join(folder.parts[1:]),
        "pathvars": {"results": (folder / "results").as_posix()},
        "experiments": (folder / "experiments.tsv").as_posix(),
    }
    (ROOT / folder / "config.yaml").write_text(yaml.safe_dump({**config, **own}, sort_keys=False), encoding="utf-8")
    rows.to_csv(ROOT / folder / "experiments.tsv", sep="\t", index=False)


def make(folder: Path, targets: Sequence[str], cores: int, environment: Mapping[str, str] | None = None) -> float:
    """Make targets of a study that was written; returns the seconds it took.

    Args:
        folder: Of `write_study`.
        targets: Rules or files.
        cores: Jobs at a time.
        environment: Variables for Snakemake and all of its jobs.

    Raises:
        RuntimeError: Snakemake failed; the message names its log.
    """
    log = ROOT / folder / "snakemake.log"
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores)]
    command += ["--configfile", (folder / "config.yaml").as_posix()]
    began = time.perf_counter()
    with log.open("w") as file:
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: ended with status {done.returncode}; see {log}.")
    return time.perf_counter() - began
