"""The rooms of the house: each package imports itself and what stands above it, and the library needs nothing else."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "labeldropout"

LIBRARY = ("losses", "label_dropout", "metrics", "label_sets", "modules")
"""What users take into their own training."""
WORDS = ("labels", "heart", "case", "cone", "items", "messages")
TOOLS = ("files", "configuration", "fingerprint", "provenance", "devices", "drawing")
ROAD = ("simulation", "data", "learning", "analysis", "running", "publication", "predict", "cli")
"""A package per stretch of the data's road, from top to bottom."""
FRAMEWORKS = ("integrations",)
"""The library in other people's frameworks, which nothing of ours imports."""
ORDER = (*LIBRARY, *FRAMEWORKS, *WORDS, *TOOLS, *ROAD)
DOORS = {"__init__", "__main__"}
MARKS = {"__pycache__", "py.typed"}
"""Entries that say something to tools alone."""
NEEDED_BY_THE_LIBRARY = {"torch", "numpy", "scipy", "jaxtyping"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts != ("__init__.py",))

SCIENCE = [
    *(f"{name}.py" for name in LIBRARY if name != "label_sets"),  # which reads users' tables
    *(f"{name}.py" for name in ("labels", "heart", "case", "cone")),
    *(f"simulation/{path.name}" for path in sorted((PACKAGE / "simulation").glob("*.py"))),
    "data/cone_finding.py",
    "data/crop.py",
    "data/curves.py",
    "learning/augmentation.py",
    "learning/experiments.py",
    "learning/networks.py",
    "learning/resolve.py",
    "analysis/contrasts.py",
    "analysis/crossed.py",
    "analysis/outcomes.py",
    "analysis/statistics.py",
    "analysis/typesetting.py",
    "analysis/biomarkers/agreement.py",
    "analysis/biomarkers/chambers.py",
    "analysis/claims/kinds.py",
    "analysis/claims/rules.py",
    "analysis/claims/words.py",
    "analysis/shortcut/domain_probe.py",
]
"""Modules that compute: what they are given comes from others, what they return is written by others."""


def room(path):
    """Module or package directly under the package in which a file lies."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path):
    """Dotted names that a file imports, at any depth; names taken from the package itself are spelled out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            if node.module == "labeldropout":
                yield from (f"labeldropout.{alias.name}" for alias in node.names)
            else:
                yield node.module


def name_of(path):
    """A file as pytest shows it."""
    return path.relative_to(PACKAGE).as_posix()


def test_every_room_is_in_the_order():
    """A new module or package directly under ours is put into the order, and a removed one leaves it."""
    assert {room(path) for path in FILES} - DOORS == set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


def test_the_house_has_few_doors():
    """At most 28 entries stand directly under the package."""
    there = [path for path in PACKAGE.iterdir() if path.name not in MARKS]
    assert len(there) <= 28, sorted(path.name for path in there)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_is_long(path):
    """A module of more than 450 lines tells more than one story."""
    assert len(path.read_text().splitlines()) <= 450


@pytest.mark.parametrize("path", [path for path in FILES if room(path) not in DOORS], ids=name_of)
def test_imports_go_upwards(path):
    """A package imports itself and what stands above it in the order, never what stands below."""
    mine = ORDER.index(room(path))
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "labeldropout" and len(parts) > 1 and name != "labeldropout.__version__":
            assert ORDER.index(parts[1]) <= mine, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_needs_little(name):
    """What others take into their training needs torch, numpy, scipy, jaxtyping and nothing else of ours."""
    taken = {found.split(".")[0] for found in imports(PACKAGE / f"{name}.py")} - set(sys.stdlib_module_names)
    ours = {found.split(".")[1] for found in imports(PACKAGE / f"{name}.py") if found.startswith("labeldropout.")}
    assert taken - {"labeldropout"} <= NEEDED_BY_THE_LIBRARY
    assert ours <= set(LIBRARY)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("integrations/**/*.py")), ids=name_of)
def test_an_integration_is_the_library_in_one_framework(path):
    """An integration takes the library and its own framework; the study is not needed, and does not use it."""
    ours = {found.split(".")[1] for found in imports(path) if found.startswith("labeldropout.")}
    assert ours <= {*LIBRARY, *FRAMEWORKS}
    taken = {found.split(".")[0] for found in imports(path)} - set(sys.stdlib_module_names) - {"labeldropout"}
    assert taken - NEEDED_BY_THE_LIBRARY <= {"nnunetv2" if "nnunet" in path.as_posix() else "monai"}


@pytest.mark.parametrize("path", [path for path in FILES if room(path) not in FRAMEWORKS], ids=name_of)
def test_nothing_of_ours_imports_an_integration(path):
    """A framework is loaded where somebody uses it, and nowhere else."""
    assert not [name for name in imports(path) if name.startswith("labeldropout.integrations")]


@pytest.mark.parametrize("name", SCIENCE)
def test_science_opens_no_file(name):
    """Science knows no files, no clock, no printing and no hidden randomness."""
    path = PACKAGE / name
    tree = ast.parse(path.read_text())
    modules = {found.split(".")[0] for found in imports(path)}
    assert not modules & {"pathlib", "os", "io", "shutil", "tempfile", "subprocess", "time", "datetime", "random"}
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not {call.id for call in calls if isinstance(call, ast.Name)} & {"open", "print", "input"}
    assert not {call.attr for call in calls if isinstance(call, ast.Attribute)} & {
        "imread",
        "imsave",
        "manual_seed",
        "memmap",
        "read_csv",
        "read_text",
        "savefig",
        "to_csv",
        "write_text",
    }
    hidden = {"np.random.seed", "np.random.rand", "np.random.normal", "np.random.uniform", "np.random.choice"}
    assert not {ast.unparse(call) for call in calls} & hidden


def test_package_never_imports_snakemake():
    """The package is used by the workflow and knows nothing of it."""
    assert not [path for path in FILES if any(name.split(".")[0] == "snakemake" for name in imports(path))]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_is_of_one_system(path):
    """Nothing of ours imports a module that Windows or macOS lacks: the package can be imported there."""
    assert not {name.split(".")[0] for name in imports(path)} & {
        *("crypt", "fcntl", "grp", "msvcrt", "ossaudiodev", "posix", "pty", "pwd", "resource", "spwd", "syslog"),
        *("termios", "tty", "winreg", "winsound"),
    }
