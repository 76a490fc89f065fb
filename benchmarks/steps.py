"""How many optimisation steps the study needs, from its models with all labels alone (decision 3a).

Each rung is a full training of its own, with its own decay: all models, three seeds. The answer is the first rung at
which no cell (data set, structure) of any model changes by 0.01 or more over the last quarter in any seed, as
`labeldropout.analysis.soundness` measures it: validation Dice of the weights that would be kept at the end, minus that
of the weights that would be kept at three quarters of the steps. No model with a hidden label is looked at, and no test
image.

Needs prepared data and the grid's choice: `snakemake --cores 2 grid results/prepared/echonet/cases.csv
results/splits/echonet.csv`.
Run: python benchmarks/steps.py [--cores 2] [--rungs 600 1200 2400 4800] [--output docs/study/steps]
It stops at that rung; a training that is there for the same inputs is not repeated, one that was cut off goes on from
its last validation. After a change of the code, delete the folder `scratch/steps`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from labeldropout.analysis.soundness import ALL, SETTLED_SEEDS, changes_over_last_quarter, is_settled, kept_dice
from labeldropout.configuration import DEFAULTS, read_configuration
from labeldropout.files import read_json, read_table, write_json, write_table
from labeldropout.learning.experiments import parse_row
from labeldropout.learning.resolve import resolve
from labeldropout.learning.tables import HISTORY
from labeldropout.learning.train import input_hashes
from labeldropout.publication.figures import style
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import StudyPlan

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("e1-camus", "e1-unity", "e1-echonet", "e3-benchmark", "e4-benchmark")
"""The fully labelled models of experiments 1, 3 and 4."""
SEEDS = tuple(range(SETTLED_SEEDS))
STEPS = {
    "steps": "optimisation steps of the training",
    "model": "row of config/experiments.tsv",
    "dataset": "data set of the validation cell",
    "structure": "structure of the cell",
    "dice": "validation Dice of the weights that are kept, mean over three seeds",
    "change": "how much of the Dice came in the last quarter of the steps, in the seed of three where that is most",
    "settled": "1 if that is less than 0.01 either way",
}
"""The table that this program writes: one row per rung, model and cell."""


def settings_of(study: StudyPlan, model: str, selected: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """The `config.json` of a model with the grid's choice and so many steps."""
    shared = json.loads(study.model_settings(model))
    shared["optimisation"] |= {"steps": steps, "epochs": None}
    chosen = {key: selected[key] for key in ("learning_rate", "batch_size")}
    return resolve(
        parse_row(json.loads(study.model_row(model)), tuple(shared["datasets"]), study.structures), shared, chosen
    )


def train_one(study: StudyPlan, model: str, seed: int, folder: Path) -> Path:
    """Train one model with one seed, unless that is done; return its history."""
    results, names = Path(study.results), study.experiments[model].train_on
    prepared = [results / study.tree_of(model) / "prepared" / name for name in names]
    splits = [results / "splits" / f"{name}.csv" for name in names]
    config, output = folder / "config.json", folder / f"seed-{seed}"
    record = output / "run.json"
    if not record.is_file() or read_json(record)["inputs"] != input_hashes(config, splits, prepared):
        output.mkdir(parents=True, exist_ok=True)
        flags = ["--config", config, "--prepared", *prepared, "--split", *splits, "--seed", seed, "--output", output]
        flags += ["--device", "cpu", "--gpus", 0, "--threads", 1, "--checkpoints", "scratch/train"]
        with (output / "log.txt").open("w") as log:
            command = [sys.executable, "-m", "labeldropout", "train", *map(str, flags)]
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - our own command
    return output / "history.csv"


Histories = dict[str, list[pd.DataFrame]]
"""Table `HISTORY` of every seed, by model."""


def train_rung(study: StudyPlan, steps: int, cores: int) -> Histories:
    """Train all models with all seeds, as many at a time as there are cores."""
    selected = read_json(Path(study.results) / "grid" / "selected.json")
    folders = {model: Path("scratch", "steps", str(steps), model) for model in MODELS}
    for model, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(settings_of(study, model, selected, steps), folder / "config.json")
    jobs = [(model, seed) for model in reversed(MODELS) for seed in SEEDS]
    with ThreadPoolExecutor(cores) as pool:
        paths = list(pool.map(lambda job: train_one(study, *job, folders[job[0]]), jobs))
    histories: Histories = {model: [] for model in MODELS}
    for (model, _), path in zip(jobs, paths, strict=True):
        histories[model].append(read_table(path, HISTORY))
    return histories


def judge_rung(steps: int, histories: Histories) -> pd.DataFrame:
    """Table `STEPS` of one rung."""
    rows = []
    for model, of_seeds in histories.items():
        ends = [kept_dice(history, float(history["step"].max())) for history in of_seeds]
        for (dataset, structure), change in changes_over_last_quarter(of_seeds).items():
            dice = sum(end[dataset, structure] for end in ends) / len(ends)
            rows.append([steps, model, dataset, structure, dice, change, int(is_settled(change))])
    return pd.DataFrame(rows, columns=list(STEPS))


def draw(histories_by_rung: Mapping[int, Histories], looks: style.StructureLooks, *, simulated: bool) -> Figure:
    """Validation Dice of every cell over the steps, mean over seeds: a row per rung, a column per model."""
    figure = Figure(figsize=(10, 0.8 + 1.7 * len(histories_by_rung)), layout="constrained")
    panels = figure.subplots(len(histories_by_rung), len(MODELS), squeeze=False, sharey=True)
    lines = ("-", ":")
    for row, (steps, histories) in zip(panels, histories_by_rung.items(), strict=True):
        for axes, (model, of_seeds) in zip(row, histories.items(), strict=True):
            joined = pd.concat(of_seeds)
            cells = joined[joined["dataset"] != ALL].groupby(["dataset", "structure"], sort=False)
            datasets = list(dict.fromkeys(joined["dataset"]))
            for (dataset, structure), of_cell in cells:
                mean = of_cell.groupby("step")["dice"].mean()
                colour = looks.colours[looks.structures[structure]]
                label = f"{dataset} {structure}"
                axes.plot(mean.index, mean, lines[datasets.index(dataset)], color=colour, linewidth=1.0, label=label)
            axes.axvline(0.75 * steps, color="0.7", linewidth=0.8)
            axes.set_title(f"{model}, {steps} steps", fontsize=7.5)
            axes.set_ylim(0.5, 1)
            axes.grid(visible=True, axis="y")
            axes.legend(fontsize=5.5, loc="lower right")
        row[0].set_ylabel("Validation Dice")
    for axes in panels[-1]:
        axes.set_xlabel("Optimisation step")
    style.set_title(figure, "Models with all labels; grey line: three quarters of the steps", simulated=simulated)
    return figure


def climb(study: StudyPlan, rungs: Sequence[int], cores: int, output: Path) -> int | None:
    """Train rung after rung, write table and figure after each, and stop at the first at which every cell is settled.

    Returns:
        The steps of that rung; None if there is none.
    """
    tables, histories_by_rung = [], {}
    for steps in sorted(rungs):
        histories_by_rung[steps] = train_rung(study, steps, cores)
        tables.append(judge_rung(steps, histories_by_rung[steps]))
        write_table(pd.concat(tables, ignore_index=True), output.with_suffix(".csv"), STEPS)
        with mpl.rc_context(style.STYLE):
            figure = draw(
                histories_by_rung, style.looks_of(study.config["structures"]), simulated=bool(study.simulated)
            )
        style.save(figure, output)
        moving = tables[-1][tables[-1]["settled"] == 0]
        print(f"{steps} steps: {len(moving)} of {len(tables[-1])} cells still change by 0.01 or more.")
        for row in moving.itertuples():
            print(f"  {row.model}, {row.dataset} {row.structure}: {row.change:+.3f} to {row.dice:.3f}")
        if moving.empty:
            return steps
    return None


def main() -> None:
    """Climb the rungs and say which one is enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=Path(DEFAULTS), help="the study")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    parser.add_argument("--rungs", type=int, nargs="+", default=[600, 1200, 2400, 4800], help="numbers of steps to try")
    parser.add_argument(
        "--output", type=Path, default=Path("docs/study/steps"), help="path of table and figure, no suffix"
    )
    arguments = parser.parse_args()
    config = read_configuration(arguments.config, ROOT)
    study = StudyPlan(config, read_list(ROOT / config["experiments"]), ROOT)
    enough = climb(study, arguments.rungs, arguments.cores, arguments.output)
    print(f"Enough: {enough} steps." if enough else "No rung was enough.")


if __name__ == "__main__":
    main()
