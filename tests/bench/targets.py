"""What latent targets cost to read, and what growth costs: a million rows, ten thousand items."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.latent_targets.dataset import Targets
from storm.runtime import Runtime
from tests.bench.measure import Figure, Pair, Row

MILLION, BATCH, SHARDS = 1_000_000, 256, 4
SUPPORT = Path(__file__).parents[1] / "support"

OPEN = """
import re, sys, time
from pathlib import Path
from storm.latent_targets.dataset import Targets, epoch_order

def own():  # kB, without the pages of mapped files
    return int(re.findall(r"RssAnon:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0])

paths = sorted(Path(sys.argv[1]).glob("*.arrow"))
before, began = own(), time.perf_counter()
targets = Targets(paths)
opened = time.perf_counter() - began
rows = epoch_order(len(targets), 0, 0)
shown = [targets[int(row)] for row in rows[:1000]]
print(opened, (own() - before) / 1024, len(rows))
"""


def write_million(folder: Path) -> list[Path]:
    """Shards of K = 8, d = 64, bfloat16 as `write_shard` makes them, without a million objects."""
    rng, paths = np.random.default_rng(0), []
    meta = {"dtype": "bfloat16", "shape": "[8, 64]"}
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("latents", pa.list_(pa.uint16(), 512), metadata=meta),
            pa.field("_key", pa.string()),
            pa.field("_digest", pa.string()),
        ]
    )
    for shard in range(SHARDS):
        paths.append(folder / f"shard-{shard:05d}.arrow")
        with pa.OSFile(str(paths[-1]), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            for at in range(0, MILLION // SHARDS, BATCH):
                n = min(BATCH, MILLION // SHARDS - at)
                bits = pa.array(rng.integers(0, 0x3F80, n * 512, np.uint16))
                texts = [f"{shard}-{at + i:061d}" for i in range(n)]
                columns = [pa.array(texts), pa.FixedSizeListArray.from_arrays(bits, 512)]
                columns += [pa.array(texts)] * 2
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return paths


def loader(folder: Path) -> Iterator[Row]:
    """Reading a fifth of a million targets against numpy over the same bytes; opening them all."""
    paths = write_million(folder)
    targets = Targets(paths[:1])
    with open(folder / "plain.bin", "wb") as file:
        for block in targets.blocks:
            file.write(block.view(torch.int64).numpy().data)
    mapped = np.memmap(folder / "plain.bin", np.int64, "c")  # writable: torch warns otherwise
    plain = torch.from_numpy(mapped).split(targets.blocks[0].view(torch.int64).numel())

    def total(parts: Iterable[torch.Tensor]) -> int:
        return sum(int(part.sum()) for part in parts)

    def read() -> int:
        return total(block.view(torch.int64) for block in targets.blocks)

    assert read() == total(plain)
    yield Pair(
        name="targets: memory-mapped bytes / targets of the same bytes",
        a=lambda: total(plain),
        b=read,
        at_least=0.8,
    )

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", OPEN, str(folder)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    opened, grown_mb, rows = map(float, found.stdout.split())
    assert rows == MILLION
    yield Figure(name="targets: seconds to open a million", value=opened, at_most=1.5)
    yield Figure(
        name="targets: MB of a million opened, with an epoch's order", value=grown_mb, at_most=200
    )


def growth(folder: Path) -> Iterator[Row]:
    """A hundred more of ten thousand items, and what the driver holds."""
    sys.path.insert(0, str(SUPPORT))
    from scale_stages import chain

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}

    def drive(count: int, name: str) -> tuple[float, float]:
        """Seconds and peak of memory (kB) of a driver."""
        command = [sys.executable, "-m", "scale_driver", str(folder / name), str(count)]
        began = time.perf_counter()
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return time.perf_counter() - began, float(re.findall(r"\d+", found.stdout)[0])

    _, small = drive(100, "small")
    whole, large = drive(10_000, "large")
    yield Figure(name="driver's memory at 10,000 items / at 100", value=large / small, at_most=1.1)
    os.environ["PYTHONPATH"] = environment["PYTHONPATH"]  # children of this process too
    more, cached = chain(10_100), chain(10_000)
    began = time.perf_counter()
    execute(more, Store(folder / "large"), Runtime())
    added = time.perf_counter() - began
    yield Figure(
        name="adding 100 to 10,000 cheap items / making all", value=added / whole, at_most=1.5
    )
    began = time.perf_counter()
    execute(cached, Store(folder / "large"), Runtime())
    found = time.perf_counter() - began
    yield Figure(name="finding 10,000 items sealed / making all", value=found / whole, at_most=0.02)


CASES = (loader, growth)
