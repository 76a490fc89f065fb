"""Checking that published files, and the files they were made from, still match their sidecars.

Standard library only. Names in sidecars are untrusted: the files are only read, and only below the root.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from labeldropout.provenance import file_sha256
from labeldropout.running.sidecars import ENDING, relative

STATES = (
    "refused",
    "changed",
    "input changed",
    "no sidecar",
    "not here",
    "input not here",
    "as recorded",
)
"""States of a file, worst first."""


ALARMING = STATES[:3]
"""States that end `verify` with exit status 1."""

_FOLDERS = ("tables", "figures", "released", "scores", "predictions")


_TRAININGS = {
    "models/*/seed-*": ("weights.safetensors", "history.csv"),
    "grid/*/seed-*": ("history.csv",),  # nobody reads the weights of a candidate
}


_HASH = re.compile(r"[0-9a-f]{64}")


_SHOWN = 12
"""Digits of a hash in a message."""
_NAMED = 3
"""Inputs that are named in a message before the rest is counted."""


@dataclass(frozen=True)
class Finding:
    """The result for one file."""

    state: str
    """One of `STATES`, or of `same_tables.AGREEMENTS`."""
    file: str
    """Relative to the root, or to the results."""
    detail: str = ""


@dataclass(frozen=True)
class Record:
    """What one sidecar says."""

    sidecar: str
    files: Mapping[str, str | None]
    """Recorded hash by name; None where the record names a file without its hash."""
    inputs: Mapping[str, str]


class _Root:
    """The folder that no name may point outside of, and the hashes of its files, each computed once."""

    def __init__(self, root: Path, results: Path) -> None:
        self.root = root
        self.results = Path(relative(results, root))
        self._allowed = (root.resolve(), results.resolve())
        self.sha256 = cache(self._sha256)

    def name(self, text: str, below: Path = Path()) -> str:
        """The name of a file below a folder, relative to the root.

        Raises:
            ValueError: It leads outside the root, directly or through a link.
        """
        path = below / text
        by_words = Path(text).is_absolute() or ".." in Path(text).parts
        target = (self.root / path).resolve()
        if by_words or not any(target.is_relative_to(folder) for folder in self._allowed):
            raise ValueError(f"names {text!r}, which leaves the folder of the study")
        return path.as_posix()

    def _sha256(self, name: str) -> str | None:
        path = self.root / name
        return file_sha256(path) if path.is_file() else None


def _hashes(content: Any, key: str) -> dict[str, str]:
    """The part of a record that maps names to hashes.

    Raises:
        ValueError: It is not such a mapping.
    """
    part = content.get(key) if isinstance(content, dict) else None
    if not isinstance(part, dict) or not all(isinstance(text, str) and _HASH.fullmatch(text) for text in part.values()):
        raise ValueError(f"has no {key!r} with a SHA-256 for each name")
    return part


def _read(root: _Root, sidecar: str) -> Any:
    try:
        return json.loads((root.root / sidecar).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from error


def _read_sidecar(root: _Root, sidecar: str) -> Record:
    """The record beside a table, a figure, scores or the model card."""
    content = _read(root, sidecar)
    files = {root.name(name): value for name, value in _hashes(content, "files").items()}
    for name in files:
        if not Path(name).is_relative_to(root.results):
            raise ValueError(f"speaks for {name!r}, which is no result")
    return Record(sidecar, files, {root.name(name): value for name, value in _hashes(content, "inputs").items()})


def own_tree(severity: Any) -> str:
    """Folder below the results for data at this severity, with its slash; empty if a row names none."""
    return f"severity-{severity:g}/" if isinstance(severity, int | float) else ""


def tree_of(severity: Any, recorded: Mapping[str, str | None], sha256: Callable[[str], str | None]) -> str | None:
    """The folder below the results that holds a model's data, with its slash; empty for the study's own data.

    A row may name the study's own severity; its data are then the same as those of all other models. The hashes of what
    the model was trained or scored on have to show this, because the names of cases do not depend on the severity.

    Args:
        severity: Severity of the domain shift, from the model's configuration; None if its row names none.
        recorded: Hash by name of its data, relative to that folder; None where only the name is known.
        sha256: Hash by name relative to the results; None if there is no such file.

    Returns:
        The folder; None if the data have no folder of their own and are not known to be the study's own.
    """
    own = own_tree(severity)
    if not own or any(sha256(own + name) is not None for name in recorded):
        return own
    found = {name: sha256(name) for name, value in recorded.items() if value}
    here = [name for name, value in found.items() if value is not None]
    return "" if here and all(found[name] == recorded[name] for name in here) else None


def _severity(root: _Root, model: Path) -> Any:
    try:
        return _read(root, (model / "config.json").as_posix())["severity"]
    except (OSError, ValueError, TypeError, KeyError):
        return None  # none named; a damaged configuration is found by its hash


def _read_run(root: _Root, sidecar: str) -> Record:
    """The record of a training: its inputs have names of their own, and hashes of its outputs are optional."""
    content = _read(root, sidecar)
    folder = Path(sidecar).parent
    recorded = _hashes(content, "inputs")
    made = _hashes(content, "outputs") if "outputs" in content else {}
    names = next(names for pattern, names in _TRAININGS.items() if folder.relative_to(root.results).match(pattern))
    files = {(folder / name).as_posix(): made.get(name) for name in names}
    severity = _severity(root, folder.parent)
    prepared = {name: value for name, value in recorded.items() if name.startswith("prepared/")}
    tree = tree_of(severity, prepared, lambda name: root.sha256(root.name(name, root.results)))
    below = root.results / (own_tree(severity) if tree is None else tree)
    places = {"config.json": folder.parent, **dict.fromkeys(prepared, below)}
    inputs = {root.name(name, places.get(name, root.results)): value for name, value in recorded.items()}
    return Record(sidecar, files, inputs)


def _listed(root: _Root) -> tuple[list[str], list[str]]:
    """The existing published files and sidecars, by name, sorted."""
    results = root.root / root.results
    paths = [path for folder in _FOLDERS for path in (results / folder).rglob("*") if path.is_file()]
    for pattern, made in _TRAININGS.items():
        paths += [path for name in (*made, "run.json") for path in results.glob(f"{pattern}/{name}") if path.is_file()]
    names = sorted(path.relative_to(root.root).as_posix() for path in paths if not path.name.startswith("."))
    sidecars = [name for name in names if name.endswith((ENDING, "/run.json"))]
    return sorted(set(names) - set(sidecars)), sidecars


def _short(value: str | None) -> str:
    return value[:_SHOWN] if value else "nothing"


def _compared(recorded: Iterable[tuple[str, str]], found: str) -> list[str]:
    """One sentence for each (recorder, hash) that differs from the hash found."""
    return [f"recorded {_short(value)} by {who}, found {_short(found)}" for who, value in recorded if value != found]


def _judge(root: _Root, file: str, record: Record, others: Iterable[tuple[str, str]]) -> Finding:
    """What one record says about one of its files.

    Args:
        root: The root folder.
        file: Name of the file.
        record: Its record.
        others: (recorder, hash) of the records that have it as input; used only where its own record has no hash.
    """
    found = root.sha256(file)
    if found is None:
        return Finding("not here", file, f"{record.sidecar} speaks of it")
    own = record.files[file]
    recorded = [(record.sidecar, own)] if own else list(others)
    changed = [
        f"{name}: recorded {_short(value)}, found {_short(root.sha256(name))}"
        for name, value in record.inputs.items()
        if root.sha256(name) not in {None, value}
    ]
    absent = [name for name in record.inputs if root.sha256(name) is None]
    if differs := _compared(recorded, found):
        return Finding("changed", file, "; ".join(differs + changed))
    if changed:
        return Finding("input changed", file, "; ".join(changed))
    if not recorded:
        return Finding("no sidecar", file, f"{record.sidecar} has its inputs, and nothing its hash")
    if absent:
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        return Finding("input not here", file, ", ".join(absent[:_NAMED]) + more)
    return Finding("as recorded", file)


def _records(root: _Root, sidecars: Iterable[str]) -> tuple[list[Record], list[Finding]]:
    """What the sidecars say, and those that are refused."""
    records, refused = [], []
    for sidecar in sidecars:
        try:
            records.append((_read_run if sidecar.endswith("/run.json") else _read_sidecar)(root, sidecar))
        except ValueError as error:
            refused.append(Finding("refused", sidecar, str(error)))
    return records, refused


def verify(results: Path, root: Path = Path()) -> list[Finding]:
    """Compare every published file of a study, and the inputs it was made from, with what was recorded; worst first.

    Published files are tables, figures, the model card, scores, predictions, and weights and history of every
    training. A training's record names its inputs; where it has no hash of the weights or the history, the records of
    their readers count: of the scores made from the weights, of the table made from the histories.

    Args:
        results: Folder of the results.
        root: Root of the workflow, to which recorded names are relative.

    Raises:
        ValueError: There is no such folder, it is not below the root, or nothing is published in it.
    """
    if not results.is_dir():
        raise ValueError(f"{results}: no such folder (expected the results of a study).")
    if relative(results, root).startswith(".."):
        raise ValueError(f"{results}: not below {root} (start in the root of the workflow, or name it by --root).")
    place = _Root(root, results)
    files, sidecars = _listed(place)
    if not files and not sidecars:
        raise ValueError(f"{results}: nothing published (expected {', '.join(_FOLDERS)} or trainings of a study).")
    records, findings = _records(place, sidecars)
    readers: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        for name, value in record.inputs.items():
            readers.setdefault(name, []).append((record.sidecar, value))
    judged: dict[str, list[Finding]] = {}
    for record in records:
        for file in record.files:
            judged.setdefault(file, []).append(_judge(place, file, record, readers.get(file, [])))
    findings += [min(said, key=lambda finding: STATES.index(finding.state)) for said in judged.values()]
    findings += [Finding("no sidecar", file, "no sidecar speaks of it") for file in files if file not in judged]
    return sorted(findings, key=lambda finding: (STATES.index(finding.state), finding.file))


def summarise(findings: Iterable[Finding], states: Sequence[str] = STATES) -> str:
    """One line: how many files, and how many in each state, in the order of these."""
    counts = Counter(finding.state for finding in findings)
    said = ", ".join(f"{counts[state]} {state}" for state in states if counts[state])
    return f"{counts.total()} files: {said or 'nothing published'}"


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write findings as CSV with the columns state, file, detail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Finding))
        writer.writerows(astuple(finding) for finding in findings)
