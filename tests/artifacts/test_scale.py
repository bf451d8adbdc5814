"""At ten thousand items: new ones cost what they are, and the driver's memory stays flat."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from scale_stages import chain

from storm.artifacts.make import execute
from storm.artifacts.shard import rows_of, write_rows
from storm.artifacts.store import Store
from storm.records import LatentTarget
from storm.runtime import Runtime


def peak_kb(root: Path, count: int) -> int:
    command = [sys.executable, "-m", "scale_driver", str(root), str(count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.integration
def test_a_hundred_more_of_ten_thousand_make_a_hundred(tmp_path: Path) -> None:
    small = peak_kb(tmp_path / "small", 100)
    large = peak_kb(tmp_path / "store", 10_000)
    assert large < 1.1 * small, "the driver's memory stays flat"

    store, diary = Store(tmp_path / "store"), tmp_path / "diary"
    execute(chain(10_100, str(diary)), store, Runtime())
    made = Counter(line.split()[0] for line in diary.read_text().splitlines())
    assert made == {"scale_numbers": 100, "scale_doubled": 100}
    stage = chain(10_100)
    assert len(stage.artifact(store).index()) == 10_100
    diary.write_text("")
    execute(chain(10_100, str(diary)), store, Runtime())
    assert diary.read_text() == ""


def test_shards_depend_only_on_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any iterable of rows gives the same bytes; wide rows make shorter record batches."""
    import numpy as np

    from storm.artifacts.shard import open_shard

    monkeypatch.setattr("storm.artifacts.shard._BATCH_BYTES", 3000)
    rows = [
        LatentTarget(id=str(n), latents=np.full((2, 100 if n < 20 else 5), n, np.float32))
        for n in range(40)
    ]
    for name, made in (("a", rows), ("b", tuple(rows))):
        with open(tmp_path / name, "wb") as file:
            write_rows(file, made, ["key"] * len(rows))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lengths = [batch.num_rows for batch in open_shard(tmp_path / "a").to_batches()]
    assert lengths == [4, 4, 4, 4, 4, 20]
    back = list(rows_of(tmp_path / "a", LatentTarget))
    assert [r.latents.shape for r in back] == [r.latents.shape for r in rows]
