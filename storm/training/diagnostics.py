"""What the rolled-out latents are worth at the end of a phase.

The teacher-forced loss doesn't tell: true inputs give the answer away. So a few training
questions, in an option order of their own, are rolled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from storm.training.data_order import generator

if TYPE_CHECKING:
    from storm.student import Student
    from storm.training.questions import Question
    from storm.training.spec import TrainingSpec

QUESTIONS = 128


def explained_variance(latents: np.ndarray, targets: np.ndarray) -> list[float]:
    """For each slot `1 - MSE(z, g) / MSE(mean g, g)`; both (questions, K, hidden)."""
    error = np.square(latents - targets).mean(axis=(0, 2))
    spread = np.square(targets - targets.mean(axis=0)).mean(axis=(0, 2))
    return [float(1 - e / s) if s > 0 else float("nan") for e, s in zip(error, spread, strict=True)]


def diagnose(student: Student, questions: Sequence[Question], spec: TrainingSpec) -> dict[str, Any]:
    """Rolled-out accuracy and, where there are targets, explained variance of each slot."""
    import torch

    from storm.student.letters import judge

    rng = generator("diagnostics", spec.seed)
    chosen = [questions[i] for i in rng.permutation(len(questions))[:QUESTIONS]]
    told = [question.example(spec.option_orders) for question in chosen]
    tokens = max(len(student.prompts.answer_ids(example.answer or "")) for example in told)
    right, latents, targets = 0, [], []
    limit = spec.runtime.micro_batch or len(chosen)
    student.eval()
    for i in range(0, len(chosen), limit):
        examples = told[i : i + limit]
        batch = student.collate(examples)
        with torch.no_grad():
            answers = student.generate(batch, "latent", max_new_tokens=tokens)
        for question, example, answer in zip(chosen[i : i + limit], examples, answers, strict=True):
            options = len(question.sample.options)
            right += judge(answer.text, options, example.answer or "")[1]
            if example.targets is not None and answer.latents is not None:
                latents.append(answer.latents.float().cpu().numpy())
                targets.append(example.targets.float().cpu().numpy())
    student.train()
    found: dict[str, Any] = {"questions": len(chosen), "rolled_out_accuracy": right / len(chosen)}
    if targets:
        found["explained_variance"] = explained_variance(np.stack(latents), np.stack(targets))
    return found
