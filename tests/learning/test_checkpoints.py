"""A training that is killed, stopped or starved goes on where it was and ends with the same bytes."""

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
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn
from workflow_copy import CONFIGURATION

from labeldropout.cli.main import main
from labeldropout.data import case_store as store
from labeldropout.learning import checkpoints
from labeldropout.learning import train as training
from labeldropout.learning.checkpoints import EXIT_STOPPED, Checkpoint, Pace, Stop, StoppedError, hold
from labeldropout.learning.networks import NETWORKS, build_network
from labeldropout.learning.train import train_model

AUGMENTATION = CONFIGURATION["training"]["augmentation"]
SETTINGS = {
    "augmentation": AUGMENTATION,
    "label_dropout": {"structures": ["LA"], "probability": 0.5, "mode": "single"},
    "optimisation": {
        "epochs": 3,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "decay_power": 0.9,
        "learning_rate": 0.1,
        "batch_size": 7,
    },
}
N_BATCHES = 4
"""24 cases in batches of 7: the last one is smaller."""
FILES = ("weights.safetensors", "history.csv", "run.json")


class KilledError(BaseException):
    """Stands for a process that ends without a word."""


@pytest.fixture(autouse=True)
def _restore_determinism():
    yield
    torch.use_deterministic_algorithms(mode=False)


def run(study, name="out", pace=None, **changes):
    """Train; return the bytes that are left."""
    train_model(
        config=study.config(**{**SETTINGS, **changes}),
        prepared=[study.prepared("first"), study.prepared("second")],
        split=study.split,
        seed=3,
        device="cpu",
        threads=1,
        output=study.root / name,
        benchmark=study.root / f"{name}.json",
        pace=pace,
    )
    return {file: (study.root / name / file).read_bytes() for file in FILES}


_UNBROKEN = {}


def run_unbroken(study, **changes):
    """What the training gives without a break and without checkpoints; trained once for all tests."""
    key = json.dumps(changes, sort_keys=True)
    if key not in _UNBROKEN:
        _UNBROKEN[key] = run(study, "unbroken", **changes)
    return _UNBROKEN[key]


def every_batch(study):
    """Restart state after every batch."""
    return Pace(study.root / "scratch", 1, 0.0)


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


@pytest.mark.parametrize("n_batches", range(1, 3 * N_BATCHES))
def test_a_training_killed_after_any_batch_ends_with_the_same_bytes(small_study, monkeypatch, n_batches):
    """Within an epoch, at its end and in the last one: weights, history and record are those of an unbroken run."""
    unbroken = run_unbroken(small_study)
    revive = kill_after(monkeypatch, n_batches)
    with pytest.raises(KilledError):
        run(small_study, pace=every_batch(small_study))
    revive()
    torch.manual_seed(99)
    assert run(small_study, pace=every_batch(small_study)) == unbroken
    epoch = json.loads((small_study.root / "out.json").read_text())["resumed_from_epoch"]
    assert epoch == [1 + n_batches // N_BATCHES]
    assert not list(Path(small_study.root / "scratch").iterdir())


def interrupted(study, monkeypatch, n_batches=6, **changes):
    """Kill a training after so many batches; return its checkpoints, the newest first."""
    revive = kill_after(monkeypatch, n_batches)
    with pytest.raises(KilledError):
        run(study, pace=every_batch(study), **changes)
    revive()
    return sorted((study.root / "scratch").glob("*/*.checkpoint"), reverse=True)


def warnings_of(caplog):
    """What the log says at the level that is shown by default."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_log_and_the_benchmark_say_that_it_was_resumed_and_the_record_does_not(small_study, monkeypatch, caplog):
    """One line names epoch and file; after two breaks the benchmark lists both; images/s are of this process alone."""
    newest = interrupted(small_study, monkeypatch)[0]
    interrupted(small_study, monkeypatch, 3)
    caplog.clear()
    record = json.loads(run(small_study, pace=every_batch(small_study))["run.json"])
    assert "resumed" not in json.dumps(record)
    benchmark = json.loads((small_study.root / "out.json").read_text())
    assert benchmark["resumed_from_epoch"] == [2, 3]
    assert benchmark["images_per_s"] > 0
    last = newest.with_name("epoch-000003-batch-000001.checkpoint")
    assert f"resumed at epoch 3 of 3 from {last}" in warnings_of(caplog)


def test_the_current_checkpoint_and_the_one_before_are_kept(small_study, monkeypatch):
    """Two files, whatever the number of those written."""
    found = interrupted(small_study, monkeypatch, 7)
    assert [path.name for path in found] == [f"epoch-000002-batch-00000{n}.checkpoint" for n in (3, 2)]


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
    """Put the state of another training in its place, with a checksum that holds."""
    other = path.parent.with_name("other")
    with hold("other", Pace(other.parent, 1, 1.0), Stop()) as made:
        made.write("x", Checkpoint({}, {"a": torch.zeros(3)}))
    shutil.move(other / "x.checkpoint", path)
    shutil.rmtree(other)


@pytest.mark.parametrize("damage", [flip, cut_short, empty, swap])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_used(small_study, monkeypatch, caplog, damage):
    """The log names the file and what is wrong with it; the bytes come out the same, and the folder goes."""
    unbroken = run_unbroken(small_study)
    newest, before = interrupted(small_study, monkeypatch)
    damage(newest)
    caplog.clear()
    assert run(small_study, pace=every_batch(small_study)) == unbroken
    first, second = warnings_of(caplog)
    reason = "belongs to another training (other)" if damage is swap else "checksum is wrong"
    assert str(newest) in first
    assert reason in first
    assert second == f"resumed at epoch 2 of 3 from {before}"
    assert not list((small_study.root / "scratch").iterdir())


def test_a_training_without_a_usable_checkpoint_starts_anew_and_says_so(small_study, monkeypatch, caplog):
    """Both files are named, then the decision; the bytes come out the same."""
    unbroken = run_unbroken(small_study)
    for path in interrupted(small_study, monkeypatch):
        flip(path)
    caplog.clear()
    assert run(small_study, pace=every_batch(small_study)) == unbroken
    assert [message.split(": ")[1] for message in warnings_of(caplog)] == [
        "checkpoint not used (its checksum is wrong",
        "checkpoint not used (its checksum is wrong",
        "no usable checkpoint; the training starts anew.",
    ]


def test_a_refused_checkpoint_does_not_push_out_a_good_one(small_study, monkeypatch):
    """A damaged file whose name sorts last goes with the next writing; the good one from which it went on stays."""
    newest, before = interrupted(small_study, monkeypatch)
    flip(newest)
    found = interrupted(small_study, monkeypatch, 1)
    assert found == [newest, before]
    assert newest.read_bytes().startswith(b"labeldropout checkpoint")
    checkpoints._unpacked(newest.read_bytes(), newest.parent.name)


@pytest.mark.parametrize("change", ["configuration", "seed", "data", "code"])
def test_what_changes_a_training_never_resumes(small_study, monkeypatch, caplog, change):
    """The same model name and folder with another configuration, seed, data or code begins at the first epoch."""
    interrupted(small_study, monkeypatch)
    changes = {}
    if change == "configuration":
        changes["loss"] = "marginal"
    elif change == "seed":
        monkeypatch.setitem(SETTINGS, "study_seed", 8)
    elif change == "data":
        with (small_study.prepared("first") / "images.npy").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x07")
    else:
        module = small_study.root / "losses.py"
        module.write_text("edited")
        monkeypatch.setitem(training._RUNNING, "labeldropout.losses", module)
    caplog.clear()
    run(small_study, pace=every_batch(small_study), **changes)
    assert not warnings_of(caplog)
    assert json.loads((small_study.root / "out.json").read_text())["resumed_from_epoch"] == []


def test_the_code_of_the_key_is_what_training_imports():
    """Every module below training counts, so restart state of older code is not used; the command line does not."""
    program = "import json, labeldropout.learning.train as t; print(json.dumps(sorted(t._RUNNING)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = set(json.loads(result.stdout))
    below = {"augmentation", "batches", "checkpoints", "label_dropout", "losses", "networks", "prediction", "training"}
    assert {f"labeldropout.{name}" for name in below} <= names
    assert (
        not {"labeldropout.cli.main", "labeldropout.publication.figures.draw", "labeldropout.learning.evaluate"} & names
    )


def dropping_out(settings, n_channels):
    """The small U-Net behind a dropout layer, which draws from torch's own generator."""
    network = NETWORKS["attention_unet"](settings, n_channels)
    return nn.Sequential(nn.Dropout(0.3), network)


def test_a_network_that_draws_from_torch_resumes_with_the_same_draws(small_study, monkeypatch):
    """Dropout inside the network comes out the same, because the generator's state is restored."""
    monkeypatch.setitem(NETWORKS, "dropping_out", dropping_out)
    network = {"name": "dropping_out", "features": [4, 4, 8, 8, 8, 4]}
    assert isinstance(build_network(network, 4)[0], nn.Dropout)
    unbroken = run_unbroken(small_study, network=network)
    interrupted(small_study, monkeypatch, network=network)
    assert run(small_study, pace=every_batch(small_study), network=network) == unbroken


def test_tensors_come_back_with_their_memory_layout(tmp_path):
    """Strides, types and values are as before; a momentum in channels-last order stays in it."""
    tensors = {
        "momentum": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "bits": torch.tensor([True, False]),
        "bytes": torch.get_rng_state(),
        "count": torch.tensor(7),
    }
    state = {"large": 2**127 + 1, "small": 0.1 + 0.2, "list": [1, "a"]}
    with hold("key", Pace(tmp_path, 1, 1.0), Stop()) as made:
        assert made.write("one", Checkpoint(state, tensors))
        _, found = made.read()
    assert found.state == state
    for name, value in tensors.items():
        assert found.tensors[name].stride() == value.stride()
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)


def test_epochs_or_minutes_whichever_comes_first(tmp_path, monkeypatch):
    """Every third epoch, and whenever ten minutes have passed; both counts begin anew with each writing."""
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    with hold("key", Pace(tmp_path, 3, 10.0), Stop()) as made:
        assert [made.is_due(after_epoch=True) for _ in range(3)] == [False, False, True]
        made.write("a", Checkpoint({}, {}))
        assert not made.is_due(after_epoch=True)
        now[0] = 599.0
        assert not made.is_due(after_epoch=False)
        now[0] = 601.0
        assert made.is_due(after_epoch=False)
        made.write("b", Checkpoint({}, {}))
        assert not made.is_due(after_epoch=False)


def test_a_full_disc_stops_no_training(small_study, monkeypatch, caplog):
    """Writing fails from some moment on: the log names file and error, the file of before stays, no debris is left."""
    unbroken = run_unbroken(small_study)
    real, n_written = os.fsync, [0]

    def full(descriptor):
        n_written[0] += 1
        if n_written[0] > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    revive = kill_after(monkeypatch, 6)
    with pytest.raises(KilledError):
        run(small_study, pace=every_batch(small_study))
    revive()
    monkeypatch.setattr(os, "fsync", real)
    names = sorted(path.name for path in (small_study.root / "scratch").glob("*/*"))
    assert names == [f"epoch-000001-batch-00000{n}.checkpoint" for n in (1, 2)] + ["lock"]
    message = warnings_of(caplog)[0]
    assert "epoch-000001-batch-000003.checkpoint: checkpoint not written" in message
    assert "No space left on device" in message
    assert run(small_study, pace=every_batch(small_study)) == unbroken


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
    """Restart state on a tmpfs of 64 KiB: no checkpoint fits, each attempt is a warning, the result is the same."""
    unbroken = run_unbroken(small_study)
    with small_disc(small_study.root / "small", "64k") as disc:
        assert run(small_study, pace=Pace(disc / "scratch", 1, 10.0)) == unbroken
        assert not [path for path in disc.rglob("*") if path.is_file()]
    assert len([text for text in warnings_of(caplog) if "No space left on device" in text]) == 2


def test_a_full_disc_leaves_the_table_of_before(tmp_path):
    """A table that does not fit ends in an error; the old one stays whole and nothing lies beside it."""
    with small_disc(tmp_path / "small", "64k") as disc:
        table = disc / "table.csv"
        with store.replacing(table, "w") as file:
            file.write("a,b\n1,2\n")
        with pytest.raises(OSError, match=f"No space left on device: '{table}'"), store.replacing(table, "w") as file:
            file.write("1,2\n" * 50000)
        assert table.read_text() == "a,b\n1,2\n"
        assert [path.name for path in disc.iterdir()] == ["table.csv"]


def test_a_second_trainer_waits_for_the_first_and_names_it(tmp_path, caplog):
    """The lock is held by one at a time; the log of the one who waits names process and machine; then it goes on."""
    pace, order = Pace(tmp_path, 1, 1.0), []

    def second():
        with hold("key", pace, Stop()) as made:
            order.append("second")
            assert made.folder.is_dir()
            made.remove()

    with hold("key", pace, Stop()) as made:
        thread = threading.Thread(target=second)
        thread.start()
        deadline = time.monotonic() + 30
        while not warnings_of(caplog) and time.monotonic() < deadline:
            time.sleep(0.01)
        order.append("first")
        made.remove()
    thread.join(30)
    assert order == ["first", "second"]
    message = warnings_of(caplog)[0]
    assert f"process {os.getpid()} on " in message
    assert str(tmp_path / "key") in message
    assert not (tmp_path / "key").exists()


def test_one_that_waits_can_be_stopped(tmp_path):
    """A signal ends the waiting; nothing of the holder is touched."""
    pace = Pace(tmp_path, 1, 1.0)
    with (
        hold("key", pace, Stop()),
        pytest.raises(StoppedError, match="while waiting"),
        hold("key", pace, Stop("SIGTERM")),
    ):
        pass


def test_handlers_of_signals_are_put_back(small_study):
    """After a training the process reacts to signals as before."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run(small_study, pace=every_batch(small_study))
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("n_batches", [2, N_BATCHES, 2 * N_BATCHES + 3])
def test_a_signal_stops_after_the_batch_with_its_own_status(small_study, monkeypatch, capsys, number, n_batches):
    """SIGTERM and Ctrl-C end with 75 and one line; the same command goes on and ends with the same bytes."""
    unbroken = run_unbroken(small_study)
    arguments = command(small_study)[3:]
    real, done = training.forward, [0]

    def signalling(network, image):
        if network.training:
            done[0] += 1
            if done[0] == n_batches:
                os.kill(os.getpid(), number)
        return real(network, image)

    monkeypatch.setattr(training, "forward", signalling)
    assert main(arguments) == EXIT_STOPPED == 75
    epoch, batch = divmod(n_batches - 1, N_BATCHES)
    message = capsys.readouterr().err.splitlines()
    assert len(message) == 1
    assert f"stopped by {number.name} after batch {batch + 1} of epoch {epoch + 1} of 3" in message[0]
    assert "the same command resumes it" in message[0]
    assert done[0] == n_batches
    assert main(arguments) == 0
    assert {file: (small_study.root / "out" / file).read_bytes() for file in FILES} == unbroken


def command(study, **changes):
    """The command line of the small training."""
    return [
        *(sys.executable, "-m", "labeldropout", "train"),
        *("--config", str(study.config(**{**SETTINGS, **changes}))),
        *("--prepared", str(study.prepared("first")), str(study.prepared("second"))),
        *("--split", str(study.split), "--seed", "3", "--device", "cpu", "--gpus", "0", "--threads", "1"),
        *("--checkpoints", str(study.root / "scratch"), "--checkpoint-epochs", "1", "--checkpoint-minutes", "10"),
        *("--benchmark", str(study.root / "out.json"), "--output", str(study.root / "out")),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_real_process_that_is_killed_goes_on(small_study, number):
    """A signal from outside in the middle of the epochs; the second process resumes, and the bytes are the same."""
    settings = {"optimisation": {**SETTINGS["optimisation"], "epochs": 30}}
    unbroken = run_unbroken(small_study, **settings)
    with subprocess.Popen(command(small_study, **settings), stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(small_study.root.glob("scratch/*/epoch-000003-*")):
            time.sleep(0.005)
        process.send_signal(number)
        message = process.communicate(timeout=60)[1]
    if number == signal.SIGTERM:
        assert process.returncode == EXIT_STOPPED
        assert "stopped by SIGTERM" in message
    else:
        assert process.returncode == -signal.SIGKILL
    again = subprocess.run(command(small_study, **settings), capture_output=True, text=True, check=True)
    assert "WARNING" in again.stderr
    assert "resumed at epoch" in again.stderr
    assert {file: (small_study.root / "out" / file).read_bytes() for file in FILES} == unbroken
    assert json.loads((small_study.root / "out.json").read_text())["resumed_from_epoch"]


def test_checkpoints_need_their_numbers(small_study, tmp_path, capsys):
    """How often restart state is written has no second default on the command line: it stands in the configuration."""
    words = ["train", "--config", str(small_study.config()), "--split", str(small_study.split), "--seed", "0"]
    words += ["--prepared", str(small_study.prepared("first")), "--output", str(tmp_path / "seed-0")]
    assert main([*words, "--device", "cpu", "--checkpoints", str(tmp_path / "scratch")]) == 1
    assert "--checkpoints needs --checkpoint-epochs" in capsys.readouterr().err
