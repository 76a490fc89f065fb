"""The cases of one training, resident on the device, and the batches drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from labeldropout.data.parts import part_of_cases
from labeldropout.data.pixels import FILE as PIXELS_FILE
from labeldropout.data.pixels import Pixels
from labeldropout.data.prepared import read_prepared
from labeldropout.label_dropout import draw_hidden_by_pattern, draw_hidden_structures, hide_annotations
from labeldropout.label_sets import label_sets, partially_labelled
from labeldropout.labels import Part, is_annotated, values_of
from labeldropout.learning.augmentation import augment, draw_augmentation, to_device
from labeldropout.learning.experiments import ANY
from labeldropout.learning.model import channels_first

IGNORED = 255
"""Value of the target's pixels that the loss leaves out (decision 33b)."""


@dataclass(frozen=True)
class Cases:
    """Cases of one part of the split, on one device."""

    images: Tensor
    """uint8 (N, K, H, W), K channels."""
    targets: Tensor
    """uint8 (N, H, W): channel of the network, not value of a structure; `IGNORED` where the loss leaves pixels out."""
    annotated: Tensor
    """bool (N, C), on the CPU, where label dropout draws; channel 0 is always true."""
    table: pd.DataFrame
    """case, dataset, patient and the rest of the prepared table, row by row."""

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class Batch:
    """What one optimisation step sees."""

    image: Tensor
    """float32 (N, K, H, W), intensity / 255."""
    target: Tensor
    """uint8 (N, H, W)."""
    annotated: Tensor
    """bool (N, C)."""
    rows: np.ndarray
    """Rows of `Cases.table`."""


def _channels(structures: Sequence[IntEnum]) -> np.ndarray:
    """Channel of the network for every value of a label map; structures that are not segmented are background."""
    channels = np.zeros(256, np.uint8)
    for channel, structure in enumerate(structures, start=1):
        channels[structure] = channel
    return channels


def _check_pixels(folder: Path, pixels: Pixels, structures: Sequence[IntEnum], in_channels: int) -> None:
    """Refuse prepared arrays in which a structure has another value than for the network, or other channels.

    Raises:
        ValueError: It is so.
    """
    found = values_of(pixels.structures)
    if pixels.channels != in_channels or not values_of(structures).items() <= found.items():
        raise ValueError(
            f"{folder / PIXELS_FILE}: {pixels.channels} channels and the structures {found} (expected {in_channels}"
            f" channels and {values_of(structures)}). Import and prepare the data set again."
        )


def load_cases(
    folders: Sequence[Path],
    patients: pd.DataFrame,
    part: Part,
    structures: Sequence[IntEnum],
    in_channels: int,
    device: torch.device,
) -> Cases:
    """Read the cases of one part of the split from several data sets, in the order of the folders.

    Args:
        folders: Folders of prepared arrays.
        patients: Table `PATIENTS`.
        part: Which part.
        structures: What the network segments, in channel order.
        in_channels: Channels of the images.
        device: The device for images and targets.

    Raises:
        ValueError: No case in this part, the data sets differ in grid size, or their pixels mean something else.
    """
    images, targets, tables = [], [], []
    for folder in folders:
        prepared = read_prepared(folder)
        _check_pixels(folder, prepared.pixels, structures, in_channels)
        rows = np.flatnonzero((part_of_cases(prepared.table, patients) == part).to_numpy())
        images.append(channels_first(prepared.images[rows]))
        targets.append(_channels(structures)[prepared.targets[rows]])
        tables.append(prepared.table.iloc[rows])
    if len({array.shape[1:] for array in images}) > 1:
        sizes = {str(folder): array.shape[1:] for folder, array in zip(folders, images, strict=True)}
        raise ValueError(f"The data sets differ in grid size: {sizes}.")
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        raise ValueError(f"No case in the {part} part of {', '.join(str(folder) for folder in folders)}.")
    states = table[[structure.name for structure in structures]].to_numpy()
    annotated = np.column_stack([np.ones(len(table), bool), is_annotated(states)])
    return Cases(
        images=torch.from_numpy(np.concatenate(images)).to(device),
        targets=torch.from_numpy(np.concatenate(targets)).to(device),
        annotated=torch.from_numpy(annotated),
        table=table,
    )


def draw_unlabelled_cases(
    table: pd.DataFrame, hidden: Sequence[dict[str, Any]], structures: Sequence[IntEnum], study_seed: int
) -> np.ndarray:
    """Which training cases lose which label: bool (N, C); the same for every model and seed of a study.

    Args:
        table: The training cases.
        hidden: structure, dataset and share (or as_many_as), as in `config.json`.
        structures: Channel order.
        study_seed: Seed of the study, not of the training.
    """
    loses = np.zeros((len(table), 1 + len(structures)), bool)
    by_name = {structure.name: structure for structure in structures}
    for item in hidden:
        structure = by_name[item["structure"]]
        is_known = is_annotated(table[structure.name])
        candidates = np.flatnonzero(is_known & ((table["dataset"] == item["dataset"]) | (item["dataset"] == ANY)))
        ordered = candidates[np.argsort(table["case"].to_numpy()[candidates], kind="stable")]
        rng = np.random.default_rng([study_seed, int(structure), *item["dataset"].encode()])
        if "as_many_as" in item:
            n_hidden = int((is_known & (table["dataset"] == item["as_many_as"])).sum())
        else:
            n_hidden = round(item["share"] * len(ordered))
        loses[rng.permutation(ordered)[:n_hidden], 1 + list(structures).index(structure)] = True
    return loses


def hide_labels(cases: Cases, loses: np.ndarray, *, ignore: bool) -> Cases:
    """The cases with their hidden labels removed.

    Args:
        cases: Training cases.
        loses: Which case loses which label, from `draw_unlabelled_cases`.
        ignore: Whether the pixels of a hidden structure become `IGNORED` in place of background.

    Raises:
        ValueError: Pixels are to be ignored, but no label is hidden.
    """
    if ignore and not loses.any():
        raise ValueError("The oracle ignores the pixels of hidden labels, but no training case loses one (found 0).")
    hidden = torch.from_numpy(loses)
    targets, _ = hide_annotations(
        cases.targets, cases.annotated.to(cases.targets.device), hidden.to(cases.targets.device)
    )
    if ignore:
        targets = torch.where(targets == cases.targets, targets, IGNORED)
    return Cases(cases.images, targets, cases.annotated & ~hidden, cases.table)


class Batches:
    """Batches of augmented training cases, with some of their annotations hidden, in an endless stream of passes.

    Every pass has every case once, in another order.
    """

    def __init__(
        self,
        cases: Cases,
        batch_size: int,
        augmentation: dict[str, Any] | None,
        label_dropout: dict[str, Any] | None,
        structures: Sequence[IntEnum],
        seed: int,
        *,
        whole_batches: bool,
    ) -> None:
        """Set up the random draws.

        Args:
            cases: Training cases.
            batch_size: Cases per batch.
            augmentation: Section of `config.json`; None switches it off.
            label_dropout: Section of `config.json`; None switches it off.
            structures: Channel order.
            seed: Seed of the training; order, augmentation and label dropout each get a stream of their own, so that
                trainings that differ only in label dropout see the same images in the same order.
            whole_batches: Whether a batch is filled up from the next pass; otherwise the last one of a pass may be
                smaller.

        Raises:
            ValueError: Label dropout names a structure that is not partially labelled in these cases.
        """
        self.cases = cases
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.label_dropout = label_dropout
        self.order_rng, self.augmentation_rng, self.dropout_rng = (
            np.random.default_rng([seed, stream]) for stream in range(3)
        )
        self.droppable = torch.zeros(cases.annotated.shape[1], dtype=torch.bool)
        if label_dropout:
            partial = partially_labelled(cases.annotated)
            for name in label_dropout["structures"]:
                channel = 1 + [structure.name for structure in structures].index(name)
                if not partial[channel]:
                    raise ValueError(
                        f"Label dropout of {name}: not partially labelled in these training cases (annotated in"
                        f" {int(cases.annotated[:, channel].sum())} of {len(cases)}; expected some, not all)."
                    )
                self.droppable[channel] = True
        self.label_sets = label_sets(cases.annotated)
        self.whole_batches = whole_batches
        self.left = np.empty(0, np.int64)
        """Rows that are still to come in this pass, in order."""

    def state(self) -> dict[str, Any]:
        """The state of the stream between two batches, in plain Python values."""
        return {
            "left": self.left.tolist(),
            "order": self.order_rng.bit_generator.state,
            "augmentation": self.augmentation_rng.bit_generator.state,
            "label_dropout": self.dropout_rng.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue with the batch that was next when `state` was called."""
        self.left = np.array(state["left"], np.int64)
        self.order_rng.bit_generator.state = state["order"]
        self.augmentation_rng.bit_generator.state = state["augmentation"]
        self.dropout_rng.bit_generator.state = state["label_dropout"]

    def _draw_hidden(self, annotated: Tensor) -> Tensor:
        """Which annotations of a batch label dropout hides: bool (N, C)."""
        probability = self.label_dropout["probability"]
        if self.label_dropout["mode"] == "pattern":
            return draw_hidden_by_pattern(annotated, *self.label_sets, probability, self.dropout_rng)
        return draw_hidden_structures(annotated, self.droppable, probability, self.dropout_rng)

    def _draw_rows(self) -> np.ndarray:
        """The cases of the next batch."""
        while len(self.left) < (self.batch_size if self.whole_batches else 1):
            self.left = np.concatenate([self.left, self.order_rng.permutation(len(self.cases))])
        rows, self.left = self.left[: self.batch_size], self.left[self.batch_size :]
        return rows

    def draw(self) -> Batch:
        """The next batch of the stream; drawn on the CPU, and made on the device without the host waiting for it."""
        cases, device = self.cases, self.cases.images.device
        rows = self._draw_rows()
        index = to_device(torch.from_numpy(rows), device)
        image = cases.images[index].float().div_(255)
        target = cases.targets[index]
        drawn = cases.annotated[rows]
        annotated = to_device(drawn, device)
        if self.augmentation:
            transforms = self.augmentation["transforms"]
            parameters = draw_augmentation(len(rows), transforms, image.shape[-1], self.augmentation_rng)
            image, target = augment(image, target, parameters)
        if self.label_dropout:
            hidden = to_device(self._draw_hidden(drawn), device)
            target, annotated = hide_annotations(target, annotated, hidden, validate=False)
        return Batch(image, target, annotated, rows)
