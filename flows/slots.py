"""Who may start a child next: of those that wait, the stage that comes first in the graph."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """`count` slots; a free one goes to the lowest rank that waits, then to who came first."""

    def __init__(self, count: int):
        self._free = count
        self._tickets = 0
        self._waiting: list[tuple[int, int]] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, rank: int) -> Iterator[None]:
        with self._changed:
            self._tickets += 1
            ticket = (rank, self._tickets)
            heapq.heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] == ticket)
            heapq.heappop(self._waiting)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
