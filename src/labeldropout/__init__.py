"""Segmentation learned from several partially labelled data sets, and label dropout, which breaks its shortcut.

Letters used for shapes in docstrings and annotations: N batch, C structures with background as channel 0, H rows, W
columns, T frames, R ranges (depth samples), A angles (beams). Coordinates and spacings are (row, column).

The names in `__all__` are the library's front door. Each is loaded when it is first used, so that importing the package
loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeldropout.label_dropout import draw_hidden_by_pattern, draw_hidden_structures, hide_annotations
    from labeldropout.label_sets import LabelSets, partially_labelled
    from labeldropout.losses import LOSSES, partial_dice_loss, predict_labels, probabilities
    from labeldropout.metrics import dice_score, partial_dice, score_structure
    from labeldropout.modules import LabelDropout, PartialLabelLoss

__version__ = "0.1.0"

_HOMES = {
    "LOSSES": "losses",
    "LabelDropout": "modules",
    "LabelSets": "label_sets",
    "PartialLabelLoss": "modules",
    "dice_score": "metrics",
    "draw_hidden_by_pattern": "label_dropout",
    "draw_hidden_structures": "label_dropout",
    "hide_annotations": "label_dropout",
    "partial_dice": "metrics",
    "partial_dice_loss": "losses",
    "partially_labelled": "label_sets",
    "predict_labels": "losses",
    "probabilities": "losses",
    "score_structure": "metrics",
}

__all__ = [
    "LOSSES",
    "LabelDropout",
    "LabelSets",
    "PartialLabelLoss",
    "__version__",
    "dice_score",
    "draw_hidden_by_pattern",
    "draw_hidden_structures",
    "hide_annotations",
    "partial_dice",
    "partial_dice_loss",
    "partially_labelled",
    "predict_labels",
    "probabilities",
    "score_structure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
