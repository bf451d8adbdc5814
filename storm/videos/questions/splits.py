"""Which videos train, validate and test: by a hash, so that no order and no later video matters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from storm.config import Split


def assign_splits(
    known: Mapping[str, str],
    chosen: Mapping[str, Split],
    test_share: float,
    seed: int,
    val_share: float = 0.0,
) -> dict[str, Split]:
    """Return a split for each video of `known` (video_id: sha256); `chosen` stay.

    Equal bytes under two names share one split. Adding videos moves none, save that while the
    file chooses none and there are two videos, neither train nor test stays empty.
    """

    def rank(video_id: str) -> float:  # in [0, 1)
        digest = hashlib.sha256(f"{seed}\0{video_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    names: dict[str, str] = {}  # the video that speaks for all with its bytes
    by_bytes: dict[str, Split] = {}
    for video_id in sorted(known):
        names.setdefault(known[video_id], video_id)
        if video_id in chosen:
            by_bytes.setdefault(known[video_id], chosen[video_id])
    free = sorted((name for sha, name in names.items() if sha not in by_bytes), key=rank)
    test = {name for name in free if rank(name) < test_share}
    if len(free) > 1 and 0 < test_share < 1 and not chosen:
        test = (test or {free[0]}) - ({free[-1]} if len(test) == len(free) else set())
    val = {name for name in free if test_share <= rank(name) < test_share + val_share} - test
    if val and not set(free) - test - val and not chosen:
        val.remove(max(val, key=rank))  # some video has to train
    for sha, name in names.items():
        by_bytes.setdefault(sha, "test" if name in test else "val" if name in val else "train")
    return {video_id: chosen.get(video_id, by_bytes[sha]) for video_id, sha in known.items()}
