"""Peaks of a signal over time: where, how prominent, from where to where."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np


@dataclass(frozen=True)
class Peak:
    """A local maximum and its extent."""

    index: int  # the middle of its top
    prominence: float  # the least descent before one can climb higher
    onset: int  # where the signal leaves the foot
    end: int  # where it is back there


class _Placed(Protocol):
    @property
    def index(self) -> int: ...


P = TypeVar("P", bound=_Placed)


def find_peaks(signal: np.ndarray, top: float = 0.35, foot: float = 0.8) -> list[Peak]:
    """Return the local maxima in order.

    A peak's index is the middle of its top, the samples within `top` of its prominence (in a fade
    every frame changes as much). It begins and ends where it is down by `foot` of its prominence.
    """
    peaks = []
    i, n = 0, len(signal)
    while i < n:
        j = i
        while j + 1 < n and signal[j + 1] == signal[i]:
            j += 1
        if (i == 0 or signal[i - 1] < signal[i]) and (j == n - 1 or signal[j + 1] < signal[i]):
            peaks.append(_peak(signal, i, j, top, foot))
        i = j + 1
    return peaks


def _peak(signal: np.ndarray, first: int, last: int, top: float, foot: float) -> Peak:
    height = signal[first]
    higher = np.flatnonzero(signal > height)
    before, after = higher[higher < first], higher[higher > last]
    left = int(before[-1]) + 1 if len(before) else 0
    right = int(after[0]) - 1 if len(after) else len(signal) - 1
    prominence = float(height - max(signal[left : first + 1].min(), signal[last : right + 1].min()))
    a, b = _around(signal, first, last, height - top * prominence, left, right)
    onset, end = _around(signal, first, last, height - foot * prominence, left, right)
    return Peak((a + b) // 2, prominence, onset, end)


def _around(
    signal: np.ndarray, first: int, last: int, level: float, left: int, right: int
) -> tuple[int, int]:
    while first > left and signal[first - 1] >= level:
        first -= 1
    while last < right and signal[last + 1] >= level:
        last += 1
    return first, last


def apart(items: Iterable[P], times: np.ndarray, seconds: float, taken: Collection[int]) -> list[P]:
    """Keep the items that are over `seconds` from all `taken` frames and from kept ones."""
    near = [float(times[i]) for i in taken]
    kept = []
    for item in items:
        time = float(times[item.index])
        if all(abs(time - other) > seconds for other in near):
            near.append(time)
            kept.append(item)
    return kept


def smoothed(
    signal: np.ndarray, times: np.ndarray, seconds: float, box: bool = False
) -> np.ndarray:
    """Smooth by a mean over `seconds` (box) or a Gaussian of that full width at half maximum."""
    step = float(times[-1] - times[0]) / max(len(times) - 1, 1)
    width = int(seconds / max(step, 1e-6))
    if width < 2:
        return signal
    width += 1 - width % 2
    if box:
        kernel = np.full(width, 1.0)
    else:
        kernel = np.exp(-4 * np.log(2) * (np.arange(-width, width + 1) / width) ** 2)
    padded = np.pad(signal, len(kernel) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), "valid")
