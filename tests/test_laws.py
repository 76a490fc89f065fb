"""What every loss promises: a table of all of them, then the names that have each property."""

from functools import partial

import pytest
import torch

from labeldropout.losses import LOSSES, exclusion_loss, partial_dice_loss

ALL_LOSSES = {
    **LOSSES,
    "exclusion": exclusion_loss,
    **{f"dice_{name}": partial(partial_dice_loss, loss=name) for name in LOSSES},
}
EQUAL_TO_STANDARD_WHEN_ALL_IS_ANNOTATED = ("adaptive", "marginal", "marginal_exclusion")
NO_GRADIENT_TO_UNANNOTATED = ("adaptive", "adaptive_bce", "dice_adaptive", "dice_adaptive_bce")
GRADIENT_TO_UNANNOTATED = ("standard", "marginal", "marginal_exclusion")
IGNORED = 255
SPACES = ((6, 5), (3, 4, 2))
"""Two and three dimensions."""


def _batch(space, seed=0, scale=2.0, dtype=torch.float32):
    """Four cases: everything annotated, two structures, one, and the background alone."""
    generator = torch.Generator().manual_seed(seed)
    logits = (scale * torch.randn(4, 4, *space, generator=generator, dtype=torch.float64)).to(dtype)
    target = torch.randint(0, 4, (4, *space), generator=generator)
    annotated = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    return logits.requires_grad_(), target, annotated


pytestmark = pytest.mark.parametrize("space", SPACES, ids=("2d", "3d"))


@pytest.mark.parametrize("name", EQUAL_TO_STANDARD_WHEN_ALL_IS_ANNOTATED)
def test_full_annotation_gives_the_ordinary_loss(name, space):
    """With everything annotated, the partial-label losses are the standard one, and so are their gradients."""
    logits, target, annotated = _batch(space)
    annotated = torch.ones_like(annotated)
    ours, standard = (ALL_LOSSES[each](logits, target, annotated) for each in (name, "standard"))
    torch.testing.assert_close(ours, standard, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits), torch.autograd.grad(standard, logits), rtol=0, atol=1e-6
    )


def test_the_standard_loss_is_torch_s_cross_entropy(space):
    """With everything annotated the standard loss is the one that everybody uses."""
    logits, target, annotated = _batch(space)
    ours = ALL_LOSSES["standard"](logits, target, torch.ones_like(annotated))
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, target))


@pytest.mark.parametrize("name", NO_GRADIENT_TO_UNANNOTATED)
def test_an_unannotated_structure_gets_no_gradient(name, space):
    """What nobody drew is not taught, in either direction: the gradient is zero, exactly."""
    logits, target, annotated = _batch(space)
    ALL_LOSSES[name](logits, target, annotated).backward()
    assert not logits.grad[~annotated].any()
    assert logits.grad[:3, 1].all()


@pytest.mark.parametrize("name", GRADIENT_TO_UNANNOTATED)
def test_an_unannotated_structure_gets_a_gradient(name, space):
    """The other losses do teach something about what nobody drew."""
    logits, target, annotated = _batch(space)
    ALL_LOSSES[name](logits, target, annotated).backward()
    assert logits.grad[~annotated].any()


def test_the_exclusion_loss_pushes_unannotated_structures_out_of_annotated_foreground_only(space):
    """The gradient of exclusion is zero on background, and positive for missing structures on drawn foreground."""
    logits, target, annotated = _batch(space)
    exclusion_loss(logits, target, annotated).backward()
    missing = logits.grad[2, 2:]
    on_foreground = (target[2] == 1).expand_as(missing)
    assert (missing[on_foreground] > 0).all()
    assert not missing[~on_foreground].any()


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_the_number_of_an_unannotated_structure_means_background(name, space):
    """Erasing an unannotated structure from the target, or drawing it, does not change the loss."""
    logits, target, annotated = _batch(space)
    erased = torch.where(annotated.gather(1, target.flatten(1)).view_as(target), target, 0)
    assert not torch.equal(erased, target)
    assert ALL_LOSSES[name](logits, erased, annotated) == ALL_LOSSES[name](logits, target, annotated)


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_the_order_of_the_cases_does_not_matter(name, space):
    """A permuted batch has the same loss."""
    logits, target, annotated = _batch(space)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        ALL_LOSSES[name](logits[order], target[order], annotated[order]),
        ALL_LOSSES[name](logits, target, annotated),
    )


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_mirroring_does_not_matter(name, space):
    """A mirrored batch has the same loss."""
    logits, target, annotated = _batch(space)
    torch.testing.assert_close(
        ALL_LOSSES[name](logits.flip(-1), target.flip(-1), annotated), ALL_LOSSES[name](logits, target, annotated)
    )


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_extreme_logits_give_finite_losses_and_gradients(name, space):
    """Logits of ten thousand, right and wrong, do not overflow."""
    logits, target, annotated = _batch(space)
    extreme = (1e4 * logits.detach().sign()).requires_grad_()
    loss = ALL_LOSSES[name](extreme, target, annotated)
    loss.backward()
    assert loss.isfinite()
    assert extreme.grad.isfinite().all()


@pytest.mark.parametrize("name", ALL_LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single_precision(name, dtype, space):
    """Under autocast, logits in half precision give the float32 loss of the same numbers, not a rounded one."""
    logits, target, annotated = _batch(space)
    half = logits.detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ALL_LOSSES[name](half, target, annotated)
        loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ALL_LOSSES[name](half.detach().float(), target, annotated))
    assert half.grad.isfinite().all()


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_gradients_agree_with_finite_differences(name, space):
    """Gradcheck in float64."""
    logits, target, annotated = _batch(space, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda values: ALL_LOSSES[name](values, target, annotated), (logits,))


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_a_structure_annotated_nowhere_gives_a_finite_loss(name, space):
    """A batch in which one structure, or everything but background, is missing everywhere has a finite loss."""
    logits, target, annotated = _batch(space)
    annotated[:, 3] = False
    assert ALL_LOSSES[name](logits, target, annotated).isfinite()
    annotated[:, 1:] = False
    loss = ALL_LOSSES[name](logits, target, annotated)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_the_type_of_the_target_does_not_matter(name, space):
    """Label maps may be of any integer type, as they are stored."""
    logits, target, annotated = _batch(space)
    assert ALL_LOSSES[name](logits, target.to(torch.uint8), annotated) == ALL_LOSSES[name](logits, target, annotated)


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_a_loss_leaves_its_arguments_alone(name, space):
    """Target and annotation are what they were."""
    logits, target, annotated = _batch(space)
    before = target.clone(), annotated.clone()
    ALL_LOSSES[name](logits, target, annotated)
    assert torch.equal(target, before[0])
    assert torch.equal(annotated, before[1])


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_ignored_pixels_are_left_out(name, space):
    """With pixels ignored, a loss is that of the other pixels alone, and the ignored ones get no gradient."""
    logits, target, annotated = _batch(space)
    ignored = torch.zeros(space, dtype=torch.bool)
    ignored[..., 0] = True
    with_ignored = torch.where(ignored, IGNORED, target)
    loss = ALL_LOSSES[name](logits, with_ignored, annotated, ignore_index=IGNORED)
    expected = ALL_LOSSES[name](logits[..., 1:], target[..., 1:], annotated)
    torch.testing.assert_close(loss, expected)
    gradients, others = (torch.autograd.grad(one, logits)[0] for one in (loss, expected))
    torch.testing.assert_close(gradients, others)
    assert not gradients[:, :, ignored].any()


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_pixels_ignored_in_one_case_count_in_the_others(name, space):
    """Each case may ignore other pixels: a case that is ignored as a whole is as good as left out of the batch."""
    logits, target, annotated = _batch(space)
    target = target.to(torch.uint8)
    target[1] = IGNORED
    rest = [0, 2, 3]
    loss = ALL_LOSSES[name](logits, target, annotated, ignore_index=IGNORED)
    torch.testing.assert_close(loss, ALL_LOSSES[name](logits[rest], target[rest], annotated[rest]))


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_a_batch_ignored_as_a_whole_has_loss_zero(name, space):
    """Nothing to learn from is a loss of 0 with gradients of 0, not of NaN."""
    logits, target, annotated = _batch(space)
    loss = ALL_LOSSES[name](logits, torch.full_like(target, -100), annotated, ignore_index=-100)
    assert loss == 0
    assert not torch.autograd.grad(loss, logits)[0].any()


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_ignoring_a_value_that_no_pixel_has_changes_nothing(name, space):
    """A full label map has the same loss whether or not some value is ignored."""
    logits, target, annotated = _batch(space)
    torch.testing.assert_close(
        ALL_LOSSES[name](logits, target, annotated, ignore_index=IGNORED), ALL_LOSSES[name](logits, target, annotated)
    )


def test_the_marginal_dice_term_does_not_ask_who_the_undrawn_probability_belongs_to(space):
    """What was not drawn may be shared between background and unannotated structures in any way (Fidon et al. 2021)."""
    logits, target, annotated = _batch(space)
    probabilities = logits.detach().softmax(1)
    moved = probabilities.clone()
    moved[2, 0] += 0.7 * probabilities[2, 2:].sum(0)
    moved[2, 2:] *= 0.3
    losses = [ALL_LOSSES["dice_marginal"](each.log(), target, annotated) for each in (probabilities, moved)]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_checking_changes_no_number(name, space):
    """With and without looking at the values, the loss and its gradient are the same to the last bit."""
    logits, target, annotated = _batch(space)
    losses = [ALL_LOSSES[name](logits, target, annotated, validate=validate) for validate in (True, False)]
    assert torch.equal(*losses)
    assert torch.equal(*(torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in losses))
