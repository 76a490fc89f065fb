"""What the configuration says of each data set: in which format it is stored, and where it is got from."""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from labeldropout.fingerprint import keys_of
from labeldropout.heart import FOREGROUND
from labeldropout.labels import number_structures, values_of

FORMATS = tuple(keys_of("data.catalogue", "DATASETS"))
"""Formats that an importer reads, from the catalogue and without loading it."""

FOLDER = "folder"
"""The one format of which a study may have several data sets, under any names."""


HOW_TO_DRAW = (
    "Table 2 and Supplementary Figure 1 need masks drawn by hand:"
    " export the images with 'snakemake annotation_kit', draw on them,"
    " and name the folder of the masks in the configuration (kit: drawn)."
)


def formats_of(datasets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Format of each data set; that of the paper's data sets is their name.

    Args:
        datasets: Section `datasets` of the configuration.

    Raises:
        ValueError: A format is unknown, is that of a data set with another name, a folder has the name of another
            format, or an option of a folder is unknown or wrong.
    """
    formats = {name: str(settings.get("format", name)) for name, settings in datasets.items()}
    for name, form in formats.items():
        if form not in FORMATS or form not in (FOLDER, name):
            found = "no format" if form == name else f"format {form}"
            raise ValueError(
                f"configuration: datasets.{name}: {found} (expected format: {FOLDER}, or one of the names"
                f" {', '.join(one for one in FORMATS if one != FOLDER)} with its own format)."
            )
        if form == FOLDER and name in FORMATS and name != FOLDER:
            raise ValueError(
                f"configuration: datasets.{name}: format {FOLDER} (expected a name that no data set of the paper has:"
                " the default settings of that one would be mixed with these)."
            )
        if form == FOLDER:
            _check_options(name, datasets[name])
    return formats


def _check_options(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse an option of a folder that is unknown or wrong."""
    from labeldropout.case import DatasetError  # noqa: PLC0415 - loads numpy, which the workflow does without
    from labeldropout.data.folder.options import options_of  # noqa: PLC0415

    try:
        options_of(settings.get("options", {}))
    except DatasetError as error:
        raise ValueError(f"configuration: datasets.{name}: {error}") from error


def structures_of_study(configured: Sequence[Mapping[str, Any]], formats: Iterable[str]) -> type[IntEnum]:
    """The structures of a study, numbered in their order.

    Args:
        configured: Section `structures` of the configuration.
        formats: Formats of the data sets that the study uses.

    Raises:
        ValueError: A name is not valid or appears twice, or what knows hearts would find other values for them.
    """
    structures = number_structures([one["name"] for one in configured])
    heart = {structure.name: int(structure) for structure in FOREGROUND}
    if set(formats) - {FOLDER} and list(values_of(structures).items())[: len(heart)] != list(heart.items()):
        raise ValueError(
            f"configuration: structures: {', '.join(values_of(structures))} (expected {', '.join(heart)} first, with"
            " these values, as the echo data sets of the study are drawn, measured and simulated)."
        )
    return structures


def channels_of(names: Iterable[str], datasets: Mapping[str, Mapping[str, Any]]) -> int:
    """Channels of the images of some data sets: 3 in colour, 1 in grey.

    Args:
        names: The data sets.
        datasets: Section `datasets` of the configuration.

    Raises:
        ValueError: Some are in colour and others in grey.
    """
    in_colour = {name: bool(datasets[name].get("options", {}).get("colour", False)) for name in names}
    if len(set(in_colour.values())) > 1:
        coloured = [name for name, is_coloured in in_colour.items() if is_coloured]
        raise ValueError(
            f"configuration: datasets: in colour {', '.join(coloured)}, and in grey"
            f" {', '.join(name for name in in_colour if name not in coloured)} (expected one for the data sets of a"
            " model: set colour: true for all, and grey pictures get three equal channels)."
        )
    return 3 if any(in_colour.values()) else 1


def not_there(name: str, settings: Mapping[str, Any], form: str) -> str:
    """A message that a data set's folder is not there, with what to do.

    Args:
        name: The data set.
        settings: Its part of the configuration.
        form: Its format.
    """
    from labeldropout.data.catalogue import DATASETS  # noqa: PLC0415 - loads every importer, for one message

    about = DATASETS[form].facts
    title = name if form == FOLDER else about.TITLE
    return f"{settings['raw']}: the data set {title} is not there. {settings.get('how_to_get', about.HOW_TO_GET)}"
