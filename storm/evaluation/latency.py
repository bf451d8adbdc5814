"""The stage `latency`: seconds per answer at batch 1, mode beside mode."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.benchmarks.types import BenchmarkQuestion
from storm.config import Dtype
from storm.errors import DataError, UnreadableVideo
from storm.evaluation.batching import replies_to
from storm.evaluation.checkpoints import (
    AnyCheckpoint,
    external_digests,
    loaded_student,
    weight_digests,
)
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.query import BenchmarkQuery, segment_of
from storm.records import Latency, Rejected
from storm.student.modes import Mode
from storm.videos.decoding.prefetch import PrefetchDecoder
from storm.videos.frames import VideoFrames

PARTS = ("decode", "vision", "prefill", "latents", "answer")
_WARM_UP = 2  # questions that are answered first and not counted


@dataclass(frozen=True, kw_only=True)
class LatencyStage(Stage[Latency]):
    """A row for each mode and part of an answer, over questions spread through the benchmark.

    Every question is decoded once and then answered in each mode at batch 1, so that other load on
    the machine affects all modes alike. Decoding is measured in its own process and counts in each
    mode.
    """

    name: ClassVar[str] = "latency"
    row: ClassVar[type] = Latency
    single_item: ClassVar[bool] = True

    checkpoint: AnyCheckpoint
    query: BenchmarkQuery
    dtype: Dtype
    modes: tuple[Mode, ...]
    max_new_tokens: tuple[int, ...]  # one for each mode
    device: str  # the measurement depends on it
    count: int = 20
    after: tuple[EvaluationStage, ...] = ()  # these must not run at the same time

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return an item per mode and part, and per mode's total."""
        upstream = (*self.query.digests().values(), *weight_digests(self.checkpoint, store))
        return [(f"{mode}/{part}", upstream) for mode, part in self._parts()]

    def _parts(self) -> list[tuple[Mode, str]]:
        return [(mode, part) for mode in self.modes for part in (*PARTS, "total")]

    def external_inputs(self) -> dict[str, Any]:
        """Return digests of the questions and of a checkpoint that no stage made."""
        return {"questions": self.query.digest(), **external_digests(self.checkpoint)}

    def extra_manifest(self, store: Store) -> dict[str, Any]:
        """Return the machine's name."""
        return {"machine": platform.machine(), "processor": platform.processor()}

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Latency | Rejected]:
        """Answer the questions in every mode, and yield a row per mode and part."""
        seconds = self._measure(ids, context)
        for mode, part in self._parts():
            if f"{mode}/{part}" in ids:
                yield _row(mode, part, [times[part] for times in seconds[mode]])

    def _measure(self, ids: Sequence[str], context: Context) -> dict[Mode, list[dict[str, float]]]:
        """Return for each mode the seconds of each question's parts."""
        from storm.student import AnswerConfig

        seconds: dict[Mode, list[dict[str, float]]] = {mode: [] for mode in self.modes}
        sampling = self.query.sampling
        with (
            PrefetchDecoder(sampling, workers=1, ahead=0) as decoding,
            loaded_student(self.checkpoint, self.dtype, context, ids) as student,
        ):
            predictors = {
                mode: AnswerConfig(mode=mode, max_new_tokens=tokens, sampling=sampling).build(
                    student
                )
                for mode, tokens in zip(self.modes, self.max_new_tokens, strict=True)
            }
            answered = 0
            for question, frames in self._readable(decoding):
                replies = {
                    mode: replies_to(predictor, [self.query.for_student(question, frames)])[0]
                    for mode, predictor in predictors.items()
                }
                if any(isinstance(reply, DataError) for reply in replies.values()):
                    continue  # the evaluations name it
                answered += 1
                done = answered - _WARM_UP
                if done <= 0:
                    continue
                for mode in self.modes:
                    seconds[mode].append(_times_of(replies[mode]))
                context.emit({"progress": done, "of": self.count, "text": "batch 1"})
                if done == self.count:
                    break
        return seconds

    def _readable(
        self, decoding: PrefetchDecoder
    ) -> Iterator[tuple[BenchmarkQuestion, VideoFrames | None]]:
        """Yield spread questions, the first ones twice: to warm up, then to be measured."""
        questions = list(self.query.questions().values())
        step = max(1, len(questions) // self.count)
        spread = [*questions[::step], *(q for n, q in enumerate(questions) if n % step)]
        for question in [*spread[:_WARM_UP], *spread]:
            segment = segment_of(question)
            if segment is None:
                yield question, None
                continue
            ((_, decoded),) = decoding.stream([segment])
            if not isinstance(decoded, UnreadableVideo):
                yield question, decoded


def _times_of(reply: Any) -> dict[str, float]:
    """Return the seconds of each part and their total."""
    parts = {part: getattr(reply.timings, part) for part in PARTS}
    return {**parts, "total": reply.timings.total}


def _row(mode: str, part: str, seconds: Sequence[float]) -> Latency | Rejected:
    id = f"{mode}/{part}"
    if not seconds:
        detail = "expected questions with a readable video, found too few"
        return Rejected(id=id, reason="nothing_to_time", detail=detail)
    median, p95 = np.quantile(seconds, [0.5, 0.95])
    return Latency(
        id=id,
        mode=mode,
        part=part,
        median_seconds=float(median),
        p95_seconds=float(p95),
        n=len(seconds),
    )
