"""The journal of a shard: one checksummed record for each finished item.

    record := b"SJ01" length:u32 checksum:8 bytes payload
    payload := header length:u32, header (JSON), row (Arrow IPC stream, empty if rejected)

A process that is killed leaves at most a torn last record, which `scan` drops.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from storm.artifacts.arrow import from_table, to_table
from storm.artifacts.fs import writing
from storm.records import Rejected

_MAGIC = b"SJ01"
_HEAD = struct.Struct("<4sI8s")


@dataclass(frozen=True)
class Entry:
    id: str
    key: str
    outcome: Any  # a row, or Rejected

    @property
    def rejected(self) -> bool:
        return isinstance(self.outcome, Rejected)


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=8).digest()


def _encode(entry: Entry) -> bytes:
    header: dict[str, Any] = {"id": entry.id, "key": entry.key}
    body = b""
    if entry.rejected:
        header["rejected"] = asdict(entry.outcome)
    else:
        table = to_table([entry.outcome])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue().to_pybytes()
    head = json.dumps(header).encode()
    payload = struct.pack("<I", len(head)) + head + body
    return _HEAD.pack(_MAGIC, len(payload), _checksum(payload)) + payload


def _header(payload: bytes) -> tuple[dict[str, Any], int]:
    """What stands before the row, and where that begins."""
    (size,) = struct.unpack_from("<I", payload)
    return json.loads(payload[4 : 4 + size]), 4 + size


def _decode(payload: bytes, row_type: type) -> Entry:
    header, start = _header(payload)
    if "rejected" in header:
        return Entry(header["id"], header["key"], Rejected(**header["rejected"]))
    table = pa.ipc.open_stream(pa.py_buffer(payload).slice(start)).read_all()
    return Entry(header["id"], header["key"], from_table(table, row_type)[0])


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item's last whole record stands in its journal."""

    key: str
    rejected: bool
    at: int  # of the payload, in bytes
    length: int


def _payloads(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Whole records, where the payload begins and what it is; stops at the first that is torn."""
    at = 0
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        magic, length, checksum = _HEAD.unpack(head)
        payload = file.read(length) if magic == _MAGIC else b""
        if magic != _MAGIC or len(payload) < length or _checksum(payload) != checksum:
            return
        yield at + _HEAD.size, payload
        at += _HEAD.size + length


def scan(path: Path, *, repair: bool = True) -> dict[str, Place]:
    """Item id -> where its last record stands. No row is read, so memory stays small.

    `repair` cuts a torn tail off the file; for its owner only.
    """
    places: dict[str, Place] = {}
    end = 0
    try:
        with open(path, "rb") as file:
            for at, payload in _payloads(file):
                header, _ = _header(payload)
                places.pop(header["id"], None)  # the order is that of the last records
                places[header["id"]] = Place(header["key"], "rejected" in header, at, len(payload))
                end = at + len(payload)
            torn = file.seek(0, os.SEEK_END) > end
    except FileNotFoundError:
        return {}
    if repair and torn:
        os.truncate(path, end)
    return places


def read(path: Path, row_type: type, places: Iterable[Place]) -> Iterator[Entry]:
    """The entries at some places, one in memory at a time."""
    with contextlib.ExitStack() as opened:
        file = None
        for place in places:
            file = file or opened.enter_context(open(path, "rb"))
            file.seek(place.at)
            yield _decode(file.read(place.length), row_type)


def keep(path: Path, row_type: type, wanted: Callable[[Entry], bool]) -> dict[str, Place]:
    """Rewrite a journal without the entries that are not wanted; those that stay."""
    places = scan(path)
    entries = read(path, row_type, places.values())
    kept = [p for p, entry in zip(places.values(), entries, strict=True) if wanted(entry)]
    if len(kept) == len(places):
        return places
    with open(path, "rb") as old, writing(path) as new:
        for place in kept:
            old.seek(place.at - _HEAD.size)
            new.write(old.read(_HEAD.size + place.length))
    return scan(path)


class Journal:
    """Appends entries; each is with the kernel when `write` returns."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by __exit__

    def write(self, entry: Entry) -> None:
        record = _encode(entry)
        if self._file.write(record) < len(record):  # no room for all of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
