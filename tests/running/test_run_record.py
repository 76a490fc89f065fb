"""What a study writes down about its run."""

import pytest

from labeldropout.running.run_record import run_record


def test_run_record_has_times_by_rule(tmp_path):
    """The record sums the seconds of each rule, and says what the trainings ran on."""
    benchmarks = tmp_path / "benchmarks"
    for name, seconds in (("train/m/seed-0", 2.5), ("train/m/seed-1", 3.5), ("split/all", 1.0)):
        path = benchmarks / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    (benchmarks / "train" / "m" / "seed-0.json").write_text('{"device": "cpu"}')
    record = run_record(benchmarks, "test", [{"name": "LV"}])
    assert record["seconds_by_rule"] == {
        "split": {"jobs": 1, "seconds": 1.0, "longest_seconds": 1.0},
        "train": {"jobs": 2, "seconds": 6.0, "longest_seconds": 3.5},
    }
    assert record["training_devices"] == ["cpu"]
    assert record["study"] == "test"
    (benchmarks / "train" / "m" / "seed-1.json").touch()
    with pytest.raises(ValueError, match=r"train/m/seed-1\.json: not JSON"):
        run_record(benchmarks, "test", [{"name": "LV"}])
