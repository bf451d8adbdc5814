"""The plan of a stage: its items, their keys and shards, and what its inputs held at that time."""

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
    """The stage's plan: made at the first call, and anew once an input holds other rows.

    A plan made anew takes the seal back; rows whose keys stay are taken over.
    """
    artifact = stage.artifact(store)
    if artifact.has_plan and is_current(stage, store):
        return artifact.plan()
    with artifact.lock("plan", wait=True):
        old = artifact.plan() if artifact.has_plan else None
        if old is not None and is_current(stage, store):
            return old
        made = _made(stage, store, old)
        if old is not None:
            artifact.unseal()
            if stage.indivisible and made.items != old.items:
                artifact.clear()  # a training goes on from what lies in its folder
        artifact.write_plan(made)
        return made


def _made(stage: Stage[Any], store: Store, old: Plan | None) -> Plan:
    """As many shards as before, and each item where it was: their tasks may be under way."""
    shards = stage.shards if old is None else old.shards
    placed = {} if old is None else {item.id: item.shard for item in old.items}
    groups = stage.groups(store)
    items: dict[str, PlannedItem] = {}
    for item_id, upstream in stage.items(store):
        if item_id in items:
            raise DataError(f"{stage.title}: expected ids that differ, found {item_id!r} twice")
        key = digest([stage.recipe, item_id, list(upstream)])
        hashed = int(digest(groups.get(item_id, item_id))[:8], 16) % shards
        items[item_id] = PlannedItem(item_id, key, placed.get(item_id, hashed))
    refused = list(stage.rejected())
    refuse_too_many(stage, refused, len(items) + len(refused))  # before anything is made
    return Plan(stage.recipe, shards, tuple(items.values()), contents(stage, store))


def refuse_too_many(stage: Stage[Any], bad: Sequence[Rejected], total: int) -> None:
    """Fail the stage if more than its share is quarantined; one bad item of several may be."""
    if len(bad) <= stage.quarantine_share * total or (len(bad) <= 1 and total > 1):
        return
    reasons = ", ".join(sorted({b.reason for b in bad}))
    raise StageFailed(
        f"{stage.title}: {len(bad)} of {total} items were quarantined ({reasons}), more than the "
        f"allowed share {stage.quarantine_share:g}; first: {bad[0].id}: {bad[0].detail} "
        "(`storm quarantine` lists all)"
    )


def shards_of(stage: Stage[Any], store: Store) -> int:
    """How many shards to make: what was planned, once there is a plan."""
    artifact = stage.artifact(store)
    return artifact.plan().shards if artifact.has_plan else stage.shards


def contents(stage: Stage[Any], store: Store) -> dict[str, str]:
    """What each input holds now; of one that is not sealed nothing is known."""
    found: dict[str, str] = {}
    for name, needed in stage.inputs.items():
        with contextlib.suppress(NotSealed):
            found[name] = needed.artifact(store).content()
    return found


def is_current(stage: Stage[Any], store: Store) -> bool:
    """Whether the inputs hold what they held when the stage was planned."""
    planned_from = stage.artifact(store).planned_from()
    return all(planned_from.get(k) == v for k, v in contents(stage, store).items())


def is_settled(stage: Stage[Any], store: Store) -> bool:
    """Whether the stage and all before it are current, and none of them is being made.

    An artifact that is not there at all does not count: what was made from it stays.
    """
    artifact = stage.artifact(store)
    if not artifact.has_manifest:
        return not artifact.has_plan
    return is_current(stage, store) and all(is_settled(s, store) for s in stage.inputs.values())
