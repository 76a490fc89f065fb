"""Whether a training came to its end, by made-up histories with known answers."""

import pandas as pd
import pytest
from listed_models import listed_models

from labeldropout.analysis.soundness import (
    SOUNDNESS,
    Training,
    changes_over_last_quarter,
    is_settled,
    judge_soundness,
    kept_dice,
    read_trainings,
)
from labeldropout.cli.main import main
from labeldropout.files import read_table, write_table
from labeldropout.heart import STRUCTURES
from labeldropout.learning.experiments import parse_row
from labeldropout.learning.tables import HISTORY

BOTH = "camus+unity"
STEPS = (100, 200, 300, 400)


def history(**dice):
    """A history of four validations; a cell has one value, or one per validation, the third being at three quarters.

    Cells are written as `camus_LA`. The weights of the last validation are the best ones.
    """
    rows = []
    for number, step in enumerate(STEPS):
        for cell, value in dice.items():
            dataset, structure = cell.split("_")
            at = value[number] if isinstance(value, tuple) else value
            rows.append([step, 0.1, 0.5, dataset, structure, at, 10, 1])
        rows.append([step, 0.1, 0.5, "all", "all", 0.1 + 0.1 * number, 10, 1])
    return pd.DataFrame(rows, columns=list(HISTORY))


def row(model, **cells):
    """A row of the list: everything labelled on CAMUS and Unity, experiment 4, unless changed."""
    plain = {"experiment": "4", "train_on": BOTH, "structures": "LV+LA", "loss": "adaptive", "augmentation": "none"}
    return {"model": model, **plain, "network": "basic_unet", "seeds": "0", "evaluated_on": BOTH, **cells}


def trainings(model, histories, severity=1.0, **cells):
    """The trainings of a model, one per history."""
    experiment = parse_row(row(model, **cells), ("camus", "unity", "echonet"), STRUCTURES)
    return [Training(experiment, seed, severity, table) for seed, table in enumerate(histories)]


def full(**changes):
    """A settled history of all four cells at 0.9."""
    return history(**{"camus_LV": 0.9, "camus_LA": 0.9, "unity_LV": 0.9, "unity_LA": 0.9, **changes})


BENCHMARK = trainings("benchmark", [full(), full(), full()])
HIDDEN = {"hidden": "LA@unity:1.0"}


def verdicts(table, model):
    """Verdict by seed and cell of a model; that on the model under `all`."""
    rows = table[table["model"] == model]
    keys = [
        "all" if seed == "all" else (seed, f"{dataset}_{structure}")
        for seed, dataset, structure in zip(rows["seed"], rows["dataset"], rows["structure"], strict=True)
    ]
    return dict(zip(keys, rows["verdict"], strict=True))


def why(table, model):
    """The sentence on a model."""
    return table[(table["model"] == model) & (table["seed"] == "all")]["why"].item()


def test_a_training_that_reaches_nine_tenths_of_the_highest_is_trained():
    """The limit is 0.9 of the best of any model; just at it is enough, below it is not, and the numbers are named."""
    three = [full(camus_LA=0.81), full(camus_LA=0.8099), full()]
    table = judge_soundness([*BENCHMARK, *trainings("other", three, **HIDDEN)])
    assert list(table) == list(SOUNDNESS)
    found = verdicts(table, "other")
    assert (found[0, "camus_LA"], found[1, "camus_LA"]) == ("trained", "not trained")
    of_cell = table[(table["model"] == "other") & (table["structure"] == "LA") & (table["dataset"] == "camus")]
    assert of_cell["limit"].tolist() == pytest.approx([0.81] * 3)
    assert of_cell["highest"].tolist() == [0.9] * 3
    assert why(table, "other") == "seed 1: camus LA 0.8099 (limit 0.8100)"


def test_the_limit_is_that_of_one_training_not_of_a_mean():
    """One seed of one model reaches it; the model is named."""
    best = trainings("best", [full(unity_LV=1.0), full(unity_LV=0.7)], **HIDDEN)
    table = judge_soundness([*BENCHMARK, *best])
    of_cell = table[(table["dataset"] == "unity") & (table["structure"] == "LV")]
    assert set(of_cell["highest"]) == {1.0}
    assert set(of_cell["highest_model"]) == {"best"}


@pytest.mark.parametrize(
    ("n_seeds", "n_failed", "verdict"),
    [(1, 1, "not trained"), (3, 0, "trained"), (3, 1, "not trained"), (6, 1, "trained"), (6, 2, "not trained")],
)
def test_a_third_of_the_seeds_decides_on_a_model(n_seeds, n_failed, verdict):
    """A third or more failed seeds fail a model; fewer are named beside it."""
    histories = [full(camus_LV=0.4)] * n_failed + [full()] * (n_seeds - n_failed)
    table = judge_soundness([*BENCHMARK, *trainings("other", histories, **HIDDEN)])
    assert verdicts(table, "other")["all"] == verdict
    sentence = "; ".join(f"seed {seed}: camus LV 0.40 (limit 0.81)" for seed in range(n_failed))
    assert why(table, "other") == sentence


def test_a_model_with_all_labels_needs_every_seed():
    """One seed of six is too many for a benchmark."""
    table = judge_soundness([*BENCHMARK, *trainings("full", [full(camus_LV=0.4)] + [full()] * 5)])
    assert verdicts(table, "full")["all"] == "not trained"


def test_a_model_with_all_labels_must_have_settled():
    """A cell that still moves by 0.01 in the last quarter of any one seed fails it, up or down."""
    moving = [full(unity_LA=(0.5, 0.7, 0.889, 0.9)), full(unity_LA=(0.5, 0.7, 0.909, 0.9)), full()]
    settled = [full(unity_LA=(0.5, 0.7, 0.891, 0.9)), full(unity_LA=(0.5, 0.7, 0.909, 0.9)), full()]
    table = judge_soundness([*BENCHMARK, *trainings("moving", moving), *trainings("settled", settled)])
    assert verdicts(table, "settled")["all"] == "trained"
    assert verdicts(table, "moving")["all"] == "not trained"
    assert why(table, "moving") == "unity LA changed by +0.011 over the last quarter (limit 0.01)"
    falling = [full(unity_LA=(0.5, 0.7, 0.95, 0.9))] * 3
    rising = [full(unity_LA=(0.5, 0.7, 0.88, 0.9))] * 3
    table = judge_soundness([*BENCHMARK, *trainings("falling", falling), *trainings("rising", rising)])
    assert verdicts(table, "rising")["all"] == "not trained"
    assert why(table, "rising") == "unity LA changed by +0.020 over the last quarter (limit 0.01)"
    assert why(table, "falling") == "unity LA changed by -0.050 over the last quarter (limit 0.01)"
    hidden = judge_soundness([*BENCHMARK, *trainings("partial", rising, **HIDDEN)])
    assert verdicts(hidden, "partial")["all"] == "trained"


def test_the_seeds_of_the_rule_decide_whether_a_model_has_settled():
    """A fourth seed that moves fails nothing: the number of steps was chosen by the first three."""
    moving = full(unity_LA=(0.5, 0.7, 0.88, 0.9))
    table = judge_soundness([*BENCHMARK, *trainings("later", [full(), full(), full(), moving])])
    assert verdicts(table, "later")["all"] == "trained"
    table = judge_soundness([*BENCHMARK, *trainings("first", [full(), full(), moving, full()])])
    assert verdicts(table, "first")["all"] == "not trained"


def test_what_is_hidden_in_every_case_is_not_shown():
    """The hidden cell may be as low as it likes; half of a label, or as many as another data set has, is shown."""
    low = [full(unity_LA=0.1)]
    table = judge_soundness([*BENCHMARK, *trainings("hidden", low, **HIDDEN)])
    assert verdicts(table, "hidden") == {
        (0, "camus_LV"): "trained",
        (0, "camus_LA"): "trained",
        (0, "unity_LV"): "trained",
        (0, "unity_LA"): "not shown",
        "all": "trained",
    }
    for share in ("LA@unity:0.5", "LA@any:unity"):
        table = judge_soundness([*BENCHMARK, *trainings("half", low, hidden=share)])
        assert verdicts(table, "half")[0, "unity_LA"] == "not trained"


def test_what_label_dropout_always_takes_is_not_shown():
    """At p = 1 the one dropped structure is never seen; of two, one stays each time, and below 1 both are seen."""
    low = [full(camus_LA=0.1, unity_LA=0.1)]
    always = {"dropout_structures": "LA", "dropout_probability": "1.0", "dropout_mode": "single", **HIDDEN}
    table = judge_soundness([*BENCHMARK, *trainings("always", low, **always)])
    assert verdicts(table, "always")[0, "camus_LA"] == "not shown"
    assert verdicts(table, "always")["all"] == "trained"
    often = {**always, "dropout_probability": "0.9"}
    assert verdicts(judge_soundness([*BENCHMARK, *trainings("x", low, **often)]), "x")[0, "camus_LA"] == "not trained"
    pattern = {**always, "dropout_mode": "pattern"}
    assert verdicts(judge_soundness([*BENCHMARK, *trainings("x", low, **pattern)]), "x")["all"] == "not trained"
    two = {**always, "dropout_structures": "LV+LA", "hidden": "LV@unity:1.0+LA@unity:1.0"}
    found = verdicts(judge_soundness([*BENCHMARK, *trainings("x", low, **two)]), "x")
    assert (found[0, "camus_LA"], found[0, "unity_LA"]) == ("not trained", "not shown")


def test_the_standard_loss_is_exempt_where_it_is_in_conflict():
    """Its partially labelled structure is judged nowhere, the others are; with another loss nothing is exempt."""
    low = [full(camus_LA=0.1, unity_LA=0.1, camus_LV=0.1)]
    half = {"hidden": "LA@camus:0.5", "loss": "standard"}
    found = verdicts(judge_soundness([*BENCHMARK, *trainings("x", low, **half)]), "x")
    assert (found[0, "camus_LA"], found[0, "unity_LA"]) == ("exempt", "exempt")
    assert (found[0, "camus_LV"], found["all"]) == ("not trained", "not trained")
    found = verdicts(judge_soundness([*BENCHMARK, *trainings("x", low, **{**half, "loss": "marginal"})]), "x")
    assert found[0, "camus_LA"] == "not trained"


def test_a_data_set_without_a_label_makes_a_conflict_too():
    """EchoNet has no atrium: a model of both with the standard loss is exempt there, and is not fully labelled."""
    one = history(camus_LV=(0.5, 0.6, 0.7, 0.9), camus_LA=0.1, echonet_LV=0.9)
    cells = {"train_on": "camus+echonet", "evaluated_on": "camus+echonet", "loss": "standard"}
    found = verdicts(judge_soundness([*BENCHMARK, *trainings("x", [one], **cells)]), "x")
    assert found == {
        (0, "camus_LV"): "trained",
        (0, "camus_LA"): "exempt",
        (0, "echonet_LV"): "trained",
        "all": "trained",
    }


def test_our_own_experiments_set_no_limit_for_the_papers():
    """A better model of experiment 7 changes nothing, unless there is no other at its severity."""
    better = trainings("better", [full(camus_LV=1.0)], experiment="7")
    table = judge_soundness([*BENCHMARK, *better])
    assert table[table["structure"] == "LV"]["highest"].max() == 0.9
    mild = [full(camus_LV=1.0)], [full(camus_LV=0.85)]
    own = [*trainings("m1", mild[0], 0.25, experiment="6"), *trainings("m2", mild[1], 0.25, experiment="6")]
    table = judge_soundness([*BENCHMARK, *own])
    assert verdicts(table, "m2")[0, "camus_LV"] == "not trained"
    assert table[table["severity"] == 1.0]["highest"].max() == 0.9


def test_the_weights_that_are_kept_are_judged():
    """What counts is the best validation until then, not the last one: a later and worse one changes nothing."""
    table = full(unity_LA=(0.2, 0.8, 0.5, 0.4))
    table.loc[table["step"] > 200, "best"] = 0
    assert kept_dice(table, 400.0)["unity", "LA"] == 0.8
    assert kept_dice(table, 150.0)["unity", "LA"] == 0.2
    assert kept_dice(table, 50.0) == {}
    assert changes_over_last_quarter([table])["unity", "LA"] == 0.0
    assert not is_settled(changes_over_last_quarter([table[table["step"] == 400].assign(best=1)])["unity", "LA"])


def test_trainings_are_read_with_their_settings(tmp_path):
    """Severity is the model's own or the study's; a history without settings is refused by name."""
    rows = [row("a"), row("b", severity="0.25", experiment="6")]
    configs = listed_models(tmp_path, rows)["configs"]
    paths = [tmp_path / "models" / model / "seed-3" / "history.csv" for model in "ab"]
    for path in paths:
        write_table(full(), path, HISTORY)
    found = read_trainings(paths, configs, severity=1.0)
    assert [(one.model, one.seed, one.severity) for one in found] == [("a", 3, 1.0), ("b", 3, 0.25)]
    with pytest.raises(ValueError, match=r"b/seed-3/history\.csv: expected .* of a model given by --configs"):
        read_trainings(paths, configs[:1], severity=1.0)


def test_the_verb_writes_the_table_and_its_version_for_readers(tmp_path, monkeypatch):
    """From histories on disc to CSV, Markdown, LaTeX and sidecar; the readers' version has one line per model."""
    rows = [row("a"), row("b", **HIDDEN)]
    configs = listed_models(tmp_path, rows)["configs"]
    paths = [tmp_path / "models" / model / "seed-0" / "history.csv" for model in "ab"]
    for path, table in zip(paths, (full(), full(camus_LV=0.4)), strict=True):
        write_table(table, path, HISTORY)
    monkeypatch.chdir(tmp_path)
    call = ["soundness", "--histories", *map(str, paths), "--configs", *map(str, configs)]
    call += ["--severity", "1", "--simulated", "yes", "--output", "soundness"]
    assert main(call) == 0
    written = read_table(tmp_path / "soundness.csv", SOUNDNESS)
    assert len(written) == 2 * (4 + 1)
    lines = (tmp_path / "soundness.md").read_text().splitlines()
    assert lines[0].startswith("Simulated data. ")
    assert lines[-2:] == ["| a | trained |  |", "| b | not trained | seed 0: camus LV 0.40 (limit 0.81) |"]
    assert {"soundness.tex", "soundness.provenance.json"} <= {path.name for path in tmp_path.iterdir()}
