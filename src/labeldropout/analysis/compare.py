"""Making a table by its name: full numbers as CSV, rounded ones as Markdown and LaTeX."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labeldropout.analysis.cross_domain import cross_domain
from labeldropout.analysis.decomposition import decomposition
from labeldropout.analysis.panels import figure_4_cases, one_case_per_dataset, supplementary_figure_1
from labeldropout.analysis.paper_tables import table_1, table_2, tests, tests_instrument
from labeldropout.analysis.readings import in_units, reading_in_units, write_with_readings
from labeldropout.analysis.spreads import figure_table, instrument_table, length_table
from labeldropout.analysis.study import Content, Study, per_image, read_cases, read_models, read_reported, read_scores
from labeldropout.items import ITEMS, Item

TABLES: dict[str, Callable[[Study, Item], Content]] = {
    "table_1": table_1,
    "figure_1": figure_table,
    "cross_domain": cross_domain,
    "figure_2": one_case_per_dataset,
    "figure_3": figure_table,
    "figure_4": figure_table,
    "figure_4_cases": figure_4_cases,
    "figure_5": one_case_per_dataset,
    "supplementary_figure_1": supplementary_figure_1,
    "table_2": table_2,
    "tests": tests,
    "released": figure_table,
    "controls": instrument_table,
    "dose_response": instrument_table,
    "losses": instrument_table,
    "architectures": instrument_table,
    "label_sets": instrument_table,
    "decomposition": decomposition,
    "augmentation": instrument_table,
    "remedies": instrument_table,
    "training_length": length_table,
    "tests_instrument": tests_instrument,
}
"""How `compare` makes the table of an item."""


def compare(
    item: str,
    scores: Sequence[Path],
    configs: Sequence[Path],
    seeds: Sequence[str],
    shown_in: Sequence[str],
    cases: Sequence[Path],
    split: Sequence[Path],
    reported: Path,
    settings: dict[str, Any],
    output: Path,
) -> None:
    """Make one table: full numbers as CSV, rounded ones as Markdown and LaTeX beside it.

    Args:
        item: Key of `TABLES`.
        scores: `scores/<model>.csv` of the item's models.
        configs: `config.json` of the item's models.
        seeds: Their cells `seeds` in the list of experiments, in the same order.
        shown_in: Their cells `shown_in`, likewise.
        cases: Stores of cases.
        split: Tables `PATIENTS` of their data sets.
        reported: The paper's numbers, `config/reported.yaml`.
        settings: `statistics` (draws, seed), `kit` (shown), `seed`, `severity`, `steps` and `structures` of the study,
            `simulated`, `real`: the data sets that are not, and `unit`: what intervals draw, patients or images.
        output: Path of the table, with or without its extension.

    Raises:
        ValueError: The item is unknown, or an input does not fit; the message says which and what was expected.
    """
    if item not in TABLES:
        near = difflib.get_close_matches(item, TABLES, 1)
        raise ValueError(
            f"unknown item {item!r} (expected one of {', '.join(TABLES)})."
            + (f" Did you mean {near[0]}?" if near else "")
        )
    rows = read_models(configs, seeds, shown_in)
    if not rows and item not in {"table_1", "tests", "tests_instrument"}:
        raise ValueError(f"{item}: no model is shown in it (column shown_in of the list of experiments).")
    table = read_scores(scores, rows)
    study = Study(rows, table, per_image(table), read_cases(cases, split), read_reported(reported), settings)
    content = TABLES[item](study, ITEMS[item])
    write_with_readings(
        content.table,
        content.columns,
        output,
        in_units(content.caption, settings["unit"]),
        reading_in_units(content.reading, settings["unit"]),
        simulated=settings["simulated"],
    )
