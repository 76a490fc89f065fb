"""What the cluster tests ask a Slurm of their own, and a watcher that sees every job's processes on its one node."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import yaml
from workflow_copy import Workflow

CLUSTER = "labeldropout"
"""Name of the cluster that slurm-local.sh starts; the tests cancel and drain on no other."""


def ask(*words: str) -> str:
    """What a program of Slurm answers."""
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def own_slurm_answers() -> bool:
    """Whether the Slurm that slurm-local.sh starts is there."""
    if shutil.which("sinfo") is None:
        return False
    try:
        settings = ask("scontrol", "show", "config")
    except subprocess.SubprocessError:
        return False
    return any(line.split() == ["ClusterName", "=", CLUSTER] for line in settings.splitlines())


@dataclass(frozen=True)
class SlurmJob:
    """A job as `squeue` lists it, also after its end."""

    number: str
    state: str
    comment: str
    """What Snakemake's plugin writes: rule_<rule>_wildcards_<wildcards>, or rule_<group>_<rules> for a group."""
    memory: str
    cards: str

    @property
    def rule(self) -> str:
        """The rule, or the group and its rules."""
        return self.comment.removeprefix("rule_").split("_wildcards_")[0]


def slurm_jobs() -> list[SlurmJob]:
    """All jobs since Slurm was started, in order of submission."""
    columns = "JobID:20|,State:20|,Comment:400|,MinMemory:20|,tres-per-job:100"
    lines = ask("squeue", "--states=all", "--noheader", "--sort=i", f"--Format={columns}").splitlines()
    return [SlurmJob(*(cell.strip() for cell in line.split("|"))) for line in lines]


def node_state() -> str:
    """State of the one node, in short: idle, mix, drng (draining), drain (drained)."""
    return ask("sinfo", "--noheader", "--format=%t").strip()


def set_node(**changes: str) -> None:
    """Change the one node, as an administrator does."""
    node = ask("sinfo", "--noheader", "--format=%n").strip()
    ask("scontrol", "update", f"NodeName={node}", *(f"{key}={value}" for key, value in changes.items()))


def wait_for(what: Callable[[], object], patience_s: float = 600.0) -> object:
    """What the function gives, as soon as that is something."""
    deadline = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain"
        time.sleep(0.1)
    return found


def prepare_profile(study: Workflow) -> None:
    """Do to profiles/slurm what a user does: change matters of the site, and of a machine on which all is near."""
    path = study.root / "profiles" / "slurm" / "profile.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["latency-wait"] = 10
    profile["slurm-status-command"] = "squeue"  # a private Slurm has no accounting
    profile["slurm-init-seconds-before-status-checks"] = 2
    profile["default-resources"]["slurm_partition"] = "main"
    path.write_text(yaml.safe_dump(profile, sort_keys=False))


def start_head(study: Workflow, output: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `labeldropout reproduce` with the Slurm profile in a copy of the workflow."""
    with output.open("wb") as file:
        return subprocess.Popen(
            ["labeldropout", "reproduce", "--workflow-profile", "slurm", *arguments],
            cwd=study.root,
            env=study.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


@dataclass(frozen=True)
class Seen:
    """A verb of the package at work."""

    process: int
    verb: str
    slurm_job: str | None
    cards: str | None
    """CUDA_VISIBLE_DEVICES as Slurm set it."""
    python: str
    """The interpreter."""


@dataclass
class Watcher:
    """Looks every 0.2 s which verbs of the package run in a folder, in which Slurm job and with which card."""

    folder: Path
    glances: list[list[Seen]] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        known: dict[psutil.Process, Seen | None] = {}
        while not self._end.wait(0.2):
            here = list(psutil.process_iter())
            known = {process: known[process] if process in known else look(process, self.folder) for process in here}
            self.glances.append([seen for seen in known.values() if seen])

    @property
    def seen(self) -> set[Seen]:
        """Everything that was seen once."""
        return {seen for glance in self.glances for seen in glance}


def look(process: psutil.Process, folder: Path) -> Seen | None:
    """A process, if it is a verb of the package that works in the folder."""
    try:
        with process.oneshot():
            words = process.cmdline()
            is_verb = len(words) > 2 and Path(words[1]).name == "labeldropout"
            if not is_verb or Path(process.cwd()) != folder:
                return None
            environment = process.environ()
    except psutil.Error:
        return None
    job, cards = environment.get("SLURM_JOB_ID"), environment.get("CUDA_VISIBLE_DEVICES")
    return Seen(process.pid, words[2], job, cards, words[0])


def stop_training_in_the_middle(study: Workflow) -> tuple[psutil.Process, str]:
    """Wait for a training that has written a checkpoint, and halt it; gives the process and its Slurm job."""
    restart = study.root / "scratch" / "train"

    def checkpoints(process: psutil.Process) -> list[Path]:
        locks = [path for file in process.open_files() if (path := Path(file.path)).parent == restart]
        return [found for lock in locks if (found := lock.with_suffix("") / "checkpoint.pt").exists()]

    def halted() -> tuple[psutil.Process, str] | None:
        for process in psutil.process_iter():
            seen = look(process, study.root)
            if seen is None or seen.verb != "train" or seen.slurm_job is None:
                continue
            try:
                if checkpoints(process):
                    process.suspend()
                    if checkpoints(process):
                        return process, seen.slurm_job
                    process.resume()  # it finished at this moment
            except psutil.Error:
                continue
        return None

    return wait_for(halted)
