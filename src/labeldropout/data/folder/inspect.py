"""The verb `inspect`: propose a configuration for an unknown folder, with what was seen as comments."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain, count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.contact_sheet import N_CASES, contact_sheet
from labeldropout.data.folder.importer import read_cases
from labeldropout.data.folder.look_through import Found, background_of, look_through, structures_in
from labeldropout.data.folder.options import options_of
from labeldropout.data.folder.series import GROUP
from labeldropout.data.import_report import ImportReport
from labeldropout.files import replacing

_HEAD = """\
# Proposed by labeldropout inspect for {root}. Look at the pictures beside this file, and correct:
# names of structures (what does each value of the masks mean?) and of data sets; what is annotated where; the group
# that a split keeps together (a patient); pixel_size_mm where it is known.
"""


def _name_of(found: Found, root: Path, taken: Sequence[str]) -> str:
    """A name for a data set, from its folder: ASCII letters, digits and `_`."""
    parts = [part for part in Path(found.pictures.folder).parts if part != GROUP]
    words = [part for part in parts if part.lower() not in {"images", "image", "img", "imgs", "pictures"}]
    plain = unicodedata.normalize("NFKD", "_".join(words or [root.resolve().name])).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_").lower() or "mine"
    name = name if name[0].isalpha() and name not in DATASETS else f"set_{name}"
    return next(one for one in chain([name], (f"{name}_{n}" for n in count(2))) if one not in taken)


def _scalar(value: object) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.strip().removesuffix("\n...")


def _names_of(values: Sequence[int]) -> dict[str, int]:
    return {f"structure_{value}": value for value in values}


def _data_set(name: str, found: Found, root: Path, values: Sequence[int], background: int) -> list[str]:
    """The lines of one data set."""
    sizes = sorted(set(found.sizes))
    spread = (
        " to ".join(f"{rows} x {columns}" for rows, columns in dict.fromkeys((sizes[0], sizes[-1]))) if sizes else "?"
    )
    shares = {value: found.values[value] / max(1, found.n_pixels) for value in values}
    here = [value for value in values if found.n_masks_with(value)]
    strays = {value: n for value, n in found.values.items() if value not in (*values, background)}
    lines = [
        f"  {name}:   # {len(found.names)} pictures of {spread} pixels, {found.n_colour} in colour",
        "    format: folder",
        f"    raw: {_scalar(str(root))}",
        "    options:",
        f"      images: {_scalar(found.pictures.pattern)}",
        f"      masks: {_scalar(found.masks.pattern)}",
        f"      values: {_scalar(_names_of(values))}".replace("'", ""),
        *(
            f"      # {value}: in {found.n_masks_with(value)} of {len(found.names)} masks, {share:.1%} of their pixels"
            for value, share in shares.items()
        ),
    ]
    if background:
        lines.append(f"      background: {background}")
    if len(here) < len(values):
        annotated = list(_names_of(here))
        lines.append(
            f"      annotated: {_scalar(annotated)}   # the others are nowhere drawn here: were they looked for?"
        )
    if strays:
        named = ", ".join(map(str, sorted(strays)[:5])) + (", ..." if len(strays) > 5 else "")
        lines.append(
            f"      stray_values: nearest   # {sum(strays.values())} pixels of"
            f" {found.n_masks_beyond([*values, background])} masks have other values: {named}"
        )
    if found.pictures.has_groups:
        lines.append(f"      group: {GROUP.strip('{}')}   # each folder is kept together: a patient?")
    if found.n_colour:
        lines.append("      colour: true")
    return [*lines, "    cone: none"]


def propose(founds: Sequence[Found], root: Path, stem: str) -> str:
    """The text of a configuration, to be corrected.

    Args:
        founds: What was seen.
        root: The folder.
        stem: Name of the file without its ending: the name of the study.
    """
    values, background = structures_in(founds), background_of(founds)
    names: list[str] = []
    for found in founds:
        names.append(_name_of(found, root, names))
    sections = [_data_set(name, found, root, values, background) for name, found in zip(names, founds, strict=True)]
    problems = [problem for found in founds for problem in found.problems]
    lines = [
        f"study: {stem}",
        f"pathvars: {{results: results/{stem}}}",
        f"experiments: config/experiments_{stem}.tsv",
        f"claims: config/claims_{stem}.yaml",
        f"structures: {_scalar([{'name': name} for name in _names_of(values)])}",
        "crop_margin: 0",
        f"split: {{source: {_scalar(dict.fromkeys(names, 'random'))}}}",
        "selection: {model: benchmark}",
        "datasets:",
        *(line for section in sections for line in section),
    ]
    if problems:
        lines += ["# The import will refuse these, or leave them out with on_bad_case: skip:"]
        lines += [f"#   {problem}" for problem in problems[:20]]
        lines += [f"#   and {len(problems) - 20} more"] if len(problems) > 20 else []
    return _HEAD.format(root=root) + "\n".join(lines) + "\n"


def _draw(text: str, root: Path, output: Path) -> list[Path]:
    """Draw some pictures of every data set with the outlines of what the proposal calls structures."""
    proposed = yaml.safe_load(text)
    sheets = []
    for name, settings in proposed["datasets"].items():
        options = options_of(settings["options"])
        report = ImportReport(name, "skip", skip_limit=1.0)
        sheets.append(output.with_name(f"{output.stem}_{name}.png"))
        with TemporaryDirectory() as folder:
            cases = islice(read_cases(root, options, report), N_CASES)
            write_cases(cases, Path(folder), report)
            contact_sheet(CaseStore(Path(folder)), sheets[-1])
    return sheets


def inspect(root: Path, output: Path) -> list[Path]:
    """Write a configuration for a folder, and beside it a sheet of pictures of each data set.

    Args:
        root: The folder.
        output: The configuration to write.

    Returns:
        The files that were written.

    Raises:
        ValueError: Nothing is found, or the file is there already.
    """
    if output.exists():
        raise ValueError(f"{output}: there already (expected a new file, since yours may be corrected by hand).")
    founds = [found for found in look_through(root) if found.n_pixels]
    if not founds:
        raise ValueError(f"{root}: no picture that could be read together with its mask.")
    if not structures_in(founds):
        raise ValueError(f"{root}: one value in all masks (expected that of a structure beside the background).")
    text = propose(founds, root, output.stem)
    with replacing(output, "w") as file:
        file.write(text)
    return [output, *_draw(text, root, output)]
