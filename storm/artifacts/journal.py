"""Journal of a shard: one checksummed record for each finished item.

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
    """The outcome of one item."""

    id: str
    key: str
    outcome: Any  # a row, or Rejected

    @property
    def rejected(self) -> bool:
        """Whether the item could not be made."""
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
    """Return the record's header and the offset of the row after it."""
    (size,) = struct.unpack_from("<I", payload)
    return json.loads(payload[4 : 4 + size]), 4 + size


def _decode(payload: bytes, row_type: type) -> Entry:
    header, start = _header(payload)
    if "rejected" in header:
        return Entry(header["id"], header["key"], Rejected(**header["rejected"]))
    table = pa.ipc.open_stream(pa.py_buffer(payload).slice(start)).read_all()
    return Entry(header["id"], header["key"], from_table(table, row_type)[0])


@dataclass(frozen=True, slots=True)
class Record:
    """An item's last whole record in its journal."""

    key: str
    rejected: bool
    offset: int  # of the payload, in bytes
    length: int


def _payloads(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield offset and payload of whole records, up to the first torn one."""
    offset = 0
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        magic, length, checksum = _HEAD.unpack(head)
        payload = file.read(length) if magic == _MAGIC else b""
        if magic != _MAGIC or len(payload) < length or _checksum(payload) != checksum:
            return
        yield offset + _HEAD.size, payload
        offset += _HEAD.size + length


def scan(path: Path, *, repair: bool = True) -> dict[str, Record]:
    """Return each item's last record by its id. No row is read, so memory stays small.

    Args:
        path: The journal; it need not exist.
        repair: Cut a torn tail off the file; only its owner may.
    """
    records: dict[str, Record] = {}
    end = 0
    try:
        with open(path, "rb") as file:
            for offset, payload in _payloads(file):
                header, _ = _header(payload)
                records.pop(header["id"], None)  # in the order of the last records
                rejected = "rejected" in header
                records[header["id"]] = Record(header["key"], rejected, offset, len(payload))
                end = offset + len(payload)
            torn = file.seek(0, os.SEEK_END) > end
    except FileNotFoundError:
        return {}
    if repair and torn:
        os.truncate(path, end)
    return records


def read_entries(path: Path, row_type: type, records: Iterable[Record]) -> Iterator[Entry]:
    """Yield the entries of some records, one in memory at a time."""
    with contextlib.ExitStack() as opened:
        file = None
        for record in records:
            file = file or opened.enter_context(open(path, "rb"))
            file.seek(record.offset)
            yield _decode(file.read(record.length), row_type)


def rewrite(path: Path, row_type: type, keep: Callable[[Entry], bool]) -> dict[str, Record]:
    """Drop the entries that `keep` refuses from a journal; return the records that stay."""
    records = scan(path)
    entries = read_entries(path, row_type, records.values())
    kept = [r for r, entry in zip(records.values(), entries, strict=True) if keep(entry)]
    if len(kept) == len(records):
        return records
    with open(path, "rb") as old, writing(path) as new:
        for record in kept:
            old.seek(record.offset - _HEAD.size)
            new.write(old.read(_HEAD.size + record.length))
    return scan(path)


class Journal:
    """Appends entries to a shard's journal."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by __exit__

    def write(self, entry: Entry) -> None:
        """Hand the entry to the kernel; raise OSError if there is no room for it."""
        record = _encode(entry)
        if self._file.write(record) < len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
