"""The label sets of a training set: which structures are annotated in which of its cases.

Everything that partial labels need follows from that table. Losses and metrics take its rows as `annotated`; label
dropout hides structures that only some rows have, one at a time or down to a label set that occurs.
"""

import csv
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, unique

YES, NO = "1", "0"


class LabelSets:
    """Which structures are annotated in each case of a data set, looked up by the case's name.

    Annotated means that somebody looked for the structure: it was drawn, or is known to be absent. It is not guessed
    from pixels, for a label map without a liver does not say whether the liver is out of the picture or was left out.
    """

    def __init__(self, names: Sequence[str], sets: Mapping[str, Iterable[str]]) -> None:
        """Keep who has what.

        Args:
            names: Structures in channel order, background first.
            sets: Names of the annotated structures of every case; the background is always annotated and may be left
                out.

        Raises:
            ValueError: A structure is named twice or is not among the names.
        """
        self.names = tuple(names)
        """Structures in channel order, background first."""
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise ValueError(f"names: expected background and structures, each once, found {list(self.names)}.")
        self._annotated: dict[str, tuple[bool, ...]] = {}
        for case, structures in sets.items():
            if isinstance(structures, str):
                raise ValueError(f"sets, case {case!r}: expected a list of structures, found {structures!r}.")  # noqa: TRY004 - one error for all bad input
            given = set(structures)
            unknown = sorted(given - set(self.names), key=str)
            if unknown:
                raise ValueError(f"sets, case {case!r}: {_not_among(str(unknown[0]), self.names, 'structure')}")
            self._annotated[case] = (True, *(name in given for name in self.names[1:]))

    @classmethod
    def from_csv(cls, path: str | Path) -> "LabelSets":
        """Read a table: a case per line, its name in the first column, then a column per structure in channel order.

        The header names the structures, without the background. A cell is 1 (annotated: drawn, or known to be absent)
        or 0 (nobody looked).

        Args:
            path: A CSV file.

        Raises:
            ValueError: The table is not like that; the message names file, line and column.
            OSError: The file cannot be read.
        """
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            try:
                lines = [(reader.line_num, line) for reader in [csv.reader(file)] for line in reader if line]
            except (UnicodeDecodeError, csv.Error) as error:
                raise ValueError(f"{path}: not a CSV file in UTF-8 ({error}).") from error
        if len(lines) < 2:
            raise ValueError(f"{path}: expected a header and a line per case, found {len(lines)} lines.")
        columns = [name.strip() for name in lines[0][1]]
        structures = columns[1:]
        if not structures or "" in structures or "background" in structures or len(set(structures)) < len(structures):
            raise ValueError(
                f"{path}, line 1: expected a column for the case, then one per structure, each once, without the "
                f"background, found {columns}."
            )
        sets: dict[str, list[str]] = {}
        for number, cells in lines[1:]:
            case, *flags = (cell.strip() for cell in cells)
            where = f"{path}, line {number}"
            if len(flags) != len(structures):
                raise ValueError(f"{where}: expected {len(columns)} cells, found {len(cells)}.")
            if not case or case in sets:
                raise ValueError(f"{where}: expected the name of a new case, found {case!r}.")
            for name, flag in zip(structures, flags, strict=True):
                if flag not in {YES, NO}:
                    raise ValueError(f"{where}, column {name}: expected {YES} (annotated) or {NO}, found {flag!r}.")
            sets[case] = [name for name, flag in zip(structures, flags, strict=True) if flag == YES]
        return cls(("background", *structures), sets)

    @classmethod
    def from_nnunet(cls, path: str | Path) -> "LabelSets":
        """Read nnU-Net's `dataset.json`, which gets one extra key, `label_sets`.

        It holds the names of the annotated structures of every training case:
        `"label_sets": {"case_001": ["liver", "kidney"], "case_002": ["liver"]}`. The label `ignore` is no structure.

        Args:
            path: `dataset.json` of nnU-Net v2.

        Raises:
            ValueError: The key is missing, or names a structure that is not among the labels; labels are regions or
                are not numbered from 0 without a gap.
            OSError: The file cannot be read.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: not a JSON file ({error}).") from error
        labels = content.get("labels") if isinstance(content, dict) else None
        sets = content.get("label_sets") if isinstance(content, dict) else None
        if not isinstance(labels, dict):
            raise ValueError(f"{path}, labels: expected a name and a number each, found {labels!r}.")  # noqa: TRY004 - a bad file
        if not isinstance(sets, dict) or not all(isinstance(names, list) for names in sets.values()):
            found = "no such key" if sets is None else "something else"
            raise ValueError(f"{path}, label_sets: expected a list of structures for every case, found {found}.")
        numbers = {name: number for name, number in labels.items() if name != "ignore"}
        if any(type(number) is not int for number in numbers.values()):
            raise ValueError(
                f"{path}, labels: expected a number each (regions have no partial labels), found {labels}."
            )
        names = sorted(numbers, key=numbers.__getitem__)
        if [numbers[name] for name in names] != list(range(len(names))):
            raise ValueError(f"{path}, labels: expected 0 to {len(names) - 1}, found {sorted(numbers.values())}.")
        try:
            return cls(names, sets)
        except ValueError as error:
            raise ValueError(f"{path}, {error}") from error

    def __call__(self, keys: Iterable[str]) -> Bool[Tensor, "n c"]:
        """Which structures are annotated in these cases, background first, on the CPU.

        Args:
            keys: Names of cases.

        Raises:
            ValueError: A case is not in the table; the message suggests the nearest one.
        """
        if isinstance(keys, str):
            raise ValueError(f"keys: expected a list of cases, found the text {keys!r}.")  # noqa: TRY004 - one error for all bad input
        rows = []
        for key in keys:
            if key not in self._annotated:
                raise ValueError(f"Label sets: {_not_among(str(key), tuple(self._annotated), 'case')}")
            rows.append(self._annotated[key])
        return torch.tensor(rows, dtype=torch.bool).reshape(-1, len(self.names))

    def check(self, target: Shaped[Tensor, "n ..."], keys: Iterable[str]) -> Bool[Tensor, "n c"]:
        """Hold label maps against the table: what is drawn in a case has to be annotated in it.

        A wrong number in the table is silent otherwise: what it does not name is taught as unknown, and what it names
        by mistake as absent. Run it once over the training cases, and compare the sums of both sides for each
        structure: one that is annotated in many cases and drawn in few may be an absent organ, or a mistake.

        Args:
            target: Label maps of these cases, (N, *space) or (N, 1, *space), whole numbers; values that are no
                structures, such as 255, do not count.
            keys: Names of the cases.

        Returns:
            Whether each structure is drawn in each case, on the CPU; of the background, whether it is seen.

        Raises:
            ValueError: A case is not in the table, or shows a structure that is not annotated in it, or fractions.
        """
        keys = list(keys)
        annotated = self(keys)
        if len(target) != len(keys):
            raise ValueError(f"target: expected a label map for each of {len(keys)} cases, found {len(target)}.")
        drawn = torch.zeros_like(annotated)
        for place, labels in enumerate(target):
            found = unique(labels).cpu()
            found = found[(found >= 0) & (found < len(self.names))]
            if (found != found.long()).any():
                raise ValueError(f"target, case {keys[place]!r}: expected whole numbers, found {found.tolist()}.")
            found = found.long()
            drawn[place, found] = True
            wrong = found[~annotated[place, found]].tolist()
            if wrong:
                structure = wrong[0]
                raise ValueError(
                    f"Label sets, case {keys[place]!r}: {self.names[structure]} (value {structure}) is drawn in"
                    f" {int((labels == structure).sum())} pixels, and is not annotated by the table (expected: what is"
                    " drawn is annotated)."
                )
        return drawn

    def __iter__(self) -> Iterator[str]:
        """The names of the cases, in the order given."""
        return iter(self._annotated)

    def __len__(self) -> int:
        """Number of cases."""
        return len(self._annotated)


def _not_among(found: str, known: Sequence[str], what: str) -> str:
    near = difflib.get_close_matches(found, known, 1)
    listed = f" (expected one of {', '.join(known)})" if len(known) <= 10 else f" (expected one of {len(known)})"
    return f"no {what} {found!r}{listed}.{f' Did you mean {near[0]!r}?' if near else ''}"


def partially_labelled(annotated: Bool[Tensor, "cases c"]) -> Bool[Tensor, " c"]:
    """Whether a structure is annotated in some training cases and unknown in others.

    Args:
        annotated: What is annotated in each case of the training set.
    """
    return annotated.any(0) & ~annotated.all(0)


def label_sets(annotated: Bool[Tensor, "cases c"]) -> tuple[Bool[Tensor, "k c"], Float[Tensor, " k"]]:
    """The distinct label sets of a training set, and the share of cases with each.

    Args:
        annotated: What is annotated in each case of the training set.

    Returns:
        Label sets in a fixed order, and shares that sum to one (float64).
    """
    patterns, counts = unique(annotated, dim=0, return_counts=True)
    return patterns, counts.double() / len(annotated)
