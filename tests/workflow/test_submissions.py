"""How many jobs a cluster sees: what a dry run plans, less what stays on the head, and groups counted once."""

import re
from collections import Counter

import pytest
import yaml
from workflow_copy import LOCAL, ROOT, RULES

PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())
ALONE = {"train_cone", "train_candidate", "train", "evaluate", "probe_ask"}
"""What takes a card for long is a job of its own."""


def test_every_rule_has_its_place_on_a_cluster():
    """A rule stays on the head, shares a submission, or is one of the few that are submitted alone."""
    grouped = set(PROFILE["groups"])
    assert grouped <= set(RULES)
    assert set(RULES) == LOCAL | grouped | ALONE
    assert not LOCAL & grouped


def test_only_jobs_with_a_network_ask_for_a_card():
    """No other rule keeps a card from a training."""
    with_card = {name for name, body in RULES.items() if re.search(r"\bgpu=1\b", body)}
    assert with_card == ALONE | {"segment_cone"}


def test_cluster_profile_sets_no_cores_and_no_memory_of_trainings():
    """Cores would cut submitted jobs; a memory in the profile would stop what asks for more at each attempt."""
    assert "cores" not in PROFILE
    assert PROFILE["retries"] >= 1
    assert not {"mem_mb", "mem"} & {key for rule in PROFILE.get("set-resources", {}).values() for key in rule}


@pytest.mark.slow
def test_paper_study_submits_so_many_jobs(workflow):
    """The number of jobs on the page about clusters is that of a dry run of the paper's study."""
    for name in ("data/raw/camus", "data/raw/unity", "data/raw/echonet", "data/annotation/echonet"):
        (workflow.root / name).mkdir(parents=True)
    (workflow.root / "config" / "unity_curation.csv").touch()
    arguments = ("--configfile", "config/paper.yaml", "--workflow-profile", "slurm")
    planned = workflow.planned(*arguments)
    said = workflow.run("--dry-run", *arguments).stdout
    groups = Counter(re.findall(r"^\[.*\] Group job (\w+)", said, re.MULTILINE))
    assert groups == {"import": 3, "prepare": 3, "kit": 1, "paper": 12}
    alone = {rule: planned[rule] for rule in ALONE & set(planned)}
    assert alone == {"train_cone": 1, "train_candidate": 12, "train": 84, "evaluate": 22}
    submitted = sum(groups.values()) + sum(alone.values())
    page = (ROOT / "docs" / "study" / "cluster.md").read_text(encoding="utf-8")
    in_all = sum(planned.values()) - 1  # without `all`, which has no command
    assert f"Of the {in_all} jobs of the paper's study, {submitted} are submitted" in page
