"""Students of sealed checkpoints, for stages that encode or answer with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.process.warm import load_warm
from storm.records import Checkpoint

if TYPE_CHECKING:
    from storm.student import Student


def load_student(stage: Stage[Checkpoint], context: Context, dtype: Dtype) -> Student:
    """Return the student of a sealed training stage, in eval mode."""
    (checkpoint,) = stage.rows(context.store)
    path = stage.artifact(context.store).path / checkpoint.blob
    return load_folder(path, checkpoint.sha256, dtype, context.runtime.device)


def load_folder(path: Path, sha256: str, dtype: Dtype, device: str) -> Student:
    """Return the student of a checkpoint folder, in eval mode; `sha256` is the folder's digest."""
    return load_warm(_load, path, sha256, dtype, device)


def _load(path: Path, sha256: str, dtype: Dtype, device: str) -> Student:
    from storm.student import Student

    return Student.from_pretrained(path, dtype=dtype, device=device).eval()


def vision_encoder_of(stage: Stage[Checkpoint], store: Store) -> str:
    """Return the digest of a sealed training stage's vision encoder, which features depend on."""
    from storm.student.vision_encoder_digest import vision_encoder_digest

    (checkpoint,) = stage.rows(store)
    return vision_encoder_digest(stage.artifact(store).path / checkpoint.blob)
