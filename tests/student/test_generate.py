"""Answers: the same latents as in training, the same in any batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from student_helpers import K, answer_logits, gap, generated, latents_of

from storm.errors import ConfigError, DataError
from storm.student import (
    Example,
    Mean,
    Oracle,
    Permute,
    Student,
    Swap,
    Truncate,
    Zero,
)

VALUES = 5e-6


def test_inference_latents_are_training_latents(student: Student, examples: list[Example]):
    trained = student(student.collate(examples), feeding="rollout").latents
    answers = generated(student, examples)
    assert gap(latents_of(answers), trained) < VALUES
    assert not answers[0].latents.requires_grad


@pytest.mark.parametrize("mode", ["latent", "direct"])
def test_tokens_are_the_greedy_ones_of_training(
    student: Student, examples: list[Example], mode: str
):
    """Shown its own answer, the training pass prefers each of its tokens."""
    answers = student.generate(student.collate(examples), mode=mode, max_new_tokens=6)
    for example, answer in zip(examples, answers, strict=True):
        assert 0 < len(answer.token_ids) <= 6
        told = dataclasses.replace(example, use_latents=mode == "latent", answer=answer.text)
        if student.prompts.answer_ids(answer.text)[:-1] != answer.token_ids:
            continue  # this text is written with other tokens
        feeding = "rollout" if mode == "latent" else "none"
        logits = answer_logits(student, [told], feeding)[: len(answer.token_ids)]
        assert tuple(logits.argmax(1).tolist()) == answer.token_ids
        assert abs(float(logits[0].detach().softmax(0).max()) - answer.confidence) < VALUES
        assert (answer.latents is None) == (mode == "direct")


@pytest.mark.parametrize("mode", ["latent", "direct"])
def test_batch_answers_as_its_rows(student: Student, examples: list[Example], mode: str):
    together = student.generate(student.collate(examples), mode=mode, max_new_tokens=6)
    for example, found in zip(examples, together, strict=True):
        (alone,) = student.generate(student.collate([example]), mode=mode, max_new_tokens=6)
        assert found.token_ids == alone.token_ids
        assert found.text == alone.text
        assert abs(found.confidence - alone.confidence) < VALUES


def test_answers_and_markers_of_the_examples_are_not_looked_at(
    student: Student, examples: list[Example]
):
    bare = [dataclasses.replace(e, answer=None, targets=None) for e in examples]
    plain = [dataclasses.replace(e, use_latents=False) for e in examples]
    expected = [a.token_ids for a in generated(student, examples)]
    assert [a.token_ids for a in generated(student, bare)] == expected
    assert [a.token_ids for a in generated(student, plain)] == expected


def test_wrong_use_is_refused(student: Student, examples: list[Example]):
    batch = student.collate(examples)
    with pytest.raises(ConfigError, match="mode"):
        student.generate(batch, mode="thinking")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="latent"):
        student.generate(batch, mode="direct", intervention=Zero())
    with pytest.raises(ConfigError, match="sweeps = 2"):
        student.generate(batch, mode="direct", sweeps=2)
    with pytest.raises(ConfigError, match="at least one sweep"):
        student.generate(batch, sweeps=0)
    with pytest.raises(DataError, match="at most 4096 tokens"):
        student.generate(batch, max_new_tokens=4096)
    for wrong in (
        Swap([0, 1]),
        Swap([0, 1, 3]),
        Permute([0, 0, 1, 2]),
        Mean(torch.zeros(2, 32)),
        Truncate(K + 1),
    ):
        with pytest.raises(DataError):
            student.generate(batch, intervention=wrong)
    bare = [dataclasses.replace(e, targets=None) for e in examples]
    with pytest.raises(DataError, match="oracle"):
        student.generate(student.collate(bare), intervention=Oracle())
