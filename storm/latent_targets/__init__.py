"""Latent targets: made by the stage of this name, read again with `load`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storm.latent_targets.dataset import Targets


def load(folder: Path | str) -> Targets:
    """The targets of a sealed artifact, e.g. `artifacts/latent_targets/<fingerprint>`.

    Raises `NotSealed`, or `StoreError` if a shard is not as it was sealed: each is read once for
    that. `Targets(paths)` opens shards without a look at their contents.
    """
    from storm.artifacts.artifact import Artifact
    from storm.latent_targets.dataset import Targets

    folder = Path(folder)
    return Targets(Artifact(folder, folder.parent.name, folder.name).shard_paths())
