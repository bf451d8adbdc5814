"""The final answer of a chain of thought."""

from __future__ import annotations

import pytest

from storm.student.reasoning import final_answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<think>x</think><answer>B</answer>", "B"),
        ("<answer>A</answer> no: <answer> the left\ncup </answer> done", "the left\ncup"),
        ("so it is <answer> C", "C"),
        ("first this\nthen that\nB. right\n\n", "B. right"),
        ("B", "B"),
        ("<answer></answer>", ""),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_the_final_answer_of_a_reasoning(response: str, answer: str):
    start, text = final_answer(response)
    assert text == answer
    assert response[start:].startswith(text)
