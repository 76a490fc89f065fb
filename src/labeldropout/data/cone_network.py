"""The verb `train-cone`: train an nnU-Net that finds the cone.

This is the only module that uses nnU-Net (Isensee et al., Nature Methods 2021), through its Python API: its planner,
dataset, trainer and predictor, without its command line, its worker processes and its pickled checkpoints.
"""

import contextlib
import io
import logging
import os
import random
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import save_json
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.preprocessing.normalization.default_normalization_schemes import ZScoreNormalization
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from labeldropout.cone import bounding_box
from labeldropout.data.cone_examples import cone_examples
from labeldropout.data.crop import square_crop, to_grid, to_native
from labeldropout.data.picture_files import read_picture
from labeldropout.devices import choose_device
from labeldropout.files import read_json, replacing, write_json

_LOG = logging.getLogger(__name__)


_DATASET = "Dataset001_Cone"


_CONFIGURATION = "2d"


_DATASET_JSON = {"channel_names": {"0": "ultrasound"}, "labels": {"background": 0, "cone": 1}, "file_ending": ".png"}


_WORKERS = "nnUNet_n_proc_DA"
"""nnU-Net's environment variable for its number of data workers."""


_SPACING = [999.0, 1.0, 1.0]
"""The spacing that nnU-Net expects for a picture: one slice, far from the next."""


_SHAPES = ((1.0, 1.0), (0.75, 1.0), (0.66, 1.0))
"""Formats of the frames drawn for training: rows and columns as shares of the grid."""


_CLOSE_SHARE = 0.35
"""Share of the examples that are cropped to the box of their cone."""


_ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
}
"""The classes that a plans file may name; others are refused, so that someone else's plans cannot run code."""


_CHUNK = 64
"""Frames predicted at a time, to bound memory."""


class _ConeTrainer(nnUNetTrainer):
    """nnU-Net's trainer for pictures with the probe always on top; repeatable, silent and without checkpoints."""

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802 - nnU-Net's
        """Use only rotations and mirroring that keep the probe on top."""
        rotation = (-np.pi / 9, np.pi / 9)
        patch = get_patch_size(self.configuration_manager.patch_size, rotation, rotation, rotation, (0.85, 1.25))
        self.inference_allowed_mirroring_axes = (1,)
        return rotation, False, patch, (1,)

    def configure_optimizers(self) -> tuple[Any, Any]:
        """Use Adam, as in nnU-Net's `nnUNetTrainerAdam`: a momentum of 0.99 would need too many steps for this task."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay, amsgrad=True
        )
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    @staticmethod
    def get_training_transforms(*arguments: Any, **named: Any) -> Any:
        """nnU-Net's augmentation, without its habit of choosing between two blur algorithms by their current speed."""
        transforms = nnUNetTrainer.get_training_transforms(*arguments, **named)
        for transform in transforms.transforms:
            inner = getattr(transform, "transform", transform)
            if isinstance(inner, GaussianBlurTransform):
                inner.benchmark = False
        return transforms

    def print_to_log_file(self, *words: Any, **_: Any) -> None:
        """Write to our log, at debug level."""
        _LOG.debug("nnU-Net: %s", " ".join(map(str, words)))

    def plot_network_architecture(self) -> None:
        """Draw no picture of the network."""

    def _save_debug_information(self) -> None:
        """Save no description of the machine."""

    def on_epoch_end(self) -> None:
        """Count the epoch, without plots or checkpoints."""
        self.current_epoch += 1


@contextlib.contextmanager
def _nnunet_folders(root: Path) -> Iterator[None]:
    """Point nnU-Net's environment variables at a folder, and restore them afterwards."""
    names = {
        "nnUNet_raw": str(root / "raw"),
        "nnUNet_preprocessed": str(root / "preprocessed"),
        "nnUNet_results": str(root / "results"),
        # The planner sets torch's number of threads to this.
        _WORKERS: "1",
        "nnUNet_compile": "f",
        "nnUNet_wandb_enabled": "0",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed every global generator that nnU-Net draws from, and restore them afterwards."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - nnU-Net's generators
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.set_rng_state(before[2])


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Use one torch thread: sums are the same on every machine, and threads never wait for each other on a busy one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _on_grid(image: np.ndarray, pixel_aspect: float, grid_size: int, *, labels: bool = False) -> np.ndarray:
    """The whole frame on square pixels, centred in the network's square."""
    crop = square_crop((0, 0, *image.shape), pixel_aspect, 0.0)
    return to_grid(image, crop, grid_size, labels=labels)


def _normalised(image: np.ndarray) -> np.ndarray:
    """The image normalised as by nnU-Net's default for pictures: zero mean, unit variance; float32 (1, 1, H, W)."""
    scheme = ZScoreNormalization(use_mask_for_norm=False, intensityproperties={}, target_dtype=np.float32)
    return scheme.run(image[None, None].astype(np.float32))


def _own_examples(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The user's own pairs `<name>.png` and `<name>_mask.png`; the cone is where the mask is not 0."""
    if not folder.is_dir():
        raise ValueError(f"cone_network.masks: {folder} is no folder.")
    masks = sorted(folder.glob("*_mask.png"))
    if not masks:
        raise ValueError(f"{folder}: no <name>_mask.png (expected pairs of <name>.png and <name>_mask.png).")
    for mask_path in masks:
        image_path = mask_path.with_name(mask_path.name.removesuffix("_mask.png") + ".png")
        image = read_picture(image_path, "", "grey", ("PNG",)).values
        mask = read_picture(mask_path, "", "grey", ("PNG",)).values > 0
        if image.shape != mask.shape:
            raise ValueError(f"{mask_path}: shape differs from its image's ({mask.shape}, {image.shape}).")
        if not mask.any() or not image.any():
            raise ValueError(f"{mask_path}: image or mask is empty.")
        yield image, mask


def _close_up(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Crop the example to about the box of its cone, as in data sets that were cleaned at their source."""
    row, column, height, width = bounding_box(mask)
    reach = rng.uniform(-0.08, 0.04, 2) * width, rng.uniform(-0.02, 0.05, 2) * height
    left, right = max(0, round(column - reach[0][0])), min(mask.shape[1], round(column + width + reach[0][1]))
    top, bottom = max(0, round(row - reach[1][0])), min(mask.shape[0], round(row + height + reach[1][1]))
    return image[top:bottom, left:right], mask[top:bottom, left:right]


def _examples(settings: dict[str, Any], seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images (uint8) and masks (bool) on the network's grid: simulated ones, then the user's own."""
    grid_size = int(settings["grid_size"])
    rng = np.random.default_rng(seed)
    pairs: list[Iterator[tuple[np.ndarray, np.ndarray]]] = []
    for index, (rows, columns) in enumerate(_SHAPES):
        n_images = len(range(index, int(settings["images"]), len(_SHAPES)))
        pairs.append(iter(cone_examples(n_images, (round(rows * grid_size), round(columns * grid_size)), rng)))
    if settings.get("masks"):
        pairs.append(_own_examples(Path(settings["masks"])))
    for source in pairs:
        for image, mask in source:
            if rng.random() < _CLOSE_SHARE:
                image, mask = _close_up(image, mask, rng)  # noqa: PLW2901 - the same example
            yield (
                _on_grid(image, 1.0, grid_size),
                _on_grid(mask.astype(np.uint8), 1.0, grid_size, labels=True) > 0,
            )


def _write_dataset(examples: Iterator[tuple[np.ndarray, np.ndarray]], root: Path) -> int:
    """Write the data set as nnU-Net's planner and trainer expect it, and return the number of examples.

    The examples are already on the grid, so the files are written directly, without the cropping, resampling and worker
    processes of `nnUNetv2_plan_and_preprocess`.
    """
    raw, preprocessed = root / "raw" / _DATASET, root / "preprocessed" / _DATASET
    arrays = preprocessed / f"nnUNetPlans_{_CONFIGURATION}"
    for folder in (raw / "imagesTr", raw / "labelsTr", arrays):
        folder.mkdir(parents=True)
    foreground, shape, n_examples = [], (), 0
    for n_examples, (image, mask) in enumerate(examples, 1):
        name = f"cone_{n_examples:05d}"
        shape = (1, *image.shape)
        Image.fromarray(image).save(raw / "imagesTr" / f"{name}_0000.png", compress_level=1)
        Image.fromarray(mask.astype(np.uint8)).save(raw / "labelsTr" / f"{name}.png", compress_level=1)
        label = mask[None, None].astype(np.int16)
        properties = {
            "spacing": _SPACING,
            "shape_before_cropping": shape,
            "class_locations": DefaultPreprocessor._sample_foreground_locations(label, [1]),  # noqa: SLF001 - as nnU-Net does
        }
        whole = (1, *shape)
        nnUNetDatasetBlosc2.save_case(_normalised(image), label, properties, str(arrays / name), whole, whole)
        foreground.append(image[mask][::7])
    intensities = np.concatenate(foreground).astype(float)
    low, median, high = np.percentile(intensities, (0.5, 50, 99.5))
    fingerprint = {
        "spacings": [_SPACING] * n_examples,
        "shapes_after_crop": [shape] * n_examples,
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": float(intensities.mean()),
                "median": float(median),
                "std": float(intensities.std()),
                "min": float(intensities.min()),
                "max": float(intensities.max()),
                "percentile_99_5": float(high),
                "percentile_00_5": float(low),
            }
        },
    }
    save_json({**_DATASET_JSON, "numTraining": n_examples}, str(raw / "dataset.json"))
    save_json(fingerprint, str(preprocessed / "dataset_fingerprint.json"))
    return n_examples


def _plan(settings: dict[str, Any]) -> dict[str, Any]:
    """nnU-Net's own plans for the data set, with the configured patch, batch and features."""
    plans = ExperimentPlanner(_DATASET).plan_experiment()
    plans["original_median_spacing_after_transp"] = _SPACING
    planned = plans["configurations"][_CONFIGURATION]
    features = [int(number) for number in settings["features"]]
    n_stages, grid_size = len(features), int(settings["grid_size"])
    planned["batch_size"] = int(settings["batch_size"])
    planned["patch_size"] = [grid_size, grid_size]
    planned["architecture"]["arch_kwargs"].update(
        n_stages=n_stages,
        features_per_stage=features,
        kernel_sizes=[[3, 3]] * n_stages,
        strides=[[1, 1], *[[2, 2]] * (n_stages - 1)],
        n_conv_per_stage=[2] * n_stages,
        n_conv_per_stage_decoder=[2] * (n_stages - 1),
    )
    return plans


def _check_settings(settings: dict[str, Any]) -> None:
    features = settings["features"]
    numbers = [(name, settings[name]) for name in ("images", "grid_size", "epochs", "iterations", "batch_size")]
    numbers += [("features", number) for number in (features if isinstance(features, list) else [features, None])]
    for name, number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            expected = "a list of whole numbers from 1" if name == "features" else "a whole number from 1"
            raise ValueError(f"cone_network: {name} {settings[name]!r} (expected {expected}).")
    masks = settings.get("masks")
    if masks is not None and not isinstance(masks, str):
        raise ValueError(f"cone_network: masks {masks!r} (expected the path of a folder, or null).")
    divisor = 2 ** (len(settings["features"]) - 1)
    if len(settings["features"]) < 2 or int(settings["grid_size"]) % divisor:
        raise ValueError(
            f"cone_network: grid_size {settings['grid_size']} with {len(settings['features'])} features"
            f" (expected at least two features, and a multiple of {divisor})."
        )
    if int(settings["images"]) < 10:
        raise ValueError(f"cone_network: images {settings['images']} (expected at least 10).")


def train_cone_network(settings: dict[str, Any], seed: int, device: str, output: Path) -> None:
    """Train an nnU-Net to segment the cone; write `network.safetensors` and `plans.json`.

    Training is fully seeded and uses one thread and no data workers, so the same settings, seed and device give the
    same network. The last epoch is kept. One example in five is held out; the Dice on these is in the plans.

    Args:
        settings: Section `cone_network` of the configuration: images, grid_size, features, epochs, iterations,
            batch_size; masks, a folder of the user's own `<name>.png` and `<name>_mask.png`, or None.
        seed: Seed of examples, augmentation and initial weights.
        device: auto, cpu or cuda.
        output: Folder.

    Raises:
        ValueError: Settings or the user's own masks are not as described.
    """
    _check_settings(settings)
    chosen = choose_device(device)
    with (
        TemporaryDirectory(prefix="labeldropout-cone-") as folder,
        _nnunet_folders(Path(folder)),
        _seeded(seed),
        _one_thread(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        n_examples = _write_dataset(_examples(settings, seed), Path(folder))
        plans = _plan(settings)
        os.environ[_WORKERS] = "0"
        torch.manual_seed(seed)
        trainer = _ConeTrainer({**plans, "continue_training": False}, _CONFIGURATION, 0, _DATASET_JSON, chosen)
        trainer.num_epochs = int(settings["epochs"])
        trainer.num_iterations_per_epoch = int(settings["iterations"])
        trainer.initial_lr = 3e-3
        trainer.num_val_iterations_per_epoch = 2
        trainer.disable_checkpointing = True
        trainer.run_training()
        validation_dice = float(trainer.logger.get_value("mean_fg_dice", step=-1))
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in trainer.network.state_dict().items()}
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / "network.safetensors") as file:
        save_file(state, file.name)
    write_json(
        {
            "plans": trainer.plans_manager.plans,
            "dataset": {**_DATASET_JSON, "numTraining": n_examples},
            "grid_size": int(settings["grid_size"]),
            "seed": seed,
            "validation_dice": round(validation_dice, 4),
            "nnunetv2": version("nnunetv2"),
        },
        output / "plans.json",
    )


class ConeNetwork:
    """A trained nnU-Net that segments the cone."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Read the output of `train_cone_network`; the files cannot run code.

        Raises:
            ValueError: Plans or weights are not those of a cone network; the message names the file.
        """
        content = read_json(folder / "plans.json")
        try:
            plans = PlansManager(content["plans"])
            configuration = plans.get_configuration(_CONFIGURATION)
            named = {"network_class_name": configuration.network_arch_class_name}
            named |= {name: configuration.network_arch_init_kwargs[name] for name in _ARCHITECTURE if name not in named}
            self.grid_size = int(content["grid_size"])
            dataset = content["dataset"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder / 'plans.json'}: not the plans of a cone network ({error!r}).") from error
        if (
            named != _ARCHITECTURE
            or configuration.network_arch_init_kwargs_req_import != ["conv_op", "norm_op", "dropout_op", "nonlin"]
            or configuration.patch_size != [self.grid_size] * 2
        ):
            raise ValueError(f"{folder / 'plans.json'}: other network (expected {_ARCHITECTURE}, found {named}).")
        self.device = choose_device(device)
        network = nnUNetTrainer.build_network_architecture(plans, configuration, 1, 2, enable_deep_supervision=False)
        try:
            network.load_state_dict(load_file(folder / "network.safetensors"))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"{folder / 'network.safetensors'}: not the weights of these plans ({error}).") from error
        network.to(self.device).eval()
        # One window covers the whole picture, so there is nothing to blend; mirrored copies are not worth their cost.
        self._predictor = nnUNetPredictor(
            tile_step_size=1,
            use_gaussian=False,
            use_mirroring=False,
            perform_everything_on_device=self.device.type == "cuda",
            device=self.device,
            allow_tqdm=False,
        )
        self._predictor.manual_initialization(network, plans, configuration, None, dataset, "nnUNetTrainer", None)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probability of background and cone: float32 (N, 2, S, S).

        Args:
            images: uint8 (N, S, S), S = `grid_size`: whole frames on square pixels, padded to a square.
        """
        stack = torch.from_numpy(np.concatenate([_normalised(image) for image in images], axis=1))
        with contextlib.redirect_stdout(io.StringIO()), _one_thread():
            logits = self._predictor.predict_sliding_window_return_logits(stack)
        return torch.softmax(logits.float().cpu(), 0).transpose(0, 1).contiguous().numpy()

    def masks(self, clips: list[tuple[np.ndarray, float]]) -> list[np.ndarray]:
        """Where the network sees the cone in each clip, on its own grid: bool (H, W), from the mean over its frames.

        Args:
            clips: For each clip, uint8 (T, H, W) and row spacing over column spacing.
        """
        grid = [_on_grid(frame, aspect, self.grid_size) for frames, aspect in clips for frame in frames]
        probability = np.concatenate(
            [self.probabilities(np.stack(grid[start : start + _CHUNK])) for start in range(0, len(grid), _CHUNK)]
        )
        masks, start = [], 0
        for frames, aspect in clips:
            mean = probability[start : start + len(frames)].mean(0)
            start += len(frames)
            crop = square_crop((0, 0, *frames.shape[1:]), aspect, 0.0)
            masks.append(to_native(mean, crop, frames.shape[1:])[1] > 0.5)
        return masks
