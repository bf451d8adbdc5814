"""Prompts are cached up to a number of tokens."""

from __future__ import annotations

import pytest
from student_helpers import shown

from storm.student import Example, Student


def test_prompts_are_remembered_up_to_so_many_tokens(
    student: Student, monkeypatch: pytest.MonkeyPatch
):
    prompts = Student(student.model, student.processor, student.latent).prompts
    several = [Example((shown(student, i),), "Where? " * i) for i in range(1, 6)]
    lengths = [len(prompts.layout(example).ids) for example in several]
    assert all(prompts.layout(example) is prompts.layout(example) for example in several)
    monkeypatch.setattr("storm.student.prompts.REMEMBERED", sum(lengths[-2:]) + 1)
    prompts = Student(student.model, student.processor, student.latent).prompts
    made = [prompts.layout(example) for example in several]
    assert len(prompts.answer_ids("a " * sum(lengths))) > sum(lengths)
    assert [a is b for a, b in zip(made[3:], map(prompts.layout, several[3:]), strict=True)] == [
        1,
        1,
    ]
    for memo in (prompts._layouts, prompts._positions, prompts._answers):  # pyright: ignore[reportPrivateUsage]
        assert memo.tokens == sum(memo.count(value) for value in memo.kept.values())
        assert memo.tokens <= sum(lengths[-2:]) + 1
    assert prompts.layout(several[2]) is not made[2]
