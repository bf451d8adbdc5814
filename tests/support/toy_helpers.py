"""What the tests of toy stages share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storm.artifacts.artifact import Artifact
from storm.artifacts.make import make_shard
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.process.children import Children
from storm.runtime import Runtime

RUNTIME = Runtime(batch=4)
IDS = tuple(f"{n:02d}" for n in range(12))


def worked_on(diary: Path) -> list[str]:
    """Ids in the order of work since the last call."""
    ids = [line.split()[1] for line in diary.read_text().splitlines()]
    diary.write_text("")
    return ids


def data_of(store: Store, stage: Stage[Any]) -> dict[str, bytes]:
    """Every data file of a sealed stage."""
    artifact = stage.artifact(store)
    return {name: (artifact.path / name).read_bytes() for name in artifact.files()}


def assert_sound(store: Store, stage: Stage[Any], ids: set[str]) -> Artifact:
    """Invariants 1, 2 and 5 of a finished stage."""
    artifact = stage.artifact(store)
    assert artifact.is_sealed()
    assert artifact.damaged(thorough=True) == []
    quarantined = [q["id"] for q in artifact.manifest()["quarantined"]]
    done = [row.id for row in stage.rows(store)]
    assert sorted(done + quarantined) == sorted(ids)
    assert not [*store.root.rglob("*.tmp-*"), *store.root.rglob("*.journal")]
    return artifact


def make_without_sealing(stage: Stage[Any], store: Store) -> None:
    with Children() as children:
        for number in range(stage.shards):
            make_shard(stage, store, RUNTIME, number, children)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
