"""The choice of a processor."""

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
