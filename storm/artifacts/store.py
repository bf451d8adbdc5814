"""Where artifacts lie, and when they are done.

    <root>/<stage>/<fingerprint>/
        plan.json         recipe, item keys, shards: frozen when the stage is planned
        *.journal         finished items of a shard that is still being made
        shard-*.arrow     the sealed rows (Arrow IPC stream), in plan order
        blobs/            files that rows refer to
        files.json        size, time and sha256 of every shard and blob
        manifest.json     written last: its presence is the only meaning of done

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
        """Raises StoreError for an address such as `s3://bucket`."""
        if "://" in str(root):
            raise StoreError(f"expected a folder as artifact root, found {root}; mount it first")
        self.root = Path(root).absolute()

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def response_cache(self) -> Path:
        """What models behind servers have said, by request; it outlives the artifacts."""
        return self.root / "response_cache"

    def artifact(self, stage: str, fingerprint: str) -> Artifact:
        return Artifact(self.root / stage / fingerprint[:16], stage, fingerprint)

    def sealed_once(self, stage: str = "*") -> list[Artifact]:
        """Artifacts with a manifest, of one stage or of all, damaged since or not."""
        found = sorted(self.root.glob(f"{stage}/*/manifest.json"))
        return [Artifact(p.parent, p.parents[1].name, p.parent.name) for p in found]

    def planned(self) -> list[Artifact]:
        """Every artifact, sealed or only begun, whole or damaged."""
        books = [*self.root.glob("*/*/plan.json"), *self.root.glob("*/*/manifest.json")]
        return [Artifact(p, p.parent.name, p.name) for p in sorted({b.parent for b in books})]

    def of_recipe(self, stage: str, recipe: str) -> list[Artifact]:
        """Artifacts of this stage that were planned with `recipe`, sealed or not."""
        plans = sorted((self.root / stage).glob("*/plan.json"))
        found = [p.parent for p in plans if read_metadata(p).get("recipe") == recipe]
        return [Artifact(folder, stage, folder.name) for folder in found]


def upstream(artifact: Artifact, stage: str) -> Artifact:
    """The nearest artifact of `stage` that `artifact` was made from, by the manifests.

    Raises StoreError if there is none, NotSealed where the way to it is gone.
    """
    store, ring, seen = Store(artifact.path.parent.parent), [artifact], set[str]()
    while ring:
        needed = [entry for a in ring for entry in a.manifest().get("inputs", {}).values()]
        ring = [store.artifact(*entry[:2]) for entry in needed if entry[1] not in seen]
        seen.update(a.fingerprint for a in ring)
        for found in ring:
            if found.stage == stage:
                return found
    raise StoreError(f"expected {stage} among the inputs of {artifact.stage}, found none")
