"""The ledger of the claims from made-up scores whose answers are known, and from the committed tables."""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from listed_models import listed_models
from PIL import Image
from workflow_copy import CONFIGURATION

from labeldropout.analysis.claims.declared import Known, read_claims
from labeldropout.analysis.claims.judge import CLAIMS, CLAIMS_TEXT, judge_claims, outcomes_of, read_models_soundness
from labeldropout.analysis.claims.kinds import KINDS
from labeldropout.analysis.claims.ledger import comparison_lines
from labeldropout.analysis.claims.minutes import DATA, ONCE, minutes_in_all, minutes_of
from labeldropout.analysis.claims.put_ledger import CLAIMS_MARK, PAGES, put_ledger
from labeldropout.analysis.claims.rules import Verdict, verdict, why_not_testable
from labeldropout.analysis.claims.sentences import TEMPLATES
from labeldropout.analysis.claims.verdicts import read_ledger
from labeldropout.analysis.soundness import SOUNDNESS
from labeldropout.analysis.statistics import NO_DIFFERENCE, holm
from labeldropout.cli.main import main
from labeldropout.files import read_table
from labeldropout.learning.tables import SCORES
from labeldropout.publication.figures.draw import draw_figure

ROOT = Path(__file__).parents[3]
MARK = PAGES[0].mark
DECLARED = ROOT / "config" / "claims.yaml"
REPORTED = ROOT / "config" / "reported.yaml"
KNOWN = Known(("camus", "unity", "echonet"), ("LV", "LVM", "LA"))
SETTINGS = {
    "statistics": {"draws": 2000, "seed": 0},
    "simulated": True,
    "real": [],
    "severity": 0.5,
    "unit": "patients",
}
SETTINGS |= {"unit": "patients", "datasets": list(KNOWN.datasets), "structures": list(KNOWN.structures)}
NAN = math.nan
NUMBERS = {"level": 0.05, "margin": 0.02, "limit": 0.5, "fewest_patients": 6, "fewest_seeds": 3}
SPREAD = np.linspace(-0.05, 0.05, 8)
"""How the images of eight patients differ under every model."""
TWIST = 0.001 * np.array([1, -2, 3, -4, 4, -3, 2, -1])
"""A small difference between two models, of mean 0."""
SEEDS = {0: -0.001, 1: 0.0, 2: 0.001}
"""How the three seeds of every model differ."""


def experiment(model, **cells):
    """A row of the list of experiments."""
    usual = {
        "experiment": "4",
        "train_on": "camus",
        "structures": "LV+LVM+LA",
        "loss": "adaptive",
        "augmentation": "published",
        "network": "basic_unet",
        "seeds": "0,1,2",
        "evaluated_on": "camus+unity+echonet",
    }
    return {"model": model, **usual, **cells}


def scored(model, values, structure="LA", dataset="unity", reference="dataset", seeds=SEEDS, per_patient=1):
    """Scores of one model on images 0, 1, ..., under seeds that differ by so much; so many images per patient."""
    return [
        {
            **dict.fromkeys(SCORES, 1),
            "model": model,
            "seed": seed,
            "case": f"{dataset}-c{place:02d}",
            "dataset": dataset,
            "patient": f"{dataset}-p{place // per_patient:02d}",
            "view": "A2C",
            "instant": "ED",
            "structure": structure,
            "reference": reference,
            "dice": value + shift,
            "surface_dice_tolerance": "2 mm",
        }
        for seed, shift in seeds.items()
        for place, value in enumerate(values)
    ]


def claim(*comparisons, **keys):
    """A claim that makes these comparisons."""
    usual = {"statement": "It does.", "plain": "it does", "where": "Section 9", "item": "figure_4", "part": "study"}
    return {**usual, **keys, "comparisons": list(comparisons)}


def superior(better, worse, **keys):
    """A comparison that claims a difference."""
    return {"kind": "superior", "better": [better], "worse": [worse], "dataset": "unity", "structure": "LA", **keys}


def other(kind, **keys):
    """A comparison of another kind."""
    return {"kind": kind, "dataset": "unity", "structure": "LA", **keys}


def soundness(path, models, not_trained, few=()):
    """Write the table of which models are trained: all but those given with the reason, few in single seeds."""
    rows = [
        dict.fromkeys(SOUNDNESS, "")
        | {"model": name, "seed": "all", "dataset": "all", "structure": "all"}
        | {
            "verdict": "not trained" if name in not_trained and name not in few else "trained",
            "why": not_trained.get(name, ""),
        }
        for name in models
    ]
    cell = dict.fromkeys(SOUNDNESS, "") | {"seed": "0", "dataset": "unity", "structure": "LA", "verdict": "not trained"}
    pd.DataFrame([*rows, cell | {"model": models[0]}], columns=list(SOUNDNESS)).to_csv(path, index=False)


def at_severities(text):
    """Rows of models with severities of their own: `ab:0 cd:` for a and b at 0, c and d at the study's own."""
    pairs = [part.split(":") for part in text.split()]
    return [experiment(name, severity=severity) for names, severity in pairs for name in names]


@pytest.fixture
def judge(tmp_path):
    """Judge claims on scores; returns the table, and leaves it with the ledger in the folder `judge.output`."""

    def run(claims, scores, experiments=None, part="study", strangers=(), settings=None, not_trained=None, few=()):
        if experiments is None:
            experiments = [experiment(name) for name in dict.fromkeys(score["model"] for score in scores)]
        content = {**NUMBERS, "claims": claims}
        (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        table = pd.DataFrame(scores, columns=list(SCORES))
        paths = []
        for model, rows in table.groupby("model", sort=False):
            paths.append(tmp_path / f"{model}.csv")
            rows.to_csv(paths[-1], index=False)
        patients = table[["dataset", "patient"]].drop_duplicates()
        patients["part"] = ["training" if name in strangers else "test" for name in patients["patient"]]
        patients.to_csv(tmp_path / "patients.csv", index=False)
        soundness(tmp_path / "soundness.csv", [one["model"] for one in experiments], not_trained or {}, few)
        judge_claims(
            claims=tmp_path / "claims.yaml",
            part=part,
            scores=paths,
            **listed_models(tmp_path, experiments),
            split=[tmp_path / "patients.csv"],
            reported=REPORTED,
            soundness=tmp_path / "soundness.csv",
            settings=settings or SETTINGS,
            output=tmp_path / "claims.csv",
        )
        return read_table(tmp_path / "claims.csv", CLAIMS, CLAIMS_TEXT)

    run.folder = tmp_path
    return run


def test_true_claim_is_reproduced(judge):
    """A difference of 0.1 in every patient is found, with its interval, both p values and the means beside it."""
    table = judge({"C1": claim(superior("a", "b"))}, [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)])
    row = table.iloc[0]
    assert (row["verdict"], row["outcome"], row["kind"]) == ("reproduced", "holds", "superior")
    assert row["effect"] == pytest.approx(0.1)
    assert row["low"] < 0.1 < row["high"]
    assert (row["low"], row["high"]) == (row["low_95"], row["high_95"])
    assert row["mean_better"] == pytest.approx(0.8)
    assert row["mean_worse"] == pytest.approx(0.7)
    # All eight differences point the same way: 2 / 2^8, whatever the unit, as every image is its own patient.
    assert row["p_patient"] == row["p_image"] == row["p_holm"] == pytest.approx(2 / 256)
    assert row["rank_biserial"] == 1
    assert (row["n"], row["n_patients"], row["n_left_out"]) == (8, 8, 0)
    assert (row["target"], row["data"]) == ("snakemake figure_4", "simulated")


def test_opposite_claim_is_contradicted(judge):
    """The same scores the other way round: the interval lies below minus the margin."""
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)]
    row = judge({"C1": claim(superior("b", "a"))}, scores).iloc[0]
    assert (row["verdict"], row["outcome"]) == ("contradicted", "contradicted")
    assert row["high"] < -0.02


def test_equal_scores_prove_no_difference_and_do_prove_agreement(judge):
    """Equal scores: nothing is superior (p = 1), everything is equivalent, not worse, in agreement, without trend."""
    models = {"better": ["a"], "worse": ["b"]}
    pairs = [models, {"better": ["c"], "worse": ["d"]}]
    kinds = [
        superior("a", "b"),
        other("equivalent", **models),
        other("not_worse", **models),
        other("agree", models=["a", "b", "c"]),
        other("trend", pairs=pairs),
    ]
    scores = [row for name in "abcd" for row in scored(name, 0.8 + SPREAD)]
    claims = {f"C{place}": claim(kind) for place, kind in enumerate(kinds, 1)}
    table = judge(claims, scores, at_severities("ab:0 cd:1"))
    assert table["outcome"].tolist() == ["open", "holds", "holds", "holds", "open"]
    assert table["effect"].tolist() == [0, 0, 0, 0, 0]
    assert table.loc[table["kind"] == "superior", "p_patient"].item() == 1


@pytest.mark.parametrize(
    ("comparison", "true", "false"),
    [
        (other("equivalent", better=["a"], worse=["b"]), {"a": 0.8, "b": 0.805}, {"a": 0.8, "b": 0.85}),
        (other("equivalent", better=["a"], worse=["b"]), {"a": 0.8, "b": 0.795}, {"a": 0.85, "b": 0.8}),
        (other("not_worse", better=["a"], worse=["b"]), {"a": 0.9, "b": 0.8}, {"a": 0.7, "b": 0.8}),
        (other("below", models=["a"]), {"a": 0.3}, {"a": 0.6}),
        (other("agree", models=["a", "b", "c"]), {"a": 0.8, "b": 0.81, "c": 0.805}, {"a": 0.8, "b": 0.81, "c": 0.88}),
        (
            other("trend", pairs=[{"better": ["a"], "worse": ["b"]}, {"better": ["c"], "worse": ["d"]}]),
            {"a": 0.9, "b": 0.88, "c": 0.9, "d": 0.6},
            {"a": 0.9, "b": 0.6, "c": 0.9, "d": 0.88},
        ),
    ],
    ids=["equivalent, below", "equivalent, above", "not_worse", "below", "agree", "trend"],
)
def test_each_kind_holds_where_it_should_and_is_contradicted_where_it_should(judge, comparison, true, false):
    """Every kind is right once and wrong once."""
    for means, expected in ((true, "holds"), (false, "contradicted")):
        # The models differ a little from image to image, each in its own way.
        scores = [
            row
            for place, (name, mean) in enumerate(means.items())
            for row in scored(name, mean + SPREAD + np.roll(TWIST, place))
        ]
        rows = at_severities(" ".join(f"{name}:{place // 2}" for place, name in enumerate(means)))
        assert judge({"C1": claim(comparison)}, scores, rows).iloc[0]["outcome"] == expected


def test_trend_is_the_growth_per_pair(judge):
    """Differences of 0, 0.1 and 0.3: 0.15 per pair by least squares, positive in every patient."""
    means = {"a": 0.9, "b": 0.9, "c": 0.9, "d": 0.8, "e": 0.9, "f": 0.6}
    pairs = [{"better": [one], "worse": [two]} for one, two in ("ab", "cd", "ef")]
    scores = [row for name, mean in means.items() for row in scored(name, mean + SPREAD)]
    row = judge({"C1": claim(other("trend", pairs=pairs))}, scores, at_severities("ab:0 cd: ef:1")).iloc[0]
    assert row["effect"] == pytest.approx(0.15)
    assert row["outcome"] == "holds"
    assert row["p_patient"] == pytest.approx(2 / 256)


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        ("ab:0 cd: ef:0.75", "severities 0, 0.5, 0.75 (expected to rise in equal steps)"),
        ("ab:1 cd: ef:0", "severities 1, 0.5, 0 (expected to rise in equal steps)"),
        ("ab:0 c:0.25 d: ef:1", "severities 0, nan, 1 (expected to rise in equal steps)"),
    ],
)
def test_trend_needs_severities_that_rise_in_equal_steps(judge, severities, words):
    """The place in the list is the place on the axis: a study with another severity of its own gets no verdict."""
    pairs = [{"better": [one], "worse": [two]} for one, two in ("ab", "cd", "ef")]
    scores = [row for name in "abcdef" for row in scored(name, 0.8 + SPREAD)]
    row = judge({"C1": claim(other("trend", pairs=pairs))}, scores, at_severities(severities)).iloc[0]
    assert (row["outcome"], row["why"]) == ("not testable", words)


def test_too_few_patients_are_not_testable_however_many_images(judge):
    """Forty images of five patients decide nothing; of eight they do."""
    values = np.tile(SPREAD, 5)
    scores = [
        *scored("a", 0.8 + values, per_patient=8),
        *scored("b", 0.6 + values + np.tile(TWIST, 5), per_patient=8),
    ]
    row = judge({"C1": claim(superior("a", "b"))}, scores).iloc[0]
    assert (row["verdict"], row["why"]) == ("not testable", "5 patients (at least 6)")
    assert math.isnan(row["p_holm"])
    scores = [*scored("a", 0.8 + values, per_patient=5), *scored("b", 0.6 + values, per_patient=5)]
    assert judge({"C1": claim(superior("a", "b"))}, scores).iloc[0]["verdict"] == "reproduced"


def test_what_no_difference_could_show_is_not_testable(judge):
    """Seven patients who all agree have p 1/64: corrected for four comparisons it is above the level, for three not."""
    names = "bcde"
    scores = [*scored("a", 0.9 + SPREAD[:7])]
    scores += [row for place, name in enumerate(names, 1) for row in scored(name, 0.9 - 0.1 * place + SPREAD[:7])]
    four = judge({"C1": claim(*(superior("a", name) for name in names))}, scores)
    assert set(four["outcome"]) == {"not testable"}
    assert set(four["why"]) == {"7 patients: p after Holm could not come below 0.062"}
    assert set(four["verdict"]) == {"not testable"}
    three = judge({"C1": claim(*(superior("a", name) for name in names[:3]))}, scores)
    assert set(three["verdict"]) == {"reproduced"}


def test_seeds_stand_beside_the_patients(judge):
    """The spread over seeds is that of the seeds' means; one seed has none; a side of several models neither."""
    scores = scored("a", 0.8 + SPREAD, seeds={0: -0.1, 1: 0.0, 2: 0.1}) + scored("b", 0.6 + SPREAD, seeds={0: 0.0})
    rows = [experiment("a"), experiment("b", seeds="0")]
    table = judge({"C1": claim(superior("a", "b"))}, scores, rows)
    row = table.iloc[0]
    assert (row["n_seeds_better"], row["n_seeds_worse"]) == (3, 1)
    assert row["seed_sd_better"] == pytest.approx(0.1)
    assert math.isnan(row["seed_sd_worse"])
    assert "SD over seeds 0.100 and (one seed)" in (judge.folder / "claims.tex").read_text()


def test_tests_are_of_patients_and_not_of_images(judge):
    """Forty images of six patients, with one patient against the claim: significant by image, not by patient."""
    gains = np.repeat([0.1, 0.11, 0.12, 0.13, 0.14, -0.15], 8) + np.tile(TWIST, 6)
    base = 0.5 + np.tile(SPREAD, 6)
    row = judge(
        {"C1": claim(superior("a", "b"))},
        [*scored("a", base + gains, per_patient=8), *scored("b", base, per_patient=8)],
    ).iloc[0]
    assert row["p_image"] < 0.05 < row["p_patient"]
    assert row["outcome"] == "open"


def test_mean_and_ranks_have_to_point_the_same_way(judge):
    """One patient with a huge gain turns the mean, not the claim, when all others lose."""
    gains = np.array([-0.01] * 11 + [0.8]) + 0.0001 * np.arange(12)
    row = judge({"C1": claim(superior("a", "b"))}, [*scored("a", 0.1 + gains), *scored("b", [0.1] * 12)]).iloc[0]
    assert row["effect"] > 0 > row["rank_biserial"]
    assert row["p_holm"] < 0.05
    assert row["outcome"] == "open"


def test_nan_is_left_out_and_counted(judge):
    """An image without a score under one model is left out of all; with NaN only, there is nothing to test."""
    with_gap = np.append(0.8 + SPREAD, [NAN, 0.8])
    scores = [*scored("a", with_gap), *scored("b", np.append(0.6 + SPREAD + TWIST, [0.1, NAN]))]
    row = judge({"C1": claim(superior("a", "b"))}, scores).iloc[0]
    assert (row["n"], row["n_left_out"]) == (8, 2)
    assert row["effect"] == pytest.approx(0.2)
    scores = [*scored("a", [NAN] * 8), *scored("b", 0.6 + SPREAD)]
    row = judge({"C1": claim(superior("a", "b"))}, scores).iloc[0]
    assert (row["outcome"], row["why"]) == ("not testable", "no image with a score under all models")


@pytest.mark.parametrize(
    ("comparison", "why"),
    [
        (superior("a", "z"), "no row z in the list of experiments"),
        (other("agree", models=["x", "a", "z"]), "no row x and 1 more in the list of experiments"),
        (superior("a", "b", structure="LVM"), "a and b: LVM of unity not scored"),
        (superior("a", "b", reference="observer"), "a and b: LA of unity not scored by the observer's masks"),
        (superior("a", "b", images="kit"), "no masks drawn by an observer"),
    ],
)
def test_what_is_missing_is_named(judge, comparison, why):
    """A missing model, structure or observer makes a claim untestable and is named; another claim goes on."""
    claims = {"C1": claim(comparison), "C2": claim(superior("a", "b"))}
    table = judge(claims, [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)])
    assert table["why"].tolist() == [why, ""]
    assert table["verdict"].tolist() == ["not testable", "reproduced"]


def test_contradiction_counts_before_what_is_missing(judge):
    """A claim with one contradicted comparison is contradicted, whatever else is missing."""
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)]
    table = judge({"C1": claim(superior("b", "a"), superior("a", "z"))}, scores)
    assert set(table["verdict"]) == {"contradicted"}


def test_holm_corrects_within_a_claim_over_what_a_p_decides(judge):
    """Two tests of p = 10 / 2^8 each hold alone and fail together; intervals and other claims are no part of it."""
    # Eight patients, the third smallest change against the claim: ranks of 3 and less can be had in 5 of 2^8 ways.
    gains = np.array([0.01, 0.02, -0.03, 0.04, 0.05, 0.06, 0.07, 0.08])
    scores = [*scored("a", 0.6 + SPREAD), *scored("b", 0.6 + SPREAD + gains), *scored("c", 0.6 + SPREAD + 1.1 * gains)]
    alone, together = superior("b", "a"), [superior("b", "a"), superior("c", "a")]
    beside = other("not_worse", better=["b"], worse=["a"])
    untestable = superior("b", "z")
    table = judge(
        {"C1": claim(alone), "C2": claim(*together), "C3": claim(alone, beside), "C4": claim(alone, untestable)}, scores
    )
    assert table["p_patient"].dropna().tolist() == pytest.approx([10 / 256] * 6)
    by_claim = table.groupby("claim")
    assert by_claim.get_group("C1")["p_holm"].tolist() == pytest.approx([10 / 256])
    assert by_claim.get_group("C2")["p_holm"].tolist() == pytest.approx([20 / 256] * 2)
    assert by_claim.get_group("C2")["outcome"].tolist() == ["open", "open"]
    third = by_claim.get_group("C3")
    assert third["outcome"].tolist() == ["holds", "holds"]
    assert third["family_size"].tolist()[0] == 1
    assert math.isnan(third["p_holm"].tolist()[1])
    assert by_claim.get_group("C4")["p_holm"].tolist()[0] == pytest.approx(10 / 256)


def test_several_models_of_a_side_are_averaged_per_image(judge):
    """Against models of 0.6 and 0.4 the mean of both counts, image by image."""
    comparison = {**superior("a", "b"), "worse": ["b", "c"]}
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.6 + SPREAD), *scored("c", 0.4 + SPREAD + TWIST)]
    row = judge({"C1": claim(comparison)}, scores).iloc[0]
    assert row["effect"] == pytest.approx(0.3)
    assert row["mean_worse"] == pytest.approx(0.5)
    assert row["comparison"] == "a above the mean of b and c"
    assert row["models"] == "a; b+c"


def test_seeds_are_averaged_before_anything_else(judge):
    """Two seeds of 0.9 and 0.7 are one model of 0.8."""
    scores = [*scored("a", 0.8 + SPREAD, seeds={0: 0.1, 1: -0.1}), *scored("b", 0.75 + SPREAD)]
    rows = [experiment("a", seeds="0,1"), experiment("b")]
    row = judge({"C1": claim(superior("a", "b"))}, scores, rows).iloc[0]
    assert row["effect"] == pytest.approx(0.05)
    assert row["n"] == 8


def test_kit_images_are_those_that_the_observer_drew_on(judge):
    """Of twelve images with a left ventricle, the eight of the kit count, as in Table 2."""
    arms = {"a": 0.9, "b": 0.8}
    scores = []
    for name, mean in arms.items():
        tail = [0.1, 0.2, 0.1, 0.2] if name == "a" else [0.9] * 4
        scores += scored(name, [*(mean + SPREAD), *tail], structure="LV", dataset="echonet")
        scores += scored(name, mean + SPREAD, structure="LA", dataset="echonet", reference="observer")
    everywhere = superior("a", "b", dataset="echonet", structure="LV")
    table = judge({"C1": claim(everywhere), "C2": claim({**everywhere, "images": "kit"})}, scores)
    assert table["n"].tolist() == [12, 8]
    assert table["outcome"].tolist() == ["open", "holds"]
    assert table["effect"].tolist()[1] == pytest.approx(0.1)


def test_shown_numbers_stand_beside_the_claim_and_change_nothing(judge):
    """A mean and a relative gain are printed; the verdict is that of the comparison."""
    shows = [other("mean", models=["b"]), other("gain", better=["a"], worse=["b"])]
    scores = [*scored("a", 0.75 + SPREAD), *scored("b", 0.5 + SPREAD + TWIST)]
    table = judge({"C1": claim(superior("a", "b"), shows=shows)}, scores)
    assert table["outcome"].tolist() == ["holds", "shown", "shown"]
    assert table["effect"].tolist()[1:] == pytest.approx([0.5, 0.5])
    assert set(table["verdict"]) == {"reproduced"}
    assert "+50 \\% [" in (judge.folder / "claims.tex").read_text()


def test_papers_numbers_come_from_its_list_else_its_words(judge):
    """Numbers of the claim's item are joined; without one the claim's words stand; another item's number does not."""
    pair = {"better": ["e4-p05"], "worse": ["e4-p00"]}
    claims = {
        "C1": claim({**superior("", ""), **pair}, reported="words"),
        "C2": claim(superior("e4-p00", "e4-p05"), reported="words"),
        "C3": claim({**superior("", ""), **pair, "structure": "LV"}, item="figure_3", reported="words"),
        "C4": claim({**superior("", ""), **pair}, item="controls", reported="words"),
        "C5": claim(other("below", models=["e4-p10"]), reported="words"),
    }
    scores = [row for name in ("e4-p05", "e4-p00") for row in scored(name, 0.5 + SPREAD)]
    table = judge(claims, scores).set_index("claim")
    assert table["reported"].to_dict() == {
        "C1": "about 0.8 against 0.71; p < 0.01",
        "C2": "0.71 against about 0.8",
        "C3": "similar",
        "C4": "p < 0.01",
        "C5": "words",
    }


def test_parts_are_judged_apart(judge):
    """The paper's claims and our own experiments' come in two tables."""
    claims = {"C1": claim(superior("a", "b")), "C2": claim(superior("b", "a"), part="instrument")}
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD)]
    assert judge(claims, scores)["claim"].tolist() == ["C1"]
    assert judge(claims, scores, part="instrument")["claim"].tolist() == ["C2"]


def test_patients_that_were_trained_on_are_refused(judge):
    """A score of a patient outside the test part ends the job, and the patient is named."""
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD)]
    with pytest.raises(ValueError, match="unity-p03 of unity was scored and is not in the test part"):
        judge({"C1": claim(superior("a", "b"))}, scores, strangers=["unity-p03"])


def test_same_scores_give_the_same_bytes(judge):
    """Nothing depends on the order of files, on a clock or on chance."""
    claims = {"C1": claim(superior("a", "b"), other("agree", models=["a", "b"]))}
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)]
    made = []
    for rows in (scores, scores[::-1]):
        judge(claims, rows)
        made.append([(judge.folder / f"claims.{ending}").read_bytes() for ending in ("csv", "md", "tex")])
    assert made[0] == made[1]


def test_ledger_says_simulated_and_has_one_line_per_claim(judge):
    """The word first, then a sentence for clinicians; of the comparisons the CSV has each."""
    names = "abcdef"
    comparisons = [superior(name, "z") for name in names]
    scores = [row for name in (*names, "z") for row in scored(name, 0.6 + 0.2 * (name < "d") + SPREAD + TWIST)]
    table = judge({"C1": claim(*comparisons), "C2": claim(superior("a", "z"))}, scores)
    assert len(table) == 7
    caption, empty, header, _, first, second = (judge.folder / "claims.md").read_text().splitlines()
    assert caption.startswith("Simulated data.")
    assert not empty
    assert header.startswith("| Verdict | In one sentence | Claim |")
    assert first.startswith(
        "| **in part** | This study found only in part that it does (3 of 6 comparisons hold). | C1."
    )
    assert second.startswith("| **reproduced** | In this study it is so that it does. | C1.".replace("C1", "C2"))
    assert "`snakemake figure_4`" in second
    judge({"C1": claim(superior("a", "z"))}, scores, settings={**SETTINGS, "simulated": False})
    caption, *rest = (judge.folder / "claims.md").read_text().splitlines()
    assert caption.startswith("Real data. The ledger of the paper's claims,")
    assert f"by the rules of {judge.folder / 'claims.yaml'}, which" in caption
    assert "imulated" not in "".join(rest)


SIX = {
    "reproduced": {"a": (0.9, SEEDS)},
    "contradicted": {"a": (0.6, SEEDS)},
    "open": {"a": (0.81, {0: -0.1, 1: 0.0, 2: 0.1})},
}
"""Means and seeds of a model a against one of 0.8."""


@pytest.mark.parametrize("expected", SIX)
def test_made_up_scores_give_the_verdicts_that_numbers_decide(judge, expected):
    """Clearly above, clearly below, and lost among its seeds, with the sentence of each."""
    mean, seeds = SIX[expected]["a"]
    row = judge(
        {"C1": claim(superior("a", "b"))}, [*scored("a", mean + TWIST, seeds=seeds), *scored("b", [0.8] * 8)]
    ).iloc[0]
    outcomes = {"reproduced": "holds", "contradicted": "contradicted", "open": "open"}
    assert (row["verdict"], row["outcome"]) == (expected, outcomes[expected])
    assert row["could_show"] == pytest.approx((row["high"] - row["low"]) / 2)
    begins = {
        "reproduced": "In this study it is so that it does.",
        "contradicted": "This study contradicts that it does (1 of 1 comparisons against it).",
        "open": f"This study cannot tell whether it does: differences in Dice below about {row['could_show']:.2f}",
    }
    assert row["sentence"].startswith(begins[expected])


def test_made_up_scores_give_the_other_three_verdicts(judge):
    """One of two comparisons holds; a model is not trained; one is missing: each with its reason."""
    scores = [*scored("a", 0.9 + SPREAD), *scored("b", 0.8 + SPREAD + TWIST), *scored("c", 0.9 + SPREAD - TWIST)]
    claims = {
        "C1": claim(superior("a", "b"), superior("a", "c")),
        "C2": claim(superior("c", "b")),
        "C3": claim(superior("z", "b")),
    }
    table = judge(claims, scores, not_trained={"c": "seed 1: unity LA 0.43 (limit 0.81)"})
    assert table["outcome"].tolist() == ["holds", "not trained", "not trained", "not testable"]
    assert table["verdict"].tolist() == ["in part", "in part", "not trained", "not testable"]
    assert table["not_trained"].tolist()[2] == "c: seed 1: unity LA 0.43 (limit 0.81)"
    assert table["sentence"].tolist()[1:] == [
        "This study found only in part that it does (1 of 2 comparisons hold).",
        "This study cannot tell whether it does: 1 of 1 comparisons need a network that had not learned its task.",
        "This study cannot test whether it does: no row z in the list of experiments.",
    ]


def test_fewer_than_three_seeds_decide_nothing(judge):
    """A difference of 0.4 with two seeds on a side is open, and nothing is said of what could have been shown."""
    two = {0: -0.001, 1: 0.001}
    rows = [experiment("a", seeds="0,1"), experiment("b")]
    row = judge(
        {"C1": claim(superior("a", "b"))}, [*scored("a", 0.9 + SPREAD, seeds=two), *scored("b", 0.5 + SPREAD)], rows
    ).iloc[0]
    assert (row["outcome"], row["verdict"], row["n_seeds"]) == ("open", "open", 2)
    assert row["sentence"] == "This study cannot tell whether it does: too few trainings."
    assert math.isnan(row["could_show"])


def test_seeds_that_differ_take_away_what_patients_alone_would_show(judge):
    """The same means and the same p on patients: with equal seeds it holds, with seeds far apart it is open."""
    found = {}
    for name, seeds in (("alike", SEEDS), ("apart", {0: -0.2, 1: 0.0, 2: 0.2})):
        scores = [*scored("a", 0.7 + SPREAD, seeds=seeds), *scored("b", 0.6 + SPREAD + TWIST)]
        found[name] = judge({"C1": claim(superior("a", "b"))}, scores).iloc[0]
    assert found["alike"]["p_holm"] == found["apart"]["p_holm"] < 0.05
    assert (found["alike"]["outcome"], found["apart"]["outcome"]) == ("holds", "open")
    assert found["apart"]["interval"] == "percentile, 2000 draws over patients and seeds, seed 0"


def test_score_that_one_seed_lacks_is_that_of_the_others(judge):
    """An image without a score under one seed counts with the mean of its other seeds."""
    scores = [*scored("a", 0.9 + SPREAD), *scored("b", 0.8 + SPREAD + TWIST)]
    scores[0]["dice"] = NAN
    row = judge({"C1": claim(superior("a", "b"))}, scores).iloc[0]
    assert (row["n"], row["n_left_out"]) == (8, 0)
    assert row["mean_better"] == pytest.approx(0.9 + 0.0005 / 8)


@pytest.mark.parametrize(
    ("rows", "words"),
    [([], "no row with seed all"), (["a", "a", "b"], "two rows with seed all")],
    ids=["missing", "twice"],
)
def test_table_of_soundness_has_every_model_once(judge, rows, words):
    """Whether a model is trained is never guessed: the file and the model are named."""
    scores = [*scored("a", 0.9 + SPREAD), *scored("b", 0.8 + SPREAD)]
    judge({"C1": claim(superior("a", "b"))}, scores)
    path = judge.folder / "soundness.csv"
    soundness(path, rows or ["b"], {})
    with pytest.raises(ValueError, match=rf"soundness\.csv: a: {words}"):
        judge_claims(
            claims=judge.folder / "claims.yaml",
            part="study",
            scores=[judge.folder / "a.csv", judge.folder / "b.csv"],
            **listed_models(judge.folder, [experiment("a"), experiment("b")]),
            split=[judge.folder / "patients.csv"],
            reported=REPORTED,
            soundness=path,
            settings=SETTINGS,
            output=judge.folder / "claims.csv",
        )


def test_models_are_read_with_their_reason(tmp_path):
    """Rows of single seeds and cells do not count: the model's own row does; one that fails says why."""
    soundness(tmp_path / "s.csv", ["a", "b"], {"b": "seed 1: camus LV 0.2 (limit 0.8)"})
    found = read_models_soundness(tmp_path / "s.csv")
    assert found["verdict"].to_dict() == {"a": "trained", "b": "not trained"}
    assert found["why"].to_dict() == {"a": "", "b": "seed 1: camus LV 0.2 (limit 0.8)"}
    soundness(tmp_path / "s.csv", ["a", "b"], {"b": ""})
    with pytest.raises(ValueError, match=r"s\.csv: b: not trained, and why is empty"):
        read_models_soundness(tmp_path / "s.csv")


def test_single_seeds_that_are_not_trained_are_named_and_count(judge):
    """Of a model of which fewer than a third of the seeds failed, the seed stays in the mean and stands beside it."""
    scores = [*scored("a", 0.9 + SPREAD), *scored("b", 0.8 + SPREAD + TWIST)]
    row = judge({"C1": claim(superior("a", "b"))}, scores, not_trained={"a": "seed 1: unity LA 0.43"}, few=["a"]).iloc[
        0
    ]
    assert (row["outcome"], row["not_trained"], row["few_not_trained"]) == ("holds", "", "a: seed 1: unity LA 0.43")
    (told,) = comparison_lines([row])
    assert told.endswith("single seeds not trained: a: seed 1: unity LA 0.43")


def test_every_verdict_has_its_sentence():
    """No word of a verdict is without a sentence."""
    assert set(TEMPLATES) == set(Verdict)


def broken(change):
    """The text of a file of claims after a change of its content."""
    content = {
        "level": 0.05,
        "margin": 0.02,
        "limit": 0.5,
        "fewest_patients": 6,
        "fewest_seeds": 3,
        "claims": {"C1": claim(superior("a", "b"))},
    }
    change(content)
    return yaml.safe_dump(content, sort_keys=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda all_: all_.update(levle=0.1), ["levle", "'level'"]),
        (lambda all_: all_.pop("margin"), ["margin", "missing"]),
        (lambda all_: all_.update(margin=-0.1), ["margin", "-0.1"]),
        (lambda all_: all_.update(level=True), ["level", "True"]),
        (lambda all_: all_.update(fewest_patients=6.5), ["fewest_patients", "6.5"]),
        (lambda all_: all_.update(fewest_seeds=1), ["fewest_seeds", "1"]),
        (lambda all_: all_["claims"]["C1"].pop("plain"), ["C1", "plain", "missing"]),
        (lambda all_: all_.update(claims=[]), ["claims by name"]),
        (lambda all_: all_["claims"].update(D1=claim(superior("a", "b"))), ["D1", "C and a number"]),
        (lambda all_: all_["claims"]["C1"].update(were="x"), ["C1", "were", "'where'"]),
        (lambda all_: all_["claims"]["C1"].update(part="studie"), ["C1", "studie", "'study'"]),
        (lambda all_: all_["claims"]["C1"].update(item="figure 4"), ["C1", "figure 4", "target"]),
        (lambda all_: all_["claims"]["C1"].update(statement=""), ["C1", "statement"]),
        (lambda all_: all_["claims"]["C1"].update(comparisons=[]), ["C1", "list of comparisons"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"].append(superior("a", "b")), ["C1", "twice"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(kind="superio"), ["superio", "'superior'"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(kind="mean"), ["mean", "kind"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(beter=["c"]), ["beter", "'better'"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(better="a"), ["better", "list of models"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(better=["a", "a"]), ["named twice"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(dataset="unty"), ["unty", "'unity'"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(structure="LVN"), ["LVN", "'LV"]),
        (lambda all_: all_["claims"]["C1"]["comparisons"][0].update(images="kits"), ["kits", "'kit'"]),
        (lambda all_: all_["claims"]["C1"].update(comparisons=[other("agree", models=["a"])]), ["at least two"]),
        (lambda all_: all_["claims"]["C1"].update(comparisons=[other("trend", pairs=[{}])]), ["at least two"]),
        (lambda all_: all_["claims"]["C1"].update(shows=[superior("a", "b")]), ["shows", "superior"]),
    ],
)
def test_mistake_in_the_declaration_is_named(tmp_path, change, words):
    """Every misspelt or impossible entry stops with the file, the place and the nearest name."""
    path = tmp_path / "claims.yaml"
    path.write_text(broken(change))
    with pytest.raises(ValueError, match=r"claims\.yaml") as caught:
        read_claims(path, KNOWN)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("claims: [", "not YAML"),
        ("level: 1\nlevel: 2\n", "'level' appears twice"),
        ("- 1\n", "keys with values"),
        ("!!python/object/apply:os.getcwd []\n", "not YAML"),
        ("", "keys with values"),
    ],
)
def test_other_texts_are_refused(tmp_path, text, words):
    """No YAML, a key given twice, and an object that would run code: each is refused in one sentence."""
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(words)):
        read_claims(path, KNOWN)


def test_declared_claims_are_those_of_the_method():
    """C1 to C10 are the study's, C11 to C14 the instrument's; level, margin, limit and smallest test part as fixed."""
    declared = read_claims(DECLARED, KNOWN)
    assert [one.name for one in declared.claims] == [f"C{number}" for number in range(1, 15)]
    assert [one.part for one in declared.claims] == ["study"] * 10 + ["instrument"] * 4
    assert (declared.level, declared.margin, declared.limit) == (0.05, 0.02, 0.5)
    assert (declared.fewest_patients, declared.fewest_seeds) == (6, 3)
    assert declared.margin == NO_DIFFERENCE, "the tables of tests and the ledger have one margin"


def test_declared_claims_name_rows_targets_and_cells_that_exist():
    """Every model is a row of the list, evaluated where it is tested; every item is a rule; the paper is quoted."""
    with (ROOT / "config" / "experiments.tsv").open(newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file, delimiter="\t")}
    rules = {
        name
        for path in (ROOT / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
    }
    for one in read_claims(DECLARED, KNOWN).claims:
        assert one.item in rules
        judged = {name for comparison in one.comparisons for names in comparison.sides for name in names}
        shown = {name for name, row in rows.items() if one.item in row["shown_in"].split("+")}
        assert judged <= shown, f"snakemake {one.item} does not rebuild {judged - shown}"
        for comparison in (*one.comparisons, *one.shows):
            for model in [name for names in comparison.sides for name in names]:
                assert comparison.dataset in rows[model]["evaluated_on"].split("+"), model
                structures = rows[model]["structures"].split("+")
                assert comparison.structure in structures or (comparison.structure == "mean" and len(structures) > 1)


def test_command_line_judges_and_leaves_a_sidecar(judge, monkeypatch):
    """`labeldropout claims` writes three files and says beside them what they were made from."""
    judge({"C1": claim(superior("a", "b"))}, [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)])
    monkeypatch.chdir(judge.folder)
    status = main(
        [
            *("claims", "--claims", "claims.yaml", "--part", "study", "--scores", "a.csv", "b.csv"),
            *(
                "--configs",
                "models/a/config.json",
                "models/b/config.json",
                "--seeds",
                "0,1,2",
                "0,1,2",
                "--shown-in",
                "",
                "",
            ),
            *("--split", "patients.csv", "--soundness", "soundness.csv"),
            *("--reported", str(REPORTED), "--settings", json.dumps(SETTINGS), "--output", "tables/claims"),
        ]
    )
    assert status == 0
    sidecar = json.loads(Path("tables/claims.provenance.json").read_text())
    assert set(sidecar["files"]) == {f"tables/claims.{ending}" for ending in ("csv", "md", "tex")}
    assert {"claims.yaml", "a.csv", "b.csv", "patients.csv", "soundness.csv", "models/a/config.json"} <= set(
        sidecar["inputs"]
    )
    assert sidecar["settings"]["seeds"] == {"a": "0,1,2", "b": "0,1,2"}
    assert sidecar["target"] == "snakemake claims"


@pytest.fixture
def results(judge, tmp_path):
    """A repository with tables of two claims, a list of experiments, a run record, and the two texts."""
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)]
    root = tmp_path / "repository"
    tables = root / "results" / "tables"
    tables.mkdir(parents=True)
    judge({"C6": claim(superior("a", "b")), "C7": claim(superior("b", "a"))}, scores)
    for ending in ("csv", "md"):
        (judge.folder / f"claims.{ending}").rename(tables / f"claims.{ending}")
    (root / "config").mkdir()
    (root / "config" / "experiments.tsv").write_text(
        "model\tshown_in\tseeds\tseverity\na\tfigure_4\t0,1\t\nb\tfigure_4\t0\t\n"
    )
    rules = (*ONCE, *DATA, "train", "evaluate", "compare", "figures_item")
    record = {
        "machine": "A processor, 2 cores",
        "seconds_by_rule": {rule: {"jobs": 2, "seconds": 120.0} for rule in rules},
    }
    (root / "results" / "run_record.json").write_text(json.dumps(record))
    (root / "README.md").write_text(f"Before.\n\n{MARK}\nstale\n{MARK}\n\nAfter.\n")
    (root / "docs").mkdir()
    (root / "docs" / "claims.md").write_text(f"Before.\n\n{CLAIMS_MARK}\nstale\n{CLAIMS_MARK}\n")
    return root


def test_results_are_put_between_their_marks(results):
    """README gets a line of counts and one per main claim, the page all claims; doing it again changes nothing."""
    put_ledger(results)
    readme, page = results / "README.md", results / "docs" / "claims.md"
    once = readme.read_text(), page.read_text()
    assert once[0].startswith(
        f"Before.\n\n{MARK}\n- **2 claims judged on simulated data**: 1 reproduced, 1 contradicted"
    )
    assert once[0].endswith(f"\n{MARK}\n\nAfter.\n")
    assert re.findall(r"^- \*\*(.*?)\*\*", once[0], re.MULTILINE)[1:] == ["C6, reproduced"]
    assert "a above b, LA on unity: +0.100" in " ".join(once[0].split())
    assert "stale" not in once[0] + once[1]
    assert re.findall(r"^\| \*\*(.*?)\*\* \(.*\| (C\d)\. ", once[1], re.MULTILINE) == [
        ("reproduced", "C6"),
        ("contradicted", "C7"),
    ]
    assert re.findall(r"^## (C\d)\.", once[1], re.MULTILINE) == ["C6", "C7"]
    assert main(["put-ledger", "--root", str(results)]) == 0
    assert (readme.read_text(), page.read_text()) == once


def test_minutes_are_the_seconds_of_the_jobs_over_the_cores(results):
    """Shared rules count once, data once per severity, a training with its mean; two cores halve it."""
    record = json.loads((results / "results" / "run_record.json").read_text())
    rows = [
        {"shown_in": "figure_4+x", "seeds": "0,1", "severity": ""},
        {"shown_in": "x", "seeds": "0", "severity": "0.5"},
    ]
    # Eight rules of two minutes each, then minutes of two trainings, an evaluation, a comparison and a figure.
    assert minutes_of("figure_4", rows, record) == (2, math.ceil((16 + 2 + 1 + 2) / 2))
    # One severity more: four rules of two minutes; one training and one evaluation more.
    assert minutes_of("x", rows, record) == (3, math.ceil((16 + 8 + 3 + 2 + 2) / 2))
    assert minutes_in_all(record) == 12
    with pytest.raises(ValueError, match="no row"):
        minutes_of("figure_9", rows, record)
    without = {rule: value for rule, value in record["seconds_by_rule"].items() if rule != "train"}
    with pytest.raises(ValueError, match="no seconds of rule 'train'"):
        minutes_of("x", rows, {**record, "seconds_by_rule": without})
    with pytest.raises(ValueError, match="cores"):
        minutes_of("x", rows, {**record, "machine": "an abacus"})


def test_results_are_put_nowhere_else(results):
    """If one of the texts lacks its marks, or there is no table, nothing is changed."""
    before = (results / "README.md").read_text()
    (results / "docs" / "claims.md").write_text(f"One {CLAIMS_MARK} only.")
    with pytest.raises(ValueError, match="1 marks"):
        put_ledger(results)
    assert (results / "README.md").read_text() == before
    (results / "results" / "tables" / "claims.csv").unlink()
    with pytest.raises(ValueError, match=r"no claims\.csv"):
        put_ledger(results)


def draw(table, item, folder):
    """Draw a ledger; returns the path of the picture."""
    table.to_csv(folder / f"{item}.csv", index=False)
    draw_figure(
        item=item,
        tables=[folder / f"{item}.csv"],
        cases=[],
        predictions=[],
        structures=CONFIGURATION["structures"],
        hidden="",
        simulated=True,
        output=folder / item,
    )
    return folder / f"{item}.png"


def test_figure_shows_every_comparison_with_its_verdict_in_words(judge):
    """Holding, contradicted, untestable and shown comparisons are told apart in words, not by colour alone."""
    claims = {
        "C1": claim(superior("a", "b"), shows=[other("gain", better=["a"], worse=["b"])]),
        "C2": claim(superior("b", "a"), other("equivalent", better=["a"], worse=["b"])),
        "C3": claim(superior("a", "z")),
    }
    table = judge(claims, [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)])
    picture = draw(table, "claims", judge.folder)
    drawing = picture.with_suffix(".svg").read_text()
    for words in (
        *("C1: reproduced", "C2: contradicted", "C3: not testable", "holds: +0.100", "contradicted: −0.100"),
        *("no row z in the list of experiments", "shown: +14 %", "a above b: LA on unity", "(simulated data)"),
    ):
        assert words in drawing, words
    again = picture.read_bytes()
    assert draw(table, "claims", judge.folder).read_bytes() == again
    with Image.open(picture) as image:
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_figure_grows_with_its_comparisons(judge):
    """A claim with ten comparisons gets its room: no line is squeezed."""
    scores = [*scored("a", 0.8 + SPREAD), *scored("b", 0.7 + SPREAD + TWIST)]
    heights = []
    for count in (1, 10):
        claims = {f"C{place}": claim(superior("a", "b")) for place in range(1, count + 1)}
        with Image.open(draw(judge(claims, scores), "claims_instrument", judge.folder)) as image:
            heights.append(image.height)
    assert heights[1] > 4 * heights[0]


COMMITTED = sorted(ROOT.glob("results/**/tables/claims*.csv"))
"""The ledgers of all studies in the repository."""
CELLS = ROOT / "results" / "cells" / "tables"
KNOWN_CELLS = Known(("laboratory_1", "laboratory_2"), ("nucleus", "cytoplasm"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.relative_to(ROOT)))
def test_verdicts_follow_from_the_committed_tables(path):
    """Rules, Holm's correction, words and what could be shown, worked out from the numbers of the table alone."""
    if path.parent == CELLS:
        declared = read_claims(DECLARED.with_name("claims_cells.yaml"), KNOWN_CELLS)
    else:
        declared = read_claims(DECLARED, KNOWN)
    table = read_table(path, CLAIMS, CLAIMS_TEXT)
    known = {one.name: one for one in declared.claims}
    for name, group in table.groupby("claim", sort=False):
        rows = group.to_dict("records")
        comparisons = [*known[name].comparisons, *known[name].shows]
        assert [(row["kind"], row["models"]) for row in rows] == [
            (one.kind.name, "; ".join("+".join(names) for names in one.sides)) for one in comparisons
        ]
        family = [row for row in rows if KINDS[row["kind"]].is_decided_by_p and not row["why"]]
        adjusted = holm([row["p_patient"] for row in family])
        assert [row["p_holm"] for row in family] == pytest.approx(adjusted, nan_ok=True)
        for row, comparison in zip(rows, comparisons, strict=True):
            assert row["bound"] == pytest.approx(declared.bound(comparison.kind), nan_ok=True)
            if not row["why"]:
                ends = (row["effect"], row["low"], row["high"])
                assert not why_not_testable(*ends, row["n_patients"], declared.fewest_patients)
            if row["n_seeds"] >= declared.fewest_seeds:
                assert row["could_show"] == pytest.approx((row["high"] - row["low"]) / 2, nan_ok=True)
        found = outcomes_of(rows, declared)
        assert [row["outcome"] for row in rows] == [one.value for one in found]
        assert {row["verdict"] for row in rows} == {verdict(found).value}


def test_pages_speak_of_patients_only_where_there_are_some():
    """The cells have images alone; a heart is seen in several images of one patient."""
    cells, hearts = (read_ledger(path) for path in (CELLS, ROOT / "results" / "tables"))
    told = [one.text for claim in cells for one in claim.told]
    assert any(re.search(r"; \d+ images; p on images ", text) for text in told)
    assert not any("patient" in text for text in [*told, *(claim.deciding for claim in cells), *cells[0].header])
    assert any(re.search(r"; \d+ images of \d+ patients; p on patients ", one.text) for one in hearts[0].told)
    assert "p, patient (Holm)" in hearts[0].header


def test_committed_ledger_agrees_with_the_committed_tables_2_and_figure_4():
    """The same comparison has the same numbers wherever it stands: C10 and Table 2, C8 and Figure 4."""
    tables = ROOT / "results" / "tables"
    claims = read_table(tables / "claims.csv", CLAIMS, CLAIMS_TEXT)
    table_2 = pd.read_csv(tables / "table_2.csv").set_index("structure")
    tenth = claims[(claims["claim"] == "C10") & (claims["outcome"] != "shown")].set_index("structure")
    for structure in ("LV", "LVM", "LA"):
        mine, theirs = tenth.loc[structure], table_2.loc[structure]
        assert (mine["n"], mine["n_patients"]) == (theirs["n"], theirs["n_patients"])
        assert mine["effect"] == pytest.approx(theirs["difference"])
        assert mine["p_patient"] == pytest.approx(theirs["p_patient"])
        assert mine["p_image"] == pytest.approx(theirs["p_image"])
    figure_4 = pd.read_csv(tables / "figure_4.csv", dtype={"seed": str})
    never = figure_4[
        (figure_4["model"] == "e4-p10")
        & (figure_4["seed"] == "all")
        & (figure_4["dataset"] == "unity")
        & (figure_4["structure"] == "LA")
    ]
    eighth = claims[claims["claim"] == "C8"]
    assert eighth["effect"].item() == pytest.approx(never["dice_mean"].item(), abs=1e-6)
