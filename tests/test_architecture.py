"""Imports go downwards over four storeys, and science opens no file."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "labeldropout"

WORDS = {"labels", "case", "configuration", "experiments", "published", "records"}
SCIENCE = {
    "agreement",
    "augmentation",
    "biomarkers",
    "claim_rules",
    "claim_words",
    "cone",
    "curves",
    "devices",
    "domain_probe",
    "label_dropout",
    "losses",
    "metrics",
    "networks",
    "parts",
    "scan_conversion",
    "simulation",
    "statistics",
    "typesetting",
}
DOORS = {"checkpoints", "datasets", "figures", "gpu_slots", "provenance", "sidecars", "store"}
VERBS = {
    "__main__",
    "annotation",
    "application",
    "batches",
    "claims",
    "cohorts",
    "comparison",
    "cone_network",
    "cone_segmentation",
    "drawing",
    "evaluation",
    "importing",
    "measuring",
    "planning",
    "prediction",
    "preparation",
    "probing",
    "report_page",
    "reproduction",
    "selection",
    "splitting",
    "summary",
    "training",
    "verification",
    "verdicts",
    "write_up",
}
STOREYS = (WORDS, SCIENCE, DOORS, VERBS)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def first_name(path):
    """Module or subpackage of the package in which a file lies."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def storey(name):
    """Index of the storey of a module or subpackage."""
    found = [index for index, names in enumerate(STOREYS) if name in names]
    assert len(found) == 1, f"{name} stands in {len(found)} of the four lists"
    return found[0]


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


def test_every_module_has_a_storey():
    """A new module is put into one of the lists, and a removed one leaves it."""
    there = {first_name(path) for path in FILES}
    assert there == set().union(*STOREYS)
    assert sum(len(names) for names in STOREYS) == len(there)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    """A module imports from its own storey or from below."""
    mine = storey(first_name(path))
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "labeldropout" and len(parts) > 1:
            assert storey(parts[1]) <= mine, f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if first_name(path) in SCIENCE],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_science_opens_no_file(path):
    """Science knows no files, no clock, no printing and no hidden randomness."""
    tree = ast.parse(path.read_text())
    modules = {name.split(".")[0] for name in imports(path)}
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
