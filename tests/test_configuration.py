"""Misspelt keys and columns are named, with what was probably meant."""

import pytest

from labeldropout.configuration import check_columns, check_keys, check_values

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "seed": {"type": "integer"},
        "training": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"epochs": {"type": "integer"}, "momentum": {"type": "number"}},
        },
        "camus": {"$ref": "#/$defs/dataset"},
    },
    "$defs": {
        "dataset": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"raw": {"type": "string"}, "options": {"type": "object"}},
        }
    },
}


def test_known_keys_pass():
    """A configuration with known keys alone is let through, and an open section may hold anything."""
    check_keys({"seed": 1, "training": {"epochs": 2}, "camus": {"raw": "x", "options": {"any": 1}}}, SCHEMA, "c.yaml")


@pytest.mark.parametrize(
    ("content", "path", "meant"),
    [
        ({"sede": 1}, "'sede'", "'seed'"),
        ({"training": {"epocs": 1}}, "'training.epocs'", "'epochs'"),
        ({"camus": {"rw": "x"}}, "'camus.rw'", "'raw'"),
    ],
)
def test_misspelt_key_is_named_with_the_nearest(content, path, meant):
    """The message has the file, the path of the key and the nearest valid name."""
    with pytest.raises(ValueError, match=r"c\.yaml") as refusal:
        check_keys(content, SCHEMA, "c.yaml")
    assert path in str(refusal.value)
    assert f"Did you mean {meant}?" in str(refusal.value)


def test_strange_key_gets_all_valid_names():
    """Where nothing is near, the valid names are listed."""
    with pytest.raises(ValueError, match="Valid names: camus, seed, training"):
        check_keys({"xyz": 1}, SCHEMA, "c.yaml")


def test_all_wrong_keys_are_named_at_once():
    """One run shows every misspelling."""
    with pytest.raises(ValueError, match=r"sede.*Also.*momentun"):
        check_keys({"sede": 1, "training": {"momentun": 1}}, SCHEMA, "c.yaml")


def test_columns_in_any_order_pass():
    """The order of columns is free."""
    check_columns(["b", "a"], ("a", "b"), "list.tsv")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (["model", "sed"], ["unknown column 'sed'", "'seeds'", "'seeds' is missing"]),
        (["model"], ["'seeds' is missing"]),
        (["model", "seeds", "seeds"], ["'seeds' appears twice"]),
    ],
)
def test_wrong_columns_are_named(found, words):
    """Unknown, missing and doubled columns are refused by name."""
    with pytest.raises(ValueError, match=r"list\.tsv") as refusal:
        check_columns(found, ("model", "seeds"), "list.tsv")
    assert all(word in str(refusal.value) for word in words)


def test_a_value_that_the_schema_refuses_is_named_in_one_line():
    """The message has the file, the path of the key and what the schema says of it."""
    schema = {"properties": {"seed": {"type": "integer", "description": "Fixes the split."}}}
    check_values({"seed": 1}, schema, "c.yaml")
    with pytest.raises(ValueError, match=r"^c\.yaml: seed: 'one' is not of type 'integer'\. Fixes the split\.$"):
        check_values({"seed": "one"}, schema, "c.yaml")
