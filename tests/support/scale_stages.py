"""Two cheap stages for counts and costs at scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from storm.artifacts.stage import Context, Stage, runtime_field
from storm.artifacts.store import Store
from storm.records import LatentTarget


@dataclass(frozen=True, kw_only=True)
class Numbers(Stage[LatentTarget]):
    """A vector of 8 x 64 for each number below `count`; `diary` counts the work."""

    name: ClassVar[str] = "scale_numbers"
    row: ClassVar[type] = LatentTarget

    count: int = runtime_field(0)
    diary: str = runtime_field("")

    def external_inputs(self) -> dict[str, int]:
        return {"count": self.count}

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return ((f"video-{n:06d}", ()) for n in range(self.count))

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget]:
        with open(self.diary or "/dev/null", "a") as diary:
            for item_id in context.each(ids):
                diary.write(f"{self.name} {item_id}\n")
                value = np.float32(item_id[-6:])
                yield LatentTarget(id=item_id, latents=np.full((8, 64), value))


@dataclass(frozen=True, kw_only=True)
class Doubled(Stage[LatentTarget]):
    """Each vector times two."""

    name: ClassVar[str] = "scale_doubled"
    row: ClassVar[type] = LatentTarget

    numbers: Numbers

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return ((i, (row,)) for i, row in self.numbers.artifact(store).index().items())

    def make(self, ids: Sequence[str], context: Context) -> Iterator[LatentTarget]:
        wanted = set(ids)
        with open(self.numbers.diary or "/dev/null", "a") as diary:
            for row in self.numbers.rows(context.store):
                if row.id in wanted:
                    context.begin([row.id])
                    diary.write(f"{self.name} {row.id}\n")
                    yield LatentTarget(id=row.id, latents=2 * row.latents)


def chain(count: int, diary: str = "") -> Doubled:
    return Doubled(numbers=Numbers(count=count, diary=diary, shards=4), shards=4)
