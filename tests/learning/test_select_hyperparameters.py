"""The choice among the candidates of the grid."""

import json

import pandas as pd

from labeldropout.files import write_table
from labeldropout.learning.select_hyperparameters import select
from labeldropout.learning.tables import HISTORY


def candidate(folder, learning_rate, batch_size, dice):
    """A candidate's folder whose Dice per validation is given."""
    folder.mkdir(parents=True)
    settings = {"optimisation": {"learning_rate": learning_rate, "batch_size": batch_size}}
    (folder / "config.json").write_text(json.dumps(settings))
    best, rows = -1.0, []
    for number, value in enumerate(dice, start=1):
        rows.append([10 * number, 0.1, 1.0, "all", "all", value, 4, int(value > best)])
        best = max(best, value)
    write_table(pd.DataFrame(rows, columns=list(HISTORY)), folder / "seed-3" / "history.csv")
    return folder


def test_the_best_validation_of_the_best_candidate_decides(tmp_path):
    """What counts is each candidate's best validation, not its last."""
    folders = [
        candidate(tmp_path / "a", 0.1, 8, [0.2, 0.9, 0.1]),
        candidate(tmp_path / "b", 0.03, 16, [0.3, 0.5, 0.8]),
    ]
    table, selected = select(folders, seed=3)
    assert selected == {"learning_rate": 0.1, "batch_size": 8, "dice": 0.9}
    assert list(table["selected"]) == [1, 0]
    assert list(table["step"]) == [20, 30]


def test_a_single_candidate_is_chosen_untrained(tmp_path):
    """A grid of one compares nothing: no history is read, and there is no Dice."""
    settings = {"optimisation": {"learning_rate": 0.1, "batch_size": 16, "steps": 5}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    table, selected = select([tmp_path], seed=3)
    assert selected == {"learning_rate": 0.1, "batch_size": 16, "dice": None}
    assert table.loc[0, ["learning_rate", "batch_size", "step", "selected"]].to_list() == [0.1, 16, 0, 1]
    assert table["dice"].isna().all()


def test_a_tie_goes_to_the_lower_rate_and_the_smaller_batch(tmp_path):
    """Equal Dice: the order of the candidates does not matter."""
    folders = [
        candidate(tmp_path / "a", 0.1, 8, [0.5]),
        candidate(tmp_path / "b", 0.03, 16, [0.5]),
        candidate(tmp_path / "c", 0.03, 8, [0.5]),
    ]
    assert select(folders, seed=3)[1] == select(folders[::-1], seed=3)[1]
    assert select(folders, seed=3)[1]["learning_rate"] == 0.03
    assert select(folders, seed=3)[1]["batch_size"] == 8
