"""A finished study in a Git repository of its own, with DVC."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from workflow_copy import ROOT, Workflow

COPIED = ("dvc.yaml", ".dvcignore", ".gitignore", "Makefile")
REMOTE = "labeldropout-storage"
"""Folder beside a clone: the remote of `.dvc/config`."""
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Versioned(Workflow):
    """A study with Git and DVC; what they keep for themselves outside of it lies beside it."""

    @property
    def remote(self) -> Path:
        """The folder that DVC pushes to without being told."""
        return self.root.parent / REMOTE

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Git and DVC are nobody's in particular."""
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        person = {"NAME": "A Tester", "EMAIL": "tester@example.org"}
        inherited = {key: value for key, value in super().environment.items() if key != "REPRO_PROFILE"}
        return {
            **inherited,
            **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_NO_ANALYTICS": "true",
            "DVC_SITE_CACHE_DIR": str(home / "dvc"),
        }

    def call(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program in the study; nothing is asked of its exit status."""
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """What a program says that must end well."""
        result = self.call(*command, environment=environment)
        assert result.returncode == 0, f"{command}\n{(result.stdout + result.stderr)[-6000:]}"
        return result.stdout + result.stderr

    def refused(self, *command: str) -> str:
        """What a program says that must not end well."""
        result = self.call(*command)
        assert result.returncode != 0, f"{command}\n{result.stdout + result.stderr}"
        return result.stdout + result.stderr

    def make(self, *arguments: str) -> tuple[str, ...]:
        """The command line of `make` with the environment that the tests run in."""
        return ("make", "--old-file", ".venv/ready", f"BIN={PROGRAMS}", *arguments)

    def commit(self, message: str = "As it is") -> None:
        """Commit all that Git does not ignore."""
        self.done("git", "add", "--all")
        self.done("git", "commit", "--quiet", "--message", message)

    def clone(self, target: Path) -> "Versioned":
        """A clone of the repository; results that Git does not keep are not in it."""
        self.done("git", "clone", "--quiet", str(self.root), str(target))
        return Versioned(target)

    def locked(self, path: str, pipeline: str = "dvc.lock") -> str:
        """Hash of an output in the lock file."""
        stages = yaml.safe_load((self.root / pipeline).read_text())["stages"].values()
        return next(out["md5"] for stage in stages for out in stage["outs"] if out["path"] == path)

    def file_in(self, remote: Path, folder: str, name: str) -> Path:
        """The file of a remote that holds one file of a tracked folder."""
        listing = json.loads(in_remote(remote, self.locked(folder)).read_text())
        return in_remote(remote, next(entry["md5"] for entry in listing if entry["relpath"] == name))


def add_versions(study: Workflow) -> Versioned:
    """Make a study a Git repository with DVC as this one is, its first commit made."""
    for name in COPIED:
        shutil.copy2(ROOT / name, study.root / name)
    (study.root / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy2(ROOT / ".dvc" / name, study.root / ".dvc" / name)
    shutil.copytree(ROOT / ".dvc" / "plots", study.root / ".dvc" / "plots")
    shutil.copytree(
        ROOT / "data", study.root / "data", ignore=lambda _, names: set(names) - {"annotation", ".gitignore"}
    )
    versioned = Versioned(study.root)
    versioned.done("git", "init", "--quiet", "--initial-branch", "main")
    versioned.commit("The study")
    return versioned


def in_remote(remote: Path, md5: str) -> Path:
    """Where a remote keeps the content with a hash."""
    return remote / "files" / "md5" / md5[:2] / md5[2:]


def flip_byte(path: Path) -> None:
    """Change one bit in the middle of a file that may be read-only."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def jobs(said: str) -> list[dict[str, int]]:
    """Jobs by rule of every Snakemake run that a text tells of; a run with nothing to do has none."""
    runs = []
    for part in re.split(r"(?=Nothing to be done|Job stats:)", said)[1:]:
        table = part.split("\ntotal")[0] if part.startswith("Job stats:") else ""
        runs.append({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)})
    return runs
