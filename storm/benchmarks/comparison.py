"""Which differences between runs hold: paired bootstrap over videos, corrected for their number."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from storm.benchmarks.scoring import Run
from storm.benchmarks.statistics import cluster_index
from storm.errors import DataError

_CHUNK = 1 << 22  # draws held at once: 32 MB


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better one run is than another on the questions that both answered."""

    first: str
    second: str
    value: float  # first minus second, -1 to 1
    low: float  # 95 % interval
    high: float
    p: float  # two-sided, of this comparison alone
    p_holm: float  # corrected for all comparisons of the table
    n: int  # questions that both have
    left_out: int  # that only one has

    @property
    def holds(self) -> bool:
        """Whether it may be called a difference, at 5 % for the whole table."""
        return self.p_holm < 0.05


def paired_bootstrap(
    differences: Sequence[float],
    clusters: Sequence[str],
    weights: Sequence[float] | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float, float, float]:
    """Mean difference, its 95 % interval and a two-sided p; whole clusters are drawn.

    A draw takes as many clusters as there are, with replacement, and is the (weighted) mean over
    their questions. The interval lies between the 2.5 % and 97.5 % points of the draws; p is twice
    the share of draws on the far side of 0, with the sample itself as one of them. The same seed
    gives the same numbers.
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
    """Holm's correction: p-values that may be held against one level together."""
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected


def compare(runs: Mapping[str, Run], draws: int = 10_000, seed: int = 0) -> list[Difference]:
    """Every pair of runs of one benchmark, on what its headline counts.

    Raises `DataError` if two runs are of different benchmarks or scorers, or share no question.
    """
    kinds = {
        (run.benchmark.name, run.scorer, run.unwrap_answer, run.judge) for run in runs.values()
    }
    if len(kinds) > 1:
        raise DataError(f"expected runs scored alike, found {sorted(map(str, kinds))}")
    raw = [
        (first, second, *_pair(runs[first], runs[second], draws, seed))
        for first, second in itertools.combinations(runs, 2)
    ]
    corrected = holm([p for *_, p, _, _ in raw])
    return [
        Difference(
            first=first,
            second=second,
            value=value,
            low=low,
            high=high,
            p=p,
            p_holm=p_holm,
            n=n,
            left_out=left_out,
        )
        for (first, second, value, low, high, p, n, left_out), p_holm in zip(raw, corrected)
    ]


def _pair(
    first: Run, second: Run, draws: int, seed: int
) -> tuple[float, float, float, float, int, int]:
    """Value, low, high, p, questions in common, questions left out."""
    a = {one.id: one for one in first.scored if one.score is not None}
    b = {one.id: one for one in second.scored if one.score is not None}
    common = [id for id in a if id in b]
    members = [a[id] for id in common]
    weights = first.benchmark.weights(members)
    chosen = [(one, w) for one, w in zip(members, weights, strict=True) if w > 0]
    found = paired_bootstrap(
        [_value(one.score) - _value(b[one.id].score) for one, _ in chosen],
        [one.video_id for one, _ in chosen],
        [weight for _, weight in chosen],
        draws,
        seed,
    )
    return *found, len(chosen), len(a.keys() ^ b.keys())


def _value(score: float | None) -> float:
    assert score is not None, "chosen by that"
    return score
