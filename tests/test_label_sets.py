"""Which structures only some images have, and the label sets that occur."""

import torch

from labeldropout.label_sets import label_sets, partially_labelled


def _cases(*annotated):
    return torch.tensor(annotated, dtype=torch.bool)


def test_partially_labelled_structures_are_known_here_and_unknown_there():
    """A structure annotated everywhere or nowhere is not partially labelled; background never is."""
    annotated = _cases([1, 1, 1, 0, 1], [1, 1, 0, 0, 1], [1, 1, 1, 0, 1])
    assert partially_labelled(annotated).tolist() == [False, False, True, False, False]


def test_nothing_is_partially_labelled_in_a_fully_labelled_training_set():
    """Full annotation leaves label dropout nothing to do."""
    assert not partially_labelled(torch.ones(5, 4, dtype=torch.bool)).any()


def test_label_sets_have_the_shares_of_the_cases():
    """Each label set that occurs is listed once, with the share of the cases that have it."""
    rich, poor = [True, True, True], [True, True, False]
    sets, shares = label_sets(torch.tensor([rich, poor, poor, poor]))
    assert sets.tolist() == [poor, rich]
    assert shares.tolist() == [0.75, 0.25]
