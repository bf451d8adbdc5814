"""Usage log: requests, answers and tokens in a file that only grows."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from storm.errors import StageFailed
from storm.llm_client.config import ChatConfig


class UsageLog:
    """Counts such as `requests=1`, appended to a file that the processes of a stage share."""

    def __init__(self, path: Path):
        self.path = path
        self._sum: Counter[str] = Counter()
        self._read_bytes = 0  # of the file, already in `_sum`

    def add(self, **counts: int) -> None:
        """Append counts as one line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:  # the line break comes first, so a torn line spoils no other; a blank ends a whole one
            os.write(fd, b"\n" + json.dumps(counts, separators=(",", ":")).encode() + b" ")
        finally:
            os.close(fd)

    def total(self) -> Counter[str]:
        """Return the sum of each count over all processes and restarts."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._read_bytes)
                new = file.read()
        except FileNotFoundError:
            return self._sum
        whole = new[: new.rfind(b" ") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            try:
                self._sum.update(json.loads(line))
            except ValueError:
                continue
        return self._sum

    def facts(self, config: ChatConfig) -> dict[str, float]:
        """Return counts and their cost for a manifest."""
        total = self.total()
        return {**dict(sorted(total.items())), "cost_usd": round(config.cost_usd(total), 6)}


def check_budget(config: ChatConfig, usage: UsageLog) -> None:
    """Check that one more request stays within the budget.

    Raises:
        StageFailed: If `max_requests` were sent or `max_cost_usd` is spent.
    """
    total = usage.total()
    if config.max_requests is not None and total["requests"] >= config.max_requests:
        raise StageFailed(
            f"expected at most max_requests = {config.max_requests} requests, all were sent: "
            "raise it and run again"
        )
    cost = config.cost_usd(total)
    if config.max_cost_usd is not None and cost >= config.max_cost_usd:
        raise StageFailed(
            f"expected to spend less than max_cost_usd = {config.max_cost_usd:g}, found "
            f"{cost:.4g} USD spent: raise it and run again"
        )
