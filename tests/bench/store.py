"""What the store and the stages cost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from storm.artifacts.arrow import column_as_numpy
from storm.artifacts.artifact import write_shard
from storm.artifacts.fs import sync_folder
from storm.artifacts.make import execute
from storm.artifacts.shard import open_shard
from storm.artifacts.store import Store
from storm.pipeline.assemble import assemble
from storm.profiles import load
from storm.records import LatentTarget
from storm.videos.stage import VideoStage, videos_of
from tests.bench.measure import Pair, Row


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

    yield Pair(
        name="keyframes of 32 videos: calling the selector / finding them sealed",
        a=bare,
        b=lambda: execute(stage, store, config.runtime),
        at_least=100,
    )


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

    yield Pair(
        name="shard: writing rows / copying the file",
        a=lambda: write_shard(shard, rows, keys),
        b=plain_copy,
        at_most=12,
        clock=time.perf_counter,  # both wait for the disk
    )
    yield Pair(
        name="shard: every row's view / touching every page", a=read, b=sum_mapped, at_most=25
    )


CASES = (cached_stage, shards)
