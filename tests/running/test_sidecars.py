"""What is written beside a result."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from labeldropout.running.sidecars import canonical_sha256, describe, models_in_tables, sidecar_of, weights_metadata


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A root of a workflow that is no git repository, with a table and its input."""
    for name in ("results/tables/figure_1.csv", "results/scores/m.1.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def facts(root, **changes):
    """What a verb tells of itself, with absolute paths."""
    table, scores = root / "results/tables/figure_1.csv", root / "results/scores/m.1.csv"
    return {
        "files": [table],
        "inputs": [scores],
        "settings": {"draws": 3},
        "models": {"m": [0]},
        "simulated": True,
        "command": ["labeldropout", "compare", "--output", str(table.with_suffix(""))],
        "target": "figure_1",
        **changes,
    }


def test_sidecar_lies_beside_the_file(root):
    """Its name is that of the file, without the ending; a dot in the name of a model stays."""
    assert sidecar_of(root / "results/scores/m.1.csv") == root / "results/scores/m.1.provenance.json"


def test_sidecar_says_what_made_the_file(root):
    """Hashes under relative names, command, target, and whether the data are simulated; no place of one machine."""
    content = describe(**facts(root))
    name, text = "results/tables/figure_1.csv", "results/scores/m.1.csv"
    assert content["files"] == {name: hashlib.sha256(name.encode()).hexdigest()}
    assert content["inputs"] == {text: hashlib.sha256(text.encode()).hexdigest()}
    assert content["command"] == ["labeldropout", "compare", "--output", "results/tables/figure_1"]
    assert (content["data"], content["target"], content["models"]) == ("simulated", "snakemake figure_1", {"m": [0]})
    assert content["settings"] == {"draws": 3}
    assert (content["commit"], content["versions"]["python"]) == ("unknown", sys.version.split()[0])
    assert str(root) not in json.dumps(content)


def test_the_same_command_writes_the_same_sidecar(root):
    """There is no time in it."""
    assert describe(**facts(root)) == describe(**facts(root))


def test_long_settings_leave_their_hash(root):
    """A list of all models is not repeated in every sidecar."""
    content = describe(**facts(root, settings={"long": "x" * 5000}))
    assert "settings" not in content
    assert content["settings_sha256"] == canonical_sha256({"long": "x" * 5000})


def test_hash_of_settings_knows_values_and_not_order():
    """The same settings in another order have the same hash; another value has another."""
    assert canonical_sha256({"a": 1, "b": 2}) == canonical_sha256({"b": 2, "a": 1}) != canonical_sha256({"a": 1})


def test_models_and_seeds_are_read_from_tables(tmp_path):
    """Rows over all seeds name no seed, and tables without models add nothing."""
    (tmp_path / "one.csv").write_text("model,seed\nm,1\nm,0\nm,all\nk,all\n")
    (tmp_path / "two.csv").write_text("structure,dice\nLV,0.5\n")
    assert models_in_tables([tmp_path / "one.csv", tmp_path / "two.csv"]) == {"k": [], "m": [0, 1]}


def test_configuration_is_read_from_the_header_of_weights(tmp_path):
    """Without any tensor; other files are refused by name."""
    metadata = {"labeldropout": json.dumps({"config": {"model": "m"}, "seed": 3})}
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "w.safetensors", metadata)
    assert weights_metadata(tmp_path / "w.safetensors") == {"config": {"model": "m"}, "seed": 3}
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    (tmp_path / "short").write_bytes(b"\xff" * 9)
    for name in ("other.safetensors", "short"):
        with pytest.raises(ValueError, match=f"{name}: no weights of this program"):
            weights_metadata(tmp_path / name)


def test_sidecars_and_verification_need_the_standard_library_alone():
    """A check of results starts at once."""
    code = (
        "import sys; import labeldropout.running.sidecars, labeldropout.running.verify;"
        " print([name for name in ('numpy', 'pandas', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "[]", result.stderr
