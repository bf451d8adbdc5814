"""Intervals for accuracies of questions that share videos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z95 = 1.959963984540054


def cluster_index(clusters: Sequence[str]) -> np.ndarray:
    """(n,) int: the number of each one's cluster, from 0 in the order of first appearance."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(c, len(numbers)) for c in clusters), int, len(clusters))


def clustered_interval(
    correct: Sequence[bool | float],
    clusters: Sequence[str],
    weights: Sequence[float] | None = None,
) -> tuple[float, float, float]:
    """Share of `correct` and its 95 % interval; questions of one cluster count as dependent.

    Wilson's interval at the effective sample size: n over the design effect that the
    cluster-robust variance gives, never more than n. At 0 or 1, where that variance is
    nothing, each cluster counts once. `weights` (positive; None: all alike) make it a weighted
    share. Returns (share, low, high); NaN for no questions.
    """
    n = len(correct)
    if n == 0:
        return math.nan, math.nan, math.nan
    values = np.asarray(correct, dtype=float)
    shares = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    shares = shares * (n / shares.sum())  # mean 1
    p = float((shares * values).sum()) / n
    member = cluster_index(clusters)
    sums = np.bincount(member, weights=shares * (values - p))
    m = len(sums)
    variance = float((sums**2).sum()) * (m / (m - 1) if m > 1 else 1.0) / n**2
    effective = float(m) if variance == 0 else min(float(n), p * (1 - p) / variance)
    centre = (p + Z95**2 / (2 * effective)) / (1 + Z95**2 / effective)
    half = (
        Z95
        * math.sqrt(p * (1 - p) / effective + Z95**2 / (4 * effective**2))
        / (1 + Z95**2 / effective)
    )
    return p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def clustered_error(scores: Sequence[float], clusters: Sequence[str]) -> float:
    """Standard error of a mean whose clusters count as dependent; NaN for fewer than two scores.

    The usual one, s^2 / n, and the cross terms within clusters: equation 4 of arXiv:2411.00640,
    as lmms-eval prints it.
    """
    n = len(scores)
    if n < 2:
        return math.nan
    values = np.asarray(scores, dtype=float)
    residuals = values - values.mean()
    sums = np.bincount(cluster_index(clusters), weights=residuals)
    squares = float((residuals**2).sum())
    cross = float((sums**2).sum()) - squares
    return math.sqrt(max(0.0, squares / (n - 1) / n + cross / n**2))
