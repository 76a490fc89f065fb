"""Every figure and table that a study publishes: `catalogue` lists them, in the words of `item`."""

from labeldropout.items.catalogue import (
    INSTRUMENT_ITEMS,
    ITEMS,
    LEDGERS,
    figures,
    is_of_the_study,
    listed,
    needs_observer,
    tables,
    tables_of,
)
from labeldropout.items.item import Item, Kind, Section, Whose

__all__ = [
    "INSTRUMENT_ITEMS",
    "ITEMS",
    "LEDGERS",
    "Item",
    "Kind",
    "Section",
    "Whose",
    "figures",
    "is_of_the_study",
    "listed",
    "needs_observer",
    "tables",
    "tables_of",
]
