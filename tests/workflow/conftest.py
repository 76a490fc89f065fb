"""Copies of the workflow, before and after it ran."""

import shutil
from pathlib import Path

import pytest
from workflow_copy import Workflow, copy_workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """The workflow before anything ran."""
    return copy_workflow(tmp_path / "study")


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = copy_workflow(tmp_path_factory.mktemp("finished") / "study")
    study.pretend_finished()
    return study.root


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Workflow:
    """The workflow after everything ran, with pretended results."""
    shutil.copytree(_finished, tmp_path / "study")
    return Workflow(tmp_path / "study")
