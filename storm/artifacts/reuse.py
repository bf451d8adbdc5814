"""Reuse rows and blobs of artifacts with the same recipe and item key."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storm.artifacts.artifact import Artifact, PlannedItem
from storm.artifacts.fs import remove, renamed_into, sha256_file, sha256_tree
from storm.artifacts.journal import Entry, read_entries, scan
from storm.artifacts.shard import keyed_rows_of
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK}


def reuse_rows(
    stage: Stage[Any], store: Store, artifact: Artifact, wanted: dict[str, PlannedItem]
) -> Iterator[Entry]:
    """Yield rows that artifacts of the same recipe hold under the wanted keys.

    A row's blob is linked into `artifact` first.

    Args:
        stage: The stage that is being made.
        store: Where its artifacts are.
        artifact: The one that is being made.
        wanted: Missing items by id; those that are yielded are taken out.
    """
    for other in store.of_recipe(stage.name, stage.recipe):
        for entry in _entries(stage, other, artifact, wanted):
            if _adopt_blob(stage.blob_of(entry.outcome), other.path, artifact.path):
                del wanted[entry.id]
                yield entry


def _entries(
    stage: Stage[Any], other: Artifact, artifact: Artifact, wanted: dict[str, PlannedItem]
) -> Iterator[Entry]:
    def usable(item_id: str, key: str) -> bool:
        return item_id in wanted and wanted[item_id].key == key

    for path in other.path.glob("*.journal") if wanted and other.path != artifact.path else ():
        records = scan(path, repair=False).items()
        reusable = [r for i, r in records if usable(i, r.key) and not r.rejected]
        yield from (e for e in read_entries(path, stage.row, reusable) if usable(e.id, e.key))
    for path in other.whole_shards() if wanted else ():  # its own too: others may be damaged
        for row, key in keyed_rows_of(path, stage.row, usable):
            yield Entry(row.id, key, row)


def _adopt_blob(blob: tuple[str, str] | None, source: Path, target: Path) -> bool:
    """Link a row's blob into the new artifact, or copy it; return False if it is damaged."""
    if not _is_whole(blob, source):
        return False
    if blob is not None and source != target:
        remove(target / blob[0])
        for path in blob_files(source / blob[0]):
            _link(path, target / path.relative_to(source))
    return True


def _link(path: Path, link: Path) -> None:
    """Make a hard link, or a copy where the file system has no links or no more of them."""
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.hardlink_to(path)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        with renamed_into(link) as temporary:
            shutil.copyfile(path, temporary)


def _is_whole(blob: tuple[str, str] | None, folder: Path) -> bool:
    if blob is None:
        return True
    path = folder / blob[0]
    if not path.exists():
        return False
    return (sha256_tree(path) if path.is_dir() else sha256_file(path)) == blob[1]


def is_reusable(
    stage: Stage[Any], artifact: Artifact, wanted: dict[str, PlannedItem], entry: Entry
) -> bool:
    """Return whether a new run can build on an entry of its own journal.

    Rejected items are tried again, and so are those with another key or without their blob.
    """
    if entry.rejected or entry.id not in wanted or wanted[entry.id].key != entry.key:
        return False
    return _is_whole(stage.blob_of(entry.outcome), artifact.path)


def discard_blob(stage: Stage[Any], artifact: Artifact, entry: Entry) -> None:
    """Delete the blob of an entry that can't be reused, if it has one."""
    blob = None if entry.rejected else stage.blob_of(entry.outcome)
    if blob is not None:
        remove(artifact.path / blob[0])


def blob_files(path: Path) -> list[Path]:
    """Return the files of a blob, which is a file or a folder."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
