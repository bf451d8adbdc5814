"""What is seen when: every choice a pure function of seeds and numbers.

So a resumed run sees what an uninterrupted one would have seen, and any number of ranks sees the
same rows in the same step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from storm.errors import DataError


def generator(*parts: int | str) -> np.random.Generator:
    """A generator that depends on `parts` alone, the same in every process."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@lru_cache(maxsize=16)
def epoch_order(rows: int, name: str, seed: int, epoch: int) -> np.ndarray:
    """The order of `rows` rows in one epoch: a permutation, read-only."""
    order = generator("order", name, seed, epoch).permutation(rows)
    order.setflags(write=False)
    return order


def rows_at(step: int, batch: int, rows: int, name: str, seed: int) -> np.ndarray:
    """The `batch` row numbers that step `step` (from 0) sees over all ranks.

    Epochs follow each other without a gap: a batch may end one and begin the next.
    """
    if rows < 1:
        raise DataError(f"expected rows to train on, found none in {name!r}")
    positions = np.arange(step * batch, (step + 1) * batch)
    return np.array(
        [epoch_order(rows, name, seed, int(p // rows))[p % rows] for p in positions], dtype=np.int64
    )


def share_of(rows: Sequence[int] | np.ndarray, rank: int, world_size: int) -> np.ndarray:
    """This rank's part of a step's rows; the parts are equally long."""
    if len(rows) % world_size:
        raise DataError(
            f"expected a batch that {world_size} ranks can share equally, found {len(rows)} rows: "
            "choose another batch or number of ranks"
        )
    return np.asarray(rows)[rank::world_size]


def option_order(seed: int, question_id: str, number: int, options: int) -> tuple[int, ...]:
    """Permutation `number` of a question's options: entry j is the old position of new option j.

    Number 0 is the question as it was written.
    """
    if number == 0:
        return tuple(range(options))
    return tuple(
        int(i) for i in generator("options", seed, question_id, number).permutation(options)
    )


def derangement(ids: Sequence[str], seed: int) -> dict[str, str]:
    """For each id another one, each used once: one cycle through all (Sattolo), from the seed."""
    names = sorted(set(ids))
    if len(names) < 2:
        raise DataError(f"expected at least two videos to shuffle targets, found {len(names)}")
    rng, donors = generator("derangement", seed), list(names)
    for i in range(len(donors) - 1, 0, -1):
        j = int(rng.integers(0, i))
        donors[i], donors[j] = donors[j], donors[i]
    return dict(zip(names, donors, strict=True))
