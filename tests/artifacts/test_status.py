"""Every state of an artifact, and its reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from toy_stages import Clips, Vectors

from storm.artifacts.make import execute, purge
from storm.artifacts.plan import plan
from storm.artifacts.status import status
from storm.artifacts.store import Store
from storm.runtime import Runtime

pytestmark = pytest.mark.integration  # real children

IDS = ("a", "b", "c")


def contents(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*") if p.is_file()
    }


def test_missing_partial_complete(store: Store) -> None:
    clips = Clips(ids=IDS)
    assert status(clips, store).state == "missing"
    plan(clips, store)
    assert status(clips, store).state == "partial"
    execute(clips, store, Runtime())
    assert status(clips, store).state == "complete"
    assert status(clips, store).complete


def test_damage_is_named_and_nothing_on_disk_changes(store: Store) -> None:
    clips = Clips(ids=IDS)
    vectors = Vectors(clips=clips)
    execute(vectors, store, Runtime())
    shard = next(clips.artifact(store).path.glob("shard-*.arrow"))
    os.truncate(shard, shard.stat().st_size - 1)
    before = contents(store.root)
    damaged = status(clips, store)
    assert (damaged.state, shard.name in damaged.why) == ("damaged", True)
    assert status(vectors, store).state == "stale"
    assert contents(store.root) == before

    (clips.artifact(store).path / "manifest.json").write_text("{")
    assert status(clips, store).state == "damaged"
    assert "manifest.json" in status(clips, store).why


def test_a_missing_input_leaves_what_was_made_from_it(store: Store) -> None:
    clips = Clips(ids=IDS)
    vectors = Vectors(clips=clips)
    execute(vectors, store, Runtime())
    purge(clips, store)
    assert status(clips, store).state == "missing"
    assert status(vectors, store).state == "complete"
    plan(clips, store)
    assert status(vectors, store).why == "toy_clips is partial"


def test_states_are_computed_once_for_a_graph(store: Store) -> None:
    clips = Clips(ids=IDS)
    vectors = Vectors(clips=clips)
    execute(vectors, store, Runtime())
    known = {}
    status(vectors, store, known)
    assert set(known) == {id(clips), id(vectors)}
    purge(clips, store)
    assert status(clips, store, known).state == "complete", "as it was found"
