"""The evaluations of a checkpoint on a profile's benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from storm.artifacts.stage import Stage
from storm.errors import ConfigError
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.pipeline.config import PipelineConfig
from storm.records import Checkpoint


@dataclass(frozen=True)
class BenchmarkStages:
    """A benchmark of a profile: an evaluation for each mode, and latency after them."""

    benchmark: BenchmarkConfig
    evaluations: tuple[EvaluationStage, ...]
    latency: LatencyStage | None


def benchmark_stages(
    config: PipelineConfig, checkpoint: Stage[Checkpoint]
) -> Iterator[BenchmarkStages]:
    """Yield the evaluations of a checkpoint on each of the profile's benchmarks."""
    titles = Counter(benchmark.title for benchmark in config.benchmarks)
    for title, times in titles.items():
        if times > 1:
            raise ConfigError(
                f"expected benchmarks of different names, found {title!r} {times} times: give each "
                "a `name`"
            )
    shards = config.shards.get(EvaluationStage.name, max(1, config.runtime.gpus))
    for benchmark in config.benchmarks:
        evaluations, latency = benchmark.build(
            checkpoint, config.sampling, config.dtype, config.runtime.device, shards
        )
        yield BenchmarkStages(benchmark, evaluations, latency)
