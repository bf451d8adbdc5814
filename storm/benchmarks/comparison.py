"""Test differences between scored runs of one benchmark, every pair of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from storm.benchmarks.paired import Pair, PairedDifference, paired_differences
from storm.benchmarks.scoring import ScoredRun
from storm.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference between two runs on the questions that both answered."""

    first: str
    second: str
    found: PairedDifference  # first minus second
    left_out: int  # questions that only one run has

    def as_json(self) -> dict[str, Any]:
        """Return all numbers, and whether the difference is significant."""
        return {
            "first": self.first,
            "second": self.second,
            **asdict(self.found),
            "left_out": self.left_out,
            "significant": self.found.significant,
            "verdict": self.found.verdict,
        }


def compare(runs: Mapping[str, ScoredRun], draws: int = 10_000, seed: int = 0) -> list[Difference]:
    """Compare every pair of runs of one benchmark, on the questions of its headline.

    Raises:
        DataError: If two runs differ in benchmark, scorer or judge, or share no question.
    """
    kinds = {
        (run.benchmark.name, run.scorer, run.unwrap_answer, run.judge) for run in runs.values()
    }
    if len(kinds) > 1:
        raise DataError(f"expected runs scored alike, found {sorted(map(str, kinds))}")
    names = list(itertools.combinations(runs, 2))
    family = {(a, b): _pairs(runs[a], runs[b]) for a, b in names}
    return [
        Difference(first=a, second=b, found=found, left_out=_left_out(runs[a], runs[b]))
        for (a, b), found in paired_differences(family, draws, seed).items()
    ]


def _scores(run: ScoredRun) -> dict[str, float]:
    return {r.id: r.score for r in run.scored if r.score is not None}


def _left_out(run: ScoredRun, other: ScoredRun) -> int:
    return len(_scores(run).keys() ^ _scores(other).keys())


def _pairs(run: ScoredRun, other: ScoredRun) -> list[Pair]:
    """Return both scores of each question in common, weighted as in the headline."""
    first, second = _scores(run), _scores(other)
    members = [r for r in run.scored if r.id in first and r.id in second]
    weights = run.benchmark.weights(members)
    return [
        Pair(first[r.id], second[r.id], r.cluster, weight)
        for r, weight in zip(members, weights, strict=True)
    ]
