"""The package as strangers have it: a wheel in a fresh environment, with the packages of its extras and no others."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow


def distributions(requirements):
    """The installed distributions behind these requirements, and behind theirs."""
    found, left = {}, [Requirement(text) for text in requirements]
    while left:
        requirement = left.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system, such as the libraries of a graphics card
        found[name] = distribution
        for text in distribution.requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                left.append(needed)
    return found.values()


def offer(folder, requirements):
    """A folder with links to the installed packages behind these requirements."""
    folder.mkdir()
    for distribution in distributions(requirements):
        for name in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in {"..", "__pycache__"}}:
            place = Path(distribution.locate_file(name))
            if place.exists() and not (folder / name).exists():
                (folder / name).symlink_to(place)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what a wheel is built from."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir"]
    subprocess.run([*build, str(built), str(source)], check=True, capture_output=True)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture
def installed(wheel, tmp_path):
    """A function that installs the wheel with some extras into a fresh environment, and returns how to run in it."""

    def install(*extras):
        home = tmp_path / "environment"
        venv.create(home, symlinks=True)
        python = home / "bin" / "python"
        install = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
        ]
        subprocess.run([*install, str(wheel)], check=True, capture_output=True)
        requirements = [*PROJECT["dependencies"]]
        for extra in extras:
            requirements += PROJECT["optional-dependencies"][extra]
        offer(tmp_path / "offered", requirements)
        site = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
        (site / "offered.pth").write_text(f"{tmp_path / 'offered'}\n")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

        def run(*arguments):
            return subprocess.run(
                [str(home / "bin" / arguments[0]), *arguments[1:]],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    return install


def test_the_readme_s_example_needs_four_packages(installed):
    """With the bare wheel the README's example runs: torch, numpy, scipy, jaxtyping and nothing else is needed."""
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    watched = "import sys\nfor name in ('monai', 'nibabel', 'pandas', 'PIL', 'skimage', 'yaml'):\n    "
    watched += "assert name not in sys.modules, name\n"
    done = installed()("python", "-c", f"{example}\n{watched}print('done')")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("done\n")


def test_without_its_extra_a_verb_ends_in_one_line(installed, tmp_path):
    """With the bare wheel every verb is listed, and using one says in one line which extra it needs."""
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "still.png")
    run = installed()
    assert "outline the structures" in run("labeldropout", "--help").stdout
    for arguments, extra in (
        (["predict", "--output", "outlines", "still.png"], "predict"),
        (["plan"], "study"),
        (["reproduce"], "study"),
    ):
        done = run("labeldropout", *arguments)
        assert done.returncode == 1, (arguments, done.stderr)
        assert len(done.stderr.splitlines()) == 1, (arguments, done.stderr)
        assert f"pip install 'labeldropout[{extra}]'" in done.stderr


def test_predict_needs_its_extra_alone(installed, tmp_path):
    """With the extra `predict`, and no clone, a picture is outlined with the weights that came along."""
    rows, columns = np.indices((120, 120))
    inside = (np.abs(columns - 60) < 0.7 * rows) & (np.hypot(rows, columns - 60) < 110)
    picture = np.where(inside, np.random.default_rng(0).integers(30, 200, inside.shape), 0).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "still.png")
    done = installed("predict")("labeldropout", "predict", "--output", "outlines", "still.png")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "outlines" / "still.png").is_file()
    assert (tmp_path / "outlines" / "areas.csv").is_file()


def test_dicom_needs_its_extra_too(installed, tmp_path):
    """With the extras `predict` and `dicom` a cine in DICOM is outlined, frame by frame."""
    (example,) = (path for path in importlib.metadata.files("pydicom") if path.name == "examples_ybr_color.dcm")
    shutil.copy(example.locate(), tmp_path / "cine.dcm")
    done = installed("predict", "dicom")("labeldropout", "predict", "--output", "outlines", "cine.dcm")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = (tmp_path / "outlines" / "areas.csv").read_text().splitlines()
    assert len(rows) == 1 + 30 * 3
    assert (tmp_path / "outlines" / "cine.nii.gz").is_file()


def test_dicom_without_its_extra_is_named(installed, tmp_path):
    """Without the extra `dicom` other files are outlined, and the one in DICOM says what to install."""
    (example,) = (path for path in importlib.metadata.files("pydicom") if path.name == "examples_rgb_color.dcm")
    shutil.copy(example.locate(), tmp_path / "still.dcm")
    done = installed("predict")("labeldropout", "predict", "--output", "outlines", "still.dcm")
    assert done.returncode == 1
    assert "still.dcm: DICOM needs pydicom: pip install 'labeldropout[predict,dicom]'" in done.stderr


def test_the_wheel_has_what_python_does_not_import(wheel):
    """The mark for type checkers, the released weights, the report's templates and nnU-Net's folder come along."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "labeldropout/py.typed" in names
    assert "labeldropout/predict/released/weights.safetensors" in names
    assert "labeldropout/integrations/nnunet_trainers/label_dropout_trainer.py" in names
    assert any(name.endswith(".jinja") for name in names)


@pytest.mark.parametrize(("extra", "framework"), [("monai", "monai"), ("nnunet", "nnunetv2")])
def test_an_integration_needs_its_extra_alone(installed, extra, framework):
    """With the wheel and one extra, the integration can be imported."""
    done = installed(extra)("python", "-W", "ignore", "-c", f"import labeldropout.integrations.{extra}, {framework}")
    assert done.returncode == 0, done.stderr[-3000:]
