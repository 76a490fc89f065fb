"""How many minutes each experiment of a finished study took, from what Snakemake measured of its jobs.

Run: python benchmarks/minutes.py [--results results] [--experiments config/experiments.tsv] [--cores 2]
Nothing is run again; the table goes to standard output. Minutes are seconds of the jobs divided by the cores, since
trainings and evaluations use one thread each. A job that was interrupted counts with its last run only.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import pandas as pd


def seconds(path: Path) -> float:
    """Wall-clock seconds of one job, out of Snakemake's benchmark file."""
    return float(pd.read_csv(path, sep="\t")["s"].iloc[0])


def main() -> None:
    """Print one row per experiment, and one with the rules that belong to none."""
    parser = argparse.ArgumentParser(description="Minutes per experiment of a finished study.", allow_abbrev=False)
    parser.add_argument("--results", type=Path, default=Path("results"), help="the study's folder")
    parser.add_argument(
        "--experiments", type=Path, default=Path("config/experiments.tsv"), help="its list of experiments"
    )
    parser.add_argument("--cores", type=int, default=2, help="cores that share the jobs")
    arguments = parser.parse_args()
    benchmarks = arguments.results / "benchmarks"
    with arguments.experiments.open(newline="", encoding="utf-8") as table:
        experiment_of = {row["model"]: row["experiment"] for row in csv.DictReader(table, delimiter="\t")}

    trainings: dict[str, list[float]] = defaultdict(list)
    others: dict[str, list[float]] = defaultdict(list)
    unattached: dict[str, list[float]] = defaultdict(list)
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule, *place = path.relative_to(benchmarks).with_suffix("").parts
        experiment = experiment_of.get(place[0])
        if experiment is None:
            unattached[rule].append(seconds(path))
        elif rule == "train":
            trainings[experiment].append(seconds(path))
        else:
            others[experiment].append(seconds(path))

    share = 60 * arguments.cores
    print(f"| experiment | trainings | median s | all jobs, minutes on {arguments.cores} cores |")
    print("| --- | --- | --- | --- |")
    for experiment in sorted(trainings):
        of_trainings = pd.Series(trainings[experiment])
        minutes = (of_trainings.sum() + sum(others[experiment])) / share
        print(f"| {experiment} | {len(of_trainings)} | {of_trainings.median():.0f} | {minutes:.1f} |")
    for rule, measured in sorted(unattached.items()):
        print(f"| rule {rule} | {len(measured)} jobs | | {sum(measured) / share:.1f} |")


if __name__ == "__main__":
    main()
