"""The stage `latency`: how long a checkpoint takes to answer, mode beside mode, at batch 1."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.benchmarks.types import BenchmarkQuestion
from storm.errors import DataError, UnreadableVideo
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.query import Asking, look_of, replies_to
from storm.records import Latency, Rejected
from storm.student.modes import Mode
from storm.videos.decoding.prefetch import Decoded, DecodingAhead

PARTS = ("decode", "vision", "prefill", "latents", "answer")
_WARM_UP = 2  # questions that are asked first and not counted


@dataclass(frozen=True, kw_only=True)
class _HowMeasured:
    modes: tuple[Mode, ...]
    device: str  # what is measured depends on it
    max_new_tokens: tuple[int, ...]  # one for each mode
    count: int = 20
    after: tuple[EvaluationStage, ...] = ()  # what must not run at the same time


@dataclass(frozen=True, kw_only=True)
class LatencyStage(_HowMeasured, Asking, Stage[Latency]):
    """A row for each mode and part of an answer, over questions spread through the benchmark.

    Every question is decoded once and then answered in each mode, one row a batch, so that what
    else the machine does falls on all modes alike. Decoding is measured in its own process, and
    counts in each mode.
    """

    name: ClassVar[str] = "latency"
    row: ClassVar[type] = Latency
    indivisible: ClassVar[bool] = True

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        upstream = (*self.asked.values(), *self.weights(store))
        return [(f"{mode}/{part}", upstream) for mode in self.modes for part in (*PARTS, "total")]

    def facts(self, store: Store) -> dict[str, Any]:
        return {"machine": platform.machine(), "processor": platform.processor()}

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Latency | Rejected]:
        from storm.student import Answering

        seen: dict[str, list[dict[str, float]]] = {mode: [] for mode in self.modes}
        with (
            DecodingAhead(self.sampling, workers=1, ahead=0) as decoding,
            self.student(context, ids) as student,
        ):
            ways = {
                mode: Answering.Config(
                    mode=mode, max_new_tokens=tokens, sampling=self.sampling
                ).build(student)
                for mode, tokens in zip(self.modes, self.max_new_tokens, strict=True)
            }
            answered = 0
            for question, shown in self._readable(decoding):
                replies = {
                    mode: replies_to(way, [self.to_ask(question, shown)])[0]
                    for mode, way in ways.items()
                }
                if any(isinstance(reply, DataError) for reply in replies.values()):
                    continue  # the evaluations name it
                answered += 1
                done = answered - _WARM_UP
                if done <= 0:
                    continue
                for mode, reply in replies.items():
                    seen[mode].append(_times_of(reply))
                context.emit({"progress": done, "of": self.count, "text": "batch 1"})
                if done == self.count:
                    break
        for item_id in ids:
            mode, _, part = item_id.partition("/")
            times = [one[part] for way in seen if way == mode for one in seen[way]]
            yield _row(item_id, mode, part, times)

    def _readable(
        self, decoding: DecodingAhead
    ) -> Iterator[tuple[BenchmarkQuestion, Decoded | None]]:
        """Spread questions: those to warm up with first (again, if there are few), then all."""
        questions = list(self.questions.values())
        step = max(1, len(questions) // self.count)
        spread = [*questions[::step], *(q for n, q in enumerate(questions) if n % step)]
        for question in [*spread[:_WARM_UP], *spread]:
            look = look_of(question)
            if look is None:
                yield question, None
                continue
            ((_, found),) = decoding.stream([look])
            if not isinstance(found, UnreadableVideo):
                yield question, found


def _times_of(reply: Any) -> dict[str, float]:
    """Seconds of each part, and of all."""
    parts = {part: getattr(reply.timings, part) for part in PARTS}
    return {**parts, "total": reply.timings.total}


def _row(item_id: str, mode: str, part: str, times: Sequence[float]) -> Latency | Rejected:
    if not times:
        detail = "expected questions with a readable video, found too few"
        return Rejected(id=item_id, reason="nothing_to_time", detail=detail)
    median, p95 = np.quantile(times, [0.5, 0.95])
    return Latency(
        id=item_id,
        mode=mode,
        part=part,
        median_seconds=float(median),
        p95_seconds=float(p95),
        n=len(times),
    )
