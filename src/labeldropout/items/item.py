"""What a figure or table is: the words in which the catalogue describes each."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an item is."""

    FIGURE = "figure"
    """Drawn, from the table of the same name."""
    TABLE = "table"
    """A table without a figure."""


class Whose(StrEnum):
    """Which experiments an item shows."""

    STUDY = "study"
    """The paper's."""
    INSTRUMENT = "instrument"
    """Our own."""


class Section(StrEnum):
    """Where the report shows an item."""

    CLAIMS = "claims"
    """The paper's claims at a glance."""
    OWN_CLAIMS = "own claims"
    PAPER = "paper"
    """Beside the paper's item of the same title."""
    OWN = "own"
    """What our own experiments show."""
    BIOMARKERS = "biomarkers"
    TRAINING = "training"
    BEHIND = "behind"
    """Not on its own: a table behind a figure, or behind the model card."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A figure or table."""

    name: str
    """Name of its files in `figures` and `tables`, and on the command line."""
    section: Section
    title: str
    """Title in the report."""
    question: str
    """What it answers."""
    caption: str = ""
    """Caption in the report, beneath the title."""
    alternative: str = ""
    """What a figure shows, in one plain sentence without a result, for readers who cannot see it. Tables have none."""
    numbers: str = ""
    """Beginning of its table's caption; only for tables that `compare` makes. `{structures}` stands for the
    structures that it is about."""
    further_tables: tuple[str, ...] = ()
    """Tables that a figure is drawn from besides the one with its own name."""
    shows_pictures: bool = False
    """Whether it shows images of cases, and so needs their stores and predictions."""
    needs_observer: bool = False
    """Whether it needs the masks that an observer drew."""
    is_listed: bool = False
    """Whether rows of the list of experiments name it in `shown_in`."""
    is_summarised: bool = False
    """Whether its numbers are among the main ones of `tables/summary.json`."""
    made_with: str = ""
    """The item whose target makes it, if not its own."""

    @property
    def kind(self) -> Kind:
        """Figure or table."""
        return Kind.FIGURE if self.alternative else Kind.TABLE

    @property
    def whose(self) -> Whose:
        """Whether it shows the paper's experiments or our own."""
        is_own = self.section in {Section.OWN, Section.OWN_CLAIMS, Section.BIOMARKERS}
        return Whose.INSTRUMENT if is_own else Whose.STUDY

    @property
    def target(self) -> str:
        """The Snakemake target that makes it."""
        return self.made_with or self.name

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that it needs, its own first."""
        return (self.name, *self.further_tables)

    @property
    def picture_table(self) -> str:
        """The table of the cases that it shows as pictures; empty if it shows none."""
        return self.tables[-1] if self.shows_pictures else ""

    @property
    def is_of_pictures(self) -> bool:
        """Whether it shows nothing but pictures."""
        return self.picture_table == self.name

    @property
    def is_compared(self) -> bool:
        """Whether `compare` makes its table."""
        return bool(self.numbers)
