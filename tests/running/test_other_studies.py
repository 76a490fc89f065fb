"""What one study takes from others, and what it says where that is not there."""

import pytest

from labeldropout.running.other_studies import OtherStudies


def test_scores_behind_a_ledger_are_found_or_missed_by_name(tmp_path):
    """A clone has the committed ledger and not the scores: comparing machines says how to make them."""
    tables = tmp_path / "results" / "instructions" / "tables"
    tables.mkdir(parents=True)
    others = OtherStudies(tmp_path)
    with pytest.raises(ValueError, match=r"instructions/tables/claims\.csv: not there .* snakemake --cores all claims"):
        others.scores()
    (tables / "claims.csv").touch()
    with pytest.raises(ValueError, match=r"results/instructions/scores: no scores there .*: rm results/instructions"):
        others.scores()
    for name in ("e4-p00.csv", "e4-benchmark.csv"):
        path = tables.parent / "scores" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert others.scores() == [f"results/instructions/scores/{name}" for name in ("e4-benchmark.csv", "e4-p00.csv")]
    assert others.own_scores() == ["<results>/scores/e4-benchmark.csv", "<results>/scores/e4-p00.csv"]
