"""Options of the import of Unity Imaging."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeldropout.case import DatasetError
from labeldropout.data.unity import NAME
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import State, View
from labeldropout.messages import did_you_mean

DEFAULT_KEYS: dict[str, str | None] = {"LV": "curve-lv-endo", "LA": "curve-la-endo", "LV_epi": None}


_SIDES = ("left", "right")


@dataclass(frozen=True)
class Options:
    """Options of the import and of the proposed curation."""

    keys: Mapping[str, str | None] = field(default_factory=dict)
    """Keys of the curves, by LV, LA and LV_epi; merged over `DEFAULT_KEYS`. None means no such curve."""
    off_state: Mapping[str, str] = field(default_factory=dict)
    """What `off` means, by LV, LVM and LA: absent (as documented) or unknown. A structure not named here counts as
    absent, and the import is refused if `off` is then suspiciously frequent (`off_limit`)."""
    views: tuple[str, ...] = ("A2C", "A4C")
    """Views to keep when no curation names the images."""
    view_table: Mapping[str, str] = field(default_factory=dict)
    """Further words of the view index and their meaning: A2C, A4C, or empty for a view that is not apical."""
    complete: bool = True
    """Without a curation, use only images in which every configured structure is drawn."""
    curation: Path | None = None
    """The list of images to use; set by `import-dataset --curation`."""
    extra_masks: Path | None = None
    """Folder of `<frame code>.png` (uint8, values of `Structure`) with structures drawn by the user."""
    missing_limit: float = 0.001
    """Largest allowed share of labelled names without an image."""
    off_limit: float = 0.2
    """Largest allowed share of `off` for a structure whose `off_state` is left at its default."""
    min_area_share: float = 0.002
    """Smallest outline that counts as a structure, as a share of the image."""
    point_margin_share: float = 0.05
    """How far outside the image a point may be, as a share of the image's side; the outline is cut at the border."""
    max_pixels: int = 16_777_216
    """Largest image that is decoded."""
    large_wall_ratio: float = 1.5
    """Proposal: flag a myocardium whose area relative to the cavity exceeds the median by this factor."""
    thick_wall_ratio: float = 1.8
    """Proposal: flag an A4C whose wall on the right ventricle's side is thicker than the other by this factor."""
    right_ventricle_side: str = "left"
    """Side of the picture that shows the right ventricle in A4C."""

    def __post_init__(self) -> None:
        views = tuple(view.value for view in View)
        _check_words("option keys", self.keys, tuple(DEFAULT_KEYS))
        _check_words("option off_state", self.off_state, tuple(structure.name for structure in FOREGROUND))
        _check_words("option off_state", self.off_state.values(), (State.ABSENT.value, State.UNKNOWN.value))
        _check_words("option view_table", self.view_table.values(), (*views, ""))
        _check_words("option views", self.views, views)
        _check_words("option right_ventricle_side", [self.right_ventricle_side], _SIDES)
        if self.max_pixels < 1:
            raise DatasetError.about(NAME, "option max_pixels", "wrong value", "1 or more", self.max_pixels)
        for name in ("missing_limit", "off_limit", "min_area_share", "point_margin_share"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise DatasetError.about(NAME, f"option {name}", "wrong value", "a share from 0 to 1", f"{share:g}")

    @property
    def key_of(self) -> dict[Structure, str | None]:
        """Key of the curve for each structure (for LVM the epicardial one); None if there is none."""
        keys = {**DEFAULT_KEYS, **self.keys}
        return {Structure.LV: keys["LV"], Structure.LVM: keys["LV_epi"], Structure.LA: keys["LA"]}


def _check_words(what: str, words: Iterable[Any], allowed: tuple[str, ...]) -> None:
    for word in words:
        if word not in allowed:
            expected = " or ".join(map(repr, allowed))
            raise DatasetError.about(NAME, what, "unknown word", expected, repr(word), did_you_mean(word, allowed))


def extra_path(options: Options, code: str) -> Path | None:
    """The file with structures that the user added to an image; None if there is none."""
    if options.extra_masks is None:
        return None
    path = Path(options.extra_masks) / f"{code}.png"
    return path if path.is_file() else None
