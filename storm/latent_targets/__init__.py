"""Latent targets: made by the stage `latent_targets`, read with `load`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storm.latent_targets.dataset import Targets


def load(folder: Path | str) -> Targets:
    """Return the targets of a sealed artifact, e.g. `artifacts/latent_targets/<fingerprint>`.

    Each shard is read once to verify it; `Targets(paths)` opens shards without that.

    Raises:
        NotSealed: If the artifact is not complete.
        StoreError: If a shard has changed since it was sealed.
    """
    from storm.artifacts.artifact import Artifact
    from storm.latent_targets.dataset import Targets

    folder = Path(folder)
    return Targets(Artifact(folder, folder.parent.name, folder.name).shard_paths())
