"""Paired differences between two answerers of the same questions, and families of them.

Questions of one cluster (one video, or one script that several videos share) are dependent, so
both the interval and the test treat whole clusters:

    found = paired_differences({
        "own - direct": [Pair(own, direct, cluster), ...],  # one for each question of both
        "own - zero": [...],
    })
    print(found["own - direct"].verdict)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from storm.benchmarks.statistics import cluster_index
from storm.errors import DataError

MIN_CLUSTERS = 10  # fewer allow no verdict
LEVEL = 0.05
_CHUNK = 1 << 22  # draws held at once: 32 MB
Name = TypeVar("Name")


class Pair(NamedTuple):
    """Two scores of one question."""

    first: float  # 0 to 1
    second: float  # 0 to 1
    cluster: str
    weight: float = 1.0  # at least 0


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The difference of two (weighted) mean scores on the same questions.

    Attributes:
        value: First minus second, -1 to 1.
        low: Lower end of the 95 % interval: cluster bootstrap, percentiles. With fewer than
            `MIN_CLUSTERS` clusters the draws say nothing about the population, and the interval is
            the whole range, -1 to 1.
        high: Upper end of it.
        p: Two-sided, of the sign-flip test over clusters, of this comparison only.
        p_holm: Corrected for all comparisons of its family.
        n: Questions of positive weight.
        clusters: Clusters of those questions.
    """

    value: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int
    clusters: int

    @property
    def has_verdict(self) -> bool:
        """Whether there are enough clusters to say anything."""
        return self.clusters >= MIN_CLUSTERS

    @property
    def significant(self) -> bool:
        """Whether it differs from 0 at 5 % for the whole family; never without a verdict."""
        return self.has_verdict and self.p_holm < LEVEL

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        if not self.has_verdict:
            return f"too few clusters ({self.clusters} < {MIN_CLUSTERS}) for a verdict"
        return "significant" if self.significant else "not significant"


def paired_differences(
    family: Mapping[Name, Sequence[Pair]], draws: int = 10_000, seed: int = 0
) -> dict[Name, PairedDifference]:
    """Return every difference of a family, with p-values corrected by Holm for all of them.

    Args:
        family: For each comparison, a pair for each question that both answered. Runs of several
            seeds are put together: pairs of one cluster stay dependent.
        draws: Of the bootstrap, and of the test where it can't try every flip.
        seed: Of the draws; the same seed gives the same numbers.

    Raises:
        DataError: If a comparison has no question of positive weight.
    """
    found = {name: paired_difference(pairs, draws, seed) for name, pairs in family.items()}
    corrected = holm([one.p for one in found.values()])
    return {
        name: replace(one, p_holm=p_holm)
        for (name, one), p_holm in zip(found.items(), corrected, strict=True)
    }


def paired_difference(
    pairs: Sequence[Pair], draws: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Return one difference, a family of its own; see `paired_differences`."""
    counted = [pair for pair in pairs if pair.weight > 0]
    if not counted:
        raise DataError("expected questions that both runs answered, found none")
    first, second, names, shares = zip(*counted, strict=True)
    weights = np.asarray(shares, dtype=float)
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    member = cluster_index(names)
    sums = np.bincount(member, weights=weights * differences)
    sizes = np.bincount(member, weights=weights)
    rng = np.random.default_rng(seed)
    value = float(sums.sum() / sizes.sum())
    low, high = -1.0, 1.0
    if len(sums) >= MIN_CLUSTERS:
        ends = np.quantile(_bootstrap(sums, sizes, draws, rng), [0.025, 0.975])
        low, high = min(value, float(ends[0])), max(value, float(ends[1]))
    p = sign_flip_p(sums, draws, rng)
    return PairedDifference(
        value=value, low=low, high=high, p=p, p_holm=p, n=len(counted), clusters=len(sums)
    )


def _bootstrap(
    sums: np.ndarray, sizes: np.ndarray, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the weighted mean of each draw of m clusters out of m, with replacement: (draws,)."""
    m = len(sums)
    means: list[np.ndarray] = []
    for rows in _chunks(draws, m):
        taken = rng.integers(0, m, size=(rows, m))
        means.append(sums[taken].sum(axis=1) / sizes[taken].sum(axis=1))
    return np.concatenate(means)


def sign_flip_p(sums: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """Return the two-sided p of a sign-flip test: each cluster's sum is as likely its opposite.

    It is exact where all flips are at most `draws`: the share of flips whose total is at least as
    far from 0. Otherwise `draws` random flips are tried, and the sample itself counts as one more.

    Args:
        sums: The sum of each cluster's differences, (m,).
        draws: The most flips that are tried.
        rng: Where random flips come from.
    """
    sums = sums[sums != 0]  # a flip of 0 changes nothing
    m = len(sums)
    reached = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()  # rounding must not break a tie
    if 2**m <= draws:
        every = np.array([*itertools.product((1.0, -1.0), repeat=m)])
        return float((np.abs(every @ sums) >= reached).mean())
    far = 0
    for rows in _chunks(draws, m):
        flips = rng.integers(0, 2, size=(rows, m), dtype=np.int8)
        far += int((np.abs((1 - 2 * flips) @ sums) >= reached).sum())
    return (far + 1) / (draws + 1)


def _chunks(total: int, width: int) -> Iterator[int]:
    """Yield numbers of rows that sum to `total`, each of which fits the memory."""
    most = max(1, _CHUNK // width)
    for at in range(0, total, most):
        yield min(most, total - at)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values with Holm's correction, to compare with one level together."""
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected
