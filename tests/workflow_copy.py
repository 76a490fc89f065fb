"""A copy of the workflow in which rules, tables and modules may be edited, and results pretended."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
"""The default one, as it stands in the repository."""
COPIED = ("Snakefile", "config", "workflow", "profiles", "src", "pyproject.toml")
_RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", re.MULTILINE | re.DOTALL)
RULES = {
    name: body
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for name, body in _RULE.findall(path.read_text())
    if "shell:" in body
}
"""Text of every rule that runs something, by its name."""
LOCAL = {name for name, body in RULES.items() if "localrule: True" in body}
"""Rules of a second, which stay on the machine that submits."""
COMPARED = (
    "tables/*",
    "figures/*",
    "models/*/config.json",
    "models/*/seed-*/weights.safetensors",
    "models/*/seed-*/history.csv",
    "grid/*/seed-*/weights.safetensors",
    "scores/*.csv",
    "splits/*.csv",
    "cones/*/cones.csv",
)
"""What decision 27 has compared byte for byte, and what decides it."""


def hashes(results: Path) -> dict[str, str]:
    """Hash of every file that must be the same wherever the study runs, by its name below the results."""
    found = sorted(path for pattern in COMPARED for path in results.glob(pattern))
    files = [path for path in found if not path.name.endswith(".provenance.json")]  # these name folders
    return {path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass(frozen=True)
class Workflow:
    """A copy of the repository's workflow."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a program started in the copy finds the package of the copy."""
        search_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PYTHONPATH": "src", "PATH": search_path}

    def run(self, *arguments: str, module: str = "snakemake") -> subprocess.CompletedProcess[str]:
        """Run Snakemake, or the command line of another module, in the copy with the package of the copy."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def finish(self, *arguments: str) -> None:
        """Run the study to its end, on two cores as in continuous integration."""
        result = self.run("--cores", "2", *arguments)
        assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]

    def make_small(self) -> None:
        """Let the smoke study be the default one of this copy: what stands round it then runs as it is, in minutes."""
        configuration, small = (
            yaml.safe_load((self.root / "config" / name).read_text()) for name in ("config.yaml", "smoke.yaml")
        )
        del small["pathvars"]
        update_config(configuration, small)
        (self.root / "config" / "config.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))

    def refusal(self, *arguments: str) -> str:
        """What a dry run that must fail says."""
        result = self.run("--dry-run", *arguments)
        assert result.returncode != 0, result.stdout
        return result.stdout + result.stderr

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a dry run plans; nothing if there is nothing to do."""
        result = self.run("--dry-run", *arguments, "--quiet", "rules")
        assert result.returncode == 0, result.stdout + result.stderr
        text = result.stdout + result.stderr
        if "Job stats:" not in text:
            assert "Nothing to be done" in text, text
            return {}
        table = text.split("Job stats:")[1].split("total")[0]
        return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}

    def pretend_finished(self) -> None:
        """Write a file for every output and have Snakemake take them for its own."""
        summary = self.run("--summary")
        assert summary.returncode == 0, summary.stderr
        for line in summary.stdout.splitlines():
            name = line.split("\t")[0]
            if name.startswith("results/"):
                path = self.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("pretended\n")
        touched = self.run("--touch", "--forceall", "--cores", "1")
        assert touched.returncode == 0, touched.stdout + touched.stderr

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands in a file."""
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def edit_module(self, module: str) -> None:
        """Let a module of the copy's package mean something else: one more statement that runs on import."""
        file = self.root / "src" / "labeldropout" / f"{module}.py"
        file.write_text(file.read_text() + "\nEDITED = [1]\nEDITED[0] = 2\n")


def copy_workflow(target: Path) -> Workflow:
    """Copy what Snakemake reads."""
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(ROOT / name, target / name)
    return Workflow(target)
