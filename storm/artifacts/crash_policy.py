"""What to do after a child of a shard has died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Start another child for what is missing."""


@dataclass(frozen=True)
class Quarantine:
    """Leave out one item, whose own fault the deaths are."""

    item_id: str


@dataclass(frozen=True)
class Fail:
    """Give up: children die before they begin any item."""


class CrashPolicy:
    """Decides, death by death, for the children of one shard.

    An item in flight at a death may be its cause. After the first death, children take one item
    at a time, so that a second death has a single suspect, which is quarantined.
    """

    def __init__(self):
        self._deaths: Counter[str] = Counter()
        self._failed_starts = 0

    @property
    def one_at_a_time(self) -> bool:
        """Whether the next child should take its items one at a time."""
        return bool(self._deaths)

    def after(self, in_flight: Collection[str]) -> Retry | Quarantine | Fail:
        """Return what to do after a death with these items begun and unfinished."""
        self._failed_starts = 0 if in_flight else self._failed_starts + 1
        if self._failed_starts > 1:
            return Fail()
        self._deaths.update(in_flight)
        if len(in_flight) == 1:
            (suspect,) = in_flight
            if self._deaths[suspect] > 1:
                return Quarantine(suspect)
        return Retry()
