"""The stage `evaluations`: a checkpoint answers a benchmark in one mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage, runtime_field
from storm.artifacts.store import Store
from storm.benchmarks.types import BenchmarkQuestion
from storm.config import Dtype
from storm.errors import DataError, UnreadableVideo
from storm.evaluation.checkpoints import (
    AnyCheckpoint,
    external_digests,
    loaded_student,
    weight_digests,
)
from storm.evaluation.query import BenchmarkQuery, replies_to, segment_of, windows
from storm.records import Rejected, Response
from storm.student.modes import Mode
from storm.videos.decoding.prefetch import PrefetchDecoder
from storm.videos.frames import VideoFrames

WINDOW = 4  # batches that are sorted by length together; their frames are held


@dataclass(frozen=True, kw_only=True)
class EvaluationStage(Stage[Response]):
    """A row for each question. A question whose video can't be read is quarantined by name.

    It never fails for its share of quarantined questions: a benchmark with missing videos still
    has a number, reported with its completeness.
    """

    name: ClassVar[str] = "evaluations"
    row: ClassVar[type] = Response

    checkpoint: AnyCheckpoint
    query: BenchmarkQuery
    dtype: Dtype
    mode: Mode
    max_new_tokens: int
    quarantine_share: float = runtime_field(1.0)

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return the questions; each depends on its prompt, its video and the checkpoint."""
        weights = weight_digests(self.checkpoint, store)
        return [(id, (question, *weights)) for id, question in self.query.digests.items()]

    def external_inputs(self) -> dict[str, Any]:
        """Return digests of the questions and of a checkpoint that no stage made."""
        return {"questions": self.query.digest(), **external_digests(self.checkpoint)}

    def rejected(self) -> Iterable[Rejected]:
        """Return the data set's entries that are no questions."""
        return self.query.loaded.rejected

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Response | Rejected]:
        """Yield an outcome per question; questions of like length share a batch."""
        from storm.student import Answering

        sampling = self.query.sampling
        config = Answering.Config(
            mode=self.mode, max_new_tokens=self.max_new_tokens, sampling=sampling
        )
        size, workers = context.batch, context.runtime.decoders
        ahead = 0 if context.one_at_a_time else size * WINDOW
        with (
            PrefetchDecoder(sampling, workers, ahead) as decoding,
            loaded_student(self.checkpoint, self.dtype, context, ids) as student,
        ):
            answering, done = config.build(student), 0
            for window in windows(self._shown(ids, decoding), size * WINDOW):
                readable: list[tuple[BenchmarkQuestion, VideoFrames | None]] = []
                for question, shown in window:
                    if isinstance(shown, UnreadableVideo):
                        yield Rejected(id=question.id, reason=shown.reason, detail=shown.detail)
                    else:
                        readable.append((question, shown))
                readable.sort(key=lambda pair: _length(*pair))
                for batch in windows(readable, size):
                    context.begin([question.id for question, _ in batch])
                    yield from self._answer(answering, batch)
                    done += len(batch)
                    context.emit({"progress": done, "of": len(ids), "text": self.mode})

    def _shown(
        self, ids: Sequence[str], decoding: PrefetchDecoder
    ) -> Iterator[tuple[BenchmarkQuestion, VideoFrames | UnreadableVideo | None]]:
        """Yield each question with its frames; questions of one video follow each other."""
        questions = sorted((self.query.questions[i] for i in ids), key=lambda q: (q.video_id, q.id))
        for question in questions:
            if question.video is None:
                yield question, None
        filmed = [(q, segment) for q in questions if (segment := segment_of(q)) is not None]
        found = decoding.stream(segment for _, segment in filmed)
        for (question, _), (_, decoded) in zip(filmed, found, strict=True):
            yield question, decoded

    def _answer(
        self, answering: Any, batch: Sequence[tuple[BenchmarkQuestion, Any]]
    ) -> Iterator[Response | Rejected]:
        """Yield a row per question; one that the student refuses (too long, say) is rejected."""
        asked = [self.query.for_student(question, shown) for question, shown in batch]
        replies = replies_to(answering, asked)
        for (question, shown), ask, reply in zip(batch, asked, replies, strict=True):
            if isinstance(reply, DataError):
                yield Rejected(id=question.id, reason="refused", detail=str(reply))
                continue
            yield Response(
                id=question.id,
                prompt=ask.text,
                response=reply.response,
                prompt_tokens=reply.prompt_tokens,
                answer_tokens=len(reply.token_ids),
                frames=0 if shown is None else len(shown),
                confidence=min(1.0, reply.confidence),
            )


def _length(question: BenchmarkQuestion, shown: VideoFrames | None) -> tuple[int, int]:
    """Return a sort key that grows with a row's tokens, most of which are frames."""
    pixels = 0 if shown is None else shown.pixels.size
    return pixels, len(str(question.doc))
