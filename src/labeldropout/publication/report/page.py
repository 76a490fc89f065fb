"""Build the report: one page and a folder next to it, from whatever results of a study exist."""

from collections.abc import Iterable
from pathlib import Path

from labeldropout import drawing as overlays
from labeldropout.analysis.claims.verdicts import read_ledger, verdict_counts
from labeldropout.files import read_json, replacing
from labeldropout.items import LEDGERS, Item, Section, figures, tables
from labeldropout.publication.report.folder import folder_of
from labeldropout.publication.report.models import browse
from labeldropout.publication.report.origin import REAL, SIMULATED, kinds_of, mark, read_origins
from labeldropout.publication.report.quality import read_quality
from labeldropout.publication.report.shown import Shown, show, uncatalogued
from labeldropout.publication.report.trace import judge, read_sidecars
from labeldropout.publication.templates import environment
from labeldropout.running.sidecars import relative


def build_report(results: Path, root: Path, page: Path) -> None:
    """Write the page, and the folder of the same name next to it; the same results give the same bytes.

    The page marks missing results where they would appear. A reader needs only the page and the folder.

    Args:
        results: Folder of a study's results.
        root: Root of the workflow; names in sidecars are relative to it.
        page: The page to write.

    Raises:
        ValueError: The folder does not exist, a file in it cannot be read, or the page would overwrite something else;
            the message names it.
    """
    if not results.is_dir():
        raise ValueError(f"{results}: no such folder (expected the results of a study).")
    folder = folder_of(page, results)
    record_path = results / "run_record.json"
    record = read_json(record_path) if record_path.is_file() else None
    ledger = read_ledger(results / "tables")
    sidecars = read_sidecars(results)
    folder.mark()
    origins = read_origins(results)
    quality, other_trees = read_quality(results, folder, origins)
    browser = browse(results, folder, origins, (record or {}).get("structures", ()))
    line, findings, n_more, is_alarming = judge(results, root)

    def shown(items: Iterable[Item]) -> list[Shown]:
        return [show(item, results, folder, origins) for item in items]

    ledger_kinds = {
        kind for name in LEDGERS for kind in kinds_of(name, results) if (results / "tables" / f"{name}.csv").is_file()
    }
    claims_figures = [one for one in shown(figures(Section.CLAIMS, Section.OWN_CLAIMS)) if one.picture]
    paper_figures, own_figures = (shown(figures(section)) for section in (Section.PAPER, Section.OWN))
    biomarkers, training = (
        shown((*figures(section), *tables(section))) for section in (Section.BIOMARKERS, Section.TRAINING)
    )
    other_tables = shown((*tables(Section.PAPER), *tables(Section.OWN), *uncatalogued(results)))
    items = [*claims_figures, *paper_figures, *own_figures, *other_tables, *biomarkers, *training]
    pictures = [*browser.shown, *(one for one in (*quality, *other_trees) if one.pictures)]
    kinds = ledger_kinds.union(*(one.kinds for one in items if not one.is_missing), (one.kind for one in pictures))
    content = {
        "study": record["study"] if record else relative(results, root),
        "has_simulated": SIMULATED in kinds,
        "is_simulated": kinds == {SIMULATED},
        "is_real": kinds == {REAL},
        "shows_patients": any(one.kind != SIMULATED for one in pictures)
        or any(one.picture and one.item.shows_pictures and not one.is_simulated for one in items),
        "claims_mark": mark(ledger_kinds),
        "claims": ledger,
        "verdicts": verdict_counts(ledger),
        "ledger_links": {
            name: folder.copy(path, "tables")
            for name in LEDGERS
            if (path := results / "tables" / f"{name}.csv").is_file()
        },
        "missing_ledgers": [
            (name, words)
            for name, words in zip(LEDGERS, ("The paper’s claims", "Claims that our own experiments test"), strict=True)
            if not (results / "tables" / f"{name}.csv").is_file()
        ],
        "claims_figures": claims_figures,
        "paper_figures": paper_figures,
        "own_figures": own_figures,
        "tables": other_tables,
        "biomarkers": biomarkers,
        "overlays": browser.shown,
        "overlays_left_out": browser.left_out,
        "overlay_datasets": list(dict.fromkeys(one.dataset for one in browser.shown)),
        "overlay_models": list(dict.fromkeys(one.model for one in browser.shown)),
        "qualities": overlays.QUALITIES,
        "structures": [(name, "#{:02x}{:02x}{:02x}".format(*colour)) for name, colour in browser.colours.items()],
        "quality": quality,
        "other_trees": other_trees,
        "training": training,
        "record": record,
        "sidecars": sidecars,
        "verified": line,
        "findings": findings,
        "n_more_findings": n_more,
        "is_alarming": is_alarming,
    }
    text = environment().get_template("report/report.html.jinja").render(content)
    with replacing(page, "w") as file:
        file.write(text)
    folder.sweep()
