"""The journal of a shard: one checksummed record for each finished item.

    record := b"SJ01" length:u32 checksum:8 bytes payload
    payload := header length:u32, header (JSON), row (Arrow IPC stream, empty if rejected)

A process that is killed leaves at most a torn last record, which `replay` drops.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from storm import records
from storm.records import Rejected
from storm.store import write_atomic

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
        table = records.to_table([entry.outcome])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue().to_pybytes()
    head = json.dumps(header).encode()
    payload = struct.pack("<I", len(head)) + head + body
    return _HEAD.pack(_MAGIC, len(payload), _checksum(payload)) + payload


def _decode(payload: bytes, row_type: type) -> Entry:
    (size,) = struct.unpack_from("<I", payload)
    header = json.loads(payload[4 : 4 + size])
    if "rejected" in header:
        return Entry(header["id"], header["key"], Rejected(**header["rejected"]))
    table = pa.ipc.open_stream(payload[4 + size :]).read_all()
    return Entry(header["id"], header["key"], records.from_table(table, row_type)[0])


def _payloads(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Whole records and where each ends; stops at the first that is torn."""
    at = 0
    while at + _HEAD.size <= len(data):
        magic, length, checksum = _HEAD.unpack_from(data, at)
        payload = data[at + _HEAD.size : at + _HEAD.size + length]
        if magic != _MAGIC or len(payload) < length or _checksum(payload) != checksum:
            return
        at += _HEAD.size + length
        yield payload, at


def replay(path: Path, row_type: type, *, repair: bool = True) -> dict[str, Entry]:
    """Item id -> its last entry. `repair` cuts a torn tail off the file; for its owner only."""
    try:
        data, end, entries = path.read_bytes(), 0, {}
    except FileNotFoundError:
        return {}
    for payload, end in _payloads(data):  # noqa: B007 - `end` is used below
        entry = _decode(payload, row_type)
        entries[entry.id] = entry
    if repair and end < len(data):
        os.truncate(path, end)
    return entries


def keep(path: Path, row_type: type, wanted: Callable[[Entry], bool]) -> dict[str, Entry]:
    """Rewrite a journal without the entries that are not wanted; those that stay."""
    entries = replay(path, row_type)
    kept = {item_id: entry for item_id, entry in entries.items() if wanted(entry)}
    if len(kept) < len(entries):
        write_atomic(path, b"".join(_encode(entry) for entry in kept.values()))
    return kept


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
