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
from storm.errors import ChildFailed, DataError, StageFailed
from storm.journal import Entry, Journal, keep, replay
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
    remove,
    sha256_file,
    sha256_tree,
    sync_folder,
    write_json,
    write_shard,
)


def plan(stage: Stage[Any], store: Store) -> Plan:
    """The stage's frozen plan, made at the first call."""
    artifact = stage.artifact(store)
    if artifact.has_plan:
        return artifact.plan()
    with artifact.lock("plan", wait=True):
        if artifact.has_plan:
            return artifact.plan()
        items = []
        for item_id, upstream in stage.items(store):
            key = digest([stage.recipe, item_id, list(upstream)])
            items.append(PlannedItem(item_id, key, int(digest(item_id)[:8], 16) % stage.shards))
        if len({item.id for item in items}) < len(items):
            twice = next(i.id for n, i in enumerate(items) if i.id in {o.id for o in items[:n]})
            raise DataError(f"{stage.title}: expected ids that differ, found {twice!r} twice")
        made = Plan(stage.recipe, stage.shards, tuple(items))
        artifact.write_plan(made)
        return made


def shards_of(stage: Stage[Any], store: Store) -> int:
    """How many shards to make: what was planned, once there is a plan."""
    artifact = stage.artifact(store)
    return artifact.plan().shards if artifact.has_plan else stage.shards


def _take_over(
    stage: Stage[Any], store: Store, artifact: Artifact, wanted: dict[str, PlannedItem]
) -> Iterator[Entry]:
    """Outcomes that other artifacts of the same recipe hold under the same keys."""
    for other in store.of_recipe(stage.name, stage.recipe):
        if not wanted:
            return
        found: list[Entry] = []
        for path in other.path.glob("*.journal") if other.path != artifact.path else ():
            found += replay(path, stage.row, repair=False).values()
        for path in other.whole_shards():  # its own too, if another one of them was damaged
            table = open_shard(path)
            keys = dict(zip(table["id"].to_pylist(), table["_key"].to_pylist(), strict=True))
            at = [n for n, (i, key) in enumerate(keys.items()) if _has_key(wanted.get(i), key)]
            for row in records.from_table(table.take(at), stage.row) if at else ():
                found.append(Entry(row.id, keys[row.id], row))
        for entry in found:
            usable = _has_key(wanted.get(entry.id), entry.key) and not entry.rejected
            if usable and _adopt_blob(stage.blob_of(entry.outcome), other.path, artifact.path):
                del wanted[entry.id]
                yield entry


def _has_key(item: PlannedItem | None, key: str) -> bool:
    return item is not None and item.key == key


def _adopt_blob(blob: tuple[str, str] | None, source: Path, target: Path) -> bool:
    """Hard-link a row's blob into the new artifact; False if it is damaged."""
    if not _is_whole(blob, source):
        return False
    if blob is not None and source != target:
        remove(target / blob[0])
        for path in _blob_files(source / blob[0]):
            link = target / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(path)
    return True


def _is_whole(blob: tuple[str, str] | None, folder: Path) -> bool:
    if blob is None:
        return True
    path = folder / blob[0]
    if not path.exists():
        return False
    return (sha256_tree(path) if path.is_dir() else sha256_file(path)) == blob[1]


def _counts(stage: Stage[Any], artifact: Artifact, entry: Entry) -> bool:
    """Whether a new run builds on an entry: rejected items are tried again, so are lost blobs."""
    if entry.rejected:
        return False
    blob = stage.blob_of(entry.outcome)
    if _is_whole(blob, artifact.path):
        return True
    if blob is not None:
        remove(artifact.path / blob[0])
    return False


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
            solo,
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

    An item in flight at two deaths, at the second one alone, is quarantined with its reason.
    """
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    mine = planned.shard(number)
    path = artifact.path / f"shard-{number:05d}.journal"
    log = store.logs / f"{stage.title.replace('/', '-')}-{stage.fingerprint[:8]}-{number}.log"
    deaths: dict[str, int] = {}
    starts_lost = 0
    with artifact.lock(f"shard-{number:05d}", wait=wait) as fd:
        done = replay(path, stage.row)
        if artifact.sealed:  # by another run since the caller looked; the journals are gone
            return
        done = keep(path, stage.row, lambda entry: _counts(stage, artifact, entry))
        on_event({"resumed": sum(item.id in done for item in mine), "of": len(mine)})
        while any(item.id not in done for item in mine):
            flying: set[str] = set()

            def follow(event: Event, flying: set[str] = flying) -> None:
                if "begin" in event:
                    flying.clear()
                    flying.update(event["begin"])
                elif "end" in event:
                    flying.discard(event["end"])
                on_event(event)

            death = None
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
                death = e
            done = replay(path, stage.row)
            pending = [item for item in mine if item.id not in done]
            if death is not None:
                lost = [item for item in pending if item.id in flying]
                starts_lost = 0 if lost else starts_lost + 1
                if starts_lost > 1:
                    raise StageFailed(f"{stage.title}: its child dies before any item: {death}")
                for item in lost:
                    deaths[item.id] = deaths.get(item.id, 0) + 1
                if len(lost) == 1 and deaths[lost[0].id] > 1:
                    (bad,) = lost
                    outcome = Rejected(id=bad.id, reason=death.reason, detail=str(death))
                    done[bad.id] = Entry(bad.id, bad.key, outcome)
                    with Journal(path) as journal:
                        journal.write(done[bad.id])
                    on_event({"end": bad.id, "rejected": True})
            elif pending:
                raise StageFailed(
                    f"{stage.title}: expected an outcome for each item from {type(stage).__name__}"
                    f".make, found none for {len(pending)}, first {pending[0].id!r}"
                )
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


def pending(stage: Stage[Any], store: Store) -> int:
    """How many planned items have no outcome yet, in any shard."""
    artifact = stage.artifact(store)
    if artifact.sealed:
        return 0
    planned, done = plan(stage, store), 0
    for number in range(planned.shards):
        path = artifact.path / f"shard-{number:05d}.journal"
        done += len(replay(path, stage.row, repair=False))
    return len(planned.items) - done


def seal(stage: Stage[Any], store: Store) -> None:
    """Compact the journals into shards and write the manifest."""
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    with artifact.lock("seal", wait=True):
        if artifact.sealed:
            return
        paths, shards = [], []
        refused = list(stage.rejected())
        quarantined = list(refused)
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
        _refuse_too_many(stage, quarantined, len(planned.items) + len(refused))
        if not shards:
            raise StageFailed(
                f"{stage.title}: nothing was made of {len(planned.items)} items; quarantined: "
                f"{[f'{q.id}: {q.reason}' for q in quarantined[:5]]}"
            )
        for leftover in list(artifact.path.rglob("*.tmp-*")):
            remove(leftover)
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
            "facts": stage.facts(store),
            "storm": version("storm-video"),
            "python": platform.python_version(),
            "sealed_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        write_json(artifact.path / "manifest.json", manifest)
        _sweep(artifact)


def _leftovers(artifact: Artifact) -> list[Path]:
    return [*artifact.path.glob("*.journal"), *artifact.path.glob("*.tmp-*")]


def _sweep(artifact: Artifact) -> None:
    """Remove what a sealed artifact no longer needs."""
    for leftover in _leftovers(artifact):
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
    prepare(stage, store)
    if artifact.sealed:
        return artifact
    for needed in stage.inputs.values():
        execute(needed, store, runtime, on_event, wait=wait)
    for number in range(plan(stage, store).shards):
        make_shard(stage, store, runtime, number, on_event, wait=wait)
    seal(stage, store)
    return artifact


def prepare(stage: Stage[Any], store: Store) -> None:
    """Clear what a killed run or damage left, so that the artifact is cached or made again."""
    artifact = stage.artifact(store)
    if not artifact.has_manifest or (artifact.sealed and not _leftovers(artifact)):
        return
    with artifact.lock("seal", wait=True):
        if artifact.sealed:
            _sweep(artifact)
        elif artifact.has_manifest and not stage.indivisible:
            artifact.drop_damaged()
            return
    if artifact.has_manifest and not artifact.sealed:
        artifact.remove()


def forget(stage: Stage[Any], store: Store) -> None:
    """Remove the stage's artifact and all of its recipe, so that no row is taken over."""
    stage.artifact(store).remove()
    for other in store.of_recipe(stage.name, stage.recipe):
        other.remove()


def plan_anew(stage: Stage[Any], store: Store) -> None:
    """Drop the plan and the seal; rows whose upstream rows came out the same are taken over."""
    artifact = stage.artifact(store)
    for name in ("manifest.json", "plan.json"):
        (artifact.path / name).unlink(missing_ok=True)
