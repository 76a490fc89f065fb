"""Verb `put-ledger`: the results of the claims in the README, and on a page of all claims."""

import csv
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labeldropout.analysis.claims.ledger import comparison_lines, judged_effect, reported_words
from labeldropout.analysis.claims.minutes import minutes_of
from labeldropout.analysis.claims.verdicts import Claim, read_ledger, verdict_counts
from labeldropout.analysis.claims.words import cell_words
from labeldropout.files import read_json, replacing

RESULTS_MARK = "<!-- results -->"
"""Marks the beginning and the end of the lines on the results in the README."""
CLAIMS_MARK = "<!-- claims -->"
"""Marks the beginning and the end of what is made from the tables in `docs/claims.md`."""
MAIN = ("C6", "C11", "C12", "C14")
"""Claims that have a line of their own in the README: the paper's main one, and those that test its explanation."""
WIDTH = 150
"""Characters per line of the README."""


def result_lines(claims: Sequence[Claim]) -> str:
    """Return the lines on the results in the README: how many claims have each verdict, then the main claims.

    Args:
        claims: From `read_ledger`.
    """
    counts = ", ".join(f"{one.count} {one.words}" for one in verdict_counts(claims) if one.count)
    simulated = " on simulated data" if all(row.data == "simulated" for claim in claims for row in claim.rows) else ""
    lines = [f"- **{len(claims)} claims judged{simulated}**: {counts}. [Every claim with its numbers](docs/claims.md)"]
    for claim in claims:
        if claim.name not in MAIN:
            continue
        row = claim.deciding_row
        found = row.why if math.isnan(row.effect) else judged_effect(row)
        lines.append(
            f"- **{claim.name}, {claim.verdict}**: {claim.sentence} Decided by: {row.comparison},"
            f" {cell_words(row)}: {found}"
        )
    return "\n".join(
        textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in lines
    )


def claims_page(
    claims: Sequence[Claim], caption: str, experiments: Sequence[Mapping[str, str]], record: Mapping[str, Any]
) -> str:
    """Return the text between the marks of the page of claims: a table of all, then each with its comparisons.

    Args:
        claims: From `read_ledger`.
        caption: How they were judged.
        experiments: Rows of the list of experiments, as text.
        record: `run_record.json`.
    """
    table = [
        "| Verdict | In one sentence | Claim | In the paper | Command | File | Minutes |",
        "| --- | --- | --- | --- | --- | --- | ---: |",
        *(
            f"| **{claim.verdict}** ({claim.tally}) | {claim.sentence} | {claim.name}. {claim.statement}"
            f" | {claim.where} | `snakemake {claim.target}`"
            f" | [{claim.target}.csv](../results/tables/{claim.target}.csv)"
            f" | {minutes_of(claim.target, experiments, record)[1]} |"
            for claim in claims
        ),
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


def put_ledger(results: Path, root: Path) -> None:
    """Put the results into the README and into `docs/claims.md`, replacing what is between their marks.

    Args:
        results: Folder of a study's results: its claims tables and its run record are read.
        root: Folder of the repository.

    Raises:
        ValueError: There is no claims table, a text does not have its two marks, or a table is malformed.
    """
    claims = read_ledger(results / "tables")
    if not claims:
        raise ValueError(f"{results / 'tables'}: no claims.csv (expected the tables of `snakemake claims`).")
    caption = (results / "tables" / "claims.md").read_text(encoding="utf-8").splitlines()[0]
    with (root / "config" / "experiments.tsv").open(newline="", encoding="utf-8") as file:
        experiments = list(csv.DictReader(file, delimiter="\t"))
    page = claims_page(claims, caption, experiments, read_json(results / "run_record.json"))
    readme, page_file = root / "README.md", root / "docs" / "claims.md"
    changed = {
        path: between(path.read_text(encoding="utf-8"), mark, content, path)
        for path, mark, content in (
            (readme, RESULTS_MARK, result_lines(claims)),
            (page_file, CLAIMS_MARK, page),
        )
    }
    for path, text in changed.items():
        with replacing(path, "w") as written:
            written.write(text)
