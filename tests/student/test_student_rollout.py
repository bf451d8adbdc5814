"""The rollout is what K + 1 full passes give: values, gradients, whatever shares the batch."""

from __future__ import annotations

import dataclasses

import pytest
import reference_rollout as reference
import torch
from student_helpers import K, gap, gradient_gap, gradients

from storm.errors import ConfigError, DataError
from storm.student import Example, Mixed, Student

VALUES, GRADIENTS = 5e-6, 1e-5


def _learn(student: Student, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    student.zero_grad(set_to_none=True)
    loss.backward()
    return gradients(student)


def _stage_one(student: Student, examples: list[Example], **how):
    """Stage I's loss, its latents and its gradients."""
    batch = student.collate(examples)
    output = student(batch, **how)
    align = (output.latents - batch.targets).square().mean()
    return output, _learn(student, output.answer_loss + align)


def _expected(student: Student, examples: list[Example], forced: bool):
    losses, latents = [], []
    for example in examples:
        loss, states = reference.rollout(student, example, example.targets if forced else None)
        losses.append(loss)
        latents.append(states)
    align = (torch.stack(latents) - torch.stack([e.targets for e in examples])).square().mean()
    grads = _learn(student, torch.stack(losses).mean() + align)
    return torch.stack(losses), torch.stack(latents), grads


@pytest.mark.parametrize("feeding", ["rollout", "teacher"])
def test_equals_full_passes(student: Student, examples: list[Example], feeding: str):
    losses, latents, grads = _expected(student, examples, forced=feeding == "teacher")
    output, found = _stage_one(student, examples, feeding=feeding)
    gaps = {
        "latents": gap(output.latents, latents),
        "loss": gap(output.answer_loss_per_row, losses),
        "gradient": gradient_gap(found, grads),
    }
    print(gaps)  # pytest -s shows how far from the tolerance they are
    assert max(gaps["latents"], gaps["loss"]) < VALUES, gaps
    assert gaps["gradient"] < GRADIENTS, gaps


def test_mixed_feeding_has_both_as_ends(student: Student, examples: list[Example]):
    own, _ = _stage_one(student, examples, feeding="rollout")
    forced, _ = _stage_one(student, examples, feeding="teacher")
    assert gap(own.latents, forced.latents) > 1e-2
    for p, expected in ((1.0, own), (0.0, forced)):
        found, _ = _stage_one(student, examples, feeding=Mixed(p))
        assert gap(found.latents, expected.latents) < VALUES
        assert gap(found.answer_loss_per_row, expected.answer_loss_per_row) < VALUES
    torch.manual_seed(0)
    some, _ = _stage_one(student, examples * 2, feeding=Mixed(0.5))
    rows = [
        min(range(2), key=lambda j: gap(some.latents[i], (own, forced)[j].latents[i % 3]))
        for i in range(6)
    ]
    assert set(rows) == {0, 1}, "expected some rows of each kind in a draw with p = 0.5"


def test_batch_equals_its_rows(student: Student, examples: list[Example]):
    for feeding in ("rollout", "teacher"):
        whole, grads = _stage_one(student, examples, feeding=feeding)
        parts, summed = [], {}
        for example in examples:
            part, row = _stage_one(student, [example], feeding=feeding)
            parts.append(part)
            for name, value in row.items():
                summed[name] = summed.get(name, 0) + value / len(examples)
        assert gap(whole.latents, torch.cat([p.latents for p in parts])) < VALUES
        alone = torch.cat([p.answer_loss_per_row for p in parts])
        assert gap(whole.answer_loss_per_row, alone) < VALUES
        assert gradient_gap(grads, summed) < GRADIENTS


def test_padding_changes_nothing(student: Student, examples: list[Example]):
    """A row beside a much longer one, on the left (prompt) and on the right (answer)."""
    row = examples[0]
    longer = dataclasses.replace(row, prompt=row.prompt * 3, answer="one two three four")
    alone, beside = student.collate([row]), student.collate([row, longer])
    assert not alone.left_padded
    assert beside.left_padded
    assert not bool(beside.valid[0, 0])
    assert not bool(beside.valid[0, -1])
    for feeding in ("rollout", "teacher"):
        a, b = student(alone, feeding=feeding), student(beside, feeding=feeding)
        assert gap(b.latents[0], a.latents[0]) < VALUES
        assert gap(b.answer_loss_per_row[:1], a.answer_loss_per_row) < VALUES


@pytest.mark.parametrize("feeding", ["rollout", "teacher"])
def test_checkpointing_changes_nothing(student: Student, examples: list[Example], feeding: str):
    student.train()
    plain, expected = _stage_one(student, examples, feeding=feeding)
    student.gradient_checkpointing(True)
    again, found = _stage_one(student, examples, feeding=feeding)
    assert all(layer.gradient_checkpointing for layer in student.layers)
    assert gap(again.latents, plain.latents) == 0
    assert gradient_gap(found, expected) < 1e-6


def test_reentrant_checkpointing_is_refused(student: Student, examples: list[Example]):
    student.train()
    student.model.activation_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(ConfigError, match="use_reentrant"):
        student(student.collate(examples), feeding="rollout")


def test_gradient_through_the_fed_latents(student: Student, examples: list[Example]):
    """full = truncated:K, detached = truncated:0, and each cut changes the gradient alone."""

    def run(gradient: str):
        return _stage_one(student, examples, feeding="rollout", gradient=gradient)

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
    if student.adapter.deepstack_layers:
        flat = dataclasses.replace(row.videos[0], deepstack=())
        with pytest.raises(DataError, match="deepstack"):
            student.collate([dataclasses.replace(row, videos=(flat,))])
