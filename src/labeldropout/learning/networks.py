"""MONAI's networks by name: a hand-written dictionary, with every size spelled out."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from labeldropout.messages import did_you_mean

Build = Callable[[Mapping[str, Any], int, int], nn.Module]

_OPTIONAL = (
    *("PIL", "batchgenerators", "huggingface_hub", "imagecodecs", "jsonschema", "matplotlib", "nibabel", "psutil"),
    *("requests", "scipy", "skimage", "sklearn", "tifffile", "torchvision", "yaml"),
)
"""Packages that MONAI imports if installed but that no network of `NETWORKS` uses; MONAI requires only torch and
numpy."""


@cache
def _nets() -> ModuleType:
    """Import `monai.networks.nets` in one second of processor time, where `import monai` takes four to six.

    Importing any part of MONAI loads all of it, and all of `_OPTIONAL` with it; every training and every evaluation is
    a process of its own and would pay for that. So MONAI is imported as if these packages were not installed, which it
    supports. It is then removed from `sys.modules`, so that a later import of MONAI loads all of it.
    """
    if "monai" in sys.modules:
        return import_module("monai.networks.nets")
    hidden = {name: sys.modules.get(name) for name in _OPTIONAL}
    sys.modules.update(dict.fromkeys(_OPTIONAL))  # None: Python's own mark for a module that cannot be found
    try:
        return import_module("monai.networks.nets")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "monai" or name in hidden]:
            del sys.modules[name]
        sys.modules.update({name: module for name, module in hidden.items() if module})


def basic_unet(settings: Mapping[str, Any], n_channels: int, in_channels: int) -> nn.Module:
    """The U-Net of the paper (Ronneberger et al. 2015): MONAI's `BasicUNet` with batch norm, ReLU, deconvolution.

    The sides of its images must be multiples of 16.

    Args:
        settings: `features`: channels of the five levels, and of the last layer before the logits.
        n_channels: Number of structures, background included.
        in_channels: Channels of the images: 1 for grey, 3 for colour.
    """
    nets = _nets()
    network = nets.BasicUNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=n_channels,
        features=_features(settings),
        act=("relu", {"inplace": True}),
        norm="batch",
        bias=False,  # batch norm would subtract it again
        upsample="deconv",
    )
    for module in network.modules():
        if isinstance(module, nets.basic_unet.UpCat):
            module.is_pad = False  # sides are multiples of 16: nothing to pad, and the call alone costs 5 %
    return network


def attention_unet(settings: Mapping[str, Any], n_channels: int, in_channels: int) -> nn.Module:
    """U-Net with attention gates (Oktay et al. 2018): MONAI's `AttentionUnet`.

    Args:
        settings: `features`: channels of the five levels; the sixth number is not used.
        n_channels: Number of structures, background included.
        in_channels: Channels of the images: 1 for grey, 3 for colour.
    """
    return _nets().AttentionUnet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=n_channels,
        channels=_features(settings)[:5],
        strides=(2, 2, 2, 2),
    )


def swin_unetr(settings: Mapping[str, Any], n_channels: int, in_channels: int) -> nn.Module:
    """Shifted-window transformer with a convolutional decoder (Hatamizadeh et al. 2022): MONAI's `SwinUNETR` in 2D.

    Args:
        settings: `features`: the first number, rounded to a multiple of 12, is the width of the first level; each level
            doubles it. The side of the image must be a multiple of 32.
        n_channels: Number of structures, background included.
        in_channels: Channels of the images: 1 for grey, 3 for colour.
    """
    return _nets().SwinUNETR(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=n_channels,
        feature_size=12 * max(1, round(_features(settings)[0] / 12)),
        depths=(2, 2, 2, 2),
        num_heads=(3, 6, 12, 24),
        window_size=7,
        norm_name="batch",
    )


NETWORKS: dict[str, Build] = {
    "basic_unet": basic_unet,
    "attention_unet": attention_unet,
    "swin_unetr": swin_unetr,
}
"""Valid entries of the column `network` in the list of experiments."""


def build_network(settings: Mapping[str, Any], n_channels: int, in_channels: int) -> nn.Module:
    """A new network that turns images (N, K, H, W) into logits (N, C, H, W).

    The weights come from torch's global generator: seed it first.

    Args:
        settings: Section `network` of a model's configuration: `name`, a key of `NETWORKS`, and `features`.
        n_channels: Number of structures, background included.
        in_channels: Channels of the images: 1 for grey, 3 for colour.

    Raises:
        ValueError: There is no such network, or the features are not six positive whole numbers.
    """
    name = settings.get("name")
    if name not in NETWORKS:
        advice = did_you_mean(name, NETWORKS)
        raise ValueError(f"Unknown network {name!r} (expected one of {', '.join(NETWORKS)}). {advice}".rstrip())
    unknown = sorted(set(settings) - {"name", "features"})
    if unknown:
        raise ValueError(f"network: unknown settings {', '.join(unknown)} (expected name and features).")
    return NETWORKS[name](settings, n_channels, in_channels)


def _features(settings: Mapping[str, Any]) -> tuple[int, ...]:
    features = settings.get("features")
    if (
        not isinstance(features, list | tuple)
        or len(features) != 6
        or not all(type(f) is int and f > 0 for f in features)
    ):
        raise ValueError(f"network: features: expected six positive whole numbers, found {features!r}.")
    return tuple(features)
