"""Tiny random students of each family, built offline, and how results are compared.

A further family: an adapter in `storm.student.adapters`, its tiny model in `storm.student.tiny`,
a line in FAMILIES and its tolerances below. Every test that takes `student` or `loaded` then runs
for it too; test_rollout_properties.py is what it must equal, test_adapters.py what it must
show as transformers does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DS_ACCELERATOR", "cpu")

import torch

from storm.student import (
    Answer,
    AnswerConfig,
    Example,
    Intervention,
    LatentConfig,
    Question,
    Reply,
    Student,
    TinyConfig,
    VideoTokens,
)
from storm.student import prompt_of as prompt_of
from storm.student.tiny.tiny import TextShape, VisionShape
from storm.videos.frames import VideoFrames

torch.set_num_threads(1)
K = 4
# wide weights, so that attention is sharp and a wrong position or mask is seen
TEXT = TextShape(layers=3, hidden=32, heads=4, key_heads=2, ffn=48, initializer_range=0.1)
VISION = VisionShape(layers=3, hidden=32, heads=2, ffn=48, patch_px=8)
QUESTIONS = (
    ("Which cup hides the ball?", ("cup 1", "cup 2", "cup 3")),
    ("Where?", ("left", "right")),
    ("What is drawn on the table in the middle of the room?", ()),
)


def tiny(family: str, deepstack: tuple[int, ...] = (), **latent: object) -> TinyConfig:
    return TinyConfig(
        family=family,  # pyright: ignore[reportArgumentType]
        text=TEXT,
        vision=VISION.model_copy(update={"deepstack_layers": deepstack}),
        latent=LatentConfig(k=K, **latent),  # pyright: ignore[reportArgumentType]
        corpus=tuple(prompt_of(*q) for q in QUESTIONS),
        vocabulary=400,
        seed=1,
    )


FAMILIES = {
    "qwen3_vl": tiny("qwen3_vl"),
    "qwen3_vl_deepstack": tiny("qwen3_vl", (0, 1)),
    "qwen2_5_vl": tiny("qwen2_5_vl"),
    "qwen3_5": tiny("qwen3_5"),
}


@dataclass(frozen=True)
class Tolerance:
    """How far two ways to the same result may lie apart."""

    values: float = 5e-6  # losses and latents
    gradients: float = 1e-5  # as `gradient_gap` takes them
    bf16_values: float = 0.03  # both in bf16, each rounded in its own order
    bf16_gradients: float = 0.2
    bf16_loss: float = 0.1  # bf16 against fp32: the weights are rounded too


# The gradients of a delta rule's decays cancel: float64 in place of transformers' own casts to
# float32 shrinks their differences a thousandfold. Most seen: 1.8e-4, of values 1.2e-5.
TOLERANCES = {"qwen3_5": Tolerance(3e-5, 5e-4, 0.03, 0.4, 0.3)}


def tolerance(student: Student) -> Tolerance:
    return TOLERANCES.get(student.adapter.family, Tolerance())


@dataclass
class Clip:
    frames: np.ndarray
    pts_seconds: tuple[float, ...]


def clip(seed: int, frames: int = 4, height: int = 32, width: int = 32) -> Clip:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    return Clip(pixels, tuple(0.1 + 0.3 * i for i in range(frames)))


def shown(student: Student, seed: int, **shape: int) -> VideoTokens:
    made = clip(seed, **shape)
    return student.encode_video(made.frames, made.pts_seconds)


def fresh(student: Student) -> Student:
    """In eval mode, all parameters learning, no gradients yet."""
    student.gradient_checkpointing(False)
    student.eval().requires_grad_(True)
    student.zero_grad(set_to_none=True)
    return student


def gradients(student: Student) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}


def learn(student: Student, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """The gradients of `loss`."""
    student.zero_grad(set_to_none=True)
    loss.backward()
    return gradients(student)


def stage_one(
    student: Student, examples: Sequence[Example], **how: object
) -> tuple[Any, dict[str, torch.Tensor]]:
    """What the student makes of a batch (a StudentOutput), and the gradients of Stage I's loss."""
    batch = student.collate(examples)
    output = student(batch, **how)
    loss = output.answer_loss
    if student.k:
        loss = loss + (output.latents - batch.targets).square().mean()
    return output, learn(student, loss)


def gradient_gap(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest difference of a parameter's gradient, relative to the expected one's norm.

    A norm counts as at least a hundredth of the whole gradient's: what is much smaller is a
    difference of large sums, and its last digits are rounding.
    """
    assert found.keys() == expected.keys()
    assert found
    least = 0.01 * torch.nn.utils.get_total_norm(list(expected.values()))
    return max(
        float((found[n] - expected[n]).norm() / expected[n].norm().clamp(min=least))
        for n in expected
    )


def gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).detach().abs().max()) if found.numel() else 0.0


def generated(
    student: Student, examples: list[Example], intervention: Intervention | None = None
) -> list[Answer]:
    return student.generate(student.collate(examples), intervention=intervention, max_new_tokens=6)


def latents_of(answers: Sequence[Answer]) -> torch.Tensor:
    return torch.stack([a.latents for a in answers])


def answer_logits(student: Student, examples: list[Example], feeding: str) -> torch.Tensor:
    return student(student.collate(examples), feeding=feeding).answer_logits


def confidences(answers: Sequence[Answer]) -> torch.Tensor:
    return torch.tensor([a.confidence for a in answers])


def questions(student: Student) -> list[Question]:
    """Lengths that batches of two have to sort, with none, one and two videos."""
    one = shown(student, 1)
    return [
        Question("What is drawn on the table in the middle of the room?", (one, one)),
        Question("Where?", (), ("left", "right")),
        Question("Where is the ball? Where?", (VideoFrames(clip(2).frames, clip(2).pts_seconds),)),
        Question("Which cup hides the ball?", (one,), ("cup 1", "cup 2", "cup 3")),
        Question("Where?"),
    ]


def replies_to(
    student: Student, questions: Sequence[Question], config: dict | None = None, **options: Any
) -> list[Reply]:
    """The replies of a predictor whose answers have at most 6 tokens."""
    predictor = AnswerConfig(max_new_tokens=6, **(config or {})).build(student)
    return list(predictor.stream(questions, **options))
