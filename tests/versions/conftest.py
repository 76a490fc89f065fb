"""Studies under DVC: before the first `dvc repro`, and pushed to the remote beside them."""

import shutil
from pathlib import Path

import pytest
from versioned import REMOTE, Versioned, add_versions
from workflow_copy import Workflow


@pytest.fixture
def study(finished_study: Workflow) -> Versioned:
    """The finished smoke study in a repository of its own, of which DVC knows nothing yet."""
    return add_versions(finished_study)


@pytest.fixture(scope="session")
def _pushed(_small_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    shutil.copytree(_small_study, folder / "study", symlinks=True)
    study = add_versions(Workflow(folder / "study"))
    study.done("dvc", "repro")
    study.commit("The finished study")
    study.done("dvc", "push")
    assert study.remote.is_dir()
    return folder


@pytest.fixture
def pushed(_pushed: Path, tmp_path: Path) -> Versioned:
    """The finished study, its `dvc.lock` committed and its remote filled; both are the test's own."""
    shutil.copytree(_pushed / "study", tmp_path / "study", symlinks=True)
    shutil.copytree(_pushed / REMOTE, tmp_path / REMOTE)
    return Versioned(tmp_path / "study")
