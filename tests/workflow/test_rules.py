"""The text of the workflow: style, names, and what it refuses at parse."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from labeldropout.cli.main import VERBS
from labeldropout.configuration import check_keys
from labeldropout.learning.experiments import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
RULE_FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", re.MULTILINE | re.DOTALL)
RULES = {name: body for path in RULE_FILES for name, body in RULE.findall(path.read_text())}
JOBS = {name: body for name, body in RULES.items() if "shell:" in body}


def test_rules_are_formatted():
    """Snakefmt would change nothing."""
    result = subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_linter_finds_nothing(workflow):
    """Snakemake's linter is content."""
    result = workflow.run("--lint")
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_jobs():
    """The pattern by which these tests find rules finds them."""
    assert len(JOBS) >= 16
    assert "train" in JOBS


@pytest.mark.parametrize("name", JOBS)
def test_rule_calls_one_verb_of_its_name(name):
    """A rule is one call of the verb whose name it has; a word may follow, for a second rule on the same verb."""
    calls = re.findall(r'"labeldropout ([a-z-]+)(?: (export|import))?', JOBS[name])
    assert len(calls) == 1
    verb = calls[0][0]
    assert verb in VERBS
    called = "_".join(part for part in calls[0] if part).replace("-", "_")
    assert name == called or name.startswith(f"{called}_")


@pytest.mark.parametrize("name", JOBS)
def test_rule_logs_into_a_folder_of_its_name(name):
    """Who sees a rule finds its log."""
    assert re.search(rf'"<(results|data)>/logs/{name}/', JOBS[name])


@pytest.mark.parametrize("name", JOBS)
def test_rule_declares_its_code_and_says_what_it_does(name):
    """Without `code=` an edited module reruns nothing; without a message nobody sees what runs."""
    assert re.search(r"\bcode=", JOBS[name])
    assert re.search(r'message:\n +"[A-Z].*\.\"', JOBS[name])


@pytest.mark.parametrize("name", JOBS)
def test_rule_that_publishes_has_a_sidecar(name):
    """Snakemake fails a job whose declared sidecar is missing: no table or figure can come without."""
    output = JOBS[name].split("    output:\n")[-1].split("    log:\n")[0]
    publishes = re.search(r"<results>/(tables|figures|scores|predictions|released)/", output)
    assert bool(publishes) == ('.provenance.json",' in output)


@pytest.mark.parametrize("name", RULES)
def test_rules_hold_no_logic(name):
    """No run block, no lambda: logic stands where a test reaches it."""
    assert "run:" not in RULES[name]
    assert "lambda" not in RULES[name]


@pytest.mark.parametrize("name", RULES)
def test_rules_with_a_command_name_their_code(name):
    """A rule that runs something has the fingerprint of what it runs among its parameters, never files of code."""
    assert ("shell:" in RULES[name]) == bool(re.search(r"^        code=\w", RULES[name], re.MULTILINE))
    assert ".py" not in RULES[name]


@pytest.mark.parametrize(
    "name",
    [
        "experiments.tsv",
        "experiments_smoke.tsv",
        "experiments_long.tsv",
        "experiments_instructions.tsv",
        "experiments_released.tsv",
    ],
)
def test_columns_are_the_fields_of_an_experiment(name):
    """The list has the columns that `Experiment` has, in order."""
    header = (ROOT / "config" / name).read_text().splitlines()[0]
    assert tuple(header.split("\t")) == COLUMNS


def schema_nodes(schema, path=""):
    """Every named property of a schema, definitions included."""
    for section in ("properties", "$defs"):
        for name, node in schema.get(section, {}).items():
            yield f"{path}{name}", node
            yield from schema_nodes(node, f"{path}{name}.")
            yield from schema_nodes(node.get("items", {}), f"{path}{name}.")


def test_every_key_of_the_configuration_has_a_sentence():
    """The schema explains each key and lets no other pass."""
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    nodes = dict(schema_nodes(schema))
    assert len(nodes) > 60
    for path, node in nodes.items():
        assert "$ref" in node or node.get("description", "").endswith("."), path
        if node.get("type") == "object" and path != "dataset.options":
            others = node.get("additionalProperties")
            assert others is False or set(others) & {"$ref"}, path


@pytest.mark.parametrize(
    "name", ["config.yaml", "paper.yaml", "smoke.yaml", "long.yaml", "instructions.yaml", "released.yaml"]
)
def test_configurations_have_known_keys_only(name):
    """The schema knows every key of the studies, and the overriding ones set no key that their parent lacks."""
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    default = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    study = yaml.safe_load((ROOT / "config" / name).read_text())
    check_keys(study, schema, name)

    def missing(overrides, parent):
        for key, value in overrides.items():
            if key not in parent:
                yield key
            elif isinstance(value, dict) and isinstance(parent[key], dict):
                yield from missing(value, parent[key])

    assert list(missing(study, default)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("sede=3", ["'sede'", "'seed'"]),
        ("severity=3", ["3", "maximum"]),
        ("selection={model: no-such-model}", ["no-such-model"]),
    ],
)
def test_bad_configuration_stops_at_parse(workflow, override, words):
    """A misspelt key or a value out of range ends the run before it starts, and the message names it."""
    said = workflow.refusal("--config", override)
    assert all(word in said for word in words), said
    assert "Traceback (most recent call last)" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dropout_mode", "drpout_mode", ["drpout_mode", "'dropout_mode'"]),
    ],
)
def test_bad_row_stops_at_parse(workflow, old, new, words):
    """A misspelt column or cell ends the run before it starts, with the nearest valid name."""
    workflow.edit("config/experiments.tsv", old, new)
    said = workflow.refusal()
    assert all(word in said for word in words), said
    assert "config/experiments.tsv" in said


@pytest.mark.slow
def test_missing_real_data_say_how_to_get_them(workflow):
    """A data set that is not there says what to download and where to put it."""
    for name in ("camus", "unity"):
        (workflow.root / "data" / "raw" / name).mkdir(parents=True)
    said = workflow.refusal("--configfile", "config/paper.yaml")
    assert "data/raw/echonet" in said
    assert "EchoNet" in said
