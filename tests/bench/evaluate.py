"""What batches save in an evaluation: the model's time, decoding apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from storm.evaluation.batching import replies_in_batches
from storm.student import AnswerConfig, Question, Student, TinyConfig
from storm.videos.frames import VideoFrames
from tests.bench.measure import Pair, Row

QUESTIONS = 32


def throughput(folder: Path) -> Iterator[Row]:
    """32 questions about videos of 8 frames of 64 x 64, answers of 8 tokens."""
    TinyConfig().build(folder)
    student = Student.from_pretrained(folder)
    predictor = AnswerConfig(mode="latent", max_new_tokens=8).build(student)
    rng = np.random.default_rng(0)
    times = tuple(0.1 + 0.2 * n for n in range(8))
    questions = [
        Question(
            "Which? " * (1 + n % 4),
            (VideoFrames(rng.integers(0, 255, (8, 64, 64, 3), dtype=np.uint8), times),),
        )
        for n in range(QUESTIONS)
    ]

    def answer(size: int) -> None:
        for _ in replies_in_batches(predictor, enumerate(questions), size):
            pass

    yield Pair(
        name="evaluation: questions a second at batch 16 / at batch 1",
        a=lambda: answer(1),
        b=lambda: answer(16),
        at_least=4,
        rounds=3,
    )


CASES = (throughput,)
