"""`make(target, config)`: every stage of the graph becomes tasks over its shards.

Prefect shows; the store decides. A sealed stage is one task that ends as `Cached`; any other is
a task for each shard and one, named like the stage, that seals it. Nobody uses a task's return
value and nothing is cached by Prefect, so an empty Prefect database changes nothing.
"""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, State

from flows.console import Console
from flows.slots import Slots
from storm.artifacts.make import make_shard, prepare, seal
from storm.artifacts.plan import is_current, shards_of
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.pipeline.graph import Graph
from storm.runtime import Runtime


class Maker:
    """Submits the tasks of one flow run; at most `runtime.workers` children at a time."""

    def __init__(self, store: Store, runtime: Runtime, console: Console, *, wait: bool = False):
        self.store, self.runtime, self.console, self.wait = store, runtime, console, wait
        self.slots = Slots(runtime.workers)
        self.failed: set[str] = set()  # fingerprints of stages

    def make(self, graph: Graph) -> list[PrefectFuture[Any]]:
        """Submit every stage; the futures of all, to be waited for."""
        ends: dict[int, PrefectFuture[Any]] = {}
        futures: list[PrefectFuture[Any]] = []
        cached: set[int] = set()
        for rank, stage in enumerate(graph):
            upstream = [ends[id(needed)] for needed in stage.inputs.values()]
            settled = all(id(needed) in cached for needed in stage.inputs.values())
            if self._is_cached(stage) and settled:  # else the rows of an input may change
                cached.add(id(stage))
                shards = []
            else:
                shards = self._submit_shards(stage, rank, upstream)
            end = self._task(stage.title, self._finish).submit(stage, wait_for=shards or upstream)
            ends[id(stage)] = end
            futures += [*shards, end]
        return futures

    def _submit_shards(
        self, stage: Stage[Any], rank: int, upstream: list[PrefectFuture[Any]]
    ) -> list[PrefectFuture[Any]]:
        shards = shards_of(stage, self.store)
        return [
            self._task(f"{stage.title} {number + 1} of {shards}", self._shard).submit(
                stage, number, rank, wait_for=upstream
            )
            for number in range(shards)
        ]

    def _task(self, name: str, body: Any) -> Any:
        return task(
            body, name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False
        )

    def _is_cached(self, stage: Stage[Any]) -> bool:
        """Whether the stage is sealed, from what its inputs hold as far as they are."""
        prepare(stage, self.store)
        return stage.artifact(self.store).sealed and is_current(stage, self.store)

    def _shard(self, stage: Stage[Any], number: int, rank: int) -> State[None] | None:
        """Of a stage that has failed no other shard is started."""
        whole_node = stage.indivisible and self.runtime.gpus > 0  # training takes every GPU
        with self.slots.hold(rank, self.slots.count if whole_node else 1) as slot:
            if stage.fingerprint in self.failed:
                return Cancelled(name="NotStarted", message="another shard of the stage failed")
            follow = self.console.follow(stage, number)
            how = {"wait": self.wait, "slot": slot}
            try:
                make_shard(stage, self.store, self.runtime, number, follow, **how)
            except Exception:
                self.failed.add(stage.fingerprint)
                raise
            return None

    def _finish(self, stage: Stage[Any]) -> State[None] | None:
        artifact = stage.artifact(self.store)
        if artifact.sealed:
            self.console.cached(stage, artifact.manifest())
            return Completed(name="Cached", message=str(artifact.path))
        seal(stage, self.store)
        self.console.sealed(stage, artifact.manifest())
        return None
