"""A training that is killed, stopped or starved resumes after its last validation and ends with the same bytes."""

import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from workflow_copy import CONFIGURATION

from labeldropout.files import replacing
from labeldropout.learning import train as training
from labeldropout.learning.checkpoints import hold
from labeldropout.learning.networks import NETWORKS, build_network
from labeldropout.learning.train import train_model

AUGMENTATION = {"name": "strong", "transforms": CONFIGURATION["training"]["augmentation"]["strong"]}
SETTINGS = {
    "augmentation": AUGMENTATION,
    "label_dropout": {"structures": ["LA"], "probability": 0.5, "mode": "single"},
    "optimisation": {
        "steps": 12,
        "epochs": None,
        "validations": 3,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "decay_power": 0.9,
        "learning_rate": 0.1,
        "batch_size": 7,
    },
}
N_BATCHES = 4
"""Steps between two validations: in batches of 7, a pass of 24 cases ends within the fourth."""
FILES = ("weights.safetensors", "history.csv", "run.json")


class KilledError(BaseException):
    """Stands for a process that ends without a word."""


@pytest.fixture(autouse=True)
def _restore_determinism():
    yield
    torch.use_deterministic_algorithms(mode=False)


def run(study, name="out", checkpoints=None, **changes):
    """Train; return the bytes of what it wrote."""
    train_model(
        config=study.config(**{**SETTINGS, **changes}),
        prepared=[study.prepared("first"), study.prepared("second")],
        split=[study.split],
        seed=3,
        device="cpu",
        threads=1,
        output=study.root / name,
        benchmark=study.root / f"{name}.json",
        checkpoints=checkpoints,
    )
    return {file: (study.root / name / file).read_bytes() for file in FILES}


_UNBROKEN = {}


def run_unbroken(study, **changes):
    """What the training gives without a break and without checkpoints; trained once for all tests."""
    key = json.dumps(changes, sort_keys=True)
    if key not in _UNBROKEN:
        _UNBROKEN[key] = run(study, "unbroken", **changes)
    return _UNBROKEN[key]


def resumable(study, **changes):
    """Train with restart state in the folder `scratch`; return the bytes of what it wrote."""
    return run(study, checkpoints=study.root / "scratch", **changes)


def kill_after(monkeypatch, n_batches):
    """Let the training die after so many batches; return the function that lets it live again."""
    forward, done = training.forward, [0]

    def dying(network, image):
        if network.training:
            if done[0] == n_batches:
                raise KilledError
            done[0] += 1
        return forward(network, image)

    monkeypatch.setattr(training, "forward", dying)
    return lambda: monkeypatch.setattr(training, "forward", forward)


@pytest.mark.parametrize("n_batches", [1, N_BATCHES - 1, N_BATCHES, N_BATCHES + 1, 2 * N_BATCHES, 3 * N_BATCHES - 1])
def test_a_training_killed_after_any_batch_ends_with_the_same_bytes(small_study, monkeypatch, n_batches):
    """Between two validations, at one and near the end: weights, history and record are those of an unbroken run."""
    unbroken = run_unbroken(small_study)
    interrupt(small_study, monkeypatch, n_batches)
    torch.manual_seed(99)
    assert resumable(small_study) == unbroken
    n_done = n_batches // N_BATCHES
    resumed = json.loads((small_study.root / "out.json").read_text())["resumed_after_step"]
    assert resumed == ([N_BATCHES * n_done] if n_done else [])
    assert not list((small_study.root / "scratch").iterdir())


def interrupt(study, monkeypatch, n_batches=6, **changes):
    """Kill a training after so many batches; return its checkpoint, which is missing before the first validation."""
    revive = kill_after(monkeypatch, n_batches)
    with pytest.raises(KilledError):
        resumable(study, **changes)
    revive()
    return next((study.root / "scratch").glob("*/checkpoint.pt"), None)


def warnings_of(caplog):
    """What the log says at the level that is shown by default."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_log_and_the_benchmark_say_that_it_was_resumed_and_the_record_does_not(small_study, monkeypatch, caplog):
    """One line names step and file; after two breaks the benchmark lists both; images/s are of this process alone."""
    path = interrupt(small_study, monkeypatch)
    interrupt(small_study, monkeypatch, N_BATCHES + 1)
    caplog.clear()
    record = json.loads(resumable(small_study)["run.json"])
    assert "resumed" not in json.dumps(record)
    benchmark = json.loads((small_study.root / "out.json").read_text())
    assert benchmark["resumed_after_step"] == [4, 8]
    assert benchmark["images_per_s"] > 0
    assert warnings_of(caplog) == [f"resumed after step 8 of 12 from {path}"]


def test_one_file_holds_the_state_after_the_last_validation(small_study, monkeypatch):
    """Nothing is written before the first validation, and each later one replaces the file."""
    assert interrupt(small_study, monkeypatch, N_BATCHES - 1) is None
    path = interrupt(small_study, monkeypatch, 2 * N_BATCHES + 1)
    assert sorted(file.name for file in path.parents[1].rglob("*")) == sorted(
        [path.parent.name, path.name, f"{path.parent.name}.lock"]
    )
    assert torch.load(path, weights_only=True)["state"]["progress"]["step"] == 2 * N_BATCHES


def flip(path):
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path):
    """Lose the second half."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    """Lose everything."""
    os.truncate(path, 0)


def swap(path):
    """Put the state of another training in its place."""
    with hold(path.parent.with_name("other")) as other:
        other.write({"a": torch.zeros(3)})
        shutil.move(other.path, path)
        other.remove()


def put_text(path):
    """Put a text in its place."""
    path.write_text("no checkpoint")


def put_code(path):
    """Put a pickle in its place that would call a function."""
    torch.save({"key": path.parent.name, "state": Path("nowhere")}, path)


def put_archive(path):
    """Put a ZIP archive in its place that torch did not write."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no checkpoint")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "wrong checksum"),
        (cut_short, "BadZipFile"),
        (empty, "BadZipFile"),
        (put_text, "BadZipFile"),
        (put_archive, "RuntimeError"),
        (put_code, "UnpicklingError"),
        (swap, "it belongs to another training"),
    ],
)
def test_an_unusable_checkpoint_is_named_and_the_training_starts_anew(small_study, monkeypatch, caplog, damage, reason):
    """The log names the file and what is wrong with it; the bytes come out the same, and the folder goes."""
    unbroken = run_unbroken(small_study)
    path = interrupt(small_study, monkeypatch)
    damage(path)
    caplog.clear()
    assert resumable(small_study) == unbroken
    (message,) = warnings_of(caplog)
    assert message.startswith(f"{path}: unusable checkpoint (")
    assert reason in message
    assert message.endswith("); the training starts from the beginning.")
    assert "\n" not in message
    assert not list((small_study.root / "scratch").iterdir())


@pytest.mark.parametrize("change", ["configuration", "seed", "data", "code", "instructions"])
def test_what_changes_a_training_never_resumes(small_study, monkeypatch, caplog, change):
    """The same name with another configuration, seed, data, code or instruction set begins at the first step."""
    interrupt(small_study, monkeypatch)
    changes = {}
    if change == "configuration":
        changes["loss"] = "marginal"
    elif change == "seed":
        monkeypatch.setitem(SETTINGS, "study_seed", 8)
    elif change == "data":
        with (small_study.prepared("first") / "images.npy").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x07")
    elif change == "instructions":
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another processor")
    else:
        monkeypatch.setattr(training, "fingerprint", lambda *_, **__: "of other code")
    caplog.clear()
    resumable(small_study, **changes)
    assert not warnings_of(caplog)
    assert json.loads((small_study.root / "out.json").read_text())["resumed_after_step"] == []


def dropping_out(settings, n_channels, in_channels):
    """The small U-Net behind a dropout layer, which draws from torch's own generator."""
    network = NETWORKS["attention_unet"](settings, n_channels, in_channels)
    return nn.Sequential(nn.Dropout(0.3), network)


def test_a_network_that_draws_from_torch_resumes_with_the_same_draws(small_study, monkeypatch):
    """Dropout inside the network comes out the same, because the generator's state is restored."""
    monkeypatch.setitem(NETWORKS, "dropping_out", dropping_out)
    network = {"name": "dropping_out", "features": [4, 4, 8, 8, 8, 4]}
    assert isinstance(build_network(network, 4, 1)[0], nn.Dropout)
    unbroken = run_unbroken(small_study, network=network)
    interrupt(small_study, monkeypatch, network=network)
    assert resumable(small_study, network=network) == unbroken


def test_a_state_comes_back_as_it_was(tmp_path):
    """Strides, types and values; a momentum in channels-last order stays in it, and integers may be of any size."""
    state = {
        "momentum": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "bits": torch.tensor([True, False]),
        "bytes": torch.get_rng_state(),
        "count": torch.tensor(7),
        "draws": np.random.default_rng([3, 1]).bit_generator.state,
        "plain": {"large": 2**127 + 1, "small": 0.1 + 0.2, "list": [1, "a", None, {"b": -1}]},
    }
    with hold(tmp_path / "key") as made:
        assert made.read() is None
        made.write(state)
        found = made.read()
    assert set(found) == set(state)
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            assert found[name].stride() == value.stride()
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value)
        else:
            assert found[name] == value


def test_a_full_disc_stops_no_training(small_study, monkeypatch, caplog):
    """Writing fails from some moment on: the log names file and error, the old file stays, and no debris is left."""
    unbroken = run_unbroken(small_study)
    real, n_written = os.fsync, [0]

    def full(descriptor):
        n_written[0] += 1
        if n_written[0] > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    path = interrupt(small_study, monkeypatch, 2 * N_BATCHES + 1)
    monkeypatch.setattr(os, "fsync", real)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    (message,) = warnings_of(caplog)
    assert f"{path}: checkpoint not written" in message
    assert "No space left on device" in message
    assert torch.load(path, weights_only=True)["state"]["progress"]["step"] == N_BATCHES
    assert resumable(small_study) == unbroken


@contextmanager
def small_disc(folder, size):
    """A file system of this size in the folder; skips where this user may not mount one."""
    folder.mkdir()
    result = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {result.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_training_goes_on_when_a_real_disc_is_full(small_study, caplog):
    """Restart state on a tmpfs of 64 KiB: no checkpoint fits, each attempt is a warning, the result the same."""
    unbroken = run_unbroken(small_study)
    with small_disc(small_study.root / "small", "64k") as disc:
        assert run(small_study, checkpoints=disc / "scratch") == unbroken
        assert not [path for path in disc.rglob("*") if path.is_file()]
    assert len([text for text in warnings_of(caplog) if "No space left on device" in text]) == 2


def test_a_full_disc_leaves_the_table_of_before(tmp_path):
    """A table that does not fit ends in an error; the old one stays whole and nothing lies beside it."""
    with small_disc(tmp_path / "small", "64k") as disc:
        table = disc / "table.csv"
        with replacing(table, "w") as file:
            file.write("a,b\n1,2\n")
        with pytest.raises(OSError, match=f"No space left on device: '{table}'"), replacing(table, "w") as file:
            file.write("1,2\n" * 50000)
        assert table.read_text() == "a,b\n1,2\n"
        assert [path.name for path in disc.iterdir()] == ["table.csv"]


def test_a_second_trainer_waits_for_the_first_and_names_it(tmp_path, caplog):
    """The lock is held by one at a time; the log of the one who waits names process and machine; then it goes on."""
    order = []

    def second():
        with hold(tmp_path / "key") as made:
            order.append("second")
            assert made.folder.is_dir()
            made.remove()

    with hold(tmp_path / "key") as made:
        thread = threading.Thread(target=second)
        thread.start()
        deadline = time.monotonic() + 30
        while not warnings_of(caplog) and time.monotonic() < deadline:
            time.sleep(0.01)
        order.append("first")
        made.remove()
    thread.join(30)
    assert order == ["first", "second"]
    (message,) = warnings_of(caplog)
    assert f"process {os.getpid()} on " in message
    assert str(tmp_path / "key") in message
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_removed(tmp_path):
    """A half-written checkpoint of a process that is gone goes; the whole one stays."""
    folder = tmp_path / "key"
    with hold(folder) as made:
        made.write({"epoch": 1})
    (folder / ".checkpoint.pt.1.part").touch()
    with hold(folder) as made:
        assert [path.name for path in folder.iterdir()] == ["checkpoint.pt"]
        assert made.read() == {"epoch": 1}


def command(study, **changes):
    """The command line of the small training."""
    return [
        *(sys.executable, "-m", "labeldropout", "train"),
        *("--config", str(study.config(**{**SETTINGS, **changes}))),
        *("--prepared", str(study.prepared("first")), str(study.prepared("second"))),
        *("--split", str(study.split), "--seed", "3", "--device", "cpu", "--gpus", "0", "--threads", "1"),
        *("--checkpoints", str(study.root / "scratch")),
        *("--benchmark", str(study.root / "out.json"), "--output", str(study.root / "out")),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_real_process_that_is_ended_by_a_signal_goes_on(small_study, number):
    """The signal ends it at once, in the middle of the training; the second process resumes, with the same bytes."""
    settings = {"optimisation": {**SETTINGS["optimisation"], "steps": 120, "validations": 30}}
    unbroken = run_unbroken(small_study, **settings)
    # A shell that runs this in the background has Ctrl-C ignored, and its children inherit that.
    listening = ["env", "--default-signal=INT", *command(small_study, **settings)]
    with subprocess.Popen(listening, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(small_study.root.glob("scratch/*/checkpoint.pt")):
            time.sleep(0.005)
        process.send_signal(number)
        process.wait(timeout=60)
    assert process.returncode == -number
    again = subprocess.run(command(small_study, **settings), capture_output=True, text=True, check=True)
    assert "WARNING" in again.stderr
    assert "resumed after step" in again.stderr
    assert {file: (small_study.root / "out" / file).read_bytes() for file in FILES} == unbroken
    assert json.loads((small_study.root / "out.json").read_text())["resumed_after_step"]
