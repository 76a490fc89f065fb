"""nnU-Net's training loop for `loops.py`: its store of preprocessed cases, its loader, its augmenter and its own step.

The loader reads from the disk at every step, as nnU-Net's does, and a third of its patches have to show a structure.
The step is `nnUNetTrainer.train_step`: gradients are clipped, and every loss is fetched. Left out are deep supervision
and the Dice term, which are another network and another loss, and of the augmentation what is not among the paper's
five kinds (mirroring, noise, low resolution, gamma).
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from batchgeneratorsv2.helpers.scalar_type import RandomScalar
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor
from torch.nn import functional

from labeldropout.learning.model import Model

FOREGROUND_SHARE = 0.33
"""nnU-Net's own share of patches that have to show a structure."""


def _chain(side: int, of: Mapping[str, Mapping[str, Any]]) -> BasicTransform:
    """The five kinds, each by nnU-Net's own transform and with its own arguments."""

    def factor(name: str) -> RandomScalar:
        return BGContrast(tuple(of[name]["range"]))

    return ComposeTransforms(
        [
            SpatialTransform(
                (side, side),
                patch_center_dist_from_border=0,
                random_crop=False,
                p_rotation=of["rotation_deg"]["probability"],
                rotation=tuple(np.deg2rad(of["rotation_deg"]["range"])),
                p_scaling=of["scale"]["probability"],
                scaling=tuple(of["scale"]["range"]),
                p_synchronize_scaling_across_axes=1,
                border_mode_seg="constant",
                padding_value_seg=-1,
            ),
            RandomTransform(
                GaussianBlurTransform(
                    blur_sigma=tuple(value * side / 256 for value in of["blur_sigma_px"]["range"]),
                    synchronize_channels=False,
                    synchronize_axes=False,
                    p_per_channel=1,
                    benchmark=True,
                ),
                apply_probability=of["blur_sigma_px"]["probability"],
            ),
            RandomTransform(
                MultiplicativeBrightnessTransform(factor("brightness_factor"), False, 1),
                apply_probability=of["brightness_factor"]["probability"],
            ),
            RandomTransform(
                ContrastTransform(factor("contrast"), preserve_range=True, synchronize_channels=False, p_per_channel=1),
                apply_probability=of["contrast"]["probability"],
            ),
            RemoveLabelTansform(-1, 0),
        ]
    )


def _store(pictures: Sequence[Mapping[str, np.ndarray]], folder: Path) -> nnUNetDatasetBlosc2:
    """The pictures as nnU-Net's preprocessing leaves them: normalised, compressed, with places of every structure."""
    for number, picture in enumerate(pictures):
        image = picture["image"].astype(np.float32)[None, None]
        target = picture["target"].astype(np.int8)[None, None]
        image = (image - image.mean()) / image.std()
        places = {int(value): np.argwhere(target == value) for value in np.unique(target) if value}
        path, whole = str(folder / f"case_{number:05d}"), image.shape
        nnUNetDatasetBlosc2.save_case(image, target, {"class_locations": places}, path, whole, whole)
    return nnUNetDatasetBlosc2(str(folder))


def _loss(output: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(output.float(), target[:, 0].long())


def nnunet_loop(
    settings: Any,
    model: Model,
    pictures: Sequence[Mapping[str, np.ndarray]],
    of: Mapping[str, Mapping[str, Any]],
    n_workers: int,
) -> Any:
    """nnU-Net's loop as a function of a number of steps.

    Args:
        settings: `loops.Settings`.
        model: The network.
        pictures: uint8 pictures and label maps.
        of: Probability and range of each transform.
        n_workers: Processes of the augmenter; 0 augments in this one.
    """
    side, angle_rad = settings.size, float(np.deg2rad(of["rotation_deg"]["range"][1]))
    names = SimpleNamespace(all_labels=[0, 1, 2, 3], has_ignore_label=False)
    began = time.perf_counter()
    store = _store(pictures, settings.folder)
    settings.aside.append(time.perf_counter() - began)
    loader = nnUNetDataLoader(
        store,
        settings.batch_size,
        get_patch_size((side, side), angle_rad, 0, 0, (0.85, 1.25)),
        (side, side),
        names,
        oversample_foreground_percent=FOREGROUND_SHARE,
        transforms=_chain(side, of),
    )
    is_card = settings.device.type == "cuda"
    batches = (
        NonDetMultiThreadedAugmenter(loader, None, n_workers, num_cached=6, pin_memory=is_card, wait_time=0.002)
        if n_workers
        else SingleThreadedAugmenter(loader, None)
    )
    optimiser = torch.optim.SGD(model.network.parameters(), lr=0.01, momentum=0.99, nesterov=True, fused=True)
    trainer = SimpleNamespace(
        device=settings.device,
        network=model.network,
        optimizer=optimiser,
        loss=_loss,
        grad_scaler=torch.amp.GradScaler("cuda") if is_card else None,
    )
    model.network.train()

    def take(n_steps: int) -> None:
        for _ in range(n_steps):
            nnUNetTrainer.train_step(trainer, next(batches))

    return take
