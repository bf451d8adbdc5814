"""Answer a stream of questions in batches of like length; what can't be answered is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from storm.errors import DataError

if TYPE_CHECKING:
    from storm.student import Answering, Question, Reply

Key = TypeVar("Key")
T = TypeVar("T")

WINDOW = 4  # batches that are sorted by length together; their frames are held in memory


def replies_in_batches(
    answering: Answering,
    questions: Iterable[tuple[Key, Question | DataError]],
    size: int,
    on_batch: Callable[[list[Key]], None] = lambda keys: None,
) -> Iterator[tuple[Key, Reply | DataError]]:
    """Yield each question's reply, or why there is none, in the order of the batches.

    Args:
        answering: The student and its mode.
        questions: By any key; one that is an error already is passed on.
        size: Questions per batch.
        on_batch: Called with a batch's keys before the batch is answered.
    """
    for window in _windows(questions, size * WINDOW):
        askable: list[tuple[Key, Question]] = []
        for key, question in window:
            if isinstance(question, DataError):
                yield key, question
            else:
                askable.append((key, question))
        askable.sort(key=lambda entry: _length(entry[1]))
        for batch in _windows(askable, size):
            keys = [key for key, _ in batch]
            on_batch(keys)
            yield from zip(keys, replies_to(answering, [q for _, q in batch]), strict=True)


def replies_to(answering: Answering, questions: Sequence[Question]) -> list[Reply | DataError]:
    """Return one batch's replies; a batch that is refused or too large is halved."""
    import torch

    try:
        return list(answering.stream(map(answering.prepare, questions), batch=len(questions)))
    except DataError as error:
        refused = error
    except torch.OutOfMemoryError as error:
        refused = DataError(f"out of memory alone in its batch: {str(error).partition('.')[0]}")
    if len(questions) == 1:
        return [refused]
    half = len(questions) // 2
    return replies_to(answering, questions[:half]) + replies_to(answering, questions[half:])


def _windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while window := list(islice(source, size)):
        yield window


def _length(question: Question) -> tuple[int, int]:
    """Return a sort key that grows with a row's tokens, most of which are frames."""
    pixels = sum(getattr(video, "pixels").size for video in question.videos)  # noqa: B009
    return pixels, len(question.text)
