"""Verb `put-ledger`: the results of the claims in the README, and on a page of all claims of a study."""

import csv
import math
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeldropout.analysis.claims.ledger import comparison_lines, reported_words
from labeldropout.analysis.claims.minutes import minutes_of
from labeldropout.analysis.claims.rules import Outcome, Verdict
from labeldropout.analysis.claims.verdicts import Claim, read_ledger, verdict_counts
from labeldropout.analysis.claims.words import cell_words, effect_words
from labeldropout.files import read_json, replacing

CLAIMS_MARK = "<!-- claims -->"
"""Marks the beginning and the end of what is made from the tables on a page of claims."""
WIDTH = 158
"""Characters per line of the README."""


@dataclass(frozen=True)
class Page:
    """Where the claims of a committed study are shown; paths begin at the repository's root."""

    results: str
    """Folder of the study's results."""
    file: str
    """Page of its claims."""
    mark: str
    """Marks the beginning and the end of its lines in the README."""
    experiments: str
    """Its list of experiments."""
    main: tuple[str, ...]
    """Claims that have a line of their own in the README: the paper's main one, and those that test its explanation."""
    options: str = ""
    """What a command of this study says besides its target."""


PAGES = (
    Page("results", "docs/claims.md", "<!-- results -->", "config/experiments.tsv", ("C6", "C11", "C12", "C14")),
    Page(
        "results/cells",
        "docs/study/cells.md",
        "<!-- cells -->",
        "config/experiments_cells.tsv",
        ("C6", "C14"),
        " --configfile config/cells.yaml",
    ),
)


def _in_short(row: Any) -> str:
    """A comparison with its outcome, models, cell and effect."""
    found = row.why if math.isnan(row.effect) else effect_words(row)
    return f"{str(row.outcome).capitalize()}: {row.comparison}, {cell_words(row)}: {found}"


def result_lines(claims: Sequence[Claim], page: Page) -> str:
    """Return the lines on a study's results in the README: how many claims have each verdict, then the main claims.

    Args:
        claims: From `read_ledger`.
        page: Where they are shown.
    """
    counts = ", ".join(f"{one.count} {one.words}" for one in verdict_counts(claims) if one.count)
    origins = {row.data for claim in claims for row in claim.rows}
    data = f" on {origins.pop()} data" if len(origins) == 1 else ""
    lines = [f"- **{len(claims)} claims judged{data}**: {counts}. [Every claim with its numbers]({page.file})"]
    for claim in claims:
        if claim.name not in page.main:
            continue
        held = [row for row in claim.rows if row.outcome == Outcome.HOLDS][:1]
        shown = [*held, claim.deciding_row] if claim.verdict == Verdict.IN_PART else [claim.deciding_row]
        lines.append(f"- **{claim.name}, {claim.verdict}**: {claim.sentence} {'. '.join(map(_in_short, shown))}")
    return "\n".join(
        textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in lines
    )


def claims_page(claims: Sequence[Claim], page: Page, root: Path) -> str:
    """Return the text between the marks of the page of claims: a table of all, then each with its comparisons.

    Minutes are there if the study's run record is.

    Args:
        claims: From `read_ledger`.
        page: Where they are shown.
        root: Folder of the repository, whose tables and list of experiments are read.
    """
    tables = os.path.relpath(f"{page.results}/tables", Path(page.file).parent)
    caption = (root / page.results / "tables" / "claims.md").read_text(encoding="utf-8").splitlines()[0]
    record = root / page.results / "run_record.json"
    minutes = dict.fromkeys((claim.target for claim in claims), "")
    table = [
        "| Verdict | In one sentence | Claim | In the paper | Command | File |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    if record.is_file():
        with (root / page.experiments).open(newline="", encoding="utf-8") as file:
            experiments = list(csv.DictReader(file, delimiter="\t"))
        seconds = read_json(record)
        minutes = {target: f" {minutes_of(target, experiments, seconds)[1]} |" for target in minutes}
        table = [f"{table[0]} Minutes |", f"{table[1]} ---: |"]
    table += [
        f"| **{claim.verdict}** ({claim.tally}) | {claim.sentence} | {claim.name}. {claim.statement}"
        f" | {claim.where} | `snakemake {claim.target}{page.options}`"
        f" | [{claim.target}.csv]({tables}/{claim.target}.csv) |{minutes[claim.target]}"
        for claim in claims
    ]
    parts = [caption, "\n".join(table)]
    for claim in claims:
        paper = "; ".join(reported_words(claim.rows))
        words = [f"**{claim.verdict}** ({claim.tally}).", claim.sentence, f"{claim.where}."]
        parts += [
            f"## {claim.name}. {claim.statement}",
            " ".join([*words, *([f"The paper: {paper}."] if paper else [])]),
            "\n".join(f"- {line}" for line in comparison_lines(claim.rows)),
        ]
    return "\n\n".join(parts)


def between(text: str, mark: str, content: str, where: Path) -> str:
    """Return a text with new content between its two marks.

    Args:
        text: The text.
        mark: The mark, found before and after the content.
        content: What to put there.
        where: File of the text, for the message.

    Raises:
        ValueError: The text does not have exactly two marks.
    """
    parts = text.split(mark)
    if len(parts) != 3:
        raise ValueError(f"{where}: {len(parts) - 1} marks {mark} (expected two, before and after).")
    return f"{parts[0]}{mark}\n{content}\n{mark}{parts[2]}"


def put_ledger(root: Path) -> None:
    """Put the results of the committed studies into the README and their pages, replacing what is between the marks.

    Args:
        root: Folder of the repository. The claims tables and the run record of each study are read; a study without
            claims tables keeps what is written of it.

    Raises:
        ValueError: No study has a claims table, a text does not have its two marks, or a table is malformed.
    """
    judged = [(page, claims) for page in PAGES if (claims := read_ledger(root / page.results / "tables"))]
    if not judged:
        raise ValueError(
            f"{root / PAGES[0].results / 'tables'}: no claims.csv (expected the tables of `snakemake claims`)."
        )
    readme = root / "README.md"
    changed = {readme: readme.read_text(encoding="utf-8")}
    for page, claims in judged:
        changed[readme] = between(changed[readme], page.mark, result_lines(claims, page), readme)
        file = root / page.file
        changed[file] = between(file.read_text(encoding="utf-8"), CLAIMS_MARK, claims_page(claims, page, root), file)
    for path, text in changed.items():
        with replacing(path, "w") as written:
            written.write(text)
