"""Tiny random students of each family, built offline, and how results are compared."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DS_ACCELERATOR", "cpu")

import torch

from storm.student import LatentConfig, Student, TinyConfig, VideoTokens, prompt_of
from storm.student.tiny import TextShape, VisionShape

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


def gradients(student: Student) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}


def gradient_gap(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest difference of a gradient, relative to the norm of the expected one."""
    assert found.keys() == expected.keys()
    assert found
    return max(
        float((found[n] - expected[n]).norm() / expected[n].norm().clamp(min=1e-3))
        for n in expected
    )


def gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).detach().abs().max()) if found.numel() else 0.0
