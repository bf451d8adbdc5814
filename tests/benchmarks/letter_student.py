"""A tiny random student that answers with letters, which depend on what it is shown and asked."""

from __future__ import annotations

from pathlib import Path

import torch

from storm.student import LatentConfig, Student, TinyConfig
from storm.student.tiny.tiny import TextShape, VisionShape
from storm.videos.decoding.sampling import FrameSampling

SAMPLING = FrameSampling(frames=4, size_px=32)


def build(folder: Path, seed: int = 1) -> Path:
    """Write the checkpoint and return its folder."""
    TinyConfig(
        text=TextShape(layers=2, hidden=32, heads=4, key_heads=2, ffn=48, initializer_range=0.1),
        vision=VisionShape(layers=1, hidden=32, heads=2, ffn=48, patch_px=8),
        latent=LatentConfig(k=2),
        corpus=("A B C D",),
        vocabulary=300,
        seed=seed,
    ).build(folder)
    student = Student.from_pretrained(folder)
    student.sampling = SAMPLING
    letters = student.tokenizer.convert_tokens_to_ids(list("ABCD"))
    with torch.no_grad():
        student.model.get_input_embeddings().weight[letters] *= 30
    student.save_pretrained(folder)
    return folder
