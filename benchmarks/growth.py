"""How time and memory of every step grow with the number of cases, and with the number of models.

The workflow makes Figure 3 of the smoke study (made-up data, tiny networks) with 1, 4 and 16 times the patients, and
with 1, 4 and 16 seeds of every model. The system measures every job, to its end. A training takes the same number of
steps however many cases it has, so what grows in it is what it reads and validates; an evaluation scores all seeds of a
model in one job. Beside each step stands the power of the factor with which its processor time grows beyond that of its
start-up: 1 is in proportion to the work, 2 would be its square, and - stands where nothing grows. What grows faster
than its work is a fault.

Run: python benchmarks/growth.py [--axes cases models] [--factors 1 4 16] [--cores 2]
The runs lie in scratch/growth, which is emptied first. No other workflow may run in this folder meanwhile.
"""

import argparse
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from heading import heading
from studies import ROOT, make, measured, meter, read_rows, read_yaml, write_study

FOLDER = Path("scratch", "growth")
VERBS = ("import-dataset", "segment-cone", "prepare", "train", "evaluate", "compare", "figures")
"""Steps of the table, in the order of the data's road."""
TARGET = "figure_3"
FAULTY_POWER = 1.3
"""A step whose time grows with a higher power of its work is marked."""
NOISE = 0.25
"""Share of a job's least time by which two runs of it may differ; what that explains is not marked. Seen on a shared
machine of two cores: three jobs with the same work are a quarter apart in the median, 0.48 at most."""


def write(axis: str, factor: int) -> Path:
    """Write the smoke study with so many times its cases or its models; returns its folder."""
    folder = FOLDER / f"{axis}-{factor}"
    config, rows = read_yaml(Path("config", "smoke.yaml")), read_rows("config/experiments_smoke.tsv")
    config["selection"] |= {"learning_rate": [0.1], "batch_size": [16]}  # one candidate: nothing to search
    if axis == "cases":
        config["datasets"]["camus"]["simulate"]["patients"] *= factor
    else:
        rows["seeds"] = ",".join(map(str, range(factor)))
    write_study(folder, config, rows)
    return folder


def medians(jobs: pd.DataFrame) -> pd.DataFrame:
    """Processor seconds and peak memory (MiB) of the median job of every step, and how many jobs it had."""
    of_verb = jobs.groupby("verb")
    return of_verb[["cpu_s", "mib"]].median().assign(jobs=of_verb.size())


def power(values: Mapping[int, float]) -> float:
    """The power of the factor with which a value grows: 1 for a + b f, whatever the start-up a.

    From the least and the two largest factors; NaN with fewer than three, or where nothing grows.
    """
    if len(values) < 3:
        return math.nan
    least, middle, most = min(values), *sorted(values)[-2:]
    first, second = values[middle] - values[least], values[most] - values[least]
    if first <= 0 or second <= 0:
        return math.nan
    return math.log(second / first) / math.log((most - least) / (middle - least))


def is_faulty(values: Mapping[int, float]) -> bool:
    """Whether a value grows with too high a power, even if chance made its first growth look small."""
    if len(values) < 3:
        return False
    least, middle = min(values), sorted(values)[-2]
    return power({**values, middle: values[middle] + NOISE * values[least]}) > FAULTY_POWER


def row_of(verb: str, tables: Mapping[int, pd.DataFrame]) -> str:
    """One step of the table: jobs, processor seconds and MiB at every factor, and the power of the seconds."""
    of_factor = {factor: table.loc[verb] for factor, table in tables.items() if verb in table.index}
    seconds = {factor: float(row["cpu_s"]) for factor, row in of_factor.items()}
    memory = {factor: float(row["mib"]) for factor, row in of_factor.items()}
    found = power(seconds)
    told = "-" if math.isnan(found) else f"{found:.2f}"
    mark = " **faster than its work**" if is_faulty(seconds) else ""
    jobs = " / ".join(f"{row['jobs']:.0f}" for row in of_factor.values())
    return (
        f"| {verb} | {jobs} | {' / '.join(f'{value:.1f}' for value in seconds.values())} | {told}{mark}"
        f" | {' / '.join(f'{value:.0f}' for value in memory.values())} |"
    )


def grow(axis: str, factors: Sequence[int], cores: int) -> None:
    """Run all factors of one axis and print its table."""
    tables, seconds = {}, {}
    for factor in factors:
        folder = write(axis, factor)
        seconds[factor] = make(folder, [TARGET], cores, meter(folder))
        tables[factor] = medians(measured(folder))
    names = " / ".join(map(str, factors))
    print(f"\n{axis}: {names} times; whole runs {' / '.join(f'{value:.0f}' for value in seconds.values())} s\n")
    print(f"| step | jobs at {names} | processor s of a job | power | MiB of a job |\n| --- | --- | --- | --- | --- |")
    for verb in VERBS:
        if any(verb in table.index for table in tables.values()):
            print(row_of(verb, tables), flush=True)


def main() -> None:
    """Measure both axes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--axes", nargs="+", choices=("cases", "models"), default=["cases", "models"])
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--cores", type=int, default=2, help="jobs at a time")
    arguments = parser.parse_args()
    shutil.rmtree(ROOT / FOLDER, ignore_errors=True)
    print(heading(), flush=True)
    for axis in arguments.axes:
        grow(axis, sorted(arguments.factors), arguments.cores)


if __name__ == "__main__":
    main()
