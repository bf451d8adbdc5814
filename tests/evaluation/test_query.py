"""How a batch is asked, and how long its answers may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from storm.evaluation.checkpoints import CheckpointFolder
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.query import replies_to
from storm.student import Answering, Question, Student
from tests.benchmarks import talker


def test_a_batch_too_large_for_the_device_is_halved(tmp_path: Path) -> None:
    student = Student.from_pretrained(talker.build(tmp_path))
    answering = Answering.Config(max_new_tokens=1).build(student)
    sizes, stream = [], answering.stream

    def narrow(prepared: Any, batch: int) -> Any:
        sizes.append(batch)
        if batch > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return stream(prepared, batch=batch)

    asked = [Question(f"Which of {n}?", raw=True) for n in range(5)]
    answering.stream = narrow
    replies = replies_to(answering, asked)
    assert sizes == [5, 2, 3, 1, 2]
    alone = [reply for one in asked for reply in stream([answering.prepare(one)], batch=1)]
    assert [r.response for r in replies] == [r.response for r in alone]


def test_one_question_too_large_for_the_device_is_refused() -> None:
    class Full:
        prepare = staticmethod(str)

        def stream(self, prepared: Any, batch: int) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    found: Any = replies_to(Full(), ["q"])  # pyright: ignore
    assert [str(e) for e in found] == ["out of memory alone in its batch: CUDA out of memory"]


def test_an_answer_may_be_as_long_as_its_benchmark_and_mode_need() -> None:
    def most(kind: str, **more: Any) -> dict[str, int]:
        config = BenchmarkConfig(kind=kind, data=".", modes=("latent", "cot"), **more)
        folder = CheckpointFolder(path=".")
        stages, latency = config.build(folder, talker.SAMPLING, "float32", "cpu")
        assert latency is not None
        assert latency.max_new_tokens == tuple(stage.max_new_tokens for stage in stages)
        return {stage.mode: stage.max_new_tokens for stage in stages}

    assert most("videomme") == {"latent": 16, "cot": 512}
    assert most("mmvu") == {"latent": 1024, "cot": 1024}
    assert most("tempcompass") == {"latent": 128, "cot": 512}
    assert most("mmvu", max_new_tokens=7) == {"latent": 7, "cot": 7}
