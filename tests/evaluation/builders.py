"""An evaluation of a tiny student on VideoMME's layout, and how tests make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storm.artifacts.make import plan, seal, shard_work
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.benchmarks.types import DatasetLocation
from storm.evaluation.checkpoints import CheckpointFolder
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.evaluation.query import BenchmarkQuery
from storm.records import Latency
from storm.runtime import Runtime
from tests.benchmarks import folders, letter_student
from tests.benchmarks.docs import doc_of

RUNTIME = Runtime(batch=2)  # pyright: ignore[reportCallIssue]


def build_data(root: Path) -> Path:
    """VideoMME's layout: ten questions on five videos; one is missing, one is cut off."""
    rows = [
        doc_of(
            "videomme",
            answer="ABCD"[n % 4],
            videoID=f"v{n // 2}",
            question_id=f"{n // 2}-{n % 2}",
            question="What is shown? " * (1 + n),
        )
        for n in range(10)
    ]
    folders.parquet(root / "videomme/test-00000-of-00001.parquet", rows)
    for number in range(4):
        folders.video(root / f"data/v{number}.mp4")
    cut = root / "data/v3.mp4"
    cut.write_bytes(cut.read_bytes()[:-400])
    return root


def stage_of(checkpoint: Path, data: Path, **changed: Any) -> EvaluationStage:
    query = {"kind": "videomme", "sampling": letter_student.SAMPLING, "prompt": "lmms_eval"}
    query |= {name: changed.pop(name) for name in BenchmarkQuery.model_fields if name in changed}
    fields: dict[str, Any] = {
        "checkpoint": CheckpointFolder(path=str(checkpoint)),
        "query": BenchmarkQuery(location=DatasetLocation(where=str(data)), **query),
        "dtype": "float32",
        "mode": "latent",
        "max_new_tokens": 1,
    }
    return EvaluationStage(**{**fields, **changed})


def make_here(stage: Stage[Any], store: Store, runtime: Runtime = RUNTIME) -> None:
    """Make a stage in this process, without the child around it."""
    for number in range(plan(stage, store).shards):
        shard_work(stage, str(store.root), runtime, number, False, lambda event: None)
    seal(stage, store)


def timed(asked: EvaluationStage, store: Store) -> dict[str, Latency]:
    """Rows of the latency of both modes on the questions of an evaluation."""
    stage = LatencyStage(
        checkpoint=asked.checkpoint,
        query=asked.query,
        dtype=asked.dtype,
        modes=("latent", "direct"),
        device="cpu",
        count=3,
        max_new_tokens=(2, 2),
    )
    make_here(stage, store)
    return {row.id: row for row in stage.rows(store)}
