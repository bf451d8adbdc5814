"""LoRA: the base at first, the same rollout and gradients, merged into an ordinary folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import reference_rollout as reference
import torch
from student_helpers import gap, gradient_gap, learn, tolerance
from torch import nn

from storm.student import Example, Student
from storm.student.lora import Lora, attach


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def own(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Student:
    """A student of one's own, whose LM head shares the embeddings' weights or doesn't."""
    student = Student.from_pretrained(folder)
    if request.param:
        return student
    model = student.model
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    student.save_pretrained(tmp_path / "untied")
    return Student.from_pretrained(tmp_path / "untied")


def _stir(student: Student) -> None:
    """Adapters as after some training: at first they change nothing."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in student.parameters():
            if value.requires_grad:
                value.add_(0.05 * torch.randn(value.shape, generator=generator))


def test_it_is_the_base_at_first_and_only_it_learns(own: Student, examples: list[Example]):
    batch = own.collate(examples)
    with torch.no_grad():
        expected = own(batch)
    frozen = {id(p) for p in own.parameters()}
    linear = sum(isinstance(m, nn.Linear) for m in own.layers.modules())
    attach(own, Lora(r=4))
    with torch.no_grad():
        found = own(batch)
    assert gap(found.latents, expected.latents) == 0
    assert gap(found.answer_logits, expected.answer_logits) == 0
    learning = {name: p for name, p in own.named_parameters() if p.requires_grad}
    assert not any(id(p) in frozen for p in learning.values())
    assert sum("lora_A" in name for name in learning) == linear
    (rows,) = (p for name, p in learning.items() if "lora_" not in name)
    assert rows.shape == (3, own.hidden_size)  # the latent tokens' embeddings


@pytest.mark.integration
@pytest.mark.parametrize("recomputed", [False, True])
def test_its_gradients_are_those_of_full_passes(
    own: Student, examples: list[Example], recomputed: bool
):
    attach(own, Lora(r=4, alpha=8))
    _stir(own)
    losses = torch.stack([reference.rollout(own, example)[0] for example in examples])
    expected = learn(own, losses.mean())
    if recomputed:
        own.train()
        own.gradient_checkpointing()
    output = own(own.collate(examples))
    assert gap(output.answer_loss_per_row, losses) < tolerance(own).values
    found = learn(own, output.answer_loss)
    assert len(found) == sum(p.requires_grad for p in own.parameters())
    assert all(value.any() for value in found.values())
    assert gradient_gap(found, expected) < tolerance(own).gradients


def test_merged_it_is_a_student_like_any_other(
    own: Student, examples: list[Example], tmp_path: Path
):
    keys = own.state_dict().keys()
    adapter = attach(own, Lora(r=4, alpha=8))
    _stir(own)
    batch = own.collate(examples)
    with torch.no_grad():
        expected = own(batch)
        adapter.merge_and_unload()
        merged = own(batch)
    assert own.state_dict().keys() == keys
    near = 4 * tolerance(own).values  # the sum of two weights is rounded once more
    assert gap(merged.latents, expected.latents) < near
    assert gap(merged.answer_logits, expected.answer_logits) < near
    own.save_pretrained(tmp_path / "merged")
    with torch.no_grad():
        again = Student.from_pretrained(tmp_path / "merged")(batch)
    assert gap(again.answer_logits, merged.answer_logits) == 0


def test_dropout_is_drawn_only_in_training(own: Student, examples: list[Example]):
    attach(own, Lora(r=4, dropout=0.5))
    _stir(own)
    batch = own.collate(examples)
    with torch.no_grad():
        calm = [own.eval()(batch).answer_loss for _ in range(2)]
        drawn = [own.train()(batch).answer_loss for _ in range(2)]
    assert calm[0] == calm[1]
    assert drawn[0] != drawn[1]
