"""Store: content-addressed artifacts below one root folder.

    <root>/<stage>/<fingerprint>/
        plan.json         recipe, item keys, shards: frozen when the stage is planned
        *.journal         finished items of a shard that is still being made
        shard-*.arrow     the sealed rows (Arrow IPC stream), in plan order
        blobs/            files that rows refer to
        files.json        size, time and sha256 of every shard and blob
        manifest.json     written last: complete means that it is there

A file is written under a temporary name, synced and renamed. Each journal record carries a
checksum, so a torn tail is dropped and its item made again.
"""

from __future__ import annotations

from pathlib import Path

from storm.artifacts.artifact import Artifact, read_metadata
from storm.errors import StoreError


class Store:
    """All artifacts below one root folder."""

    def __init__(self, root: Path | str):
        """Open a store; raise StoreError for an address such as `s3://bucket`."""
        if "://" in str(root):
            raise StoreError(f"expected a folder as artifact root, found {root}; mount it first")
        self.root = Path(root).absolute()

    @property
    def logs(self) -> Path:
        """The folder of the children's logs."""
        return self.root / "logs"

    @property
    def response_cache(self) -> Path:
        """The folder of cached responses of model servers; it outlives the artifacts."""
        return self.root / "response_cache"

    def artifact(self, stage: str, fingerprint: str) -> Artifact:
        """Return the artifact of a stage's name and fingerprint, there or not."""
        return Artifact(self.root / stage / fingerprint[:16], stage, fingerprint)

    def with_manifest(self, stage: str = "*") -> list[Artifact]:
        """Return artifacts that were sealed, of one stage or of all, damaged since or not."""
        manifests = sorted(self.root.glob(f"{stage}/*/manifest.json"))
        return [Artifact(p.parent, p.parents[1].name, p.parent.name) for p in manifests]

    def all(self) -> list[Artifact]:
        """Return every artifact: begun or sealed, whole or damaged."""
        metadata = [*self.root.glob("*/*/plan.json"), *self.root.glob("*/*/manifest.json")]
        folders = sorted({path.parent for path in metadata})
        return [Artifact(folder, folder.parent.name, folder.name) for folder in folders]

    def of_recipe(self, stage: str, recipe: str) -> list[Artifact]:
        """Return a stage's artifacts that were planned with `recipe`, sealed or not."""
        plans = sorted((self.root / stage).glob("*/plan.json"))
        folders = [p.parent for p in plans if read_metadata(p).get("recipe") == recipe]
        return [Artifact(folder, stage, folder.name) for folder in folders]


def upstream(artifact: Artifact, stage: str) -> Artifact:
    """Return the nearest artifact of `stage` that `artifact` was made from, by the manifests.

    Raises:
        StoreError: If there is none.
        NotSealed: If an artifact on the way is gone.
    """
    store, ring, visited = Store(artifact.path.parent.parent), [artifact], set[str]()
    while ring:
        needed = [entry for a in ring for entry in a.manifest().get("inputs", {}).values()]
        ring = [store.artifact(*entry[:2]) for entry in needed if entry[1] not in visited]
        visited.update(a.fingerprint for a in ring)
        for candidate in ring:
            if candidate.stage == stage:
                return candidate
    raise StoreError(f"expected {stage} among the inputs of {artifact.stage}, found none")
