"""What a model outlines: names, values and colours, as its weights say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labeldropout.files import replacing
from labeldropout.labels import PALETTE
from labeldropout.learning.model import Model

_SNAP_HEAD = """\
################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
"""


@dataclass(frozen=True)
class Entry:
    """One structure."""

    name: str
    value: int
    """Its pixels' value in a label map."""
    colour: tuple[int, int, int]
    """Red, green and blue, 0 to 255."""


def legend_of(model: Model) -> tuple[Entry, ...]:
    """The structures of a model, in the order of its channels."""
    return tuple(Entry(structure.name, int(structure), PALETTE[structure - 1]) for structure in model.structures)


def write_label_files(legend: Sequence[Entry], output: Path) -> list[Path]:
    """Write the names and colours of label values, for ITK-SNAP (`labels.txt`) and for Slicer (`labels.ctbl`)."""
    clear = Entry("Clear Label", 0, (0, 0, 0))
    snap = [
        "{:5d} {:5d} {:4d} {:4d} {:8d} {:2d} {:2d}".format(one.value, *one.colour, *(shown,) * 3) + f'    "{one.name}"'
        for one, shown in ((clear, 0), *((one, 1) for one in legend))
    ]
    slicer = [
        f"{one.value} {one.name} {one.colour[0]} {one.colour[1]} {one.colour[2]} {opacity}"
        for one, opacity in ((Entry("background", 0, (0, 0, 0)), 0), *((one, 255) for one in legend))
    ]
    texts = {"labels.txt": _SNAP_HEAD + "\n".join(snap) + "\n", "labels.ctbl": "\n".join(slicer) + "\n"}
    for name, text in texts.items():
        with replacing(output / name) as file:
            file.write(text.encode())
    return [output / name for name in texts]
