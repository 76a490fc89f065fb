"""Words that error messages share."""

from labeldropout.messages import did_you_mean


def test_the_nearest_word_is_named():
    """A misspelt word is answered with the one that was meant."""
    assert did_you_mean("adaptve", ["standard", "adaptive"]) == "Did you mean 'adaptive'?"


def test_nothing_near_gives_no_advice():
    """A word that resembles none of the valid ones gets no wrong advice."""
    assert not did_you_mean("xyz", ["standard", "adaptive"])
