"""Hard cuts between shots, found in frames that are already decoded."""

from __future__ import annotations

import numpy as np

_BINS = 16


def find_cuts(frames: np.ndarray, least: float = 0.18) -> list[tuple[int, float]]:
    """First frame of each shot but the clip's own first, with the strength of its cut (0 to 1).

    `frames` (T, H, W, 3) uint8. A cut changes the share of each colour suddenly: at least
    `least` of all pixels change their bin, and six times what is usual in this clip.
    """
    if len(frames) < 3:
        return []
    colours = (frames // (256 // _BINS)).reshape(len(frames), -1, 3)
    colours = colours + np.arange(3, dtype=np.uint8) * _BINS
    histograms = np.stack([np.bincount(c.reshape(-1), minlength=3 * _BINS) for c in colours])
    change = np.abs(np.diff(histograms, axis=0)).sum(1) / (2 * colours[0].size)
    usual = max(float(np.median(change)), 1e-3)
    return [
        (t + 1, float(change[t]))
        for t in np.flatnonzero((change >= least) & (change >= 6 * usual)).tolist()
    ]
