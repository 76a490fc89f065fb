"""Hooks that mkdocs runs while building the site: add the README as home page, repository files, and generated tables.

Pages link to files of the repository relative to the page, as GitHub shows them. Any file outside docs/ that a page
links to is copied into the site, so that the site is self-contained. Where a page says `<!-- generated: name -->`, the
function of that name in `GENERATED` writes the content: it is not stored, so it cannot go stale.
"""

import ast
import csv
import importlib
import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

COLUMNS = {
    "Data": (
        "labeldropout.data.case_store:CASES",
        "labeldropout.data.segment_cone:CONES",
        "labeldropout.data.prepared:PREPARED",
        "labeldropout.data.parts:PATIENTS",
    ),
    "Models and scores": (
        "labeldropout.learning.tables:HISTORY",
        "labeldropout.learning.tables:SCORES",
    ),
    "Tables of the paper": (
        "labeldropout.analysis.spreads:FIGURE_TABLE",
        "labeldropout.analysis.panels:PANEL_TABLE",
        "labeldropout.analysis.paper_tables:TABLE_1",
        "labeldropout.analysis.paper_tables:TABLE_2",
        "labeldropout.analysis.paper_tables:TESTS",
        "labeldropout.analysis.summarise:TRAINING_CURVES",
        "labeldropout.analysis.soundness:SOUNDNESS",
        "labeldropout.analysis.claims.judge:CLAIMS",
        "labeldropout.analysis.cross_domain:CROSS_DOMAIN",
        "labeldropout.analysis.compare_machines:MACHINES",
        "labeldropout.analysis.compare_machines:MACHINE_VERDICTS",
    ),
    "Tables of our own experiments": (
        "labeldropout.analysis.spreads:INSTRUMENT_TABLE",
        "labeldropout.analysis.decomposition:DECOMPOSITION",
        "labeldropout.analysis.lengths:LONG_SHORT",
        "labeldropout.analysis.spreads:LENGTH_TABLE",
        "labeldropout.analysis.biomarkers.measure:BIOMARKERS",
        "labeldropout.analysis.biomarkers.agree:BIOMARKER_AGREEMENT",
        "labeldropout.analysis.shortcut.table:SHORTCUT",
    ),
    "Your own pictures": ("labeldropout.predict.measures:AREAS", "labeldropout.predict.measures:CLIPS"),
}
"""Where the columns of the tables are declared, by heading: a dictionary of column and meaning, with a docstring."""
MINUTES = "labeldropout.analysis.claims.minutes"
"""Module that knows how long a target takes."""

_LINK = re.compile(r"\[([^\[\]]*)\]\(([^()\s#]+)(#[^()\s]*)?\)")
_MARK = re.compile(r"<!-- generated: ([\w-]+) -->")


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"


def _table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    return "\n".join([_row(*header), "|" + " --- |" * len(header), *(_row(*row) for row in rows)])


def _docstring(address: str) -> tuple[Mapping[str, str], str]:
    """Return the declaration `module:NAME` and the docstring below it."""
    module_name, name = address.split(":")
    module = importlib.import_module(module_name)
    body = ast.parse(inspect.getsource(module)).body
    for node, beneath in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        is_it = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if is_it and isinstance(beneath, ast.Expr) and isinstance(beneath.value, ast.Constant):
            return getattr(module, name), str(beneath.value.value)
    raise ValueError(f"{address}: no declaration with a docstring beneath.")


def columns() -> str:
    """Return every table with its columns, from their declarations."""
    parts = []
    for heading, addresses in COLUMNS.items():
        parts.append(f"## {heading}")
        for address in addresses:
            declared, words = _docstring(address)
            title, _, rest = words.rstrip(".").partition(": ")
            parts += [f"### {title}", f"{rest[0].upper()}{rest[1:]}." if rest else ""]
            parts.append(_table(("column", "meaning"), [(f"`{name}`", text) for name, text in declared.items()]))
    return "\n\n".join(part for part in parts if part)


def _keys(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, entry in schema.get("properties", {}).items():
        own = {key: value for key, value in entry.items() if key != "$ref"}
        whole = {**definitions[entry["$ref"].rsplit("/", 1)[1]], **own} if "$ref" in entry else entry
        yield f"{prefix}{name}", whole
        yield from _keys(whole, definitions, f"{prefix}{name}.")
        yield from _keys(whole.get("items", {}), definitions, f"{prefix}{name}[].")


def _allowed(entry: Mapping[str, Any]) -> str:
    """Describe the allowed values of a key in words."""
    if "enum" in entry:
        return ", ".join(f"`{word}`" for word in entry["enum"])
    kinds = entry.get("type", "")
    words = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if words == "array" and "type" in entry.get("items", {}):
        words = f"list of {entry['items']['type']}s"
    ends = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    limits = [f"{text} {entry[key]}" for key, text in ends.items() if key in entry]
    if "multipleOf" in entry:
        limits.append(f"a multiple of {entry['multipleOf']}")
    return ", ".join([words, *limits])


def _value(settings: Any, key: str) -> str:
    """Return the value of a dotted key, or a dash if there is none."""
    for name in key.split("."):
        if not isinstance(settings, dict) or name not in settings:
            return "–"
        settings = settings[name]
    return f"`{json.dumps(settings)}`"


def configuration() -> str:
    """Return every key of the configuration, from its schema, with its value in the default study."""
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    single, parts = [], []
    for name, entry in schema["properties"].items():
        below = [
            *_keys(entry, schema["$defs"], f"{name}."),
            *_keys(entry.get("items", {}), schema["$defs"], f"{name}[]."),
        ]
        if not below:
            single.append((f"`{name}`", entry["description"], _allowed(entry), _value(defaults, name)))
            continue
        # A section is a group of keys without a value of its own; each data set has only some of the sizes.
        leaves = [(key, one, _value(defaults, key)) for key, one in below if "properties" not in one]
        has_value = {one["description"] for _, one, value in leaves if value != "–"}
        rows = [
            (f"`{key}`", one["description"], _allowed(one), value)
            for key, one, value in leaves
            if value != "–" or one["description"] not in has_value
        ]
        parts += [
            f"## {name}",
            entry["description"],
            _table(("key", "meaning", "allowed", "default study"), rows),
        ]
    first = ["## Single keys", _table(("key", "meaning", "allowed", "default study"), single)]
    return "\n\n".join([*first, *parts])


def minutes() -> str:
    """Return models, trainings and minutes for every figure and table of the list of experiments."""
    module = importlib.import_module(MINUTES)
    record = json.loads((ROOT / "results" / "run_record.json").read_text(encoding="utf-8"))
    with (ROOT / "config" / "experiments.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    items = dict.fromkeys(item for row in rows for item in row["shown_in"].split("+") if item)
    cells = []
    for item in items:
        trainings, taken = module.minutes_of(item, rows, record)
        models = sum(item in row["shown_in"].split("+") for row in rows)
        cells.append((f"`{item}`", models, trainings, taken))
    machine = (
        f"Measured on: {record['machine']}. The whole of `make reproduce`: {module.minutes_in_all(record)} minutes."
    )
    return f"{machine}\n\n{_table(('target', 'models', 'trainings', 'minutes'), cells)}"


GENERATED = {"columns": columns, "configuration": configuration, "minutes": minutes}


def place_of(uri: str) -> Path:
    """Return the path in the repository of a file of the site, relative to the root.

    Args:
        uri: Source of the file, as named by mkdocs.
    """
    if uri == "index.md":
        return Path("README.md")
    return Path("docs", uri) if (ROOT / "docs" / uri).exists() else Path(uri)


def uri_of(place: Path) -> str:
    """Return the inverse: the name that mkdocs uses for a file of the repository."""
    if place == Path("README.md"):
        return "index.md"
    return place.relative_to("docs").as_posix() if place.parts[0] == "docs" else place.as_posix()


def target_of(uri: str, link: str) -> Path | None:
    """Return the file or folder of the repository that a page links to; None if the link leads elsewhere.

    Args:
        uri: The page.
        link: The link as written in the page, without anchor.
    """
    place = Path(os.path.normpath(place_of(uri).parent / link))
    return place if ":" not in link and place.parts[:1] != ("..",) and (ROOT / place).exists() else None


def relinked(markdown: str, uri: str) -> str:
    """Rewrite the links of a page for the site; a link to a folder, which the site cannot show, becomes plain text.

    Args:
        markdown: The page.
        uri: Its name in mkdocs.
    """

    def link(found: re.Match[str]) -> str:
        words, address, anchor = found[1], found[2], found[3] or ""
        place = target_of(uri, address)
        if place is None:
            return found[0]
        if (ROOT / place).is_dir():
            return words
        return f"[{words}]({os.path.relpath(uri_of(place), Path(uri).parent)}{anchor})"

    return _LINK.sub(link, markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as home page, and every file of the repository that a page links to."""
    files.append(File.generated(config, "index.md", abs_src_path=str(ROOT / "README.md")))
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        uri = waiting.pop()
        for _, address, _ in _LINK.findall((ROOT / place_of(uri)).read_text(encoding="utf-8")):
            place = target_of(uri, address)
            if place is None or (ROOT / place).is_dir() or files.get_file_from_path(uri_of(place)):
                continue
            added = File.generated(config, uri_of(place), abs_src_path=str(ROOT / place))
            files.append(added)
            if added.is_documentation_page():
                waiting.append(added.src_uri)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - the names are mkdocs'
    """Insert the generated content into a page, and rewrite its links."""
    return _MARK.sub(lambda found: GENERATED[found[1]](), relinked(markdown, page.file.src_uri))
