"""The verb `import-dataset`: turn a data set in its own format into a store of cases, with pictures to review."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from labeldropout.case import DatasetError
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.contact_sheet import contact_sheet
from labeldropout.data.import_report import ImportReport, OnBadCase
from labeldropout.files import write_table
from labeldropout.messages import did_you_mean

logger = logging.getLogger(__name__)

_REPORT_OPTIONS = ("skip_limit",)


def import_dataset(
    name: str,
    root: Path,
    output: Path,
    options: dict[str, Any],
    on_bad_case: OnBadCase = "stop",
    curation: Path | None = None,
    form: str = "",
    structures: type[IntEnum] | None = None,
) -> int:
    """Import a data set into a store of cases.

    Writes to `output`: the store (`case_store.write_cases`), `contact_sheet.png`, and, for a data set that is curated,
    `<name>_curation.proposed.csv`. The user's own list is never overwritten.

    Args:
        name: Name of the data set.
        root: Folder with the data set's own files.
        output: Folder of the store.
        options: Fields of the data set's options, and `skip_limit`.
        on_bad_case: Whether a bad case stops the import or is recorded in rejected.csv and left out.
        curation: List of the images to use, if the data set has one.
        form: Format, a key of `DATASETS`; empty if it is the name.
        structures: The structures of the study, whose values the label maps get; None for those of the data set.

    Returns:
        Number of cases.

    Raises:
        DatasetError: The data set, an option or a file is not as expected; the message says what to do. If bad cases
            had been left out before, `rejected.csv` lists them all the same.
    """
    form = form or name
    if form not in DATASETS:
        what = "--name" if form == name else "--format"
        raise DatasetError.about(
            name, what, "unknown data set", _listed(DATASETS), repr(form), did_you_mean(form, DATASETS)
        )
    known = DATASETS[form]
    report = ImportReport(name, on_bad_case)
    chosen = _options(name, known.options, options, curation, report)
    proposed = Path(output) / f"{name}_curation.proposed.csv"
    if curation is not None and Path(curation).resolve() == proposed.resolve():
        advice = "Copy the proposal to a place of your own, edit it there, and give that path."
        raise DatasetError.about(
            name, curation, "the import would overwrite your list", "a file elsewhere", "the proposal's place", advice
        )
    root = Path(root)
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DatasetError.about(
            name, root, f"{known.facts.TITLE} is not there", "a folder", found, known.facts.HOW_TO_GET
        )
    try:
        n_cases = write_cases(known.read_cases(root, chosen, report), Path(output), report, structures)
    except DatasetError:
        if report.rejected:
            write_table(report.table_of_rejected(), Path(output) / "rejected.csv")
        raise
    store = CaseStore(Path(output))
    remarks: dict[str, str] = {}
    if known.propose_curation and known.curation_keys:
        proposal = known.propose_curation(store, chosen)
        write_table(proposal, proposed)
        reasons = dict(zip(proposal["file"], proposal["reason"], strict=True))
        remarks = {
            case: reasons[key] for case, key in zip(store.table["case"], known.curation_keys(store), strict=True)
        }
    contact_sheet(store, Path(output) / "contact_sheet.png", remarks=remarks)
    for what, items in report.adjusted.items():
        logger.warning("%s: %s: %d (first: %s)", name, what, len(items), items[0])
    for note in report.notes:
        logger.log(logging.WARNING if _is_loud(note) else logging.INFO, "%s: %s", name, note)
    if report.rejected:
        logger.warning("%s: %d bad cases left out, see %s", name, len(report.rejected), Path(output) / "rejected.csv")
    return n_cases


def _is_loud(note: str) -> bool:
    """Whether the note's first clause is in capitals."""
    return note.partition(":")[0].isupper()


def _options(name: str, kind: type, options: dict[str, Any], curation: Path | None, report: ImportReport) -> Any:
    """The importer's options, with every key known and every simple value of its field's type."""
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in fields(kind)}
    settable = sorted({*known, *_REPORT_OPTIONS} - {"curation"})
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in settable:
            found = f"{key!r}; the list is given by --curation" if key == "curation" else repr(key)
            raise DatasetError.about(
                name, "options", "unknown option", _listed(settable), found, did_you_mean(key, settable)
            )
        if key in _REPORT_OPTIONS:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise DatasetError.about(name, f"option {key}", "wrong value", "a share from 0 to 1", repr(value))
            setattr(report, key, float(value))
            continue
        values[key] = _value(name, key, known[key], value)
    if curation is not None:
        if "curation" not in known:
            raise DatasetError.about(name, "--curation", "not a curated data set", "no list", curation)
        values["curation"] = Path(curation)
    return kind(**values)


_FROM_JSON: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    Path: (str, Path),
    NoneType: (NoneType,),
    tuple: (list, tuple),
    Mapping: (dict,),
}


def _value(name: str, key: str, declared: Any, value: Any) -> Any:
    """Convert a JSON value to the type that its field declares.

    Raises:
        DatasetError: The value has the wrong type, or is not one of the field's words.
    """
    if get_origin(declared) is Literal:
        words = get_args(declared)
        if value not in words:
            expected = " or ".join(map(repr, words))
            raise DatasetError.about(
                name, f"option {key}", "wrong value", expected, repr(value), did_you_mean(value, words)
            )
        return value
    members = get_args(declared) if get_origin(declared) in {Union, UnionType} else (declared,)
    kinds = [get_origin(member) or member for member in members]
    allowed = tuple(python for kind in kinds for python in _FROM_JSON[kind])
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        expected = " or ".join("nothing" if kind is NoneType else kind.__name__ for kind in kinds)
        raise DatasetError.about(name, f"option {key}", "wrong value", expected, repr(value))
    for member in members:
        _check_items(name, key, member, value)
    if Path in kinds and value is not None:
        return Path(value)
    if kinds == [float]:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def _check_items(name: str, key: str, declared: Any, value: Any) -> None:
    """Refuse a list or a mapping in which an item has another type than its field declares."""
    if get_origin(declared) is Mapping and isinstance(value, dict):
        kind, items = get_args(declared)[1], list(value.values())
    elif get_origin(declared) is tuple and isinstance(value, list):
        kind, items = get_args(declared)[0], value
    else:
        return
    if kind is not Any:
        for item in items:
            _value(name, key, kind, item)


def _listed(words: Any) -> str:
    return ", ".join(sorted(words))
