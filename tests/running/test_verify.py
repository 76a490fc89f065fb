"""Whether results are what their sidecars recorded: one changed byte is found and named."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest

from labeldropout.cli.main import main
from labeldropout.provenance import file_sha256
from labeldropout.running import verify as verification
from labeldropout.running.sidecars import describe, sidecar_of
from labeldropout.running.verify import STATES, summarise, verify

TABLE = "results/tables/figure_1.csv"
SCORES = "results/scores/m.csv"
WEIGHTS = "results/models/m/seed-0/weights.safetensors"
HISTORY = "results/models/m/seed-0/history.csv"
PREPARED = "results/prepared/camus/images.npy"


def write_sidecar(root, files, inputs):
    """A sidecar as the verbs write it."""
    content = describe(
        files=[root / name for name in files],
        inputs=[root / name for name in inputs],
        settings={},
        models={},
        simulated=True,
        command=[],
        target="x",
    )
    sidecar_of(root / files[0]).write_text(json.dumps(content))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Weights from prepared images, scores from weights, a table from scores and a history."""
    for name in (TABLE, SCORES, WEIGHTS, HISTORY, PREPARED, "results/models/m/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"model": name}))
    monkeypatch.chdir(tmp_path)
    write_sidecar(tmp_path, [TABLE], [SCORES, HISTORY])
    write_sidecar(tmp_path, [SCORES], [WEIGHTS])
    names = {"config.json": "results/models/m/config.json", "prepared/camus/images.npy": PREPARED}
    run = {"inputs": {name: file_sha256(tmp_path / path) for name, path in names.items()}}
    (tmp_path / WEIGHTS).with_name("run.json").write_text(json.dumps(run))
    return tmp_path


def flip_last_byte(path):
    """Another file of the same length."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def states(root, results="results"):
    """State by file."""
    return {finding.file: finding.state for finding in verify(root / results, root)}


def test_untouched_study_is_as_recorded(study):
    """Table, scores, weights and history; the prepared images are looked at as an input."""
    assert states(study) == dict.fromkeys([TABLE, SCORES, WEIGHTS, HISTORY], "as recorded")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (TABLE, {TABLE: "changed"}),
        (SCORES, {SCORES: "changed", TABLE: "input changed"}),
        (WEIGHTS, {WEIGHTS: "changed", SCORES: "input changed"}),
        (HISTORY, {HISTORY: "changed", TABLE: "input changed"}),
        ("results/models/m/config.json", {WEIGHTS: "input changed", HISTORY: "input changed"}),
        (PREPARED, {WEIGHTS: "input changed", HISTORY: "input changed"}),
    ],
)
def test_one_changed_byte_is_found(study, file, expected):
    """The file itself, and what was made from it; both hashes are shown."""
    recorded = file_sha256(study / file)
    flip_last_byte(study / file)
    findings = verify(study / "results", study)
    assert {finding.file: finding.state for finding in findings if finding.state != "as recorded"} == expected
    for finding in findings[: len(expected)]:
        assert recorded[:12] in finding.detail
        assert file_sha256(study / file)[:12] in finding.detail
        assert finding.file == file or file in finding.detail


def test_weights_are_judged_by_who_read_them(study):
    """Trained and scored anew, they agree with their scores."""
    (study / WEIGHTS).write_text("trained anew")
    write_sidecar(study, [SCORES], [WEIGHTS])
    assert states(study)[WEIGHTS] == "as recorded"


def test_hash_of_a_training_itself_comes_first(study):
    """Where the record of a training has the hash of its weights, no other is asked."""
    path = (study / WEIGHTS).with_name("run.json")
    content = {**json.loads(path.read_text()), "outputs": {"weights.safetensors": "0" * 64}}
    path.write_text(json.dumps(content))
    finding = verify(study / "results", study)[0]
    assert (finding.state, finding.file) == ("changed", WEIGHTS)
    assert "run.json" in finding.detail


@pytest.mark.parametrize("folder", ["results/severity-0.75/prepared", "results/prepared"])
def test_data_of_a_severity_of_its_own_are_found(study, folder):
    """A model at a severity of its own is held against those images, or the study's where the severity is theirs."""
    config = study / "results" / "models" / "m" / "config.json"
    config.write_text(json.dumps({"severity": 0.75}))
    path = study / folder / "camus" / "images.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("other images")
    inputs = {"config.json": file_sha256(config), "prepared/camus/images.npy": file_sha256(path)}
    (study / WEIGHTS).with_name("run.json").write_text(json.dumps({"inputs": inputs}))
    assert states(study)[WEIGHTS] == "as recorded"
    flip_last_byte(path)
    assert states(study)[WEIGHTS] != "as recorded"


@pytest.mark.parametrize(
    ("recorded", "there", "expected"),
    [
        ({"a": "1"}, {"severity-0/a": "1", "a": "1"}, "severity-0/"),
        ({"a": "1"}, {"severity-0/a": "2", "a": "1"}, "severity-0/"),
        ({"a": "1"}, {"a": "1"}, ""),
        ({"a": "1"}, {"a": "2"}, None),
        ({"a": "1", "b": "1"}, {"a": "1", "b": "2"}, None),
        ({"a": "1"}, {}, None),
        ({"a": None}, {"a": "1"}, None),
        ({"a": None}, {"severity-0/a": "1"}, "severity-0/"),
        ({}, {"a": "1"}, None),
    ],
)
def test_data_of_another_severity_are_never_guessed(recorded, there, expected):
    """Without a tree of its own, a model has the study's data only if their hashes are those that it was given."""
    assert verification.tree_of(0.0, recorded, there.get) == expected
    assert verification.tree_of(None, recorded, there.get) == ""


def test_one_file_that_severities_share_decides_nothing(study):
    """Crops are alike at every severity: where the images differ, the study's own are not taken for the model's."""
    config = study / "results" / "models" / "m" / "config.json"
    config.write_text(json.dumps({"severity": 0.75}))
    table = study / "results" / "prepared" / "camus" / "cases.csv"
    table.write_text("crops")
    inputs = {"prepared/camus/cases.csv": file_sha256(table), "prepared/camus/images.npy": "0" * 64}
    (study / WEIGHTS).with_name("run.json").write_text(json.dumps({"inputs": inputs}))
    finding = next(one for one in verify(study / "results", study) if one.file == WEIGHTS)
    assert finding.state == "input not here"
    own = [f"results/severity-0.75/prepared/camus/{name}" for name in ("cases.csv", "images.npy")]
    assert finding.detail == ", ".join(own)


def test_missing_input_is_said_and_no_alarm(study, capsys):
    """A reviewer without the images can still see that table and scores are those that were published."""
    shutil.rmtree(study / "results" / "prepared")
    assert states(study) == {
        WEIGHTS: "input not here",
        HISTORY: "input not here",
        TABLE: "as recorded",
        SCORES: "as recorded",
    }
    assert main(["verify"]) == 0
    assert PREPARED in capsys.readouterr().out


@pytest.mark.usefixtures("study")
def test_folder_without_results_is_no_success(capsys):
    """A misspelt folder ends with one line and the status of a failure, not with zero files as recorded."""
    assert main(["verify", "--results", "results/tables"]) == 1
    assert "results/tables: nothing published" in capsys.readouterr().err


def test_missing_result_is_said(study):
    """A sidecar without its table is no table."""
    (study / TABLE).unlink()
    assert states(study)[TABLE] == "not here"


def test_file_without_sidecar_is_said(study):
    """A figure that came from somewhere else is not taken for one of the study."""
    (study / "results" / "figures").mkdir()
    (study / "results" / "figures" / "mine.png").write_text("drawn by hand")
    assert states(study)["results/figures/mine.png"] == "no sidecar"


@pytest.mark.parametrize(
    "name", ["../secret", "results/../../secret", "{root}/../secret", "results/link/secret", "a\0b"]
)
@pytest.mark.parametrize("key", ["files", "inputs"])
def test_names_that_leave_the_study_are_refused(study, monkeypatch, key, name):
    """By dots, as absolute path or through a link: nothing outside is opened."""
    outside = study.parent / "secret"
    outside.write_text("secret")
    (study / "results" / "link").symlink_to(study.parent)
    path = sidecar_of(study / TABLE)
    content = json.loads(path.read_text())
    content[key][name.format(root=study)] = file_sha256(outside)
    path.write_text(json.dumps(content))
    opened = []
    monkeypatch.setattr(verification, "file_sha256", lambda path: opened.append(path.resolve()) or file_sha256(path))
    findings = verify(study / "results", study)
    assert (findings[0].state, findings[0].file) == ("refused", "results/tables/figure_1.provenance.json")
    assert next(finding for finding in findings if finding.file == TABLE).state == "no sidecar"
    assert outside.resolve() not in opened
    assert opened


@pytest.mark.parametrize("text", [json.dumps({"inputs": {"../../../../secret": "0" * 64}}), "3", "{}"])
def test_records_of_trainings_are_refused_too(study, text):
    """Whatever leaves the study or is no record, in whichever file."""
    (study / WEIGHTS).with_name("run.json").write_text(text)
    assert verify(study / "results", study)[0].state == "refused"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"files": []}', '{"files": {"a": 1}, "inputs": {}}', '{"files": {}}', "\xff"]
)
def test_damaged_sidecar_is_refused_by_name(study, text):
    """A cut file ends no check of the others."""
    sidecar_of(study / TABLE).write_bytes(text.encode("latin-1"))
    findings = verify(study / "results", study)
    assert (findings[0].state, findings[0].file) == ("refused", "results/tables/figure_1.provenance.json")
    assert {finding.file: finding.state for finding in findings}[SCORES] == "as recorded"


def test_sidecar_speaks_for_results_alone(study):
    """Source files are nobody's results."""
    (study / "source.py").write_text("code")
    write_sidecar(study, [TABLE, "source.py"], [])
    assert verify(study / "results", study)[0].state == "refused"


@pytest.mark.parametrize("name", ["a.csv", "z.csv"])
def test_another_sidecar_cannot_vouch_for_a_changed_file(study, name):
    """Where two speak of one file, the worse counts."""
    flip_last_byte(study / TABLE)
    (study / "results" / "tables" / name).write_text("new")
    write_sidecar(study, [f"results/tables/{name}", TABLE], [])
    assert states(study)[TABLE] == "changed"


def test_each_file_is_hashed_once(study, monkeypatch):
    """However many sidecars name it."""
    write_sidecar(study, [TABLE], [SCORES, WEIGHTS, PREPARED])
    hashed = []
    monkeypatch.setattr(verification, "file_sha256", lambda path: hashed.append(path) or file_sha256(path))
    verify(study / "results", study)
    assert len(hashed) == len(set(hashed)) == 6


def test_command_lists_the_worst_first_and_sums_up(study, capsys):
    """One line per file, one for all, the same as CSV, and exit status 1 when something changed."""
    assert main(["verify"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 files: 4 as recorded"
    flip_last_byte(study / SCORES)
    assert main(["verify", "--results", "results", "--output", "out/verify.csv"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["changed", "input changed", "as recorded"]
    assert lines[-1] == "4 files: 1 changed, 1 input changed, 2 as recorded"
    with (study / "out" / "verify.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["changed", "input changed", "as recorded", "as recorded"]
    assert rows[0]["file"] == SCORES


def test_results_elsewhere_need_their_root(study, monkeypatch, tmp_path_factory, capsys):
    """Names are relative to the root of the workflow; from another place it has to be named."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["verify", "--results", str(study / "results")]) == 1
    assert "--root" in capsys.readouterr().err
    assert main(["verify", "--results", str(study / "results"), "--root", str(study)]) == 0
    assert main(["verify"]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_results_behind_a_link_are_verified(study):
    """A folder of results on a larger disc is still the study's."""
    larger = study.parent / "larger"
    shutil.move(study / "results", larger)
    (study / "results").symlink_to(larger)
    assert set(states(study).values()) == {"as recorded"}


def test_summary_counts_in_the_order_of_the_states():
    """Worst first; a study without results says so."""
    findings = [verification.Finding(state, "x") for state in reversed(STATES)]
    assert summarise(findings) == "7 files: " + ", ".join(f"1 {state}" for state in STATES)
    assert summarise([]) == "0 files: nothing published"


def verified(study, *arguments):
    """Exit status and lines of `labeldropout verify` in a study."""
    result = subprocess.run(
        [sys.executable, "-m", "labeldropout", "verify", *arguments],
        cwd=study.root,
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr, result.stderr
    return result.returncode, result.stdout.splitlines()


@pytest.mark.slow
def test_finished_study_verifies_and_every_changed_byte_is_found(finished_study):
    """On the small study: tables, a figure, scores, predictions, weights and prepared images, one after another."""
    status, lines = verified(finished_study)
    assert status == 0, lines[:20]
    n_files = len(lines) - 1
    assert n_files > 80
    assert lines[-1] == f"{n_files} files: {n_files} as recorded"
    models = finished_study.root / "results" / "models"
    model = min(path.name for path in models.iterdir())
    for name in (
        "results/tables/figure_3.csv",
        "results/tables/summary.json",
        "results/figures/figure_2.png",
        f"results/scores/{model}.csv",
        f"results/predictions/{model}.npz",
        f"results/models/{model}/seed-0/weights.safetensors",
        "results/prepared/camus/images.npy",
    ):
        path = finished_study.root / name
        content = path.read_bytes()
        flip_last_byte(path)
        status, lines = verified(finished_study)
        path.write_bytes(content)
        assert status == 1, name
        assert name in lines[0], name
        word = "input changed" if "prepared" in name else "changed "
        assert lines[0].startswith(word), lines[0]


@pytest.mark.slow
def test_figure_can_be_followed_back_to_the_images(finished_study):
    """Inputs of a figure have sidecars of their own, down to the trainings, whose records name the prepared images."""
    root = finished_study.root
    figure = json.loads((root / "results/figures/figure_2.provenance.json").read_text())
    assert set(figure["files"]) == {"results/figures/figure_2.svg", "results/figures/figure_2.png"}
    assert figure["target"] == "snakemake figure_2"
    assert figure["data"] == "simulated"
    table = json.loads((root / "results/tables/figure_2.provenance.json").read_text())
    assert figure["inputs"]["results/tables/figure_2.csv"] == table["files"]["results/tables/figure_2.csv"]
    assert set(figure["models"]) == set(table["models"])
    for model, seeds in table["models"].items():
        scores = json.loads((root / f"results/scores/{model}.provenance.json").read_text())
        assert table["inputs"][f"results/scores/{model}.csv"] == scores["files"][f"results/scores/{model}.csv"]
        assert scores["models"] == {model: seeds}
        for seed in seeds:
            assert f"results/models/{model}/seed-{seed}/weights.safetensors" in scores["inputs"]
            run = json.loads((root / f"results/models/{model}/seed-{seed}/run.json").read_text())
            assert any(name.endswith("images.npy") for name in run["inputs"])
