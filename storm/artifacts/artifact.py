"""One artifact: a folder with a plan, journals or shards, blobs and a manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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

FORMAT = 1  # of this layout; an artifact of another format is refused
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PlannedItem:
    id: str
    key: str  # sha256 of recipe, id and upstream rows: equal keys mean equal rows
    shard: int


@dataclass(frozen=True)
class Plan:
    recipe: str
    shards: int
    items: tuple[PlannedItem, ...]
    inputs: dict[str, str] = field(default_factory=dict)  # what each held then: its `content`

    def shard(self, number: int) -> list[PlannedItem]:
        return [item for item in self.items if item.shard == number]


def artifact_around(blob: Path) -> Artifact:
    """The artifact that a blob such as a checkpoint lies in; raises NotSealed if in none."""
    folder = blob.absolute().parent
    manifest = Artifact(folder, folder.parent.name, folder.name).manifest()
    return Artifact(folder, manifest["stage"], manifest["fingerprint"])


class Artifact:
    """One folder of the store."""

    def __init__(self, path: Path, stage: str, fingerprint: str):
        self.path, self.stage, self.fingerprint = path, stage, fingerprint

    @property
    def sealed(self) -> bool:
        """True if the manifest is there and every file still has its size."""
        try:
            self.manifest()  # refuses another format
        except NotSealed:
            return False
        return not self.damaged(thorough=False)

    @property
    def has_manifest(self) -> bool:
        """Whether it was sealed once; it may be damaged since."""
        return (self.path / "manifest.json").exists()

    def manifest(self) -> dict[str, Any]:
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

    @property
    def has_plan(self) -> bool:
        return (self.path / "plan.json").exists()

    def plan(self) -> Plan:
        raw = read_metadata(self.path / "plan.json")
        try:
            items = tuple(PlannedItem(*i) for i in raw["items"])
            return Plan(raw["recipe"], raw["shards"], items, raw.get("inputs", {}))
        except (KeyError, TypeError):
            raise _damaged(self.path / "plan.json") from None

    def write_plan(self, plan: Plan) -> None:
        items = [[i.id, i.key, i.shard] for i in plan.items]
        raw = {"recipe": plan.recipe, "shards": plan.shards, "inputs": plan.inputs, "items": items}
        write_atomic(self.path / "plan.json", json.dumps(raw).encode() + b"\n")

    def planned_from(self) -> dict[str, str]:
        """What each input held when this was planned; of a sealed one the manifest tells."""
        try:
            inputs = self.manifest()["inputs"]
        except NotSealed:
            return self.plan().inputs
        return {name: rest[0] for name, (_, _, *rest) in inputs.items() if rest}

    def content(self) -> str:
        """A digest of all sealed rows: equal ones mean that nothing made from them changes."""
        manifest = self.manifest()
        if "content" in manifest:
            return manifest["content"]
        paths = [self.path / s["name"] for s in manifest["shards"]]
        return shards.content_of(paths)  # an older release

    def files(self) -> dict[str, dict[str, Any]]:
        table, facts = read_metadata(self.path / "files.json"), {"bytes", "mtime_ns", "sha256"}
        if not all(isinstance(entry, dict) and facts <= entry.keys() for entry in table.values()):
            raise _damaged(self.path / "files.json")
        return table

    def damaged(self, *, thorough: bool) -> list[str]:
        """Files that are missing or differ from the manifest; `thorough` reads their contents.

        Otherwise contents are only read where the time of a file has changed.
        """
        try:
            files = self.files()
        except (FileNotFoundError, StoreError):
            return ["files.json"]
        bad = []
        for name, entry in files.items():
            try:
                stat = (self.path / name).stat()
            except FileNotFoundError:
                bad.append(name)
                continue
            if stat.st_size != entry["bytes"]:
                bad.append(name)
            elif thorough or stat.st_mtime_ns != entry["mtime_ns"]:
                read = sha256_file if thorough else sha256_once
                if read(self.path / name) != entry["sha256"]:
                    bad.append(name)
        return bad

    def shard_paths(self, ids: Collection[str] | None = None) -> list[Path]:
        """The sealed shards, or those that rows of `ids` lie in.

        A process checks the contents of each at its first call.
        """
        files = self.files() if self.manifest() else {}
        paths = [self.path / s["name"] for s in self.manifest()["shards"]]
        if ids is not None and self.has_plan:
            of_ids = {shards.shard_name(item.shard) for item in self.plan().items if item.id in ids}
            paths = [path for path in paths if path.stem in of_ids]
        for path in paths:
            if not _is_whole(path, files):
                raise _damaged(path)
        return paths

    def whole_shards(self) -> list[Path]:
        """Shards that were sealed and still have their content, whatever became of the others."""
        if not (self.path / "files.json").exists():
            return []
        files = self.files()
        return [p for p in sorted(self.path.glob("shard-*.arrow")) if _is_whole(p, files)]

    def rows(self, row_type: type[Row], ids: Collection[str] | None = None) -> Iterator[Row]:
        """All rows, or those of some ids; nothing else is read or made into objects."""
        for path in self.shard_paths(ids):
            if ids is None:
                yield from shards.rows_of(path, row_type)
            else:
                found = shards.keyed_rows_of(path, row_type, lambda i, _: i in ids)
                yield from (row for row, _ in found)

    def index(self) -> dict[str, str]:
        """Row id -> digest of the row's content."""
        return {i: digest for path in self.shard_paths() for i, digest in shards.digests_of(path)}

    def blob_path(self, item_id: str, suffix: str) -> Path:
        """Where the blob of an item lies; ids never stand in paths."""
        name = hashlib.sha256(item_id.encode()).hexdigest()
        return self.path / "blobs" / name[:2] / f"{name[:32]}{suffix}"

    def remove(self) -> None:
        """Raises WorkspaceBusy while someone makes it."""
        with self.alone():
            self.unseal()
            shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold every lock there is; raises WorkspaceBusy while someone makes it."""
        with contextlib.ExitStack() as held:
            for path in self.path.glob("*.lock"):
                held.enter_context(self.lock(path.stem))
            yield

    def clear(self) -> None:
        """Remove everything but the plan and the locks."""
        self.unseal()
        for path in self.path.iterdir():
            if path.name != "plan.json" and path.suffix != ".lock":
                remove(path)

    def unseal(self) -> None:
        (self.path / "manifest.json").unlink(missing_ok=True)  # first: it is never half there

    def lock(self, name: str, *, wait: bool = False) -> contextlib.AbstractContextManager[int]:
        """Hold `<name>.lock`; raises WorkspaceBusy if another one holds it and `wait` is false."""
        return hold(self.path / f"{name}.lock", f"{self.stage} ({self.path.name})", wait=wait)


def read_metadata(path: Path) -> dict[str, Any]:
    """A plan, or the table of an artifact's files."""
    with contextlib.suppress(ValueError):
        book = json.loads(path.read_bytes())
        if isinstance(book, dict):
            return book
    raise _damaged(path)


def _damaged(path: Path) -> StoreError:
    """Of a file of an artifact: what to do about it."""
    return StoreError(
        f"expected {path} as it was written, found another content; "
        f"run `storm verify --repair --root {path.parents[2]}`, then the same command again"
    )


def _is_whole(path: Path, files: dict[str, dict[str, Any]]) -> bool:
    entry = files.get(path.name)
    return entry is not None and path.exists() and sha256_once(path) == entry["sha256"]


def read_rows(paths: Sequence[Path | str], row_type: type[Row]) -> list[Row]:
    """All rows of some sealed shards; arrays are views of the memory-mapped files."""
    return [row for path in paths for row in shards.rows_of(Path(path), row_type)]


def write_shard(path: Path, rows: Iterable[Any], keys: Iterable[str]) -> None:
    """Rows, gone through twice, and their keys as a shard."""
    with writing(path) as f:
        shards.write_rows(f, rows, keys)
