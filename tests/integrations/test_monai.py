"""The dictionary transform: what an item holds afterwards, and how it is seeded."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from labeldropout.integrations.monai import LabelDropoutd

NAMES = ("background", "liver", "kidney")
LABEL = np.array([[[1, 2], [2, 255]]], np.uint8)
RICH, POOR = ({"label": LABEL, "label_set": names} for names in (["liver", "kidney"], ["liver"]))


def transform(**more):
    """Hides the kidney whenever it can."""
    return LabelDropoutd("label", NAMES, [RICH, POOR], **({"p": 1.0, "ignore_index": 255} | more))


def test_pixels_and_annotation_go_together():
    """With p = 1 the partially labelled structure is gone from label and annotation, and ignored pixels stay."""
    item = transform()(RICH)
    assert item["annotated"].tolist() == [True, True, False]
    assert item["label"].tolist() == [[[1, 0], [0, 255]]]
    assert "label_set" not in item
    assert LABEL.tolist() == [[[1, 2], [2, 255]]]


def test_without_dropout_the_item_says_what_is_annotated():
    """With p = 0, for validation, labels stay as they are and `annotated` is what the item says."""
    for item, annotated in ((RICH, [True, True, True]), (POOR, [True, True, False])):
        whole = transform(p=0.0)(item)
        assert whole["annotated"].tolist() == annotated
        assert whole["label"].tolist() == LABEL.tolist()


def test_a_meta_tensor_keeps_its_meta_data():
    """A label that knows its place in the patient knows it afterwards, and stays a float."""
    label = MetaTensor(torch.from_numpy(LABEL).float(), affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0])))
    less = transform()({**RICH, "label": label})["label"]
    assert isinstance(less, MetaTensor)
    assert less.dtype == torch.float32
    assert less.affine.diag().tolist() == [2, 3, 4, 1]
    assert less.as_tensor().tolist() == [[[1, 0], [0, 255]]]


def test_compose_seeds_it_like_any_random_transform():
    """The same seed of a `Compose` hides the same, and draws differ from one another."""
    drawn = []
    for _ in range(2):
        chain = Compose([transform(p=0.5)]).set_random_state(seed=3)
        drawn.append([bool(chain(RICH)["annotated"][2]) for _ in range(30)])
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {True, False}


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ([{"label": LABEL}], r"training\[0\]: expected a list of structures under 'label_set', found None"),
        ([RICH, {"label_set": "liver"}], r"training\[1\]: expected a list of structures"),
        ([{"label_set": ["livre"]}], "no structure 'livre' .*Did you mean 'liver'"),
        ([RICH], "nothing to drop"),
    ],
)
def test_a_data_list_that_does_not_fit_is_refused(training, message):
    """A missing or misspelt label set ends where the transform is made."""
    with pytest.raises(ValueError, match=message):
        LabelDropoutd("label", NAMES, training)
