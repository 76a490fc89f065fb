"""How much the tables of a study move when the same processor may not use its widest instructions.

The study is made from nothing (simulated, imported, trained, evaluated, compared) once for every instruction set, in
which PyTorch, oneDNN, MKL, NumPy and OpenBLAS are held to it by their own variables. Then every table is compared with
that of the first set, as `labeldropout verify --against` does: same bytes, same to 3 digits, or differs. Another kind
of processor may differ more.

Run: python benchmarks/instruction_sets.py [--sets native sse] [--config config/smoke.yaml] [--targets tables]
Two models of the default study, alone:
--config config/config.yaml --models e3-benchmark e3-adaptive --targets figure_3
The runs lie in scratch/instruction_sets, which is emptied first. No other workflow may run in this folder meanwhile.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heading import heading
from studies import ROOT, make, read_rows, read_yaml, write_study

from labeldropout.configuration import DEFAULTS
from labeldropout.running.same_tables import AGREEMENTS, verify_against
from labeldropout.running.verify import summarise

FOLDER = Path("scratch", "instruction_sets")
SETS: dict[str, dict[str, str]] = {
    "native": {},
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "sse": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    },
}
"""Variables that hold the libraries to an instruction set; native is whatever the processor has."""


def environment_of(name: str) -> dict[str, str]:
    """The variables of a set; of NumPy's features only those that this processor has, since others end in a warning."""
    from numpy._core import _multiarray_umath  # noqa: PLC0415 - NumPy says it nowhere else

    environment = dict(SETS[name])
    if wanted := environment.pop("NPY_DISABLE_CPU_FEATURES", "").split():
        has = _multiarray_umath.__cpu_features__
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(one for one in wanted if has.get(one))
    return environment


def capability(environment: dict[str, str]) -> str:
    """What PyTorch then says of the processor."""
    call = [sys.executable, "-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"]
    done = subprocess.run(  # noqa: S603 - our own command
        call, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def write(folder: Path, config_file: Path, models: Sequence[str] | None) -> None:
    """Write the study for one instruction set: all of its rows, or those of some models.

    Raises:
        ValueError: There is no such model.
    """
    config: dict[str, Any] = read_yaml(config_file)
    rows = read_rows(config.get("experiments") or read_yaml(Path(DEFAULTS))["experiments"])
    if unknown := sorted(set(models or ()) - set(rows["model"])):
        raise ValueError(f"{config_file}: no model {unknown[0]!r} (expected some of {', '.join(rows['model'])}).")
    if models:
        rows = rows[rows["model"].isin(models)].assign(seeds="0")
        selection = {"learning_rate": [0.1], "batch_size": [8], "model": models[0]}  # one candidate: nothing to search
        config["selection"] = {**config.get("selection", {}), **selection}
    write_study(folder, config, rows)


def main() -> None:
    """Make the study under every set, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["native", "sse"], help="the first is the reference")
    parser.add_argument("--config", type=Path, default=Path("config", "smoke.yaml"), help="the study")
    parser.add_argument("--models", nargs="+", help="only these rows of its list, seed 0, without a grid search")
    parser.add_argument("--targets", nargs="+", default=["tables"], help="what to make of it")
    parser.add_argument("--cores", type=int, default=2, help="jobs at a time")
    arguments = parser.parse_args()
    shutil.rmtree(ROOT / FOLDER, ignore_errors=True)
    print(heading(), flush=True)
    for name in arguments.sets:
        write(FOLDER / name, arguments.config, arguments.models)
        environment = environment_of(name)
        seconds = make(FOLDER / name, arguments.targets, arguments.cores, environment)
        said = " ".join(f"{key}={value!r}" for key, value in environment.items()) or "nothing set"
        print(f"{name}: PyTorch uses {capability(environment)}; {said}; {seconds:.0f} s", flush=True)
    reference, *others = (ROOT / FOLDER / name / "results" for name in arguments.sets)
    for name, other in zip(arguments.sets[1:], others, strict=True):
        findings = verify_against(reference, other)
        print(f"\n| {name} beside {arguments.sets[0]} | table | largest difference |\n| --- | --- | --- |")
        for finding in findings:
            print(f"| {finding.state} | {finding.file} | {finding.detail} |")
        print(f"\n{summarise(findings, AGREEMENTS)}")


if __name__ == "__main__":
    main()
