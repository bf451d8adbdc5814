"""Circuit breaker: stop asking a server that has stopped answering."""

from __future__ import annotations

from storm.errors import StageFailed


class CircuitBreaker:
    """Counts the requests that failed since the last answer.

    A request counts once: when its third try fails, or its last one if it has fewer.
    """

    def __init__(self, limit: int, server: str):
        self.limit, self.server = limit, server
        self._failures = 0

    def record_answer(self) -> None:
        """Start to count from zero."""
        self._failures = 0

    def record_failure(self, detail: str) -> None:
        """Count a request that gets no answer.

        Raises:
            StageFailed: If it is the last one that the limit allows.
        """
        self._failures += 1
        if self._failures >= self.limit:
            raise StageFailed(
                f"{self.server}: {self.limit} requests in a row get no answer, the last: {detail}. "
                "Mend the server and run again"
            )
