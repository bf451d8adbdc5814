"""Whole files read in one call, for tests: frames, and why a file is unreadable."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.decode import fetch_frames, verify_decodable
from storm.videos.decoding.probe import DEFAULT_LIMITS, probe
from storm.videos.decoding.streams import Limits
from storm.videos.frames import VideoFrames


def decode_all(
    path: Path, max_edge_px: int | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> VideoFrames:
    """Decode every frame."""
    info = probe(path, limits)
    return fetch_frames(path, info, range(info.frames), max_edge_px, limits=limits)


def decode_at(
    path: Path,
    pts_seconds: Sequence[float],
    *,
    verified: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> VideoFrames:
    """Decode the frame nearest to each time, in the order given."""
    info = probe(path, limits)
    nearest = [info.nearest(time) for time in pts_seconds]
    return fetch_frames(path, info, nearest, verified=verified, limits=limits)


def fault_of(path: Path, **limits: float) -> str:
    """Return why a file is unreadable; every way of reading it must agree."""
    reasons = set()
    bounds = Limits(**limits)  # pyright: ignore[reportArgumentType]
    for read in (
        verify_decodable,
        decode_all,
        lambda p, limits: decode_at(p, [0.5], limits=limits),
    ):
        with pytest.raises(UnreadableVideo) as caught:
            read(path, limits=bounds)
        assert caught.value.detail
        reasons.add(caught.value.reason)
    assert len(reasons) == 1
    return reasons.pop()


def rotate(film: Path, path: Path, b: int) -> Path:
    """Write the film with a display matrix that turns it by 90 degrees, clockwise for b = 1."""
    one = 1 << 16
    matrix = (0, b * one, 0, -b * one, 0, 0, 0, 0, 1 << 30)  # a b 0 / c d 0 / x y 1
    data = bytearray(film.read_bytes())
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    start = data.index(plain, data.index(b"tkhd"))
    data[start : start + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    return path
