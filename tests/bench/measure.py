"""How costs are measured: two sides in turn, the ratio of their minima, and how noisy it is.

A machine is shared: what is counted is the CPU seconds of this process, and a target is missed
only if it is missed beyond the noise of the pairs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Target:
    """A row's name, and the bound on its ratio, if there is one."""

    name: str
    at_most: float = math.inf
    at_least: float = -math.inf

    def holds(self, ratio: float) -> bool:
        """Return whether a ratio is within the bound."""
        return self.at_least <= ratio <= self.at_most

    def __str__(self) -> str:
        if self.at_most < math.inf:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}" if self.at_least > -math.inf else ""


@dataclass(frozen=True)
class Result:
    """A measured ratio, and the range that noise alone explains."""

    target: Target
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["", "holds", "noise", "misses"]:
        """Whether the target holds; `noise` if it doesn't, but does within the range."""
        if not str(self.target):
            return ""
        if self.target.holds(self.ratio):
            return "holds"
        return "noise" if any(map(self.target.holds, (self.low, self.high))) else "misses"


@dataclass(frozen=True, kw_only=True)
class Figure(Target):
    """A ratio that is known without a clock, or measured once."""

    value: float

    def measure(self) -> Result:
        """Return the value."""
        return Result(self, self.value, self.value, self.value)


@dataclass(frozen=True, kw_only=True)
class Pair(Target):
    """The cost of `a` over the cost of `b`.

    Attributes:
        rounds: Pairs that are measured; three times as many if the target is missed by noise.
        clock: Returns seconds.
    """

    a: Callable[[], object]
    b: Callable[[], object]
    rounds: int = 5
    clock: Callable[[], float] = time.process_time

    def measure(self) -> Result:
        """Measure both sides in turn, after a warm-up of each unless there is only one round.

        Returns:
            The ratio of the minima; the range reaches to the quartiles of the pairs' ratios.
        """
        if self.rounds > 1:
            self.a()
            self.b()
        pairs: list[tuple[float, float]] = []
        while True:
            pairs += [(self._seconds(self.a), self._seconds(self.b)) for _ in range(self.rounds)]
            (a, b), ratios = np.min(pairs, axis=0), [a / b for a, b in pairs]
            low, high = np.quantile(ratios, (0.25, 0.75))
            ratio = float(a / b)
            result = Result(self, ratio, min(ratio, float(low)), max(ratio, float(high)))
            if result.verdict != "noise" or len(pairs) >= 3 * self.rounds:
                return result

    def _seconds(self, call: Callable[[], object]) -> float:
        began = self.clock()
        call()
        return self.clock() - began


Row = Figure | Pair
