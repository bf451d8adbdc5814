"""Digests of files that no stage made, remembered by path, size and time.

The memory lies in the user's cache folder; losing it costs reading the files once more.
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
    """`sha256_tree`, of files that are remembered."""
    return sha256_tree(folder, cached_sha256)


def require_weights(path: str, revision: str | None, kind: str, advice: str) -> None:
    """Raises ConfigError unless `path` is a folder, or a name on the hub with its commit."""
    if revision is None and not Path(path).is_dir():
        raise ConfigError(
            f"expected a checkpoint of {kind}, found no folder {path!r}: download it, or, if it is "
            f"a name on the hub, pin its commit; {advice}"
        )


def weights_identity(path: str, revision: str | None) -> dict[str, str]:
    """A folder's contents stand for its path; a name on the hub has its commit."""
    if revision is None:
        return {"contents": cached_sha256_tree(Path(path))}
    return {"path": path, "revision": revision}
