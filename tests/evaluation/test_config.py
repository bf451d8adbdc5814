"""The stages of a benchmark in a profile."""

from __future__ import annotations

from typing import Any

from storm.evaluation.checkpoints import CheckpointFolder
from storm.evaluation.config import BenchmarkConfig
from tests.benchmarks import letter_student


def test_an_answer_may_be_as_long_as_its_benchmark_and_mode_need() -> None:
    def most(kind: str, **more: Any) -> dict[str, int]:
        config = BenchmarkConfig(kind=kind, data=".", modes=("latent", "cot"), **more)
        folder = CheckpointFolder(path=".")
        stages, latency = config.build(folder, letter_student.SAMPLING, "float32", "cpu")
        assert latency is not None
        assert latency.max_new_tokens == tuple(stage.max_new_tokens for stage in stages)
        return {stage.mode: stage.max_new_tokens for stage in stages}

    assert most("videomme") == {"latent": 16, "cot": 512}
    assert most("mmvu") == {"latent": 1024, "cot": 1024}
    assert most("tempcompass") == {"latent": 128, "cot": 512}
    assert most("mmvu", max_new_tokens=7) == {"latent": 7, "cot": 7}
