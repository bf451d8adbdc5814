"""What a student is taken to choose, and how probable the right answer is."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from storm.target_check.scores import judge
from storm.testing import make_sample

END = 0
WORDS = {"A": 1, "B": 2, "C": 3, "red": 4, "ball": 5}
BACK: Any = {number: word for word, number in WORDS.items()}


def answer_ids(text: str) -> tuple[int, ...]:
    return (*(WORDS[word] for word in text.split()), END)


def decode(ids: list[int], skip_special_tokens: bool) -> str:
    return " ".join(BACK[i] for i in ids if i != END)


STUDENT: Any = SimpleNamespace(
    prompts=SimpleNamespace(answer_ids=answer_ids), tokenizer=SimpleNamespace(decode=decode)
)


def test_a_letter_is_chosen_among_the_options_letters() -> None:
    # "red" is the most probable token and "C" the most probable letter, but there is no option C
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0, 9.0, 0.0], [9.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    sample = make_sample(options=("x", "y"), answer="A")
    chosen, log_probability = judge(STUDENT, sample, logits)
    assert chosen == "B"
    assert log_probability == pytest.approx(1 - math.log(math.e + math.e**2))


def test_an_open_answer_is_right_if_each_of_its_tokens_is_the_most_probable() -> None:
    sample = make_sample(options=(), answer="red ball")
    logits = torch.eye(6)[[4, 5, END]] * 3.0
    chosen, log_probability = judge(STUDENT, sample, logits)
    assert chosen == "red ball"
    each = 3 - math.log(math.e**3 + 5)
    assert log_probability == pytest.approx(2 * each), "without the end of the turn"
    assert judge(STUDENT, sample, torch.eye(6)[[4, 1, END]])[0] == "red A"
    assert judge(STUDENT, sample, torch.eye(6)[[4, 5, 5]])[0] == "red ball ball"
