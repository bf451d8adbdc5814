"""Intervals for accuracies of questions that share videos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z95 = 1.959963984540054
_ROUNDING = 1e-20  # a variance below it is one of 0


def cluster_index(clusters: Sequence[str]) -> np.ndarray:
    """Return each one's cluster as a number from 0, in order of first appearance: (n,) int."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(c, len(numbers)) for c in clusters), int, len(clusters))


def clustered_interval(
    correct: Sequence[bool | float],
    clusters: Sequence[str],
    weights: Sequence[float] | None = None,
) -> tuple[float, float, float]:
    """Return the share of `correct` and its 95 % interval; one cluster's questions are dependent.

    Wilson's interval at the effective sample size: n over the design effect, which comes from the
    cluster-robust variance, and at most that of independent questions. Where that variance is 0,
    as at 0 or 1 and for one cluster, each cluster counts once. Weights count as Kish says: n equal
    ones as n, unequal ones as fewer.

    Args:
        correct: 0 to 1 for each question.
        clusters: Each question's cluster.
        weights: Positive, of any scale; None: all alike.

    Returns:
        (share, low, high); NaN for no questions.
    """
    n = len(correct)
    if n == 0:
        return math.nan, math.nan, math.nan
    values = np.asarray(correct, dtype=float)
    shares = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    p = float(np.clip((shares * values).sum() / shares.sum(), values.min(), values.max()))
    member = cluster_index(clusters)
    sums = np.bincount(member, weights=shares * (values - p))
    m = len(sums)
    variance = float((sums**2).sum()) * (m / (m - 1) if m > 1 else 1.0) / shares.sum() ** 2
    effective = (
        _kish(np.bincount(member, weights=shares))
        if variance < _ROUNDING
        else min(_kish(shares), p * (1 - p) / variance)
    )
    center = (p + Z95**2 / (2 * effective)) / (1 + Z95**2 / effective)
    half = (
        Z95
        * math.sqrt(p * (1 - p) / effective + Z95**2 / (4 * effective**2))
        / (1 + Z95**2 / effective)
    )
    return p, max(0.0, min(p, center - half)), min(1.0, max(p, center + half))


def _kish(weights: np.ndarray) -> float:
    """Return how many equal weights say as much: (sum w)^2 / sum w^2, from 1 to their number."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def clustered_error(scores: Sequence[float], clusters: Sequence[str]) -> float:
    """Return the standard error of a mean with dependent clusters; NaN for less than two scores.

    The usual s^2 / n plus the cross terms within clusters, as lmms-eval prints it (equation 4 of
    arXiv:2411.00640).
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
