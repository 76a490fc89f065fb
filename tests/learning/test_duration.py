"""How long a training lasts: in steps, the same for every model, or in epochs."""

import pytest

from labeldropout.learning.duration import Duration, duration_of


def settings(**changes):
    """The part of the configuration that says how long; steps unless changed."""
    return {"steps": 1200, "epochs": None, "validations": 20, **changes}


def test_steps_are_the_same_for_large_and_small_data_sets():
    """1,200 steps are 1,200 steps, validated twenty times at equal distances, the last time at the end."""
    small, large = (duration_of(settings(), n_cases, 8) for n_cases in (40, 4000))
    assert small == large
    assert small.n_steps == 1200
    assert small.validated_after == tuple(range(60, 1201, 60))
    assert small.whole_batches


def test_steps_that_do_not_divide_are_spread():
    """Seven steps with three validations; no more validations than steps."""
    assert duration_of(settings(steps=7, validations=3), 40, 8).validated_after == (2, 4, 7)
    assert duration_of(settings(steps=2), 40, 8).validated_after == (1, 2)


def test_epochs_are_passes_with_a_validation_each():
    """Twenty cases in batches of eight are three steps a pass, the last one a small batch."""
    expected = Duration((3, 6, 9, 12), whole_batches=False)
    assert duration_of(settings(steps=None, epochs=4), 20, 8) == expected


@pytest.mark.parametrize(("steps", "epochs"), [(None, None), (100, 5)])
def test_exactly_one_of_steps_and_epochs_is_expected(steps, epochs):
    """Both or neither is one error that shows both values."""
    with pytest.raises(ValueError, match=f"exactly one of steps and epochs .*found steps {steps} and epochs {epochs}"):
        duration_of(settings(steps=steps, epochs=epochs), 20, 8)
