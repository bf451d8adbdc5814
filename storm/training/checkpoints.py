"""Atomic training checkpoints: folders that are complete or don't count.

A folder is complete once its record is there. The record is written last, after every other file
is on disk, and names each file with its size and sha256. A folder without a record, or with files
that differ from it, is passed over and removed; the newest complete one is used.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from storm.artifacts.fs import sha256_file, sync_folder, write_json

RECORD = "complete.json"
KEEP = 2  # checkpoints of one training


class CompleteFolder(NamedTuple):
    """A folder and its record."""

    folder: Path
    record: dict[str, Any]


def mark_complete(folder: Path, facts: Mapping[str, Any]) -> None:
    """Sync every file of `folder`, then write its record with `facts`."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != RECORD):
        sync_folder(path)  # works for a file too
        files[str(path.relative_to(folder))] = {
            "bytes": path.stat().st_size,
            "sha256": sha256_file(path),
        }
    for path in [*(p for p in folder.rglob("*") if p.is_dir()), folder]:
        sync_folder(path)
    write_json(folder / RECORD, {"format": 1, "files": files, **facts})


def read(folder: Path) -> dict[str, Any] | None:
    """Return the record of a folder whose sizes and sha256 are right, else None."""
    try:
        record = json.loads((folder / RECORD).read_text())
        for name, file in record["files"].items():
            path = folder / name
            if path.stat().st_size != file["bytes"] or sha256_file(path) != file["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record


def folder_name(phase: int, step: int) -> str:
    """Return `<phase>-<step>`, zero-padded so that names sort by age."""
    return f"{phase:03d}-{step:09d}"


def newest(root: Path, **expected: Any) -> CompleteFolder | None:
    """Return the newest complete folder under `root` whose record includes `expected`."""
    for folder in _newest_first(root):
        record = read(folder)
        if record and all(record.get(key) == value for key, value in expected.items()):
            return CompleteFolder(folder, record)
    return None


def prune(root: Path, keep: int) -> None:
    """Remove all but the newest `keep` folders with a record, and every one without."""
    folders = _newest_first(root)
    kept = [folder for folder in folders if (folder / RECORD).is_file()][:keep]
    for folder in set(folders) - set(kept):
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, out: Path) -> None:
    """Copy a complete folder without its record to `out`, in one rename."""
    temporary = out.with_name(out.name + ".tmp")  # one name: what a kill leaves is removed
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(folder, temporary, ignore=shutil.ignore_patterns(RECORD))
    for path in [*temporary.rglob("*"), temporary]:
        sync_folder(path)
    temporary.replace(out)
    sync_folder(out.parent)


def _newest_first(root: Path) -> list[Path]:
    return sorted((p for p in root.glob("*-*") if p.is_dir()), reverse=True)
