"""How much of the speed of a bare optimisation step the real training loop keeps.

Both run side by side in one process, block by block, so that a noisy machine hits both: `bare` is forward, backward
and optimiser step on one resident batch with PyTorch's own cross-entropy; `real` is `train.train_steps` with
augmentation, label dropout and the adaptive loss. Run: `python benchmarks/training.py [--device cuda]`.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch.nn import functional

from labeldropout.configuration import DEFAULTS, read_configuration
from labeldropout.heart import FOREGROUND
from labeldropout.learning.batches import Batches
from labeldropout.learning.model import build_model, forward
from labeldropout.learning.train import build_optimiser, train_steps
from labeldropout.provenance import commit, device_name
from labeldropout.running.speed import made_up_cases

ROOT = Path(__file__).resolve().parents[1]
AUGMENTATION = {"transforms": read_configuration(ROOT / DEFAULTS, ROOT)["training"]["augmentation"]["published"]}
LABEL_DROPOUT = {"structures": ["LA"], "probability": 0.5, "mode": "single"}
OPTIMISATION = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0, "decay_power": 0.9}
SIZES = {"default": (64, [8, 16, 32, 64, 128, 8], 16), "paper": (256, [64, 128, 256, 512, 1024, 64], 16)}


def main() -> None:
    """Print images per second of both, and their ratio, as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", default="default", choices=SIZES)
    parser.add_argument("--steps", type=int, default=14, help="optimisation steps of a block")
    parser.add_argument("--blocks", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    size, features, batch_size = SIZES[arguments.size]
    config = {
        "model": "benchmark",
        "structures": [structure.name for structure in FOREGROUND],
        "loss": "adaptive",
        "network": {"name": "basic_unet", "features": features},
        "grid_size": size,
    }
    n_images = arguments.steps * batch_size
    cases = made_up_cases(n_images, size, device)
    real, bare = (build_model(config, 0, device) for _ in range(2))
    real_optimiser, schedule = build_optimiser(real, OPTIMISATION, 10**6)
    bare_optimiser, _ = build_optimiser(bare, OPTIMISATION, 10**6)
    batches = Batches(cases, batch_size, AUGMENTATION, LABEL_DROPOUT, FOREGROUND, 0, whole_batches=True)
    image, target = cases.images[:batch_size].unsqueeze(1).float() / 255, cases.targets[:batch_size].long()

    def bare_block() -> None:
        bare.network.train()
        for _ in range(arguments.steps):
            loss = functional.cross_entropy(forward(bare.network, image), target)
            bare_optimiser.zero_grad(set_to_none=True)
            loss.backward()
            bare_optimiser.step()
        loss.item()

    def real_block() -> None:
        train_steps(real, batches, real_optimiser, schedule, arguments.steps)

    seconds = {"bare": [], "real": []}
    for block in range(arguments.blocks + 1):
        for name, run in (("bare", bare_block), ("real", real_block)):
            started = time.perf_counter()
            run()
            if block:
                seconds[name].append(time.perf_counter() - started)
    ratios = [b / r for b, r in zip(seconds["bare"], seconds["real"], strict=True)]
    print(f"{device_name()}, {arguments.device}, {arguments.size} size, commit {commit()[:12]}\n")
    print("| loop | images/s (median) |\n| --- | --- |")
    for name, values in seconds.items():
        print(f"| {name} | {n_images / statistics.median(values):.0f} |")
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"\nreal / bare, block by block: median {statistics.median(ratios):.3f} ({spread})")


if __name__ == "__main__":
    main()
