"""The report of an import counts what was skipped and refuses when it is too much."""

import pytest

from labeldropout.case import DatasetError
from labeldropout.data.import_report import ImportReport


def bad(file):
    """Stands for an importer's function that finds something wrong."""
    raise DatasetError.about("camus", file, "wrong", 1, 2)


def test_a_bad_case_ends_the_import_by_default():
    """The error passes through."""
    report = ImportReport("camus")
    with pytest.raises(DatasetError, match="x: wrong"):
        report.attempt("x", bad, "x")
    assert report.rejected == []


def test_bad_cases_are_recorded_when_asked():
    """Item and error are kept, and the import goes on."""
    report = ImportReport("camus", "skip")
    assert report.attempt("case 1", bad, "x") is None
    assert report.attempt("case 2", len, "four") == 4
    assert report.rejected == [{"item": "case 1", "error": "camus: x: wrong (expected 1, found 2)."}]


def test_an_error_of_the_program_is_never_taken_for_a_bad_case():
    """Only what an importer says of the data can be skipped."""
    with pytest.raises(ZeroDivisionError):
        ImportReport("camus", "skip").attempt("x", divmod, 1, 0)


@pytest.mark.parametrize(("n_skipped", "refused"), [(0, False), (1, False), (2, True)])
def test_more_than_one_in_a_hundred_skipped_is_refused(n_skipped, refused):
    """One of a hundred may be skipped, two may not; the error gives reason, number and first item."""
    report = ImportReport("camus", found=100, used=90)
    for n in range(n_skipped):
        report.skip("LV empty", f"patient000{n}")
    if refused:
        with pytest.raises(DatasetError, match=r"at most 1.0% of 100, found 2 \(LV empty: 2 \(first: patient0000\)\)"):
            report.close()
    else:
        report.close()


def test_the_limit_counts_all_reasons_and_can_be_raised():
    """Reasons are added up; a larger limit is the user's choice."""
    report = ImportReport("camus", skip_limit=0.5, found=4, used=1)
    report.skip("a", "1")
    report.skip("b", "2")
    report.close()
    report.skip("a", "3")
    assert report.skipped == {"a": ["1", "3"], "b": ["2"]}
    with pytest.raises(DatasetError, match="found 3"):
        report.close()


def test_a_remark_is_kept_once_and_checks_are_text():
    """What is written to report.json can be read by anyone."""
    report = ImportReport("camus")
    report.note("same")
    report.note("same")
    report.check("stills", 2000, 8)
    assert report.notes == ["same"]
    assert report.checks == [{"check": "stills", "expected": "2000", "found": "8"}]


def test_an_import_with_no_case_left_gives_every_reason():
    """Who sees nothing imported must learn why from the message alone."""
    report = ImportReport("camus", "skip", skip_limit=0.9, found=5)
    report.attempt("case 1", bad, "x")
    report.skip("LV empty", "case 2")
    report.leave_out("another view", "case 3")
    report.leave_out("another view", "case 4")
    with pytest.raises(DatasetError) as caught:
        report.close()
    assert str(caught.value) == (
        "camus: import: no case left to store (expected at least one of 5 found, found none; 1 bad cases (first: "
        "case 1: camus: x: wrong (expected 1, found 2).); LV empty: 1 (first: case 2); another view: 2 (first: "
        "case 3))."
    )


def test_what_is_left_out_or_adjusted_is_recorded_by_name_and_never_too_much():
    """It is no fault of the data, so it does not count towards the limit of what may be skipped."""
    report = ImportReport("unity", found=3, used=1)
    report.leave_out("another view", "a")
    report.adjust("clipped", "b")
    report.adjust("clipped", "c")
    report.close()
    assert (report.left_out, report.adjusted) == ({"another view": ["a"]}, {"clipped": ["b", "c"]})
