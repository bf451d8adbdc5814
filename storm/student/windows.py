"""Batches of similar length from a stream, so that little of a batch is padding.

A stream is read in windows of a few batches; within a window, items are sorted by length. Only one
window is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from storm.errors import ConfigError

T = TypeVar("T")

WINDOW = 4  # batches


def windows(items: Iterable[T], batch: int) -> Iterator[list[T]]:
    """Yield the items in order, `WINDOW` batches at a time, as they are needed."""
    if batch < 1:
        raise ConfigError(f"expected at least one row a batch, found {batch = }")
    source = iter(items)
    while window := list(islice(source, batch * WINDOW)):
        yield window


def batches_by_length(
    window: Sequence[T], batch: int, length: Callable[[T], Any]
) -> Iterator[list[T]]:
    """Yield a window's items in batches, short ones first; equal lengths keep their order."""
    ordered = sorted(window, key=length)
    for start in range(0, len(ordered), batch):
        yield ordered[start : start + batch]
