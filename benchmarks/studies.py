"""Small studies of the workflow for `growth.py` and `instruction_sets.py`: written into a folder, and made."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
METER = """#!{python} -SE
import json, os, sys
pid = os.spawnv(os.P_NOWAIT, {program!r}, ["labeldropout", *sys.argv[1:]])
_, status, used = os.wait4(pid, 0)
with open({log!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:2], used.ru_utime + used.ru_stime, used.ru_maxrss]) + "\\n")
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""
"""Stands before `labeldropout` on the path of a study's jobs. Snakemake's own measurement of processor time is a sample
that is half a second old at the end of a job, and up to 30 s old if the job took longer than 15 s."""


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


def meter(folder: Path) -> dict[str, str]:
    """Let every `labeldropout` of a study's jobs be measured; returns the environment for that.

    Raises:
        FileNotFoundError: There is no such program on the path.
    """
    if not (program := shutil.which("labeldropout")):
        raise FileNotFoundError("labeldropout: not on the path (expected the environment's folder of programs there).")
    path = ROOT / folder / "bin" / "labeldropout"
    path.parent.mkdir()
    path.write_text(METER.format(python=sys.executable, program=program, log=str(ROOT / folder / "used.jsonl")))
    path.chmod(0o755)
    return {"PATH": f"{path.parent}{os.pathsep}{os.environ['PATH']}"}


def measured(folder: Path) -> pd.DataFrame:
    """Processor seconds and peak memory (MiB) of every job that `meter` measured, by its verb."""
    lines = (ROOT / folder / "used.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [(verb[0] if verb else "", seconds, kib / 2**10) for verb, seconds, kib in map(json.loads, lines)]
    return pd.DataFrame(rows, columns=["verb", "cpu_s", "mib"])


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
