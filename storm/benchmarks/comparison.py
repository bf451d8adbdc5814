"""Test differences between runs: paired bootstrap over videos, with Holm's correction."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from storm.benchmarks.scoring import ScoredRun
from storm.benchmarks.statistics import cluster_index
from storm.errors import DataError

_CHUNK = 1 << 22  # draws held at once: 32 MB


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference between two runs on the questions that both answered."""

    first: str
    second: str
    value: float  # first minus second, -1 to 1
    low: float  # 95 % interval
    high: float
    p: float  # two-sided, of this comparison only
    p_holm: float  # corrected for all comparisons of the table
    n: int  # questions in common
    left_out: int  # questions that only one run has

    def as_json(self) -> dict[str, Any]:
        """Return all numbers, and whether the difference is significant."""
        return {**asdict(self), "significant": self.significant}

    @property
    def significant(self) -> bool:
        """Whether it is significant at 5 % for the whole table."""
        return self.p_holm < 0.05


def paired_bootstrap(
    differences: Sequence[float],
    clusters: Sequence[str],
    weights: Sequence[float] | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float, float, float]:
    """Return the mean difference, its 95 % interval (low, high) and a two-sided p.

    Each draw takes as many clusters as there are, with replacement, and computes the (weighted)
    mean over their questions. The interval is between the 2.5 % and 97.5 % points of the draws; p
    is twice the share of draws on the far side of 0, with the sample itself counted as a draw. The
    same seed gives the same numbers.

    Raises:
        DataError: If there are no differences.
    """
    n = len(differences)
    if not n:
        raise DataError("expected questions that both runs answered, found none")
    shares = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    member = cluster_index(clusters)
    sums = np.bincount(member, weights=shares * np.asarray(differences, dtype=float))
    sizes = np.bincount(member, weights=shares)
    m = len(sums)
    rng = np.random.default_rng(seed)
    means = []
    for rows in _chunks(draws, max(1, _CHUNK // m)):
        taken = rng.integers(0, m, size=(rows, m))
        means.append(sums[taken].sum(axis=1) / sizes[taken].sum(axis=1))
    drawn = np.concatenate(means)
    low, high = np.quantile(drawn, [0.025, 0.975])
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (draws + 1))
    return float(sums.sum() / sizes.sum()), float(low), float(high), p


def _chunks(total: int, most: int) -> list[int]:
    return [min(most, total - at) for at in range(0, total, most)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values with Holm's correction, to compare with one level together."""
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected


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
    pairs = [
        _compare_pair(first, runs[first], second, runs[second], draws, seed)
        for first, second in itertools.combinations(runs, 2)
    ]
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p_holm=p_holm) for pair, p_holm in zip(pairs, corrected, strict=True)]


def _compare_pair(
    first: str, run: ScoredRun, second: str, other: ScoredRun, draws: int, seed: int
) -> Difference:
    """Return the difference between two named runs, with `p` not corrected yet."""
    by_id = {response.id: response for response in run.scored if response.score is not None}
    scores = {r.id: r.score for r in other.scored if r.score is not None}
    members = [response for id, response in by_id.items() if id in scores]
    weights = run.benchmark.weights(members)
    counted = [(r, w) for r, w in zip(members, weights, strict=True) if w > 0]
    value, low, high, p = paired_bootstrap(
        [(response.score or 0.0) - scores[response.id] for response, _ in counted],
        [response.video_id for response, _ in counted],
        [weight for _, weight in counted],
        draws,
        seed,
    )
    return Difference(
        first=first,
        second=second,
        value=value,
        low=low,
        high=high,
        p=p,
        p_holm=p,
        n=len(counted),
        left_out=len(by_id.keys() ^ scores.keys()),
    )
