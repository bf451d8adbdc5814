"""Batches: questions of like length together, and those too large for the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from storm.errors import DataError
from storm.evaluation.batching import replies_in_batches, replies_to
from storm.student import AnswerConfig, Question, Student
from tests.benchmarks import letter_student


def test_a_batch_too_large_for_the_device_is_halved(tmp_path: Path) -> None:
    student = Student.from_pretrained(letter_student.build(tmp_path))
    predictor = AnswerConfig(max_new_tokens=1).build(student)
    sizes, stream = [], predictor.stream

    def narrow(questions: Any, batch: int) -> Any:
        sizes.append(batch)
        if batch > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return stream(questions, batch=batch)

    questions = [Question(f"Which of {n}?", raw=True) for n in range(5)]
    predictor.stream = narrow
    replies = replies_to(predictor, questions)
    assert sizes == [5, 2, 3, 1, 2]
    alone = [reply for question in questions for reply in stream([question], batch=1)]
    assert [r.response for r in replies] == [r.response for r in alone]


def test_one_question_too_large_for_the_device_is_refused() -> None:
    class Full:
        def stream(self, questions: Any, batch: int) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    found: Any = replies_to(Full(), ["q"])  # pyright: ignore
    assert [str(e) for e in found] == ["out of memory alone in its batch: CUDA out of memory"]


def test_questions_are_sorted_by_length_and_errors_are_passed_on() -> None:
    class Echo:
        def stream(self, questions: Any, batch: int) -> Any:
            return (question.text for question in questions)

    error = DataError("cut off")
    texts = ["four", "a", "three", "bb"]
    questions: Any = [(n, Question(text, raw=True)) for n, text in enumerate(texts)]
    batches: list[list[int]] = []
    echo: Any = Echo()
    replies = list(replies_in_batches(echo, [*questions, (4, error)], 2, batches.append))
    assert replies == [(4, error), (1, "a"), (3, "bb"), (0, "four"), (2, "three")]
    assert batches == [[1, 3], [0, 2]]
