"""Label dropout as a dictionary transform of MONAI; needs the extra `monai`."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable
from torch import Tensor

from labeldropout.label_dropout import hide_annotations
from labeldropout.label_sets import LabelSets
from labeldropout.losses import label_map
from labeldropout.modules import LabelDropout, Mode


class LabelDropoutd(Randomizable, MapTransform):
    """Says which structures of a case are annotated, and hides some at random: label dropout for one case at a time.

    Every item of the data list names its annotated structures, beside its files:
    `{"image": ..., "label": ..., "label_set": ["liver", "kidney"]}`. The transform puts a bool tensor (C,) in their
    place, under `annotated`, for `PartialLabelLoss`, and hides the same structures in all labels. For validation, use
    it with `p=0`. Put it after transforms that look at the label, such as crops around structures, for which a hidden
    structure would no longer be there; among other spatial transforms its place makes no difference, because what is
    annotated is not read off the pixels.
    """

    def __init__(
        self,
        keys: KeysCollection,
        names: Sequence[str],
        training: Sequence[Mapping[str, Any]],
        p: float = 0.5,
        mode: Mode = "single",
        *,
        label_set_key: str = "label_set",
        annotated_key: str = "annotated",
        ignore_index: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        """Take note of which structures are partially labelled in the data list.

        Args:
            keys: Labels: (1, *space) or (*space), whole numbers; a MetaTensor keeps its meta data.
            names: Structures in channel order, background first.
            training: The data list of the training, which decides what may be hidden.
            p: Probability that something is hidden from a case, in [0, 1].
            mode: `single` or `pattern`, as in `LabelDropout`.
            label_set_key: Where an item has the names of its annotated structures.
            annotated_key: Where the transform puts which structures are (still) annotated.
            ignore_index: Value of pixels that show no structure; they keep it.
            allow_missing_keys: Whether an item may lack a label.

        Raises:
            ValueError: An item names no structures or one that does not exist, or there is nothing to drop.
        """
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.names, self.label_set_key, self.annotated_key = tuple(names), label_set_key, annotated_key
        sets = LabelSets(self.names, {str(place): self._set_of(item, place) for place, item in enumerate(training)})
        self.dropout = LabelDropout(sets(sets), p, mode, ignore_index=ignore_index)

    def _set_of(self, item: Mapping[Any, Any], place: int | None = None) -> Sequence[str]:
        where = "the data" if place is None else f"training[{place}]"
        found = item.get(self.label_set_key)
        if isinstance(found, str) or not isinstance(found, Sequence):
            raise ValueError(f"{where}: expected a list of structures under {self.label_set_key!r}, found {found!r}.")  # noqa: TRY004 - one error for all bad input
        return found

    def randomize(self, data: Tensor) -> Tensor:
        """Draw what to hide.

        Args:
            data: What is annotated: bool (1, C).

        Returns:
            bool (1, C).
        """
        rng = np.random.default_rng(self.R.randint(2**32, dtype=np.uint32))
        return self.dropout.draw(data, rng)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with what is still annotated, and without the pixels of what is not.

        Args:
            data: An item of the data list.

        Raises:
            ValueError: The item names no structures, or a label has values that are no structures.
        """
        item = dict(data)
        annotated = LabelSets(self.names, {"": self._set_of(item)})([""])
        hidden = self.randomize(annotated)
        for key in self.key_iterator(item):
            label = torch.as_tensor(item[key])
            whole = label_map(label, str(key))[None]
            there = [each.to(whole.device) for each in (annotated, hidden)]
            less, _ = hide_annotations(whole, *there, ignore_index=self.dropout.ignore_index)
            item[key] = label.masked_fill((less != whole)[0], 0)
        del item[self.label_set_key]
        item[self.annotated_key] = (annotated & ~hidden)[0]
        return item
