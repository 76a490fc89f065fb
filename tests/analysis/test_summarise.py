"""All training curves in one table, and the main numbers of a study in one file."""

import json

import pytest

from labeldropout.analysis.paper_tables import TABLE_2
from labeldropout.analysis.spreads import FIGURE_TABLE
from labeldropout.analysis.summarise import TRAINING_CURVES, join_histories, main_numbers
from labeldropout.learning.tables import HISTORY

LONG = "0.18975918982001266"


@pytest.fixture
def histories(tmp_path):
    """Two trainings of one model and one of another, in an order that is not the alphabet's."""
    paths = [tmp_path / model / f"seed-{seed}" / "history.csv" for model, seed in (("z", 0), ("z", 1), ("a", 0))]
    for path in paths:
        path.parent.mkdir(parents=True)
        rows = [f"{step},0.1,{LONG},all,all,,2,{int(step == 1)}\n" for step in (1, 2)]
        path.write_text(",".join(HISTORY) + "\n" + "".join(rows))
    return paths


def table(path, columns, rows):
    """A CSV with these columns, empty where a row says nothing."""
    lines = [",".join(str(row.get(name, "")) for name in columns) for row in rows]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n")
    return path


def figure_table(path, dice, seed="all"):
    """A table behind a figure, with one row."""
    row = {"model": "m", "seed": seed, "dataset": "camus", "structure": "LV", "dice_mean": dice}
    return table(path, FIGURE_TABLE, [row])


@pytest.fixture
def selected(tmp_path):
    """Outcome of a grid search."""
    path = tmp_path / "selected.json"
    path.write_text(json.dumps({"batch_size": 4, "dice": 0.5, "learning_rate": 0.1}))
    return path


def test_histories_stay_in_the_given_order_with_every_digit(histories):
    """The order is that of the figure, and no number is rounded on the way."""
    curves = join_histories(histories, simulated=True)
    assert list(curves) == list(TRAINING_CURVES)
    assert list(zip(curves["model"], curves["seed"], strict=True))[::2] == [("z", 0), ("z", 1), ("a", 0)]
    assert set(curves["loss"]) == {LONG}
    assert set(curves["data"]) == {"simulated"}


def test_a_history_twice_or_elsewhere_is_refused(histories, tmp_path):
    """The message names the file."""
    with pytest.raises(ValueError, match=r"seed-0/history\.csv: a second history of z, seed 0"):
        join_histories([*histories, histories[0]], simulated=True)
    with pytest.raises(ValueError, match=r"history\.csv: expected <model>/seed-<n>"):
        join_histories([tmp_path / "m" / "history.csv"], simulated=True)
    with pytest.raises(ValueError, match="no history"):
        join_histories([], simulated=True)


def test_main_numbers_are_exact_and_have_two_levels(tmp_path, selected):
    """Means over seeds alone, by name, with the digits of the tables; what is undefined is left out."""
    tables = [
        figure_table(tmp_path / "figure_1.csv", LONG),
        figure_table(tmp_path / "figure_3.csv", "0.5", seed="0"),
        table(tmp_path / "table_2.csv", TABLE_2, [{"structure": "LA", "adaptive": 0.25, "difference": LONG}]),
    ]
    assert main_numbers(tables, selected, simulated=False) == {
        "data": "real",
        "dice": {"m/camus/LV": float(LONG)},
        "selected": {"batch_size": 4, "dice": 0.5, "learning_rate": 0.1},
        "table_2": {"LA/adaptive": 0.25, "LA/difference": float(LONG)},
    }


def test_tables_that_disagree_are_refused(tmp_path, selected):
    """One model has one mean, whichever figure shows it."""
    tables = [figure_table(tmp_path / f"figure_{n}.csv", dice) for n, dice in ((1, "0.5"), (3, "0.6"))]
    with pytest.raises(ValueError, match=r"figure_3\.csv: m/camus/LV is 0\.6 \(expected 0\.5"):
        main_numbers(tables, selected, simulated=True)


def test_a_study_of_simulated_and_real_data_says_which_is_which(histories):
    """The curves of a real data set are not called simulated because another one is."""
    histories[0].write_text(",".join(HISTORY) + "\n1,0.1,0.2,camus,LV,0.5,2,1\n1,0.1,0.2,mine,LV,0.5,2,1\n")
    curves = join_histories(histories[:1], simulated=True, real=["mine"])
    assert list(curves["data"]) == ["simulated", "real"]
