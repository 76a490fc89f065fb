"""What changes a fingerprint, and what does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from workflow_copy import CONFIGURATION

import labeldropout
from labeldropout.cli.learning import train
from labeldropout.cli.main import parser
from labeldropout.fingerprint import fingerprint, keys_of, reached
from labeldropout.learning.experiments import code_choices
from labeldropout.losses import LOSSES
from labeldropout.provenance import file_sha256

FILES = {
    "__init__.py": "",
    "learning/__init__.py": "",
    "learning/train.py": '''
"""Train."""
import math
from labeldropout import words
from labeldropout.losses import LOSSES, check
from labeldropout.learning.steps import step as one_step

RATE = 0.1
"""How fast."""


def train(loss):
    """Train a model."""
    from labeldropout.late import late

    check(loss)
    return LOSSES[loss](one_step(RATE), words.SEED, late(), math.pi)


def unused():
    return 1
''',
    "learning/steps.py": "def step(rate):\n    return rate * 2\n",
    "losses.py": """
def check(loss):
    return loss in LOSSES

def first(x, *more):
    return x

def second(x, *more):
    return helper(x)

def helper(x):
    return -x

LOSSES = {"first": first, "second": second}
""",
    "words.py": "SEED = 3\nTITLE = 'a word'\n",
    "late.py": "def late():\n    return 0\n",
    "again.py": "from labeldropout.losses import LOSSES\n",
    "catalogue.py": "from labeldropout import words, late\nTABLE = {'words': words, 'late': late}\n\ndef take(name):\n"
    "    return TABLE[name].late\n",
    "effects.py": "import os\n\ndef f():\n    return 1\n\nos.umask(0)\nos.environ['A'] = '1'\n",
    "one.py": "from labeldropout.two import g\n\ndef f():\n    return g\n",
    "two.py": "from labeldropout.one import f\n\ndef g():\n    return f\n",
}


@pytest.fixture
def package(tmp_path):
    """A function that writes a package of a few lines, edited, and returns the folder that holds it."""

    def write(edits=(), moved=()):
        folder = tmp_path / f"source-{len(list(tmp_path.iterdir()))}"
        for name, text in FILES.items():
            path = folder / "labeldropout" / dict(moved).get(name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            for file, old, new in edits:
                if file in {name, "*"}:
                    assert old in text or file == "*"
                    path.write_text(path.read_text().replace(old, new))
        return folder

    return write


def of(source, loss="first", entry="learning.train:train"):
    """The fingerprint of training with a loss."""
    return fingerprint(entry, choices={"LOSSES": [loss]}, source=source)


@pytest.mark.parametrize(
    "edit",
    [
        ("learning/train.py", '"""Train a model."""', '"""Train a model, and say so."""'),
        ("learning/train.py", '"""How fast."""', '"""Learning rate."""'),
        ("learning/train.py", "RATE = 0.1", "RATE   =   0.1  # as in the paper"),
        ("learning/train.py", "    return 1", "    return 2"),
        ("words.py", "'a word'", "'another word'"),
        ("losses.py", "    return -x", "    return -2 * x"),
        ("losses.py", '"second": second}', '"second": second, "third": helper}'),
        ("losses.py", "def first", "\n\n\ndef new(x):\n    return x\n\n\ndef first"),
    ],
    ids=["docstring", "sentence", "layout", "unused", "other name", "other loss", "new loss", "new function"],
)
def test_what_a_training_does_not_execute_changes_nothing(package, edit):
    """Prose, layout, and definitions that are not reached leave the fingerprint as it was."""
    assert of(package([edit])) == of(package())


@pytest.mark.parametrize(
    "edit",
    [
        ("learning/train.py", "RATE = 0.1", "RATE = 0.2"),
        ("learning/train.py", "check(loss)\n", "check(loss)\n    check(loss)\n"),
        ("learning/train.py", "import math", "import cmath as math"),
        ("learning/steps.py", "rate * 2", "rate * 3"),
        ("words.py", "SEED = 3", "SEED = 4"),
        ("late.py", "return 0", "return 1"),
        ("losses.py", "    return x\n", "    return x + 0\n"),
        ("losses.py", "loss in LOSSES", "loss not in LOSSES"),
    ],
)
def test_what_a_training_executes_counts(package, edit):
    """Whatever is reached counts: functions, constants, names taken from modules, imports inside functions."""
    assert of(package([edit])) != of(package())


def test_a_loss_counts_for_the_models_that_use_it(package):
    """An edit of what one entry of a table reaches is seen with this entry chosen, and only then."""
    before, after = package(), package([("losses.py", "    return -x", "    return -2 * x")])
    assert of(before, "second") != of(after, "second")
    assert of(before, "first") == of(after, "first")


def test_a_moved_module_counts_for_nothing(package):
    """Another file name, with the imports that follow it, is the same code."""
    moved = package(
        [
            ("*", "labeldropout.losses", "labeldropout.front.losses"),
            ("*", "labeldropout import words", "labeldropout.front import words"),
        ],
        [("losses.py", "front/losses.py"), ("words.py", "front/words.py")],
    )
    (moved / "labeldropout" / "front" / "__init__.py").write_text("")
    assert of(moved) == of(package())


def test_a_name_passed_on_is_followed_to_its_definition(package):
    """A module that only imports a name leads to the module that defines it."""
    found = reached("again:LOSSES", source=package())
    assert ("labeldropout.losses", "helper") in found


def test_a_module_as_a_value_counts_as_a_whole(package):
    """Where a table holds modules, all that the chosen module defines is reached, and nothing of the others."""
    found = reached("catalogue:take", choices={"TABLE": ["late"]}, source=package())
    assert ("labeldropout.late", "late") in found
    assert ("labeldropout.words", "SEED") not in found


@pytest.mark.parametrize("edit", [("os.umask(0)", "os.umask(7)"), ("= '1'", "= '2'")])
def test_what_an_import_does_counts(package, edit):
    """A statement at the top level that runs when the module is imported is part of it."""
    edited = package([("effects.py", *edit)])
    assert of(edited, entry="effects:f") != of(package(), entry="effects:f")


def test_a_function_stands_for_its_place():
    """A function given as such is the same entry as its module and name."""
    assert fingerprint(file_sha256) == fingerprint("provenance:file_sha256")


def test_circles_end(package):
    """Two modules that import each other are both read."""
    modules = {module for module, _ in reached("one:f", source=package())}
    assert modules == {"labeldropout.one", "labeldropout.two"}


@pytest.mark.parametrize("entry", ["learning.trainning:train", "learning.train:trian", "nothing"])
def test_unknown_entries_are_refused(package, entry):
    """A misspelt module or function in a rule stops the run, with its name."""
    with pytest.raises(ValueError, match=entry.rpartition(":")[2]):
        fingerprint(entry, source=package())


def test_a_table_without_written_keys_cannot_be_narrowed(package):
    """Narrowing something that is no literal table is refused."""
    with pytest.raises(ValueError, match="RATE: not a table"):
        fingerprint("learning.train:train", choices={"RATE": ["first"]}, source=package())


ENTRIES = "from labeldropout import late, words\n\nSETS = {'a': dict(read=late.late, seed=words.SEED)}\n\n"
ENTRIES += "def use(name):\n    return SETS[name]\n"


def test_an_entry_is_narrowed_to_its_fields(package):
    """What a rule does not ask of an entry does not count, and a field that is not written out is refused."""

    def narrowed(edits, *chosen):
        source = package(edits)
        (source / "labeldropout" / "entries.py").write_text(ENTRIES)
        return fingerprint("entries:use", choices={"SETS": chosen}, source=source)

    edit = [("words.py", "SEED = 3", "SEED = 4")]
    assert narrowed(edit, "a.read") == narrowed([], "a.read")
    assert narrowed(edit, "a.seed") != narrowed([], "a.seed")
    assert narrowed(edit, "a") != narrowed([], "a")
    with pytest.raises(ValueError, match="SETS, a: does not write out write"):
        narrowed([], "a.write")


def test_keys_are_read_without_an_import(package):
    """The names of a table are known without loading what it holds."""
    assert keys_of("losses", "LOSSES", source=package()) == ("first", "second")
    assert keys_of("losses", "LOSSES") == tuple(LOSSES)
    with pytest.raises(ValueError, match="does not define LOSES"):
        keys_of("losses", "LOSES")


def test_parsing_the_workflow_loads_nothing_heavy():
    """What the Snakefile imports brings neither torch nor pandas."""
    code = (
        "import sys, json, labeldropout.fingerprint, labeldropout.configuration, labeldropout.learning.experiments;"
        " print(json.dumps([n for n in ('torch', 'pandas', 'numpy', 'monai') if n in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []


def executed(call):
    """Places of the package whose code runs during a call: module, and name at its top level."""
    root = Path(labeldropout.__file__).parent
    seen = set()

    def note(frame, event, _argument):
        path = Path(frame.f_code.co_filename)
        # What runs because a module is imported, such as the body of a class, depends on who imported it first.
        imported = "<module>" in {frame.f_code.co_name, frame.f_back.f_code.co_name}
        if event == "call" and root in path.parents and not imported:
            module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            seen.add((module, frame.f_code.co_qualname.split(".")[0]))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("loss", ["adaptive", "adaptive_bce"])
def test_all_that_a_training_executes_is_in_its_fingerprint(small_study, loss):
    """The functions that really ran are among those that the rule's parameter `code` stands for."""
    dropout = {"structures": ["LA"], "probability": 0.5, "mode": "pattern"}
    augmentation = {"name": "published", "transforms": CONFIGURATION["training"]["augmentation"]["published"]}
    config = small_study.config(loss=loss, label_dropout=dropout, augmentation=augmentation)
    arguments = ["train", "--config", str(config), "--split", str(small_study.split), "--seed", "0", "--device", "cpu"]
    arguments += ["--prepared", *(str(small_study.prepared(name)) for name in ("first", "second"))]
    arguments += ["--output", str(small_study.root / "out"), "--benchmark", str(small_study.root / "speed.json")]
    arguments += ["--checkpoints", str(small_study.root / "state")]
    parsed = parser().parse_args(arguments)
    ran = executed(lambda: train(parsed))
    assert ("labeldropout.losses", LOSSES[loss].__name__) in ran
    assert ran <= set(reached("cli.learning:train", choices=code_choices(loss, "basic_unet")))
