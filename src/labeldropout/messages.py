"""Words that error messages share."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: object, valid: Iterable[str]) -> str:
    """A question that names the valid word nearest to this one; empty if none is near."""
    near = difflib.get_close_matches(str(word), list(valid), 1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else ""
