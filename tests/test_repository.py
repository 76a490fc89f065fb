"""What may not lie in the repository, and the one lock that every environment installs."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "envs" / "requirements.lock").read_text().splitlines()
IMAGE_ENDINGS = (".avi", ".mhd", ".raw", ".nii", ".nii.gz", ".dcm", ".mp4")
# Names in the manner of EchoNet-Dynamic and of Unity Imaging, put together so that this file has none.
DATA_SET_NAMES = re.compile("|".join([r"\b0X" + "[0-9A-F]{12,16}", r"\b\d\d-" + "[0-9a-f]{64}" + r"-\d{4}"]))
REGISTRY_HOSTS = re.compile(
    "|".join([r"pypi\." + "org", "pythonhosted" + r"\.org", r"download\." + r"pytorch\.org", r"docker\." + "io"])
    + "|"
    + "|".join([r"ghcr\." + "io", r"anaconda\." + "org", "--(?:extra-)?index" + "-url"])
)
PLACES_OF_ONE_MACHINE = re.compile(r"(?<![\w.~}])/(?:home|root|work|Users|opt/wheels|opt/pypi)/" + r"[\w.]")


def tracked_files():
    """Files that git tracks."""
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return []
    return [ROOT / name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


FILES = tracked_files()
needs_git = pytest.mark.skipif(not FILES, reason="not a git working tree")


def lines_with(pattern, paths):
    """Where a pattern stands in text files."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"


@needs_git
def test_no_image_of_a_data_set_is_tracked():
    """No file in a data set's own format lies in git, simulated or not."""
    assert [path for path in FILES if path.name.lower().endswith(IMAGE_ENDINGS)] == []


@needs_git
def test_no_name_of_a_data_set_is_tracked():
    """Names that the data sets give to people's images stand nowhere but in the list of Unity images."""
    others = [path for path in FILES if path != ROOT / "config" / "unity_curation.csv"]
    assert [path for path in others if DATA_SET_NAMES.search(path.name)] == []
    assert list(lines_with(DATA_SET_NAMES, others)) == []


@needs_git
def test_no_registry_is_named():
    """Where packages come from is the user's choice."""
    assert list(lines_with(REGISTRY_HOSTS, FILES)) == []


@needs_git
def test_no_place_of_one_machine_is_named():
    """Paths are relative; what lies on the author's disc is nobody's business."""
    assert list(lines_with(PLACES_OF_ONE_MACHINE, FILES)) == []


def test_forbidden_patterns_find_what_they_are_for():
    """The patterns above are not empty promises."""
    assert DATA_SET_NAMES.search("0X" + "1A2B3C4D5E6F7A8B.avi")
    assert DATA_SET_NAMES.search("01-" + "0123456789abcdef" * 4 + "-0042.png")
    assert REGISTRY_HOSTS.search("https://pypi." + "org/simple")
    assert PLACES_OF_ONE_MACHINE.search('"/' + 'home/someone/x"')
    assert not PLACES_OF_ONE_MACHINE.search("data/raw and ../work/x")


def test_lock_has_exact_versions_and_nothing_else():
    """One exact version per line: no local suffix, no address, no path, no option."""
    assert [line for line in LOCK if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9]+(\.[0-9a-z]+)*", line)] == []
    names = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in LOCK]
    assert len(set(names)) == len(names)
    assert "torch==2.13.0" in LOCK


def test_lock_holds_everything_that_is_asked_for():
    """Each name of requirements.in and of the package's dependencies has its version in the lock."""
    locked = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in LOCK}
    text = (ROOT / "envs" / "requirements.in").read_text().splitlines()
    asked = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", line)[0]).lower() for line in text if line.strip()}
    assert asked - locked == set()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in needed} - {"labeldropout"}
    assert names
    assert names - locked == set()


def test_conda_and_container_install_the_same_lock():
    """One lock, three doors: the other two pin nothing of their own."""
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    assert pip == {"pip": ["--requirement requirements.lock"]}
    recipe = (ROOT / "envs" / "Dockerfile").read_text()
    assert "--requirement envs/requirements.lock" in recipe
    assert "==" not in recipe


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_ruff_is_content(arguments):
    """Ruff finds nothing to say, with the rules of pyproject.toml."""
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
