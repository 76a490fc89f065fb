"""One run at a time per folder: clear away what a killed run left behind, then become Snakemake.

Snakemake's own lock outlives a killed run, and so can its jobs. Here the kernel keeps the lock: its descriptor passes
through `exec` to Snakemake and nowhere else, so the lock is free exactly when Snakemake has ended, however it ended.
"""

import json
import logging
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout

LOCK = Path(".snakemake", "reproduce.lock")


SLURM_LOGS = Path(".snakemake", "slurm_logs")
"""Where the logs of submitted jobs are kept until the jobs are done."""


MARKER = "LABELDROPOUT_RUN"
"""Environment variable that every job of a run inherits: the folder of the run."""


PATIENCE_S = 60.0
"""How long a job may take to end once it is told to (Slurm itself gives 30 s by default)."""

_JOB_VARIABLES = ("GOTO_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that Snakemake sets for the shell of a job; no user's terminal has all of them."""


_SHELL_PREFIX = "set -euo pipefail; "


_LOOKS_ONLY = {
    *("--dry-run", "--dryrun", "--help", "-h", "--version", "-v", "--lint", "--report", "--archive"),
    *("--summary", "-S", "--detailed-summary", "-D", "--list", "--list-rules", "-l", "--list-target-rules", "--lt"),
    *("--dag", "--rulegraph", "--filegraph", "--d3dag", "--list-changes", "--list-input-changes", "--containerize"),
}
"""Arguments with which Snakemake starts no jobs."""


_RUN_NAME = re.compile(r"(^|_)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""Names that Snakemake's Slurm plugin gives to its jobs: the run's UUID, after a prefix if one is set."""


_HALF_WRITTEN = re.compile(r"\.([0-9]{1,10})\.part$")
"""Files that `files.replacing` writes before it renames them; the number is that of the process."""


_SHOWN = 160

_log = logging.getLogger(__name__)


class FolderBusyError(OSError):
    """Something is at work in the folder that a new run would disturb."""


@dataclass(frozen=True)
class Holder:
    """Who holds the folder: what the lock file says."""

    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        """Facts for a message."""
        return f"process {self.pid} on {self.host}, since {self.since}: {self.command}"


def this_process(arguments: Sequence[str]) -> Holder:
    """This process as a holder; `exec` keeps its number."""
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return Holder(os.getpid(), socket.gethostname(), since, shlex.join(["labeldropout", "reproduce", *arguments]))


def read_holder(path: Path) -> Holder | None:
    """The holder that a lock file names; None where it is empty or half-written."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return None


def looks_only(arguments: Sequence[str]) -> bool:
    """Whether Snakemake with these arguments starts no job, as in a dry run."""
    return any(word in _LOOKS_ONLY or re.fullmatch(r"-[Fkpt]*n[Fkpt]*", word) for word in arguments)


def reproduce(root: Path, arguments: Sequence[str]) -> NoReturn:
    """Clear away what a killed run left in the folder, and become Snakemake with these arguments.

    Raises:
        FileNotFoundError: the folder has no Snakefile.
        FolderBusyError: another run is alive, or jobs of a dead one cannot be ended.
        ValueError: the arguments send Snakemake to another folder.
    """
    root = root.resolve()
    if not (root / "Snakefile").is_file():
        raise FileNotFoundError(f"{root}: no Snakefile here; go to the folder of the study and run the command again.")
    if any(re.match(r"-d|--dir", word) for word in arguments):
        raise ValueError("--directory is not possible here, because this folder is locked; go to the other one.")
    if looks_only(arguments):
        become_snakemake(root, arguments)
    with take_lock(root, arguments) as before:
        refuse_live_run(root)
        was_killed = has_locks(root)
        if was_killed and before is not None and before.host != socket.gethostname():
            _log.warning("The last run was started elsewhere (%s); its jobs there, if any, are not checked.", before)
        is_for_slurm = asks_for_slurm(root, arguments)
        if is_for_slurm or (root / SLURM_LOGS).is_dir():
            cancel_slurm_jobs(root, is_needed=is_for_slurm)
        end_orphans(root)
        remove_debris(root)
        if was_killed:
            unlock(root, arguments)
        become_snakemake(root, arguments)


def asks_for_slurm(root: Path, arguments: Sequence[str]) -> bool:
    """Whether the arguments, or the profile that they name or leave in place, send jobs to Slurm."""
    words = [part for word in arguments for part in word.split("=")]
    folders = [folder for word in ("default", *words) for folder in (root / word, root / "profiles" / word)]
    profiles = [
        path for folder in folders for path in (folder / "profile.yaml", folder / "config.yaml") if path.is_file()
    ]
    texts = [path.read_text(encoding="utf-8") for path in profiles]
    return "slurm" in words or any(re.search(r"^executor: *['\"]?slurm\b", text, re.MULTILINE) for text in texts)


@contextmanager
def take_lock(root: Path, arguments: Sequence[str]) -> Iterator[Holder | None]:
    """Lock the folder while the block runs, even if this process becomes another program; yields the previous holder.

    Raises:
        FolderBusyError: it is locked.
        OSError: the file system cannot lock files.
    """
    path = root / LOCK
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path, on_acquired=lambda descriptor: os.set_inheritable(descriptor, True))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = read_holder(path)
        raise _busy(root, str(holder or "it has only just begun"), holder and holder.pid) from None
    except OSError as error:
        raise OSError(f"{path}: this file system cannot lock files ({error.strerror}).") from error
    try:
        before = read_holder(path)
        path.write_text(json.dumps(asdict(this_process(arguments))), encoding="utf-8")
        yield before
    finally:
        lock.release()


def _busy(root: Path, facts: str, pid: int | None) -> FolderBusyError:
    stop = f"stop it (kill -INT {pid}; kill -9 {pid} if it does not listen)" if pid else "stop it"
    return FolderBusyError(f"a run is alive in {root} ({facts}). Wait until it ends, or {stop}; then try again.")


def refuse_live_run(root: Path) -> None:
    """Make sure that no Snakemake that was started without our lock runs in the folder.

    Raises:
        FolderBusyError: one does.
    """
    for process in _others():
        if not is_run(process, root):
            continue
        try:
            with process.oneshot():
                since = datetime.fromtimestamp(process.create_time()).astimezone().isoformat(" ", "seconds")
                holder = Holder(process.pid, socket.gethostname(), since, shlex.join(process.cmdline()))
        except psutil.NoSuchProcess:  # it has just ended
            continue
        raise _busy(root, str(holder), holder.pid)


def _others() -> Iterator[psutil.Process]:
    """All running processes except this one and its ancestors."""
    me = psutil.Process()
    mine = {me.pid, *(process.pid for process in me.parents())}
    return (process for process in psutil.process_iter() if process.pid not in mine)


def is_run(process: psutil.Process, root: Path) -> bool:
    """Whether a process is a Snakemake that may start jobs in the folder, not a job of one."""
    try:
        words = process.cmdline()
        if not _is_snakemake(words) or looks_only(words) or process.status() == psutil.STATUS_ZOMBIE:
            return False
        is_job_of_a_run = any(
            word in {"--mode=subprocess", "--mode=remote"} or pair in {("--mode", "subprocess"), ("--mode", "remote")}
            for word, pair in zip(words, zip(words, [*words[1:], ""], strict=True), strict=True)
        )
        return not is_job_of_a_run and Path(process.cwd()) == root
    except psutil.Error:
        return False


def _is_snakemake(words: Sequence[str]) -> bool:
    """Whether a command line starts Snakemake: as itself, as a script of Python, or as a module."""
    names = [Path(word).name for word in words]
    flags = re.compile(r"-[a-ln-zA-Z]+")
    while len(names) > 1 and flags.fullmatch(names[1]):
        del names[1]
    return names[:1] == ["snakemake"] or (
        bool(re.match(r"python|pypy", "".join(names[:1])))
        and (names[1:2] == ["snakemake"] or names[1:3] == ["-m", "snakemake"])
    )


def end_orphans(root: Path, patience_s: float = PATIENCE_S) -> None:
    """End jobs of a dead run that are still at work in the folder, so that none writes alongside the new run.

    Jobs that do not end in time are killed.
    """
    found = orphans(root)
    for process, command in found:
        _log.warning("Ending a job that outlived its run: process %d, %s", process.pid, _short(command))
    processes = {process.pid: process for process, _ in found}
    for process, _ in found:
        try:
            processes.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.Error:
            continue
    for process in processes.values():
        _signal(process, "terminate")
    _, alive = psutil.wait_procs(list(processes.values()), timeout=patience_s)
    for process in alive:
        _log.warning("Process %d did not end within %.0f s; killing it.", process.pid, patience_s)
        _signal(process, "kill")
    _, alive = psutil.wait_procs(alive, timeout=patience_s)
    if alive:
        numbers = ", ".join(str(process.pid) for process in alive)
        raise FolderBusyError(f"jobs of a dead run in {root} cannot be ended (process {numbers}); see what holds them.")


def _signal(process: psutil.Process, what: str) -> None:
    try:
        getattr(process, what)()
    except psutil.NoSuchProcess:
        return


def _short(command: str) -> str:
    command = command.removeprefix(_SHELL_PREFIX).strip()
    return command if len(command) <= _SHOWN else f"{command[:_SHOWN]} ..."


def orphans(root: Path) -> list[tuple[psutil.Process, str]]:
    """The jobs of dead runs in the folder, each with its command: the topmost process of each job."""
    commands = verbs_of_rules(root)
    found: dict[int, tuple[psutil.Process, str]] = {}
    for process in _others():
        try:
            if is_job(process, root, commands) and not any(is_run(above, root) for above in process.parents()):
                words = process.cmdline()
                found[process.pid] = process, words[-1] if _is_job_shell(words) else " ".join(words)
        except psutil.Error:
            continue
    return [(process, command) for process, command in found.values() if not _has_parent_in(process, found)]


def _has_parent_in(process: psutil.Process, found: dict[int, tuple[psutil.Process, str]]) -> bool:
    try:
        return process.ppid() in found
    except psutil.Error:
        return False


def verbs_of_rules(root: Path) -> set[str]:
    """The verbs of `labeldropout` that the rules of the folder call."""
    rules = [root / "Snakefile", *sorted((root / "workflow" / "rules").glob("*.smk"))]
    return {verb for path in rules for verb in re.findall(r'"labeldropout ([a-z-]+)', path.read_text(encoding="utf-8"))}


def is_job(process: psutil.Process, root: Path, verbs: set[str]) -> bool:
    """Whether a process was started by a rule in the folder; a user's own call of the same verb does not count.

    The proof is the run's mark in its environment or, for jobs of a plain Snakemake, all of the following: it works in
    the folder, it has the variables that Snakemake sets for jobs, and it is the shell of a rule or a verb that rules
    call.
    """
    with process.oneshot():
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        environment = process.environ()
        if environment.get(MARKER) == str(root):
            return True
        if Path(process.cwd()) != root or not all(name in environment for name in _JOB_VARIABLES):
            return False
        words = process.cmdline()
        if _is_job_shell(words):
            return any(f"labeldropout {verb} " in words[-1] for verb in verbs)
        names = [Path(word).name for word in words]
        after = names.index("labeldropout") + 1 if "labeldropout" in names else len(names)
        return bool(verbs & set(names[after : after + 1]))


def _is_job_shell(words: Sequence[str]) -> bool:
    return len(words) > 1 and words[-2] == "-c" and words[-1].startswith(_SHELL_PREFIX)


def remove_debris(root: Path) -> None:
    """Remove half-written files that killed jobs left beside their outputs; keep those of a running process."""
    debris = [
        path
        for path in (root / "results").rglob(".*.part")
        if (found := _HALF_WRITTEN.search(path.name)) and not psutil.pid_exists(int(found[1]))
    ]
    for path in debris:
        path.unlink(missing_ok=True)
    if debris:
        _log.warning("Removed %d half-written file(s) of killed jobs.", len(debris))


def cancel_slurm_jobs(root: Path, *, is_needed: bool, patience_s: float = 2 * PATIENCE_S) -> None:
    """Cancel jobs that Snakemake submitted from the folder and Slurm still has, and wait until they are gone.

    Raises:
        FolderBusyError: Slurm is needed and does not answer, or the jobs do not end.
    """
    if shutil.which("squeue") is None:
        return
    try:
        found = slurm_jobs(root)
        if not found:
            return
        for number, state in found.items():
            _log.warning("Cancelling a job that outlived its run: Slurm job %s (%s)", number, state.lower())
        _call("scancel", *found)
        deadline = time.monotonic() + patience_s
        while left := [number for number in slurm_jobs(root) if number in found]:
            if time.monotonic() > deadline:
                raise FolderBusyError(f"Slurm jobs of a dead run in {root} do not end: {', '.join(left)}; see squeue.")
            time.sleep(1)
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        if is_needed:
            raise FolderBusyError(
                f"Slurm does not answer, so jobs of a dead run may still write here: {said}"
            ) from None
        _log.warning("Slurm does not answer; jobs that a dead run submitted, if any, are not checked: %s", said)


def slurm_jobs(root: Path) -> dict[str, str]:
    """States by number of the jobs that Snakemake submitted from the folder, except one in which this process runs."""
    jobs = {}
    for line in _call("squeue", "--me", "--noheader", "--format=%A|%T|%j|%Z").splitlines():
        number, state, name, folder = line.strip().split("|", 3)
        is_mine = number == os.environ.get("SLURM_JOB_ID")
        if not is_mine and _RUN_NAME.search(name) and os.path.realpath(folder) == str(root):
            jobs[number] = state
    return jobs


def _call(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout  # noqa: S603


def has_locks(root: Path) -> bool:
    """Whether Snakemake's own lock is in the folder."""
    return any((root / ".snakemake" / "locks").glob("*.lock"))


def unlock(root: Path, arguments: Sequence[str]) -> None:
    """Let Snakemake remove its lock; where it cannot, the run that follows says why."""
    command = [*_snakemake(), "--unlock", *arguments]
    subprocess.run(command, cwd=root, env=_environment(root), capture_output=True, check=False)  # noqa: S603
    if not has_locks(root):
        _log.warning("The last run was killed: its lock is removed, and unfinished work is redone.")


def _snakemake() -> list[str]:
    return [sys.executable, "-m", "snakemake"]


def _environment(root: Path) -> dict[str, str]:
    """The environment of the run: jobs find this installation's programs first, and carry the run's mark."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if path[0] != programs:
        path = [programs, *path]
    return {**os.environ, "PATH": os.pathsep.join(path), MARKER: str(root)}


def become_snakemake(root: Path, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by Snakemake, which inherits the lock, the terminal and the signals."""
    os.chdir(root)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [*_snakemake(), *arguments], _environment(root))  # noqa: S606
