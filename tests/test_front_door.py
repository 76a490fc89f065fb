"""The package's front door: its public names, and what importing it loads."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import labeldropout

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", labeldropout.__all__)
def test_every_public_name_is_there(name):
    """Each name of `__all__` can be taken from the package, and `dir` shows it."""
    assert getattr(labeldropout, name) is not None
    assert name in dir(labeldropout)


def test_another_name_is_an_attribute_error():
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'LabelDropuot'"):
        labeldropout.LabelDropuot  # noqa: B018 - looking it up is the test


def test_importing_the_package_loads_no_torch():
    """`import labeldropout` costs nothing until a name is used."""
    code = (
        "import json, sys; before = set(sys.modules); import labeldropout; labeldropout.__version__; dir(labeldropout);"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "scipy", "jaxtyping"} & set(json.loads(done.stdout))


def test_type_checkers_see_the_same_names():
    """What is imported for type checkers alone is what is found at run time."""
    import ast

    tree = ast.parse((ROOT / "src/labeldropout/__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert declared == {name: f"labeldropout.{home}" for name, home in labeldropout._HOMES.items()}
    assert {*declared, "__version__"} == set(labeldropout.__all__)


def test_the_version_is_said_once():
    """pyproject.toml reads the version from the package; CITATION.cff says the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "labeldropout.__version__"}
    assert f"\nversion: {labeldropout.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
