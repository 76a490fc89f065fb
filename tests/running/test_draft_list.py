"""A list of experiments and claims for somebody's own folders."""

from pathlib import Path

import pytest
import yaml

from labeldropout.configuration import read_configuration
from labeldropout.running.draft_list import draft_claims, draft_list, draft_rows
from labeldropout.running.study_list import read_list
from labeldropout.running.study_plan import StudyPlan

ROOT = Path(__file__).resolve().parents[2]
MINE = """
study: mine
pathvars: {results: results/mine}
experiments: config/experiments_mine.tsv
claims: config/claims_mine.yaml
structures: [{name: core}, {name: rim}]
selection: {model: benchmark}
datasets:
  first: {format: folder, raw: a, cone: none, options: {values: {core: 1, rim: 2}}}
  second: {format: folder, raw: b, cone: none, options: {values: {core: 1, rim: 2}}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workflow with a configuration of somebody's own."""
    for folder in ("config", "workflow"):
        (tmp_path / folder).symlink_to(ROOT / folder) if folder == "workflow" else (tmp_path / folder).mkdir()
    (tmp_path / "config/config.yaml").symlink_to(ROOT / "config/config.yaml")
    (tmp_path / "config/mine.yaml").write_text(MINE)
    return tmp_path


def test_a_draft_is_a_study(root):
    """The list is valid, shows Figure 4 and our own experiments, and the claims name its models and no others."""
    files = draft_list(root / "config/mine.yaml", root, "rim@second")
    assert [path.name for path in files] == ["experiments_mine.tsv", "claims_mine.yaml"]
    config = read_configuration(root / "config/mine.yaml", root)
    study = StudyPlan(config, read_list(files[0]), root)
    assert study.shown == ["figure_4", "table_1", "tests"] or {"figure_4", "table_1", "tests"} <= set(study.shown)
    assert {"controls", "decomposition", "remedies"} <= set(study.shown_compared)
    hidden = {(item.structure.name, item.dataset) for row in study.experiments.values() for item in row.hidden}
    assert hidden == {("rim", "second"), ("rim", "any")}
    assert study.experiments["without"].train_on == ("first",)
    claims = yaml.safe_load(files[1].read_text())["claims"]
    named = {
        name
        for claim in claims.values()
        for comparison in claim["comparisons"]
        for side in ("better", "worse", "models")
        for name in comparison.get(side, [])
    }
    assert named <= set(study.experiments)
    assert set(claims) == {"C6", "C8", "C9", "C11", "C14"}


def test_a_study_without_folders_is_told_so(root):
    """The default study's data sets have a list already; nothing is drafted for them."""
    with pytest.raises(ValueError, match=r"datasets: none with format: folder \(expected two or more folders"):
        draft_list(ROOT / "config/config.yaml", root, "LA@unity")


def test_a_list_that_is_there_is_kept(root):
    """Whoever has changed the draft does not lose it, and nothing is written half."""
    (root / "config/claims_mine.yaml").write_text("mine")
    with pytest.raises(ValueError, match=r"claims_mine\.yaml: there already"):
        draft_list(root / "config/mine.yaml", root, "rim@second")
    assert not (root / "config/experiments_mine.tsv").exists()


@pytest.mark.parametrize(
    ("hide", "change", "message"),
    [
        ("ring@second", ("", ""), r"--hide: 'ring@second' .*structure of core, rim\)\. Did you mean 'rim'\?"),
        ("rim@secnd", ("", ""), r"data set of first, second\)\. Did you mean 'second'\?"),
        ("rim", ("", ""), r"data set of first, second"),
        (
            "rim@first",
            ("values: {core: 1, rim: 2}}}\n", "values: {core: 1}}}\n"),
            r"first: rim is not annotated there",
        ),
        (
            "rim@second",
            ("values: {core: 1, rim: 2}}}\n", "values: {core: 1}}}\n"),
            r"rim is annotated in second alone",
        ),
    ],
)
def test_what_cannot_be_hidden_is_refused(root, hide, change, message):
    """A misspelt name, and a structure without labels where it is to be hidden, or elsewhere, end in one message."""
    (root / "config/mine.yaml").write_text(MINE.replace(*change, 1))
    with pytest.raises(ValueError, match=message):
        draft_list(root / "config/mine.yaml", root, hide)


def test_what_is_partly_labelled_already_is_not_taught_as_background():
    """The third place never drew the rim: whole models get a loss for partial labels; no claim asks for it there."""
    annotated = {"first": ("core", "rim"), "second": ("core", "rim"), "third": ("core",)}
    rows = {row["model"]: row for row in draft_rows(("core", "rim"), annotated, "rim", "second")}
    assert {rows[model]["loss"] for model in ("benchmark", "without")} == {"adaptive"}
    complete = {name: annotated[name] for name in ("first", "second")}
    rows = {row["model"]: row for row in draft_rows(("core", "rim"), complete, "rim", "second")}
    assert {rows[model]["loss"] for model in ("benchmark", "without")} == {"standard"}
    claims = draft_claims(("core", "rim"), annotated, "core", "second")["claims"]
    assert [one["dataset"] for one in claims["C9"]["comparisons"]] == ["first", "second"]
