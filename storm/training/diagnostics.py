"""Measure the rolled-out latents at the end of a phase.

The teacher-forced loss can't: true inputs give the answer away. So a few training questions, in
an order of options that was not trained, are rolled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from storm.training.data_order import generator

if TYPE_CHECKING:
    from storm.student import Student
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
    student: Student, questions: Sequence[TrainingQuestion], spec: TrainingSpec
) -> dict[str, Any]:
    """Return the rolled-out accuracy and, with targets, each slot's explained variance."""
    import torch

    from storm.student.letters import judge

    rng = generator("diagnostics", spec.seed)
    chosen = [questions[i] for i in rng.permutation(len(questions))[:QUESTIONS]]
    examples = [question.example(spec.option_orders) for question in chosen]
    tokens = max(len(student.prompts.answer_ids(x.answer or "")) for x in examples)
    correct, latents, targets = 0, [], []
    limit = spec.runtime.micro_batch or len(chosen)
    student.eval()
    for i in range(0, len(chosen), limit):
        batch = student.collate(examples[i : i + limit])
        with torch.no_grad():
            answers = student.generate(batch, max_new_tokens=tokens)
        rows = zip(chosen[i : i + limit], examples[i : i + limit], answers, strict=True)
        for question, example, answer in rows:
            options = len(question.sample.options)
            correct += judge(answer.text, options, example.answer or "")[1]
            if example.targets is not None and answer.latents is not None:
                latents.append(answer.latents.float().cpu().numpy())
                targets.append(example.targets.float().cpu().numpy())
    student.train()
    accuracy = correct / len(chosen)
    numbers: dict[str, Any] = {"questions": len(chosen), "rolled_out_accuracy": accuracy}
    if targets:
        numbers["explained_variance"] = explained_variance(np.stack(latents), np.stack(targets))
    return numbers
