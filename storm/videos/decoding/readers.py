"""Frames as upright RGB pixels, read in order or by seeking."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from storm.errors import UnreadableVideo
from storm.videos.decoding.streams import (
    ALL,
    Limits,
    StreamRules,
    decode_packets,
    open_stream,
    tick_of,
)


@dataclass(frozen=True)
class OutputGeometry:
    """The upright size that frames are scaled to, and the rotation that makes them upright."""

    height_px: int
    width_px: int
    quarter_turns: int  # counterclockwise, as np.rot90 counts

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) before the rotation."""
        if self.quarter_turns % 2:
            return self.width_px, self.height_px
        return self.height_px, self.width_px


class RGBConverter:
    """Converts decoded frames to upright RGB of one size."""

    def __init__(self, geometry: OutputGeometry):
        import av
        from av.video.reformatter import VideoReformatter

        self._geometry = geometry
        # before 16, which lmms-eval wants, PyAV scaled with one thread and had no such argument
        self._threading: dict[str, Any] = (
            {"threads": 1} if int(av.__version__.split(".")[0]) >= 16 else {}
        )
        self._reformatter = VideoReformatter()  # one for all: its tables cost more than a frame

    def __call__(self, frame: Any) -> np.ndarray:
        """Return an `av.VideoFrame` as (H, W, 3) uint8."""
        height, width = self._geometry.stored_size
        scaled = (frame.height, frame.width) != (height, width)
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BICUBIC" if scaled else None,
            **self._threading,
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.rot90(
            rows[:, : width * 3].reshape(height, width, 3), self._geometry.quarter_turns
        )


def read_in_order(
    frames: Iterable[Any], wanted: Sequence[int], geometry: OutputGeometry
) -> np.ndarray:
    """Go through all frames and return those at the increasing indices `wanted`.

    Returns:
        (wanted, H, W, 3) uint8 RGB, upright.
    """
    rows = {index: row for row, index in enumerate(wanted)}
    pixels, convert = _empty(len(rows), geometry), RGBConverter(geometry)
    for index, frame in enumerate(frames):
        if index in rows:
            pixels[rows[index]] = convert(frame)
    return pixels


@dataclass(frozen=True)
class KeyFrame:
    """A frame that decoding can start at."""

    tick: int  # when it is shown, as stored
    dts: int | None  # when it is decoded; None: not known, not after it is shown


def read_by_seeking(
    path: Path,
    container: str,
    ticks: Sequence[int],
    keys: Sequence[KeyFrame],
    geometry: OutputGeometry,
    limits: Limits,
    rules: StreamRules = ALL,
) -> np.ndarray | None:
    """Decode the frames at the increasing `ticks`, each group from the key frame before it.

    A shortcut: what goes wrong on it says nothing about the file.

    Returns:
        (ticks, H, W, 3) uint8 RGB, upright; None where seeking doesn't lead to exactly these
        frames, which must then be read in order.
    """
    pixels, convert = _empty(len(ticks), geometry), RGBConverter(geometry)
    key_ticks, row = [key.tick for key in keys], 0
    try:
        with open_stream(path, container, limits) as stream:
            for number, group in groupby(ticks, lambda tick: bisect_right(key_ticks, tick) - 1):
                wanted = list(group)
                packets = _from_key(stream, keys[number]) if number >= 0 else None
                if packets is None:
                    return None
                last = None
                for frame in decode_packets(stream, packets, rules):
                    if frame.pts is None or frame.pts > wanted[0]:
                        return None
                    if last is not None and frame.pts <= last:
                        return None
                    last = frame.pts
                    if frame.pts == wanted[0]:
                        pixels[row] = convert(frame)
                        row += 1
                        wanted.pop(0)
                    if not wanted:
                        break
    except UnreadableVideo:
        return None
    return pixels if row == len(ticks) else None


def _from_key(stream: Any, key: KeyFrame) -> Iterator[Any] | None:
    """Seek, and return the packets from a key frame on but those that are shown before it.

    Some containers seek by the time of showing and some by that of decoding; whatever lands behind
    the key frame is tried again. None if nothing leads there.
    """
    dts = key.tick if key.dts is None else key.dts
    for target in dict.fromkeys((key.tick, dts)):
        stream.container.seek(target, stream=stream)
        packets = stream.container.demux(stream)
        for packet in packets:
            if packet.is_keyframe and tick_of(packet) == key.tick:
                return _not_before(key.tick, packet, packets)
            if packet.dts is not None and packet.dts > dts:
                break
    return None


def _not_before(tick: int, first: Any, packets: Iterable[Any]) -> Iterator[Any]:
    yield first
    for packet in packets:
        shown = tick_of(packet)
        if packet.size and (shown is None or shown >= tick):
            yield packet


def _empty(count: int, geometry: OutputGeometry) -> np.ndarray:
    return np.empty((count, geometry.height_px, geometry.width_px, 3), np.uint8)
