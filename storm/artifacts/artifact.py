"""Artifact: one folder of the store, with a plan, journals or shards, blobs and a manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from storm.artifacts import shard as shards
from storm.artifacts.fs import (
    remove,
    sha256_file,
    sha256_once,
    write_atomic,
    writing,
)
from storm.artifacts.lock import hold
from storm.errors import NotSealed, StoreError

FORMAT = 2  # of the layout of an artifact; another one is refused
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """An item of a plan."""

    id: str
    key: str  # sha256 of recipe, id and upstream rows: equal keys mean equal rows
    shard: int


@dataclass(frozen=True)
class Plan:
    """The items of an artifact, frozen in `plan.json`."""

    recipe: str
    shards: int
    items: tuple[PlannedItem, ...]
    inputs: dict[str, str]  # digest of the rows that each input held at that time

    def shard(self, number: int) -> list[PlannedItem]:
        """Return the items of one shard."""
        return [item for item in self.items if item.shard == number]


class Artifact:
    """One folder of the store."""

    def __init__(self, path: Path, stage: str, fingerprint: str):
        self.path, self.stage, self.fingerprint = path, stage, fingerprint

    def is_sealed(self) -> bool:
        """Return whether there is a manifest and no file is missing or has another size.

        Raises:
            StoreError: If it has the format of another release.
        """
        try:
            self.manifest()
        except NotSealed:
            return False
        return not self.damaged(thorough=False)

    def has_manifest(self) -> bool:
        """Return whether it was sealed; files may have been damaged since."""
        return (self.path / "manifest.json").exists()

    def has_plan(self) -> bool:
        """Return whether it was begun."""
        return (self.path / "plan.json").exists()

    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            NotSealed: If there is none that can be read.
            StoreError: If it has the format of another release.
        """
        path = self.path / "manifest.json"
        try:
            manifest = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            manifest = None
        if not isinstance(manifest, dict):
            raise NotSealed(f"{self.stage} is not finished ({self.path}); run the flow again")
        if manifest.get("format") != FORMAT:
            raise StoreError(
                f"expected store format {FORMAT} in {path}, found {manifest.get('format')!r}; "
                f"use the release that wrote it or another artifact root"
            )
        return manifest

    def plan(self) -> Plan:
        """Return the plan; raise StoreError if it is damaged."""
        raw = read_metadata(self.path / "plan.json")
        try:
            items = tuple(PlannedItem(*i) for i in raw["items"])
            return Plan(raw["recipe"], raw["shards"], items, raw["inputs"])
        except (KeyError, TypeError):
            raise _damaged(self.path / "plan.json") from None

    def write_plan(self, plan: Plan) -> None:
        """Write `plan.json`."""
        items = [[i.id, i.key, i.shard] for i in plan.items]
        raw = {"recipe": plan.recipe, "shards": plan.shards, "inputs": plan.inputs, "items": items}
        write_atomic(self.path / "plan.json", json.dumps(raw).encode() + b"\n")

    def input_digests(self) -> dict[str, str]:
        """Return the digest of each input's rows at the time this was planned."""
        try:
            inputs = self.manifest()["inputs"]
        except NotSealed:
            return self.plan().inputs
        return {name: rows_digest for name, (_, _, rows_digest) in inputs.items()}

    def rows_digest(self) -> str:
        """Return the digest of all sealed rows; if it stays, nothing made from them changes."""
        return self.manifest()["rows_digest"]

    def files(self) -> dict[str, dict[str, Any]]:
        """Return bytes, mtime_ns and sha256 of each file, by its path below the artifact."""
        table, fields = read_metadata(self.path / "files.json"), {"bytes", "mtime_ns", "sha256"}
        if not all(isinstance(entry, dict) and fields <= entry.keys() for entry in table.values()):
            raise _damaged(self.path / "files.json")
        return table

    def damaged(self, *, thorough: bool) -> list[str]:
        """Return the files that are missing or differ from `files.json`.

        Args:
            thorough: Read the contents of all files, not only of those whose time has changed.
        """
        try:
            files = self.files()
        except (FileNotFoundError, StoreError):
            return ["files.json"]
        damaged = []
        for name, entry in files.items():
            try:
                stat = (self.path / name).stat()
            except FileNotFoundError:
                damaged.append(name)
                continue
            if stat.st_size != entry["bytes"]:
                damaged.append(name)
            elif thorough or stat.st_mtime_ns != entry["mtime_ns"]:
                sha256 = sha256_file if thorough else sha256_once
                if sha256(self.path / name) != entry["sha256"]:
                    damaged.append(name)
        return damaged

    def shard_paths(self, ids: Collection[str] | None = None) -> list[Path]:
        """Return the sealed shards, or only those with rows of `ids`.

        The first call in a process checks the contents of each shard.

        Raises:
            NotSealed: If the artifact is not finished.
            StoreError: If a shard is damaged.
        """
        files = self.files() if self.manifest() else {}
        paths = [self.path / s["name"] for s in self.manifest()["shards"]]
        if ids is not None and self.has_plan():
            of_ids = {shards.shard_name(item.shard) for item in self.plan().items if item.id in ids}
            paths = [path for path in paths if path.stem in of_ids]
        for path in paths:
            if not _is_whole(path, files):
                raise _damaged(path)
        return paths

    def whole_shards(self) -> list[Path]:
        """Return the shards that still have their content, whatever happened to others."""
        if not (self.path / "files.json").exists():
            return []
        files = self.files()
        return [p for p in sorted(self.path.glob("shard-*.arrow")) if _is_whole(p, files)]

    def rows(self, row_type: type[Row], ids: Collection[str] | None = None) -> Iterator[Row]:
        """Yield all rows, or only those of `ids`; others are not made into objects."""
        for path in self.shard_paths(ids):
            if ids is None:
                yield from shards.rows_of(path, row_type)
            else:
                keyed = shards.keyed_rows_of(path, row_type, lambda i, _: i in ids)
                yield from (row for row, _ in keyed)

    def index(self) -> dict[str, str]:
        """Return the digest of each row by its id."""
        return {i: digest for path in self.shard_paths() for i, digest in shards.digests_of(path)}

    def blob_path(self, item_id: str, suffix: str) -> Path:
        """Return where an item's blob belongs; ids are never part of a path."""
        name = hashlib.sha256(item_id.encode()).hexdigest()
        return self.path / "blobs" / name[:2] / f"{name[:32]}{suffix}"

    def remove(self) -> None:
        """Delete the artifact; raise WorkspaceBusy while someone makes it."""
        with self.locked_exclusively():
            self.reopen()
            shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def locked_exclusively(self) -> Iterator[None]:
        """Hold every lock of the artifact; raise WorkspaceBusy while someone makes it."""
        with contextlib.ExitStack() as locks:
            for path in self.path.glob("*.lock"):
                locks.enter_context(self.lock(path.stem))
            yield

    def clear(self) -> None:
        """Delete everything but the plan and the locks."""
        self.reopen()
        for path in self.path.iterdir():
            if path.name != "plan.json" and path.suffix != ".lock":
                remove(path)

    def reopen(self) -> None:
        """Take the seal back, before anything else changes: it is never half there."""
        (self.path / "manifest.json").unlink(missing_ok=True)

    def lock(self, name: str, *, wait: bool = False) -> contextlib.AbstractContextManager[int]:
        """Hold `<name>.lock`; raise WorkspaceBusy if it is taken and `wait` is false."""
        return hold(self.path / f"{name}.lock", f"{self.stage} ({self.path.name})", wait=wait)


def artifact_around(blob: Path) -> Artifact:
    """Return the artifact that a blob such as a checkpoint belongs to.

    Raises:
        NotSealed: If it is in none.
    """
    folder = blob.absolute().parent
    manifest = Artifact(folder, folder.parent.name, folder.name).manifest()
    return Artifact(folder, manifest["stage"], manifest["fingerprint"])


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the JSON object in a plan or a file table; raise StoreError if it is none."""
    with contextlib.suppress(ValueError):
        metadata = json.loads(path.read_bytes())
        if isinstance(metadata, dict):
            return metadata
    raise _damaged(path)


def _damaged(path: Path) -> StoreError:
    return StoreError(
        f"expected {path} as it was written, found another content; "
        f"run `storm verify --repair --root {path.parents[2]}`, then the same command again"
    )


def _is_whole(path: Path, files: dict[str, dict[str, Any]]) -> bool:
    entry = files.get(path.name)
    return entry is not None and path.exists() and sha256_once(path) == entry["sha256"]


def read_rows(paths: Sequence[Path | str], row_type: type[Row]) -> list[Row]:
    """Return all rows of some sealed shards; arrays are views of the memory-mapped files."""
    return [row for path in paths for row in shards.rows_of(Path(path), row_type)]


def write_shard(path: Path, rows: Iterable[Any], keys: Iterable[str]) -> None:
    """Write rows and their keys as a shard; `rows` is iterated over twice."""
    with writing(path) as f:
        shards.write_rows(f, rows, keys)
