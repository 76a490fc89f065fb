"""A new data set, with its folder, its entry in the catalogue and its configuration: it retrains nothing."""

import re
import shutil
from pathlib import Path

import pytest
from workflow_copy import Workflow

NEW = "harbour"
OWN_JOBS = ("simulate", "import_dataset", "segment_cone", "prepare", "split", "resolve", "train", "evaluate")
TOLD_ANEW = {
    *("compare", "claims_table", "summarise_histories", "summarise_tables", "figures_item", "run_record"),
    "soundness",
    "all",
}
"""What shows all models or data sets together: tables, figures, and what is made from them."""

pytestmark = pytest.mark.slow


def add_folder(workflow: Workflow) -> None:
    """Copy the folder of Unity under another name, with streams of random numbers of its own."""
    data = workflow.root / "src" / "labeldropout" / "data"
    shutil.copytree(data / "unity", data / NEW)
    for path in (data / NEW).glob("*.py"):
        path.write_text(path.read_text().replace("labeldropout.data.unity", f"labeldropout.data.{NEW}"))
    here = Path("src/labeldropout/data") / NEW
    workflow.edit(f"{here}/__init__.py", 'NAME = "unity"', f'NAME = "{NEW}"')
    workflow.edit(f"{here}/scanner.py", "\nSTREAM = 1\n", "\nSTREAM = 4\n")
    workflow.edit(f"{here}/scanner.py", "_WRITER_STREAM = 3\n", "_WRITER_STREAM = 5\n")


def add_entry(workflow: Workflow) -> None:
    """Give the catalogue the same entry once more, under the new name."""
    path = workflow.root / "src" / "labeldropout" / "data" / "catalogue.py"
    text = path.read_text()
    imports = re.findall(r"^from labeldropout\.data\.unity import .*\n", text, re.MULTILINE)
    entry = re.search(r'^    "unity": DataSet\(\n.*?^    \),\n', text, re.MULTILINE | re.DOTALL)
    assert imports
    assert entry
    text = text.replace("import camus, echonet, unity\n", f"import camus, echonet, {NEW}, unity\n")
    for part in (imports[-1], entry[0]):
        text = text.replace(part, part + ("".join(imports) if part in imports else part).replace("unity", NEW))
    path.write_text(text)


def configure(workflow: Workflow) -> None:
    """Let the configuration and its schema know the data set, and a row of the list train on it."""
    workflow.edit(
        "config/config.yaml",
        "  echonet:\n    raw: simulated\n",
        f"  {NEW}:\n    raw: simulated\n    simulate: {{images: 40}}\n    options: {{}}\n    cone: network\n"
        "  echonet:\n    raw: simulated\n",
    )
    workflow.edit("config/config.yaml", "echonet: random}", f"echonet: random, {NEW}: random}}")
    schema = "workflow/schemas/config.schema.yaml"
    workflow.edit(schema, "      unity:\n", f'      {NEW}:\n        $ref: "#/$defs/dataset"\n      unity:\n')
    workflow.edit(
        schema, "          unity:\n", f'          {NEW}:\n            $ref: "#/$defs/split_source"\n          unity:\n'
    )
    row = next(
        line for line in (workflow.root / "config/experiments.tsv").read_text().splitlines() if "e1-unity" in line
    )
    cells = row.replace("e1-unity\t1\tfigure_1+cross_domain\tunity", f"e1-{NEW}\t1\tfigure_1\t{NEW}")
    new = cells.replace("camus+unity+echonet", f"camus+{NEW}").replace("\t0,1,2\t", "\t0\t")
    assert new != cells != row
    workflow.edit("config/experiments.tsv", row + "\n", f"{row}\n{new}\n")


def test_a_new_data_set_retrains_nothing(finished):
    """In a finished study only the new row's own jobs are planned, and tables and figures; nothing else is trained."""
    add_folder(finished)
    add_entry(finished)
    assert finished.planned().keys() <= TOLD_ANEW  # nothing uses it yet
    configure(finished)
    planned = finished.planned()
    assert {rule: planned.pop(rule, 0) for rule in OWN_JOBS} == dict.fromkeys(OWN_JOBS, 1)
    assert planned.keys() <= TOLD_ANEW
