"""Label dropout and the losses as modules: what frameworks hand over, and equality with the functions."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch

from labeldropout.label_dropout import draw_hidden_structures, hide_annotations
from labeldropout.label_sets import partially_labelled
from labeldropout.losses import LOSSES, partial_dice_loss
from labeldropout.modules import LabelDropout, PartialLabelLoss

TRAINING = torch.tensor([[True, True, True], [True, True, False]])
ALL = torch.ones(64, 3, dtype=torch.bool)


def _batch(seed=0, n=4, space=(6, 5)):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 3, *space, generator=generator)
    target = torch.randint(0, 3, (n, *space), generator=generator)
    return logits, target, TRAINING.repeat(n // 2, 1)


class MetaTensor(torch.Tensor):
    """Stands for MONAI's: a subclass of the tensor, with labels as floats."""


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("dice_weight", [0.0, 0.5])
@pytest.mark.parametrize("space", [(6, 5), (3, 4, 2)])
def test_the_module_is_the_functions(kind, dice_weight, space):
    """The loss module adds nothing to the functions: the same numbers to the last bit."""
    logits, target, annotated = _batch(space=space)
    expected = LOSSES[kind](logits, target, annotated)
    if dice_weight:
        expected = expected + dice_weight * partial_dice_loss(logits, target, annotated, kind)
    assert torch.equal(PartialLabelLoss(kind, dice_weight)(logits, target, annotated), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32])
@pytest.mark.parametrize("has_channel", [False, True])
def test_targets_of_any_type_with_or_without_a_channel_axis(dtype, has_channel):
    """(N, H, W) and (N, 1, H, W), integers and whole floats, give one and the same loss and the same hiding."""
    logits, target, annotated = _batch()
    given = (target.unsqueeze(1) if has_channel else target).to(dtype)
    loss = PartialLabelLoss("marginal", 1.0)
    assert torch.equal(loss(logits, given, annotated), loss(logits, target, annotated))
    expected, kept = LabelDropout(TRAINING, 1.0)(target, annotated)
    less, still = LabelDropout(TRAINING, 1.0)(given, annotated)
    assert less.dtype == dtype
    assert less.shape == given.shape
    assert torch.equal(less.reshape(target.shape).long(), expected)
    assert torch.equal(still, kept)


def test_a_subclass_of_the_tensor_becomes_an_ordinary_one():
    """MONAI's MetaTensor goes in, an ordinary loss comes out, with gradients."""
    logits, target, annotated = _batch()
    given = logits.as_subclass(MetaTensor).requires_grad_()
    loss = PartialLabelLoss()(given, target.unsqueeze(1).float().as_subclass(MetaTensor), annotated)
    assert type(loss) is torch.Tensor
    assert torch.equal(loss, PartialLabelLoss()(logits, target, annotated))
    loss.backward()
    assert given.grad.abs().sum() > 0


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_floats_that_are_no_labels_are_refused(value):
    """Interpolated labels, NaN and infinity are no structure."""
    logits, target, annotated = _batch()
    target = target.float()
    target[0, 0, 0] = value
    with pytest.raises(ValueError, match=rf"target: expected whole numbers, found {value:g}"):
        PartialLabelLoss()(logits, target, annotated)
    with pytest.raises(ValueError, match="target: expected whole numbers"):
        LabelDropout(TRAINING)(target, annotated)


@pytest.mark.parametrize(("value", "dtype"), [(255, torch.uint8), (-1, torch.int16), (-100, torch.float32)])
def test_ignored_pixels_are_left_out_and_never_hidden(value, dtype):
    """Pixels without a label, as 255, -1 or -100, keep it through label dropout and count nowhere in the loss."""
    logits, target, annotated = _batch()
    target = target.to(dtype)
    target[:, 0] = value
    dropout = LabelDropout(TRAINING, 1.0, ignore_index=value)
    less, still = dropout(target, annotated)
    assert (less[:, 0] == value).all()
    loss = PartialLabelLoss("adaptive", 1.0, ignore_index=value)
    torch.testing.assert_close(
        loss(logits, less, still), PartialLabelLoss("adaptive", 1.0)(logits[:, :, 1:], less[:, 1:], still)
    )


def test_deep_supervision_is_the_weighted_sum_over_scales():
    """Lists of logits and targets: halving weights that sum to one, or the weights given."""
    batches = [_batch(0), _batch(1, space=(3, 2))]
    annotated = batches[0][2]
    each = [PartialLabelLoss()(logits, target, annotated) for logits, target, _ in batches]
    lists = [logits for logits, _, _ in batches], [target.unsqueeze(1).short() for _, target, _ in batches]
    torch.testing.assert_close(PartialLabelLoss()(*lists, annotated), (2 * each[0] + each[1]) / 3)
    torch.testing.assert_close(PartialLabelLoss(scale_weights=(1.0, 0.0))(*lists, annotated), each[0])
    with pytest.raises(ValueError, match="expected 3 scales"):
        PartialLabelLoss(scale_weights=(1.0, 1.0, 1.0))(*lists, annotated)
    with pytest.raises(ValueError, match="as many scales, found 2 and 1"):
        PartialLabelLoss()(lists[0], lists[1][0], annotated)


def test_dropout_hides_the_same_at_every_scale():
    """With deep supervision, a structure disappears from all scales of a case."""
    _, target, annotated = _batch()
    less, still = LabelDropout(TRAINING, 1.0)([target, target[:, ::2, ::2]], annotated)
    assert torch.equal(less[0][:, ::2, ::2], less[1])
    assert not still[:, 2].any()
    assert (less[0][annotated[:, 2]] != 2).all()


def test_dropout_is_the_functions():
    """What the module hides is what the functions hide with the generator of its first call."""
    _, target, annotated = _batch()
    hidden = draw_hidden_structures(annotated, partially_labelled(TRAINING), 0.5, np.random.default_rng([7, 0, 0]))
    expected = hide_annotations(target, annotated, hidden)
    for ours, theirs in zip(LabelDropout(TRAINING, 0.5, seed=7)(target, annotated), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_dropout_is_active_in_training_only():
    """In evaluation mode nothing is hidden and nothing is drawn."""
    _, target, annotated = _batch()
    dropout = LabelDropout(TRAINING, 1.0).eval()
    same, still = dropout(target, annotated)
    assert torch.equal(same, target)
    assert torch.equal(still, annotated)
    assert dropout.n_calls == 0


def test_pattern_mode_leaves_a_label_set_that_occurs():
    """With p = 1 every case keeps the intersection with a label set of the training cases."""
    training = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=torch.bool)
    hidden = LabelDropout(training, 1.0, "pattern").draw(torch.ones(64, 4, dtype=torch.bool))
    assert hidden.unique(dim=0).int().tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]


def test_a_resumed_training_continues_the_draws():
    """Draws go on after saving and loading the state as one may load a stranger's file."""
    dropout = LabelDropout(TRAINING, 0.5, seed=3)
    dropout.draw(ALL)
    file = io.BytesIO()
    torch.save(dropout.state_dict(), file)
    file.seek(0)
    resumed = LabelDropout(TRAINING, 0.5, seed=0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    first, second = dropout.draw(ALL), resumed.draw(ALL)
    assert torch.equal(first, second)
    assert not torch.equal(first, dropout.draw(ALL))


def test_every_process_draws_for_itself(monkeypatch):
    """Two ranks with one seed, and one state, hide different structures."""
    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr("labeldropout.modules._rank", lambda rank=rank: rank)
        drawn.append(LabelDropout(TRAINING, 0.5).draw(ALL))
    assert not torch.equal(*drawn)


def test_a_training_without_label_dropout_takes_the_same_code():
    """A benchmark with every label, or one hospital alone, has nothing to drop, and needs nothing with p = 0."""
    every = torch.ones(2, 3, dtype=torch.bool)
    target = torch.tensor([[0, 1, 2], [2, 1, 0]])
    kept, annotated = LabelDropout(every, p=0.0)(target, every)
    assert torch.equal(kept, target)
    assert annotated.all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"annotated_of_training_cases": torch.ones(2, 3, dtype=torch.bool)}, "nothing to drop .*p=0"),
        ({"annotated_of_training_cases": ~TRAINING}, "channel 0, the background"),
        ({"annotated_of_training_cases": TRAINING[:0]}, "at least one case"),
        ({"p": 1.5}, "p: expected a probability, 0 to 1, found 1.5"),
        ({"p": float("nan")}, "found nan"),
        ({"mode": "patern"}, "mode: expected single or pattern, found 'patern'"),
        ({"seed": -1}, "seed: expected 0"),
    ],
)
@pytest.mark.usefixtures("ordinary_runtime")
def test_dropout_refuses_what_it_cannot_mean(arguments, message):
    """Bad arguments end with what was found and what was expected."""
    with pytest.raises(ValueError, match=message):
        LabelDropout(**{"annotated_of_training_cases": TRAINING} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "marginl"}, "Did you mean marginal"),
        ({"dice_weight": -1.0}, "dice_weight: expected 0 or more, found -1.0"),
        ({"scale_weights": (1.0, float("nan"))}, "scale_weights: expected 0 or more, found nan"),
        ({"scale_weights": (0.0,)}, "expected a weight above 0"),
    ],
)
def test_the_loss_module_refuses_what_it_cannot_mean(arguments, message):
    """Bad arguments end where the module is made, not in the first step."""
    with pytest.raises(ValueError, match=message):
        PartialLabelLoss(**arguments)


def test_another_number_of_structures_than_in_training_is_refused():
    """The batch must have the columns of the training cases."""
    with pytest.raises(ValueError, match=r"expected bool \(N, 3\)"):
        LabelDropout(TRAINING).draw(torch.ones(2, 4, dtype=torch.bool))


COMPILED = """
import torch
from labeldropout.label_dropout import hide_annotations
from labeldropout.losses import LOSSES
from labeldropout.modules import PartialLabelLoss

torch.manual_seed(0)
logits, target = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
annotated = torch.tensor([[True, True, True], [True, True, False]])
hidden = torch.tensor([[False, False, True], [False, False, False]])
for kind in LOSSES:
    for validate in (True, False):
        loss = PartialLabelLoss(kind, 0.5, ignore_index=255, validate=validate)

        def step(logits, target, annotated, hidden):
            return loss(logits, *hide_annotations(target, annotated, hidden, ignore_index=255, validate=validate))

        compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(
            compiled(logits, target, annotated, hidden), step(logits, target, annotated, hidden), rtol=0, atol=1e-6
        )
        torch.compiler.reset()
print("equal")
"""


@pytest.mark.slow
def test_a_step_compiles_as_one_graph():
    """`torch.compile(fullgraph=True)` takes losses and hiding, checked or not, and gives the same numbers."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=False)
    assert done.stdout == "equal\n", done.stderr[-3000:]


@pytest.mark.parametrize("kind", LOSSES)
def test_without_validation_nothing_waits_for_the_device(kind, monkeypatch):
    """With `validate=False` no value is fetched from the device, neither by the loss nor by hiding."""
    logits, target, annotated = _batch()
    hidden = torch.zeros_like(annotated)
    expected = PartialLabelLoss(kind, 0.5)(logits, *hide_annotations(target, annotated, hidden))

    def fetch(*_arguments):
        raise AssertionError("a value was fetched")

    for name in ("item", "tolist", "__bool__", "__int__", "__float__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, fetch)
    loss = PartialLabelLoss(kind, 0.5, validate=False)
    value = loss(logits, *hide_annotations(target, annotated, hidden, validate=False))
    monkeypatch.undo()
    assert torch.equal(value, expected)
