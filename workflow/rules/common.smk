"""The plan of the study, and the few functions by which rules ask it for their inputs and parameters."""

import inspect
import os
from pathlib import Path

import yaml
from snakemake.logging import logger
from snakemake.utils import validate

from labeldropout.configuration import check_keys
from labeldropout.fingerprint import fingerprint
from labeldropout.items import ITEMS, LEDGERS
from labeldropout.running.flags import as_json
from labeldropout.running.other_studies import OtherStudies
from labeldropout.running.picture_plan import PicturePlan
from labeldropout.running.rule_code import RuleCode
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import (
    COMPARED_ITEMS,
    PAPER_ITEMS,
    StudyPlan,
)


def stop_run(error):
    """End the run with one message."""
    raise WorkflowError(str(error)) from None


try:
    with open("workflow/schemas/config.schema.yaml", encoding="utf-8") as schema:
        check_keys(config, yaml.safe_load(schema), "configuration")
    validate(config, "../schemas/config.schema.yaml")
    STUDY = StudyPlan(config, read_list(Path(config["experiments"])))
except (ValueError, OSError) as error:
    stop_run(error)

CODE = RuleCode(STUDY)
PICTURES = PicturePlan(STUDY)
OTHERS = OtherStudies(STUDY.root)

if workflow.is_main_process and STUDY.left_out:
    logger.warning(f"Left out: {STUDY.left_out}")


wildcard_constraints:
    tree=r"(severity-[0-9.]+/)?",
    dataset="|".join(STUDY.datasets),
    model="|".join(STUDY.experiments),
    candidate="|".join(STUDY.candidates),
    seed="[0-9]+",
    item="|".join(ITEMS),
    ledger="|".join(LEDGERS),


def ask(method, **wildcard_of):
    """A function of wildcards that asks the plan; its arguments are named after the wildcards, or mapped to them."""
    names = [wildcard_of.get(name, name) for name in inspect.signature(method).parameters]

    def answer(wildcards):
        # A candidate of the grid search stands for the model for which the grid is searched.
        values = {"model": STUDY.searched, **dict(wildcards.items())}
        try:
            return method(*(values[name] for name in names))
        except ValueError as error:
            stop_run(error)

    return answer


def files(name):
    """A function that gives the input files of this name."""

    def files_of_input(wildcards, input):
        paths = input.get(name, [])
        return [paths] if isinstance(paths, str) else list(paths)

    return files_of_input


def folders(name):
    """A function that gives the folders of the input files of this name."""

    def folders_of_input(wildcards, input):
        return [os.path.dirname(path) for path in files(name)(wildcards, input)]

    return folders_of_input


def flag(word, paths):
    """A function that puts a flag before these paths; nothing if there are none."""

    def flag_of_input(wildcards, input):
        given = paths(wildcards, input)
        return [word, *given] if given else []

    return flag_of_input


def training_memory_mb(wildcards, attempt):
    """More memory on the second attempt."""
    return 8000 * attempt
