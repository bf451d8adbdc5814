"""Making a stage: plan, shards, seal.

    plan(stage, store)            item ids, keys and shards, frozen in plan.json
    make_shard(stage, ..., n)     children make what is missing; the journal keeps it
    seal(stage, store)            journals become Arrow shards; the manifest is written last
    execute(stage, ...)           all of it, in this process and its children

The flows call the same three as tasks.
"""

from __future__ import annotations

from typing import Any

from storm.artifacts.artifact import Artifact
from storm.artifacts.journal import Entry, Journal, keep, read, scan
from storm.artifacts.plan import is_settled, plan, refuse_too_many
from storm.artifacts.reuse import counts, take_over
from storm.artifacts.seal import leftovers, seal, sweep
from storm.artifacts.shard import shard_name
from storm.artifacts.stage import Context, OnEvent, Stage
from storm.artifacts.store import Store
from storm.artifacts.verify import drop_damaged
from storm.errors import ChildFailed, StageFailed
from storm.process.run_child import Event, one_gpu, run_child
from storm.records import Rejected
from storm.runtime import Runtime


def shard_work(
    stage: Stage[Any], root: str, runtime: Runtime, number: int, solo: bool, emit: OnEvent
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
        for entry in take_over(stage, store, artifact, missing):
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
    slot: int = 0,
) -> None:
    """Finish one shard: children make it, a child's death costs what was in flight.

    An item in flight at two deaths, at the second one alone, is quarantined with its reason.
    `slot` tells which GPU is theirs; an indivisible stage has all.
    """
    artifact = stage.artifact(store)
    planned = plan(stage, store)
    mine = {item.id: item for item in planned.shard(number)}
    path = artifact.path / f"{shard_name(number)}.journal"
    log = store.logs / f"{stage.title.replace('/', '-')}-{stage.fingerprint[:8]}-{number}.log"
    deaths: dict[str, int] = {}
    starts_lost = 0
    with artifact.lock(shard_name(number), wait=wait) as fd:
        if artifact.sealed:  # all this time, or by another run since the caller looked
            return
        done = keep(path, stage.row, lambda entry: counts(stage, artifact, mine, entry))
        on_event({"resumed": len(done), "of": len(mine)})
        while len(done) < len(mine):
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
                    memory_gb=runtime.memory_gb,
                    keep_fds=(fd,),
                    environment={} if stage.indivisible else one_gpu(runtime.gpus, slot),
                )
            except ChildFailed as e:
                if stage.indivisible:
                    raise
                death = e
            done = scan(path)
            pending = [item_id for item_id in mine if item_id not in done]
            if death is not None:
                lost = [item_id for item_id in pending if item_id in flying]
                starts_lost = 0 if lost else starts_lost + 1
                if starts_lost > 1:
                    text = f"{stage.title}: its child dies before any item: {death.cause}"
                    raise StageFailed(text, death.log)
                for item_id in lost:
                    deaths[item_id] = deaths.get(item_id, 0) + 1
                if len(lost) == 1 and deaths[lost[0]] > 1:
                    (bad,) = lost
                    outcome = Rejected(id=bad, reason=death.reason, detail=str(death))
                    with Journal(path) as journal:
                        journal.write(Entry(bad, mine[bad].key, outcome))
                    done = scan(path)
                    on_event({"end": bad, "rejected": True})
            elif pending:
                raise StageFailed(
                    f"{stage.title}: expected an outcome for each item from {type(stage).__name__}"
                    f".make, found none for {len(pending)}, first {pending[0]!r}"
                )
            rejected = [place for place in done.values() if place.rejected]
            bad = [entry.outcome for entry in read(path, stage.row, rejected)]
            refuse_too_many(stage, bad, len(planned.items))


def pending(stage: Stage[Any], store: Store) -> int:
    """How many planned items have no outcome yet, in any shard."""
    artifact = stage.artifact(store)
    if artifact.sealed:
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
    """Make a stage and whatever it needs, without Prefect. Sealed stages are left alone."""
    artifact = stage.artifact(store)
    prepare(stage, store)
    if artifact.sealed and is_settled(stage, store):
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
    if not artifact.has_manifest or (artifact.sealed and not leftovers(artifact)):
        return
    with artifact.lock("seal", wait=True):
        if artifact.sealed:
            sweep(artifact)
        elif artifact.has_manifest and not stage.indivisible:
            drop_damaged(artifact)
            return
    if artifact.has_manifest and not artifact.sealed:
        artifact.remove()


def forget(stage: Stage[Any], store: Store) -> None:
    """Remove the stage's artifact and all of its recipe, so that no row is taken over."""
    stage.artifact(store).remove()
    for other in store.of_recipe(stage.name, stage.recipe):
        other.remove()
