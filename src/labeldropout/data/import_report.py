"""Record what an import found, used, skipped and refused; nothing is dropped silently."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

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
    """Known-bad items by reason; too many of them are refused (`skip_limit`)."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Good items that are not wanted, by reason: images of another view, for example."""
    adjusted: dict[str, list[str]] = field(default_factory=dict)
    """Items that were taken otherwise than they stand, by what was done."""
    rejected: list[dict[str, str]] = field(default_factory=list)
    """Bad cases that `on_bad_case="skip"` left out: item and error."""
    notes: list[str] = field(default_factory=list)
    """Remarks and warnings, as sentences."""
    checks: list[dict[str, str]] = field(default_factory=list)
    """Self-check against what is known about the real data set: check, expected, found."""

    def skip(self, reason: str, item: str) -> None:
        """Count a known-bad item."""
        self.skipped.setdefault(reason, []).append(item)

    def leave_out(self, reason: str, item: str) -> None:
        """Record a good item that is not wanted."""
        self.left_out.setdefault(reason, []).append(item)

    def adjust(self, what: str, item: str) -> None:
        """Record an item that was taken otherwise than it stands."""
        self.adjusted.setdefault(what, []).append(item)

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

    def table_of_rejected(self) -> pd.DataFrame:
        """`rejected.csv`: item and error of every bad case that was left out."""
        return pd.DataFrame(self.rejected, columns=["item", "error"])

    def close(self) -> None:
        """Refuse an import that skipped too much, or that has no case left.

        Raises:
            DatasetError: More than `skip_limit` of the items found were skipped, or none could be used; the message
                gives every reason with its first item.
        """
        n_skipped = sum(len(items) for items in self.skipped.values())
        if self.found and n_skipped > max(self.skip_limit * self.found, 1e-9):
            reasons = _told(self.skipped)
            raise DatasetError.about(
                self.dataset,
                "import",
                "too many items skipped",
                f"at most {self.skip_limit:.1%} of {self.found}",
                f"{n_skipped} ({reasons})",
                "Look at the items, or give a larger skip_limit.",
            )
        if not self.used:
            reasons = [_told(self.skipped), _told(self.left_out)]
            if self.rejected:
                first = self.rejected[0]
                reasons.insert(0, f"{len(self.rejected)} bad cases (first: {first['item']}: {first['error']})")
            told = "; ".join(reason for reason in reasons if reason)
            raise DatasetError.about(
                self.dataset,
                "import",
                "no case left to store",
                f"at least one of {self.found} found",
                f"none; {told}" if told else "none",
            )


def _told(items_by_reason: dict[str, list[str]]) -> str:
    """Every reason with number and first item; empty if there is none."""
    return "; ".join(f"{reason}: {len(items)} (first: {items[0]})" for reason, items in items_by_reason.items())
