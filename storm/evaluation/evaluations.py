"""The stage `evaluations`: a checkpoint answers a benchmark in one mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from storm.artifacts.stage import Context, Stage, runtime_field
from storm.artifacts.store import Store
from storm.benchmarks.types import BenchmarkQuestion
from storm.config import Dtype
from storm.errors import DataError, UnreadableVideo
from storm.evaluation.batching import replies_in_batches
from storm.evaluation.checkpoints import (
    AnyCheckpoint,
    external_digests,
    loaded_student,
    weight_digests,
)
from storm.evaluation.query import BenchmarkQuery, segment_of
from storm.records import Rejected, Response
from storm.student.modes import Mode
from storm.student.windows import WINDOW
from storm.videos.decoding.prefetch import PrefetchDecoder
from storm.videos.frames import VideoFrames

if TYPE_CHECKING:
    from storm.student import Question, Reply


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
        return [(id, (question, *weights)) for id, question in self.query.digests().items()]

    def external_inputs(self) -> dict[str, Any]:
        """Return digests of the questions and of a checkpoint that no stage made."""
        return {"questions": self.query.digest(), **external_digests(self.checkpoint)}

    def rejected(self) -> Iterable[Rejected]:
        """Return the data set's entries that are no questions."""
        return self.query.load().rejected

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Response | Rejected]:
        """Yield an outcome per question; questions of like length share a batch."""
        from storm.student import AnswerConfig

        sampling = self.query.sampling
        config = AnswerConfig(mode=self.mode, max_new_tokens=self.max_new_tokens, sampling=sampling)
        ahead = 0 if context.one_at_a_time else context.batch * WINDOW
        with (
            PrefetchDecoder(sampling, context.runtime.decoders, ahead) as decoding,
            loaded_student(self.checkpoint, self.dtype, context, ids) as student,
        ):
            replies = replies_in_batches(
                config.build(student),
                self._questions(ids, decoding),
                context.batch,
                lambda batch: context.begin([sent.id for sent in batch]),
            )
            for done, (sent, reply) in enumerate(replies, 1):
                yield _row(sent, reply)
                context.emit({"progress": done, "of": len(ids), "text": self.mode})

    def _questions(
        self, ids: Sequence[str], decoding: PrefetchDecoder
    ) -> Iterator[tuple[_Sent, Question | UnreadableVideo]]:
        """Yield each question with its frames; questions of one video follow each other."""
        by_id = self.query.questions()
        questions = sorted((by_id[i] for i in ids), key=lambda q: (q.video_id, q.id))
        for question in questions:
            if question.video is None:
                yield self._sent(question, None)
        filmed = [(q, segment) for q in questions if (segment := segment_of(q)) is not None]
        decoded = decoding.stream(segment for _, segment in filmed)
        for (question, _), (_, frames) in zip(filmed, decoded, strict=True):
            if isinstance(frames, UnreadableVideo):
                yield _Sent(question.id, "", 0), frames
            else:
                yield self._sent(question, frames)

    def _sent(
        self, question: BenchmarkQuestion, frames: VideoFrames | None
    ) -> tuple[_Sent, Question]:
        sent = self.query.for_student(question, frames)
        return _Sent(question.id, sent.text, 0 if frames is None else len(frames)), sent


class _Sent(NamedTuple):
    id: str
    prompt: str
    frames: int


def _row(sent: _Sent, reply: Reply | DataError) -> Response | Rejected:
    """Return the row of a reply; what the student refuses (too long, say) is rejected."""
    if isinstance(reply, UnreadableVideo):
        return Rejected(id=sent.id, reason=reply.reason, detail=reply.detail)
    if isinstance(reply, DataError):
        return Rejected(id=sent.id, reason="refused", detail=str(reply))
    return Response(
        id=sent.id,
        prompt=sent.prompt,
        response=reply.response,
        prompt_tokens=reply.prompt_tokens,
        answer_tokens=len(reply.token_ids),
        frames=sent.frames,
        confidence=min(1.0, reply.confidence),
    )
