"""The plan of a stage: its items, their keys and shards, and the rows its inputs held."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from storm.artifacts.artifact import Plan, PlannedItem
from storm.artifacts.fs import digest
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.errors import DataError, NotSealed, StageFailed
from storm.records import Rejected


def plan(stage: Stage[Any], store: Store) -> Plan:
    """Return the stage's plan; make it at the first call, and anew when an input has other rows.

    A new plan reopens a sealed artifact. Rows whose keys stay the same are reused.
    """
    artifact = stage.artifact(store)
    if artifact.has_plan() and not changed_inputs(stage, store):
        return artifact.plan()
    with artifact.lock("plan", wait=True):
        old = artifact.plan() if artifact.has_plan() else None
        if old is not None and not changed_inputs(stage, store):
            return old
        new = _new_plan(stage, store, old)
        if old is not None:
            artifact.reopen()
            if stage.single_item and new.items != old.items:
                artifact.clear()  # else a training would resume from the old folder
        artifact.write_plan(new)
        return new


def _new_plan(stage: Stage[Any], store: Store, old: Plan | None) -> Plan:
    """Plan all items; shards of an old plan stay as they are, since tasks may be making them."""
    shards = stage.shards if old is None else old.shards
    placed = {} if old is None else {item.id: item.shard for item in old.items}
    co_located = stage.colocate(store)
    items: dict[str, PlannedItem] = {}
    for item_id, upstream in stage.items(store):
        if item_id in items:
            raise DataError(f"{stage.title}: expected ids that differ, found {item_id!r} twice")
        key = digest([stage.recipe, item_id, list(upstream)])
        hashed = int(digest(co_located.get(item_id, item_id))[:8], 16) % shards
        items[item_id] = PlannedItem(item_id, key, placed.get(item_id, hashed))
    rejected = list(stage.rejected())
    check_quarantine_share(stage, rejected, len(items) + len(rejected))  # before any work
    return Plan(stage.recipe, shards, tuple(items.values()), _inputs_now(stage, store))


def check_quarantine_share(stage: Stage[Any], rejected: Sequence[Rejected], total: int) -> None:
    """Fail the stage if more than its share is quarantined; one item of several always may be.

    Raises:
        StageFailed: With the reasons and the first item.
    """
    count = len(rejected)
    if count <= stage.quarantine_share * total or (count <= 1 and total > 1):
        return
    reasons = ", ".join(sorted({item.reason for item in rejected}))
    raise StageFailed(
        f"{stage.title}: {count} of {total} items were quarantined ({reasons}), more than the "
        f"allowed share {stage.quarantine_share:g}; first: {rejected[0].id}: "
        f"{rejected[0].detail} (`storm quarantine` lists all)"
    )


def changed_inputs(stage: Stage[Any], store: Store) -> list[str]:
    """Return the inputs that now hold other rows than when the stage was planned.

    Nothing is known of an input that is not sealed; it counts as unchanged.
    """
    planned = stage.artifact(store).input_digests()
    now = _inputs_now(stage, store)
    return [name for name, rows in now.items() if planned.get(name) != rows]


def _inputs_now(stage: Stage[Any], store: Store) -> dict[str, str]:
    """Return the digest of each sealed input's rows."""
    digests: dict[str, str] = {}
    for name, needed in stage.inputs.items():
        with contextlib.suppress(NotSealed):
            digests[name] = needed.artifact(store).rows_digest()
    return digests
