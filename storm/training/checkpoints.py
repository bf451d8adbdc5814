"""Folders of a training that are whole or don't count.

A folder is complete when its completion record is there: written last, after every other file
is on disk, it names each file with size and sha256. What has no record, or files that differ
from it, is passed over and removed; the newest complete folder is used.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storm.artifacts.fs import sha256_file, sync_folder, write_json

RECORD = "complete.json"
KEEP = 2  # checkpoints of one training


def complete(folder: Path, facts: Mapping[str, Any]) -> None:
    """Sync every file of `folder`, then write its completion record with `facts`."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != RECORD):
        sync_folder(path)  # works for a file too
        files[str(path.relative_to(folder))] = {
            "bytes": path.stat().st_size,
            "sha256": sha256_file(path),
        }
    for path in [p for p in folder.rglob("*") if p.is_dir()] + [folder]:
        sync_folder(path)
    write_json(folder / RECORD, {"format": 1, "files": files, **facts})


def read(folder: Path) -> dict[str, Any] | None:
    """The completion record if the folder is whole (sizes and sha256 checked), else None."""
    try:
        record = json.loads((folder / RECORD).read_text())
        for name, file in record["files"].items():
            path = folder / name
            if path.stat().st_size != file["bytes"] or sha256_file(path) != file["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record


def _folders(root: Path) -> list[Path]:
    """Newest first: names are `<phase>-<step>`, zero-padded."""
    return sorted((p for p in root.glob("*-*") if p.is_dir()), reverse=True)


def name_of(phase: int, step: int) -> str:
    return f"{phase:03d}-{step:09d}"


def newest(root: Path, **expected: Any) -> tuple[Path, dict[str, Any]] | None:
    """The newest complete folder under `root` whose facts include `expected`."""
    for folder in _folders(root):
        record = read(folder)
        if record and all(record.get(key) == value for key, value in expected.items()):
            return folder, record
    return None


def tidy(root: Path, keep: int) -> None:
    """Remove all but the newest `keep` folders that have a record, and every one without."""
    finished = [folder for folder in _folders(root) if (folder / RECORD).is_file()]
    for folder in set(_folders(root)) - set(finished[:keep]):
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, out: Path) -> None:
    """A copy of a complete folder without its record, as `out`, in one rename."""
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(folder, temporary, ignore=shutil.ignore_patterns(RECORD))
    for path in [*temporary.rglob("*"), temporary]:
        sync_folder(path)
    temporary.replace(out)
    sync_folder(out.parent)
