"""Training turns the options of its own rows."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    "last",
    [
        *("Both A and B", "both A and B.", "A or B", "A, B", "A & B", "only A", "Neither A nor B"),
        *("None of the above", "all of the above.", "None of these", "None", "both", "neither"),
        *("AB", "options 1 and 2", "1 and 2", "the first option", "Same as A", "以上都是", "A和B"),
        *(
            "Keine der genannten",
            "aucune de ces réponses",
            "ninguna de las anteriores",
            "(A) and (B)",
        ),
        *("どれも当てはまらない", "모두", "A и B", "None of the other options"),
    ],
)
def test_options_that_name_each_other_keep_their_order(last: str) -> None:
    sample = make_sample(options=("left", "right", last), answer="C")
    assert [reordered(sample, n, seed=0) for n in range(6)] == [sample] * 6


@pytest.mark.parametrize(
    "options",
    [
        *(("C", "A", "B"), ("A ball", "A cup", "I see"), ("vitamin C", "vitamin D", "vitamin A")),
        *(
            ("both hands", "one hand", "none at all"),
            ("3D", "2D", "1D"),
            ("He puts it all in", "x", "y"),
        ),
        *(("1", "2", "3"), ("red and blue", "blue", "green"), ("cup 1", "cup 2", "cup 3")),
    ],
)
def test_other_options_are_turned(options: tuple[str, ...]) -> None:
    sample = make_sample(options=options, answer="B")
    turned = [reordered(sample, n, seed=0) for n in range(6)]
    assert len({t.options for t in turned}) == 6
    assert {t.options[LETTERS.index(t.answer)] for t in turned} == {options[1]}
