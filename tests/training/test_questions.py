"""Training turns the options of its own rows."""

from __future__ import annotations

from storm.config import LETTERS
from storm.testing import make_sample
from storm.training.questions import reordered


def test_option_orders_of_a_video_stay_in_its_split() -> None:
    """A row is a video with its split; training turns the options of its training rows alone."""
    sample = make_sample(
        video_id="train-0", options=("cup 2", "cup 4", "cup 1", "cup 3"), answer="B"
    )
    turned = [reordered(sample, n, seed=0) for n in range(4)]
    assert {(t.video_id, t.split) for t in turned} == {("train-0", "train")}
    assert {t.options[LETTERS.index(t.answer)] for t in turned} == {"cup 4"}
    assert {frozenset(t.options) for t in turned} == {frozenset(sample.options)}
    assert len({t.options for t in turned}) > 1
