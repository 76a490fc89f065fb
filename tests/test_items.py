"""The catalogue of figures and tables: complete, and in step with what draws and makes them."""

import ast
import re
import sys
from pathlib import Path

import pytest

from labeldropout import items
from labeldropout.analysis.compare import TABLES
from labeldropout.items import INSTRUMENT_ITEMS, ITEMS, LEDGERS, Kind, Section, Whose, figures, listed, tables
from labeldropout.publication.figures.draw import FIGURES

RULES = Path(__file__).resolve().parents[1] / "workflow" / "rules"


@pytest.mark.parametrize("name", ITEMS)
def test_every_item_says_what_it_is(name):
    """An item stands under its own name, has a title, asks a question, and can be asked for as a target."""
    item = ITEMS[name]
    assert item.name == name
    assert item.title
    assert item.question.endswith("?")
    assert not item.caption or item.caption.endswith(".")
    assert item.section is Section.BEHIND or item.section in {Section.CLAIMS, Section.OWN_CLAIMS} or item.caption
    rules = {
        found for path in RULES.glob("*.smk") for found in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
    }
    assert item.target in rules


@pytest.mark.parametrize("item", figures(), ids=lambda item: item.name)
def test_every_figure_has_an_alternative_text(item):
    """One plain sentence that says what is shown, without a result."""
    text = item.alternative
    assert text.endswith(".")
    assert ". " not in text
    assert 60 < len(text) < 400
    assert not re.search(r"\d\.\d", text)


def test_the_catalogue_holds_what_can_be_drawn_and_made():
    """Every figure can be drawn and nothing else is; every table with a caption of its own is made by `compare`."""
    assert {item.name for item in figures()} == set(FIGURES)
    assert {name for name, item in ITEMS.items() if item.is_compared} == set(TABLES)


def test_tables_behind_figures_are_in_the_catalogue():
    """A figure needs the table of its name first, and further ones that can be made."""
    assert ITEMS["figure_4"].tables == ("figure_4", "figure_4_cases")
    assert ITEMS["figure_4"].picture_table == "figure_4_cases"
    assert ITEMS["figure_5"].picture_table == "figure_5"
    assert ITEMS["biomarkers"].tables == ("biomarkers", "biomarkers_patients")
    for name, item in ITEMS.items():
        assert item.tables[0] == name
        assert set(item.tables) <= set(ITEMS)
        assert item.kind is Kind.FIGURE or not (item.shows_pictures or item.further_tables)
        assert item.made_with in {"", *ITEMS}


def test_every_section_has_its_items():
    """The paper's figures and tables, one beside them, ours, and the two ledgers, in the order of the report."""
    assert [item.name for item in figures(Section.PAPER)] == [
        *(f"figure_{number}" for number in range(1, 6)),
        "supplementary_figure_1",
    ]
    assert [item.name for item in tables(Section.PAPER)] == ["cross_domain", "table_1", "table_2", "tests"]
    assert [item.name for item in tables(Section.OWN)] == ["training_length", "tests_instrument"]
    assert len(figures()) + len(tables()) == len(ITEMS)
    assert LEDGERS == {"claims": "study", "claims_instrument": "instrument"}


def test_rows_of_the_list_name_items_of_the_study_or_of_our_own():
    """A row that only our own experiments show is no part of the paper's study; a row shown nowhere is."""
    own = [item.name for item in (*figures(Section.OWN), *tables(Section.OWN)) if item.is_listed]
    assert set(own) == set(INSTRUMENT_ITEMS)
    assert listed(Whose.INSTRUMENT) == INSTRUMENT_ITEMS
    assert {"figure_4_cases", "tests", "table_2"} < set(listed(Whose.STUDY))
    assert items.is_of_the_study([])
    assert items.is_of_the_study(["figure_4", "controls"])
    assert not items.is_of_the_study(["controls", "losses"])


def test_only_two_items_need_an_observer():
    """Table 2 and Supplementary Figure 1 show what an observer drew."""
    assert [name for name in ITEMS if items.needs_observer(name)] == ["supplementary_figure_1", "table_2"]
    assert items.tables_of("figure_4") == ("figure_4", "figure_4_cases")


def test_the_catalogue_needs_nothing_but_words():
    """The workflow reads it while it is parsed, so it imports the standard library and `labels` alone."""
    tree = ast.parse(Path(items.__file__).with_name("catalogue.py").read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert all(name.split(".")[0] in sys.stdlib_module_names or name == "labeldropout.items.item" for name in modules)
