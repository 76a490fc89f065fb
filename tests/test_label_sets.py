"""Which structures only some images have, and the label sets that occur."""

import json

import pytest
import torch

from labeldropout.label_sets import LabelSets, label_sets, partially_labelled

NAMES = ("background", "liver", "kidney")
SETS = {"a": ["liver", "kidney"], "b": ["background", "kidney"], "c": []}
TABLE = "case,liver,kidney\na,1,1\nb,0,1\nc,0,0\n"


def _cases(*annotated):
    return torch.tensor(annotated, dtype=torch.bool)


def test_partially_labelled_structures_are_known_here_and_unknown_there():
    """A structure annotated everywhere or nowhere is not partially labelled; background never is."""
    annotated = _cases([1, 1, 1, 0, 1], [1, 1, 0, 0, 1], [1, 1, 1, 0, 1])
    assert partially_labelled(annotated).tolist() == [False, False, True, False, False]


def test_nothing_is_partially_labelled_in_a_fully_labelled_training_set():
    """Full annotation leaves label dropout nothing to do."""
    assert not partially_labelled(torch.ones(5, 4, dtype=torch.bool)).any()


def test_label_sets_have_the_shares_of_the_cases():
    """Each label set that occurs is listed once, with the share of the cases that have it."""
    rich, poor = [True, True, True], [True, True, False]
    sets, shares = label_sets(torch.tensor([rich, poor, poor, poor]))
    assert sets.tolist() == [poor, rich]
    assert shares.tolist() == [0.75, 0.25]


def _nnunet(**changes):
    return {"labels": {"background": 0, "kidney": 2, "liver": 1}, "label_sets": {"a": ["liver"]}} | changes


def test_cases_are_looked_up_by_name_in_any_order():
    """Names of cases give one row each, background first and always annotated."""
    sets = LabelSets(NAMES, SETS)
    assert sets(["b", "a", "b", "c"]).int().tolist() == [[1, 0, 1], [1, 1, 1], [1, 0, 1], [1, 0, 0]]
    assert sets([]).shape == (0, 3)
    assert (list(sets), len(sets)) == (["a", "b", "c"], 3)


def test_a_table_says_the_same(tmp_path):
    """A CSV file with a case per line and a column per structure, as a spreadsheet writes it."""
    path = tmp_path / "sets.csv"
    path.write_bytes("\N{BYTE ORDER MARK}".encode() + TABLE.replace("\n", "\r\n").encode())
    read, said = LabelSets.from_csv(path), LabelSets(NAMES, SETS)
    assert read.names == said.names
    assert torch.equal(read(said), said(said))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,liver\na,2\n", r"sets.csv, line 2, column liver: expected 1 \(annotated\) or 0, found '2'"),
        ("case,liver\na,\n", "line 2, column liver: .* found ''"),
        ("case,liver\na,1\na,0\n", "line 3: expected the name of a new case, found 'a'"),
        ("case,liver\na,1,1\n", "line 2: expected 2 cells, found 3"),
        ("case,liver,liver\na,1,1\n", "line 1: expected a column"),
        ("case,background,liver\na,1,1\n", "without the background"),
        ("case\na\n", "line 1: expected a column"),
        ("case,liver\n", "expected a header and a line per case, found 1"),
        ("", "found 0 lines"),
        ("case,liver\n\udcff,1\n", "not a CSV file in UTF-8"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, text, message):
    """A mistake in the table ends with file, line, column and what was expected."""
    path = tmp_path / "sets.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message):
        LabelSets.from_csv(path)


def test_nnunet_s_description_has_one_more_key(tmp_path):
    """Structures come in the order of their numbers, and the label `ignore` is none of them."""
    path = tmp_path / "dataset.json"
    labels = {"background": 0, "kidney": 2, "liver": 1, "ignore": 3}
    path.write_text(json.dumps(_nnunet(labels=labels, label_sets=SETS)))
    sets = LabelSets.from_nnunet(path)
    assert sets.names == NAMES
    assert torch.equal(sets(SETS), LabelSets(NAMES, SETS)(SETS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"labels": {"background": 0, "liver": 1}}, "label_sets: .* no such key"),
        (_nnunet(label_sets=["a"]), "label_sets: .* found something else"),
        (_nnunet(label_sets={"a": "liver"}), "label_sets: .* found something else"),
        (_nnunet(label_sets={"a": ["livre"]}), "case 'a': no structure 'livre'.*Did you mean 'liver'"),
        (_nnunet(labels={"background": 0, "liver": [1, 2]}), "regions have no partial labels"),
        (_nnunet(labels={"background": 0, "liver": 2}), r"labels: expected 0 to 1, found \[0, 2\]"),
        (_nnunet(labels=None), "labels: expected a name and a number each, found None"),
        ([], "labels: .* found None"),
    ],
)
def test_a_description_without_label_sets_is_named(tmp_path, content, message):
    """What is missing or wrong in dataset.json is said with the file and the key."""
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        LabelSets.from_nnunet(path)


def test_a_description_that_is_no_json_is_named(tmp_path):
    """A broken file is a broken file."""
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match=r"dataset\.json: not a JSON file"):
        LabelSets.from_nnunet(tmp_path / "dataset.json")


@pytest.mark.parametrize(
    ("names", "sets", "message"),
    [
        (("background",), {}, "names: expected background and structures"),
        (("background", "liver", "liver"), {}, "each once"),
        (NAMES, {"a": "liver"}, "case 'a': expected a list of structures, found 'liver'"),
        (NAMES, {"a": ["Liver"]}, "no structure 'Liver' .*Did you mean 'liver'"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_structures_that_do_not_fit_are_refused(names, sets, message):
    """A misspelt structure would otherwise be unannotated without a word."""
    with pytest.raises(ValueError, match=message):
        LabelSets(names, sets)


def test_a_case_that_is_not_in_the_table_is_refused():
    """An unknown case is an error that suggests the nearest one; a text is no list of cases."""
    sets = LabelSets(NAMES, {"case_001": ["liver"]})
    with pytest.raises(ValueError, match=r"no case 'case_01' .*Did you mean 'case_001'"):
        sets(["case_01"])
    with pytest.raises(ValueError, match="expected a list of cases, found the text"):
        sets("case_001")


def test_label_maps_are_held_against_the_table():
    """What is drawn is said; what is drawn and not annotated is an error; what is no structure does not count."""
    sets = LabelSets(("background", "liver", "kidney"), {"a": ["liver", "kidney"], "b": ["liver"]})
    target = torch.tensor([[[0, 1], [1, 255]], [[0, 0], [0, 1]]], dtype=torch.uint8)
    assert sets.check(target, ["a", "b"]).tolist() == [[True, True, False], [True, True, False]]
    assert sets.check(target.unsqueeze(1).float(), ["a", "b"]).tolist() == [[True, True, False], [True, True, False]]
    with pytest.raises(ValueError, match=r"case 'b': kidney \(value 2\) is drawn in 3 pixels, and is not annotated"):
        sets.check(torch.tensor([[1, 0, 0, 0], [2, 2, 2, 1]]), ["a", "b"])
    with pytest.raises(ValueError, match=r"case 'a': expected whole numbers, found \[0.5, 1.0\]"):
        sets.check(torch.tensor([[0.5, 1.0], [0.0, 1.0]]), ["a", "b"])
    with pytest.raises(ValueError, match="a label map for each of 2 cases, found 1"):
        sets.check(target[:1], ["a", "b"])
