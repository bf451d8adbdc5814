"""Answer a stream of questions in batches; a question that can't be answered yields an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from storm.errors import DataError
from storm.student.windows import batches_by_length, windows

if TYPE_CHECKING:
    from storm.student import Predictor, Question, Reply

Key = TypeVar("Key")


def replies_in_batches(
    predictor: Predictor,
    questions: Iterable[tuple[Key, Question | DataError]],
    size: int,
    on_batch: Callable[[list[Key]], None] = lambda keys: None,
) -> Iterator[tuple[Key, Reply | DataError]]:
    """Yield each question's reply, or why there is none, in the order of the batches.

    Args:
        predictor: The student and its mode.
        questions: By any key; one that is an error already is passed on.
        size: Questions per batch.
        on_batch: Called with a batch's keys before the batch is answered.
    """
    for window in windows(questions, size):
        answerable: list[tuple[Key, Question]] = []
        for key, question in window:
            if isinstance(question, DataError):
                yield key, question
            else:
                answerable.append((key, question))
        for batch in batches_by_length(answerable, size, lambda entry: _length(entry[1])):
            keys = [key for key, _ in batch]
            on_batch(keys)
            yield from zip(keys, replies_to(predictor, [q for _, q in batch]), strict=True)


def replies_to(predictor: Predictor, questions: Sequence[Question]) -> list[Reply | DataError]:
    """Return one batch's replies; a batch that is refused or too large is halved."""
    import torch

    try:
        return list(predictor.stream(questions, batch=len(questions)))
    except DataError as error:
        refused = error
    except torch.OutOfMemoryError as error:
        refused = DataError(f"out of memory alone in its batch: {str(error).partition('.')[0]}")
    if len(questions) == 1:
        return [refused]
    half = len(questions) // 2
    return replies_to(predictor, questions[:half]) + replies_to(predictor, questions[half:])


def _length(question: Question) -> tuple[int, int]:
    """Return a sort key that grows with a row's tokens, most of which are frames."""
    pixels = sum(getattr(video, "pixels").size for video in question.videos)  # noqa: B009
    return pixels, len(question.text)
