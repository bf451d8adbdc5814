"""Measure what a student can do during and at the end of a phase.

The teacher-forced loss can't tell: true inputs give the answer away. So questions are rolled out:
the validation questions, which nothing was trained on, and for the explained variance a few
training questions in an order of options that was not trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from storm.training.data_order import generator

if TYPE_CHECKING:
    from storm.student import Student
    from storm.student.example import Example
    from storm.student.generate import Answer
    from storm.training.questions import TrainingQuestion
    from storm.training.spec import TrainingSpec

QUESTIONS = 128


def explained_variance(latents: np.ndarray, targets: np.ndarray) -> list[float]:
    """Return `1 - MSE(z, g) / MSE(mean g, g)` of each slot.

    Args:
        latents: z, (questions, K, hidden).
        targets: g, (questions, K, hidden).
    """
    error = np.square(latents - targets).mean(axis=(0, 2))
    spread = np.square(targets - targets.mean(axis=0)).mean(axis=(0, 2))
    return [float(1 - e / s) if s > 0 else float("nan") for e, s in zip(error, spread, strict=True)]


def diagnose(
    student: Student, questions: Sequence[TrainingQuestion], spec: TrainingSpec, new_tokens: int
) -> dict[str, Any]:
    """Return the rolled-out accuracy and, with targets, each slot's explained variance."""
    rng = generator("diagnostics", spec.seed)
    chosen = [questions[i] for i in rng.permutation(len(questions))[:QUESTIONS]]
    correct, latents, targets = 0, [], []
    for example, answer, is_right in _answers(
        student, chosen, spec, new_tokens, spec.option_orders
    ):
        correct += is_right
        if example.targets is not None and answer.latents is not None:
            latents.append(answer.latents.float().cpu().numpy())
            targets.append(example.targets.float().cpu().numpy())
    accuracy = correct / len(chosen)
    numbers: dict[str, Any] = {"questions": len(chosen), "rolled_out_accuracy": accuracy}
    if targets:
        numbers["explained_variance"] = explained_variance(np.stack(latents), np.stack(targets))
    return numbers


def accuracy(
    student: Student, questions: Sequence[TrainingQuestion], spec: TrainingSpec, new_tokens: int
) -> float:
    """Return the share of questions, as they were written, that the student answers right."""
    answers = _answers(student, questions, spec, new_tokens, 0)
    return sum(right for *_, right in answers) / len(questions)


def _answers(
    student: Student,
    questions: Sequence[TrainingQuestion],
    spec: TrainingSpec,
    new_tokens: int,
    number: int,
) -> Iterator[tuple[Example, Answer, bool]]:
    """Yield each question in option order `number`, its answer, and whether that is right."""
    import torch

    from storm.student.letters import judge
    from storm.student.reasoning import final_answer

    examples = [question.example(number) for question in questions]
    limit = spec.runtime.micro_batch or QUESTIONS
    student.eval()
    for i in range(0, len(examples), limit):
        part = slice(i, i + limit)
        with torch.no_grad():
            answers = student.generate(
                student.collate(examples[part]),
                mode="latent" if spec.use_latents else "direct",
                max_new_tokens=new_tokens,
            )
        for question, example, answer in zip(questions[part], examples[part], answers, strict=True):
            options = question.sample.options
            said, right = (
                final_answer(text)[1] if spec.mode == "cot" else text
                for text in (answer.text, example.answer or "")
            )
            yield example, answer, judge(said, options, right)[1]
    student.train()
