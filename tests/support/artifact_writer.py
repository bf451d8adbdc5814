"""Complete artifacts written directly, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storm.artifacts.artifact import FORMAT, Artifact, write_shard
from storm.artifacts.fs import digest, sha256_file, write_json
from storm.artifacts.store import Store


def write_artifact(
    store: Store,
    stage: str,
    rows: Sequence[Any] = (),
    *inputs: Artifact,
    configuration: dict[str, Any] | None = None,
) -> Artifact:
    """Write an artifact with one shard of `rows`, if any, made from `inputs`."""
    made = store.artifact(stage, digest([stage, *(i.fingerprint for i in inputs)]))
    made.path.mkdir(parents=True, exist_ok=True)
    files = {}
    if rows:
        path = made.path / "shard-00000.arrow"
        write_shard(path, rows, ["key"] * len(rows))
        stat = path.stat()
        facts = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256_file(path)}
        files[path.name] = facts
    write_json(made.path / "files.json", files)
    write_json(
        made.path / "manifest.json",
        {
            "format": FORMAT,
            "stage": stage,
            "fingerprint": made.fingerprint,
            "configuration": configuration or {},
            "inputs": {f"input_{i}": [a.stage, a.fingerprint] for i, a in enumerate(inputs)},
            "shards": [{"name": name, "rows": len(rows)} for name in files],
        },
    )
    return made
