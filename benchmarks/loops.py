"""Training loops, ours and those of others, for `peers.py` and `gpu.py`: each takes so many optimisation steps.

All loops train the same network (`build_model`, channels last, bfloat16 on a card; float16 with scaled gradients in
nnU-Net's) on the same made-up pictures, with the paper's five kinds of augmentation at the same probabilities and
ranges, and update with PyTorch's fused SGD. Each loads and augments in its own way: ours in batches on the device, with
one resampling for scale and rotation, like nnU-Net; MONAI and albumentations picture by picture, with two resamplings,
albumentations in uint8. Two differ in the rest of a step: ours computes the adaptive loss and drops labels, as the
study does, where the others compute PyTorch's cross-entropy; nnU-Net's is its own (`nnunet_loop.py`).

A loop is built by a function of `LOOPS` from `Settings`, and is a function of a number of steps that returns when the
device has done them. A package is imported where it is used, so that the time to a loop's first step is its own.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from labeldropout.configuration import DEFAULTS, read_configuration
from labeldropout.heart import FOREGROUND
from labeldropout.labels import values_of
from labeldropout.learning.model import Model, build_model, forward
from labeldropout.running.speed import made_up_cases

ROOT = Path(__file__).resolve().parents[1]
OPTIMISATION = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0, "decay_power": 0.9}
FEATURES = {
    "default": (8, 16, 32, 64, 128, 8),
    "paper": (64, 128, 256, 512, 1024, 64),
    "dry": (4, 4, 8, 8, 16, 4),
}
"""Channels of the network's five levels and of its last layer: the default study's, the paper's, and for dry runs."""


@dataclass(frozen=True)
class Settings:
    """What all loops share."""

    size: int
    """Side of the pictures in pixels."""
    features: tuple[int, ...]
    batch_size: int
    n_images: int
    device: torch.device
    folder: Path
    """An empty folder for what a loop has to write before it starts."""
    compiled: dict[str, Any] = field(default_factory=dict)
    """Arguments of `torch.compile` for the network; empty does not compile it."""
    aside: list[float] = field(default_factory=list)
    """Seconds for what is done once for all trainings; a loop adds its own."""


Loop = Callable[[int], None]
"""Takes so many steps and waits for the device."""


def transforms() -> dict[str, dict[str, Any]]:
    """Probability and range of each transform, from the default configuration (`published`)."""
    return read_configuration(ROOT / DEFAULTS, ROOT)["training"]["augmentation"]["published"]


def configuration(settings: Settings) -> dict[str, Any]:
    """What `build_model` needs to know of the network of all loops."""
    return {
        "model": "benchmark",
        "structures": values_of(FOREGROUND),
        "channels": 1,
        "loss": "adaptive",
        "network": {"name": "basic_unet", "features": list(settings.features)},
        "grid_size": settings.size,
    }


def new_model(settings: Settings) -> Model:
    """The untrained network of all loops."""
    model = build_model(configuration(settings), 0, settings.device)
    if settings.compiled:
        model.network.compile(**settings.compiled)
    return model


def new_optimiser(model: Model) -> torch.optim.Optimizer:
    """PyTorch's fused SGD, as the study uses it."""
    rate, momentum = OPTIMISATION["learning_rate"], OPTIMISATION["momentum"]
    return torch.optim.SGD(model.network.parameters(), lr=rate, momentum=momentum, nesterov=True, fused=True)


def step(model: Model, optimiser: torch.optim.Optimizer, image: Tensor, target: Tensor) -> Tensor:
    """One optimisation step with PyTorch's cross-entropy; the loss, on the device.

    Args:
        model: The network, in training mode.
        optimiser: Its optimiser.
        image: float32 (N, 1, H, W).
        target: int64 (N, H, W).
    """
    loss = functional.cross_entropy(forward(model.network, image).float(), target)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()


def over(batches: Iterator[tuple[Tensor, Tensor]], settings: Settings) -> Loop:
    """The loop that trains on batches as they come."""
    model = new_model(settings)
    optimiser = new_optimiser(model)
    model.network.train()

    def take(n_steps: int) -> None:
        loss = torch.zeros(())
        for _ in range(n_steps):
            image, target = (values.to(settings.device, non_blocking=True) for values in next(batches))
            loss = step(model, optimiser, image, target.long())
        loss.item()

    return take


def bare(settings: Settings) -> Loop:
    """One batch that stays on the device, trained on again and again: nothing is loaded or augmented."""
    cases = made_up_cases(settings.batch_size, settings.size, settings.device)
    image, target = cases.images.float() / 255, cases.targets.long()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield image, target

    return over(batches(), settings)


def ours(settings: Settings) -> Loop:
    """The study's own: pictures on the device, augmented there in batches, with label dropout and the adaptive loss."""
    from labeldropout.learning.batches import Batches  # noqa: PLC0415
    from labeldropout.learning.train import build_optimiser, train_steps  # noqa: PLC0415

    model = new_model(settings)
    cases = made_up_cases(settings.n_images, settings.size, settings.device)
    label_dropout = {"structures": ["LA"], "probability": 0.5, "mode": "single"}
    batches = Batches(
        cases,
        settings.batch_size,
        {"transforms": transforms()},
        label_dropout,
        model.structures,
        0,
        whole_batches=True,
    )
    optimiser, schedule = build_optimiser(model, OPTIMISATION, 10**6)

    def take(n_steps: int) -> None:
        train_steps(model, batches, optimiser, schedule, n_steps)

    return take


def pictures(settings: Settings) -> list[dict[str, np.ndarray]]:
    """The made-up pictures and label maps, uint8 (H, W), for the loaders of others."""
    cases = made_up_cases(settings.n_images, settings.size, torch.device("cpu"))
    return [
        {"image": image.numpy(), "target": target.numpy()}
        for (image,), target in zip(cases.images, cases.targets, strict=True)
    ]


def endless(loader: Any) -> Iterator[Any]:
    """Batch after batch, pass after pass."""
    while True:
        yield from loader


def monai(settings: Settings, n_workers: int) -> Loop:
    """As in MONAI's tutorials: CacheDataset, dictionary transforms, DataLoader; metadata are not tracked (slow)."""
    from monai.data import CacheDataset, DataLoader, set_track_meta  # noqa: PLC0415
    from monai.transforms import (  # noqa: PLC0415
        Compose,
        EnsureChannelFirstd,
        EnsureTyped,
        RandGaussianSmoothd,
        RandRotated,
        RandScaleIntensityd,
        RandScaleIntensityFixedMeand,
        RandZoomd,
        ScaleIntensityRanged,
    )

    set_track_meta(False)
    of, both, modes = transforms(), ["image", "target"], ("bilinear", "nearest")
    angle_rad = np.deg2rad(of["rotation_deg"]["range"][1])
    sigma = tuple(value * settings.size / 256 for value in of["blur_sigma_px"]["range"])
    chain = Compose(
        [
            EnsureChannelFirstd(both, channel_dim="no_channel"),
            ScaleIntensityRanged("image", 0, 255, 0, 1),
            EnsureTyped(both),
            RandRotated(
                both, range_x=angle_rad, prob=of["rotation_deg"]["probability"], mode=modes, padding_mode="zeros"
            ),
            RandZoomd(both, of["scale"]["probability"], *of["scale"]["range"], mode=modes, padding_mode="constant"),
            RandGaussianSmoothd("image", sigma, sigma, prob=of["blur_sigma_px"]["probability"]),
            RandScaleIntensityd("image", factors=0.25, prob=of["brightness_factor"]["probability"]),
            RandScaleIntensityFixedMeand(
                "image", factors=0.25, preserve_range=True, prob=of["contrast"]["probability"]
            ),
        ]
    )
    loader = DataLoader(
        CacheDataset(pictures(settings), chain, progress=False, num_workers=1),
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
        pin_memory=settings.device.type == "cuda",
    )
    return over(((batch["image"], batch["target"][:, 0]) for batch in endless(loader)), settings)


class Albumented(torch.utils.data.Dataset):
    """Pictures through a chain of albumentations."""

    def __init__(self, items: list[dict[str, np.ndarray]], chain: Any) -> None:
        self.items, self.chain = items, chain

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Picture float32 (1, H, W) and label map uint8 (H, W), augmented."""
        item = self.items[index]
        found = self.chain(image=item["image"][..., None], mask=item["target"])
        image = torch.from_numpy(found["image"].reshape(1, *item["image"].shape)).float() / 255
        return image, torch.from_numpy(found["mask"])


def albumentations(settings: Settings, n_workers: int) -> Loop:
    """Albumentations in PyTorch's DataLoader."""
    import albumentations as A  # noqa: N812, PLC0415 - its own documentation's name
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(0)  # as everywhere here: parallel are worker processes
    of = transforms()
    sigma = tuple(value * settings.size / 256 for value in of["blur_sigma_px"]["range"])
    chain = A.Compose(
        [
            A.Affine(rotate=tuple(of["rotation_deg"]["range"]), p=of["rotation_deg"]["probability"]),
            A.Affine(scale=tuple(of["scale"]["range"]), p=of["scale"]["probability"]),
            A.GaussianBlur(blur_limit=0, sigma_limit=sigma, p=of["blur_sigma_px"]["probability"]),
            A.RandomBrightnessContrast((-0.25, 0.25), 0, p=of["brightness_factor"]["probability"]),
            A.RandomBrightnessContrast(0, (-0.25, 0.25), p=of["contrast"]["probability"]),
        ]
    )
    loader = torch.utils.data.DataLoader(
        Albumented(pictures(settings), chain),
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
        pin_memory=settings.device.type == "cuda",
    )
    return over(endless(loader), settings)


def nnunet(settings: Settings, n_workers: int) -> Loop:
    """nnU-Net's loader, augmenter and step."""
    from nnunet_loop import nnunet_loop  # noqa: PLC0415

    return nnunet_loop(settings, new_model(settings), pictures(settings), transforms(), n_workers)


LOOPS: dict[str, Callable[[Settings], Loop]] = {
    "bare": bare,
    "ours": ours,
    **{f"monai-{n}": partial(monai, n_workers=n) for n in (0, 1, 2)},
    **{f"nnunet-{n}": partial(nnunet, n_workers=n) for n in (0, 1, 2)},
    **{f"albumentations-{n}": partial(albumentations, n_workers=n) for n in (0, 1, 2)},
}
"""The loops by name; the number is that of worker processes that load and augment."""


def available() -> list[str]:
    """The loops whose package is installed."""
    package_of = {"monai": "monai", "nnunet": "nnunetv2", "albumentations": "albumentations"}
    names = {name: package_of.get(name.split("-")[0]) for name in LOOPS}
    return [name for name, package in names.items() if package is None or importlib.util.find_spec(package)]
