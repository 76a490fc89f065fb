"""Two lengths of training, side by side."""

import pandas as pd
import pytest

from labeldropout.analysis.lengths import LONG_SHORT, join_lengths, write_lengths
from labeldropout.analysis.spreads import LENGTH_TABLE
from labeldropout.files import write_table


def _write(path, steps, **dice):
    """A table of these models with a mean Dice for each seed, and their mean for all."""
    rows = [
        dict.fromkeys(LENGTH_TABLE, 0.5)
        | {"model": model, "train_on": "camus+unity", "hidden": "", "dropout_mode": "", "augmentation": "published"}
        | {"loss": "adaptive", "network": "basic_unet", "interval": "typed", "data": "simulated"}
        | {"dataset": "unity", "structure": "LA", "reference": "dataset", "seed": seed}
        | {"dice_mean": value, "steps": steps}
        for model, values in dice.items()
        for seed, value in [*enumerate(values), ("all", sum(values) / len(values))]
    ]
    write_table(pd.DataFrame(rows), path, LENGTH_TABLE)
    return path


def test_shared_models_stand_below_one_another(tmp_path):
    """Models that both studies have, short before long, with their steps; the readable table says what changed."""
    short = _write(tmp_path / "short.csv", 1200, a=[0.8], b=[0.6])
    long = _write(tmp_path / "long.csv", 4800, a=[0.7])
    files = write_lengths(short, long, tmp_path / "both", simulated=True)
    table = pd.read_csv(files[0])
    assert list(table) == list(LONG_SHORT)
    assert list(zip(table["study"], table["model"], table["steps"], table["dice_mean"], strict=True)) == [
        *[("short", "a", 1200, 0.8)] * 2,
        *[("long", "a", 4800, 0.7)] * 2,
    ]
    text = files[1].read_text()
    assert text.startswith("Simulated data.")
    assert "| a | 1 | unity | LA | 0.800 | 0.700 | −0.100 |" in text


def test_the_change_is_over_the_seeds_that_both_studies_have(tmp_path):
    """Six short and three long trainings: equal ones show no change, whatever the other three reached."""
    short = _write(tmp_path / "short.csv", 1200, a=[0.8, 0.7, 0.3, 0.1, 0.1, 0.1], b=[0.5, 0.6, 0.7, 0.9])
    long = _write(tmp_path / "long.csv", 4800, a=[0.8, 0.7, 0.3], b=[0.7, 0.8, 0.9])
    files = write_lengths(short, long, tmp_path / "both", simulated=True)
    table = pd.read_csv(files[0]).set_index(["study", "model", "seed"]).sort_index()
    assert set(table.index.get_level_values("seed")) == {"0", "1", "2", "all"}
    assert (table["n_seeds"] == 3).all()
    assert table.loc[("short", "a", "all"), "dice_mean"] == pytest.approx(0.6)
    assert table.loc[("long", "a", "all"), "change"] == pytest.approx(0)
    changed = table.loc[("long", "b", "all")]
    # Both have a standard deviation of 0.1, so the error is 0.1 sqrt(2/3), with 4 degrees of freedom (t = 2.776).
    assert changed["change"] == pytest.approx(0.2)
    assert changed["change_high"] - 0.2 == pytest.approx(2.776 * 0.1 * (2 / 3) ** 0.5, abs=1e-3)
    assert table["change"].notna().sum() == 2
    assert "| b | 3 | unity | LA | 0.600 ± 0.100 | 0.800 ± 0.100 | +0.200 [−0.027, +0.427] |" in files[1].read_text()


def test_studies_that_do_not_fit_are_refused(tmp_path):
    """Without a common model, or with the same length, there is nothing to compare."""
    short, other = _write(tmp_path / "short.csv", 1200, a=[0.8]), _write(tmp_path / "other.csv", 4800, b=[0.8])
    with pytest.raises(ValueError, match=r"other.csv: no model and seed in common with .*short.csv"):
        join_lengths(short, other)
    with pytest.raises(ValueError, match=r"short.csv: 1200 steps \(expected more than the 4800"):
        join_lengths(_write(tmp_path / "long.csv", 4800, a=[0.8]), short)
