"""Two small stages with a blob and an array, whose items can be made to fail."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from storm.artifacts.fs import digest, renamed_into, sha256_file
from storm.artifacts.stage import Context, Stage, runtime_field
from storm.artifacts.store import Store
from storm.errors import DataError
from storm.records import LatentTarget, Rejected, ThoughtVideo


@dataclass(frozen=True, kw_only=True)
class Clips(Stage[ThoughtVideo]):
    """A blob for each id. `trouble` says what happens to an item; `diary` counts the work."""

    name: ClassVar[str] = "toy_clips"
    row: ClassVar[type] = ThoughtVideo

    size: int = 3000
    ids: tuple[str, ...] = runtime_field(())
    trouble: Mapping[str, str] = runtime_field(None)
    diary: str = runtime_field("")
    seconds: float = runtime_field(0.0)

    def external_inputs(self) -> dict[str, Any]:
        return {"ids": digest(list(self.ids))}

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return [(i, ()) for i in self.ids]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[ThoughtVideo | Rejected]:
        for batch in context.batches(ids):
            for item_id in batch:
                self.note(item_id)
                trouble = (self.trouble or {}).get(item_id, "")
                if trouble == "skip":
                    continue
                if trouble == "reject":
                    yield Rejected(id=item_id, reason="ugly", detail="not nice to look at")
                    continue
                go_wrong(trouble, context.artifact.path)
                time.sleep(self.seconds)
                path = context.artifact.blob_path(item_id, ".bin")
                with renamed_into(path) as temporary:
                    temporary.write_bytes((item_id.encode("utf-8") + b"\n") * self.size)
                yield ThoughtVideo(
                    id=item_id,
                    blob=path.relative_to(context.artifact.path).as_posix(),
                    sha256=sha256_file(path),
                    frames=1,
                    fps=1.0,
                    height_px=1,
                    width_px=1,
                    seed=0,
                )

    def note(self, item_id: str) -> None:
        if self.diary:
            with open(self.diary, "a") as f:
                f.write(f"{os.getpid()} {item_id}\n")


@dataclass(frozen=True)
class Refusing(Clips):
    """Clips of an input half of whose entries became no items."""

    def rejected(self) -> list[Rejected]:
        return [Rejected(id=f"bad {i}", reason="no_answer", detail="none") for i in self.ids]


def go_wrong(trouble: str, folder: Path) -> None:
    match trouble:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill once":
            mark = folder / "killed-once"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(600)
        case "raise":
            raise ValueError("a mistake in the code")
        case "stale":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "clip.mp4")
        case "fail":
            raise DataError("expected milk, found water; buy milk")


@dataclass(frozen=True, kw_only=True)
class Vectors(Stage[LatentTarget]):
    """A vector for each clip, from the clip's bytes."""

    name: ClassVar[str] = "toy_vectors"
    row: ClassVar[type] = LatentTarget

    clips: Clips
    width: int = 8
    seconds: float = runtime_field(0.0)

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return [(i, (row,)) for i, row in self.clips.artifact(store).index().items()]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget]:
        root = self.clips.artifact(context.store).path
        rows = {r.id: r for r in self.clips.rows(context.store)}
        for batch in context.batches(ids):
            for item_id in batch:
                time.sleep(self.seconds)
                data = np.frombuffer((root / rows[item_id].blob).read_bytes(), np.uint8)
                latents = data[: 2 * self.width].astype(np.float32).reshape(2, self.width)
                yield LatentTarget(id=item_id, latents=latents)


@dataclass(frozen=True)
class Whole(Clips):
    """One item; if it fails, the stage fails."""

    name: ClassVar[str] = "toy_whole"
    single_item: ClassVar[bool] = True


def chain(ids: Sequence[str], shards: int = 1, **clips: Any) -> Vectors:
    made = Clips(ids=tuple(ids), shards=shards, **clips)
    return Vectors(clips=made, seconds=made.seconds, shards=shards)
