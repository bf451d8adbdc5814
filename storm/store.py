"""Where artifacts lie, and when they are done.

    <root>/<stage>/<fingerprint>/
        plan.json         recipe, item keys, shards: frozen when the stage is planned
        *.journal         finished items of a shard that is still being made
        shard-*.arrow     the sealed rows (Arrow IPC stream), in plan order
        blobs/            files that rows refer to
        files.json        size, time and sha256 of every shard and blob
        manifest.json     written last: its presence is the only meaning of done

A file is written under a temporary name, synced and renamed. Each journal record carries a
checksum, so a torn tail is dropped and its item made again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from storm import shards
from storm.errors import NotSealed, StoreError
from storm.lock import hold

FORMAT = 1  # of this layout; an artifact of another format is refused
Row = TypeVar("Row")


def sha256_file(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@functools.cache
def _sha256_of_version(path: Path, bytes_: int, mtime_ns: int) -> str:
    return sha256_file(path)


def sha256_once(path: Path) -> str:
    """Of a sealed file: read once by each process, unless its size or time changes."""
    stat = path.stat()
    return _sha256_of_version(path, stat.st_size, stat.st_mtime_ns)


def sha256_tree(folder: Path, sha256: Callable[[Path], str] = sha256_file) -> str:
    """Over names and contents of all files below `folder` but hidden ones.

    Those keep a download's books (`.git`, Hugging Face's `.cache`): times and places, no content.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(".") and "/." not in name:
            digest.update(f"{name}\0{sha256(path)}\n".encode())
    return digest.hexdigest()


def digest(value: Any) -> str:
    """sha256 of a JSON value; the same in every process. Anything else is a TypeError."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def renamed_into(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; the file or folder written there becomes `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file that becomes `path`, synced, when the block ends well."""
    with renamed_into(path) as temporary, open(temporary, "wb") as f:
        yield f
        f.flush()
        os.fsync(f.fileno())
    sync_folder(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    with writing(path) as f:
        f.write(data)


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: Path, value: Any) -> None:
    write_atomic(path, json.dumps(value, indent=1).encode() + b"\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as e:
        raise StoreError(f"expected JSON in {path}, found {e}; remove the folder") from None


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


class Store:
    """All artifacts below one root folder."""

    def __init__(self, root: Path | str):
        """Raises StoreError for an address such as `s3://bucket`."""
        if "://" in str(root):
            raise StoreError(f"expected a folder as artifact root, found {root}; mount it first")
        self.root = Path(root).absolute()

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def answers(self) -> Path:
        """What models behind servers have said, by request; it outlives the artifacts."""
        return self.root / "answers"

    def artifact(self, stage: str, fingerprint: str) -> Artifact:
        return Artifact(self.root / stage / fingerprint[:16], stage, fingerprint)

    def sealed_once(self, stage: str = "*") -> list[Artifact]:
        """Artifacts with a manifest, of one stage or of all, damaged since or not."""
        found = sorted(self.root.glob(f"{stage}/*/manifest.json"))
        return [Artifact(p.parent, p.parents[1].name, p.parent.name) for p in found]

    def planned(self) -> list[Artifact]:
        """Every artifact, sealed or only begun, whole or damaged."""
        books = [*self.root.glob("*/*/plan.json"), *self.root.glob("*/*/manifest.json")]
        return [Artifact(p, p.parent.name, p.name) for p in sorted({b.parent for b in books})]

    def of_recipe(self, stage: str, recipe: str) -> list[Artifact]:
        """Artifacts of this stage that were planned with `recipe`, sealed or not."""
        plans = sorted((self.root / stage).glob("*/plan.json"))
        found = [p.parent for p in plans if _read_book(p).get("recipe") == recipe]
        return [Artifact(folder, stage, folder.name) for folder in found]


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

    def upstream(self, stage: str) -> Artifact:
        """The nearest artifact of `stage` that this one was made from, by the manifests.

        Raises StoreError if there is none, NotSealed where the way to it is gone.
        """
        store, ring, seen = Store(self.path.parent.parent), [self], set[str]()
        while ring:
            needed = [entry for a in ring for entry in a.manifest().get("inputs", {}).values()]
            ring = [store.artifact(*entry[:2]) for entry in needed if entry[1] not in seen]
            seen.update(artifact.fingerprint for artifact in ring)
            for artifact in ring:
                if artifact.stage == stage:
                    return artifact
        raise StoreError(f"expected {stage} among the inputs of {self.stage}, found none")

    @property
    def has_plan(self) -> bool:
        return (self.path / "plan.json").exists()

    def plan(self) -> Plan:
        raw = _read_book(self.path / "plan.json")
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
        table, facts = _read_book(self.path / "files.json"), {"bytes", "mtime_ns", "sha256"}
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


def _read_book(path: Path) -> dict[str, Any]:
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
