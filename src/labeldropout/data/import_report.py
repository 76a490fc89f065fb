"""Record what an import found, used, skipped and refused; nothing is dropped silently."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from labeldropout.case import DatasetError

OnBadCase = Literal["stop", "skip"]


@dataclass
class ImportReport:
    """Filled by an importer as it goes; written next to the cases as report.json and rejected.csv."""

    dataset: str
    on_bad_case: OnBadCase = "stop"
    """Whether a bad case ends the import (default) or is recorded in `rejected` and left out."""
    skip_limit: float = 0.01
    """Largest share of a data set that may be skipped as known-bad before the import is refused."""
    found: int = 0
    """Items examined, in the data set's own unit (stills, videos, images)."""
    used: int = 0
    """Cases that the importer produced; counted by `importing`."""
    skipped: dict[str, list[str]] = field(default_factory=dict)
    """Known-bad items by reason."""
    rejected: list[dict[str, str]] = field(default_factory=list)
    """Bad cases that `on_bad_case="skip"` left out: item and error."""
    notes: list[str] = field(default_factory=list)
    """Remarks and warnings, as sentences."""
    checks: list[dict[str, str]] = field(default_factory=list)
    """Self-check against what is known about the real data set: check, expected, found."""

    def skip(self, reason: str, item: str) -> None:
        """Count a known-bad item."""
        self.skipped.setdefault(reason, []).append(item)

    def note(self, text: str) -> None:
        """Add a remark; duplicates are dropped."""
        if text not in self.notes:
            self.notes.append(text)

    def check(self, name: str, expected: object, found: object) -> None:
        """Record a number found and the one published for the real data set."""
        self.checks.append({"check": name, "expected": str(expected), "found": str(found)})

    def attempt(self, item: str, read: Callable[..., Any], *arguments: Any) -> Any | None:
        """Call `read(*arguments)`; on a `DatasetError`, stop or record the item and return None, as configured."""
        try:
            return read(*arguments)
        except DatasetError as error:
            if self.on_bad_case == "stop":
                raise
            self.rejected.append({"item": item, "error": str(error)})
            return None

    def close(self) -> None:
        """Refuse an import that skipped too much.

        Raises:
            DatasetError: More than `skip_limit` of the items found were skipped.
        """
        n_skipped = sum(len(items) for items in self.skipped.values())
        if self.found and n_skipped > max(self.skip_limit * self.found, 1e-9):
            reasons = "; ".join(f"{reason}: {len(items)} (first: {items[0]})" for reason, items in self.skipped.items())
            raise DatasetError.about(
                self.dataset,
                "import",
                "too many items skipped",
                f"at most {self.skip_limit:.1%} of {self.found}",
                f"{n_skipped} ({reasons})",
                "Look at the items, or give a larger skip_limit.",
            )
