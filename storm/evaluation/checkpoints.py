"""The checkpoint of an evaluation: a stage's output or any folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storm.artifacts.hash_cache import cached_sha256_tree
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Dtype, FrozenModel
from storm.features.encoder import load_folder
from storm.records import Checkpoint

if TYPE_CHECKING:
    from storm.student import Student


class CheckpointFolder(FrozenModel):
    """A checkpoint that no stage made; its content is the identity, not its place."""

    path: str

    def identity(self) -> dict[str, str]:
        """Return nothing: `external_digests` covers the content."""
        return {}


AnyCheckpoint = Stage[Checkpoint] | CheckpointFolder


def external_digests(checkpoint: AnyCheckpoint) -> dict[str, str]:
    """Return the digest of a checkpoint that no stage made."""
    if isinstance(checkpoint, CheckpointFolder):
        return {"checkpoint": cached_sha256_tree(Path(checkpoint.path))}
    return {}


def weight_digests(checkpoint: AnyCheckpoint, store: Store) -> tuple[str, ...]:
    """Return the digests of a checkpoint, as upstream of every answer."""
    if isinstance(checkpoint, CheckpointFolder):
        return tuple(external_digests(checkpoint).values())
    return tuple(checkpoint.artifact(store).index().values())


def checkpoint_path(checkpoint: AnyCheckpoint, store: Store) -> Path:
    """Return the folder of a checkpoint."""
    if isinstance(checkpoint, CheckpointFolder):
        return Path(checkpoint.path)
    (row,) = checkpoint.rows(store)
    return checkpoint.artifact(store).path / row.blob


@contextmanager
def loaded_student(
    checkpoint: AnyCheckpoint, dtype: Dtype, context: Context, ids: Sequence[str]
) -> Iterator[Student]:
    """Load a checkpoint without gradients; shards are spread over the machine's devices."""
    import torch

    device = context.runtime.device
    count = torch.get_device_module(device).device_count()
    if count > 1:
        shard = next(i.shard for i in context.artifact.plan().items if i.id == ids[0])
        device = f"{device}:{shard % count}"
    path = checkpoint_path(checkpoint, context.store)
    (sha256,) = weight_digests(checkpoint, context.store)
    student = load_folder(path, sha256, dtype, device)
    with torch.inference_mode():
        yield student
