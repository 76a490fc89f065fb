"""The site of the documentation: it builds without a network, and what it generates is what the code declares."""

import csv
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml

from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.learning.experiments import COLUMNS, DROPOUT_MODES, LOSS_NAMES
from labeldropout.learning.networks import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
LIST_PAGE = (CONFIG / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hooks():
    """The hooks of the site, as a module."""
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words_of(column):
    """The words in the last cell of a column's row on the page of the list."""
    row = re.search(rf"^\| `{column}` \|.*\| (.*) \|$", LIST_PAGE, re.MULTILINE)
    return tuple(re.findall(r"`([^`]+)`", row[1]))


def rows_of_lists():
    """Rows of all lists of experiments."""
    for path in CONFIG.glob("*.tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file, delimiter="\t")


def test_page_of_the_list_has_every_column():
    """The page explains the columns of the list, in their order, and no other."""
    assert tuple(re.findall(r"^\| `(\w+)` \| ", LIST_PAGE, re.MULTILINE)) == COLUMNS


def test_page_of_the_list_has_the_words_of_the_code():
    """The words that the page allows are those that the code takes."""
    assert words_of("loss") == tuple(LOSS_NAMES)
    assert words_of("dropout_mode") == tuple(DROPOUT_MODES)
    assert words_of("network") == tuple(NETWORKS)


@pytest.mark.parametrize("column", ["augmentation", "loss", "dropout_mode", "network"])
def test_lists_use_the_words_of_the_page(column):
    """No row of a list says something that the page does not name."""
    assert {row[column] for row in rows_of_lists()} - {""} <= set(words_of(column))


def test_page_of_the_list_has_every_file():
    """Every file of the folder has its line, and no line is about a file that is not there."""
    named = re.findall(r"^\| \[([\w.]+)\]\(\1\) \| ", LIST_PAGE, re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in CONFIG.iterdir() if path.name != "README.md")


def test_head_of_the_claims_has_every_kind():
    """Kinds of comparisons are explained at the head of the claims' file."""
    head = (CONFIG / "claims.yaml").read_text(encoding="utf-8").split("\nlevel:")[0]
    judged = [name for name, kind in KINDS.items() if not kind.is_shown]
    assert [kind for kind in judged if not re.search(rf"^#   {kind} ", head, re.MULTILINE)] == []


def test_every_table_has_its_columns(hooks):
    """Every declaration of columns of the package is on the page of columns, with every column."""
    page = hooks.columns()
    addresses = [address for group in hooks.COLUMNS.values() for address in group]
    assert len(addresses) == len(set(addresses))
    for address in addresses:
        declared, words = hooks._docstring(address)
        assert declared
        assert words.startswith("`")
        assert all(f"| `{name}` |" in page for name in declared)


def test_every_key_of_the_configuration_is_explained(hooks):
    """Every key that the schema knows is on the page of the configuration, with what it means."""
    page = hooks.configuration()
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))

    def described(part):
        if isinstance(part, dict):
            if "description" in part and "properties" not in part:
                yield part["description"]
            for value in part.values():
                yield from described(value)

    assert [name for name in schema["properties"] if f"`{name}" not in page and f"## {name}" not in page] == []
    below = {key: part for key, part in schema["properties"].items() if key != "datasets"}
    assert [words for words in described(below) if words not in page] == []
    assert "`datasets.camus.simulate.patients`" in page
    assert "None" not in page


def test_every_item_has_its_minutes(hooks):
    """Every figure and table that the list of experiments names has a line with its trainings and minutes."""
    page = hooks.minutes()
    with (CONFIG / "experiments.tsv").open(newline="", encoding="utf-8") as file:
        items = {item for row in csv.DictReader(file, delimiter="\t") for item in row["shown_in"].split("+")} - {""}
    assert [item for item in items if f"| `{item}` |" not in page] == []


def test_numbers_of_the_longer_study_are_those_of_its_table():
    """The page on running states them in words of its own, so a table made anew must change them."""
    page = " ".join((ROOT / "docs" / "study" / "run.md").read_text(encoding="utf-8").split())
    tables = ROOT / "results" / "tables"
    table = pd.read_csv(tables / "long_short.csv", dtype={"seed": str}, keep_default_na=False, na_values=[""])
    rows = table[table["structure"] != "mean"]
    is_hidden = rows["hidden"].notna() & (rows["dataset"] == "unity") & (rows["structure"] == "LA")
    rows = rows.assign(is_hidden=is_hidden)
    final = rows[(rows["seed"] == "all") & (rows["study"] == "long")]
    hidden = final[final["is_hidden"]]
    widths = (hidden["change_high"] - hidden["change_low"]) / 2
    assert f"(four models, {widths.min():.2f} to {widths.max():.2f} to either side)" in page
    assert len(widths) == 4
    shown = final.loc[~final["is_hidden"] & (final["reference"] == "dataset"), "change"]
    assert f"shown labels it gains {abs(shown.min()):.0f} to {shown.max():.2f}." in page
    trainings = rows[rows["is_hidden"] & (rows["seed"] != "all")]
    of_seed = trainings.pivot_table("dice_mean", ["model", "seed"], "study")
    gains = (of_seed["long"] - of_seed["short"])["e4-p05"]
    assert f"each seed gains {gains.min():.2f} to {gains.max():.2f};" in page
    default = pd.read_csv(tables / "training_length.csv", dtype={"seed": str})
    place = (default["model"] == "e4-p00") & (default["dataset"] == "unity") & (default["structure"] == "LA")
    every_seed = default.loc[place & (default["seed"] == "all"), "dice_mean"].item()
    assert f"{of_seed.loc['e4-p00', 'short'].mean():.2f} in Unity's atrium, all six {every_seed:.2f}." in page


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("claims.md", "../config/claims.yaml", "config/claims.yaml"),
        ("study/run.md", "../../results/tables/tests.csv", "../results/tables/tests.csv"),
        ("index.md", "docs/quickstart.md", "quickstart.md"),
        ("config/README.md", "../docs/study/configuration.md", "../study/configuration.md"),
        ("quickstart.md", "library/index.md", "library/index.md"),
        ("quickstart.md", "https://example.org/x", "https://example.org/x"),
        ("quickstart.md", "missing.md", "missing.md"),
    ],
)
def test_links_are_set_right_for_the_site(hooks, page, link, expected):
    """A link that works in the repository leads to the same file in the site; others stay, for mkdocs to refuse."""
    assert hooks.relinked(f"[words]({link}#there)", page) == f"[words]({expected}#there)"


def test_link_to_a_folder_becomes_its_words(hooks):
    """The site has no page for a folder."""
    assert hooks.relinked("see [the tables](../results/tables).", "reproduction.md") == "see the tables."


class _Loaded(HTMLParser):
    """What a page makes the browser load."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        """Keep addresses of scripts, style sheets, pictures and frames."""
        found = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.addresses.append(found.get("src") or "")
        elif tag == "link" and found.get("rel") not in {"canonical", "next", "prev"}:
            self.addresses.append(found.get("href") or "")


@pytest.mark.slow
def test_site_builds_and_needs_no_network(tmp_path):
    """`mkdocs build --strict` warns of nothing; every page is whole, and loads nothing from elsewhere."""
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert {"index.html", "claims.html", "DIARY.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = _Loaded()
        loaded.feed(text)
        assert [address for address in loaded.addresses if "//" in address] == [], page
        assert "generated:" not in text, page
        assert ":::" not in text, page
    style = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.css"))
    assert not re.search(r"(?:@import|url\()\s*[\"']?https?:", style)
    losses = (tmp_path / "site" / "library" / "losses.html").read_text(encoding="utf-8")
    assert 'id="labeldropout.losses.marginal_cross_entropy"' in losses
    assert not (tmp_path / "site" / "hooks.py").exists()
