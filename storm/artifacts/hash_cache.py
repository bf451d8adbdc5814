"""Cache of the digests of files that no stage made, by path, size and time.

It is kept in the user's cache folder; without it the files are read again.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
from pathlib import Path

from storm.artifacts.fs import sha256_file, sha256_tree
from storm.errors import ConfigError

COMMIT = r"^[0-9a-f]{40}$"  # of the hub: what a branch or a tag names can change
_TABLE = "CREATE TABLE IF NOT EXISTS digests (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL)"


@functools.cache
def _cache(cache: Path, process: int, thread: int) -> sqlite3.Connection:
    """Open the cache; a connection outlives neither a fork nor its thread."""
    cache.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(cache / "digests.sqlite", timeout=30)
    connection.execute(_TABLE)
    return connection


def cached_sha256(path: Path) -> str:
    """Return the sha256 of a file, read again only if its size or time has changed."""
    stat = path.stat()
    key = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storm"
    try:
        with _cache(cache, os.getpid(), threading.get_ident()) as connection:
            row = connection.execute("SELECT sha256 FROM digests WHERE file = ?", (key,)).fetchone()
            if row is None:
                row = (sha256_file(path),)
                connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?)", (key, *row))
            return row[0]
    except (sqlite3.Error, PermissionError):  # no cache to be had: read it each time
        return sha256_file(path)


def cached_sha256_tree(folder: Path) -> str:
    """Return `sha256_tree` of a folder, its files cached."""
    return sha256_tree(folder, cached_sha256)


def require_weights(path: str, revision: str | None, kind: str, advice: str) -> None:
    """Raise ConfigError unless `path` is a folder, or a name on the hub with its commit."""
    if revision is None and not Path(path).is_dir():
        raise ConfigError(
            f"expected a checkpoint of {kind}, found no folder {path!r}: download it, or, if it is "
            f"a name on the hub, pin its commit; {advice}"
        )


def weights_identity(path: str, revision: str | None) -> dict[str, str]:
    """Return the identity of weights: a folder's contents, or a hub name with its commit."""
    if revision is None:
        return {"contents": cached_sha256_tree(Path(path))}
    return {"path": path, "revision": revision}
