"""Which frames a file shows: from its packets, or by decoding them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from storm.errors import UnreadableVideo
from storm.videos.decoding.streams import (
    Limits,
    StreamRules,
    iter_packets,
    read_frames,
    tick_of,
)

_OPENING = 8  # frames that are decoded to see that packets and frames agree


@dataclass(frozen=True)
class FrameRecord:
    """What is known of a frame without its pixels."""

    tick: int | None
    duration: int | None  # in ticks
    dts: int | None = None
    size: int = 0  # of its packet, bytes; 0 if not known
    is_key: bool = False
    leads: bool = False  # it stands behind the first key frame or before it, and is shown earlier

    def when(self) -> int:
        """Return the tick of a frame that has one."""
        assert self.tick is not None
        return self.tick


def scan_packets(stream: Any, limits: Limits) -> tuple[list[FrameRecord], list[Any]]:
    """Return a record for each packet that shows a frame, and the first frames.

    The first ones are decoded as FFmpeg does by itself: what it doesn't show, nobody sees.
    """
    opening: list[Any] = []
    records: list[FrameRecord] = []
    first_key: int | None = None
    keys = 0
    for packet in iter_packets(stream, limits):
        tick = tick_of(packet)
        keys += packet.is_keyframe
        first_key = tick if keys == 1 and packet.is_keyframe else first_key
        early = keys == 1 and tick is not None and first_key is not None and tick < first_key
        if not packet.is_discard:
            records.append(
                FrameRecord(
                    tick,
                    packet.duration,
                    packet.dts,
                    packet.size,
                    packet.is_keyframe,
                    leads=keys == 0 or early,
                )
            )
        if len(opening) < _OPENING:
            opening += _shown(stream, packet)
    if len(opening) < _OPENING:
        opening += _shown(stream, None)
    if records and not opening:
        raise UnreadableVideo("damaged", f"none of {len(records)} packets can be decoded")
    return records, opening[:_OPENING]


def _shown(stream: Any, packet: Any) -> list[Any]:
    from av.error import InvalidDataError

    try:
        return stream.codec_context.decode(packet)
    except InvalidDataError:  # if it matters, the strict reader says so
        return []


def without_leading(
    records: list[FrameRecord], first_shown: int | None
) -> tuple[list[FrameRecord], StreamRules]:
    """Leave out pictures that lead a cut and that FFmpeg doesn't show."""
    if first_shown is None:
        return records, StreamRules()
    shown = [r for r in records if not (r.leads and r.tick is not None and r.tick < first_shown)]
    return shown, StreamRules(first_shown if len(shown) < len(records) else None)


def agree(records: Sequence[FrameRecord], opening: Sequence[Any]) -> bool:
    """Whether the first frames are those of the first packets, in order of showing or of storing.

    They are not where a packet shows no frame, such as the second field of a picture.
    """
    if not in_order(opening):
        return True
    ticks = [r.tick for r in records[: 4 * _OPENING]]
    return None not in ticks and [f.pts for f in opening] == sorted(ticks)[: len(opening)]  # pyright: ignore


def in_order(frames: Sequence[Any]) -> bool:
    """Whether the codec gives decoded frames increasing times."""
    times = [frame.pts for frame in frames]
    return None not in times and all(a < b for a, b in pairwise(times))


def scan_frames(
    path: Path, container: str, limits: Limits, rules: StreamRules
) -> list[FrameRecord]:
    """Return a record for each frame, by decoding them all."""
    frames = read_frames(path, container, limits, rules)
    return [FrameRecord(frame.pts, frame.duration) for frame in frames]
