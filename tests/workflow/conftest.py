"""Copies of the workflow, before and after it ran."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_copy import Workflow, copy_workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """The workflow before anything ran."""
    return copy_workflow(tmp_path / "study")


@pytest.fixture
def finished(made_once: Callable[..., Path], tmp_path: Path) -> Workflow:
    """The workflow after everything ran, with pretended results."""
    shutil.copytree(made_once("pretended", lambda folder: copy_workflow(folder).pretend_finished()), tmp_path / "study")
    return Workflow(tmp_path / "study")
