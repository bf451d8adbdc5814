"""Priority semaphore: the earliest stage in the graph gets the next free slot."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Generator
from contextlib import contextmanager


class Slots:
    """Numbered slots: a free one goes to the lowest waiting rank, then to who came first."""

    def __init__(self, count: int):
        self.count = count
        self._free = list(range(count))
        self._tickets = 0
        self._waiting: list[tuple[int, int]] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, rank: int, count: int = 1) -> Generator[int, None, None]:
        """Hold `count` slots and yield the lowest number; nobody behind overtakes."""
        with self._changed:
            self._tickets += 1
            ticket = (rank, self._tickets)
            heapq.heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: len(self._free) >= count and self._waiting[0] == ticket)
            heapq.heappop(self._waiting)
            held = [heapq.heappop(self._free) for _ in range(count)]
            self._changed.notify_all()
        try:
            yield held[0]
        finally:
            with self._changed:
                for slot in held:
                    heapq.heappush(self._free, slot)
                self._changed.notify_all()
