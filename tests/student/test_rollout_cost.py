"""What a latent step may cost: no copy of the prompt's keys and values, no needless LM head."""

from __future__ import annotations

from pathlib import Path

import torch
from student_helpers import FAMILIES, TEXT, tolerance
from torch.utils._python_dispatch import TorchDispatchMode

from storm.student import Batch, Example, Jacobi, LatentConfig, Student
from storm.student.attention import causal_mask
from storm.student.tiny.tiny import TextShape

LAYERS, HIDDEN, ROWS = 2, 64, 2


def _student(folder: Path, k: int) -> Student:
    text = TextShape(layers=LAYERS, hidden=HIDDEN, heads=2, key_heads=2, ffn=64)
    config = FAMILIES["qwen3_vl"].model_copy(update={"text": text, "latent": LatentConfig(k=k)})
    config.build(folder)
    return Student.from_pretrained(folder)


def _saved_bytes(student: Student, batch: Batch) -> int:
    """What a rollout keeps for its backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = student(batch, feeding="rollout")
    assert output.answer_loss.requires_grad
    return sum(kept.values())


def test_a_latent_step_keeps_no_copy_of_the_prefix(tmp_path: Path):
    row = Example(prompt="1" * 1500, answer="a")
    few, many = _student(tmp_path / "1", 1), _student(tmp_path / "9", 9)
    batch = few.collate([row] * ROWS)
    copy = 2 * LAYERS * ROWS * HIDDEN * 4 * (batch.prompt_width + 1)
    more = _saved_bytes(many, many.collate([row] * ROWS)) - _saved_bytes(few, batch)
    assert 0 < more / 8 < copy / 10, (more / 8, copy)


class Made(TorchDispatchMode):
    """Keeps every tensor that is made inside."""

    def __init__(self):
        super().__init__()
        self.tensors: list[torch.Tensor] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.tensors.append(func(*args, **(kwargs or {})))
        return self.tensors[-1]


def test_the_mask_of_a_padded_batch_is_the_only_tensor_of_its_size():
    valid = torch.ones(3, 50, dtype=torch.bool)
    valid[0, :20] = valid[1, :7] = False
    with Made() as made:
        mask = causal_mask(valid, torch.bfloat16)
    earlier, same = torch.ones(50, 50).tril().bool(), torch.eye(50).bool()
    sees = valid[:, None, None] & earlier | same
    assert torch.equal(mask == 0, sees)
    assert torch.equal(mask.isneginf(), ~sees)
    large = {t.untyped_storage().data_ptr() for t in made.tensors if t.numel() >= 50 * 50}
    assert large == {mask.untyped_storage().data_ptr()}


def test_the_lm_head_sees_only_answer_positions(student: Student, examples: list[Example]):
    seen: list[int] = []
    hook = student.model.lm_head.register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[:-1].numel())
    )
    batch = student.collate(examples)
    for feeding in ("teacher", "rollout", Jacobi(2)):
        student(batch, feeding=feeding)
    hook.remove()
    tokens = sum(len(student.prompts.answer_ids(e.answer or "")) for e in examples)
    assert seen == [tokens] * 3


def test_one_token_a_step(student: Student, examples: list[Example]):
    """The prompt once, K - 1 single tokens, then the last latent with the answer."""
    lengths: list[int] = []
    hook = student.layers[0].register_forward_hook(
        lambda module, inputs, output: lengths.append(inputs[0].shape[1])
    )
    batch = student.collate(examples)
    student(batch, feeding="rollout")
    hook.remove()
    answer = batch.ids.shape[1] - batch.prompt_width - 1 - student.k
    assert lengths == [batch.prompt_width + 1, *[1] * (student.k - 1), 1 + answer]


def test_checkpointing_recomputes_only_the_prompt(student: Student, examples: list[Example]):
    student.train()
    student.gradient_checkpointing(True)
    lengths: list[int] = []
    hook = student.layers[0].input_layernorm.register_forward_hook(
        lambda module, inputs, output: lengths.append(inputs[0].shape[1])
    )
    batch = student.collate(examples)
    student(batch, feeding="rollout").answer_loss.backward()
    hook.remove()
    assert len(lengths) == 1 + student.k + 1
    assert lengths[-1] == lengths[0] == batch.prompt_width + 1


def test_bf16_is_near_fp32(folder: Path, student: Student, examples: list[Example]):
    low = Student.from_pretrained(folder, dtype="bfloat16")
    assert low.dtype == torch.bfloat16
    for feeding in ("teacher", "rollout"):
        found = low(low.collate(examples), feeding=feeding)
        expected = student(student.collate(examples), feeding=feeding)
        assert found.answer_loss_per_row.dtype == torch.float32
        gap = (found.answer_loss_per_row - expected.answer_loss_per_row).abs().max()
        assert float(gap.detach()) < tolerance(student).bf16_loss
    assert TEXT.hidden == low.hidden_size
