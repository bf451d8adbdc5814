"""Deterministic data order: rows depend only on (seed, epoch, step, rank).

So a resumed run sees what an uninterrupted one would have seen, and any number of ranks sees the
same rows in the same step.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from storm.errors import DataError


def generator(*parts: int | str) -> np.random.Generator:
    """Return a generator that depends only on `parts`, the same in every process."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@lru_cache(maxsize=16)
def permutation(rows: int, name: str, seed: int, epoch: int) -> np.ndarray:
    """Return the order of `rows` rows of a source in one epoch, read-only."""
    order = generator("order", name, seed, epoch).permutation(rows)
    order.setflags(write=False)
    return order


def rows_at(step: int, batch: int, rows: int, name: str, seed: int) -> np.ndarray:
    """Return the `batch` row numbers of step `step` (from 0), over all ranks.

    Epochs follow each other without a gap: a batch may end one and begin the next.
    """
    if rows < 1:
        raise DataError(f"expected rows to train on, found none in {name!r}")
    positions = np.arange(step * batch, (step + 1) * batch)
    return np.array(
        [permutation(rows, name, seed, int(p // rows))[p % rows] for p in positions],
        dtype=np.int64,
    )


def shard_for_rank(rows: Sequence[int] | np.ndarray, rank: int, ranks: int) -> np.ndarray:
    """Return this rank's part of a step's rows; all parts have the same length."""
    if len(rows) % ranks:
        raise DataError(
            f"expected a batch that {ranks} ranks can share equally, found {len(rows)} rows: "
            "choose another batch or number of ranks"
        )
    return np.asarray(rows)[rank::ranks]


def option_order(seed: int, question_id: str, number: int, options: int) -> tuple[int, ...]:
    """Return permutation `number` of a question's options: entry j is option j's old position.

    Number 0 is the question as it was written. The first `options`! orders are all different;
    after them the same ones follow again.
    """
    left = number % math.factorial(options)
    drawn = generator("options", seed, question_id)
    orders: dict[tuple[int, ...], None] = {tuple(range(options)): None}  # as they were drawn
    while len(orders) <= left:
        orders.update(dict.fromkeys(map(tuple, drawn.random((64, options)).argsort(1).tolist())))
    return next(itertools.islice(orders, left, None))


def cyclic_derangement(ids: Sequence[str], seed: int) -> dict[str, str]:
    """Map each id to another one, each used once: one cycle through all (Sattolo's algorithm)."""
    names = sorted(set(ids))
    if len(names) < 2:
        raise DataError(f"expected at least two videos to shuffle targets, found {len(names)}")
    rng, donors = generator("derangement", seed), list(names)
    for i in range(len(donors) - 1, 0, -1):
        j = int(rng.integers(0, i))
        donors[i], donors[j] = donors[j], donors[i]
    return dict(zip(names, donors, strict=True))
