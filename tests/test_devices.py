"""The choice of a processor."""

import platform
import subprocess
import sys

import pytest
import torch

from labeldropout.devices import choose_device


def test_an_unknown_device_is_refused():
    """The message lists the valid names."""
    with pytest.raises(ValueError, match="'gpu' \\(expected auto, cpu or cuda\\)"):
        choose_device("gpu")


def test_auto_takes_what_there_is():
    """`auto` is CUDA where there is a card and the CPU elsewhere; `cpu` is always the CPU."""
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library has mallopt")
def test_freed_memory_is_kept():
    """Arrays that are made and dropped again and again cost no new pages once the switch is set."""
    program = """
import resource, numpy, sys
from labeldropout.devices import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for round in range(40):
    if round == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    a, b = numpy.ones(2**20), numpy.ones(2**22)
    del a, b
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        word: int(
            subprocess.run([sys.executable, "-c", program, word], capture_output=True, text=True, check=True).stdout
        )
        for word in ("keep", "leave")
    }
    assert faults["keep"] < 100 < faults["leave"]
