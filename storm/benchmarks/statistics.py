"""Intervals for accuracies of questions that share videos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z95 = 1.959963984540054


def clustered_interval(
    correct: Sequence[bool], clusters: Sequence[str]
) -> tuple[float, float, float]:
    """Share of `correct` and its 95 % interval; questions of one cluster count as dependent.

    Wilson's interval at the effective sample size: n over the design effect that the
    cluster-robust variance gives, never more than n. At 0 or 1, where that variance is
    nothing, each cluster counts once. Returns (share, low, high); NaN for no questions.
    """
    n = len(correct)
    if n == 0:
        return math.nan, math.nan, math.nan
    values = np.asarray(correct, dtype=float)
    p = float(values.mean())
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(member, weights=values - p)
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
