"""A file's video stream, its packets and its frames, with a codec that conceals nothing.

What the codec would conceal is an error here. What FFmpeg itself never shows is none: pictures that
lead a cut and refer to what was cut away, and messages beside the pictures (SEI) that are broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from storm.errors import UnreadableVideo

_SEI_UNITS = {"h264": "6", "hevc": "39|40", "vvc": "23|24"}  # types of NAL units, by codec


@dataclass(frozen=True)
class Limits:
    """Bounds on a video, checked before and while it is decoded."""

    max_duration_seconds: float = 3600.0
    max_frames: int = 500_000
    max_pixels: int = 8192 * 4320  # of one frame
    max_streams: int = 32
    max_decoded_bytes: int = 4 << 30  # of all frames that one call returns
    min_frames: int = 2


@dataclass(frozen=True)
class StreamRules:
    """What of a stream is decoded.

    Attributes:
        shown_from: Tick of the first picture that is shown; what leads it is not decoded. None:
            every picture is.
        without_sei: Whether the messages beside the pictures are left out.
        forgets: Whether pictures up to the second key frame may tell the codec to forget pictures
            that were cut away.
    """

    shown_from: int | None = None
    without_sei: bool = False
    forgets: bool = False


ALL = StreamRules()


@contextmanager
def open_stream(
    path: Path, container: str, limits: Limits, *, strict: bool = True, **options: str
) -> Iterator[Any]:
    """Open the first video stream that moves.

    Args:
        path: A file.
        container: Its container, as FFmpeg calls it.
        limits: Bounds on the file.
        strict: Whether the codec reports damage instead of concealing it.
        options: FFmpeg's options for reading the container.

    Yields:
        The `av.VideoStream`.

    Raises:
        UnreadableVideo: Also for FFmpeg's errors within the `with` block.
    """
    import av
    from av.error import FFmpegError

    av.logging.set_level(None)
    try:
        with av.open(str(path), format=container, options=options) as file:
            if len(file.streams) > limits.max_streams:
                raise UnreadableVideo(
                    "too_many_streams",
                    f"expected at most {limits.max_streams} streams, found {len(file.streams)}",
                )
            stream = _moving(file)
            if stream is None:
                raise UnreadableVideo("no_video_stream", f"found no video stream in {path}")
            if stream.codec_context is None:
                raise UnreadableVideo(
                    "unsupported_codec", f"expected a codec that FFmpeg decodes in {path}"
                )
            if strict:
                stream.codec_context.options = {"err_detect": "explode"}
            stream.codec_context.thread_count = 1
            yield stream
    except FFmpegError as error:
        raise UnreadableVideo("damaged", f"{error.strerror}: {path}") from None


def _moving(file: Any) -> Any:
    """Return the first video stream with two packets, else the first; covers don't count."""
    videos = [s for s in file.streams.video if not s.disposition & s.disposition.attached_pic]
    if len(videos) < 2:
        return next(iter(videos), None)
    packets: Counter[int] = Counter()
    for packet in file.demux(videos):
        packets[packet.stream.index] += packet.size > 0
        if packets[videos[0].index] > 1:
            break
    file.seek(0)
    return next((s for s in videos if packets[s.index] > 1), videos[0])


def tick_of(packet: Any) -> int | None:
    """Return when a packet's picture is shown, as stored; None where the file doesn't say."""
    return packet.dts if packet.pts is None else packet.pts


def iter_packets(stream: Any, limits: Limits, rules: StreamRules = ALL) -> Iterator[Any]:
    """Yield the stream's packets; frames of those marked `is_discard` are not shown.

    What is left out leads the first key frame, and neither FFmpeg nor an edit list shows it.
    """
    count, keys, key_tick = 0, 0, None
    for packet in stream.container.demux(stream):
        if not packet.size:
            continue
        tick = tick_of(packet)
        if packet.is_keyframe:
            keys += 1
            key_tick = tick if keys == 1 else None
        elif keys == 0 and (packet.is_corrupt or rules.shown_from is not None):
            continue  # what is left of pictures before a cut
        elif key_tick is not None and tick is not None and tick < key_tick:
            shown_from = key_tick if packet.is_discard else rules.shown_from
            if shown_from is not None and tick < shown_from:
                continue
        if packet.is_corrupt:
            raise UnreadableVideo("damaged", f"packet {count} is marked as corrupt")
        count += 1
        if count > limits.max_frames:
            raise UnreadableVideo("too_long", f"expected at most {limits.max_frames:,} frames")
        yield packet


def count_samples(path: Path, container: str, limits: Limits) -> int:
    """Count the samples that a file holds, with the empty ones and those an edit list hides."""
    with open_stream(path, container, limits, ignore_editlist="1") as stream:
        packets = stream.container.demux(stream)
        return sum(1 for packet in packets if packet.size or tick_of(packet) is not None)


def read_frames(
    path: Path, container: str, limits: Limits, rules: StreamRules = ALL
) -> Generator[Any, None, StreamRules]:
    """Yield every `av.VideoFrame` of a file; one with errors raises `UnreadableVideo`.

    Returns:
        The rules by which the whole file could be read: those given, or else others under which
        every picture is sound.
    """
    others: list[StreamRules] | None = None
    done = 0
    while True:
        try:
            with open_stream(path, container, limits, strict=not rules.forgets) as stream:
                if others is None:
                    others = _other_rules(stream.codec_context.name, rules)
                frames = decode_packets(stream, iter_packets(stream, limits, rules), rules)
                for frame in islice(frames, done, None):
                    yield frame
                    done += 1
            return rules
        except UnreadableVideo as error:
            if error.reason != "damaged" or not others:
                raise
            rules = others.pop(0)


def _other_rules(codec: str, rules: StreamRules) -> list[StreamRules]:
    """Return the rules to try if a file can't be read under the given ones."""
    found = []
    if codec in _SEI_UNITS and not rules.without_sei:
        found.append(replace(rules, without_sei=True))
    if codec == "h264" and not rules.forgets:
        found.append(replace(rules, forgets=True))
    return found


def decode_packets(stream: Any, packets: Iterable[Any], rules: StreamRules) -> Iterator[Any]:
    """Yield the frames of some packets of a stream and of the codec's delay after them."""
    index, keys = 0, 0
    packets = _without_sei(stream, packets) if rules.without_sei else packets
    for packet in chain(packets, [None]):
        keys += packet is not None and packet.is_keyframe
        for frame in _decode(stream.codec_context, packet, rules.forgets, first_group=keys < 2):
            if frame.is_corrupt:
                raise UnreadableVideo("damaged", f"frame {index} is corrupt")
            yield frame
            index += 1


def _decode(codec: Any, packet: Any, forgets: bool, *, first_group: bool) -> list[Any]:
    """Decode a packet; with `forgets`, whatever a codec that is not strict complains of is damage.

    A strict codec also stops at a picture after a cut that says to forget one before it.
    """
    if not forgets:
        return codec.decode(packet)
    from av import logging

    logging.set_level(logging.ERROR)
    logging.set_skip_repeated(False)
    try:
        with logging.Capture() as complaints:
            frames = codec.decode(packet)
    finally:
        logging.set_level(None)
    for _, _, message in complaints:
        if not (first_group and "mmco: unref short failure" in message):
            raise UnreadableVideo("damaged", message.strip())
    return frames


def _without_sei(stream: Any, packets: Iterable[Any]) -> Iterator[Any]:
    from av.bitstream import BitStreamFilterContext

    units = _SEI_UNITS[stream.codec_context.name]
    pictures = BitStreamFilterContext(f"filter_units=remove_types={units}", stream)
    for packet in packets:
        yield from pictures.filter(packet)
