"""The command line: light to start, one line for a bad input."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import labeldropout
from labeldropout.cli.main import VERBS, main, parser

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "monai", "pandas", "numpy", "scipy", "skimage", "matplotlib", "nnunetv2", "SimpleITK", "av")


RESOLVE = {
    "datasets": ["camus"],
    "structures": {"LV": 1, "LVM": 2, "LA": 3},
    **dict.fromkeys(("channels", "augmentation", "network", "optimisation", "grid_size", "crop_margin"), 1),
    "study_seed": 0,
    "simulated": True,
}
"""What `resolve --settings` needs."""


def start(*arguments, code=None):
    """Run Python with the package, or its command line."""
    call = ["-c", code] if code else ["-m", "labeldropout", *arguments]
    return subprocess.run([sys.executable, *call], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy():
    """Building the whole command line imports none of the scientific libraries."""
    code = (
        "import json, sys; from labeldropout.cli.main import parser; parser().format_help();"
        f" print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert json.loads(start(code=code).stdout) == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    """Each verb explains itself."""
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([verb, "--help"])
    assert stop.value.code == 0
    assert verb in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import-dataset", "--name", "camus", "--root", "nowhere", "--output", "out"], ["nowhere"]),
        (["import-dataset", "--name", "camos", "--root", ".", "--output", "out"], ["camos", "camus"]),
        (
            ["resolve", "--row", '{"modle": "m"}', "--candidate", '{"learning_rate": 0.1, "batch_size": 8}'],
            ["modle", "model"],
        ),
        (["prepare", "--cases", "nowhere", "--cones", "c", "--grid-size", "32", "--margin", "0"], ["nowhere"]),
    ],
)
def test_bad_input_ends_with_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    """A bad input ends with exit status 1 and one line that names what was found and expected."""
    monkeypatch.chdir(tmp_path)
    more = {
        "resolve": [
            "--settings",
            json.dumps(RESOLVE),
            "--config",
            "c.json",
        ],
        "prepare": ["--output", "out"],
    }
    assert main([*arguments, *more.get(arguments[0], [])]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"labeldropout {arguments[0]}: ")
    assert len(said.splitlines()) == 1
    assert all(word in said for word in words), said


def test_bad_json_is_refused_before_anything_runs(capsys):
    """A flag that holds no JSON says so."""
    with pytest.raises(SystemExit) as stop:
        main(["train-cone", "--settings", "{", "--seed", "0", "--output", "out"])
    assert stop.value.code == 2
    assert "not JSON" in capsys.readouterr().err


SETTINGS = {
    "simulate": (["--dataset", "camus", "--severity", "1", "--seed", "0", "--root", "r", "--truth", "t"], "patients"),
    "train-cone": (["--seed", "0", "--output", "o"], "images, grid_size, features, epochs, iterations, batch_size"),
    "split": (["--cases", "c", "--seed", "0", "--output", "o"], "source"),
    "resolve": (["--row", "{}", "--selected", "s", "--config", "c"], "datasets, structures, channels"),
    "evaluate": (
        ["--weights", "w", "--cases", "c", "--prepared", "p", "--split", "s", "--scores", "o", "--predictions", "o"],
        "surface_tolerance_mm, surface_tolerance_px",
    ),
    "compare": (
        ["--item", "table_1", "--configs", "c", "--seeds", "0", "--shown-in", "x", "--split", "s", "--reported", "r",
         "--output", "o"],
        "statistics.draws, statistics.seed, kit, seed, severity, simulated",
    ),
}  # fmt: skip
"""For each verb with settings: its other flags, and what the message on settings without content must name."""


def outcome_of(arguments, capsys):
    """Exit status and message of a run, whether the parser or the verb refuses."""
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().err


@pytest.mark.parametrize("verb", SETTINGS)
def test_empty_settings_end_with_what_is_missing(verb, tmp_path, monkeypatch, capsys):
    """`--settings '{}'` names the settings that have to be there."""
    monkeypatch.chdir(tmp_path)
    flags, words = SETTINGS[verb]
    status, said = outcome_of([verb, "--settings", "{}", *flags], capsys)
    assert status in {1, 2}
    assert words in said


@pytest.mark.parametrize("verb", SETTINGS)
@pytest.mark.parametrize("settings", ["[]", "3", '"images"', "null"])
def test_settings_that_are_no_object_end_with_a_message(verb, settings, capsys):
    """A list or a number has no names."""
    status, said = outcome_of([verb, "--settings", settings, *SETTINGS[verb][0]], capsys)
    assert status == 2
    assert "expected settings by name" in said


def test_settings_of_a_wrong_type_are_named(tmp_path, capsys):
    """The message has the setting, what it is and what it should be."""
    good = {"images": 10, "grid_size": 64, "features": [4, 8], "epochs": 1, "iterations": 1, "batch_size": 2}
    for name, value in (("images", "x"), ("features", 3), ("features", [4, None]), ("epochs", True), ("masks", 1)):
        arguments = ["train-cone", "--settings", json.dumps(good | {name: value}), "--seed", "0", "--device", "cpu"]
        status, said = outcome_of([*arguments, "--output", str(tmp_path / "out")], capsys)
        assert status == 1
        assert f"cone_network: {name} {value!r} (expected" in said


@pytest.mark.parametrize("number", ["-1", "1.5", "x", ""])
def test_a_seed_is_a_whole_number_from_0(number, capsys):
    """The message says so, and not how random numbers are made."""
    status, said = outcome_of(["observe", "--kit", "k", "--truth", "t", "--drawn", "d", "--seed", number], capsys)
    assert status == 2
    assert f"expected a whole number from 0, found {number!r}" in said


def test_a_missing_file_is_named_first(tmp_path, capsys):
    """The system's own errors read like ours."""
    arguments = ["prepare", "--cases", str(tmp_path), "--cones", "c", "--grid-size", "32", "--margin", "0"]
    (tmp_path / "pixels.json").write_text('{"channels": 1, "structures": {"LV": 1}}')
    status, said = outcome_of([*arguments, "--output", "o"], capsys)
    assert status == 1
    assert said == f"labeldropout prepare: {tmp_path / 'cases.csv'}: No such file or directory\n"


def test_closed_pipe_is_no_error():
    """`labeldropout verify | head -1` ends quietly: whoever reads has seen enough."""
    call = [sys.executable, "-m", "labeldropout", "verify"]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + signal.SIGPIPE


def test_version_is_that_of_the_package():
    """`labeldropout --version` says which version is installed."""
    assert start("--version").stdout == f"labeldropout {labeldropout.__version__}\n"


def test_bash_completes_verbs_flags_and_files(tmp_path):
    """The printed script completes a verb, a flag of a verb and the name of a file."""
    pytest.importorskip("shtab", reason="shtab is not installed")
    script = start("--print-completion", "bash").stdout
    (tmp_path / "scan.png").touch()

    def completed(*words):
        """What bash offers for the last word."""
        typed = " ".join(f"'{word}'" for word in words)
        code = f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _shtab_labeldropout\n"
        code += 'printf "%s\\n" "${COMPREPLY[@]}"'
        call = ["bash", "--norc", "-c", code]
        return subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False).stdout.split()

    assert completed("labeldropout", "predi") == ["predict"]
    assert "--spacing" in completed("labeldropout", "predict", "--sp")
    assert completed("labeldropout", "predict", "sca") == ["scan.png"]


def test_completion_without_shtab_names_it(capsys, monkeypatch):
    """Who does not have shtab learns what to install."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(["--print-completion", "zsh"])
    assert stop.value.code == 2
    assert "pip install shtab" in capsys.readouterr().err
