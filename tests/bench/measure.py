"""How costs are measured: two sides in turn, their minima compared, since machines are noisy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    ratio: float
    target: float | None
    holds: bool


def compare(a: Callable[[], object], b: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The best time of `a` over the best time of `b`, taken in turn after one warm-up."""
    best = [float("inf"), float("inf")]
    for turn in range(rounds + 1):
        for side, call in enumerate((a, b)):
            began = time.perf_counter()
            call()
            if turn:
                best[side] = min(best[side], time.perf_counter() - began)
    return best[0] / best[1]


def at_least(name: str, what: str, ratio: float, target: float) -> Row:
    return Row(name, what, round(ratio, 3), target, ratio >= target)


def beside(name: str, what: str, ratio: float) -> Row:
    """A row without a target, to be read beside another."""
    return Row(name, what, round(ratio, 3), None, True)


def at_most(name: str, what: str, ratio: float, target: float) -> Row:
    return Row(name, what, round(ratio, 3), target, ratio <= target)
