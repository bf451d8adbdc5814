"""Sealed shard: an Arrow IPC stream of rows, each with its key and digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from storm.artifacts import arrow as tables
from storm.row_values import digest_of

_BATCH_ROWS, _BATCH_BYTES = 256, 1 << 20  # of a record batch, at most
Row = TypeVar("Row")


def shard_name(number: int) -> str:
    """Return the stem of a shard's journal, lock and Arrow file."""
    return f"shard-{number:05d}"


def open_shard(path: Path) -> pa.Table:
    """Return a sealed shard, memory-mapped."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_stream(source).read_all()


def rows_of(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """Yield the rows of a sealed shard, a few in memory at a time."""
    for batch in open_shard(path).to_batches(max_chunksize=64):
        yield from tables.from_table(pa.Table.from_batches([batch]), row_type)


def keyed_rows_of(
    path: Path, row_type: type[Row], wanted: Callable[[str, str], bool]
) -> Iterator[tuple[Row, str]]:
    """Yield the rows of a sealed shard for which `wanted(id, key)`, with their keys."""
    for batch in open_shard(path).to_batches():
        keys = list(zip(batch["id"].to_pylist(), batch["_key"].to_pylist(), strict=True))
        at = [n for n, (item_id, key) in enumerate(keys) if wanted(item_id, key)]
        if at:
            rows = tables.from_table(pa.Table.from_batches([batch.take(pa.array(at))]), row_type)
            yield from zip(rows, (keys[n][1] for n in at), strict=True)


def digests_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield id and digest of each row of a shard."""
    for batch in open_shard(path).select(["id", "_digest"]).to_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def rows_digest_of(paths: Iterable[Path]) -> str:
    """Return one digest of all rows of some shards."""
    digest = hashlib.sha256()
    for path in paths:
        for item_id, row_digest in digests_of(path):
            digest.update(f"{row_digest}{item_id}\0".encode())
    return digest.hexdigest()


def write_rows(file: BinaryIO, rows: Iterable[Any], keys: Iterable[str]) -> None:
    """Write rows and their keys, one record batch in memory at a time.

    `rows` is iterated over twice.
    """
    shapes, writer = tables.shapes_of(rows), None
    for batch in _batches(zip(rows, keys, strict=True)):
        some, their_keys = zip(*batch, strict=True)
        table = tables.to_table(some, shapes)
        table = table.append_column("_key", pa.array(their_keys, pa.string()))
        table = table.append_column("_digest", pa.array([digest_of(r) for r in some]))
        writer = writer or pa.ipc.new_stream(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _batches(rows: Iterable[tuple[Any, str]]) -> Iterator[list[tuple[Any, str]]]:
    """Yield the rows of one record batch at a time; the cuts depend only on the rows."""
    batch, size = [], 0
    for row, key in rows:
        batch.append((row, key))
        size += tables.bytes_of(row)
        if len(batch) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
