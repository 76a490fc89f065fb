"""Which files a module runs, and what a run writes down about itself."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from labeldropout.provenance import commit, file_sha256, run_record, source_files, versions

FILES = {
    "__init__.py": "",
    "top.py": "import labeldropout.plain\nfrom labeldropout.box import thing\n\ndef f():\n"
    "    from labeldropout.inner import leaf\n    from labeldropout.shelf import SHELF\n",
    "plain.py": "import os\n",
    "box.py": "thing = 1\n",
    "inner/__init__.py": "from labeldropout.inner import other\n",
    "inner/leaf.py": "",
    "inner/other.py": "",
    "shelf/__init__.py": "from labeldropout.shelf import book\nSHELF = [book]\n",
    "shelf/book.py": "from labeldropout import box\n",
    "__main__.py": "from labeldropout import top\n",
    "circle.py": "from labeldropout import round\n",
    "round.py": "from labeldropout import circle\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a few lines, in the working directory."""
    for name, text in FILES.items():
        path = tmp_path / "src" / "labeldropout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "src" / "labeldropout"


def names(files):
    """Paths below the package."""
    return {path.removeprefix("src/labeldropout/") for path in files}


@pytest.mark.usefixtures("package")
def test_imports_are_found_at_every_depth():
    """Imports at the top, inside functions, of modules and of names are followed."""
    assert names(source_files("top")) == {
        "__init__.py",
        "top.py",
        "plain.py",
        "box.py",
        "inner/__init__.py",
        "inner/leaf.py",
        "shelf/__init__.py",
        "shelf/book.py",
    }


@pytest.mark.usefixtures("package")
def test_siblings_count_only_where_the_package_is_used():
    """A module's package counts as a file; what that package imports counts where a name is taken from it."""
    assert names(source_files("inner.leaf")) == {"__init__.py", "inner/__init__.py", "inner/leaf.py"}
    assert "inner/other.py" in names(source_files("inner"))


@pytest.mark.usefixtures("package")
def test_modules_may_be_left_out():
    """The walk stops at modules that a rule does not use."""
    assert "shelf/book.py" not in names(source_files("top", without=["shelf.book"]))


@pytest.mark.usefixtures("package")
def test_circles_end():
    """Two modules that import each other are both found."""
    assert {"circle.py", "round.py"} <= names(source_files("circle"))


def test_edited_imports_are_seen(package):
    """A file that changed is read again."""
    assert "box.py" not in names(source_files("plain"))
    (package / "plain.py").write_text("from labeldropout import box\n")
    assert "box.py" in names(source_files("plain"))


@pytest.mark.usefixtures("package")
def test_unknown_module_is_refused():
    """A misspelt module in a rule stops the run."""
    with pytest.raises(ValueError, match=r"labeldropout\.trainning"):
        source_files("trainning")


@pytest.mark.usefixtures("package")
def test_paths_are_relative_and_sorted():
    """The same list on every machine."""
    found = source_files("top")
    assert found == sorted(found)
    assert not any(Path(path).is_absolute() for path in found)


@pytest.mark.usefixtures("package")
def test_command_line_is_no_source():
    """`__main__` holds no science."""
    assert not any("__main__" in path for path in source_files("top"))


def test_importing_provenance_loads_nothing_heavy():
    """Parsing the workflow imports neither torch nor pandas."""
    code = (
        "import sys, json, labeldropout.provenance, labeldropout.configuration, labeldropout.experiments;"
        " print(json.dumps([n for n in ('torch', 'pandas', 'numpy', 'monai') if n in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []


def test_hash_is_that_of_the_bytes(tmp_path):
    """A file's hash is the ordinary one."""
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 1_000_000)
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_commit_is_unknown_outside_of_git(tmp_path):
    """A downloaded archive has no commit, and says so."""
    assert commit(tmp_path) == "unknown"


def test_commit_tells_changed_sources(tmp_path):
    """A changed source is told apart from the commit it started from."""
    source = tmp_path / "src" / "a.py"
    source.parent.mkdir()
    source.write_text("one")
    name = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    clean = commit(tmp_path)
    assert len(clean) == 40
    source.write_text("two")
    assert commit(tmp_path) == f"{clean}+changes"


def test_versions_name_what_computes():
    """Python and torch are among the versions."""
    assert {"python", "torch", "numpy"} <= set(versions())


def test_run_record_has_times_by_rule_and_hashes(tmp_path):
    """The record sums the seconds of each rule and hashes each result."""
    benchmarks = tmp_path / "benchmarks"
    for name, seconds in (("train/m/seed-0", 2.5), ("train/m/seed-1", 3.5), ("split/all", 1.0)):
        path = benchmarks / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    (benchmarks / "train" / "m" / "seed-0.json").write_text('{"device": "cpu"}')
    result = tmp_path / "table.csv"
    result.write_text("a\n")
    record = run_record([result], benchmarks, "test")
    assert record["seconds_by_rule"] == {
        "split": {"jobs": 1, "seconds": 1.0, "longest_seconds": 1.0},
        "train": {"jobs": 2, "seconds": 6.0, "longest_seconds": 3.5},
    }
    assert record["training_devices"] == ["cpu"]
    assert record["sha256"] == {result.as_posix(): file_sha256(result)}
    assert record["study"] == "test"
