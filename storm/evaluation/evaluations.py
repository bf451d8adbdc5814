"""The stage `evaluations`: a checkpoint answers a benchmark in one mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage, not_identity
from storm.artifacts.store import Store
from storm.benchmarks.types import BenchmarkQuestion
from storm.errors import DataError, UnreadableVideo
from storm.evaluation.query import Asking, look_of, replies_to, windows
from storm.records import Rejected, Response
from storm.student.modes import Mode
from storm.videos.decoding.prefetch import Decoded, DecodingAhead

WINDOW = 4  # batches that are sorted by length together; their frames are held


@dataclass(frozen=True, kw_only=True)
class _HowAnswered:
    mode: Mode
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class EvaluationStage(_HowAnswered, Asking, Stage[Response]):
    """A row for each question. A question whose video can't be read is quarantined by name.

    No share of quarantined questions fails it: a benchmark with missing videos has a number too,
    which is told with its completeness.
    """

    name: ClassVar[str] = "evaluations"
    row: ClassVar[type] = Response

    quarantine_share: float = not_identity(1.0)

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        weights = self.weights(store)
        return [(id, (asked, *weights)) for id, asked in self.asked.items()]

    def rejected(self) -> Iterable[Rejected]:
        return self.loaded.rejected

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Response | Rejected]:
        from storm.student import Answering

        config = Answering.Config(
            mode=self.mode, max_new_tokens=self.max_new_tokens, sampling=self.sampling
        )
        size, workers = context.batch, context.runtime.decoders
        ahead = 0 if context.solo else size * WINDOW
        with (
            DecodingAhead(self.sampling, workers, ahead) as decoding,
            self.student(context, ids) as student,
        ):
            answering, done = config.build(student), 0
            for window in windows(self._shown(ids, decoding), size * WINDOW):
                readable: list[tuple[BenchmarkQuestion, Decoded | None]] = []
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
        self, ids: Sequence[str], decoding: DecodingAhead
    ) -> Iterator[tuple[BenchmarkQuestion, Decoded | UnreadableVideo | None]]:
        """Each question with what its video shows; questions of one video follow each other."""
        questions = sorted((self.questions[i] for i in ids), key=lambda q: (q.video_id, q.id))
        for question in questions:
            if question.video is None:
                yield question, None
        filmed = [(q, look) for q in questions if (look := look_of(q)) is not None]
        found = decoding.stream(look for _, look in filmed)
        for (question, _), (_, decoded) in zip(filmed, found, strict=True):
            yield question, decoded

    def _answer(
        self, answering: Any, batch: Sequence[tuple[BenchmarkQuestion, Any]]
    ) -> Iterator[Response | Rejected]:
        """A row for each; what the student refuses, a prompt that is too long say, is named."""
        asked = [self.to_ask(question, shown) for question, shown in batch]
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
                frames=0 if shown is None else len(shown.pixels),
                confidence=min(1.0, reply.confidence),
            )


def _length(question: BenchmarkQuestion, shown: Decoded | None) -> tuple[int, int]:
    """Grows with the tokens of a row: its frames are most of them."""
    pixels = 0 if shown is None else shown.pixels.size
    return pixels, len(str(question.doc))
