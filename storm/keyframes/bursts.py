"""What to keep of a signal of bursts: cuts, peaks, then the onsets and ends of the strongest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from storm.keyframes.base import Choice
from storm.keyframes.peaks import Peak, apart, find_peaks, smoothed
from storm.keyframes.shots import Cut


def choose_bursts(
    signal: np.ndarray,
    times: np.ndarray,
    cuts: Sequence[Cut],
    room: int,
    *,
    prominence: float,
    smooth_seconds: float,
) -> list[Choice]:
    """At most `room` choices, none of them the first or the last frame.

    Half of the room is for cuts first. Peaks count from `prominence` of the largest one and half
    of what is usual. Onsets and ends take no more than half of what peaks and cuts leave: the
    other half is for coverage.
    """
    shots = [
        Choice(cut.index, "shot", cut.strength)
        for cut in sorted(cuts, key=lambda cut: (-cut.strength, cut.index))
    ]
    signal = smoothed(signal, times, smooth_seconds)
    taken = {0, len(times) - 1, *(cut.index for cut in cuts)}
    usual = float(np.median(signal))
    found = strongest(find_peaks(signal), prominence, 0.5 * usual, taken)
    peaks = apart(found, times, 1.5 * smooth_seconds, taken)
    largest = max((p.prominence for p in peaks), default=1.0)
    events = [Choice(p.index, "motion_peak", p.prominence / largest) for p in peaks]
    sure = shots[: room // 2]
    chosen = (sure + events[: room - len(sure)] + shots[len(sure) :])[:room]
    edges: list[Choice] = []
    for peak, event in zip(peaks, events, strict=True):
        edges.append(Choice(peak.onset, "motion_onset", event.score))
        edges.append(Choice(peak.end, "motion_end", event.score))
    taken = {0, len(times) - 1, *(c.index for c in chosen)}
    spare = (room - len(chosen)) // 2
    return chosen + apart(edges, times, smooth_seconds, taken)[:spare]


def strongest(
    peaks: Sequence[Peak], share: float, least: float, taken: Collection[int]
) -> list[Peak]:
    """Those of at least `share` of the largest prominence, and `least`; the largest first."""
    peaks = [p for p in peaks if p.index not in taken]
    largest = max((p.prominence for p in peaks), default=0.0)
    if largest <= 0:
        return []
    kept = [p for p in peaks if p.prominence >= max(least, share * largest)]
    return sorted(kept, key=lambda p: (-p.prominence, p.index))
