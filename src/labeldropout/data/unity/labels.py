"""Interpret the labels of Unity Imaging: views, states of the structures, and usable images."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeldropout.case import DatasetError
from labeldropout.data.import_report import ImportReport
from labeldropout.data.unity import NAME
from labeldropout.data.unity.options import Options
from labeldropout.data.unity.release import DUPLICATES, Release
from labeldropout.heart import Structure
from labeldropout.labels import State, View

KINDS = ("curve", "point", "off", "blurred")


@dataclass(frozen=True)
class Wanted:
    """An image to read."""

    code: str
    view: View | None
    states: dict[Structure, State]
    curated: bool
    where: str
    """File and line of the curation, or the labels' file; for messages."""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Label:
    """The label under one key of one image."""

    kind: str
    """curve, off, blurred, missing, untyped (points without a type) or several."""
    entry: Mapping[str, Any] = field(default_factory=dict)
    n_equal: int = 1
    """How often it is listed, letter by letter."""


def view_words(release: Release, options: Options) -> dict[str, View | None]:
    """Meaning of each word of the view index, in capitals; None means not apical.

    Raises:
        DatasetError: Some words have no known meaning; the message lists all of them.
    """
    table: dict[str, View | None] = {view.value: view for view in View}
    table["PLAX"] = None
    table |= {word.upper(): View(view) if view else None for word, view in options.view_table.items()}
    words = {word.upper() for entries in release.views.values() for _, word in entries}
    if words - set(table):
        raise DatasetError.about(
            NAME,
            release.view_file,
            "unknown views",
            ", ".join(sorted(table)),
            ", ".join(map(repr, sorted(words - set(table)))),
            "Give their meaning in the option view_table: A2C, A4C, or empty if not apical.",
        )
    return table


def indexed_view(release: Release, words: Mapping[str, View | None], code: str) -> tuple[bool, View | None]:
    """Whether the view index lists the frame, and its view; None means not apical.

    Raises:
        DatasetError: The index contradicts itself.
    """
    entries = release.views.get(code) or release.views.get(code[:67], [])
    found = {words[word.upper()] for _, word in entries}
    if len(found) > 1:
        lines = ", ".join(f"line {line}: {word}" for line, word in entries)
        raise DatasetError.about(NAME, f"{release.view_file}: {code}", "listed with two views", "one", lines)
    return bool(entries), next(iter(found), None)


def looks_apical(labels: Mapping[str, Any], options: Options) -> bool:
    """Whether the LV's curve is drawn and no parasternal curve is; for releases without a view index."""
    if plain_kind(labels.get(options.key_of[Structure.LV] or "")) != "curve":
        return False
    parasternal = ("curve-lv-antsep-", "curve-lv-post-")
    return not any(key.startswith(parasternal) and plain_kind(entry) == "curve" for key, entry in labels.items())


def _all_equal(entries: list[Any]) -> bool:
    """Whether there is one entry, or the same one several times."""
    return bool(entries) and all(entry == entries[0] for entry in entries)


def plain_kind(entry: Any) -> str:
    """Type of a label, for counting; never raises an error."""
    if isinstance(entry, list):
        entry = entry[0] if _all_equal(entry) else {"type": "several"} if entry else None
    kind = entry.get("type") if isinstance(entry, dict) else None
    return str(kind) if kind else "missing"


def take_census(
    release: Release, words: Mapping[str, View | None], options: Options
) -> dict[tuple[str, str], Counter[str]]:
    """Number of labels of each type, by key and view."""
    images = []
    keys = {key for key in options.key_of.values() if key}
    for code, entry in release.labels.items():
        labels = entry.get("labels") if isinstance(entry, dict) else None
        labels = labels if isinstance(labels, dict) else {}
        keys |= {key for key in labels if key.startswith("curve-")}
        entries = release.views.get(code) or release.views.get(code[:67], [])
        views = {words[word.upper()] for _, word in entries}
        view = next(iter(views)) if len(views) == 1 else None
        images.append((view.value if view else "not-apical" if len(views) == 1 else "no-view", labels))
    census: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for view, labels in images:
        for key in keys:
            census[key, view][plain_kind(labels.get(key))] += 1
    return census


def tell_counts(counts: Mapping[str, int]) -> str:
    """Counts of the types of a label in one line; the known types come first."""
    kinds = [*KINDS, "missing", *sorted(set(counts) - {*KINDS, "missing"})]
    return " ".join(f"{kind}={counts.get(kind, 0)}" for kind in kinds)


def labels_of(release: Release, code: str) -> Mapping[str, Any]:
    """The labels of an image by key.

    Raises:
        DatasetError: The image is listed twice with different content, or its entry has another shape.
    """
    where = f"{release.labels_file}: {code}"
    if code in release.conflicts:
        raise DatasetError.about(
            NAME, f"{release.conflicts[code]}: {code}", "listed twice with different content", "once", "twice"
        )
    entry = release.labels[code]
    labels = entry.get("labels") if isinstance(entry, dict) else None
    if not isinstance(labels, dict):
        found = f"keys {sorted(entry)[:5]}" if isinstance(entry, dict) else type(entry).__name__
        raise DatasetError.about(NAME, where, "wrong shape of an image's entry", 'an object "labels"', found)
    return labels


def read_label(labels: Mapping[str, Any], key: str | None, where: str) -> Label:
    """The label of a key that must hold a curve, if anything."""
    entry = labels.get(key) if key else None
    if key in labels.get(DUPLICATES, ()):
        raise DatasetError.about(NAME, f"{where}: {key}", "listed twice with different content", "once", "twice")
    n_equal = 1
    if isinstance(entry, list):
        if entry and not _all_equal(entry):
            return Label("several")
        n_equal = max(1, len(entry))
        entry = entry[0] if entry else None
    if entry is None:
        return Label("missing")
    if not isinstance(entry, dict):
        raise DatasetError.about(NAME, f"{where}: {key}", "wrong shape of a label", "an object", type(entry).__name__)
    kind = entry.get("type")
    if kind is None:
        return Label("untyped" if entry.get("x") or entry.get("y") else "missing")
    if kind not in KINDS or kind == "point":
        raise DatasetError.about(NAME, f"{where}: {key}", "wrong type of a label", "curve, off or blurred", repr(kind))
    return Label(kind, entry, n_equal)


def remark_labels(found: Mapping[Structure, Label], code: str, options: Options, report: ImportReport) -> None:
    """Record the labels of an image that are taken otherwise than they stand."""
    for structure, label in found.items():
        item = f"{code}: {options.key_of[structure]}"
        if label.kind == "untyped":
            report.adjust("a curve without a type counts as not annotated", item)
        if label.n_equal > 1:
            report.adjust("a curve listed several times, letter by letter, counts once", item)


def state_of(label: Label, structure: Structure, options: Options) -> State:
    """State of a structure according to its label; the meaning of `off` is an option."""
    if label.kind == "curve":
        return State.LABELLED
    if label.kind == "off":
        return State(options.off_state.get(structure.name, State.ABSENT))
    return State.UNKNOWN


def all_apical(release: Release, paths: Mapping[str, Path], options: Options, report: ImportReport) -> list[Wanted]:
    """Choose images without a curation: the apical ones in which every configured structure is drawn."""
    words = view_words(release, options)
    left_out: Counter[str] = Counter()
    wanted = []
    for code in sorted(paths):
        image = report.attempt(code, _look, release, words, options, code, report)
        if isinstance(image, Wanted):
            wanted.append(image)
        elif image is not None:
            left_out[image] += 1
            report.leave_out(image, code)
    for reason, count in sorted(left_out.items()):
        report.note(f"{count} images are left out: {reason}.")
    n_apical = len(wanted) + sum(count for reason, count in left_out.items() if reason.startswith("apical"))
    report.note(f"No curation: {len(wanted)} of {n_apical} apical images are used.")
    if not wanted and not report.rejected:
        why = "; ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise DatasetError.about(
            NAME, release.labels_file, "no image to use", "apical images with all configured structures drawn", why
        )
    return wanted


def _look(
    release: Release, words: Mapping[str, View | None], options: Options, code: str, report: ImportReport
) -> Wanted | str:
    """The image if it is used without a curation, else the reason why not."""
    labels = labels_of(release, code)
    listed, view = indexed_view(release, words, code)
    if release.view_file is not None:
        if view is None or view.value not in options.views:
            return "of another view" if listed else "not in the view index"
    elif not looks_apical(labels, options):
        return "no apical curves"
    where = f"{release.labels_file}: {code}"
    found = {structure: read_label(labels, key, where) for structure, key in options.key_of.items()}
    remark_labels(found, code, options, report)
    states = {structure: state_of(label, structure, options) for structure, label in found.items()}
    if options.complete and not all_drawn(states, options):
        return "apical, but not all configured structures are drawn"
    if all(state is State.UNKNOWN for state in states.values()):
        return "apical, but nothing is annotated"
    return Wanted(code, view, states, curated=False, where=where, flags=flag_several(found))


def all_drawn(states: Mapping[Structure, State], options: Options) -> bool:
    """Whether every structure with a configured curve is drawn."""
    return all(states[structure] is State.LABELLED for structure, key in options.key_of.items() if key)


def flag_several(found: Mapping[Structure, Label]) -> tuple[str, ...]:
    """A flag for each structure that several curves claim."""
    return tuple(f"several-{structure.name}" for structure, label in found.items() if label.kind == "several")


def check_off(
    wanted: list[Wanted],
    release: Release,
    options: Options,
    census: Mapping[tuple[str, str], Counter[str]],
) -> None:
    """Refuse `absent` for a structure that is `off` suspiciously often: exporters also write it for "not asked"."""
    for structure, key in options.key_of.items():
        if key is None or structure.name in options.off_state or not wanted:
            continue
        n_off = sum(
            image.states[structure] is State.ABSENT
            and plain_kind(release.labels[image.code]["labels"].get(key)) == "off"
            for image in wanted
        )
        if n_off > options.off_limit * len(wanted):
            lines = "; ".join(
                f"{name} {view}: {tell_counts(counts)}"
                for (name, view), counts in sorted(census.items())
                if name == key
            )
            raise DatasetError.about(
                NAME,
                f"{release.labels_file}: {key}",
                "`off` is suspiciously frequent; it may mean that nobody was asked to draw it",
                f"at most {options.off_limit:.0%} of {len(wanted)} images",
                f"{n_off}; census: {lines}",
                f"Choose in the option off_state: {{{structure.name}: absent}} or {{{structure.name}: unknown}}.",
            )
