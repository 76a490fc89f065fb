"""What a run writes down about itself."""

import hashlib
import subprocess

import pytest

from labeldropout.provenance import commit, file_sha256, run_record, versions


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


def test_run_record_has_times_by_rule(tmp_path):
    """The record sums the seconds of each rule, and says what the trainings ran on."""
    benchmarks = tmp_path / "benchmarks"
    for name, seconds in (("train/m/seed-0", 2.5), ("train/m/seed-1", 3.5), ("split/all", 1.0)):
        path = benchmarks / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    (benchmarks / "train" / "m" / "seed-0.json").write_text('{"device": "cpu"}')
    record = run_record(benchmarks, "test")
    assert record["seconds_by_rule"] == {
        "split": {"jobs": 1, "seconds": 1.0, "longest_seconds": 1.0},
        "train": {"jobs": 2, "seconds": 6.0, "longest_seconds": 3.5},
    }
    assert record["training_devices"] == ["cpu"]
    assert record["study"] == "test"
    (benchmarks / "train" / "m" / "seed-1.json").touch()
    with pytest.raises(ValueError, match=r"train/m/seed-1\.json: not JSON"):
        run_record(benchmarks, "test")
