"""What a run writes down about itself."""

import hashlib
import subprocess

from labeldropout.provenance import commit, file_sha256, versions


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
