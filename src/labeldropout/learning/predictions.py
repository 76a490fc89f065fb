"""Archives of predicted label maps, one per model."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from labeldropout.files import replacing

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_predictions(label_maps: Iterable[tuple[str, np.ndarray]], path: Path) -> None:
    """Stream named label maps into a compressed .npz; the same maps give the same bytes.

    Args:
        label_maps: Name (`seed-<n>/<case>`) and uint8 (H, W).
        path: The archive.
    """
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, label_map in label_maps:
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(label_map, np.uint8), allow_pickle=False)


def read_predictions(path: Path) -> Mapping[str, np.ndarray]:
    """Open an archive of label maps; each is read on access.

    Raises:
        ValueError: The file is not such an archive.
    """
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not an archive of predictions ({error}).") from error
