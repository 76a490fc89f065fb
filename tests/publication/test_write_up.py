"""The write-up: its numbers are those of the tables, its sentences those that the verdicts call for."""

import csv
import re
from pathlib import Path

import pytest

from labeldropout.analysis.claims.judge import CLAIMS
from labeldropout.analysis.claims.rules import Outcome, verdict
from labeldropout.analysis.spreads import FIGURE_TABLE
from labeldropout.cli.main import main
from labeldropout.publication.write_up import TEMPLATE, write_up

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config" / "config.yaml"
TEXT = (ROOT / "src" / "labeldropout" / "publication" / TEMPLATE).read_text()


def claim(name, verdict, outcome, **cells):
    """A row of a claims table."""
    row = dict.fromkeys(CLAIMS, "")
    row |= {
        "claim": name,
        "statement": f"What {name} says.",
        "where": "nowhere",
        "verdict": verdict,
        "kind": "superior",
        "comparison": "one above other",
        "models": "one; other",
        "dataset": "unity",
        "structure": "LA",
        "reference": "dataset",
        "images": "all",
        "outcome": outcome,
        "sentence": f"A sentence on {name}.",
        "could_show": "0.075",
        "n_seeds": "3",
        "effect": "0.1234",
        "low": "0.05",
        "high": "0.2",
        "confidence": "0.95",
        "low_95": "0.05",
        "high_95": "0.2",
        "n": "30",
        "n_patients": "28",
        "unit": "patients",
        "n_seeds_better": "1",
        "n_seeds_worse": "1",
        "p_image": "0.001",
        "p_patient": "0.01",
        "p_holm": "0.02",
        "rank_biserial": "0.5",
        "reported": "about 0.8",
        "target": "snakemake figure_4",
        "data": "simulated",
    }
    return row | cells


def write_claims(results, rows, name="claims"):
    """A claims table with these rows."""
    path = results / "tables" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(CLAIMS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def written(tmp_path):
    """A function that gives the write-up of a study of which there are these claims and nothing else."""

    def write(*rows, instrument=()):
        write_claims(tmp_path, rows)
        if instrument:
            write_claims(tmp_path, instrument, "claims_instrument")
        write_up(tmp_path, CONFIG, tmp_path / "reproduction.md", ROOT)
        return (tmp_path / "reproduction.md").read_text()

    return write


def section(text, title):
    """What stands under a heading of the second level; nothing if there is none."""
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_committed_write_up_follows_from_committed_tables(tmp_path):
    """Nobody typed a number into it: made again from the tables, it is the same, byte for byte."""
    write_up(ROOT / "results", CONFIG, tmp_path / "again.md", ROOT)
    assert (tmp_path / "again.md").read_text() == (ROOT / "docs" / "reproduction.md").read_text(), (
        "the tables have changed: labeldropout write-up"
    )


def test_template_has_no_number_of_its_own():
    """Digits stand in the template only in names: of claims, experiments, figures, tables and a publication."""
    prose = re.sub(r"\{%.*?%\}", " ", TEXT, flags=re.DOTALL)
    prose = re.sub(r"\{\{.*?\}\}", lambda found: " ".join(re.findall(r'"[^"]*"', found[0])), prose, flags=re.DOTALL)
    names = r"\bC\d+\b|\b[Ee]xperiment \d\w?\b|\b(?:Figure|Table) \d\b|MELBA 2026:022|table_\d|e\d\w?-[\w-]+"
    assert re.findall(r"\S*\d\S*", re.sub(names, "", prose)) == []


def test_claim_stands_under_its_verdict(written):
    """A claim that is contradicted is printed so, with the comparison that decided; one that holds, as holding."""
    text = written(
        claim("C1", "reproduced", "holds"),
        claim("C6", "contradicted", "contradicted", effect="-0.3", low="-0.4", high="-0.2"),
        claim("C7", "in part", "holds"),
        claim("C8", "not testable", "not testable", effect="", n="3", why="3 patients (at least 6)"),
        claim("C9", "not trained", "not trained", not_trained="one: seed 1"),
        claim("C10", "open", "open"),
    )
    assert "### C7. " in section(text, "What agrees in part")
    assert "- open: one above other" in section(text, "What stays open")
    assert "could show 0.075; one: seed 1" in section(text, "What could not be judged")
    assert "### C1. " in section(text, "What agrees with the paper")
    assert "+0.123 [+0.050, +0.200]; 30 images of 28 patients" in section(text, "What agrees with the paper")
    against = section(text, "What contradicts it")
    assert "### C6. " in against
    assert "**contradicted**: one above other, LA on unity: −0.300 [−0.400, −0.200]" in against
    assert "### C1. " not in against
    assert "3 patients (at least 6)" in section(text, "What could not be judged")
    assert "1 reproduced, 1 in part, 1 open, 1 contradicted, 1 not trained, 1 not testable." in text
    assert "A sentence on C8." in section(text, "What could not be judged")


@pytest.mark.parametrize(
    ("decided", "outcome", "words"),
    [
        ("reproduced", "holds", "**C13, reproduced.** The predictions that it states hold"),
        (
            "contradicted",
            "contradicted",
            "**C13, contradicted.** The opposite was found in the comparison that decides it",
        ),
        ("in part", "holds", "**C13, in part.** Not every prediction was shown to hold"),
        ("open", "open", "**C13, open.** Not every prediction was shown to hold"),
        ("not trained", "not trained", "**C13, not trained.** A network that it needs was not trained to its end"),
        ("not testable", "not testable", "**C13, not testable.** It could not be tested"),
    ],
)
def test_prediction_for_the_losses_is_held_against_the_verdict(written, decided, outcome, words):
    """What the later comparison predicts is stated, and then what came of it."""
    text = written(claim("C1", "reproduced", "holds"), instrument=[claim("C13", decided, outcome)])
    found = section(text, "What the authors' later comparison predicts for C13")
    assert words in found
    assert found.count("**C13") == 1


def test_nothing_is_said_of_what_is_not_there(written):
    """Without tables of scores no sentence speaks of a gap, and the missing instrument is named."""
    text = written(claim("C1", "reproduced", "holds"))
    assert "How much there is to mend" not in text
    assert "snakemake instrument" in text
    assert "nan" not in text.lower().split()


def test_write_up_without_tables_is_refused(tmp_path, capsys):
    """A wrong folder is one clear line, not a page of dashes."""
    status = main(["write-up", "--results", str(tmp_path), "--output", str(tmp_path / "x.md")])
    assert status == 1
    assert "tables" in capsys.readouterr().err
    assert not (tmp_path / "x.md").exists()


def test_the_default_page_is_not_overwritten_by_another_study(tmp_path, monkeypatch, capsys):
    """Other results or another configuration need a page of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "tables").mkdir(parents=True)
    assert main(["write-up", "--results", "results/cells"]) == 1
    assert "--output: missing" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_unknown_verdict_is_refused(tmp_path):
    """A claims table of another program is not believed."""
    write_claims(tmp_path, [claim("C1", "certainly true", "yes")])
    with pytest.raises(ValueError, match=r"claims\.csv: C1: unknown verdict 'certainly true'"):
        write_up(tmp_path, CONFIG, tmp_path / "x.md", ROOT)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (("holds", "open"), "It does better than {tied}; that it comes up to the benchmark was not shown."),
        (("open", "holds"), "It comes up to the benchmark; that it does better than {tied} was not shown."),
        (("open", "open"), "Neither was shown: that it does better than {tied}, or that it comes up to the benchmark."),
        (
            ("contradicted", "holds"),
            "The opposite was found in the comparison that decides it: contradicted: one above other",
        ),
        (("not trained", "open"), "A network that it needs was not trained to its end"),
    ],
)
def test_sentence_on_the_control_follows_from_what_failed(written, outcomes, words):
    """Of two comparisons that are not decided, none is told as if it were."""
    found = verdict([Outcome(one) for one in outcomes])
    rows = [claim("C11", found.value, one) for one in outcomes]
    text = section(written(claim("C1", "reproduced", "holds"), instrument=rows), "Why we think so")
    assert words.format(tied="where the label's absence tells the domain") in text
    assert text.count("C11") == 1


def write_scores(results, name, models, **cells):
    """A table of a figure with the rows of these models: mean, seeds, and further cells."""
    path = results / "tables" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    row = dict.fromkeys(FIGURE_TABLE, "") | {"n": "3", "n_patients": "3", "data": "simulated"}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(FIGURE_TABLE), lineterminator="\n")
        writer.writeheader()
        for model, (mean, seeds) in models.items():
            for seed in (*range(seeds), "all"):
                writer.writerow(row | cells | {"model": model, "seed": seed, "dice_mean": mean})


def test_a_loss_of_one_seed_is_not_called_the_best(written, tmp_path):
    """The highest mean is that of one training, which says nothing; the best of those with three is named."""
    write_scores(
        tmp_path,
        "losses",
        {"e4-p00": (0.5, 3), "e7-across1-marginal-none": (0.6, 3), "e7-across1-adaptive_bce-none": (0.9, 1)},
        dataset="unity",
        structure="LA",
    )
    (line,) = [line for line in written(claim("C1", "open", "open")).splitlines() if "| LA |" in line]
    assert "0.900" in line
    assert line.endswith("| marginal |")


def test_a_loss_that_was_not_trained_is_marked_and_not_the_best(written, tmp_path):
    """Nor is another one the best against it: that takes two whose trainings came to their end."""
    means = {"e4-p00": (0.5, 3), "e7-across1-marginal-none": (0.6, 3)}
    write_scores(tmp_path, "losses", means, dataset="unity", structure="LA")
    path = tmp_path / "tables" / "soundness_instrument.csv"
    path.write_text("model,seed,verdict\ne4-p00,all,not trained\ne4-p00,0,not trained\n", encoding="utf-8")
    (line,) = [line for line in written(claim("C1", "open", "open")).splitlines() if "| LA |" in line]
    assert line.count("(not trained)") == 1
    assert line.endswith("| – |")


def test_what_is_shown_beside_a_claim_is_written(written):
    """Numbers that are not judged, such as the relative gain, stand under their claim, and are not said to hold."""
    gain = claim("C10", "contradicted", "shown", kind="gain", comparison="relative gain of one over other")
    text = section(written(claim("C10", "contradicted", "contradicted"), gain), "What contradicts it")
    assert "- shown, not judged: relative gain of one over other, LA on unity: +12 % [+5, +20]" in text


def test_untested_gain_is_not_called_chance(written, tmp_path):
    """Where the claim's test could not be made, no sentence says what the test did not show."""
    means = {"e4-benchmark": (0.9, 1), "e4-p00": (0.7, 1), "e4-p05": (0.8, 1)}
    write_scores(tmp_path, "figure_4", means, dataset="unity", structure="LA", probability="0.5")
    text = written(claim("C6", "not testable", "not testable", why="3 patients (at least 6)"))
    assert "No test of it could be made (C6)." in text
    assert "more than chance" not in text
