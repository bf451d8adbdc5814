"""`make bench`: what things cost, as ratios of one run, since machines are shared and noisy.

Each case times its two sides in turn and compares their minima. The table is also written to
`artifacts/bench.json`.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from storm.execution import execute
from storm.pipeline import assemble
from storm.profiles import load
from storm.records import LatentTarget, column_as_numpy
from storm.store import Store, open_shard, sync_folder, write_shard
from storm.videos.stage import VideoStage, videos_of

ROUNDS = 7


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    ratio: float
    target: float
    holds: bool


def compare(a: Callable[[], object], b: Callable[[], object]) -> float:
    """The best time of `a` over the best time of `b`, taken in turn after one warm-up."""
    best = [float("inf"), float("inf")]
    for turn in range(ROUNDS + 1):
        for side, call in enumerate((a, b)):
            began = time.perf_counter()
            call()
            if turn:
                best[side] = min(best[side], time.perf_counter() - began)
    return best[0] / best[1]


def at_least(name: str, what: str, ratio: float, target: float) -> Row:
    return Row(name, what, round(ratio, 3), target, ratio >= target)


def at_most(name: str, what: str, ratio: float, target: float) -> Row:
    return Row(name, what, round(ratio, 3), target, ratio <= target)


def cached_stage(folder: Path) -> Iterator[Row]:
    """Keyframes of 32 videos: finding them sealed against calling the selector."""
    config = load("smoke", ["videos.counts.train=32"])
    store, stage = Store(folder / "store"), assemble(config).find("keyframes")
    execute(stage, store, config.runtime)
    videos = stage.inputs["videos"]
    assert isinstance(videos, VideoStage)
    paths = {i: videos.locate(store, s) for i, s in videos_of(videos, store, "train").items()}
    selector = config.keyframes.build()

    def bare() -> None:
        for video_id, path in paths.items():
            selector.select(video_id, path)

    ratio = compare(bare, lambda: execute(stage, store, config.runtime))
    yield at_least("cached stage", "calling the function / finding it sealed", ratio, 100)


def shards(folder: Path) -> Iterator[Row]:
    """20,000 targets of 8 x 64 float32: 41 MB."""
    rng = np.random.default_rng(0)
    rows = [
        LatentTarget(id=f"q{i}", latents=rng.standard_normal((8, 64), np.float32))
        for i in range(20_000)
    ]
    keys = [f"{i:064x}" for i in range(len(rows))]
    shard, copy = folder / "shard.arrow", folder / "copy.arrow"
    write_shard(shard, rows, keys)

    def plain_copy() -> None:
        with open(shard, "rb") as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        sync_folder(folder)

    def read() -> float:
        return sum(float(a[0, 0]) for a in column_as_numpy(open_shard(shard), "latents"))

    def sum_mapped() -> float:
        return float(np.memmap(shard, np.uint8, "r").reshape(-1)[::4096].sum())

    yield at_most(
        "shard write",
        "rows to a sealed shard / copying the file",
        compare(lambda: write_shard(shard, rows, keys), plain_copy),
        12,
    )
    yield at_most(
        "shard read", "every row's view / touching every page", compare(read, sum_mapped), 25
    )


CASES = (cached_stage, shards)


def main() -> int:
    rows: list[Row] = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows += case(Path(folder))
    width = max(len(row.what) for row in rows)
    print(f"{'name':<16}{'what against what':<{width + 2}}{'ratio':>9}{'target':>9}  holds")
    for row in rows:
        holds = "yes" if row.holds else "NO"
        print(f"{row.name:<16}{row.what:<{width + 2}}{row.ratio:>9.3f}{row.target:>9g}  {holds}")
    target = Path("artifacts/bench.json")
    target.parent.mkdir(exist_ok=True)
    found = [{k: v for k, v in asdict(row).items() if k != "what"} for row in rows]
    target.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
