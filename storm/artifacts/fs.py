"""Files: digests, atomic writes, JSON."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from storm.errors import StoreError


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's contents."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@functools.cache
def _sha256_of_version(path: Path, bytes_: int, mtime_ns: int) -> str:
    return sha256_file(path)


def sha256_once(path: Path) -> str:
    """Return a sealed file's sha256; a process reads it once unless its size or time changes."""
    stat = path.stat()
    return _sha256_of_version(path, stat.st_size, stat.st_mtime_ns)


def sha256_tree(folder: Path, sha256: Callable[[Path], str] = sha256_file) -> str:
    """Return one digest of the names and contents of all files below `folder`.

    Hidden files don't count: `.git` or Hugging Face's `.cache` hold metadata of a download.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(".") and "/." not in name:
            digest.update(f"{name}\0{sha256(path)}\n".encode())
    return digest.hexdigest()


def digest(value: Any) -> str:
    """Return the sha256 of a JSON value, the same in every process; else raise TypeError."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def renamed_into(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file or folder written there becomes `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file, which becomes `path`, synced, when the block ends well."""
    with renamed_into(path) as temporary, open(temporary, "wb") as f:
        yield f
        f.flush()
        os.fsync(f.fileno())
    sync_folder(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or nothing."""
    with writing(path) as f:
        f.write(data)


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries to disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1).encode() + b"\n")


def read_json(path: Path) -> Any:
    """Return the JSON value in a file; raise StoreError if it is none."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as e:
        raise StoreError(f"expected JSON in {path}, found {e}; remove the folder") from None
