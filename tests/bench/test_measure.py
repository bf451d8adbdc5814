"""Whether a miss is a loss or noise, and what the baseline marks."""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.bench.baseline import Baseline
from tests.bench.measure import Figure, Pair, Result


class _Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, *seconds: float):
        """Return a call that takes each of these, again and again."""
        times = cycle(seconds)

        def call() -> None:
            self.now += next(times)

        return call


def measure(a: tuple[float, ...], b: tuple[float, ...], **bound: Any) -> Result:
    clock = _Clock()
    pair = Pair(name="a / b", a=clock.taking(*a), b=clock.taking(*b), clock=clock, **bound)
    return pair.measure()


def test_the_ratio_is_that_of_the_minima():
    result = measure((9, 3, 5), (2, 4, 2))
    assert result.ratio == pytest.approx(1.5)
    assert result.low <= 1.5 <= result.high
    assert result.verdict == ""


@pytest.mark.parametrize(
    ("a", "bound", "verdict"),
    [
        ((1.0,), {"at_most": 1.1}, "holds"),
        ((1.2,), {"at_most": 1.1}, "misses"),
        ((1.2,), {"at_least": 1.3}, "misses"),
        ((1.2, 1.4), {"at_least": 1.3}, "noise"),
    ],
)
def test_a_target_is_missed_only_beyond_the_noise(a, bound, verdict):
    assert measure(a, (1.0,), **bound).verdict == verdict


def test_the_baseline_marks_what_moved_and_knows_its_misses(tmp_path: Path):
    path = tmp_path / "baseline.json"
    before = Figure(name="x", value=2.0, at_most=1.0).measure()
    Baseline({"other": 3.0}, frozenset()).write([before], path)
    baseline = Baseline.read(path)
    assert baseline.ratios == {"other": 3.0, "x": 2.0}
    assert baseline.verdict(before) == "known"
    assert baseline.change(before) == ""
    assert baseline.change(Figure(name="x", value=2.2).measure()) == "+10%"
    assert baseline.change(Result(before.target, 2.2, 1.9, 2.3)) == "+10% noise"
    assert baseline.change(Figure(name="y", value=2.2).measure()) == "new"
    assert Baseline({}, frozenset()).verdict(before) == "misses"
