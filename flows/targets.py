"""What a target needs; Prefect is not loaded."""

from __future__ import annotations

from typing import Any

from storm.artifacts.stage import Stage
from storm.artifacts.status import Status, status
from storm.artifacts.store import Store
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.pipeline.graph import Graph
from storm.profiles import Run

_BENCHMARKED = ("results", "predictions")  # these targets also ask the profile's benchmarks


def graph_of(run: Run, target: str) -> Graph:
    """Return the stage `target`, the benchmarks that belong to it, and everything they need."""
    stages = [run.graph.find(target)]
    if target in _BENCHMARKED:
        benchmarks = (EvaluationStage, LatencyStage)
        stages = [*(stage for stage in run.graph if isinstance(stage, benchmarks)), *stages]
    return Graph.of(*stages)


def cached_stages(graph: Graph, store: Store) -> list[Stage[Any]]:
    """Return the stages that are complete, with all that they need; nothing on disk changes.

    A stage is made again with its inputs: where one is made again, its rows may change.
    """
    known: dict[int, Status] = {}
    cached: dict[int, Stage[Any]] = {}
    for stage in graph:
        inputs_are_cached = cached.keys() >= set(map(id, stage.inputs.values()))
        if inputs_are_cached and status(stage, store, known).complete:
            cached[id(stage)] = stage
    return list(cached.values())
