"""Studies under DVC: before the first `dvc repro`, and pushed to the remote beside them."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from versioned import REMOTE, Versioned, add_versions
from workflow_copy import Workflow


@pytest.fixture
def study(finished_study: Workflow) -> Versioned:
    """The finished smoke study in a repository of its own, of which DVC knows nothing yet."""
    return add_versions(finished_study)


def _push(small: Path, folder: Path) -> None:
    shutil.copytree(small, folder, symlinks=True)
    study = add_versions(Workflow(folder))
    study.done("dvc", "repro")
    study.commit("The finished study")
    study.done("dvc", "push")
    assert study.remote.is_dir()


@pytest.fixture
def pushed(small: Path, made_once: Callable[..., Path], tmp_path: Path) -> Versioned:
    """The finished study, its `dvc.lock` committed and its remote filled; both are the test's own."""
    study = made_once("pushed", partial(_push, small))
    shutil.copytree(study, tmp_path / "study", symlinks=True)
    shutil.copytree(study.parent / REMOTE, tmp_path / REMOTE)
    return Versioned(tmp_path / "study")
