"""Drawing what to hide, and hiding it."""

import numpy as np
import pytest
import torch

from labeldropout.label_dropout import (
    draw_hidden_by_pattern,
    draw_hidden_structures,
    hide_annotations,
)
from labeldropout.label_sets import label_sets

LVM_AND_LA = torch.tensor([False, False, True, True])
N = 6000
"""Cases drawn at once: the standard error of a share is below 0.0065."""


def _cases(*annotated):
    return torch.tensor(annotated, dtype=torch.bool)


def _rng(seed=0):
    return np.random.default_rng(seed)


def test_probability_zero_hides_nothing():
    """With p = 0 it is the adaptive model."""
    hidden = draw_hidden_structures(torch.ones(N, 4, dtype=torch.bool), LVM_AND_LA, 0.0, _rng())
    assert not hidden.any()


def test_probability_one_always_hides_one_of_what_can_be_hidden():
    """With p = 1, label dropout hides exactly one structure of every case that has one to hide."""
    hidden = draw_hidden_structures(torch.ones(N, 4, dtype=torch.bool), LVM_AND_LA, 1.0, _rng())
    assert (hidden.sum(1) == 1).all()
    assert not hidden[:, :2].any()


def test_with_one_partially_labelled_structure_probability_one_never_shows_it():
    """Where LA alone is partially labelled, p = 1 means that it is never seen."""
    la_only = torch.tensor([False, False, False, True])
    hidden = draw_hidden_structures(torch.ones(N, 4, dtype=torch.bool), la_only, 1.0, _rng())
    assert hidden[:, 3].all()


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_something_is_hidden_as_often_as_the_probability_says(probability):
    """The share of cases that lose something is p, however many structures could be hidden."""
    for droppable in (LVM_AND_LA, torch.tensor([False, False, False, True])):
        hidden = draw_hidden_structures(torch.ones(N, 4, dtype=torch.bool), droppable, probability, _rng())
        assert hidden.any(1).float().mean().item() == pytest.approx(probability, abs=0.025)


def test_every_partially_labelled_structure_is_hidden_with_the_same_chance():
    """Of two structures each is picked in half, of three in a third of the cases."""
    annotated = torch.ones(N, 4, dtype=torch.bool)
    two = draw_hidden_structures(annotated, LVM_AND_LA, 1.0, _rng())
    three = draw_hidden_structures(annotated, torch.tensor([False, True, True, True]), 1.0, _rng())
    assert two.float().mean(0)[2:].tolist() == pytest.approx([1 / 2, 1 / 2], abs=0.025)
    assert three.float().mean(0)[1:].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3], abs=0.025)


def test_only_what_is_annotated_in_the_case_is_picked():
    """The chance goes to what this case has: a case with LA alone loses LA, one with neither loses nothing."""
    annotated = _cases([1, 1, 0, 1], [1, 1, 0, 0]).repeat(N, 1)
    hidden = draw_hidden_structures(annotated, LVM_AND_LA, 1.0, _rng())
    assert hidden[0::2].tolist() == [[False, False, False, True]] * N
    assert not hidden[1::2].any()


def test_cases_are_drawn_independently():
    """Each sample is considered individually: one draw of a batch hides from some and not from others."""
    hidden = draw_hidden_structures(torch.ones(64, 4, dtype=torch.bool), LVM_AND_LA, 0.5, _rng())
    assert len(hidden.unique(dim=0)) == 3


def test_the_same_seed_hides_the_same():
    """A draw is repeatable, and the next draw differs."""
    annotated, rng = torch.ones(64, 4, dtype=torch.bool), _rng(3)
    first, second = (draw_hidden_structures(annotated, LVM_AND_LA, 0.5, rng) for _ in range(2))
    assert torch.equal(first, draw_hidden_structures(annotated, LVM_AND_LA, 0.5, _rng(3)))
    assert not torch.equal(first, second)


def test_what_is_annotated_does_not_shift_later_draws():
    """Two training sets that differ in annotation alone stay in step in everything drawn afterwards."""
    rngs = _rng(1), _rng(1)
    draw_hidden_structures(torch.ones(8, 4, dtype=torch.bool), LVM_AND_LA, 0.5, rngs[0])
    draw_hidden_structures(_cases([1, 1, 0, 0]).repeat(8, 1), LVM_AND_LA, 0.5, rngs[1])
    assert rngs[0].random() == rngs[1].random()


def test_label_sets_come_with_their_shares():
    """The label sets of a training set, each with the share of its cases."""
    annotated = _cases([1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1])
    patterns, frequencies = label_sets(annotated)
    assert dict(zip(map(tuple, patterns.int().tolist()), frequencies.tolist(), strict=True)) == {
        (1, 1, 1, 1): 0.75,
        (1, 1, 0, 0): 0.25,
    }


def test_a_pattern_hides_everything_outside_the_drawn_label_set():
    """With p = 1 a fully labelled case gets the poor label set as often as the training set has it."""
    patterns, frequencies = _cases([1, 1, 1, 1], [1, 1, 0, 0]), torch.tensor([0.75, 0.25])
    hidden = draw_hidden_by_pattern(torch.ones(N, 4, dtype=torch.bool), patterns, frequencies, 1.0, _rng())
    assert hidden.unique(dim=0).int().tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]
    assert hidden[:, 3].float().mean().item() == pytest.approx(0.25, abs=0.025)


def test_a_pattern_adds_no_label():
    """The intersection is kept: a case with LV and LA loses LA alone, whether LVM is in the label set or not."""
    for pattern in ([1, 1, 1, 0], [1, 1, 0, 0]):
        hidden = draw_hidden_by_pattern(_cases([1, 1, 0, 1]), _cases(pattern), torch.tensor([1.0]), 1.0, _rng())
        assert hidden.int().tolist() == [[0, 0, 0, 1]]


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0.0), (0.4, 0.2), (1.0, 0.5)])
def test_patterns_are_drawn_as_often_as_the_probability_says(probability, expected):
    """Hidden share = p times the frequency of the poor label set."""
    patterns, frequencies = _cases([1, 1, 1, 1], [1, 1, 1, 0]), torch.tensor([0.5, 0.5])
    hidden = draw_hidden_by_pattern(torch.ones(N, 4, dtype=torch.bool), patterns, frequencies, probability, _rng())
    assert hidden[:, 3].float().mean().item() == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("space", [(5, 7), (3, 4, 5)])
def test_hiding_a_structure_removes_its_pixels_and_its_annotation_together(dtype, space):
    """Hiding a structure removes its pixels and its annotation together, and touches nothing else."""
    target = torch.randint(0, 4, (3, *space), generator=torch.Generator().manual_seed(0)).to(dtype)
    annotated = _cases([1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1])
    hidden = _cases([0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 1])
    before = target.clone(), annotated.clone(), hidden.clone()
    new_target, new_annotated = hide_annotations(target, annotated, hidden)
    expected = target.clone()
    expected[0][target[0] == 3] = 0
    expected[2][(target[2] == 1) | (target[2] == 3)] = 0
    assert new_target.dtype == dtype
    assert torch.equal(new_target, expected)
    assert new_annotated.int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    for now, then in zip((target, annotated, hidden), before, strict=True):
        assert torch.equal(now, then)


def test_hiding_nothing_changes_nothing():
    """With nothing hidden, target and annotation are what they were, as new tensors."""
    target, annotated = torch.randint(0, 4, (2, 3, 3)), torch.ones(2, 4, dtype=torch.bool)
    new_target, new_annotated = hide_annotations(target, annotated, torch.zeros(2, 4, dtype=torch.bool))
    assert torch.equal(new_target, target)
    assert torch.equal(new_annotated, annotated)
    assert new_target.data_ptr() != target.data_ptr()


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_zero_and_one_is_refused(probability):
    """Both modes refuse what is no probability."""
    annotated = torch.ones(2, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="Probability of label dropout"):
        draw_hidden_structures(annotated, LVM_AND_LA, probability, _rng())
    with pytest.raises(ValueError, match="Probability of label dropout"):
        draw_hidden_by_pattern(annotated, annotated, torch.tensor([0.5, 0.5]), probability, _rng())


def test_the_background_cannot_be_hidden():
    """Background is part of every label set, in all functions."""
    annotated = torch.ones(1, 4, dtype=torch.bool)
    background = _cases([1, 0, 0, 0])
    with pytest.raises(ValueError, match="background"):
        draw_hidden_structures(annotated, background[0], 0.5, _rng())
    with pytest.raises(ValueError, match="background"):
        draw_hidden_by_pattern(annotated, _cases([0, 1, 1, 1]), torch.tensor([1.0]), 0.5, _rng())
    with pytest.raises(ValueError, match="background"):
        hide_annotations(torch.zeros(1, 2, 2, dtype=torch.long), annotated, background)


def test_frequencies_that_are_no_distribution_are_refused():
    """Counts in place of shares are an error, not silently normalised."""
    annotated = torch.ones(2, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="sum to 1"):
        draw_hidden_by_pattern(annotated, annotated, torch.tensor([3.0, 1.0]), 0.5, _rng())
