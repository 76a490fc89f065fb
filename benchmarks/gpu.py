"""The parts of `gpu.sh`: whether training on a card is right, and how fast it is.

Every part prints lines or a table; a check that fails ends with exit status 1. `--dry` does the same on the processor
with tiny networks and pictures: it shows that the program runs, not that a card is right or fast.

Run: python benchmarks/gpu.py correct|shared|speed|peers [--dry] (all of them: bash benchmarks/gpu.sh)
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from heading import state
from loops import (
    FEATURES,
    OPTIMISATION,
    Loop,
    Settings,
    albumentations,
    available,
    bare,
    configuration,
    monai,
    new_model,
    nnunet,
    ours,
)
from loops import transforms as published

from labeldropout.devices import choose_device, granted_device
from labeldropout.learning.batches import Batches, Cases
from labeldropout.learning.checkpoints import Checkpoints, hold
from labeldropout.learning.train import build_optimiser, take_steps, train
from labeldropout.losses import LOSSES
from labeldropout.provenance import device_name
from labeldropout.running.speed import made_up_cases

LOSS_TOLERANCE = 1e-4
"""Largest relative difference between a loss of bfloat16 logits on the device and of the same logits in float64."""
TRAINING_TOLERANCE = 1e-2
"""Largest relative difference between the losses of ten steps in float32 on the processor and on the device."""


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    device: torch.device
    settings: Settings
    batch_sizes: tuple[int, ...]
    seconds: float
    """How long each loop is timed, about."""
    compiled: dict[str, dict[str, Any]]
    """Arguments of `torch.compile` by name of the variant."""


def scale_of(folder: Path, *, dry: bool) -> Scale:
    """The paper's size on the card, or a tiny one on the processor."""
    if dry:
        settings = Settings(32, FEATURES["dry"], 2, 8, torch.device("cpu"), folder)
        return Scale(settings.device, settings, (2,), 0.01, {"compiled (aot_eager)": {"backend": "aot_eager"}})
    device = choose_device("cuda")
    graphs = {"mode": "reduce-overhead"}
    settings = Settings(256, FEATURES["paper"], 16, 256, device, folder)
    return Scale(device, settings, (8, 16, 32, 64), 2.0, {"compiled": {"mode": "default"}, "CUDA graphs": graphs})


def said(what: str, *, holds: bool) -> bool:
    """Print a check and whether it holds."""
    print(f"{'ok  ' if holds else 'FAIL'} {what}", flush=True)
    return holds


def batches_of(cases: Cases, settings: Settings, structures: Any) -> Batches:
    """The study's stream of batches, with augmentation and label dropout."""
    dropout = {"structures": ["LA"], "probability": 0.5, "mode": "single"}
    augmentation = {"transforms": published()}
    return Batches(cases, settings.batch_size, augmentation, dropout, structures, 0, whole_batches=True)


def losses_agree(scale: Scale) -> bool:
    """Every loss of bfloat16 logits on the device against float64 on the processor."""
    rng = torch.Generator().manual_seed(0)
    logits = (20 * torch.randn(4, 4, 64, 64, generator=rng)).bfloat16()
    target = torch.randint(0, 4, (4, 64, 64), generator=rng)
    annotated = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]], dtype=torch.bool)
    right = True
    for name, loss in LOSSES.items():
        exact = float(loss(logits.double(), target, annotated))
        found = float(loss(*(values.to(scale.device) for values in (logits, target, annotated))))
        apart = abs(found - exact) / exact
        right &= said(f"{name}: {found:.6f}, in float64 {exact:.6f}, apart {apart:.1e}", holds=apart < LOSS_TOLERANCE)
    return right


def training_agrees(scale: Scale) -> bool:
    """Ten steps in float32 on processor and device, with the same draws."""
    settings = replace(scale.settings, size=64, features=FEATURES["dry"], batch_size=4, n_images=16)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    losses = []
    for device in (torch.device("cpu"), scale.device):
        own = replace(settings, device=device)
        model = new_model(own)
        batches = batches_of(made_up_cases(16, 64, device), own, model.structures)
        optimiser, _ = build_optimiser(model, OPTIMISATION, 10)
        found = []
        model.network.train()
        for _ in range(10):
            batch = batches.draw()
            loss = LOSSES["adaptive"](model.network(batch.image), batch.target, batch.annotated)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            found.append(float(loss.detach()))
        losses.append(np.array(found))
    torch.backends.cudnn.allow_tf32 = True
    apart = float(np.abs(losses[1] / losses[0] - 1).max())
    return said(f"ten float32 steps on both: losses at most {apart:.1e} apart", holds=apart < TRAINING_TOLERANCE)


def no_step_waits(scale: Scale) -> bool:
    """PyTorch's own guard: it raises where the host would wait for the card."""
    settings = scale.settings
    model = new_model(settings)
    batches = batches_of(made_up_cases(64, settings.size, scale.device), settings, model.structures)
    optimiser, schedule = build_optimiser(model, OPTIMISATION, 10**6)
    take_steps(model, batches, optimiser, schedule, 3)
    if scale.device.type != "cuda":
        return said("no step waits for the card: not asked without one", holds=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        take_steps(model, batches, optimiser, schedule, 5)
    except RuntimeError as error:
        return said(f"a step waits for the card: {error}", holds=False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return said("no step waits for the card", holds=True)


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """The training was cut off, as by a signal."""


class CutOff(Checkpoints):
    """Restart state whose second writing ends the training."""

    def write(self, state: dict[str, Any]) -> None:
        """Write, and end after the second validation."""
        super().write(state)
        if len(state["progress"]["rows"]) and state["progress"]["step"] >= 4:
            raise Interrupted


def resumes(scale: Scale) -> bool:
    """A training that was cut off and resumed against one that was not."""
    torch.backends.cudnn.deterministic = True
    settings = replace(scale.settings, size=64, features=FEATURES["dry"], batch_size=4)
    optimisation = {**OPTIMISATION, "batch_size": 4, "steps": 8, "epochs": None, "validations": 4}
    dropout = {"structures": ["LA"], "probability": 0.5, "mode": "single"}
    sections = {"optimisation": optimisation, "augmentation": {"transforms": published()}, "label_dropout": dropout}
    config = {**configuration(settings), **sections}
    cases = made_up_cases(16, 64, scale.device)
    cases.table["dataset"] = "made up"
    whole = train(config, 0, cases, cases, scale.device).weights
    with hold(settings.folder / "checkpoints") as checkpoints:
        try:
            train(config, 0, cases, cases, scale.device, CutOff(checkpoints.folder))
        except Interrupted:
            resumed = train(config, 0, cases, cases, scale.device, checkpoints)
        else:
            return said("a training that was to be cut off came to its end", holds=False)
    torch.backends.cudnn.deterministic = False
    apart = max(float((whole[name].double() - resumed.weights[name].double()).abs().max()) for name in whole)
    return said(f"resumed after step {resumed.resumed_after_step}: weights {apart:.1e} apart", holds=apart == 0)


def correct(scale: Scale) -> bool:
    """All checks."""
    return all([losses_agree(scale), training_agrees(scale), no_step_waits(scale), resumes(scale)])


def images_per_s(loop: Loop, settings: Settings, seconds: float) -> float:
    """Speed of a loop after its first steps: of the first block of steps that takes half of so many seconds.

    Blocks grow step by step, because the first ones may find the queue of a loader full and say nothing of its speed.
    """
    loop(3)
    steps = 3
    while True:
        began = time.perf_counter()
        loop(steps)
        taken = time.perf_counter() - began
        if taken > seconds / 2:
            return steps * settings.batch_size / taken
        steps *= 2


def card_gib(device: torch.device) -> str:
    """Most memory of the card that was in use since the last call."""
    if device.type != "cuda":
        return "-"
    peak = torch.cuda.max_memory_allocated(device) / 2**30
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return f"{peak:.1f}"


def timed(build: Callable[[Settings], Loop], settings: Settings, scale: Scale) -> tuple[float, str]:
    """Images/s and memory of a loop."""
    if settings.compiled:
        torch._dynamo.reset()  # noqa: SLF001 - nothing public lets go of the models that were compiled before
    gc.collect()
    card_gib(settings.device)
    speed = images_per_s(build(settings), settings, scale.seconds)
    return speed, card_gib(settings.device)


def speed(scale: Scale, output: Path | None) -> None:
    """Bare step and our loop, for every batch size; compiled for the study's own."""
    print("| batch | variant | bare step, images/s | our loop, images/s | share | GiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    own = scale.settings
    rows = [("eager", replace(own, batch_size=size, n_images=4 * size)) for size in scale.batch_sizes]
    rows += [(name, replace(own, compiled=arguments)) for name, arguments in scale.compiled.items()]
    for name, settings in rows:
        step, _ = timed(bare, settings, scale)
        loop, memory = timed(ours, settings, scale)
        if output and name == "eager" and settings.batch_size == own.batch_size:
            output.write_text(f"{loop:.1f}\n")  # now: compiling, which comes later, may take too long
        print(
            f"| {settings.batch_size} | {name} | {step:.0f} | {loop:.0f} | {loop / step:.2f} | {memory} |", flush=True
        )


def peers(scale: Scale) -> None:
    """The loops of others, with as many worker processes as nnU-Net starts, or one less than cores, beside ours."""
    print("| loop | images/s | GiB |\n| --- | --- | --- |")
    workers = 1 if scale.device.type == "cpu" else max(1, min(12, len(os.sched_getaffinity(0)) - 1))
    builders = {"ours": ours}
    for package, build in {"monai": monai, "nnunet": nnunet, "albumentations": albumentations}.items():
        builders[f"{package}-{workers}"] = partial(build, n_workers=workers)
    for name, build in builders.items():
        if not {name, f"{name.split('-')[0]}-0"} & set(available()):
            print(f"| {name} | not installed | |")
            continue
        folder = scale.settings.folder / name
        folder.mkdir()
        found, memory = timed(build, replace(scale.settings, folder=folder), scale)
        print(f"| {name} | {found:.0f} | {memory} |", flush=True)


def one_of_two(folder: Path, *, dry: bool) -> None:
    """Train in a slot of a shared card and print images/s."""
    with granted_device(0 if dry else 1, "cpu" if dry else "cuda", 2) as card:
        scale = scale_of(folder, dry=dry)
        loop = ours(scale.settings)
        loop(3)
        print("ready", flush=True)
        sys.stdin.readline()  # the other is ready too
        found = images_per_s(loop, scale.settings, scale.seconds)
    print(f"{found:.0f} images/s on {card.name if card else 'the processor'}", flush=True)


def shared(*, dry: bool) -> bool:
    """Two trainings at a time on one card."""
    call = [sys.executable, __file__, "one-of-two", *(["--dry"] if dry else [])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    pair = [subprocess.Popen(call, **pipes) for _ in range(2)]  # noqa: S603 - this file
    for process in pair:
        process.stdout.readline()
    for process in pair:
        if process.poll() is None:
            process.stdin.write("\n")
            process.stdin.flush()
    answers = [process.communicate()[0].strip() for process in pair]
    return said(f"two at a time: {'; '.join(answers)}", holds=all(process.returncode == 0 for process in pair))


def main() -> int:
    """One part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("part", choices=("correct", "shared", "speed", "peers", "one-of-two"))
    parser.add_argument("--dry", action="store_true", help="on the processor, with tiny networks and pictures")
    parser.add_argument(
        "--output", type=Path, help="with speed: file for the images/s of our loop at the study's batch"
    )
    arguments = parser.parse_args()
    if arguments.part == "shared":
        return int(not shared(dry=arguments.dry))
    with tempfile.TemporaryDirectory() as folder:
        if arguments.part == "one-of-two":
            one_of_two(Path(folder), dry=arguments.dry)
            return 0
        scale = scale_of(Path(folder), dry=arguments.dry)
        print(f"\n{arguments.part}: {device_name()}, torch {torch.__version__}, commit {state()}\n", flush=True)
        if arguments.part == "correct":
            return int(not correct(scale))
        if arguments.part == "speed":
            speed(scale, arguments.output)
        else:
            peers(scale)
    return 0


if __name__ == "__main__":
    sys.exit(main())
