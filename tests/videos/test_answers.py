"""Which option an answer names: the right one, or none."""

from __future__ import annotations

from typing import Any

import pytest

from storm.videos.questions.options import Options
from storm.videos.questions.values import BadEntry


def reading(options: Any, answer: str) -> str:
    """The letter that is read, or the reason why none is."""
    try:
        return Options.read(options).answer(answer)
    except BadEntry as error:
        return error.reason


@pytest.mark.parametrize(
    ("options", "answer", "right"),
    [
        (["A. C", "B. A", "C. B"], "C", "C"),  # labels go before texts
        (["A. C", "B. A", "C. B"], "C. B", "C"),
        (["A. C", "B. A", "C. B"], "A. A", "ambiguous_answer"),
        (["C", "A", "B"], "A", "ambiguous_answer"),
        (["A", "B", "C"], "B", "B"),
        (["C", "A", "B"], "A. C", "A"),
        (["b", "a"], "b", "ambiguous_answer"),
        (["left", "right"], "A. right", "ambiguous_answer"),
        (["left", "right"], "A. up", "answer_not_an_option"),
        (["left", "right"], "C", "answer_not_an_option"),
        (["left", "right"], "A and B", "answer_not_an_option"),
        (["left", "right"], "AB", "answer_not_an_option"),
        (["left", "right"], "Ｂ", "B"),
        (["left", "right"], "（Ｂ）", "B"),
        (["left", "right"], "B. Right.", "B"),
        (["left", "right"], "RIGHT", "B"),
        (["left", "right"], "right\u200b", "B"),
        (["left", "right"], "1", "answer_is_an_index"),
        (["left", "right"], "0", "answer_is_an_index"),
        (["left", "right"], "1.0", "answer_is_an_index"),
        (["1", "2", "3"], "2", "B"),
        (["1", "2", "3"], "2.0", "B"),
        (["1. left", "2. right"], "2", "B"),
        (["0. left", "1. right"], "1", "B"),
        (["0) left", "1) right"], "1) right", "B"),
        (["1. 2", "2. 1"], "2", "B"),
        (["1.5", "2.5"], "2.5", "B"),
        (["1:30", "2:30"], "2:30", "B"),
        (["A. left", "right", "C. up"], "C", "C"),
        (["left", "A. right"], "A", "ambiguous_answer"),
        (["left", "A. right"], "A. right", "B"),
        (["B. left", "A. right"], "A", "ambiguous_answer"),
        (["B. Lee", "A. Ray"], "A. Ray", "B"),
        (["A.M.", "B.C."], "B.C.", "B"),
        (["A. left", "B. left"], "A", "duplicate_options"),
        (["left", "left"], "A", "duplicate_options"),
        (["left", " left "], "A", "duplicate_options"),
        (["caf\u00e9", "cafe\u0301"], "A", "duplicate_options"),
        (["10⁵", "105"], "105", "B"),
        (["Left", "left"], "left", "B"),
        (["Left", "left"], "LEFT", "ambiguous_answer"),
        (["left.", "left"], "left", "B"),
        ({"B": "right", "A": "left"}, "A", "A"),
        ({"B": "right", "A": "left"}, "left", "A"),
        ({"1": "right", "0": "left"}, "1", "B"),
        ({"2": "right", "1": "left"}, "1", "A"),
        ({"A": "left", "B": "right", "C": None}, "B", "B"),
        ({"A": "left", "C": "right"}, "A", "bad_options"),
        ({"x": "left", "y": "right"}, "A", "bad_options"),
        ('{"A": "x", "A": "y"}', "A", "bad_options"),
        (["left", None], "A", "bad_options"),
        (["left", ""], "A", "bad_options"),
        (["left", True], "A", "bad_options"),
        (["left", float("nan")], "A", "bad_options"),
        (["left", "\u200b"], "A", "bad_options"),
        (["left"], "A", "bad_options"),
        ("left", "A", "bad_options"),
        ("left||right", "A", "bad_options"),
        ("['left', 'right']", "A", "bad_options"),
        ([str(n) for n in range(27)], "A", "bad_options"),
    ],
)
def test_an_answer_is_right_or_refused(options: Any, answer: str, right: str) -> None:
    assert reading(options, answer) == right
