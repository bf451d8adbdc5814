"""Make a stage: plan, shards, seal.

    plan(stage, store)            item ids, keys and shards, frozen in plan.json
    make_shard(stage, ..., n)     children make what is missing; the journal keeps it
    seal(stage, store)            journals become Arrow shards; the manifest is written last
    execute(stage, ...)           all of it, in this process and its children

The flows call the same three as tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from storm.artifacts.artifact import Artifact, PlannedItem
from storm.artifacts.crash_policy import CrashPolicy, Fail, Quarantine
from storm.artifacts.journal import Entry, Journal, Record, read_entries, rewrite, scan
from storm.artifacts.plan import check_quarantine_share, plan
from storm.artifacts.reuse import discard_blob, is_reusable, reuse_rows
from storm.artifacts.seal import leftovers, seal, sweep
from storm.artifacts.shard import shard_name
from storm.artifacts.stage import Context, OnEvent, Stage
from storm.artifacts.status import status
from storm.artifacts.store import Store
from storm.artifacts.verify import reopen_damaged
from storm.errors import ChildFailed, StageFailed
from storm.process.child import Call, Event
from storm.process.children import Children
from storm.process.environment import one_gpu
from storm.records import Rejected
from storm.runtime import Runtime


def shard_work(
    stage: Stage[Any], root: str, runtime: Runtime, number: int, one_at_a_time: bool, emit: OnEvent
) -> None:
    """Make what is still missing of one shard. Runs in a child process."""
    store = Store(root)
    artifact = stage.artifact(store)
    items = {item.id: item for item in artifact.plan().shard(number)}
    path = artifact.path / f"{shard_name(number)}.journal"
    for item_id in scan(path):
        items.pop(item_id, None)
    with Journal(path) as journal:
        missing = dict(items)
        for entry in reuse_rows(stage, store, artifact, missing):
            journal.write(entry)
            emit({"end": entry.id, "reused": True})
        context = Context(
            store=store,
            artifact=artifact,
            runtime=runtime,
            emit=emit,
            begin=lambda ids: emit({"begin": list(ids)}),
            batch=1 if one_at_a_time else runtime.batch,
            one_at_a_time=one_at_a_time,
        )
        for outcome in stage.make(list(missing), context) if missing else ():
            journal.write(Entry(outcome.id, items[outcome.id].key, outcome))
            emit({"end": outcome.id, "rejected": isinstance(outcome, Rejected)})


@dataclass(frozen=True)
class _Shard:
    """One shard of a stage, as the process sees it that starts its children."""

    stage: Stage[Any]
    store: Store
    number: int
    items: dict[str, PlannedItem]
    planned: int  # items of all shards

    @cached_property
    def artifact(self) -> Artifact:
        return self.stage.artifact(self.store)

    @property
    def journal(self) -> Path:
        return self.artifact.path / f"{shard_name(self.number)}.journal"

    @property
    def log(self) -> Path:
        name = self.stage.title.replace("/", "-")
        return self.store.logs / f"{name}-{self.artifact.fingerprint[:8]}-{self.number}.log"

    def resume(self) -> dict[str, Record]:
        """Return the outcomes of an earlier run that still hold; drop the others."""

        def keep(entry: Entry) -> bool:
            if is_reusable(self.stage, self.artifact, self.items, entry):
                return True
            discard_blob(self.stage, self.artifact, entry)
            return False

        return rewrite(self.journal, self.stage.row, keep)

    def quarantine(self, item_id: str, death: ChildFailed) -> None:
        """Record an item that can't be made."""
        outcome = Rejected(id=item_id, reason=death.reason, detail=str(death))
        with Journal(self.journal) as journal:
            journal.write(Entry(item_id, self.items[item_id].key, outcome))

    def check_share(self, done: dict[str, Record]) -> None:
        """Fail the stage if too many of its items are quarantined."""
        rejected = [record for record in done.values() if record.rejected]
        entries = read_entries(self.journal, self.stage.row, rejected)
        check_quarantine_share(self.stage, [entry.outcome for entry in entries], self.planned)


def make_shard(
    stage: Stage[Any],
    store: Store,
    runtime: Runtime,
    number: int,
    children: Children,
    on_event: OnEvent = lambda event: None,
    *,
    wait: bool = False,
    slot: int = 0,
) -> None:
    """Finish one shard in child processes; a child's death costs only what was in flight.

    Args:
        stage: The stage; its inputs are sealed.
        store: Where its artifact is.
        runtime: How the children run.
        number: Which shard, from 0.
        children: The child processes of the run.
        on_event: Receives the children's progress.
        wait: Wait for another process that makes the shard, instead of failing.
        slot: Which child to use, and which GPU it gets; a single-item stage sees all.

    Raises:
        StageFailed: If the stage can't be made.
        WorkspaceBusy: If another process makes the shard.
    """
    planned = plan(stage, store)
    items = {item.id: item for item in planned.shard(number)}
    shard = _Shard(stage, store, number, items, len(planned.items))
    with shard.artifact.lock(shard_name(number), wait=wait) as fd:
        if shard.artifact.is_sealed():  # by another run since the caller looked, or before
            return
        done = shard.resume()
        on_event({"resumed": len(done), "of": len(items)})
        policy = CrashPolicy()
        while len(done) < len(items):
            in_flight: set[str] = set()
            death = _run_child(shard, runtime, policy, in_flight, on_event, slot, fd, children)
            done = scan(shard.journal)
            pending = [item_id for item_id in items if item_id not in done]
            if death is not None:
                match policy.after([item_id for item_id in pending if item_id in in_flight]):
                    case Fail():
                        text = f"{stage.title}: its child dies before any item: {death.cause}"
                        raise StageFailed(text, death.log)
                    case Quarantine(item_id):
                        shard.quarantine(item_id, death)
                        done = scan(shard.journal)
                        on_event({"end": item_id, "rejected": True})
            elif pending:
                raise StageFailed(
                    f"{stage.title}: expected an outcome for each item from {type(stage).__name__}"
                    f".make, found none for {len(pending)}, first {pending[0]!r}"
                )
            shard.check_share(done)


def _run_child(
    shard: _Shard,
    runtime: Runtime,
    policy: CrashPolicy,
    in_flight: set[str],
    on_event: OnEvent,
    slot: int,
    lock_fd: int,
    children: Children,
) -> ChildFailed | None:
    """Run one child on what is missing; return its death, if it died.

    `in_flight` holds the items that it has begun and not ended.
    """

    def follow(event: Event) -> None:
        if "begin" in event:
            in_flight.clear()
            in_flight.update(event["begin"])
        elif "end" in event:
            in_flight.discard(event["end"])
        on_event(event)

    stage = shard.stage
    try:
        children.run(
            Call(
                function=shard_work,
                args=(stage, str(shard.store.root), runtime, shard.number, policy.one_at_a_time),
                on_event=follow,
                log=shard.log,
                stall_seconds=runtime.stall_seconds,
                memory_gb=runtime.memory_gb,
                keep_fds=(lock_fd,),
            ),
            slot=slot,
            environment={} if stage.single_item else one_gpu(runtime.gpus, slot),
        )
    except ChildFailed as death:
        if stage.single_item:
            raise
        return death
    return None


def count_pending(stage: Stage[Any], store: Store) -> int:
    """Return how many planned items have no outcome yet, in any shard."""
    artifact = stage.artifact(store)
    if artifact.is_sealed():
        return 0
    planned = plan(stage, store)
    journals = (artifact.path / f"{shard_name(n)}.journal" for n in range(planned.shards))
    return len(planned.items) - sum(len(scan(journal)) for journal in journals)


def execute(
    stage: Stage[Any],
    store: Store,
    runtime: Runtime,
    on_event: OnEvent = lambda event: None,
    *,
    wait: bool = False,
) -> Artifact:
    """Make a stage and whatever it needs, without Prefect. Complete stages are left alone."""
    with Children(runtime.threads) as children:
        _execute(stage, store, runtime, children, on_event, wait)
    return stage.artifact(store)


def _execute(
    stage: Stage[Any],
    store: Store,
    runtime: Runtime,
    children: Children,
    on_event: OnEvent,
    wait: bool,
) -> None:
    clean_up(stage, store)
    if status(stage, store).complete:
        return
    for needed in stage.inputs.values():
        _execute(needed, store, runtime, children, on_event, wait)
    for number in range(plan(stage, store).shards):
        make_shard(stage, store, runtime, number, children, on_event, wait=wait)
    seal(stage, store)


def clean_up(stage: Stage[Any], store: Store) -> None:
    """Delete what a killed run or damage left, so that the artifact is cached or made again."""
    artifact = stage.artifact(store)
    if not artifact.has_manifest() or (artifact.is_sealed() and not leftovers(artifact)):
        return
    with artifact.lock("seal", wait=True):
        if artifact.is_sealed():
            sweep(artifact)
        elif artifact.has_manifest() and not stage.single_item:
            reopen_damaged(artifact)
            return
    if artifact.has_manifest() and not artifact.is_sealed():
        artifact.remove()


def purge(stage: Stage[Any], store: Store) -> None:
    """Delete the stage's artifact and all of its recipe, so that no row is reused."""
    stage.artifact(store).remove()
    for other in store.of_recipe(stage.name, stage.recipe):
        other.remove()
