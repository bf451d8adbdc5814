"""Hard cuts between shots, from color histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cut:
    """The first frame of a shot, and the share of the image that is new, 0 to 1."""

    index: int
    strength: float


def find_cuts(histograms: np.ndarray, least: float = 0.18) -> list[Cut]:
    """Return the cuts in order.

    A cut changes the share of each color suddenly: at least `least` of all pixels change their
    bin, six times the median of this clip, and twice what changes within two frames of it (a fade
    or a flash does not).

    Args:
        histograms: (T, bins) pixels in each bin.
        least: Share of pixels.
    """
    if len(histograms) < 3:
        return []
    difference = np.abs(np.diff(histograms.astype(np.int32), axis=0)).sum(1)
    change = difference / (2 * histograms[0].sum())
    median = max(float(np.median(change)), 1e-3)
    padded = np.pad(change, 2)
    beside = np.max([padded[i : i + len(change)] for i in (0, 1, 3, 4)], axis=0)
    is_cut = (change >= least) & (change >= 6 * median) & (change >= 2 * beside)
    return [Cut(t + 1, float(change[t])) for t in np.flatnonzero(is_cut).tolist()]
