"""What the README tells people to type runs or parses, and what it points to exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from labeldropout.analysis.claims.ledger import MARK, joined_ledger
from labeldropout.cli.main import parser

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
RULES = {
    name
    for path in [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
}


def commands():
    """Commands of the README's shell blocks: continued lines joined, comments and prompts dropped."""
    for block in BLOCK.findall(README):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


COMMANDS = list(commands())


def of(program):
    """The README's calls of one program, without the variables set before it."""
    calls = [[word for word in words if not re.match(r"[A-Z_]+=", word)] for words in COMMANDS]
    return [call for call in calls if call and call[0] == program]


def test_readme_names_the_two_commands():
    """A visitor finds what to type."""
    assert {"reproduce", "test"} <= {word for call in of("make") for word in call[1:]}


@pytest.mark.parametrize("call", of("make"), ids=" ".join)
def test_make_targets_exist(call):
    """Every `make` target of the README is one of the Makefile."""
    assert {word for word in call[1:] if "=" not in word} <= MAKE_TARGETS


@pytest.mark.parametrize("call", of("labeldropout"), ids=" ".join)
def test_calls_of_the_command_line_parse(call):
    """Every `labeldropout` line of the README has verbs and flags that exist."""
    if "--help" in call:
        with pytest.raises(SystemExit, match="0"):
            parser().parse_args(call[1:])
    else:
        parser().parse_args(call[1:])


@pytest.mark.slow
@pytest.mark.parametrize("call", [call for call in of("labeldropout") if call[1] == "verify"], ids=" ".join)
def test_verify_finds_a_finished_study_as_recorded(call, finished_study):
    """The README's `labeldropout verify` runs in a finished study and has nothing to object."""
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
    """Every `dvc` line of the README has commands and flags that exist."""
    from dvc.cli import parse_args

    parse_args(call[1:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "call", of("snakemake") + [call for call in of("labeldropout") if call[1] == "reproduce"], ids=" ".join
)
def test_calls_of_snakemake_plan(call, tmp_path):
    """Every `snakemake` and `reproduce` line of the README plans its jobs; empty folders stand in for real data."""
    for name in ("Snakefile", "config", "workflow", "profiles", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("data/raw/camus", "data/raw/unity", "data/raw/echonet", "data/annotation/echonet"):
        (tmp_path / name).mkdir(parents=True)
    if "--report" in call:
        assert Path(call[call.index("--report") + 1]).suffix in {".html", ".zip"}
        call = call[: call.index("--report")] + call[call.index("--report") + 2 :]
    if "slurm" in call:
        call = [word.replace("slurm", "default") for word in call]
    if "--unlock" not in call:
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
    everyday = {"cd", "conda", "docker", "git", "pip", "python", "source", "apptainer", ".", "export", "cp", "tmux"}
    known = everyday | {"make", "labeldropout", "snakemake", "dvc"}
    first_words = {next((word for word in words if not re.match(r"[A-Z_]+=", word)), "export") for words in COMMANDS}
    assert {Path(word).name for word in first_words} - known == set()


def test_links_lead_somewhere():
    """Every relative link and picture of the README is in the repository."""
    links = re.findall(r"\]\(([^)#\s]+)", README) + re.findall(r'(?:src|href)="([^"#]+)"', README)
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_targets_named_in_the_table_are_rules():
    """The README's table has a target for every figure and table of the paper, and each is a rule of the workflow."""
    named = set(re.findall(r"^\|.*?`(?:snakemake )?((?:supplementary_)?(?:figure|table)_\d)`", README, re.MULTILINE))
    assert named == {*(f"figure_{n}" for n in range(1, 6)), "supplementary_figure_1", "table_1", "table_2"}
    assert named <= RULES


def test_sentence_on_figure_4_has_the_numbers_of_its_table():
    """Dice of Unity's atria, mean and SD over seeds: benchmark, without label dropout, at 50 % and at 100 %."""
    table = pd.read_csv(ROOT / "results" / "tables" / "figure_4.csv", dtype={"seed": str})
    atria = table[(table["seed"] == "all") & (table["dataset"] == "unity") & (table["structure"] == "LA")]
    rows = atria.set_index("model")
    for model in ("e4-benchmark", "e4-p00", "e4-p05", "e4-p10"):
        assert f"{rows.loc[model, 'dice_mean']:.2f} ± {rows.loc[model, 'dice_sd']:.2f}" in README, model


def test_ledger_is_that_of_the_tables():
    """Between the two marks stand the lines of the ledgers as the study wrote them, and nothing else."""
    tables = ROOT / "results" / "tables"
    before, ledger, after = README.split(MARK)
    assert ledger == f"\n{joined_ledger(sorted(tables.glob('claims*.md')))}\n", "make readme"
    assert before
    assert after


def test_nothing_is_left_to_fill_in():
    """Numbers that are put in at the end were put in."""
    assert re.findall(r"@[A-Z_]+@", README) == []


@pytest.mark.slow
@pytest.mark.parametrize("program", re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
def test_programs_run(program, tmp_path):
    """Python of the README runs as it stands, in an empty folder."""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
