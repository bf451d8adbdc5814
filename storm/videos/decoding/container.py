"""Container detection: whether a path is a regular file, a video container, and not cut off.

Nothing here needs a codec, and nothing that could block (a FIFO, a device) is opened.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from storm.errors import UnreadableVideo

_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
_SIGNATURES = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"OggS", "ogg"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
)
READ = ("MP4 and MOV", "Matroska and WebM", "AVI", "MPEG-TS", "MPEG-PS", "FLV", "Ogg", "ASF (WMV)")
_NOT_READ = (
    (b"GIF8", "GIF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"DKIF", "IVF"),
    (b"YUV4MPEG2", "YUV4MPEG"),
    (b"nut/multimedia", "NUT"),
    (b".RMF", "RealMedia"),
    (b"\x06\x0e\x2b\x34", "MXF"),
    (b"\xb7\xd8\x00\x20", "WTV"),
    (b"FWS", "Flash"),
    (b"CWS", "Flash"),
    (b"\x00\x00\x01\xb3", "a bare MPEG-1 or MPEG-2 stream"),
    (b"\x00\x00\x01\xb0", "a bare MPEG-4 stream"),
    (b"\x00\x00\x00\x01", "a bare H.264, HEVC or VVC stream"),
    (b"\x00\x00\x01", "a bare H.264, HEVC or VVC stream"),
)
_TS_PACKETS = (188, 192, 204)  # bytes, by variant


def detect_container(path: Path) -> str:
    """Return FFmpeg's name of the container, detected from the file's first bytes.

    Raises:
        UnreadableVideo: With the reason `missing`, `not_a_file`, `no_permission`, `empty_file`,
            `not_a_video`, `unsupported_container` or, if the container says that it is longer than
            the file, `damaged`.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UnreadableVideo("missing", f"expected a video file, found nothing: {path}") from None
    except PermissionError:
        raise UnreadableVideo("no_permission", f"may not look at {path}") from None
    except (OSError, ValueError) as error:  # a link that points at itself, a name with a NUL
        raise UnreadableVideo("missing", f"can't look at {str(path)!r}: {error}") from None
    if not stat.S_ISREG(status.st_mode):
        found = "directory" if stat.S_ISDIR(status.st_mode) else "pipe, socket or device"
        raise UnreadableVideo("not_a_file", f"expected a regular file, found a {found}: {path}")
    if status.st_size == 0:
        raise UnreadableVideo("empty_file", f"expected a video, found 0 bytes: {path}")
    try:
        with path.open("rb") as file:
            head = file.read(1024)
            container = _container_of(head)
            if container is None:
                raise _refusal(path, head)
            _check_not_cut(path, container, file, status.st_size, head)
    except PermissionError:
        raise UnreadableVideo("no_permission", f"may not read {path}") from None
    return container


def _container_of(head: bytes) -> str | None:
    if head[4:8] in _ISO_BOXES:
        return "mp4"
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return "avi"
    named = next((name for magic, name in _SIGNATURES if head.startswith(magic)), None)
    return named or ("mpegts" if _is_transport_stream(head) else None)


def _is_transport_stream(head: bytes) -> bool:
    """Whether packets follow each other, the first of which may be cut."""
    return any(
        all(head[at : at + 1] == b"G" for at in (start, start + size, start + 2 * size))
        for size in _TS_PACKETS
        for start in range(size)
    )


def _refusal(path: Path, head: bytes) -> UnreadableVideo:
    """Return why a file without a known container is not read."""
    expected = f"expected one of {', '.join(READ)}"
    name = next((name for magic, name in _NOT_READ if head.startswith(magic)), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        name = "WebP"
    if name is None:
        return UnreadableVideo("not_a_video", f"{expected}, found {head[:12]!r}: {path}")
    return UnreadableVideo(
        "unsupported_container",
        f"{expected}, found {name}: convert it, e.g. with `ffmpeg -i FILE OUT.mp4`: {path}",
    )


def _check_not_cut(path: Path, container: str, file: BinaryIO, size: int, head: bytes) -> None:
    if container == "mp4":
        end = _end_of_boxes(file, size)
    elif container == "avi":
        end = 8 + int.from_bytes(head[4:8], "little")
    elif container == "matroska":
        end = _end_of_segment(head, size)
    else:
        return
    if end > size:
        raise UnreadableVideo(
            "damaged", f"expected at least {end:,} bytes, found {size:,}: the tail is cut: {path}"
        )


def count_avi_chunks(path: Path, stream: int) -> int:
    """Count the chunks of a video stream in an AVI file, with the empty ones of dropped frames."""
    name, count = b"%02d" % stream, 0
    size = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        while position + 8 <= size:
            file.seek(position)
            head = file.read(12)
            if head[:4] in (b"RIFF", b"LIST"):
                inside = head[8:12] in (b"AVI ", b"AVIX", b"movi", b"rec ")
            else:
                inside = False
                count += head[:2] == name and head[2:4] in (b"dc", b"db")
            length = int.from_bytes(head[4:8], "little")
            position += 12 if inside else 8 + length + length % 2
    return count


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Return the offset at which the last top-level box ends (fragments are boxes too)."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # up to the end of the file
            return size
        if length < 8 or not all(32 <= byte < 127 or byte == 0xA9 for byte in header[4:8]):
            return position  # padding after the last box; the decoder judges the rest
        position += length
    return position


def _end_of_segment(head: bytes, size: int) -> int:
    """Return the offset at which the first Matroska segment says that it ends."""
    length, position = _vint(head, 4)
    position += length or 0
    if head[position : position + 4] != b"\x18\x53\x80\x67":
        return size
    length, position = _vint(head, position + 4)
    return size if length is None else position + length


def _vint(data: bytes, position: int) -> tuple[int | None, int]:
    """Return an EBML number (None if unknown) and the offset after it."""
    if position >= len(data) or data[position] == 0:
        return None, position + 1
    width = 9 - data[position].bit_length()
    value = int.from_bytes(data[position : position + width], "big") & ((1 << 7 * width) - 1)
    unknown = value == (1 << 7 * width) - 1
    return (None if unknown else value), position + width
