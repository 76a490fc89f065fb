"""Values of a study as they stand on the command line of a rule."""

import json
from typing import Any


def as_json(content: Any) -> str:
    """Sorted JSON: equal settings give equal text, and equal text reruns nothing."""
    return json.dumps(content, sort_keys=True)


def yes_or_no(answer: bool) -> str:
    """A truth value in the words of the command line."""
    return "yes" if answer else "no"
