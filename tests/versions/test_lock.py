"""The committed `dvc.lock` is true: it names the sources and the published results that lie in this repository."""

import configparser
import json
import subprocess
import sys

import pytest
import yaml
from workflow_copy import ROOT

IN_GIT = ("Snakefile", "config", "src", "workflow/", "results/tables", "results/figures")
RERUN = "dvc.lock does not tell of these files: run dvc repro where the study's results are, and commit dvc.lock."


def is_in_git(path):
    """Whether a dependency or an output of a stage comes with every clone."""
    return path.startswith(IN_GIT) or path == "results/run_record.json"


def differences(status):
    """Paths that a clone has and that differ from the lock, out of DVC's account of the stages."""
    changes = [change for changes in status.values() for change in changes if isinstance(change, dict)]
    paths = {path: how for change in changes for group in change.values() for path, how in group.items()}
    return {path: how for path, how in paths.items() if is_in_git(path)}


@pytest.mark.slow
def test_lock_agrees_with_what_git_keeps():
    """Sources, configuration, the released model, tables and figures are those of which `dvc.lock` has the hashes."""
    assert (ROOT / "dvc.lock").is_file(), RERUN
    result = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json", "models", "paper"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert differences(json.loads(result.stdout)) == {}, RERUN


def test_lock_is_of_these_stages():
    """Every dependency and output of `dvc.yaml` stands in the lock, and nothing else does."""
    assert (ROOT / "dvc.lock").is_file(), RERUN
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    locked = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    assert set(locked) == set(stages), RERUN
    for name, stage in stages.items():
        assert locked[name]["cmd"] == stage["cmd"].replace("\\${", "${"), RERUN
        assert {dep["path"] for dep in locked[name]["deps"]} == set(stage["deps"]), RERUN
        assert {out["path"] for out in locked[name]["outs"]} == {next(iter(out)) for out in stage["outs"]}, RERUN


def test_every_remote_verifies():
    """What comes from a remote is compared with its hash; DVC does not do so by itself."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    remotes = [section for section in config.sections() if "remote" in section]
    assert remotes
    assert [section for section in remotes if config[section].get("verify") != "true"] == []
    assert config["core"]["analytics"] == "false"


def test_outputs_are_kept_and_disjoint():
    """No stage removes what it is about to make again, and no path belongs to two stages."""
    for file in ("dvc.yaml", "workflow/paper/dvc.yaml"):
        stages = yaml.safe_load((ROOT / file).read_text())["stages"].values()
        outs = [next(iter(out.items())) for stage in stages for out in stage["outs"]]
        assert all(settings["persist"] for _, settings in outs)
        assert len({path for path, _ in outs}) == len(outs)
        assert not any("profiles" in dep or "logs" in dep for stage in stages for dep in stage["deps"])
