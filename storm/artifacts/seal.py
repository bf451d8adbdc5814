"""Seal an artifact: journals become Arrow shards, and the manifest is written last."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from storm.artifacts.artifact import FORMAT, Artifact, PlannedItem, write_shard
from storm.artifacts.fs import remove, sha256_file, sync_folder, write_json
from storm.artifacts.journal import Record, read_entries, scan
from storm.artifacts.plan import check_quarantine_share, plan
from storm.artifacts.reuse import blob_files
from storm.artifacts.shard import rows_digest_of, rows_of, shard_name
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.errors import StageFailed
from storm.records import Rejected


@dataclass(frozen=True)
class _Rows:
    """The rows of some records of a journal, read anew at each iteration."""

    path: Path
    row_type: type
    records: Sequence[Record]

    def __iter__(self) -> Iterator[Any]:
        return (entry.outcome for entry in read_entries(self.path, self.row_type, self.records))


def seal(stage: Stage[Any], store: Store) -> None:
    """Compact the journals into shards, a few rows in memory at a time; write the manifest.

    Raises:
        StageFailed: If items are pending, nothing was made or too many are quarantined.
    """
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    with artifact.lock("seal", wait=True):
        if artifact.is_sealed():
            return
        rejected = list(stage.rejected())
        quarantined = list(rejected)
        paths: list[Path] = []
        shards: list[dict[str, Any]] = []
        for number in range(planned.shards):
            path = artifact.path / f"{shard_name(number)}.arrow"
            rows = _seal_shard(stage, path, planned.shard(number), quarantined)
            if rows:
                shards.append({"name": path.name, "rows": rows})
                paths.append(path)
        check_quarantine_share(stage, quarantined, len(planned.items) + len(rejected))
        if not shards:
            raise StageFailed(
                f"{stage.title}: nothing was made of {len(planned.items)} items; quarantined: "
                f"{[f'{q.id}: {q.reason}' for q in quarantined[:5]]}"
            )
        for leftover in list(artifact.path.rglob("*.tmp-*")):
            remove(leftover)
        write_json(artifact.path / "files.json", _file_table(stage, artifact, paths))
        inputs = {k: [s.name, s.fingerprint()] for k, s in stage.inputs.items()}
        manifest = {
            "format": FORMAT,
            "stage": stage.name,
            "label": stage.label,
            "version": stage.version,
            "recipe": stage.recipe,
            "fingerprint": stage.fingerprint(),
            "configuration": stage.configuration,
            "inputs": {k: [*v, planned.inputs[k]] for k, v in inputs.items()},
            "external_inputs": stage.external_inputs(),
            "shards": shards,
            "rows": sum(s["rows"] for s in shards),
            "rows_digest": rows_digest_of(paths),
            "quarantined": [asdict(q) for q in quarantined],
            "extra": stage.extra_manifest(store),
            "storm": version("storm-video"),
            "python": platform.python_version(),
            "sealed_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        write_json(artifact.path / "manifest.json", manifest)
        sweep(artifact)


def _seal_shard(
    stage: Stage[Any], path: Path, items: Sequence[PlannedItem], quarantined: list[Rejected]
) -> int:
    """Write one shard in plan order; return its rows and add its rejected items."""
    journal = path.with_suffix(".journal")
    records = scan(journal)
    missing = [item.id for item in items if item.id not in records]
    if missing:
        raise StageFailed(f"{stage.title}: {len(missing)} items are pending: {missing[:3]}")
    in_order = [records[item.id] for item in items]
    quarantined += _Rows(journal, stage.row, [r for r in in_order if r.rejected])
    done = [r for r in in_order if not r.rejected]
    if done:
        write_shard(path, _Rows(journal, stage.row, done), [r.key for r in done])
    else:
        path.unlink(missing_ok=True)  # of an earlier plan
    return len(done)


def leftovers(artifact: Artifact) -> list[Path]:
    """Return the files that a sealed artifact no longer needs."""
    return [*artifact.path.glob("*.journal"), *artifact.path.glob("*.tmp-*")]


def sweep(artifact: Artifact) -> None:
    """Delete the files that a sealed artifact no longer needs."""
    for leftover in leftovers(artifact):
        leftover.unlink(missing_ok=True)
    sync_folder(artifact.path)


def _file_table(
    stage: Stage[Any], artifact: Artifact, shards: Sequence[Path]
) -> dict[str, dict[str, Any]]:
    """Return size, time and sha256 of the shards and of every file that their rows refer to."""
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
