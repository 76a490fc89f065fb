"""`Case`: one image with its target, annotated structures, pixel spacing and origin."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import UInt8

from labeldropout.labels import BACKGROUND, Instant, State, View, is_annotated


class DatasetError(ValueError):
    """A data set violates its format; the message names the file, the value found and the one expected."""

    @classmethod
    def about(
        cls, dataset: str, file: object, wrong: str, expected: object, found: object, advice: str = ""
    ) -> "DatasetError":
        """Build an error with the message form that all importers share.

        Args:
            dataset: Name of the data set; empty for a file of no data set.
            file: File, with line or key where it has one.
            wrong: What is wrong, in a few words.
            expected: What should be there.
            found: What is there.
            advice: What to do about it, as a sentence; may be empty.
        """
        where = f"{dataset}: {file}" if dataset else str(file)
        return cls(f"{where}: {wrong} (expected {expected}, found {found}). {advice}".rstrip())


def stable_id(dataset: str, name: str) -> str:
    """Our own identifier for something that a data set calls `name`.

    It does not change when other cases are added, and published tables carry it in place of a data set's names.
    """
    return f"{dataset}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class Case:
    """One imported frame: all that is known about it after the import."""

    dataset: str
    """Name of the data set: a key of `DATASETS`."""
    group_name: str
    """What a split must keep together, under the data set's own name: patient, video or video code."""
    frame: int
    """Index of the frame in its file, from 0."""
    image: UInt8[np.ndarray, "h w *channels"]
    """Intensities, without a last axis if there is one channel; of ultrasound, row 0 is at the probe."""
    target: UInt8[np.ndarray, "h w"]
    """Value of a structure per pixel; 0 is background."""
    states: dict[IntEnum, State]
    """State of each structure that the data set knows, with its value in the target."""
    pixel_spacing_mm: tuple[float, float] | None
    """(row, column); None where the data set does not say."""
    view: View | None
    instant: Instant | None
    source: str
    """Path of the image's file, relative to the root of the data set."""
    source_sha256: str
    """Hash of that file."""
    quality: str = ""
    """What the data set says about the image's quality; empty if nothing."""
    flags: tuple[str, ...] = ()
    """Remarks from the importer, each without spaces."""
    split_hint: str = ""
    """The part that the data set itself assigns, in its own words; empty if none."""

    def __post_init__(self) -> None:
        if self.image.shape[:2] != self.target.shape:
            raise DatasetError.about(
                self.dataset, self.source, "image and target differ in shape", self.image.shape[:2], self.target.shape
            )
        if self.image.ndim not in (2, 3) or self.image.dtype != np.uint8 or self.target.dtype != np.uint8:
            found = f"{self.image.ndim} axes, {self.image.dtype} and {self.target.dtype}"
            raise DatasetError.about(self.dataset, self.source, "wrong arrays", "2 or 3 axes, uint8 and uint8", found)
        values = [int(value) for value in np.unique(self.target)]
        known = [BACKGROUND, *map(int, self.states)]
        if not set(values) <= set(known):
            raise DatasetError.about(self.dataset, self.source, "unknown label", known, values)
        for structure, state in self.states.items():
            if structure in values and state is not State.LABELLED:
                raise DatasetError.about(
                    self.dataset,
                    self.source,
                    f"{structure.name} is {state} and yet drawn",
                    "no pixel",
                    f"{int((self.target == structure).sum())} pixels",
                )

    @property
    def patient(self) -> str:
        """Our own identifier of the group; the key of splits, pairing and resampling."""
        return stable_id(self.dataset, self.group_name)

    @property
    def id(self) -> str:
        """Our own identifier of the case: group, view, instant and, where there is no instant, the frame."""
        what = [part for part in (self.view, self.instant or f"f{self.frame:04d}") if part]
        return "-".join([self.patient, *what])

    @property
    def annotated(self) -> dict[IntEnum, bool]:
        """Whether each structure provides supervision: labelled or absent."""
        return {structure: is_annotated(state) for structure, state in self.states.items()}
