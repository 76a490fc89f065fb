"""Numbers worked out by hand, refusals and predictions of the losses; their laws are in test_laws.py."""

from math import log

import pytest
import torch

from labeldropout.learning import experiments
from labeldropout.losses import (
    LOSSES,
    adaptive_binary_cross_entropy,
    adaptive_cross_entropy,
    exclusion_loss,
    marginal_cross_entropy,
    marginal_exclusion,
    partial_dice_loss,
    predict_labels,
    probabilities,
    standard_cross_entropy,
)

LOGITS = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.1])).view(1, 4, 1, 1)
"""One pixel, whose softmax is 0.4, 0.3, 0.2, 0.1."""
ALL = torch.tensor([[True, True, True, True]])
LV_ONLY = torch.tensor([[True, True, False, False]])


def _pixel(structure):
    return torch.tensor([[[structure]]])


@pytest.mark.parametrize(
    ("loss", "annotated", "structure", "expected"),
    [
        (standard_cross_entropy, ALL, 1, -log(0.3)),
        (standard_cross_entropy, LV_ONLY, 0, -log(0.4)),
        (standard_cross_entropy, LV_ONLY, 3, -log(0.4)),
        (adaptive_cross_entropy, ALL, 3, -log(0.1)),
        (adaptive_cross_entropy, LV_ONLY, 0, -log(0.4 / 0.7)),
        (adaptive_cross_entropy, LV_ONLY, 1, -log(0.3 / 0.7)),
        (marginal_cross_entropy, ALL, 0, -log(0.4)),
        (marginal_cross_entropy, LV_ONLY, 0, -log(0.4 + 0.2 + 0.1)),
        (marginal_cross_entropy, LV_ONLY, 1, -log(0.3)),
        (exclusion_loss, LV_ONLY, 0, 0.0),
        (exclusion_loss, LV_ONLY, 1, -log(1 - 0.2 - 0.1)),
        (marginal_exclusion, LV_ONLY, 1, -log(0.3) - log(0.7)),
        (adaptive_binary_cross_entropy, LV_ONLY, 0, log(1.3)),
        (adaptive_binary_cross_entropy, LV_ONLY, 1, log(1 + 1 / 0.3)),
        (adaptive_binary_cross_entropy, ALL, 1, (log(1 + 1 / 0.3) + log(1.2) + log(1.1)) / 3),
    ],
)
def test_one_pixel_has_the_loss_worked_out_by_hand(loss, annotated, structure, expected):
    """Each equation gives its number on probabilities 0.4, 0.3, 0.2 and 0.1."""
    assert loss(LOGITS, _pixel(structure), annotated).item() == pytest.approx(expected, abs=1e-6)


def test_losses_average_over_the_pixels_of_all_cases():
    """Two cases of two pixels: the mean of four pixels, each under its own case's annotation."""
    logits = LOGITS.expand(2, 4, 1, 2)
    target = torch.tensor([[[0, 1]], [[0, 1]]])
    annotated = torch.cat([ALL, LV_ONLY])
    expected = -(log(0.4) + log(0.3) + log(0.4 / 0.7) + log(0.3 / 0.7)) / 4
    assert adaptive_cross_entropy(logits, target, annotated).item() == pytest.approx(expected, abs=1e-6)


def test_ignored_pixels_are_not_in_the_mean():
    """Three pixels, one of them ignored: the mean of two, worked out by hand."""
    target = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    loss = adaptive_cross_entropy(LOGITS.expand(1, 4, 1, 3), target, LV_ONLY, ignore_index=255)
    assert loss.item() == pytest.approx(-(log(0.4 / 0.7) + log(0.3 / 0.7)) / 2, abs=1e-6)


def test_exclusion_averages_over_annotated_foreground_only():
    """Background pixels and fully annotated foreground do not dilute what they have no part in, except by count."""
    logits = LOGITS.expand(1, 4, 1, 4)
    target = torch.tensor([[[0, 0, 0, 1]]])
    assert exclusion_loss(logits, target, LV_ONLY).item() == pytest.approx(-log(0.7), abs=1e-6)


def test_adaptive_bce_averages_over_annotated_pairs_only():
    """A case with fewer annotated structures does not lower the mean."""
    logits = LOGITS.expand(2, 4, 1, 1)
    target = torch.zeros(2, 1, 1, dtype=torch.long)
    annotated = torch.cat([LV_ONLY, ALL])
    expected = (2 * log(1.3) + log(1.2) + log(1.1)) / 4
    assert adaptive_binary_cross_entropy(logits, target, annotated).item() == pytest.approx(expected, abs=1e-6)


def test_a_case_with_background_alone_teaches_the_adaptive_loss_nothing():
    """A softmax over one channel is 1: loss 0, and no gradient in any channel."""
    logits = torch.randn(1, 4, 3, 3, requires_grad=True)
    target = torch.randint(0, 4, (1, 3, 3))
    loss = adaptive_cross_entropy(logits, target, torch.tensor([[True, False, False, False]]))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def _without_missing_terms(logits, target, annotated):
    """The other reading of the paper's sentence: full softmax, terms of missing structures left out of the sum."""
    erased = torch.where(annotated.gather(1, target.flatten(1)).view_as(target), target, 0)
    one_hot = torch.nn.functional.one_hot(erased, logits.shape[1]).movedim(-1, 1)
    terms = -one_hot * logits.log_softmax(1) * annotated[:, :, None, None]
    return terms.sum(1).mean()


def test_leaving_out_missing_terms_under_a_full_softmax_is_the_standard_loss():
    """The naive reading changes nothing, to the last gradient: its one-hot target was zero anyway."""
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    target, annotated = torch.randint(0, 4, (2, 5, 5)), torch.cat([LV_ONLY, ALL])
    naive, standard = (loss(logits, target, annotated) for loss in (_without_missing_terms, standard_cross_entropy))
    assert naive.item() == pytest.approx(standard.item(), abs=1e-12)
    torch.testing.assert_close(torch.autograd.grad(naive, logits), torch.autograd.grad(standard, logits))


def test_our_adaptive_loss_is_not_the_standard_loss():
    """With a missing structure ours gives another number, and leaves the missing structure's logit alone."""
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    target, annotated = torch.randint(0, 4, (2, 5, 5)), torch.cat([LV_ONLY, ALL])
    adaptive, standard = (loss(logits, target, annotated) for loss in (adaptive_cross_entropy, standard_cross_entropy))
    assert abs(adaptive.item() - standard.item()) > 0.1
    assert not torch.autograd.grad(adaptive, logits)[0][0, 2:].any()
    assert torch.autograd.grad(standard, logits)[0][0, 2:].all()


def test_every_loss_of_the_list_of_experiments_exists():
    """The names in config/experiments.tsv are the keys of LOSSES, and the oracle, which is the adaptive loss."""
    assert (*LOSSES, experiments.ORACLE) == experiments.LOSS_NAMES


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": torch.zeros(1, 3, 3, dtype=torch.long)}, r"target: expected \(2, 3, 3\).*found \(1, 3, 3\)"),
        ({"target": torch.zeros(2, 3, dtype=torch.long)}, r"target: expected \(2, 3, 3\).*found \(2, 3\)"),
        ({"annotated": ALL}, r"annotated: expected \(2, 4\).*found \(1, 4\)"),
        ({"target": torch.zeros(2, 3, 3)}, "target: expected an integer type, found torch.float32"),
        ({"target": torch.zeros(2, 3, 3, dtype=torch.bool)}, "target: expected an integer type, found torch.bool"),
        ({"annotated": torch.ones(2, 4)}, "annotated: expected torch.bool, found torch.float32"),
        ({"logits": torch.zeros(2, 4, 3, 3, dtype=torch.long)}, "logits: expected a floating-point type"),
        ({"logits": torch.zeros(2, 4)}, r"logits: expected \(N, C, \*space\).*found \(2, 4\)"),
        ({"logits": torch.zeros(2, 4, 0, 3)}, "logits: expected .* not empty"),
        ({"target": torch.full((2, 3, 3), 4)}, "target: expected values 0 to 3, found 4 to 4"),
        ({"target": torch.full((2, 3, 3), -1)}, "target: expected values 0 to 3, found -1 to -1"),
        ({"target": torch.full((2, 3, 3), 254), "ignore_index": 255}, "target: .* 0 to 3 or 255, found 254 to 254"),
        ({"target": torch.full((2, 3, 3), 255)}, "target: expected values 0 to 3, found 255 to 255"),
        ({"ignore_index": 3}, r"ignore_index: expected no structure's number \(0 to 3\), found 3"),
        ({"annotated": torch.zeros(2, 4, dtype=torch.bool)}, "channel 0, the background"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_a_loss_refuses_what_does_not_fit(loss, change, message):
    """Wrong shapes, types and values end with found and expected, never with a broadcast number."""
    arguments = {
        "logits": torch.zeros(2, 4, 3, 3),
        "target": torch.zeros(2, 3, 3, dtype=torch.long),
        "annotated": torch.ones(2, 4, dtype=torch.bool),
    } | change
    with pytest.raises(ValueError, match=message):
        LOSSES[loss](**arguments)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "adaptive_bce"])
def test_the_probabilities_of_softmax_losses_are_the_softmax(loss):
    """A network trained with one of them is read with the softmax over all channels."""
    torch.testing.assert_close(probabilities(LOGITS, loss).flatten(), torch.tensor([0.4, 0.3, 0.2, 0.1]))
    assert predict_labels(LOGITS, loss).item() == 0


def test_adaptive_bce_predicts_with_a_background_logit_of_zero():
    """Whatever channel 0 says, a pixel is background exactly where every structure's logit is negative."""
    logits = torch.tensor([[9.0, -1.0, -2.0], [9.0, 1.0, 2.0], [-9.0, -1.0, -2.0], [9.0, 20.0, 30.0]]).view(4, 3, 1, 1)
    assert predict_labels(logits, "adaptive_bce").flatten().tolist() == [0, 2, 0, 2]


def test_adaptive_bce_with_one_structure_is_read_with_its_sigmoid():
    """With one structure the probability is the sigmoid that the loss trained."""
    logits = torch.randn(2, 2, 4, 4)
    torch.testing.assert_close(probabilities(logits, "adaptive_bce")[:, 1], logits[:, 1].sigmoid())


@pytest.mark.parametrize("loss", LOSSES)
def test_probabilities_sum_to_one_and_have_the_argmax_of_the_prediction(loss):
    """What is resized to the native grid is a distribution whose largest entry is the prediction."""
    torch.manual_seed(0)
    logits = 20 * torch.randn(2, 4, 8, 8).to(torch.bfloat16)
    resizable = probabilities(logits, loss)
    assert resizable.dtype == torch.float32
    torch.testing.assert_close(resizable.sum(1), torch.ones(2, 8, 8))
    expected = logits.float()
    if loss == "adaptive_bce":
        expected[:, 0] = 0
    assert torch.equal(predict_labels(logits, loss), expected.argmax(1))


def test_an_unknown_loss_is_named_with_the_nearest():
    """A misspelt loss is an error that helps."""
    with pytest.raises(ValueError, match=r"Unknown loss 'adaptve'.*Did you mean adaptive"):
        probabilities(LOGITS, "adaptve")


def test_the_dice_term_is_that_worked_out_by_hand():
    """Two pixels of one case, LV drawn in the first: 1 - (2 * 0.3 + 1) / (0.3 + 0.3 + 1 + 1), of LV alone."""
    logits, target = LOGITS.expand(1, 4, 1, 2), torch.tensor([[[1, 0]]])
    assert partial_dice_loss(logits, target, LV_ONLY, "marginal").item() == pytest.approx(1 - 1.6 / 2.6, abs=1e-6)
    share = 0.3 / 0.7  # adaptive: among the background and LV
    expected = 1 - (2 * share + 1) / (2 * share + 2)
    assert partial_dice_loss(logits, target, LV_ONLY, "adaptive").item() == pytest.approx(expected, abs=1e-6)
    # Standard: the two structures that nobody drew count as absent.
    absent = [1 - 1 / (2 * p + 1) for p in (0.2, 0.1)]
    expected = (1 - 1.6 / 2.6 + sum(absent)) / 3
    assert partial_dice_loss(logits, target, LV_ONLY, "standard").item() == pytest.approx(expected, abs=1e-6)


def test_the_dice_term_pools_the_cases_that_have_the_structure():
    """A structure absent from one case and drawn in another has one Dice over both; an unannotated case is left out."""
    logits = LOGITS.expand(3, 4, 1, 1)
    target = torch.tensor([3, 0, 3]).view(3, 1, 1)
    annotated = torch.tensor([[1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]], dtype=torch.bool)
    expected = 1 - (2 * 0.1 + 1) / (0.2 + 1 + 1)
    assert partial_dice_loss(logits, target, annotated, "marginal").item() == pytest.approx(expected, abs=1e-6)


def test_a_misspelt_loss_has_no_dice_term():
    """The Dice term names the nearest loss, too."""
    with pytest.raises(ValueError, match="Did you mean marginal"):
        partial_dice_loss(LOGITS, _pixel(0), ALL, "marginl")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.usefixtures("ordinary_runtime")
def test_without_validation_shapes_are_still_checked(loss):
    """`validate=False` leaves out what would wait for the device, and nothing else."""
    with pytest.raises(ValueError, match=r"annotated: expected torch\.bool"):
        LOSSES[loss](LOGITS, _pixel(0), ALL.int(), validate=False)
