"""Making a stage: plan, shards, seal.

    plan(stage, store)            item ids, keys and shards, frozen in plan.json
    make_shard(stage, ..., n)     children make what is missing; the journal keeps it
    seal(stage, store)            journals become Arrow shards; the manifest is written last
    execute(stage, ...)           all of it, in this process and its children

The flows call the same three as tasks.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from storm import records
from storm.errors import ChildFailed, StageFailed
from storm.journal import Entry, Journal, forget_rejected, replay
from storm.records import Rejected
from storm.runtime import Event, Runtime, run_child
from storm.stage import Context, OnEvent, Stage
from storm.store import (
    FORMAT,
    Artifact,
    Plan,
    PlannedItem,
    Store,
    digest,
    open_shard,
    sha256_file,
    sha256_tree,
    sync_folder,
    write_json,
    write_shard,
)


def plan(stage: Stage[Any], store: Store) -> Plan:
    """The stage's frozen plan, made at the first call."""
    artifact = stage.artifact(store)
    if (artifact.path / "plan.json").exists():
        return artifact.plan()
    with artifact.lock("plan", wait=True):
        if (artifact.path / "plan.json").exists():
            return artifact.plan()
        items = []
        for item_id, upstream in stage.items(store):
            key = digest([stage.recipe, item_id, list(upstream)])
            items.append(PlannedItem(item_id, key, int(digest(item_id)[:8], 16) % stage.shards))
        made = Plan(stage.recipe, stage.shards, tuple(items))
        artifact.write_plan(made)
        return made


def _take_over(
    stage: Stage[Any], store: Store, artifact: Artifact, wanted: dict[str, PlannedItem]
) -> Iterator[Entry]:
    """Outcomes that other artifacts of the same recipe hold under the same keys."""
    for folder in store.of_recipe(stage.name, stage.recipe):
        if folder == artifact.path or not wanted:
            continue
        found: list[Entry] = []
        for path in folder.glob("*.journal"):
            found += [e for e in replay(path, stage.row, repair=False).values() if _is_wanted(e, wanted)]
        for path in folder.glob("shard-*.arrow"):
            table = open_shard(path)
            pairs = zip(table["id"].to_pylist(), table["_key"].to_pylist(), strict=True)
            at = [i for i, (id_, key) in enumerate(pairs) if id_ in wanted and wanted[id_].key == key]
            for row in records.from_table(table.take(at), stage.row) if at else ():
                found.append(Entry(row.id, wanted[row.id].key, row))
        for entry in found:
            if _adopt_blob(stage.blob_of(entry.outcome), folder, artifact.path):
                wanted.pop(entry.id, None)
                yield entry


def _is_wanted(entry: Entry, wanted: dict[str, PlannedItem]) -> bool:
    item = wanted.get(entry.id)
    return item is not None and item.key == entry.key and not isinstance(entry.outcome, Rejected)


def _adopt_blob(blob: tuple[str, str] | None, source: Path, target: Path) -> bool:
    """Hard-link a row's blob into the new artifact; False if it is damaged."""
    if blob is None:
        return True
    path, sha256 = blob
    if not (source / path).exists() or _blob_digest(source / path) != sha256:
        return False
    for path in _blob_files(source / path):
        link = target / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.hardlink_to(path)
    return True


def _blob_digest(path: Path) -> str:
    return sha256_tree(path) if path.is_dir() else sha256_file(path)


def _blob_files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def shard_work(
    stage: Stage[Any], root: str, runtime: Runtime, number: int, solo: bool, emit: OnEvent
) -> None:
    """Make what is still missing of one shard. Runs in a child process."""
    store = Store(root)
    artifact = stage.artifact(store)
    items = {item.id: item for item in artifact.plan().shard(number)}
    path = artifact.path / f"shard-{number:05d}.journal"
    for item_id in replay(path, stage.row):
        items.pop(item_id, None)
    with Journal(path) as journal:
        missing = dict(items)
        for entry in _take_over(stage, store, artifact, missing):
            journal.write(entry)
            emit({"end": entry.id, "taken_over": True})
        context = Context(
            store,
            artifact,
            runtime,
            emit,
            lambda ids: emit({"begin": list(ids)}),
            1 if solo else runtime.batch,
        )
        for outcome in stage.make(list(missing), context) if missing else ():
            journal.write(Entry(outcome.id, items[outcome.id].key, outcome))
            emit({"end": outcome.id, "rejected": isinstance(outcome, Rejected)})


def make_shard(
    stage: Stage[Any],
    store: Store,
    runtime: Runtime,
    number: int,
    on_event: OnEvent,
    *,
    wait: bool = False,
) -> None:
    """Finish one shard: children make it, a child's death costs what was in flight.

    An item that was in flight alone at two deaths is quarantined with the reason of the death.
    """
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    mine = planned.shard(number)
    path = artifact.path / f"shard-{number:05d}.journal"
    log = store.logs / f"{stage.title.replace('/', '-')}-{stage.fingerprint[:8]}-{number}.log"
    deaths: dict[str, int] = {}
    starts_lost = 0
    with artifact.lock(f"shard-{number:05d}", wait=wait) as fd:
        forget_rejected(path, stage.row)  # a new run is a new chance
        done = replay(path, stage.row)
        on_event({"resumed": len(done), "of": len(mine)})
        while any(item.id not in done for item in mine):
            flying: set[str] = set()

            def follow(event: Event, flying: set[str] = flying) -> None:
                if "begin" in event:
                    flying.clear()
                    flying.update(event["begin"])
                elif "end" in event:
                    flying.discard(event["end"])
                on_event(event)

            try:
                run_child(
                    shard_work,
                    (stage, str(store.root), runtime, number, bool(deaths)),
                    on_event=follow,
                    log=log,
                    threads=runtime.threads,
                    stall_seconds=runtime.stall_seconds,
                    keep_fds=(fd,),
                )
            except ChildFailed as e:
                if stage.indivisible:
                    raise
                starts_lost = 0 if flying else starts_lost + 1
                if starts_lost > 1:
                    raise StageFailed(f"{stage.title}: its child dies before any item: {e}") from e
                for item_id in flying:
                    deaths[item_id] = deaths.get(item_id, 0) + 1
                if len(flying) == 1 and deaths[next(iter(flying))] > 1:
                    bad = next(item for item in mine if item.id in flying)
                    with Journal(path) as journal:
                        entry = Rejected(id=bad.id, reason=e.reason, detail=str(e))
                        journal.write(Entry(bad.id, bad.key, entry))
                    on_event({"end": bad.id, "rejected": True})
            done = replay(path, stage.row)
            _refuse_too_many(stage, [e.outcome for e in done.values()], len(planned.items))


def _refuse_too_many(stage: Stage[Any], outcomes: Sequence[Any], total: int) -> None:
    """Fail the stage if more than its share is quarantined; one bad item of several may be."""
    bad = [o for o in outcomes if isinstance(o, Rejected)]
    if len(bad) <= stage.quarantine_share * total or (len(bad) <= 1 and total > 1):
        return
    reasons = ", ".join(sorted({b.reason for b in bad}))
    raise StageFailed(
        f"{stage.title}: {len(bad)} of {total} items were quarantined ({reasons}), more than the "
        f"allowed share {stage.quarantine_share:g}; first: {bad[0].id}: {bad[0].detail}"
    )


def seal(stage: Stage[Any], store: Store) -> None:
    """Compact the journals into shards and write the manifest."""
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    with artifact.lock("seal", wait=True):
        if artifact.sealed:
            return
        paths, shards, quarantined = [], [], [*stage.rejected()]
        for number in range(planned.shards):
            entries = replay(artifact.path / f"shard-{number:05d}.journal", stage.row)
            mine = planned.shard(number)
            missing = [item.id for item in mine if item.id not in entries]
            if missing:
                raise StageFailed(f"{stage.title}: {len(missing)} items are pending: {missing[:3]}")
            outcomes = [entries[item.id] for item in mine]
            quarantined += [e.outcome for e in outcomes if isinstance(e.outcome, Rejected)]
            done = [e for e in outcomes if not isinstance(e.outcome, Rejected)]
            if done:
                path = artifact.path / f"shard-{number:05d}.arrow"
                write_shard(path, [e.outcome for e in done], [e.key for e in done])
                shards.append({"name": path.name, "rows": len(done)})
                paths.append(path)
                paths += _files_of(stage, artifact, [e.outcome for e in done])
        _refuse_too_many(stage, quarantined, len(planned.items))
        if not shards:
            raise StageFailed(
                f"{stage.title}: nothing was made of {len(planned.items)} items; quarantined: "
                f"{[f'{q.id}: {q.reason}' for q in quarantined[:5]]}"
            )
        write_json(artifact.path / "files.json", _file_table(artifact, paths))
        manifest = {
            "format": FORMAT,
            "stage": stage.name,
            "label": stage.label,
            "version": stage.version,
            "recipe": stage.recipe,
            "fingerprint": stage.fingerprint,
            "configuration": stage.configuration,
            "inputs": {k: [s.name, s.fingerprint] for k, s in stage.inputs.items()},
            "outside": stage.outside(),
            "shards": shards,
            "rows": sum(s["rows"] for s in shards),
            "quarantined": [asdict(q) for q in quarantined],
            "storm": version("storm-video"),
            "python": platform.python_version(),
            "sealed_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        write_json(artifact.path / "manifest.json", manifest)
        for leftover in (*artifact.path.glob("*.journal"), *artifact.path.rglob("*.tmp-*")):
            leftover.unlink(missing_ok=True)
        sync_folder(artifact.path)


def _files_of(stage: Stage[Any], artifact: Artifact, rows: Sequence[Any]) -> list[Path]:
    blobs = [blob for row in rows if (blob := stage.blob_of(row))]
    return [path for blob, _ in blobs for path in _blob_files(artifact.path / blob)]


def _file_table(artifact: Artifact, paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    table = {}
    for path in dict.fromkeys(paths):
        stat = path.stat()
        table[path.relative_to(artifact.path).as_posix()] = {
            "bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": sha256_file(path),
        }
    return table


def execute(
    stage: Stage[Any],
    store: Store,
    runtime: Runtime,
    on_event: OnEvent = lambda event: None,
    *,
    wait: bool = False,
) -> Artifact:
    """Make a stage and whatever it needs, without Prefect. Sealed stages are left alone."""
    artifact = stage.artifact(store)
    if artifact.sealed:
        return artifact
    for needed in stage.inputs.values():
        execute(needed, store, runtime, on_event, wait=wait)
    prepare(stage, store)
    for number in range(plan(stage, store).shards):
        make_shard(stage, store, runtime, number, on_event, wait=wait)
    seal(stage, store)
    return artifact


def prepare(stage: Stage[Any], store: Store) -> None:
    """Clear what a damaged artifact left, so that it is made again."""
    artifact = stage.artifact(store)
    if (artifact.path / "manifest.json").exists() and not artifact.sealed:
        artifact.remove()
