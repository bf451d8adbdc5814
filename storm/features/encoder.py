"""The frozen student that feature stages encode with: its checkpoint and vision encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.records import Checkpoint

if TYPE_CHECKING:
    from storm.student import Student


def load_student(stage: Stage[Checkpoint], context: Context, dtype: Dtype) -> Student:
    """Return the student of a sealed training stage, in eval mode."""
    from storm.student import Student

    (checkpoint,) = stage.rows(context.store)
    path = stage.artifact(context.store).path / checkpoint.blob
    return Student.from_pretrained(path, dtype=dtype, device=context.runtime.device).eval()


def vision_encoder_of(stage: Stage[Checkpoint], store: Store) -> str:
    """Return the digest of a sealed training stage's vision encoder, which features depend on."""
    from storm.student.vision_encoder_digest import vision_encoder_digest

    (checkpoint,) = stage.rows(store)
    return vision_encoder_digest(stage.artifact(store).path / checkpoint.blob)
