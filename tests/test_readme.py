"""What the README and the pages tell people to type runs or parses, and what they point to exists."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from labeldropout.analysis.claims.declared import Known, read_claims
from labeldropout.analysis.claims.minutes import minutes_in_all
from labeldropout.analysis.claims.put_ledger import CLAIMS_MARK, put_ledger
from labeldropout.analysis.claims.put_ledger import PAGES as CLAIMED
from labeldropout.analysis.claims.verdicts import read_ledger
from labeldropout.cli.main import parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "config" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
SHELL = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
RULES = {
    name
    for path in [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
}


def name_of(page):
    """A page as people name it."""
    return str(page.relative_to(ROOT))


def commands(text):
    """Commands of the shell blocks of a page: continued lines joined, comments and prompts dropped."""
    for block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


COMMANDS = list(dict.fromkeys(tuple(words) for page in PAGES for words in commands(page.read_text(encoding="utf-8"))))
"""Every command once, whichever pages have it."""
PROGRAMS = [
    pytest.param(*found, id=f"{name_of(page)}-{place}")
    for page in PAGES
    if page.parent.name != "recipes"  # test_recipes.py runs them
    for place, found in enumerate(PYTHON.findall(page.read_text(encoding="utf-8")))
]


def of(program):
    """The calls of one program, without the variables set before it."""
    calls = [[word for word in words if not re.match(r"[A-Z_]+=", word)] for words in COMMANDS]
    return [call for call in calls if call and call[0] == program]


def test_readme_is_short():
    """A visitor reads it in a minute: at most 130 lines, none longer than 160 characters."""
    lines = README.splitlines()
    assert len(lines) <= 130
    assert [line for line in lines if len(line) > 160] == []


def test_readme_names_the_two_commands():
    """A visitor finds what to type."""
    calls = [list(words) for words in commands(README)]
    assert ["make", "reproduce"] in calls
    assert any(call[:2] == ["labeldropout", "predict"] for call in calls)
    assert "`make test`" in README


@pytest.mark.parametrize("call", of("make"), ids=" ".join)
def test_make_targets_exist(call):
    """Every `make` target of the pages is one of the Makefile."""
    assert {word for word in call[1:] if "=" not in word} <= MAKE_TARGETS


@pytest.mark.parametrize("call", of("labeldropout"), ids=" ".join)
def test_calls_of_the_command_line_parse(call):
    """Every `labeldropout` line of the pages has verbs and flags that exist."""
    if "--help" in call:
        with pytest.raises(SystemExit, match="0"):
            parser().parse_args(call[1:])
    else:
        parser().parse_args(call[1:])


@pytest.mark.slow
@pytest.mark.parametrize("call", [call for call in of("labeldropout") if call[1] == "verify"], ids=" ".join)
def test_verify_finds_a_finished_study_as_recorded(call, finished_study):
    """The pages' `labeldropout verify` runs in a finished study and has nothing to object."""
    result = subprocess.run(
        [sys.executable, "-m", *call],
        cwd=finished_study.root,
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.fullmatch(r"(\d+) files: \1 as recorded", result.stdout.splitlines()[-1])


@pytest.mark.parametrize("call", of("dvc"), ids=" ".join)
def test_calls_of_dvc_parse(call):
    """Every `dvc` line of the pages has commands and flags that exist."""
    from dvc.cli import parse_args

    parse_args(call[1:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "call", of("snakemake") + [call for call in of("labeldropout") if call[1] == "reproduce"], ids=" ".join
)
def test_calls_of_snakemake_plan(call, tmp_path):
    """Every `snakemake` and `reproduce` line of the pages plans its jobs; empty folders and files stand in for data."""
    for name in ("Snakefile", "workflow", "profiles", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config").mkdir()
    for path in (ROOT / "config").iterdir():
        (tmp_path / "config" / path.name).symlink_to(path)
    (tmp_path / "config" / "mine.yaml").symlink_to(ROOT / "config" / "smoke.yaml")  # the reader's own copy
    for name in ("data/raw/camus", "data/raw/unity", "data/raw/echonet", "data/annotation/echonet", "data/raw/cells"):
        (tmp_path / name).mkdir(parents=True)
    for name in (  # what another study must have made
        "grid/selected.json",
        "long/tables/training_length.csv",
        "instructions/tables/claims.csv",
        "instructions/scores/e4-benchmark.csv",
    ):
        (tmp_path / "results" / name).parent.mkdir(parents=True)
        (tmp_path / "results" / name).touch()
    if "--report" in call:
        assert Path(call[call.index("--report") + 1]).suffix in {".html", ".zip"}
        call = call[: call.index("--report")] + call[call.index("--report") + 2 :]
    if "slurm" in call:
        call = [word.replace("slurm", "default") for word in call]
    if "--unlock" not in call and "--dry-run" not in call:
        call = [*call, "--dry-run"]
    result = subprocess.run(
        [sys.executable, "-m", *call],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]


def test_no_other_program_goes_untested():
    """A command of a kind that no test above looks at is one of a short list of everyday ones."""
    everyday = {"cd", "conda", "docker", "git", "pip", "python", "source", "apptainer", ".", "export", "cp", "rm"}
    known = everyday | {"tmux", "make", "labeldropout", "snakemake", "dvc"}
    known |= {"nnUNetv2_plan_and_preprocess", "nnUNetv2_train"}  # test_recipes.py runs them
    first_words = {next((word for word in words if not re.match(r"[A-Z_]+=", word)), "export") for words in COMMANDS}
    assert {Path(word).name for word in first_words} - known == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    """Every relative link and picture of a page is in the repository."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^()#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_targets_named_in_the_tables_are_rules():
    """The page on running has a target for every figure and table of the paper, and every target named is a rule."""
    page = (ROOT / "docs" / "study" / "run.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\|.*?`snakemake (\w+)`", page, re.MULTILINE))
    assert named >= {*(f"figure_{n}" for n in range(1, 6)), "supplementary_figure_1", "table_1", "table_2", "tests"}
    assert named <= RULES


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """README and pages of claims, written anew from the tables of the repository."""
    root = tmp_path_factory.mktemp("written")
    for folder in ("config", "results"):
        (root / folder).symlink_to(ROOT / folder)
    marks = [("README.md", page.mark) for page in CLAIMED] + [(page.file, CLAIMS_MARK) for page in CLAIMED]
    for name, mark in marks:
        written = root / name if (root / name).is_file() else ROOT / name
        before, _, after = written.read_text(encoding="utf-8").split(mark)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{before}{mark}stale{mark}{after}", encoding="utf-8")
    put_ledger(root)
    return root


@pytest.mark.parametrize("page", CLAIMED, ids=lambda page: page.results)
def test_result_lines_are_those_of_the_tables(written, page):
    """What the README says of the results is what `make readme` writes: the count, and a line per main claim."""
    assert (written / "README.md").read_text(encoding="utf-8") == README, "make readme"
    lines = re.findall(r"^- .*$", README.split(page.mark)[1], re.MULTILINE)
    judged = {claim.name for claim in read_ledger(ROOT / page.results / "tables")}
    assert len(lines) == 1 + len(judged & set(page.main))


@pytest.mark.parametrize("page", CLAIMED, ids=lambda page: page.results)
def test_result_lines_have_the_verdicts_of_the_tables(page):
    """The README counts the claims by verdict, and gives that of every main claim."""
    claims = read_ledger(ROOT / page.results / "tables")
    lines = README.split(page.mark)[1]
    verdicts = [claim.verdict for claim in claims]
    origin = "real" if page.results == "results/cells" else "simulated"
    assert f"**{len(claims)} claims judged on {origin} data**" in lines
    assert all(f"{verdicts.count(verdict)} {verdict}" in lines for verdict in set(verdicts))
    assert all(f"**{claim.name}, {claim.verdict}**" in lines for claim in claims if claim.name in page.main)


def test_main_claims_are_declared():
    """A claim that the README is to name exists."""
    hearts = Known(("camus", "unity", "echonet"), ("LV", "LVM", "LA"))
    cells = Known(("laboratory_1", "laboratory_2"), ("nucleus", "cytoplasm"))
    for page, known, name in zip(CLAIMED, (hearts, cells), ("claims.yaml", "claims_cells.yaml"), strict=True):
        assert {claim.name for claim in read_claims(ROOT / "config" / name, known).claims} >= set(page.main)


@pytest.mark.parametrize("page", CLAIMED, ids=lambda page: page.results)
def test_page_of_claims_is_that_of_the_tables(written, page):
    """The page of claims is what `make readme` writes; minutes apart, which are those of the last run."""

    def without_minutes(path):
        return re.sub(r"\| \d+ \|$", "| |", path.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert without_minutes(written / page.file) == without_minutes(ROOT / page.file), "make readme"


def test_what_is_said_of_real_cells_is_in_the_tables():
    """Every Dice that the page's own words name is a mean, or a part of what was lost, in the committed tables."""
    tables = ROOT / "results" / "cells" / "tables"
    page = (ROOT / "docs" / "study" / "cells.md").read_text(encoding="utf-8")
    words = page.partition("## What came out")[2].partition(CLAIMS_MARK)[0]
    said = set(re.findall(r"\b0\.\d\d\b", words))
    means = [
        pd.read_csv(tables / f"{name}.csv").query("seed == 'all'")["dice_mean"] for name in ("remedies", "figure_4")
    ]
    lost = pd.read_csv(tables / "decomposition.csv").query("seed == 'all'")["lost"]
    missed = pd.read_csv(tables / "soundness_instrument.csv").query("verdict == 'not trained'")
    known = pd.concat([*means, lost, missed["dice"], missed["limit"]])
    assert said <= {f"{value:.2f}" for value in known}
    assert len(said) > 15


def test_minutes_in_the_readme_are_those_of_the_committed_run():
    """The minutes of `make reproduce` in the README are what the seconds of the committed run record come to."""
    shown = subprocess.run(
        ["git", "show", "HEAD:results/run_record.json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode != 0:
        pytest.skip("not a git working tree")
    minutes = minutes_in_all(json.loads(shown.stdout))
    assert f"make reproduce    # {minutes} minutes" in README
    assert f"| `make reproduce` | {minutes} |" in README


def test_nothing_is_left_to_fill_in():
    """Numbers that are put in at the end were put in."""
    assert [name_of(page) for page in PAGES if re.search(r"@[A-Z_]+@", page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_programs_run(program, output, tmp_path, monkeypatch, capsys):
    """Python of the pages runs as it stands, in an empty folder, and prints what the page says."""
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "page", "exec"), {"__name__": "page"})  # noqa: S102 - it is our own page
    assert capsys.readouterr().out == output
