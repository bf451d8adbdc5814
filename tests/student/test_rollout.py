"""What may be fed in the latent span, where gradients flow, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from student_helpers import K, gap, gradient_gap, stage_one

from storm.errors import ConfigError, DataError
from storm.student import Example, Gradient, Jacobi, Mixed, Student

VALUES = 1e-5


@pytest.mark.integration
def test_mixed_feeding_has_both_as_ends(student: Student, examples: list[Example]):
    own, _ = stage_one(student, examples, feeding="rollout")
    forced, _ = stage_one(student, examples, feeding="teacher")
    assert gap(own.latents, forced.latents) > 1e-2
    for p, expected in ((1.0, own), (0.0, forced)):
        found, _ = stage_one(student, examples, feeding=Mixed(p))
        assert gap(found.latents, expected.latents) < VALUES
        assert gap(found.answer_loss_per_row, expected.answer_loss_per_row) < VALUES
    torch.manual_seed(0)
    some, _ = stage_one(student, examples * 2, feeding=Mixed(0.5))
    rows = [
        min(range(2), key=lambda j: gap(some.latents[i], (own, forced)[j].latents[i % 3]))
        for i in range(6)
    ]
    assert set(rows) == {0, 1}, "expected some rows of each kind in a draw with p = 0.5"


def test_reentrant_checkpointing_is_refused(student: Student, examples: list[Example]):
    student.train()
    student.model.activation_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(ConfigError, match="use_reentrant"):
        student(student.collate(examples), feeding="rollout")


def test_gradient_through_the_fed_latents(student: Student, examples: list[Example]):
    """full = truncated:K, detached = truncated:0, and each cut changes the gradient alone."""

    def run(gradient: str):
        return stage_one(student, examples, feeding="rollout", gradient=Gradient.parse(gradient))

    full, all_ways = run("full")
    _, whole = run(f"truncated:{K}")
    assert gradient_gap(whole, all_ways) == 0
    detached, none = run("detached")
    assert gradient_gap(run("truncated:0")[1], none) == 0
    assert gap(detached.latents, full.latents) == 0
    _, some = run("truncated:1")
    assert gradient_gap(none, all_ways) > 1e-3
    assert gradient_gap(some, all_ways) > 1e-3
    assert gradient_gap(some, none) > 1e-3
    with pytest.raises(ConfigError, match="truncated:n"):
        run("backwards")


def test_rows_without_latents_share_a_teacher_pass(student: Student, examples: list[Example]):
    direct = dataclasses.replace(examples[1], use_latents=False, targets=None)
    mixed = student(student.collate([examples[0], direct, examples[2]]), feeding="teacher")
    alone = student(student.collate([direct]), feeding="none")
    forced = student(student.collate(examples), feeding="teacher")
    assert alone.latents is None
    assert gap(mixed.answer_loss_per_row[1:2], alone.answer_loss_per_row) < VALUES
    assert gap(mixed.answer_loss_per_row[::2], forced.answer_loss_per_row[::2]) < VALUES
    assert gap(mixed.latents[::2], forced.latents[::2]) < VALUES
    assert not mixed.latents[1].any()


def test_a_video_in_the_latent_span_is_teacher_forcing(student: Student, examples: list[Example]):
    first = examples[0]
    thought = dataclasses.replace(first.videos[0], tokens=first.videos[0].tokens[:K])
    watched = dataclasses.replace(first, targets=None, latent_video=thought)
    forced = dataclasses.replace(first, targets=thought.tokens)
    found = student(student.collate([watched]), feeding="teacher")
    expected = student(student.collate([forced]), feeding="teacher")
    assert gap(found.answer_loss_per_row, expected.answer_loss_per_row) == 0
    assert student.collate([watched]).targets is None


def test_wrong_use_is_refused(student: Student, examples: list[Example]):
    row = examples[0]
    bare = dataclasses.replace(row, targets=None)
    with pytest.raises(DataError, match="targets"):
        student(student.collate([bare]), feeding="teacher")
    with pytest.raises(DataError, match="use_latents"):
        student(student.collate([dataclasses.replace(row, use_latents=False)]), feeding="rollout")
    with pytest.raises(DataError, match="feeding 'none'"):
        student(student.collate([row]), feeding="none")
    with pytest.raises(ConfigError, match="at least one sweep"):
        Jacobi(0)
    with pytest.raises(ConfigError, match="feeding"):
        student(student.collate([row]), feeding="guess")
    with pytest.raises(DataError, match=r"\(4, 32\).*\(5, 32\)"):
        student.collate([dataclasses.replace(row, targets=torch.zeros(K + 1, 32))])
    with pytest.raises(DataError, match="special tokens"):
        student.collate([dataclasses.replace(row, prompt="a <|im_end|> b")])
    with pytest.raises(DataError, match="at most 4096 tokens"):
        student.collate([dataclasses.replace(row, prompt="1" * 5000)])
    with pytest.raises(DataError, match="answers in all"):
        student.collate([row, dataclasses.replace(row, answer=None)])
    more = dataclasses.replace(row.videos[0], tokens=torch.zeros(9, 32))
    with pytest.raises(DataError, match=r"\(8, 32\) features for a grid"):
        student.collate([dataclasses.replace(row, videos=(more,))])
    if student.adapter.deepstack_layers:
        flat = dataclasses.replace(row.videos[0], deepstack=())
        with pytest.raises(DataError, match="deepstack"):
            student.collate([dataclasses.replace(row, videos=(flat,))])
