"""Which GPUs a child sees: one for an item's stage, all of them for training."""

from __future__ import annotations

import pytest
from journals import replay
from toy_gpus import Lookers, WholeLooker

from storm.artifacts.make import make_shard, plan
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.process.children import Children
from storm.runtime import Runtime


def seen(stage: Stage, store: Store, runtime: Runtime, slot: int) -> str:
    """What the child of a stage's only item finds in CUDA_VISIBLE_DEVICES."""
    plan(stage, store)
    with Children() as children:
        make_shard(stage, store, runtime, 0, children, slot=slot)
    journal = stage.artifact(store).path / "shard-00000.journal"
    (entry,) = replay(journal, stage.row).values()
    return entry.outcome.detail


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "gpus", "outer", "found"),
    [
        (Lookers, 0, None, "all"),
        (Lookers, 0, "4,5", "4,5"),
        (Lookers, 2, None, "1"),
        (Lookers, 2, "4,GPU-5a", "GPU-5a"),
        (WholeLooker, 2, None, "all"),
        (WholeLooker, 2, "4,5", "4,5"),
    ],
)
def test_a_child_sees_its_slots_gpu(kind, gpus, outer, found, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if outer is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", outer)
    stage = kind(ids=("a",), quarantine_share=1.0)
    assert seen(stage, Store(tmp_path), Runtime(gpus=gpus), slot=1) == found
