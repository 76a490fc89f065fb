"""Wording shared by error messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: object, valid: Iterable[str]) -> str:
    """A question that suggests the closest valid word; empty if none is close."""
    near = difflib.get_close_matches(str(word), list(valid), 1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else ""
