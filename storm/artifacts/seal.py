"""Sealing: journals become Arrow shards, and the manifest is written last."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from storm.artifacts.artifact import FORMAT, Artifact, write_shard
from storm.artifacts.fs import remove, sha256_file, sync_folder, write_json
from storm.artifacts.journal import Place, read, scan
from storm.artifacts.plan import plan, refuse_too_many
from storm.artifacts.reuse import blob_files
from storm.artifacts.shard import content_of, rows_of, shard_name
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.errors import StageFailed


@dataclass(frozen=True)
class _Rows:
    """The rows at some places of a journal; read anew each time they are gone through."""

    path: Path
    row_type: type
    places: Sequence[Place]

    def __iter__(self) -> Iterator[Any]:
        return (entry.outcome for entry in read(self.path, self.row_type, self.places))


def seal(stage: Stage[Any], store: Store) -> None:
    """Compact the journals into shards, a few rows in memory at a time; write the manifest."""
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    with artifact.lock("seal", wait=True):
        if artifact.sealed:
            return
        paths: list[Path] = []
        shards: list[dict[str, Any]] = []
        refused = list(stage.rejected())
        quarantined = list(refused)
        for number in range(planned.shards):
            journal = artifact.path / f"{shard_name(number)}.journal"
            path, mine = journal.with_suffix(".arrow"), planned.shard(number)
            places = scan(journal)
            missing = [item.id for item in mine if item.id not in places]
            if missing:
                raise StageFailed(f"{stage.title}: {len(missing)} items are pending: {missing[:3]}")
            bad = [places[item.id] for item in mine if places[item.id].rejected]
            quarantined += _Rows(journal, stage.row, bad)
            done = [places[item.id] for item in mine if not places[item.id].rejected]
            if done:
                write_shard(path, _Rows(journal, stage.row, done), [place.key for place in done])
                shards.append({"name": path.name, "rows": len(done)})
                paths.append(path)
            else:
                path.unlink(missing_ok=True)  # of an earlier plan
        refuse_too_many(stage, quarantined, len(planned.items) + len(refused))
        if not shards:
            raise StageFailed(
                f"{stage.title}: nothing was made of {len(planned.items)} items; quarantined: "
                f"{[f'{q.id}: {q.reason}' for q in quarantined[:5]]}"
            )
        for leftover in list(artifact.path.rglob("*.tmp-*")):
            remove(leftover)
        write_json(artifact.path / "files.json", _file_table(stage, artifact, paths))
        inputs = {k: [s.name, s.fingerprint] for k, s in stage.inputs.items()}
        manifest = {
            "format": FORMAT,
            "stage": stage.name,
            "label": stage.label,
            "version": stage.version,
            "recipe": stage.recipe,
            "fingerprint": stage.fingerprint,
            "configuration": stage.configuration,
            "inputs": {k: [*v, planned.inputs[k]] for k, v in inputs.items()},
            "outside": stage.outside(),
            "shards": shards,
            "rows": sum(s["rows"] for s in shards),
            "content": content_of(paths),
            "quarantined": [asdict(q) for q in quarantined],
            "facts": stage.facts(store),
            "storm": version("storm-video"),
            "python": platform.python_version(),
            "sealed_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        write_json(artifact.path / "manifest.json", manifest)
        sweep(artifact)


def leftovers(artifact: Artifact) -> list[Path]:
    """What a sealed artifact no longer needs."""
    return [*artifact.path.glob("*.journal"), *artifact.path.glob("*.tmp-*")]


def sweep(artifact: Artifact) -> None:
    for leftover in leftovers(artifact):
        leftover.unlink(missing_ok=True)
    sync_folder(artifact.path)


def _file_table(
    stage: Stage[Any], artifact: Artifact, shards: Sequence[Path]
) -> dict[str, dict[str, Any]]:
    """Size, time and sha256 of the shards and of every file that their rows refer to."""
    paths = dict.fromkeys(shards)
    for shard in shards:
        for row in rows_of(shard, stage.row):
            blob = stage.blob_of(row)
            if blob is None:  # then no row of this stage has one
                break
            paths.update(dict.fromkeys(blob_files(artifact.path / blob[0])))
    table = {}
    for path in paths:
        stat = path.stat()
        table[path.relative_to(artifact.path).as_posix()] = {
            "bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": sha256_file(path),
        }
    return table
