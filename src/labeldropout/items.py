"""What a study publishes: figures and tables, the paper's and ours."""

from collections.abc import Iterable

INSTRUMENT_ITEMS = ("controls", "dose_response", "losses", "architectures", "label_sets", "shortcut")
"""Figures and tables of our own experiments, as the column `shown_in` of the list names them."""


def is_of_the_study(shown_in: Iterable[str]) -> bool:
    """Whether a row of the list is part of the paper's study: not one that only our own experiments show."""
    items = set(shown_in)
    return not items or not items <= set(INSTRUMENT_ITEMS)
