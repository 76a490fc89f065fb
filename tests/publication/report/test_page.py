"""The report: what is there is shown, what is missing is said, and a browser has nothing to complain of."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, chromium
from PIL import Image

from labeldropout import drawing as overlays
from labeldropout.analysis.claims.judge import CLAIMS
from labeldropout.analysis.typesetting import markdown
from labeldropout.cli.main import main
from labeldropout.data.case_store import CaseStore
from labeldropout.files import write_table
from labeldropout.heart import COLOURS
from labeldropout.items import ITEMS, Section, figures
from labeldropout.learning.predictions import write_predictions
from labeldropout.learning.tables import SCORES
from labeldropout.provenance import file_sha256
from labeldropout.publication.report.page import build_report
from labeldropout.publication.report.shown import read_markdown

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian's package chromium)")
RULES = Path(__file__).resolve().parents[3] / "workflow" / "rules"
PHONE, DESK = (390, 844), (1300, 900)
OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
LOAD_ALL = """Promise.all([...document.images].map(async picture => {
  picture.loading = 'eager';
  try { await picture.decode(); } catch (error) { return picture.src; }
  return picture.naturalWidth ? null : picture.src;
})).then(all => all.filter(one => one))"""
LINKS = "[...document.querySelectorAll('a[href], img[src]')].map(one => one.href || one.src)"
DEAD = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(one => !document.querySelector(one.hash)).map(String)"
SHOWN = "[...document.querySelectorAll('#browser figure')].filter(one => !one.hidden).map(one => ({...one.dataset}))"
ODD_NAME = "<script>alert(1)</script> & others"


def scores_of(store, model):
    """Made-up scores of every case, one per structure: they grow along the store."""
    rows = []
    for place, case in enumerate(store.table.itertuples()):
        for structure in ("LV", "LVM"):
            row = dict.fromkeys(SCORES, np.nan)
            row |= {"model": model, "seed": 0, "case": case.case, "dataset": case.dataset, "patient": case.patient}
            row |= {"view": case.view, "instant": case.instant, "structure": structure, "reference": "dataset"}
            row |= {"dice": place / len(store), "surface_dice_tolerance": "2 mm", "reference_px": 1, "prediction_px": 1}
            rows.append(row)
    return rows


@pytest.fixture
def results(small_study):
    """Results of a small study: claims, one figure with its table, two data sets, the predictions of one model."""
    root = small_study.root
    small_study.config(model="one")
    stores = [CaseStore(small_study.cases(name)) for name in ("first", "second")]
    (root / "scores").mkdir()
    scores = pd.DataFrame([row for store in stores for row in scores_of(store, "one")])
    write_table(scores, root / "scores" / "one.csv", SCORES)
    maps = ((f"seed-0/{case}", store.target(row)) for store in stores for row, case in enumerate(store.table["case"]))
    write_predictions(maps, root / "predictions" / "one.npz")
    for name in ("first", "second"):
        Image.new("RGB", (300, 200), "grey").save(root / "cases" / name / "contact_sheet.png")
    (root / "figures").mkdir()
    Image.new("RGB", (900, 400), "white").save(root / "figures" / "figure_3.png")
    (root / "figures" / "figure_3.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    sidecar = {"files": {}, "inputs": {}, "data": "simulated", "target": "snakemake figure_3", "commit": "0" * 40}
    sidecar |= {"models": {}, "settings_sha256": "0" * 64}
    (root / "figures" / "figure_3.provenance.json").write_text(json.dumps(sidecar))
    table = pd.DataFrame({"Model": [ODD_NAME], "Dice": ["0.5 | 0.6"]})
    (root / "tables").mkdir()
    (root / "tables" / "losses.md").write_text(markdown("Simulated data. Losses.", table))
    (root / "tables" / "losses.csv").write_text("model,data\none,simulated\n")
    row = dict.fromkeys(CLAIMS, "")
    row |= {"claim": "C6", "statement": "Label dropout helps.", "where": "Fig. 4", "verdict": "open"}
    row |= {"sentence": "This study cannot tell whether it helps.", "n_seeds": "3", "could_show": "0.105"}
    row |= {"kind": "superior", "comparison": "one above other", "dataset": "first", "structure": "LA"}
    row |= {"reference": "dataset", "images": "all", "outcome": "open", "effect": "-0.1", "low": "-0.2", "high": "0.01"}
    row |= {"confidence": "0.95", "low_95": "-0.2", "high_95": "0.01", "n": "20", "n_patients": "10", "p_holm": "0.4"}
    row |= {"unit": "patients"}
    row |= {"p_image": "0.3", "p_patient": "0.4", "rank_biserial": "-0.2", "reported": "about 0.8 against 0.71"}
    row |= {"target": "snakemake figure_4", "data": "simulated"}
    with (root / "tables" / "claims.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(CLAIMS), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    return root


@pytest.fixture
def page(results, tmp_path):
    """The page of these results."""
    build_report(results, results, tmp_path / "site" / "report.html")
    return tmp_path / "site" / "report.html"


def _moved(study, place):
    """The study's files in another folder below it."""
    place.mkdir()
    for path in [path for path in study.iterdir() if path != place.parent]:
        path.rename(place / path.name)
    return place


def hashes(folder):
    """Hash of every file below a folder, by name."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_page_opens_with_the_ledger(page):
    """The first section is the claims; an open claim is printed so, in a sentence and with all numbers."""
    text = page.read_text()
    ledger = text.partition("<section")[2].partition("</section>")[0]
    assert "? open</span>" in ledger
    assert "This study cannot tell whether it helps." in ledger
    assert "could show 0.105" in ledger
    assert "−0.100 [−0.200, +0.010]; 20 images of 10 patients" in ledger
    assert "about 0.8 against 0.71" in ledger
    assert "snakemake figure_4" in ledger


def test_every_place_of_the_page_has_a_name_of_its_own(page):
    """No two elements have one id: an article named like a control would be taken for it."""
    names = re.findall(r'\bid="([^"]*)"', page.read_text())
    assert len(names) > 20
    assert sorted(names) == sorted(set(names))


def test_only_the_papers_figures_are_called_reproduced(results, tmp_path):
    """A figure of our own reproduces nothing, and no number of the paper is missed beside it."""
    Image.new("RGB", (900, 400), "white").save(results / "figures" / "controls.png")
    build_report(results, results, tmp_path / "site" / "report.html")
    text = (tmp_path / "site" / "report.html").read_text()
    own, papers = (
        text.partition(f'<article id="{name}">')[2].partition("</article>")[0] for name in ("controls", "figure_3")
    )
    assert "A click opens the drawing itself." in own
    assert "Reproduced." not in own
    assert "Reproduced. A click opens the drawing itself." in papers
    assert "The paper gives no number" in papers


def test_every_target_that_the_page_names_is_one(page):
    """What is said to make a missing item is a target of the workflow."""
    rules = "".join(path.read_text() for path in RULES.glob("*.smk"))
    targets = set(re.findall(r"snakemake ([a-z_0-9]+)<", page.read_text()))
    assert {"biomarkers", "figure_1", "tests_instrument", "training_curves", "grid"} <= targets
    assert targets <= set(re.findall(r"^rule (\w+):", rules, re.MULTILINE))


def test_page_claims_no_more_than_is_so(page):
    """When the rules were written, what an effect is, and which experiments are tested, is said as it is."""
    text = page.read_text()
    assert "before the results it judges" not in text
    assert "file of claims in config has the rules and says when each was fixed" in text
    assert "for a trend the growth per step" in text
    assert "5 to 8, 10 and 4b" in ITEMS["tests_instrument"].caption


def test_what_is_missing_is_said_in_its_place(page):
    """Every figure of the list has its place; one that was not made names the target that makes it."""
    text = page.read_text()
    for item in figures(Section.PAPER, Section.OWN):
        place = text.partition(f'<article id="{item.name}">')[2].partition("</article>")[0]
        assert item.title.partition(":")[0] in place
        assert (f"snakemake {item.name}" in place) == (item.name not in {"figure_3", "losses"})
    assert "snakemake claims_instrument" in text
    assert "snakemake run_record" in text


def test_page_says_that_data_are_simulated(page):
    """In the title, over everything, and beside every picture of a case."""
    text = page.read_text()
    assert "(simulated data)</title>" in text
    assert text.index("Simulated data.") < text.index("<nav")
    captions = re.findall(r"<figcaption><b>.*?</figcaption>", text)
    assert len(captions) == 6
    assert all("Simulated data." in caption for caption in captions)
    assert "Pictures of patients" not in text
    assert text.count("Not recorded") == 0


def made(results, *datasets):
    """Let these data sets be the simulator's, as its folder of truths shows."""
    for dataset in datasets:
        (results / "truth" / dataset).mkdir(parents=True)
        (results / "truth" / dataset / "cases.csv").write_text("case\n")


def captions_on(page):
    """Captions of the overlays by data set."""
    found = re.findall(r'<figure data-dataset="([^"]*)".*?<figcaption>(.*?)</figcaption>', page.read_text(), re.DOTALL)
    return {name: [caption for dataset, caption in found if dataset == name] for name, _ in found}


def test_each_picture_says_what_its_own_data_are(results, tmp_path):
    """One data set simulated and one real: each overlay and contact sheet says which, and the licence is told."""
    made(results, "first")
    Image.new("RGB", (900, 400), "white").save(results / "figures" / "figure_2.png")
    (results / "tables" / "figure_2.csv").write_text("dataset,data\nfirst,simulated\nsecond,simulated\n")
    page = tmp_path / "site" / "report.html"
    build_report(results, results, page)
    assert "Simulated data." not in page.read_text().partition('<article id="figure_2">')[2].partition("</article>")[0]
    captions = captions_on(page)
    assert all("Simulated data." in caption for caption in captions["first"])
    assert not any("Simulated data." in caption for caption in captions["second"])
    sheets = re.findall(r"<figcaption>([^<]*Contact sheet[^<]*)</figcaption>", page.read_text())
    assert [sheet.startswith("Simulated data.") for sheet in sheets] == [True, False]
    assert "Pictures of patients." in page.read_text()
    assert "only the numbers marked as the paper’s were measured on patients" not in page.read_text()


def test_real_data_are_never_called_simulated(small_study, results, tmp_path):
    """A model of real data beside simulated tables: its pictures are the data sets' own."""
    small_study.config(model="one", simulated=False)
    page = tmp_path / "site" / "report.html"
    build_report(results, results, page)
    captions = captions_on(page)
    assert set(captions) == {"first", "second"}
    assert all("Real data." in caption for part in captions.values() for caption in part)
    assert "Pictures of patients." in page.read_text()


def test_pictures_of_unknown_origin_are_taken_for_patients(results, tmp_path):
    """Overlays without configuration and without tables: nothing says that they are simulated, so nobody does."""
    for folder in ("models", "tables", "figures"):
        shutil.rmtree(results / folder)
    page = tmp_path / "site" / "report.html"
    build_report(results, results, page)
    assert "Pictures of patients." in page.read_text()
    assert "Simulated data" not in page.read_text()


def test_every_row_of_a_table_is_asked(results, tmp_path):
    """A table whose first row is simulated and whose second is real is of both, and no other item is."""
    (results / "tables" / "losses.csv").write_text("model,data\none,simulated\ntwo,real\n")
    page = tmp_path / "site" / "report.html"
    build_report(results, results, page)
    text = page.read_text()
    losses, figure_3 = (text.partition(f'<article id="{name}">')[2][:400] for name in ("losses", "figure_3"))
    assert "<b>Simulated and real data.</b>" in losses
    assert "<b>Simulated data.</b>" in figure_3
    assert "only the numbers marked as the paper’s were measured on patients" not in text


def test_text_of_a_table_is_no_code(page):
    """What stands in a cell is shown, never run; an escaped bar ends no cell."""
    text = page.read_text()
    assert ODD_NAME not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; others" in text
    assert "<td>0.5 | 0.6</td>" in text


def test_every_picture_has_a_text_and_a_size(page):
    """Who cannot see it is told what it shows; who loads it slowly sees nothing jump."""
    pictures = re.findall(r"<img [^>]*>", page.read_text())
    assert len(pictures) == 9
    for picture in pictures:
        assert re.search(r'alt="[^"]{20,}"', picture)
        assert re.search(r'width="\d+" height="\d+" loading="lazy"', picture)


def test_same_results_same_bytes_and_nothing_left_over(page, results):
    """A second build changes nothing, and removes what an older page left."""
    before = hashes(page.parent)
    (page.parent / "report" / "overlays" / "gone-first-best.webp").write_bytes(b"old")
    build_report(results, results, page)
    assert hashes(page.parent) == before


def test_page_and_folder_are_all_that_is_needed(page):
    """Every address on the page is a file beside it, or a place on it."""
    named = set(re.findall(r'(?:href|src)="([^"#][^"]*)"', page.read_text())) - {"data:,"}
    assert named
    assert all(name.startswith("report/") for name in named)
    there = {path.relative_to(page.parent).as_posix() for path in (page.parent / "report").rglob("*.*")}
    assert there - named == {"report/labeldropout-report.txt"}
    assert named <= there


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("results.html", "where the results are"),
        ("results/../results.html", "where the results are"),
        ("link.html", "where the results are"),
        ("above.html", "where the results are"),
        ("results/tables.html", "no report made"),
        ("results/figures.html", "no report made"),
        ("other.html", "no report made"),
        ("results/run.html", "no report made"),
        ("site/report", "ends in .html"),
        ("site/.html", "ends in .html"),
    ],
)
def test_page_never_takes_the_place_of_results(results, tmp_path, capsys, name, complaint):
    """Its folder is not that of the results, nor one with something else in it; whatever was there is left alone."""
    root = tmp_path / "above"
    root.mkdir()
    moved = _moved(results, root / "results")
    (root / "link").symlink_to(moved)
    (moved / "run").write_text("a file")
    (root / "other" / "figures").mkdir(parents=True)
    (root / "other" / "figures" / "mine.png").write_text("drawn by hand")
    page = tmp_path / name if name == "above.html" else root / name
    before = hashes(tmp_path)
    assert main(["report", "--results", str(moved), "--root", str(root), "--output", str(page)]) == 1
    assert complaint in capsys.readouterr().err
    assert hashes(tmp_path) == before


def test_only_the_reports_own_folder_is_swept(page, results):
    """Without its mark a folder is somebody else's, even if a page of that name lies beside it."""
    (page.parent / "report" / "labeldropout-report.txt").unlink()
    before = hashes(page.parent)
    with pytest.raises(ValueError, match="no report made"):
        build_report(results, results, page)
    assert hashes(page.parent) == before


def test_odd_name_of_a_page_gives_good_addresses(results, tmp_path):
    """A number sign or a percent sign in the name of the page is spelled out in every address."""
    page = tmp_path / "site" / "page #1 50%25.html"
    build_report(results, results, page)
    named = set(re.findall(r'(?:href|src)="([^"#][^"]*)"', page.read_text())) - {"data:,"}
    assert named
    assert all((page.parent / unquote(name)).is_file() and "#" not in name and " " not in name for name in named)


def test_overlays_are_best_median_and_worst(results):
    """By mean Dice of the first training; an image without a score takes no part."""
    scores = pd.DataFrame(scores_of(CaseStore(results / "cases" / "first"), "one"))
    best = scores["case"].iloc[-1]
    chosen = overlays.choose(scores, 0).set_index("quality")["case"]
    assert chosen["best"] == best
    assert chosen["worst"] == scores["case"].iloc[0]
    assert chosen["median"] == scores["case"].iloc[2 * ((len(scores) // 2 - 1) // 2)]
    scores.loc[scores["case"] == best, "dice"] = np.nan
    assert overlays.choose(scores, 0).set_index("quality")["case"]["best"] != best
    assert overlays.choose(scores, 1).empty


def overlays_on(page):
    """Names of the pictures in the browser, and what is said of those left out."""
    text = page.read_text()
    return re.findall(r'<figure data-dataset="([^"]*)" data-model="([^"]*)"', text), re.findall(
        r"<li>No pictures of .*</li>", text
    )


def at_severity(small_study, results, severity):
    """Let the model of the scores be at a severity of its own; the scores' sidecar names the images."""
    small_study.config(model="one", severity=severity)
    names = [f"severity-{severity:g}/cases/{dataset}/images.u8" for dataset in ("first", "second")]
    inputs = {f"results/{name}": file_sha256(results / name.partition("/")[2]) for name in names}
    sidecar = {"files": {}, "inputs": inputs, "data": "simulated"}
    (results / "scores" / "one.provenance.json").write_text(json.dumps(sidecar))
    return sidecar


def test_no_picture_shows_another_domain_shift(small_study, results, tmp_path):
    """Names of cases do not depend on it: images of another severity are left out, and the page says so."""
    sidecar = at_severity(small_study, results, 0.0)
    sidecar["inputs"] = dict.fromkeys(sidecar["inputs"], "0" * 64)
    (results / "scores" / "one.provenance.json").write_text(json.dumps(sidecar))
    build_report(results, results, tmp_path / "site" / "report.html")
    shown, left_out = overlays_on(tmp_path / "site" / "report.html")
    assert shown == []
    assert len(left_out) == 2
    assert all("under one: the images at domain shift 0 that were scored are not" in words for words in left_out)


def test_pictures_of_the_studys_own_severity_are_shown(small_study, results, tmp_path):
    """A row may name the severity that all others have: the images are then the ones that were scored."""
    at_severity(small_study, results, 0.5)
    build_report(results, results, tmp_path / "site" / "report.html")
    shown, left_out = overlays_on(tmp_path / "site" / "report.html")
    assert len(shown) == 6
    assert left_out == []


def test_pictures_of_a_severity_come_from_its_own_tree(small_study, results, tmp_path):
    """Where there is one, whatever the study's own images are."""
    at_severity(small_study, results, 0.0)
    before = hashes_of_overlays(results, tmp_path / "before")
    (results / "severity-0").mkdir()
    (results / "cases").rename(results / "severity-0" / "cases")
    assert hashes_of_overlays(results, tmp_path / "after") == before


def hashes_of_overlays(results, site):
    """Hash of each overlay of the report that is made there."""
    build_report(results, results, site / "report.html")
    found = hashes(site / "report" / "overlays")
    assert len(found) == 6
    return found


def test_prediction_of_another_shape_is_left_out(results, tmp_path):
    """Prediction and image that do not fit together are not drawn one over the other; the page names the case."""
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        overlays.draw(
            np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), [], np.zeros((3, 3), np.uint8), 1.0, COLOURS
        )
    stores = [CaseStore(results / "cases" / name) for name in ("first", "second")]
    maps = [(f"seed-0/{case}", store.target(row)) for store in stores for row, case in enumerate(store.table["case"])]
    maps[0] = (maps[0][0], np.zeros((3, 3), np.uint8))
    write_predictions(maps[:-1], results / "predictions" / "one.npz")
    build_report(results, results, tmp_path / "site" / "report.html")
    shown, left_out = overlays_on(tmp_path / "site" / "report.html")
    assert shown == []
    assert f"{stores[0].table['case'].iloc[0]}: image, reference and prediction have the shapes" in left_out[0]
    assert f"{stores[1].table['case'].iloc[-1]} was scored, and is not among the predictions" in left_out[1]


def test_unannotated_structure_is_not_outlined_as_reference(results):
    """The left half speaks of what somebody drew; the right half shows all that a model says."""
    store = CaseStore(results / "cases" / "first")
    image, target = np.zeros((40, 40), np.uint8), np.asarray(store.target(0))
    picture = np.asarray(overlays.draw(image, target, [], target, 1.0, COLOURS))
    left, right = picture[:, : overlays.SIDE_PX], picture[:, -overlays.SIDE_PX :]
    assert not left.any()
    assert right.any()


def test_no_table_in_markdown_is_refused(tmp_path):
    """A damaged table is named, not shown as something else."""
    (tmp_path / "x.md").write_text("Caption\n\nno table\n")
    with pytest.raises(ValueError, match=r"x\.md: no table in Markdown"):
        read_markdown(tmp_path / "x.md")


def test_report_of_no_results_is_refused(tmp_path, capsys):
    """A wrong folder is one clear line."""
    assert main(["report", "--results", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err


def looked_at(page, tmp_path, pictures=None):
    """Open a page as at a desk and on a phone, load everything in it, and check what every page must keep."""
    with chromium(tmp_path / "profile") as browser:
        for name, size in (("desk", DESK), ("phone", PHONE)):
            browser.open(page.as_uri(), *size)
            assert browser.run("document.documentElement.scrollWidth") == size[0], name
            browser.run(OPEN_ALL)
            assert browser.run(LOAD_ALL) == []
            assert browser.run("document.documentElement.scrollWidth") == size[0], name
            assert browser.complaints == []
            assert all(url.startswith((page.parent.as_uri(), "data:")) for url in browser.requests)
            assert browser.run(DEAD) == []
            for url in browser.run(LINKS):
                assert url.startswith(page.parent.as_uri())
                assert Path(page.parent, url.partition("#")[0].removeprefix(page.parent.as_uri() + "/")).is_file(), url
            if pictures:
                browser.screenshot(pictures / f"{name}.png")


@needs_browser
def test_browser_has_nothing_to_complain_of(page, tmp_path):
    """At a desk and on a phone: every picture loads, nothing scrolls sideways, no link is dead, no request leaves."""
    looked_at(page, tmp_path)


@needs_browser
def test_overlays_can_be_browsed(page, tmp_path):
    """Choosing a data set, a model or a quality shows exactly these pictures; by keyboard too."""
    with chromium(tmp_path / "profile") as browser:
        browser.open(page.as_uri(), *DESK)
        assert [one["quality"] for one in browser.run(SHOWN)] == ["best", "median", "worst"]
        browser.run("document.getElementById('by-dataset').focus()")
        browser.press("ArrowDown", 40)
        assert {one["dataset"] for one in browser.run(SHOWN)} == {"second"}
        browser.run(
            "const all = document.getElementById('by-dataset'); all.value = ''; all.dispatchEvent(new Event('change'))"
        )
        browser.run("document.getElementById('by-quality').focus()")
        browser.press("ArrowDown", 40)
        shown = browser.run(SHOWN)
        assert [(one["dataset"], one["quality"]) for one in shown] == [("first", "best"), ("second", "best")]
        assert browser.run("document.getElementById('count').textContent") == "2 of 6 pictures"
        # Without scripts the selects would do nothing: they stay hidden.
        browser.run("document.getElementById('overlay-controls').hidden = true")
        assert browser.run("getComputedStyle(document.getElementById('overlay-controls')).display") == "none"


@pytest.mark.slow
def test_report_of_the_smoke_study(finished_study, tmp_path):
    """The whole smoke study on one page: its figures are shown, its record is told, nothing has changed."""
    result = finished_study.run("report", module="labeldropout")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip() == "results/report.html"
    page = finished_study.root / "results" / "report.html"
    text = page.read_text()
    for item in figures(Section.PAPER):
        assert f'src="report/figures/{item.name}.webp"' in text
    assert "<code>labeldropout verify</code>: nothing changed" in text
    record = json.loads((finished_study.root / "results" / "run_record.json").read_text())
    assert record["machine"] in text
    assert page.stat().st_size < 3_000_000
    if CHROMIUM:
        looked_at(page, tmp_path)


@pytest.mark.slow
def test_instrument_and_report_from_a_finished_study(finished_study):
    """The instrument adds every own table and figure to a finished study; the page, made again, shows them."""
    finished_study.finish("instrument")
    result = finished_study.run("report", module="labeldropout")
    assert result.returncode == 0, result.stdout + result.stderr
    results = finished_study.root / "results"
    text = (results / "report.html").read_text()
    planned = finished_study.planned("instrument")
    assert planned == {}
    rows = (finished_study.root / "config" / "experiments_smoke.tsv").read_text().splitlines()
    shown = {name for row in csv.DictReader(rows, delimiter="\t") for name in row["shown_in"].split("+")}
    own = [item.name for item in figures(Section.OWN) if item.name in shown]
    for name in (*own, "claims_instrument"):
        assert (results / "figures" / f"{name}.png").is_file(), name
        assert (results / "tables" / f"{name}.csv").is_file(), name
    for name in own:
        assert f'src="report/figures/{name}.webp"' in text
        assert f'href="report/tables/{name}.csv"' in text
    assert "claims_instrument.csv" in text
