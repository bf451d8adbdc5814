"""Turn the stages of a graph into Prefect tasks over their shards.

Prefect shows; the store decides. A sealed stage is one task that ends as `Cached`. Any other stage
is one task per shard, and one, named like the stage, that seals it. No task's return value is used
and Prefect caches nothing, so an empty Prefect database changes nothing.
"""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, State

from flows.console import Console
from flows.slots import Slots
from flows.targets import cached_stages
from storm.artifacts.make import clean_up, make_shard, seal
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.pipeline.graph import Graph
from storm.process.children import Children
from storm.runtime import Runtime


class Maker:
    """Submits the tasks of one flow run; at most `runtime.workers` children run at a time.

    Attributes:
        failed: Fingerprints of stages of which a shard has failed.
    """

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        children: Children,
        console: Console,
        *,
        wait: bool = False,
    ):
        self.store, self.runtime, self.children = store, runtime, children
        self.console, self.wait = console, wait
        self.slots = Slots(runtime.workers)
        self.failed: set[str] = set()

    def make(self, graph: Graph) -> list[PrefectFuture[Any]]:
        """Submit the tasks of every stage; return their futures for the caller to wait for."""
        futures: list[PrefectFuture[Any]] = []
        last_task: dict[int, PrefectFuture[Any]] = {}  # by id(stage)
        for stage in graph:
            clean_up(stage, self.store)
        cached = {id(stage) for stage in cached_stages(graph, self.store)}
        for rank, stage in enumerate(graph):
            upstream = [last_task[id(needed)] for needed in stage.inputs.values()]
            shards: list[PrefectFuture[Any]] = []
            if id(stage) not in cached:
                shards = self._submit_shards(stage, rank, upstream)
            finish = _task(stage.title, self._finish).submit(stage, wait_for=shards or upstream)
            last_task[id(stage)] = finish
            futures += [*shards, finish]
        return futures

    def _submit_shards(
        self, stage: Stage[Any], rank: int, upstream: list[PrefectFuture[Any]]
    ) -> list[PrefectFuture[Any]]:
        artifact = stage.artifact(self.store)
        shards = artifact.plan().shards if artifact.has_plan() else stage.shards
        return [
            _task(f"{stage.title} {number + 1} of {shards}", self._shard).submit(
                stage, number, rank, wait_for=upstream
            )
            for number in range(shards)
        ]

    def _shard(self, stage: Stage[Any], number: int, rank: int) -> State[None] | None:
        """Make one shard, unless another shard of its stage has failed."""
        takes_every_gpu = stage.single_item and self.runtime.gpus > 0
        with self.slots.hold(rank, self.slots.count if takes_every_gpu else 1) as slot:
            if stage.fingerprint() in self.failed:
                return Cancelled(name="NotStarted", message="another shard of the stage failed")
            on_event = self.console.follow(stage, number)
            if takes_every_gpu:
                self.children.end_idle()  # a model that one keeps takes GPU memory
            try:
                make_shard(
                    stage,
                    self.store,
                    self.runtime,
                    number,
                    self.children,
                    on_event,
                    wait=self.wait,
                    slot=slot,
                )
            except Exception:
                self.failed.add(stage.fingerprint())
                raise
            return None

    def _finish(self, stage: Stage[Any]) -> State[None] | None:
        """Seal the stage if it is not, and print its line."""
        artifact = stage.artifact(self.store)
        if artifact.is_sealed():
            self.console.cached(stage, artifact.manifest())
            return Completed(name="Cached", message=str(artifact.path))
        seal(stage, self.store)
        self.console.sealed(stage, artifact.manifest())
        return None


def _task(name: str, body: Any) -> Any:
    """Return a Prefect task that is run each time it is submitted."""
    return task(body, name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
