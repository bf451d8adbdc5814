"""Intervals for accuracies of questions that share videos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z95 = 1.959963984540054


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
    cluster-robust variance, and at most n. At 0 or 1, where that variance is 0, each cluster
    counts once.

    Args:
        correct: 0 to 1 for each question.
        clusters: Each question's cluster.
        weights: Positive; None: all alike.

    Returns:
        (share, low, high); NaN for no questions.
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
    center = (p + Z95**2 / (2 * effective)) / (1 + Z95**2 / effective)
    half = (
        Z95
        * math.sqrt(p * (1 - p) / effective + Z95**2 / (4 * effective**2))
        / (1 + Z95**2 / effective)
    )
    return p, max(0.0, min(p, center - half)), min(1.0, max(p, center + half))


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
