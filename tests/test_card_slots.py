"""Slots on graphics cards, with cards and a driver that are only named."""

import os
import signal
import stat
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import pytest

from labeldropout import devices
from labeldropout.cli.main import main
from labeldropout.devices import VISIBLE, Card, granted_device, hold_free_card, lock_folder, visible_cards

CARDS = [Card("GPU-aaaa", "GPU-aaaa"), Card("GPU-bbbb", "GPU-bbbb")]
HOLD = """
import sys, time
from pathlib import Path
from labeldropout.devices import Card, hold_free_card
folder, trainings, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with hold_free_card([Card(name, name) for name in ("GPU-aaaa", "GPU-bbbb")], trainings, 60, folder) as slot:
    start = time.monotonic()
    print(slot.card.name, start, flush=True)
    time.sleep(seconds)
    print(time.monotonic(), flush=True)
assert "torch" not in sys.modules and "numpy" not in sys.modules
"""


def start(folder: Path, trainings: int, seconds: float) -> subprocess.Popen:
    """A process that holds a slot for some seconds."""
    call = [sys.executable, "-c", HOLD, str(folder), str(trainings), str(seconds)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, text=True)


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """Largest number of spans that cover one moment."""
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A function that puts an nvidia-smi of these words on the path."""

    def install(*lines: str, status: int = 0) -> None:
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        listing = "\n".join(lines)
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}\nEND\nexit {status}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(devices.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(devices, "PATIENCE_S", 0.5)
    return install


TWO = ("GPU 0: Fast Card (UUID: GPU-aaaa)", "GPU 1: Fast Card (UUID: GPU-bbbb)")


@pytest.mark.parametrize("trainings", [1, 2])
def test_eight_processes_share_two_cards_as_allowed(tmp_path, trainings):
    """Never more than allowed on a card at a time, both cards used, and all eight have their turn."""
    processes = [start(tmp_path, trainings, 0.4) for _ in range(8)]
    spans: dict[str, list[tuple[float, float]]] = {}
    for process in processes:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        card, begin, end = said.split()
        spans.setdefault(card, []).append((float(begin), float(end)))
    assert set(spans) == {"GPU-aaaa", "GPU-bbbb"}
    assert sum(len(those) for those in spans.values()) == 8
    assert max(most_at_once(those) for those in spans.values()) == trainings


def test_a_killed_holder_frees_its_slot(tmp_path):
    """After kill -9 the next one has the card at once."""
    with hold_free_card(CARDS[1:], 1, 0.0, tmp_path):
        process = start(tmp_path, 1, 60)
        assert process.stdout.readline().startswith("GPU-aaaa ")
        with pytest.raises(TimeoutError):
            hold_free_card(CARDS, 1, 0.0, tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        hold_free_card(CARDS, 1, 0.0, tmp_path).close()


def test_the_emptiest_card_comes_first(tmp_path):
    """Two trainings on two cards that may be shared do not share one, whatever came and went before."""
    first, second, third = (hold_free_card(CARDS, 2, 0.0, tmp_path) for _ in range(3))
    assert [slot.card.name for slot in (first, second, third)] == ["GPU-aaaa", "GPU-bbbb", "GPU-aaaa"]
    second.close()
    first.close()
    with hold_free_card(CARDS, 2, 0.0, tmp_path) as fourth:
        assert fourth.card.name == "GPU-bbbb"
    third.close()


def test_who_asked_for_a_card_of_its_own_keeps_it(tmp_path):
    """A study that shares cards does not move onto the card of one that does not, nor the other way round."""
    for mine, others in combinations([1, 2, 1], 2):
        with hold_free_card(CARDS[:1], mine, 0.0, tmp_path):
            if 1 in (mine, others):
                with pytest.raises(TimeoutError):
                    hold_free_card(CARDS[:1], others, 0.0, tmp_path)


def test_the_refusal_names_cards_and_holders(tmp_path):
    """Who waits in vain is told for what, and who holds it."""
    with hold_free_card(CARDS[:1], 1, 0.0, tmp_path), pytest.raises(TimeoutError) as refused:
        hold_free_card(CARDS[:1], 1, 0.3, tmp_path)
    said = str(refused.value)
    assert "GPU-aaaa" in said
    assert f"process {os.getpid()}" in said
    assert "0.3 s" in said
    assert "trainings_per_gpu" in said


def test_a_waiting_training_says_so(tmp_path, monkeypatch, caplog):
    """A log that stands still names the reason."""
    monkeypatch.setattr(devices, "_QUIET_S", 0.1)
    with hold_free_card(CARDS[:1], 1, 0.0, tmp_path), pytest.raises(TimeoutError):
        hold_free_card(CARDS[:1], 1, 0.7, tmp_path)
    assert [record.getMessage() for record in caplog.records].count(
        f"No GPU is free (GPU-aaaa is held by process {os.getpid()}); waiting up to 0.7 s."
    ) == 1


@pytest.mark.parametrize(("cards", "trainings"), [([], 1), (CARDS, 0)])
def test_nothing_to_hold_is_refused(cards, trainings, tmp_path):
    """No card, or no training per card, is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one training per GPU"):
        hold_free_card(cards, trainings, 0.0, tmp_path)


def test_a_strange_name_stays_in_the_folder(tmp_path):
    """A card's name comes from the environment: it never leads out of the folder of the locks."""
    folder = tmp_path / "locks"
    folder.mkdir()
    name = "GPU-../../x"
    with hold_free_card([Card(name, name)], 1, 0.0, folder):
        assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_lock_folder_is_the_users_own(driver, tmp_path):
    """Nobody else can write there; a folder of the same name that is open to others is closed."""
    driver()
    folder = lock_folder()
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert stat.S_IMODE(lock_folder().stat().st_mode) == 0o700


def test_a_system_without_user_numbers_has_a_lock_folder(tmp_path, monkeypatch):
    """On Windows, which has no user numbers, the temporary folder is the user's own."""
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    assert lock_folder() == tmp_path / "labeldropout-gpu"
    assert lock_folder().is_dir()


def test_somebody_elses_lock_folder_is_refused(driver, monkeypatch):
    """A folder laid out by another user, or a link to somewhere, is not used."""
    driver()
    folder = lock_folder()
    folder.rmdir()
    folder.symlink_to("/")
    with pytest.raises(OSError, match="expected a folder"):
        lock_folder()
    folder.unlink()
    mine = os.getuid()
    folder.mkdir()
    monkeypatch.setattr(devices.os, "getuid", lambda: mine + 1)
    folder.rename(folder.with_name(f"labeldropout-gpu-{mine + 1}"))
    with pytest.raises(PermissionError, match=f"of user {mine + 1}, found one of user {mine}"):
        lock_folder()


def test_cards_are_those_of_the_driver(driver):
    """Without the variable all cards are taken, by their UUIDs."""
    driver(*TWO)
    assert visible_cards({}) == CARDS


def test_a_divided_card_is_its_parts(driver):
    """CUDA uses a card that is divided (MIG) through its parts only."""
    driver(TWO[0], "  MIG 3g.40gb     Device  0: (UUID: MIG-1)", "  MIG 3g.40gb     Device  1: (UUID: MIG-2)", TWO[1])
    assert [card.name for card in visible_cards({})] == ["MIG-1", "MIG-2", "GPU-bbbb"]
    assert visible_cards({VISIBLE: "0"}) == [Card("0", "0")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("1", [("1", "GPU-bbbb")]),
        ("1, 0", [("1", "GPU-bbbb"), ("0", "GPU-aaaa")]),
        ("GPU-b", [("GPU-b", "GPU-bbbb")]),
        ("0,-1,1", [("0", "GPU-aaaa")]),
        ("7", [("7", "7")]),
        ("", []),
        ("-1", []),
        ("none", []),
    ],
)
def test_the_variable_of_the_user_counts(driver, words, expected):
    """Cards keep the user's names for CUDA, in his order; their locks have one name on the whole machine."""
    driver(*TWO)
    assert visible_cards({VISIBLE: words}) == [Card(*pair) for pair in expected]


def test_without_a_driver_there_is_no_card(driver):
    """A driver that fails, or none at all, is a machine without cards."""
    driver("Failed to initialize NVML: Driver/library version mismatch", status=18)
    assert visible_cards({}) == []


def test_a_granted_training_sees_its_card_only(driver):
    """Two at once see one card each; a third is refused; afterwards everything is as before."""
    driver(*TWO)
    with granted_device(1, "auto", 1) as first:
        assert os.environ[VISIBLE] == first.name == "GPU-aaaa"
        del os.environ[VISIBLE]  # the next one is another process
        with granted_device(1, "cuda", 1) as second:
            assert os.environ[VISIBLE] == second.name == "GPU-bbbb"
            with pytest.raises(TimeoutError), granted_device(1, "cuda", 1):
                pass
    assert VISIBLE not in os.environ


@pytest.mark.parametrize(("gpus", "device"), [(0, "auto"), (0, "cuda"), (1, "cpu")])
def test_a_training_on_the_processor_sees_no_card(driver, gpus, device):
    """`gpu: 0` in the profile, or `device: cpu`, is the CPU: no slot, and torch finds no card."""
    driver(*TWO)
    with granted_device(gpus, device, 1) as card:
        assert card is None
        assert os.environ[VISIBLE] == ""
        assert visible_cards() == []
    assert VISIBLE not in os.environ


def test_slurm_hands_out_cards_itself(driver, monkeypatch, tmp_path):
    """In a Slurm job the variable is Slurm's, and there are no slots."""
    driver(*TWO)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(VISIBLE, "1")
    with granted_device(1, "auto", 1) as card:
        assert card is None
        assert os.environ[VISIBLE] == "1"
    assert not list(tmp_path.glob("labeldropout-gpu-*"))


def test_a_machine_without_cards_is_left_as_it_is(driver, tmp_path):
    """No slots, no variable: torch decides."""
    driver(status=9)
    with granted_device(1, "auto", 1) as card:
        assert card is None
        assert VISIBLE not in os.environ
    assert not list(tmp_path.glob("labeldropout-gpu-*"))


def test_verbs_that_use_a_card_hold_it_before_torch_is_there(driver, tmp_path):
    """The command line takes the slot first; a process that fails names its own reason and frees the slot."""
    driver(*TWO)
    code = """
import os, sys
seen = []
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            seen.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
sys.meta_path.insert(0, Watch())
from labeldropout.__main__ import main
words = "train --config no.json --split no.csv --output no --prepared no --seed 0"
status = main(words.split())
print(status, seen)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert result.stdout == "1 ['GPU-aaaa']\n"
    assert "no.json" in result.stderr


def test_a_full_machine_ends_a_verb_with_one_line(driver, capsys, tmp_path):
    """The command line says who holds the cards and ends with status 1."""
    driver(TWO[0])
    with hold_free_card(CARDS[:1], 1, 0.0, lock_folder()):
        arguments = ["segment-cone", "--cases", "none", "--output", str(tmp_path / "cones"), "--method", "geometry"]
        assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("labeldropout segment-cone: No GPU came free")
    assert len(said.splitlines()) == 1


def test_a_slot_is_taken_at_once_when_it_comes_free(tmp_path):
    """Who waits has the card soon after its holder ended."""
    process = start(tmp_path, 1, 0.5)
    process.stdout.readline()
    with hold_free_card(CARDS[:1], 1, 10.0, tmp_path):
        freed = float(process.stdout.readline())
        assert time.monotonic() - freed < 2
    process.wait()
    process.stdout.close()
