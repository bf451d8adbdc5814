"""Digests of files that no stage made, remembered by path, size and time.

The memory lies in the user's cache folder; losing it costs reading the files once more.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sqlite3
import threading
from pathlib import Path

from storm.store import sha256_file

_TABLE = "CREATE TABLE IF NOT EXISTS digests (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL)"


@functools.cache
def _memory(cache: Path, process: int, thread: int) -> sqlite3.Connection:
    """A connection outlives neither a fork nor its thread, so each has one of its own."""
    cache.mkdir(parents=True, exist_ok=True)
    memory = sqlite3.connect(cache / "digests.sqlite", timeout=30)
    memory.execute(_TABLE)
    return memory


def cached_sha256(path: Path) -> str:
    """sha256 of a file; read again only if its size or time has changed."""
    stat = path.stat()
    key = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storm"
    try:
        with _memory(cache, os.getpid(), threading.get_ident()) as memory:
            found = memory.execute("SELECT sha256 FROM digests WHERE file = ?", (key,)).fetchone()
            if found is None:
                found = (sha256_file(path),)
                memory.execute("INSERT OR REPLACE INTO digests VALUES (?, ?)", (key, *found))
            return found[0]
    except (sqlite3.Error, PermissionError):  # no memory to be had: read it each time
        return sha256_file(path)


def cached_sha256_tree(folder: Path) -> str:
    """Over names and contents of all files below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{cached_sha256(path)}\n".encode())
    return digest.hexdigest()
