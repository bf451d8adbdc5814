"""Frames at events of a signal: cuts, peaks, then the onsets and ends of the strongest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from storm.keyframes.base import Selection
from storm.keyframes.peaks import Peak, apart, find_peaks, smoothed
from storm.keyframes.shots import Cut


def select_event_frames(
    signal: np.ndarray,
    times: np.ndarray,
    cuts: Sequence[Cut],
    room: int,
    *,
    prominence: float,
    smooth_seconds: float,
) -> list[Selection]:
    """Select at most `room` frames, none of them the first or the last.

    Half of the room is for cuts first. Peaks count from `prominence` of the largest one and half
    of the median. Onsets and ends take no more than half of what peaks and cuts leave: the other
    half is for coverage.

    Args:
        signal: (T,) how much happens at each frame.
        times: (T,) seconds.
        cuts: Hard cuts; their frames are no peaks.
        room: Frames at most.
        prominence: Share of the largest peak's prominence that a peak needs.
        smooth_seconds: Width of the smoothing.
    """
    shots = [
        Selection(cut.index, "shot", cut.strength)
        for cut in sorted(cuts, key=lambda cut: (-cut.strength, cut.index))
    ]
    signal = smoothed(signal, times, smooth_seconds)
    taken = {0, len(times) - 1, *(cut.index for cut in cuts)}
    median = float(np.median(signal))
    candidates = strongest(find_peaks(signal), prominence, 0.5 * median, taken)
    peaks = apart(candidates, times, 1.5 * smooth_seconds, taken)
    largest = max((p.prominence for p in peaks), default=1.0)
    events = [Selection(p.index, "motion_peak", p.prominence / largest) for p in peaks]
    first_cuts = shots[: room // 2]
    chosen = (first_cuts + events[: room - len(first_cuts)] + shots[len(first_cuts) :])[:room]
    edges: list[Selection] = []
    for peak, event in zip(peaks, events, strict=True):
        edges.append(Selection(peak.onset, "motion_onset", event.score))
        edges.append(Selection(peak.end, "motion_end", event.score))
    taken = {0, len(times) - 1, *(c.index for c in chosen)}
    spare = (room - len(chosen)) // 2
    return chosen + apart(edges, times, smooth_seconds, taken)[:spare]


def strongest(
    peaks: Sequence[Peak], share: float, least: float, taken: Collection[int]
) -> list[Peak]:
    """Return the peaks of at least `share` of the largest prominence and `least`, largest first.

    Of peaks with one middle, as a peak on the top of another can have, the largest.
    """
    peaks = [p for p in peaks if p.index not in taken]
    largest = max((p.prominence for p in peaks), default=0.0)
    if largest <= 0:
        return []
    kept = [p for p in peaks if p.prominence >= max(least, share * largest)]
    found: dict[int, Peak] = {}
    for peak in sorted(kept, key=lambda p: (-p.prominence, p.index)):
        found.setdefault(peak.index, peak)
    return list(found.values())
