"""Where the time of an optimisation step goes, and what other ways to compute it would gain.

Every variant of the default study's step runs in this process, in turns, on the same resident batch; a share is that
of a turn's processor time in the time of the step as it is in the same round. Whether it leaves the weights' bytes
alone is looked at after three steps: only then could it be adopted without making every result anew. Inference has its
own lines.

Run: python benchmarks/profile_step.py [--size 64] [--batch-size 8] [--turns 15] [--steps 5] [--compile] [--device
cuda]
"""

import argparse
import hashlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from heading import heading, spread
from loops import FEATURES, OPTIMISATION, Settings, new_model
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from labeldropout.devices import keep_freed_memory
from labeldropout.learning.model import Model, forward
from labeldropout.learning.train import build_optimiser
from labeldropout.losses import LOSSES
from labeldropout.running.speed import made_up_cases

ADAPTIVE = LOSSES["adaptive"]
Step = Callable[[], None]


@dataclass(frozen=True)
class Variant:
    """One way to take a step."""

    name: str
    step: Step
    model: Model


def unchecked(logits: Tensor, target: Tensor, annotated: Tensor) -> Tensor:
    """The loss as trainings compute it: without looking at values."""
    return ADAPTIVE(logits, target, annotated, validate=False)


def plain(logits: Tensor, target: Tensor, annotated: Tensor) -> Tensor:  # noqa: ARG001 - called like the others
    """PyTorch's cross-entropy, which knows nothing of missing labels."""
    return functional.cross_entropy(logits, target.long())


class Batch:
    """A batch that stays on the device."""

    def __init__(self, settings: Settings) -> None:
        cases = made_up_cases(settings.batch_size, settings.size, settings.device)
        self.image, self.target = cases.images.float() / 255, cases.targets
        self.annotated = cases.annotated.to(settings.device)


def variant(
    name: str,
    settings: Settings,
    batch: Batch,
    *,
    loss: Callable[..., Tensor] = unchecked,
    optimiser: dict[str, Any] | None = None,
    change: Callable[[nn.Module], Any] = lambda _: None,
    call: Callable[[nn.Module, Tensor], Tensor] = forward,
) -> Variant:
    """A step that differs from the study's in what is given."""
    model = new_model(settings)
    change(model.network)
    own, _ = build_optimiser(model, OPTIMISATION, 10**6)
    if optimiser is not None:
        rate, momentum = OPTIMISATION["learning_rate"], OPTIMISATION["momentum"]
        own = torch.optim.SGD(model.network.parameters(), lr=rate, momentum=momentum, nesterov=True, **optimiser)
    model.network.train()

    def step() -> None:
        own.zero_grad(set_to_none=True)
        loss(call(model.network, batch.image), batch.target, batch.annotated).backward()
        own.step()

    return Variant(name, step, model)


def without_norm(network: nn.Module) -> None:
    """Take out every batch norm: the most that a faster one could gain."""
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())


def contiguous(network: nn.Module, image: Tensor) -> Tensor:
    """The network on an image in PyTorch's default memory format."""
    return network(image.contiguous())


def in_bfloat16(network: nn.Module, image: Tensor) -> Tensor:
    """The network in bfloat16, which some processors multiply faster."""
    with torch.autocast(image.device.type, torch.bfloat16):
        return network(image.to(memory_format=torch.channels_last))


def variants(settings: Settings, batch: Batch, *, compiled: bool) -> list[Variant]:
    """The step as it is, first, and the others."""
    found = [
        variant("as it is: channels last, fused update, adaptive loss", settings, batch),
        variant(
            "contiguous memory",
            settings,
            batch,
            change=lambda network: network.to(memory_format=torch.contiguous_format),
            call=contiguous,
        ),
        variant("grouped update (foreach)", settings, batch, optimiser={"foreach": True}),
        variant("update one by one", settings, batch, optimiser={"foreach": False}),
        variant("loss that checks its values", settings, batch, loss=ADAPTIVE),
        variant("PyTorch's cross-entropy", settings, batch, loss=plain),
        variant("bfloat16", settings, batch, call=in_bfloat16),
        variant("no batch norm (bound)", settings, batch, change=without_norm),
    ]
    if compiled:
        found.append(variant("compiled", settings, batch, change=lambda network: network.compile()))
    return found


def weights_hash(model: Model) -> str:
    """Hash of the weights' bytes."""
    digest = hashlib.sha256()
    for value in model.network.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def clock(device: torch.device) -> float:
    """Processor seconds of this process; seconds after the card has finished, with one."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def in_turns(steps: list[Step], turns: int, n_steps: int, device: torch.device) -> list[tuple[float, str]]:
    """Milliseconds of one step of each (median), and its share of the first one's as `spread` writes it."""
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(turns):
        for step, found in zip(steps, taken, strict=True):
            began = clock(device)
            for _ in range(n_steps):
                step()
            found.append(1000 * (clock(device) - began) / n_steps)
    shares = [[one / first for one, first in zip(found, taken[0], strict=True)] for found in taken]
    return [(statistics.median(found), spread(share)) for found, share in zip(taken, shares, strict=True)]


def folded(network: nn.Module) -> nn.Module:
    """The network for inference with every batch norm folded into the convolution before it."""
    fold = torch.nn.utils.fusion.fuse_conv_bn_eval
    for module in network.modules():
        parts = list(module.named_children())
        for name, part in parts:
            norms = [(other, norm) for other, norm in part.named_modules() if isinstance(norm, nn.BatchNorm2d)]
            if type(part).__name__ == "Convolution" and len(norms) == 1:
                part.conv = fold(part.conv, norms[0][1])
                owner = part.get_submodule(norms[0][0].rpartition(".")[0])
                setattr(owner, norms[0][0].rpartition(".")[2], nn.Identity())
                setattr(module, name, part)
    return network


def inference(settings: Settings, batch: Batch, turns: int, n_steps: int) -> None:
    """Print the table of a validation's forward pass."""
    ways = {"as it is": new_model(settings).network, "batch norm folded into convolutions": new_model(settings).network}
    for network in ways.values():
        network.eval()
    folded(ways["batch norm folded into convolutions"])
    with torch.inference_mode():
        answers = [forward(network, batch.image) for network in ways.values()]
        steps = [lambda network=network: forward(network, batch.image) for network in ways.values()]
        taken = in_turns(steps, turns, n_steps, settings.device)
    apart = float((answers[0] - answers[1]).abs().max())
    print("\n| inference | ms of a batch | share | logits apart |\n| --- | --- | --- | --- |")
    for name, (ms, share), difference in zip(ways, taken, (0.0, apart), strict=True):
        print(f"| {name} | {ms:.1f} | {share} | {difference:.1e} |")


def operators(one: Variant, n_steps: int) -> None:
    """Print where the time of the step as it is goes."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(n_steps):
            one.step()
    rows = sorted(found.key_averages(), key=lambda row: row.self_cpu_time_total, reverse=True)
    total = sum(row.self_cpu_time_total for row in rows)
    print("\n| operator | calls a step | share of the step |\n| --- | --- | --- |")
    for row in rows[:12]:
        print(f"| {row.key} | {row.count / n_steps:.0f} | {row.self_cpu_time_total / total:.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--size", type=int, default=64, help="side of the pictures, pixels")
    parser.add_argument("--features", default="default", choices=FEATURES, help="width of the network")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5, help="steps of a turn")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which takes a minute to start")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments = parser.parse_args()
    if arguments.compile and not (shutil.which("c++") or shutil.which("g++")):
        parser.error("--compile: no C++ compiler on the path (expected c++ or g++)")
    torch.set_num_threads(1)
    keep_freed_memory()
    print(f"{heading()}, one thread\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        device = torch.device(arguments.device)
        size, width = arguments.size, FEATURES[arguments.features]
        settings = Settings(size, width, arguments.batch_size, arguments.batch_size, device, Path(folder))
        batch = Batch(settings)
        found = variants(settings, batch, compiled=arguments.compile)
        for one in found:
            for _ in range(3):
                one.step()
        hashes = [weights_hash(one.model) for one in found]
        with FlopCounterMode(display=False) as counter:
            found[0].step()
        taken = in_turns([one.step for one in found], arguments.turns, arguments.steps, device)
        print("| step | ms | share | weights' bytes |\n| --- | --- | --- | --- |")
        for one, (ms, share), digest in zip(found, taken, hashes, strict=True):
            bytes_are = "the same" if digest == hashes[0] else "others"
            print(f"| {one.name} | {ms:.1f} | {share} | {bytes_are} |")
        print(f"\n{counter.get_total_flops() / taken[0][0] / 1e6:.0f} GFLOP/s in the step as it is.")
        operators(found[0], arguments.steps)
        inference(settings, batch, arguments.turns, arguments.steps)


if __name__ == "__main__":
    main()
