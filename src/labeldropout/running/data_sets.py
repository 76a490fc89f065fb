"""What the configuration says of each data set: in which format it is stored, and where it is got from."""

from collections.abc import Mapping
from typing import Any

from labeldropout.fingerprint import keys_of

FORMATS = tuple(keys_of("data.catalogue", "DATASETS"))
"""Formats that an importer reads, from the catalogue and without loading it."""

FOLDER = "folder"
"""The one format of which a study may have several data sets, under any names."""


def formats_of(datasets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Format of each data set; that of the paper's data sets is their name.

    Args:
        datasets: Section `datasets` of the configuration.

    Raises:
        ValueError: A format is unknown, or is that of a data set with another name.
    """
    formats = {name: str(settings.get("format", name)) for name, settings in datasets.items()}
    for name, form in formats.items():
        if form not in FORMATS or form not in (FOLDER, name):
            found = "no format" if form == name else f"format {form}"
            raise ValueError(
                f"configuration: datasets.{name}: {found} (expected format: {FOLDER}, or one of the names"
                f" {', '.join(one for one in FORMATS if one != FOLDER)} with its own format)."
            )
    return formats


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
